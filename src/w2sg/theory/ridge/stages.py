"""Teacher, then student: the risks of both, and their difference computed without cancellation."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from w2sg._arrays import FloatArray, as_floats
from w2sg.theory.ridge.effective_penalty import (
    Shrinkage,
    as_penalty,
    refuse_divergence,
    shrinkage,
)

Inputs = Literal["fresh", "reused"]


@dataclass(frozen=True)
class TwoStage:
    """Excess risks of a teacher and of the student that learned from it.

    Attributes:
        teacher_risk: R_t.
        student_risk: R_s.
        difference: R_s − R_t, below 0 where the student wins.
        deficit: D = 1 − C/T in (−∞, 1), above 0 exactly for an under-regularised teacher.
    """

    teacher_risk: FloatArray
    student_risk: FloatArray
    difference: FloatArray
    deficit: FloatArray


class Teacher(NamedTuple):
    """The scalars of a fitted teacher that a student depends on."""

    gamma: FloatArray
    fit: Shrinkage
    error: FloatArray
    noise: FloatArray
    norm2: FloatArray
    deficit: FloatArray
    risk: FloatArray


def two_stage(
    gamma_t: ArrayLike,
    gamma_s: ArrayLike,
    lam_t: ArrayLike,
    lam_s: ArrayLike,
    sigma2: ArrayLike,
    r2: ArrayLike = 1.0,
    tau2: ArrayLike = 0.0,
    inputs: Inputs = "fresh",
    *,
    signed: bool = False,
) -> TwoStage:
    """Return the risks of a ridge teacher and of the ridge student fitted to its labels.

    With w = 1/(1 + κ), u = 1 − w, g = 1 − γw² for each fit, s_t² = (σ² + r²u_t²)/g_t and
    T = r²w_t² + γ_t w_t² s_t²:

    R_t = (r²u_t² + γ_tσ²w_t²)/g_t, and on fresh inputs
    R_s − R_t = −2u_s(T − C) + u_s²T/g_s + τ²γ_s w_s²/g_s, T − C = r²w_t²(λ_t⋆ − λ_t)/g_t,
    with λ_t⋆ = γ_tσ²/r². On reused inputs the residuals of the two fits are dependent and a
    2×2 linear system closes for their second moments; it has no singularity at λ_s = λ_t.

    Args:
        gamma_t: Aspect ratio d/n_t ≥ 0 of the teacher.
        gamma_s: Aspect ratio d/n_s ≥ 0 of the student; 0 is infinite student data.
        lam_t: Teacher penalty λ_t ≥ 0; it multiplies Γ = I next to XᵀX/n.
        lam_s: Student penalty λ_s ≥ 0, the same convention.
        sigma2: Variance σ² ≥ 0 of the noise on the teacher's labels.
        r2: Squared norm r² > 0 of the target.
        tau2: Variance τ² ≥ 0 of extra noise on the student's labels.
        inputs: "fresh" inputs for the student, or the teacher's own "reused".
        signed: Whether the student's λ_s > −(1 − √γ_s)² is allowed where γ_s < 1 (fresh inputs).

    Returns:
        The risks in the broadcast shape of all arguments.

    Raises:
        ValueError: An argument is out of range; γ = 1 with λ = 0; or reused inputs with
            γ_s ≠ γ_t, a zero penalty or ``signed``.

    Source: note on mechanisms, Results 1–3 (fresh) and 12, 18 (reused), derived. With fresh
    inputs the difference should be Theorem 4 of arXiv:2505.18346 (a reconstruction).

    >>> result = two_stage(0.5, 0.5, 0.05, 0.462144, sigma2=1.0)
    >>> round(float(result.teacher_risk), 6), round(float(result.student_risk), 6)
    (0.733843, 0.51967)
    """
    teacher, r2_array = fit_teacher(gamma_t, lam_t, sigma2, r2)
    tau2_array = as_floats("tau2", tau2, low=0.0)
    if inputs not in ("fresh", "reused"):
        raise ValueError(f"inputs must be 'fresh' or 'reused', got {inputs!r}")
    if inputs == "reused" and signed:
        raise ValueError("signed penalties need inputs='fresh'; reused inputs need lam_s above 0")
    lam_s_array, gamma_s_array = as_penalty("lam_s", lam_s, "gamma_s", gamma_s, signed=signed)
    if inputs == "reused":
        _refuse_reuse(gamma_t, gamma_s_array, as_floats("lam_t", lam_t), lam_s_array)
    refuse_divergence("lam_s", lam_s_array, "gamma_s", gamma_s_array)
    student = shrinkage(lam_s_array, gamma_s_array)
    risks = _fresh if inputs == "fresh" else _reused
    try:
        student_risk, difference = risks(teacher, student, gamma_s_array, r2_array, tau2_array)
        arrays = np.broadcast_arrays(teacher.risk, student_risk, difference, teacher.deficit)
    except ValueError as error:
        raise ValueError(f"the arguments of two_stage must broadcast: {error}") from None
    return TwoStage(*arrays)


def fit_teacher(
    gamma_t: ArrayLike, lam_t: ArrayLike, sigma2: ArrayLike, r2: ArrayLike
) -> tuple[Teacher, FloatArray]:
    """Return the checked teacher and r² as an array."""
    noise = as_floats("sigma2", sigma2, low=0.0)
    r2_array = as_floats("r2", r2, low=0.0, open_low=True)
    lam, gamma = as_penalty("lam_t", lam_t, "gamma_t", gamma_t)
    refuse_divergence("lam_t", lam, "gamma_t", gamma)
    fit = shrinkage(lam, gamma)
    best = gamma * noise / r2_array
    error = (noise + r2_array * fit.lost**2) / fit.freedom
    filtered = gamma * fit.kept**2 * error
    # D = (T − C)/T with both sides divided by r²w²/g: finite however large λ or small w is
    deficit = (best - lam) / (1 + gamma - 2 * gamma * fit.kept + best)
    risk = (r2_array * fit.lost**2 + gamma * noise * fit.kept**2) / fit.freedom
    norm2 = r2_array * fit.kept**2 + filtered
    return Teacher(gamma, fit, error, filtered, norm2, deficit, risk), r2_array


def _fresh(
    teacher: Teacher,
    student: Shrinkage,
    gamma_s: FloatArray,
    r2: FloatArray,
    tau2: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    w, u = student.kept, student.lost
    own_noise = gamma_s * w**2 * (tau2 + u**2 * teacher.norm2) / student.freedom
    bias = teacher.fit.lost + u * teacher.fit.kept
    risk = r2 * bias**2 + w**2 * teacher.noise + own_noise
    relabelled = gamma_s * w**2 * tau2 / student.freedom
    change = u * teacher.norm2 * (u / student.freedom - 2 * teacher.deficit)
    return risk, change + relabelled


def _reused(
    teacher: Teacher,
    student: Shrinkage,
    gamma: FloatArray,
    r2: FloatArray,
    tau2: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    w_t, u_t, e_tt = teacher.fit.kept, teacher.fit.lost, teacher.error
    w_s, u_s = student.kept, student.lost
    joint = 1 - gamma * w_s * w_t
    # the student's fit leans on β⋆ itself by α: its labels share their inputs with the teacher's
    alpha = gamma * w_s * w_t * u_s / joint
    own = u_s / joint
    mean = own * w_t - alpha
    h_tt = gamma * w_t**2 * e_tt
    e_st = (r2 * u_t * mean - own * h_tt + gamma * alpha * w_t * e_tt) / joint
    h_st = gamma * w_t * (w_s * e_st + alpha * e_tt)
    rest = r2 * mean**2 + own**2 * h_tt - 2 * own * h_st + tau2
    e_ss = (rest + gamma * alpha * (2 * w_s * e_st + alpha * e_tt)) / student.freedom
    h_ss = gamma * (w_s**2 * e_ss + alpha * (2 * w_s * e_st + alpha * e_tt))
    keep = w_s - alpha
    risk = r2 * (1 - keep * w_t - alpha) ** 2 + keep**2 * h_tt + 2 * keep * h_st + h_ss
    return risk, risk - teacher.risk


def _refuse_reuse(
    gamma_t: ArrayLike, gamma_s: FloatArray, lam_t: FloatArray, lam_s: FloatArray
) -> None:
    ratio = as_floats("gamma_t", gamma_t)
    if (ratio != gamma_s).any():
        raise ValueError(
            "gamma_s must equal gamma_t when inputs='reused' (one set of inputs), "
            f"got gamma_t={ratio.flat[0]:g} and gamma_s={gamma_s.flat[0]:g}"
        )
    for name, lam in (("lam_t", lam_t), ("lam_s", lam_s)):
        if (lam <= 0).any():
            raise ValueError(f"{name} must be above 0 when inputs='reused', got {lam.min():g}")
