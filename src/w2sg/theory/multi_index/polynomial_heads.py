"""One gradient step, then a polynomial head: four ways to keep what pre-training knew."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from w2sg._arrays import FloatArray, as_floats
from w2sg.theory.multi_index.target import Target, as_target, energy_at, up_to_degree

Head = Literal["teacher_only", "added", "warm", "clean_probe"]


@dataclass(frozen=True)
class TwoStage:
    """Excess risks of a feature-learning teacher and its student.

    Attributes:
        teacher_risk: R_t.
        student_risk: R_s.
        teacher_alignment: ρ_t, cosine of the teacher's direction with β_e.
        student_alignment: ρ_s, cosine of the student's direction with β_e.
    """

    teacher_risk: FloatArray
    student_risk: FloatArray
    teacher_alignment: FloatArray
    student_alignment: FloatArray

    @property
    def difference(self) -> FloatArray:
        """R_s − R_t, below 0 where the student wins."""
        return self.student_risk - self.teacher_risk


@dataclass(frozen=True)
class WarmStart:
    """The best pull of the student's head towards its pre-trained one.

    Attributes:
        penalty: λ⋆ of the head's ridge; infinite where keeping the pre-trained head is best.
        risk: R_s there.
    """

    penalty: FloatArray
    risk: FloatArray


def polynomial_head(
    a: ArrayLike,
    b: ArrayLike,
    sigma2: ArrayLike,
    gamma_t: ArrayLike,
    gamma_s: ArrayLike,
    degree: int | None = None,
    head: Head = "added",
    pretrained_scale: ArrayLike = 1.0,
    pretrained_overlap: ArrayLike = 1.0,
    lam: ArrayLike = 0.0,
) -> TwoStage:
    """Return the risks of learners that take one gradient step, then fit a polynomial head.

    With ρ_t, ρ_s the alignments of both directions, A_q = Σ_{k≤ℓ} a_k²ρ_s^{2k}, ρ_pre and κ_h the
    overlap and scale of the pre-trained hard part:
    R_t = Σa_k² − Σ_{k≤ℓ} a_k²ρ_t^{2k} + Σb_k², and the student's head

    * "teacher_only" is fitted to the teacher's labels: Σa_k² − A_q + Σb_k² ≥ R_t. The labels say
      nothing about the hard part, so good features alone do not help;
    * "added" also keeps the pre-trained hard part: its energy Σb_k² becomes
      Σb_k²(1 − (2κ_h − κ_h²)ρ_pre^{2k});
    * "warm" is ridge of penalty λ towards the pre-trained head, s = 1/(1 + λ):
      Σa_k² − (2s − s²)A_q, and the hard part with (1 − s)κ_h in place of κ_h;
    * "clean_probe" refits the frozen features on clean labels: Σa_k² − A_q + Σb_k²(1 − ρ_pre^{2k}).

    Args:
        a: Easy coefficients a_k from k = 0 on, a₁ ≠ 0.
        b: Hard coefficients b_k from k = 0 on, b₀ = b₁ = 0.
        sigma2: Variance σ² ≥ 0 of the noise on the teacher's labels.
        gamma_t: Aspect ratio d/n_t ≥ 0 of the teacher's gradient step.
        gamma_s: Aspect ratio d/n_s ≥ 0 of the student's gradient step.
        degree: Largest degree ℓ ≥ 1 the heads fit; all if ``None``.
        head: How the student's head is made.
        pretrained_scale: κ_h ≥ 0, scale of the pre-trained hard part.
        pretrained_overlap: ρ_pre in [0, 1], cosine of its direction with β_h.
        lam: Penalty λ ≥ 0 of "warm"; it multiplies Γ = I next to the features' covariance, which
            is I for Hermite features and infinite data.

    Returns:
        Both risks and alignments in the broadcast shape.

    Raises:
        ValueError: An argument is out of range, or λ > 0 with another head than "warm".

    Source: note on mechanisms, Result 26 (derived). Which protocol arXiv:2505.18346 uses is not
    known; all four are given.

    >>> result = polynomial_head([0, 0.8, 0.4, 0.2], [0, 0, 0.6, 0.3], 0.25, 0.1, 0.1)
    >>> round(float(result.teacher_risk), 6), round(float(result.student_risk), 6)
    (0.64923, 0.284134)
    """
    target = as_target(a, b, sigma2)
    fitted = up_to_degree(target.easy, degree)
    rho_t, rho_s = _alignments(target, fitted, gamma_t, gamma_s)
    scale = as_floats("pretrained_scale", pretrained_scale, low=0.0)
    overlap = as_floats("pretrained_overlap", pretrained_overlap, low=0.0, high=1.0)
    penalty = as_floats("lam", lam, low=0.0)
    if head not in ("teacher_only", "added", "warm", "clean_probe"):
        raise ValueError(
            f"head must be 'teacher_only', 'added', 'warm' or 'clean_probe', got {head!r}"
        )
    if head != "warm" and penalty.any():
        raise ValueError(f"lam is the pull of head='warm'; it must be 0 with head={head!r}")
    taught = energy_at(fitted, rho_t)
    learned = energy_at(fitted, rho_s)
    kept = energy_at(target.hard, overlap)
    share = 1 / (1 + penalty)
    own = {
        "teacher_only": 0.0,
        "added": (2 * scale - scale**2) * kept,
        "warm": (2 * (1 - share) * scale - ((1 - share) * scale) ** 2) * kept,
        "clean_probe": kept,
    }[head]
    energy = target.energy_easy + target.energy_hard
    teacher_risk = energy - taught
    # share is 1 for every head but "warm"
    student_risk = energy - (2 * share - share**2) * learned - own
    return TwoStage(*np.broadcast_arrays(teacher_risk, student_risk, rho_t, rho_s))


def warm_start_optimum(
    a: ArrayLike,
    b: ArrayLike,
    sigma2: ArrayLike,
    gamma_t: ArrayLike,
    gamma_s: ArrayLike,
    degree: int | None = None,
    pretrained_scale: ArrayLike = 1.0,
    pretrained_overlap: ArrayLike = 1.0,
) -> WarmStart:
    """Return the best pull of head="warm" towards the pre-trained head, and its risk.

    With B = Σb_k²ρ_pre^{2k}: 1 − s⋆ = κ_hB/(A_q + κ_h²B) and λ⋆ = 1/s⋆ − 1. For perfect
    pre-training λ⋆ = Σb_k²/A_q. A smaller λ forgets the hard part, a larger one ignores
    the teacher.

    Args:
        a: Easy coefficients a_k from k = 0 on, a₁ ≠ 0.
        b: Hard coefficients b_k from k = 0 on, b₀ = b₁ = 0.
        sigma2: Variance σ² ≥ 0 of the noise on the teacher's labels.
        gamma_t: Aspect ratio d/n_t ≥ 0 of the teacher's gradient step.
        gamma_s: Aspect ratio d/n_s ≥ 0 of the student's gradient step.
        degree: Largest degree ℓ ≥ 1 the heads fit; all if ``None``.
        pretrained_scale: κ_h ≥ 0, scale of the pre-trained hard part.
        pretrained_overlap: ρ_pre in [0, 1], cosine of its direction with β_h.

    Returns:
        λ⋆, which multiplies Γ = I next to the features' covariance, and the risk.

    Raises:
        ValueError: An argument is out of range.

    Source: note on mechanisms, Result 26 (derived; general κ_h and ρ_pre derived here).

    >>> best = warm_start_optimum([0, 0.8, 0.4, 0.2], [0, 0, 0.6, 0.3], 0.25, 0.1, 0.1)
    >>> round(float(best.risk), 6)
    0.532815
    """
    target = as_target(a, b, sigma2)
    fitted = up_to_degree(target.easy, degree)
    _, rho_s = _alignments(target, fitted, gamma_t, gamma_s)
    scale = as_floats("pretrained_scale", pretrained_scale, low=0.0)
    overlap = as_floats("pretrained_overlap", pretrained_overlap, low=0.0, high=1.0)
    learned, kept = energy_at(fitted, rho_s), energy_at(target.hard, overlap)
    pull = np.minimum(scale * kept / (learned + scale**2 * kept), 1.0)
    share = 1 - pull
    own = (2 * pull * scale - (pull * scale) ** 2) * kept
    energy = target.energy_easy + target.energy_hard
    risk = energy - (2 * share - share**2) * learned - own
    penalty = np.where(share > 0, pull / np.where(share > 0, share, 1.0), np.inf)
    return WarmStart(*np.broadcast_arrays(penalty, risk))


def _alignments(
    target: Target, fitted: FloatArray, gamma_t: ArrayLike, gamma_s: ArrayLike
) -> tuple[FloatArray, FloatArray]:
    ratio_t = as_floats("gamma_t", gamma_t, low=0.0)
    ratio_s = as_floats("gamma_s", gamma_s, low=0.0)
    first = target.easy[1] ** 2
    rho_t = np.sqrt(first / (first + ratio_t * target.second_moment))
    seen = first * rho_t**2
    return rho_t, rho_t * np.sqrt(seen / (seen + ratio_s * energy_at(fitted, rho_t)))
