"""Mechanism 3: easy features from the teacher, hard ones from the student's pre-training.

Target f⋆(x) = Σ a_k h_k(⟨β_e, x⟩) + Σ b_k h_k(⟨β_h, x⟩) with a₁ ≠ 0 (one gradient step finds the
easy direction from n ~ d samples) and b₀ = b₁ = 0 (it does not see the hard one). ``a[k]`` and
``b[k]`` are the coefficients of the orthonormal Hermite polynomial h_k from k = 0 on.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from w2sg._arrays import FloatArray, as_floats
from w2sg.theory.hermite import hermite_coefficients
from w2sg.theory.random_features import RandomFeatures
from w2sg.theory.ridge.channel import Signal

__all__ = [
    "Outlier",
    "TwoStage",
    "WarmStart",
    "hard_alignment",
    "hermite_coefficients",
    "information_exponent",
    "one_step_alignment",
    "outlier_alignment",
    "polynomial_head",
    "spiked_random_features",
    "warm_start_optimum",
]

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


@dataclass(frozen=True)
class Outlier:
    """The top singular value of a random matrix with one spike, and what its vectors show.

    Attributes:
        singular_value: Of the outlier, or the bulk's edge 1 + √c where there is none.
        right: Squared overlap of the right singular vector with the spike's, 0 without outlier.
        left: The same on the left.
    """

    singular_value: FloatArray
    right: FloatArray
    left: FloatArray


@dataclass(frozen=True)
class _Target:
    easy: FloatArray
    hard: FloatArray
    noise: FloatArray

    @property
    def energy_easy(self) -> float:
        return float(self.easy @ self.easy)

    @property
    def energy_hard(self) -> float:
        return float(self.hard @ self.hard)

    @property
    def second_moment(self) -> FloatArray:
        return self.energy_easy + self.energy_hard + self.noise


def information_exponent(coefficients: ArrayLike, tolerance: float = 1e-10) -> int:
    """Return the smallest k ≥ 1 with a Hermite coefficient that is not 0.

    Args:
        coefficients: c_k of h_k from k = 0 on.
        tolerance: Magnitude up to which a coefficient counts as 0.

    Returns:
        k; a direction with k = 1 is easy for one gradient step, others are hard.

    Raises:
        ValueError: All coefficients from k = 1 on are 0.

    Source: note on mechanisms, section 2.5.

    >>> information_exponent([0.3, 0.0, 0.5])
    2
    """
    values = as_floats("coefficients", coefficients, ndim=1)
    found = np.flatnonzero(np.abs(values[1:]) > tolerance)
    if len(found) == 0:
        raise ValueError("coefficients must have one that is not 0 from k = 1 on")
    return int(found[0]) + 1


def one_step_alignment(
    a: ArrayLike, b: ArrayLike, sigma2: ArrayLike, gamma: ArrayLike
) -> FloatArray:
    """Return the cosine of the first gradient direction with the easy direction.

    The first step moves the first layer along θ̂ ∝ Xᵀy/n, and
    cos²(θ̂, β_e) → a₁²/(a₁² + γ E y²), E y² = Σa_k² + Σb_k² + σ².

    Args:
        a: Easy coefficients a_k from k = 0 on, a₁ ≠ 0.
        b: Hard coefficients b_k from k = 0 on, b₀ = b₁ = 0.
        sigma2: Variance σ² ≥ 0 of the label noise.
        gamma: Aspect ratio γ = d/n ≥ 0.

    Returns:
        ρ in (0, 1].

    Raises:
        ValueError: An argument is out of range.

    Source: note on mechanisms, Result 23 (derived).

    >>> round(float(one_step_alignment([0, 0.8, 0.4, 0.2], [0, 0, 0.6, 0.3], 0.25, 0.1)), 4)
    0.8978
    """
    target = _target(a, b, sigma2)
    ratio = as_floats("gamma", gamma, low=0.0)
    first = target.easy[1] ** 2
    return np.sqrt(first / (first + ratio * target.second_moment))


def hard_alignment(a: ArrayLike, b: ArrayLike, sigma2: ArrayLike, gamma: ArrayLike) -> FloatArray:
    """Return d times the squared cosine of the first gradient direction with the hard direction.

    d E⟨θ̂, β_h⟩² → γ E[y²⟨β_h, x⟩²]/(a₁² + γ E y²): the hard direction stays at noise level.

    Args:
        a: Easy coefficients a_k from k = 0 on, a₁ ≠ 0.
        b: Hard coefficients b_k from k = 0 on, b₀ = b₁ = 0.
        sigma2: Variance σ² ≥ 0 of the label noise.
        gamma: Aspect ratio γ = d/n ≥ 0.

    Returns:
        The limit; a random direction has 1.

    Raises:
        ValueError: An argument is out of range.

    Source: note on mechanisms, Result 23 (derived).

    >>> round(float(hard_alignment([0, 1.0], [0, 0, 1.0], 0.0, 1.0)), 12)
    2.0
    """
    target = _target(a, b, sigma2)
    ratio = as_floats("gamma", gamma, low=0.0)
    # z h_k = √(k+1) h_{k+1} + √k h_{k−1}: E[f_h² z²] is the energy of z f_h
    k = np.arange(len(target.hard))
    raised = np.zeros(len(target.hard) + 1)
    raised[1:] = np.sqrt(k + 1) * target.hard
    raised[: len(k) - 1] += np.sqrt(k[1:]) * target.hard[1:]
    constant = 2 * target.easy[0] * np.sqrt(2) * target.hard[2] if len(k) > 2 else 0.0
    moment = float(raised @ raised) + constant + target.energy_easy + target.noise
    first = target.easy[1] ** 2
    return ratio * moment / (first + ratio * target.second_moment)


def outlier_alignment(theta: ArrayLike, ratio: ArrayLike) -> Outlier:
    """Return the top singular value and its overlaps for W₀ + θ â v̂ᵀ.

    W₀ ∈ ℝ^{p×d} has entries N(0, 1/d), c = p/d. From θ > c^{1/4} on there is an outlier with
    σ₁² = (1 + θ²)(c + θ²)/θ², ⟨v̂, v₁⟩² = 1 − (c + θ²)/(θ²(θ² + 1)) and
    ⟨â, u₁⟩² = 1 − c(1 + θ²)/(θ²(θ² + c)).

    Args:
        theta: Size θ ≥ 0 of the spike, for unit vectors â and v̂.
        ratio: c = p/d > 0, rows over columns.

    Returns:
        The singular value and squared overlaps; multiply ``right`` by cos²(v̂, β_e) for the
        overlap with the easy direction.

    Raises:
        ValueError: An argument is out of range.

    Source: note on mechanisms, Result 24 (from the literature on spiked models, checked by
    simulation).

    >>> outlier = outlier_alignment(2.0, 1.0)
    >>> round(float(outlier.singular_value), 6), round(float(outlier.right), 6)
    (2.5, 0.75)
    """
    size, c = np.broadcast_arrays(
        as_floats("theta", theta, low=0.0), as_floats("ratio", ratio, low=0.0, open_low=True)
    )
    visible = size**4 > c
    t2 = np.where(visible, size**2, 1.0)
    top = np.where(visible, np.sqrt((1 + t2) * (c + t2) / t2), 1 + np.sqrt(c))
    right = np.where(visible, 1 - (c + t2) / (t2 * (t2 + 1)), 0.0)
    left = np.where(visible, 1 - c * (1 + t2) / (t2 * (t2 + c)), 0.0)
    return Outlier(top, right, left)


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
    target = _target(a, b, sigma2)
    fitted = _fitted(target.easy, degree)
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
    taught = _energy(fitted, rho_t)
    learned = _energy(fitted, rho_s)
    kept = _energy(target.hard, overlap)
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
    pre-training λ⋆ = Σb_k²/A_q. A smaller λ forgets the hard part, a larger one ignores the teacher.

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
    target = _target(a, b, sigma2)
    fitted = _fitted(target.easy, degree)
    _, rho_s = _alignments(target, fitted, gamma_t, gamma_s)
    scale = as_floats("pretrained_scale", pretrained_scale, low=0.0)
    overlap = as_floats("pretrained_overlap", pretrained_overlap, low=0.0, high=1.0)
    learned, kept = _energy(fitted, rho_s), _energy(target.hard, overlap)
    pull = np.minimum(scale * kept / (learned + scale**2 * kept), 1.0)
    share = 1 - pull
    own = (2 * pull * scale - (pull * scale) ** 2) * kept
    energy = target.energy_easy + target.energy_hard
    risk = energy - (2 * share - share**2) * learned - own
    penalty = np.where(share > 0, pull / np.where(share > 0, share, 1.0), np.inf)
    return WarmStart(*np.broadcast_arrays(penalty, risk))


def spiked_random_features(
    a: ArrayLike,
    b: ArrayLike,
    sigma2: ArrayLike,
    gamma_t: ArrayLike,
    gamma_s: ArrayLike,
    head_t: RandomFeatures,
    head_s: RandomFeatures,
    degree: int | None = None,
) -> TwoStage:
    """Return the risks when heads see the learned direction and random features of the input.

    A head is an unpenalised polynomial of degree ℓ in the learned direction plus ridge on
    act(W₀x), fitted to fresh samples. What the polynomial leaves over passes the random-feature
    channel. The teacher's head absorbs extra samples into its linear part, so that the student's
    direction can be better aligned than the teacher's.

    Args:
        a: Easy coefficients a_k from k = 0 on, a₁ ≠ 0.
        b: Hard coefficients b_k from k = 0 on, b₀ = b₁ = 0.
        sigma2: Variance σ² ≥ 0 of the noise on the teacher's labels.
        gamma_t: Aspect ratio d/n ≥ 0 of the teacher's gradient step.
        gamma_s: Aspect ratio d/n ≥ 0 of the student's gradient step.
        head_t: Samples, width, penalty and activation of the teacher's head.
        head_s: The same of the student's head.
        degree: Largest degree ℓ ≥ 1 of the polynomial; all if ``None``.

    Returns:
        Both risks and alignments.

    Raises:
        ValueError: An argument is out of range.

    Source: note on mechanisms, Result 27 (derived; the student's head completed here).

    >>> head = RandomFeatures(6.0, 2.0, 0.01, 0.5, 0.09)
    >>> a, b = [0, 0.8, 0.4, 0.2], [0, 0, 0.6, 0.3]
    >>> result = spiked_random_features(a, b, 0.25, 0.2, 0.01, head, head)
    >>> bool(result.student_alignment > result.teacher_alignment)
    True
    """
    target = _target(a, b, sigma2)
    fitted = _fitted(target.easy, degree)
    rho_t = one_step_alignment(a, b, sigma2, gamma_t)
    first = float(target.easy[1])
    later = fitted.copy()
    later[1] = 0.0
    taught = _energy(later, rho_t)
    energy = target.energy_easy + target.energy_hard

    missed = first**2 * (1 - rho_t**2)
    rest = np.maximum(energy - first**2 - taught, 0.0)
    fit_t = head_t.fit(Signal(missed, missed, rest, missed), target.noise)
    norm_t, nonlinear_t = as_floats("norm2", fit_t.norm2), as_floats("nonlinear", fit_t.nonlinear)
    overlap_t = as_floats("overlap", fit_t.overlap)
    teacher_risk = missed - 2 * overlap_t + norm_t + nonlinear_t + rest

    # the teacher's linear part: what its direction and its random features carry
    linear2 = first**2 * rho_t**2 + norm_t
    linear_easy = (first**2 * rho_t**2 + overlap_t) / first
    power = first**2 * rho_t**2 + taught + norm_t + nonlinear_t
    ratio = as_floats("gamma_s", gamma_s, low=0.0)
    cos = np.sqrt(linear2 / (linear2 + ratio * power))
    rho_s = linear_easy / np.sqrt(linear2) * cos
    rho_st = first * rho_t / np.sqrt(linear2) * cos

    passed = later[:, None] * _powers(len(later), rho_t * rho_st).reshape(len(later), -1)
    passed2 = (passed**2).sum(axis=0).reshape(np.shape(rho_t * rho_st))
    crossed = _crossed(later, rho_s, rho_t * rho_st)
    left = linear2 * (1 - cos**2)
    left_easy = first * (linear_easy - np.sqrt(linear2) * cos * rho_s)
    left_rest = np.maximum(taught - passed2, 0.0) + nonlinear_t
    fit_s = head_s.fit(Signal(left, left_easy, left_rest, first**2), 0.0)
    agreement = first * rho_s * np.sqrt(linear2) * cos + crossed + np.asarray(fit_s.overlap)
    size = linear2 * cos**2 + passed2 + np.asarray(fit_s.norm2) + np.asarray(fit_s.nonlinear)
    student_risk = energy - 2 * agreement + size
    return TwoStage(*np.broadcast_arrays(teacher_risk, student_risk, rho_t, rho_s))


def _target(a: Any, b: Any, sigma2: Any) -> _Target:
    easy, hard = as_floats("a", a, ndim=1), as_floats("b", b, ndim=1)
    if len(easy) < 2 or easy[1] == 0:
        raise ValueError(
            f"a must have a[1] ≠ 0 (a direction one gradient step finds), got {easy.tolist()}"
        )
    if hard[:2].any():
        raise ValueError(f"b must have b[0] = b[1] = 0 (a hard direction), got {hard.tolist()}")
    return _Target(easy, hard, as_floats("sigma2", sigma2, low=0.0))


def _fitted(easy: FloatArray, degree: int | None) -> FloatArray:
    if degree is None:
        return easy
    if degree < 1:
        raise ValueError(f"degree must be at least 1, got {degree}")
    return np.where(np.arange(len(easy)) <= degree, easy, 0.0)


def _alignments(
    target: _Target, fitted: FloatArray, gamma_t: ArrayLike, gamma_s: ArrayLike
) -> tuple[FloatArray, FloatArray]:
    ratio_t = as_floats("gamma_t", gamma_t, low=0.0)
    ratio_s = as_floats("gamma_s", gamma_s, low=0.0)
    first = target.easy[1] ** 2
    rho_t = np.sqrt(first / (first + ratio_t * target.second_moment))
    seen = first * rho_t**2
    return rho_t, rho_t * np.sqrt(seen / (seen + ratio_s * _energy(fitted, rho_t)))


def _powers(count: int, rho: FloatArray) -> FloatArray:
    return np.stack([np.asarray(rho, dtype=np.float64) ** k for k in range(count)])


def _energy(coefficients: FloatArray, rho: FloatArray) -> FloatArray:
    return np.tensordot(coefficients**2, _powers(len(coefficients), rho) ** 2, axes=1)


def _crossed(coefficients: FloatArray, rho: FloatArray, other: FloatArray) -> FloatArray:
    products = _powers(len(coefficients), rho) * _powers(len(coefficients), other)
    return np.tensordot(coefficients**2, products, axes=1)
