"""Mechanism 2: what a student gains from a penalty that is lighter on the target."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from w2sg._arrays import FloatArray, as_floats
from w2sg.theory.ridge.effective_penalty import as_penalty, refuse_divergence, shrinkage
from w2sg.theory.ridge.effective_penalty import penalty_of_kappa as isotropic_penalty
from w2sg.theory.ridge.stages import fit_teacher
from w2sg.theory.weighted_ridge.equivalent import equivalent
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
class SmallPenaltyGain:
    """How the student's risk starts, at an infinitesimal penalty.

    Attributes:
        overlap: 𝒲 = E β̂_tᵀΓ_s(β̂_t − β⋆); a small penalty helps iff it is above 0.
        slope: dR_s/dλ_s at 0⁺, which is −2𝒲/(1 − d/n_s).
    """

    overlap: float
    slope: float


@dataclass(frozen=True)
class SpikedStudent:
    """Risks with a penalty that has one direction of its own weight.

    Attributes:
        teacher_risk: R_t of the plain teacher.
        student_risk: R_s.
    """

    teacher_risk: FloatArray
    student_risk: FloatArray

    @property
    def difference(self) -> FloatArray:
        """R_s − R_t, below 0 where the student wins."""
        return self.student_risk - self.teacher_risk


@dataclass(frozen=True)
class BestLinearStudent:
    """The best linear map of a teacher's coefficients, and its excess risk.

    Attributes:
        map: B, matrix (d, d) or spectrum (d,); the student is Bβ̂_t.
        risk: E‖Bβ̂_t − β⋆‖²_Σ.
    """

    map: FloatArray
    risk: float


def small_penalty_gain(
    Sigma: ArrayLike,
    beta: ArrayLike,
    Gamma_t: ArrayLike,
    lam_t: float,
    n_t: float,
    Gamma_s: ArrayLike,
    n_s: float,
    sigma2: float,
) -> SmallPenaltyGain:
    """Return whether, and how fast, a small student penalty improves on the teacher.

    𝒲 = tr(Γ_sV_t) − μ_tᵀΓ_sP_tβ⋆ with μ_t = A_tβ⋆ and V_t = (s_t²/n_t)K_t.

    Args:
        Sigma: Covariance Σ of the inputs, (d, d) or spectrum (d,), positive definite.
        beta: Target β⋆ (d,), or the covariance (d, d) of a random target.
        Gamma_t: Teacher penalty Γ_t, positive definite.
        lam_t: λ_t ≥ 0; it multiplies Γ_t next to XᵀX/n_t.
        n_t: Teacher samples, real, above 0.
        Gamma_s: Student penalty Γ_s, positive definite.
        n_s: Student samples, above d.
        sigma2: Variance σ² ≥ 0 of the noise on the teacher's labels.

    Returns:
        𝒲 and the slope of R_s at λ_s = 0⁺, fresh student inputs.

    Raises:
        ValueError: A shape, sign or size is wrong, or n_s ≤ d.

    Source: note on mechanisms, Result 19 (derived).

    >>> gain = small_penalty_gain([1.0], [1.0], [1.0], 0.05, 2.0, [1.0], 2.0, 1.0)
    >>> gain.slope < 0
    True
    """
    sigma = as_form("Sigma", Sigma, definite=True)
    d = len(sigma)
    gamma_t = as_form("Gamma_t", Gamma_t, size=d, definite=True)
    gamma_s = as_form("Gamma_s", Gamma_s, size=d, definite=True)
    columns = target_columns("beta", beta, d)
    sigma, gamma_t, gamma_s = one_form(sigma, gamma_t, gamma_s)
    count_t, count_s = as_count("n_t", n_t), as_count("n_s", n_s)
    if count_s <= d:
        raise ValueError(f"n_s must be above d={d} for a slope at 0⁺, got {count_s:g}")
    lam = float(as_floats("lam_t", lam_t, low=0.0, ndim=0))
    noise = float(as_floats("sigma2", sigma2, low=0.0, ndim=0))
    fit = equivalent(sigma, gamma_t, lam, count_t, suffix="_t")
    lost = apply(fit.P, columns)
    scale = (noise + squared_norm(sigma, lost)) / (1 - fit.df2 / count_t) / count_t
    overlap = scale * trace_of_product(gamma_s, fit.K)
    overlap -= float(np.vdot(columns - lost, apply(gamma_s, lost)))
    return SmallPenaltyGain(overlap, -2 * overlap / (1 - d / count_s))


def alignment(Gamma_s: ArrayLike, beta: ArrayLike) -> float:
    """Return how heavy a penalty is on the target, against its average weight.

    𝒜 = (β⋆ᵀΓ_sβ⋆/r²) / (tr Γ_s/d); below 1 the penalty is lighter on the target.

    Args:
        Gamma_s: Penalty Γ_s, matrix (d, d) or spectrum (d,), positive definite.
        beta: Target β⋆ (d,), or the covariance (d, d) of a random target.

    Returns:
        𝒜 > 0.

    Raises:
        ValueError: A shape is wrong, Γ_s is not positive definite, or β⋆ = 0.

    Source: note on mechanisms, Result 20 (derived).

    >>> alignment([1.0, 3.0], [1.0, 0.0])
    0.5
    """
    gamma = as_form("Gamma_s", Gamma_s, definite=True)
    columns = target_columns("beta", beta, len(gamma))
    norm2 = float(np.vdot(columns, columns))
    if norm2 == 0:
        raise ValueError("beta must not be 0: a penalty has no alignment with nothing")
    total = float(gamma.sum() if gamma.ndim == 1 else np.trace(gamma))
    return squared_norm(gamma, columns) / norm2 / (total / len(gamma))


def alignment_threshold(
    gamma_t: ArrayLike, lam_t: ArrayLike, sigma2: ArrayLike, r2: ArrayLike = 1.0
) -> FloatArray:
    """Return the alignment below which a small student penalty helps; isotropic, plain teacher.

    ϑ_t = γ_t w_t(σ² + r²u_t²)/(r²u_t(1 − γ_t w_t²)); it is 1 exactly at λ_t⋆ = γ_tσ²/r².

    Args:
        gamma_t: Aspect ratio d/n_t ≥ 0 of the teacher.
        lam_t: Teacher penalty λ_t > 0; it multiplies Γ = I next to XᵀX/n.
        sigma2: Variance σ² ≥ 0 of the noise on the teacher's labels.
        r2: Squared norm r² > 0 of the target.

    Returns:
        ϑ_t; a student with n_s > d gains from a small penalty iff 𝒜(Γ_s) < ϑ_t.

    Raises:
        ValueError: An argument is out of range.

    Source: note on mechanisms, Result 20 (derived).

    >>> round(float(alignment_threshold(0.5, 0.1, 1.0)), 6)
    4.603567
    """
    lam = as_floats("lam_t", lam_t, low=0.0, open_low=True)
    teacher, norm2 = fit_teacher(gamma_t, lam, sigma2, r2)
    return teacher.gamma * teacher.fit.kept * teacher.error / (norm2 * teacher.fit.lost)


def spiked_student(
    gamma_t: ArrayLike,
    gamma_s: ArrayLike,
    lam_t: ArrayLike,
    lam_s: ArrayLike,
    sigma2: ArrayLike,
    omega: ArrayLike,
    zeta: ArrayLike,
    r2: ArrayLike = 1.0,
    tau2: ArrayLike = 0.0,
) -> SpikedStudent:
    """Return the risks with the student penalty Γ_s = I + (ω − 1)qqᵀ, everything else isotropic.

    With w_q = 1/(1 + κ_sω) and the teacher's noise energy ν = γ_t w_t² s_t²:
    R_s = r²[ζ(1 − w_t w_q)² + (1 − ζ)(1 − w_t w_s)²] + w_s²ν + γ_s w_s² s_s².

    Args:
        gamma_t: Aspect ratio d/n_t ≥ 0 of the plain teacher.
        gamma_s: Aspect ratio d/n_s ≥ 0 of the student.
        lam_t: Teacher penalty λ_t ≥ 0; it multiplies Γ = I next to XᵀX/n.
        lam_s: Student penalty λ_s ≥ 0; it multiplies Γ_s next to XᵀX/n.
        sigma2: Variance σ² ≥ 0 of the noise on the teacher's labels.
        omega: Weight ω > 0 of the penalty along q; below 1 is lighter.
        zeta: Share ζ = ⟨q, β⋆⟩²/r² of the target along q, in [0, 1].
        r2: Squared norm r² > 0 of the target.
        tau2: Variance τ² ≥ 0 of extra noise on the student's labels.

    Returns:
        Both risks in the broadcast shape.

    Raises:
        ValueError: An argument is out of range.

    Source: note on mechanisms, Result 21 (derived).

    >>> aligned = spiked_student(0.5, 0.5, 0.5, 0.2, 1.0, omega=0.01, zeta=0.9)
    >>> bool(aligned.student_risk < aligned.teacher_risk)
    True
    """
    teacher, norm2 = fit_teacher(gamma_t, lam_t, sigma2, r2)
    lam, gamma = as_penalty("lam_s", lam_s, "gamma_s", gamma_s)
    refuse_divergence("lam_s", lam, "gamma_s", gamma)
    weight = as_floats("omega", omega, low=0.0, open_low=True)
    share = as_floats("zeta", zeta, low=0.0, high=1.0)
    label_noise = as_floats("tau2", tau2, low=0.0)
    plain = shrinkage(lam, gamma)
    spike_lost = plain.lost * weight / (plain.kept + plain.lost * weight)
    kept_t, lost_t = teacher.fit.kept, teacher.fit.lost
    error = label_noise + plain.lost**2 * teacher.noise
    error = error + norm2 * kept_t**2 * (share * spike_lost**2 + (1 - share) * plain.lost**2)
    error = error / plain.freedom
    bias = share * (lost_t + kept_t * spike_lost) ** 2
    bias = bias + (1 - share) * (lost_t + kept_t * plain.lost) ** 2
    risk = norm2 * bias + plain.kept**2 * (teacher.noise + gamma * error)
    teacher_risk, risk = np.broadcast_arrays(teacher.risk, risk)
    return SpikedStudent(teacher_risk, risk)


def spiked_critical_penalty(
    gamma_t: ArrayLike,
    sigma2: ArrayLike,
    omega: ArrayLike,
    zeta: ArrayLike,
    r2: ArrayLike = 1.0,
) -> FloatArray:
    """Return the largest teacher penalty from which a spiked student penalty still gains.

    The largest λ_t with γ_tσ²/r² = κ_t[(1 − γ_t w_t) − (1 − γ_t w_t²)(1 − ω)ζ]; it is λ_t⋆ for
    ω = 1 or ζ = 0 and grows with the alignment (1 − ω)ζ.

    Args:
        gamma_t: Aspect ratio d/n_t ≥ 0 of the plain teacher.
        sigma2: Variance σ² ≥ 0 of the noise on the teacher's labels.
        omega: Weight ω > 0 of the penalty along q.
        zeta: Share of the target along q, in [0, 1].
        r2: Squared norm r² > 0 of the target.

    Returns:
        λ_t, which multiplies Γ = I next to XᵀX/n; above it a small λ_s with γ_s < 1 loses.

    Raises:
        ValueError: An argument is out of range.

    Source: note on mechanisms, Result 21 (derived).

    >>> round(float(spiked_critical_penalty(0.5, 1.0, omega=1.0, zeta=0.3)), 12)
    0.5
    """
    gamma = as_floats("gamma_t", gamma_t, low=0.0)
    noise = as_floats("sigma2", sigma2, low=0.0)
    norm2 = as_floats("r2", r2, low=0.0, open_low=True)
    weight = as_floats("omega", omega, low=0.0, open_low=True)
    share = as_floats("zeta", zeta, low=0.0, high=1.0)
    gamma, best, gain = np.broadcast_arrays(gamma, gamma * noise / norm2, (1 - weight) * share)
    # (1 + κ)² times the condition is a cubic in κ with leading coefficient 1 − gain > 0
    lead = 1 - gain
    coefficients = [
        lead,
        2 * lead - gamma - best,
        lead - gamma + gain * gamma - 2 * best,
        -best,
    ]
    size = sum(np.abs(c) for c in coefficients[1:])
    kappa = 1 + size / lead
    for _ in range(200):
        value, slope = _cubic(coefficients, kappa)
        step = value / np.where(slope > 0, slope, 1.0)
        kappa = kappa - np.maximum(step, 0.0)
        if (step <= 1e-15 * np.abs(kappa)).all():
            break
    kappa = np.maximum(kappa, np.maximum(gamma - 1, 0.0))
    return isotropic_penalty(kappa, gamma)


def best_linear_student(
    Sigma: ArrayLike,
    prior: ArrayLike,
    Gamma_t: ArrayLike,
    lam_t: float,
    n_t: float,
    sigma2: float,
) -> BestLinearStudent:
    """Return the best linear student with infinite data, for a random target.

    B = Σ_βA_tᵀ(A_tΣ_βA_tᵀ + (s_t²/n_t)K_t)⁻¹. With Σ = Γ_t = I and Σ_β = diag(b) it is weighted
    ridge with the penalty ν/(d w_t b_j) − (1 − w_t): the inverse prior, minus a constant that
    undoes the teacher's own shrinkage.

    Args:
        Sigma: Covariance Σ of the inputs, (d, d) or spectrum (d,), positive definite.
        prior: Covariance Σ_β of the target, (d, d) or spectrum (d,), semi-definite.
        Gamma_t: Teacher penalty Γ_t, positive definite.
        lam_t: λ_t ≥ 0; it multiplies Γ_t next to XᵀX/n_t.
        n_t: Teacher samples, real, at least the rank of what it learns.
        sigma2: Variance σ² ≥ 0 of the noise on the teacher's labels.

    Returns:
        The map and its risk.

    Raises:
        ValueError: A shape, sign or size is wrong, or the teacher has neither noise nor rank.

    Source: note on mechanisms, Result 22 (derived).

    >>> best = best_linear_student([1.0, 1.0], [1.0, 0.1], [1.0, 1.0], 0.1, 4.0, 1.0)
    >>> bool(best.map[0] > best.map[1])
    True
    """
    sigma = as_form("Sigma", Sigma, definite=True)
    d = len(sigma)
    spread = as_form("prior", prior, size=d, definite=False)
    penalty = as_form("Gamma_t", Gamma_t, size=d, definite=True)
    sigma, spread, penalty = one_form(sigma, spread, penalty)
    count = as_count("n_t", n_t)
    lam = float(as_floats("lam_t", lam_t, low=0.0, ndim=0))
    noise = float(as_floats("sigma2", sigma2, low=0.0, ndim=0))
    fit = equivalent(sigma, penalty, lam, count, suffix="_t")
    lost = trace_of_product(product(sigma, fit.P), product(fit.P, spread))
    scale = (noise + lost) / (1 - fit.df2 / count) / count
    keep = fit.A if fit.A.ndim == 1 else fit.A.T
    known = product(spread, keep)
    observed = product(fit.A, known) + scale * fit.K
    try:
        if observed.ndim == 1:
            if not (observed > 0).all():
                raise np.linalg.LinAlgError
            best = known / observed
            rest = spread - best * fit.A * spread
        else:
            best = np.asarray(np.linalg.solve(observed, known.T).T, dtype=np.float64)
            rest = spread - best @ fit.A @ spread
    except np.linalg.LinAlgError:
        raise ValueError(
            "the teacher's coefficients are degenerate; raise sigma2 or give prior full rank"
        ) from None
    return BestLinearStudent(best, trace_of_product(sigma, rest))


def _cubic(coefficients: list[FloatArray], x: FloatArray) -> tuple[FloatArray, FloatArray]:
    a, b, c, d = coefficients
    return ((a * x + b) * x + c) * x + d, (3 * a * x + 2 * b) * x + c
