"""Teacher, then student, with any Σ, Γ_t, Γ_s: risks split into bias and two kinds of noise."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from w2sg._arrays import FloatArray, as_floats
from w2sg.theory.weighted_ridge.equivalent import DeterministicEquivalent, equivalent
from w2sg.theory.weighted_ridge.quadratic_forms import (
    apply,
    as_count,
    as_form,
    one_form,
    product,
    squared_norm,
    target_columns,
    trace_of_product,
)


@dataclass(frozen=True)
class TwoStage:
    """Excess risks of a weighted-ridge teacher and its student, and what they are made of.

    Attributes:
        teacher_risk: R_t = ``teacher_bias`` + ``teacher_noise``.
        student_risk: R_s = ``bias`` + ``filtered_teacher_noise`` + ``student_noise``.
        teacher_bias: What the teacher's penalty removes of the target.
        teacher_noise: What the teacher learned from label noise.
        bias: What the two penalties together remove of the target.
        filtered_teacher_noise: The teacher's noise that passes the student's penalty.
        student_noise: What the student's finite sample adds; with reused inputs also its
            correlation with the teacher's noise.
    """

    teacher_risk: float
    student_risk: float
    teacher_bias: float
    teacher_noise: float
    bias: float
    filtered_teacher_noise: float
    student_noise: float

    @property
    def difference(self) -> float:
        """R_s − R_t, below 0 where the student wins."""
        return self.student_risk - self.teacher_risk


@dataclass(frozen=True)
class FittedStage:
    """One fit of a chain as a Gaussian vector.

    Attributes:
        mean: E[β̂ | β⋆] (d,) for a vector target; for a prior, the map M with E[β̂ | β⋆] = Mβ⋆.
        covariance: Cov(β̂ | β⋆), matrix or spectrum.
        bias: E‖Mβ⋆ − β⋆‖²_Σ.
        variance: tr(Σ Cov).
    """

    mean: FloatArray
    covariance: FloatArray
    bias: float
    variance: float

    @property
    def risk(self) -> float:
        """Excess risk, ``bias`` + ``variance``."""
        return self.bias + self.variance


def two_stage(
    Sigma: ArrayLike,
    beta: ArrayLike,
    Gamma_t: ArrayLike,
    lam_t: float,
    n_t: float,
    Gamma_s: ArrayLike,
    lam_s: float,
    n_s: float,
    sigma2: float,
    tau2: float = 0.0,
    inputs: Literal["fresh", "reused"] = "fresh",
    prior_mean_s: ArrayLike | None = None,
) -> TwoStage:
    """Return the risks of a weighted-ridge teacher and of the student fitted to its labels.

    With A, P, K, df₂ of each fit, s_t² = (σ² + ‖P_tβ⋆‖²_Σ)/(1 − df₂ₜ/n_t), on fresh inputs
    R_t = ‖P_tβ⋆‖²_Σ + (s_t²/n_t) df₂ₜ and
    R_s = ‖(A_sA_t − I)β⋆‖²_Σ + (s_t²/n_t) tr(A_sᵀΣA_sK_t) + (s_s²/n_s) df₂ₛ,
    s_s² = [τ² + ‖P_sA_tβ⋆‖²_Σ + (s_t²/n_t) tr(P_sᵀΣP_sK_t)]/(1 − df₂ₛ/n_s).
    On reused inputs the student also leans on β⋆ itself, by
    θ = (1/n)tr(P_sA_t)/(1 − (1/n)tr(A_sA_t)), and the second moments of the two out-of-sample
    residuals close a 2×2 linear system.

    Args:
        Sigma: Covariance Σ of the inputs, (d, d) or spectrum (d,), semi-definite.
        beta: Target β⋆ (d,), or the covariance (d, d) of a random target. With spectra only
            the squares of β⋆ matter, so a diagonal prior is the vector of its roots.
        Gamma_t: Teacher penalty Γ_t, (d, d) or spectrum (d,), positive definite.
        lam_t: λ_t ≥ 0; it multiplies Γ_t next to XᵀX/n_t.
        n_t: Teacher samples, real, above 0.
        Gamma_s: Student penalty Γ_s, as Γ_t.
        lam_s: λ_s ≥ 0; it multiplies Γ_s next to XᵀX/n_s.
        n_s: Student samples; infinity is allowed.
        sigma2: Variance σ² ≥ 0 of the noise on the teacher's labels.
        tau2: Variance τ² ≥ 0 of extra noise on the student's labels.
        inputs: "fresh" inputs for the student, or the teacher's own "reused".
        prior_mean_s: Centre (d,) of the student's penalty, a pre-trained β; fresh inputs only.

    Returns:
        Both risks and their parts.

    Raises:
        ValueError: A shape, sign or size is wrong; λ = 0 with n equal to the rank of Σ; or
            reused inputs with n_s ≠ n_t, a zero penalty or a centre.

    Source: note on mechanisms, Results 16–18 (derived).

    >>> result = two_stage([1.0], [1.0], [1.0], 0.05, 2.0, [1.0], 0.462144, 2.0, 1.0)
    >>> round(result.teacher_risk, 6), round(result.student_risk, 6)
    (0.733843, 0.51967)
    """
    sigma, gammas, columns, noises = _checked(Sigma, beta, (Gamma_t, Gamma_s), sigma2, tau2)
    counts = as_count("n_t", n_t), as_count("n_s", n_s)
    lams = [
        float(as_floats(name, lam, low=0.0, ndim=0))
        for name, lam in (("lam_t", lam_t), ("lam_s", lam_s))
    ]
    if inputs not in ("fresh", "reused"):
        raise ValueError(f"inputs must be 'fresh' or 'reused', got {inputs!r}")
    if inputs == "reused":
        _refuse_reuse(counts, lams, prior_mean_s)
    teacher = equivalent(sigma, gammas[0], lams[0], counts[0], suffix="_t")
    student = equivalent(sigma, gammas[1], lams[1], counts[1], suffix="_s")
    lost = apply(teacher.P, columns)
    teacher_bias = squared_norm(sigma, lost)
    error = (noises[0] + teacher_bias) / (1 - teacher.df2 / counts[0])
    scale = error / counts[0]
    if inputs == "fresh":
        kept = columns - lost
        parts = _fresh(
            sigma,
            columns,
            kept,
            teacher,
            student,
            scale,
            noises[1],
            counts[1],
            prior_mean_s,
            np.ndim(beta) == 2,
        )
    else:
        parts = _reused(sigma, columns, teacher, student, scale, noises[1], counts[0])
    noise = scale * teacher.df2
    return TwoStage(teacher_bias + noise, sum(parts), teacher_bias, noise, *parts)


def chain(
    Sigma: ArrayLike,
    beta: ArrayLike,
    stages: Iterable[tuple[ArrayLike, float, float]],
    sigma2: float,
    *,
    tau2: float = 0.0,
) -> tuple[FittedStage, ...]:
    """Run a teacher and any number of students, each on fresh inputs labelled by the one before.

    Labels of mean x̃ᵀb, b ~ (μ, V), and noise τ² give μ′ = Aμ and V′ = AVAᵀ + (s²/n)K with
    s² = (τ² + ‖Pμ‖²_Σ + tr(PᵀΣPV))/(1 − df₂/n).

    Args:
        Sigma: Covariance Σ of the inputs, (d, d) or spectrum (d,).
        beta: Target β⋆ (d,), or the covariance (d, d) of a random target.
        stages: (Γ, λ, n) of each fit, the teacher first; λ multiplies Γ next to XᵀX/n.
        sigma2: Variance σ² ≥ 0 of the noise on the teacher's labels.
        tau2: Variance τ² ≥ 0 of extra noise on the labels of every student.

    Returns:
        One fitted stage each, with its mean, covariance, bias, variance and risk.

    Raises:
        ValueError: No stage, or a shape, sign or size is wrong.

    Source: note on mechanisms, Result 16 (derived).

    >>> fits = chain([1.0], [1.0], [([1.0], 0.05, 2.0), ([1.0], 0.1, 2.0)], 1.0)
    >>> [round(fit.risk, 6) for fit in fits]
    [0.733843, 0.595213]
    """
    listed = list(stages)
    if not listed:
        raise ValueError("stages must hold at least the teacher's (Gamma, lam, n), got none")
    gammas = tuple(gamma for gamma, _, _ in listed)
    sigma, forms, columns, noises = _checked(Sigma, beta, gammas, sigma2, tau2)
    is_vector = np.ndim(beta) == 1
    size = len(sigma)
    kept, passed = columns, np.ones(size) if sigma.ndim == 1 else np.eye(size)
    covariance = np.zeros_like(sigma)
    fits, noise = [], noises[0]
    for form, (_, lam, n) in zip(forms, listed, strict=True):
        penalty = float(as_floats("lam", lam, low=0.0, ndim=0))
        count = as_count("n", n)
        fit = equivalent(sigma, form, penalty, count)
        lost = squared_norm(sigma, apply(fit.P, kept))
        spread = trace_of_product(product(sigma, fit.P), product(fit.P, covariance))
        error = (noise + lost + spread) / (1 - fit.df2 / count)
        kept, passed = apply(fit.A, kept), product(fit.A, passed)
        covariance = product(fit.A, covariance, _transposed(fit.A)) + error / count * fit.K
        bias = squared_norm(sigma, kept - columns)
        mean = kept[:, 0] if is_vector else passed
        fits.append(FittedStage(mean, covariance, bias, trace_of_product(sigma, covariance)))
        noise = noises[1]
    return tuple(fits)


def _checked(
    Sigma: ArrayLike, beta: ArrayLike, gammas: tuple[ArrayLike, ...], sigma2: float, tau2: float
) -> tuple[FloatArray, tuple[FloatArray, ...], FloatArray, tuple[float, float]]:
    sigma = as_form("Sigma", Sigma, definite=False)
    names = ("Gamma_t", "Gamma_s", *(f"Gamma of stage {k}" for k in range(2, len(gammas))))
    checked = [
        as_form(name, gamma, size=len(sigma), definite=True)
        for name, gamma in zip(names, gammas, strict=False)
    ]
    columns = target_columns("beta", beta, len(sigma))
    sigma, *forms = one_form(sigma, *checked)
    noises = (
        float(as_floats("sigma2", sigma2, low=0.0, ndim=0)),
        float(as_floats("tau2", tau2, low=0.0, ndim=0)),
    )
    return sigma, tuple(forms), columns, noises


def _fresh(
    sigma: FloatArray,
    columns: FloatArray,
    kept: FloatArray,
    teacher: DeterministicEquivalent,
    student: DeterministicEquivalent,
    scale: float,
    tau2: float,
    n: float,
    centre: ArrayLike | None,
    is_random: bool,
) -> tuple[float, float, float]:
    pull = np.zeros((len(sigma), 1))
    if centre is not None:
        pull = as_floats("prior_mean_s", centre, ndim=1)[:, None]
        if len(pull) != len(sigma):
            raise ValueError(
                f"prior_mean_s must have {len(sigma)} entries to match Sigma, got {len(pull)}"
            )
    if is_random and pull.any():
        # a random target has mean zero: its columns and the centre add in square
        zero = np.zeros_like(pull)
        columns, kept = np.hstack([columns, zero]), np.hstack([kept, zero])
        pull = np.hstack([np.zeros_like(columns[:, :-1]), pull])
    missed = apply(student.P, kept - pull)
    noise_in = product(student.A, teacher.K)
    noise_out = product(student.P, teacher.K)
    bias = squared_norm(sigma, kept - missed - columns)
    filtered = scale * trace_of_product(product(sigma, student.A), noise_in)
    lost = scale * trace_of_product(product(sigma, student.P), noise_out)
    error = (tau2 + squared_norm(sigma, missed) + lost) / (1 - student.df2 / n)
    return bias, filtered, error / n * student.df2


def _reused(
    sigma: FloatArray,
    columns: FloatArray,
    teacher: DeterministicEquivalent,
    student: DeterministicEquivalent,
    scale: float,
    tau2: float,
    n: float,
) -> tuple[float, float, float]:
    a_s, a_t, k_t = student.A, teacher.A, teacher.K
    both = trace_of_product(_transposed(a_s), a_t) / n
    lean = trace_of_product(_transposed(student.P), a_t) / n / (1 - both)
    # residuals on a new input, g the noise of each fit:
    # e_t = P_tβ⋆ − g_t and e_s = (P_sA_t − θA_sP_t)β⋆ + (P_s + θA_s)g_t − g_s
    lost = apply(teacher.P, columns)
    missed = apply(student.P, columns - lost) - lean * apply(a_s, lost)
    own = student.P + lean * a_s
    joint = product(a_t, a_s)
    cross = trace_of_product(missed, apply(sigma, lost)) - scale * trace_of_product(
        product(sigma, own), k_t
    )
    e_tt = scale * n
    e_st = (cross + both * lean * e_tt) / (1 - both)
    h_st = (e_st + lean * e_tt) / n
    rest = squared_norm(sigma, missed) + tau2
    rest += scale * trace_of_product(product(sigma, own), product(own, k_t))
    rest -= 2 * h_st * trace_of_product(_transposed(joint), own)
    lean_noise = lean * (2 * e_st + lean * e_tt)
    e_ss = (rest + lean_noise * student.df2 / n) / (1 - student.df2 / n)
    h_ss = (e_ss + lean_noise) / n
    bias = squared_norm(sigma, missed + lost)
    pass_on = (1 - lean) ** 2 * scale
    filtered = pass_on * trace_of_product(product(sigma, a_s), product(a_s, k_t))
    own_noise = 2 * (1 - lean) * h_st * trace_of_product(_transposed(joint), a_s)
    return bias, filtered, own_noise + h_ss * student.df2


def _transposed(form: FloatArray) -> FloatArray:
    return form if form.ndim == 1 else form.T


def _refuse_reuse(counts: tuple[float, float], lams: list[float], centre: ArrayLike | None) -> None:
    if counts[0] != counts[1]:
        raise ValueError(
            f"n_s must equal n_t when inputs='reused', got n_t={counts[0]:g}, n_s={counts[1]:g}"
        )
    for name, lam in zip(("lam_t", "lam_s"), lams, strict=True):
        if lam == 0:
            raise ValueError(f"{name} must be above 0 when inputs='reused', got 0")
    if centre is not None:
        raise ValueError("prior_mean_s needs inputs='fresh'; leave it None with reused inputs")
