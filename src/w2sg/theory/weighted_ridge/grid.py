"""Risks on a whole grid of penalties from two factorisations."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from w2sg._arrays import FloatArray, as_floats
from w2sg.theory.weighted_ridge.equivalent import effective_penalty, generalised_basis
from w2sg.theory.weighted_ridge.quadratic_forms import as_count, as_form, target_columns


@dataclass(frozen=True)
class RiskGrid:
    """Excess risks over A teacher penalties and B student penalties.

    Attributes:
        teacher_risk: R_t, shape (A,).
        student_risk: R_s, shape (A, B).
    """

    teacher_risk: FloatArray
    student_risk: FloatArray

    @property
    def difference(self) -> FloatArray:
        """R_s − R_t, shape (A, B)."""
        return self.student_risk - self.teacher_risk[:, None]


def risk_grid(
    Sigma: ArrayLike,
    beta: ArrayLike,
    Gamma_t: ArrayLike,
    lam_t: ArrayLike,
    n_t: float,
    Gamma_s: ArrayLike,
    lam_s: ArrayLike,
    n_s: float,
    sigma2: float,
    tau2: float = 0.0,
) -> RiskGrid:
    """Return the two-stage risks for every pair of penalties, fresh student inputs.

    With ΣU = ΓU diag(e) and UᵀΓU = I for each fit, S = (U_sᵀΣU_t)² and F = (U_sᵀΓ_sU_t)²
    elementwise:
    tr(A_sᵀΣA_sK_t) = Σᵢⱼ eᵢ/(eᵢ + κ_s)² Sᵢⱼ eⱼ/(eⱼ + κ_t)² and
    tr(P_sᵀΣP_sK_t) = κ_s² Σᵢⱼ eᵢ/(eᵢ + κ_s)² Fᵢⱼ eⱼ/(eⱼ + κ_t)²,
    so that the grid costs matrix products only.

    Args:
        Sigma: Covariance Σ of the inputs, (d, d) or spectrum (d,), semi-definite.
        beta: Target β⋆ (d,), or the covariance (d, d) of a random target.
        Gamma_t: Teacher penalty Γ_t, (d, d) or spectrum (d,), positive definite.
        lam_t: Teacher penalties (A,), at least 0; each multiplies Γ_t next to XᵀX/n_t.
        n_t: Teacher samples, real, above 0.
        Gamma_s: Student penalty Γ_s, as Γ_t.
        lam_s: Student penalties (B,), at least 0; each multiplies Γ_s next to XᵀX/n_s.
        n_s: Student samples; infinity is allowed.
        sigma2: Variance σ² ≥ 0 of the noise on the teacher's labels.
        tau2: Variance τ² ≥ 0 of extra noise on the student's labels.

    Returns:
        Both risks on the grid.

    Raises:
        ValueError: A shape, sign or size is wrong, or λ = 0 with n equal to the rank of Σ.

    Source: note on mechanisms, Result 17 and algorithm 6 (derived).

    >>> grid = risk_grid([1.0], [1.0], [1.0], [0.05, 0.1], 2.0, [1.0], [0.1, 0.4, 1.0], 2.0, 1.0)
    >>> grid.student_risk.shape
    (2, 3)
    """
    sigma = as_form("Sigma", Sigma, definite=False)
    d = len(sigma)
    gamma_t = as_form("Gamma_t", Gamma_t, size=d, definite=True)
    gamma_s = as_form("Gamma_s", Gamma_s, size=d, definite=True)
    columns = target_columns("beta", beta, d)
    penalties_t = np.atleast_1d(as_floats("lam_t", lam_t, low=0.0))
    penalties_s = np.atleast_1d(as_floats("lam_s", lam_s, low=0.0))
    if penalties_t.ndim != 1 or penalties_s.ndim != 1:
        raise ValueError("lam_t and lam_s must be numbers or one-dimensional arrays")
    count_t, count_s = as_count("n_t", n_t), as_count("n_s", n_s)
    noise = float(as_floats("sigma2", sigma2, low=0.0, ndim=0))
    label_noise = float(as_floats("tau2", tau2, low=0.0, ndim=0))

    sigma, gamma_t, gamma_s = (
        np.diag(form) if form.ndim == 1 else form for form in (sigma, gamma_t, gamma_s)
    )
    e_t, u_t = generalised_basis(sigma, gamma_t)
    same = np.array_equal(gamma_t, gamma_s)
    e_s, u_s = (e_t, u_t) if same else generalised_basis(sigma, gamma_s)
    kappa_t = effective_penalty(e_t, penalties_t, count_t, suffix="_t")
    kappa_s = effective_penalty(e_s, penalties_s, count_s, suffix="_s")

    h_t = _inverse(e_t, kappa_t)
    keep_t, lose_t = e_t * h_t, 1 - e_t * h_t
    spread_t = e_t * h_t**2
    df2_t = (keep_t**2).sum(axis=1)
    target = u_t.T @ (gamma_t @ columns)
    bias_t = (lose_t**2 * e_t) @ (target**2).sum(axis=1)
    error_t = (noise + bias_t) / (1 - df2_t / count_t)
    scale = error_t / count_t

    in_sigma = u_s.T @ (sigma @ u_t)
    in_gamma = u_s.T @ (gamma_s @ u_t)
    # per teacher penalty: what the student sees of the target, and its product with what is lost
    seen, crossed = np.empty((2, len(penalties_t), d))
    for row, (keep, lose) in enumerate(zip(keep_t, lose_t, strict=True)):
        kept = in_gamma @ (keep[:, None] * target)
        lost = in_sigma @ (lose[:, None] * target)
        seen[row] = np.einsum("ij,ij->i", kept, kept)
        crossed[row] = np.einsum("ij,ij->i", kept, lost)

    h_s = _inverse(e_s, kappa_s)
    keep_s, lose_s = e_s * h_s, 1 - e_s * h_s
    df2_s = (keep_s**2).sum(axis=1)
    missed = seen @ (lose_s**2 * e_s).T
    bias = bias_t[:, None] + 2 * crossed @ lose_s.T + missed
    noise_sigma = spread_t @ (in_sigma**2).T
    noise_gamma = spread_t @ (in_gamma**2).T
    filtered = scale[:, None] * (noise_sigma @ (e_s * h_s**2).T)
    lost_noise = scale[:, None] * (noise_gamma @ (lose_s**2 * e_s).T)
    error_s = (label_noise + missed + lost_noise) / (1 - df2_s / count_s)
    risk = bias + filtered + error_s * df2_s / count_s
    return RiskGrid(bias_t + scale * df2_t, risk)


def _inverse(values: FloatArray, kappa: FloatArray) -> FloatArray:
    total = values + kappa[:, None]
    return 1 / np.where(total > 0, total, np.inf)
