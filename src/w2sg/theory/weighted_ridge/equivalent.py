"""Deterministic equivalents of weighted ridge: a random fit as a fixed matrix plus known noise."""

from dataclasses import dataclass

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike

from w2sg._arrays import FloatArray, as_floats
from w2sg.theory.weighted_ridge.quadratic_forms import as_count, as_form, one_form


@dataclass(frozen=True)
class DeterministicEquivalent:
    """What a fit does on average. Spectra in, spectra out; otherwise matrices (d, d).

    Attributes:
        kappa: Effective penalty κ.
        df1: tr A, the degrees of freedom.
        df2: tr A².
        A: HΣ with H = (Σ + κΓ)⁻¹, what the fit keeps of the coefficients.
        P: I − A, what it loses.
        K: HΣH, the shape of its noise.
    """

    kappa: float
    df1: float
    df2: float
    A: FloatArray
    P: FloatArray
    K: FloatArray


def deterministic_equivalent(
    Sigma: ArrayLike, Gamma: ArrayLike, lam: float, n: float
) -> DeterministicEquivalent:
    """Return κ, the degrees of freedom, and the matrices A, P, K of a weighted ridge fit.

    κ solves λ = κ(1 − df₁/n), df₁ = tr ΣH, H = (Σ + κΓ)⁻¹; then A = HΣ, P = I − A = κHΓ,
    K = HΣH and df₂ = tr A². The fit of n noisy labels behaves like β̂ ~ N(Aβ, (s²/n) K).

    Args:
        Sigma: Covariance Σ of the inputs, matrix (d, d) or spectrum (d,), semi-definite.
        Gamma: Penalty Γ, matrix (d, d) or spectrum (d,) in the basis of Σ, positive definite.
        lam: Penalty λ ≥ 0; it multiplies Γ next to XᵀX/n.
        n: Number of samples, a real number above 0; infinity is allowed.

    Returns:
        The frozen result; spectra if both arguments are spectra.

    Raises:
        ValueError: A shape, sign or size is wrong, or λ = 0 with n equal to the rank of Σ.

    Source: note on mechanisms, section 2.3 and algorithm 2 (derived).

    >>> result = deterministic_equivalent([1.0], [1.0], 0.5, n=2.0)
    >>> round(result.kappa, 12)
    0.707106781187
    """
    sigma = as_form("Sigma", Sigma, definite=False)
    gamma = as_form("Gamma", Gamma, size=len(sigma), definite=True)
    penalty = float(as_floats("lam", lam, low=0.0, ndim=0))
    count = as_count("n", n)
    sigma, gamma = one_form(sigma, gamma)
    return equivalent(sigma, gamma, penalty, count)


def equivalent(
    sigma: FloatArray, gamma: FloatArray, lam: float, n: float, *, suffix: str = ""
) -> DeterministicEquivalent:
    """Return the deterministic equivalent of forms that were checked and are of one kind."""
    if sigma.ndim == 1:
        kappa = float(effective_penalty(sigma / gamma, np.array([lam]), n, suffix=suffix)[0])
        h = 1 / np.where(sigma + kappa * gamma > 0, sigma + kappa * gamma, np.inf)
        keep = h * sigma
        df1, df2 = float(keep.sum()), float(keep @ keep)
        return DeterministicEquivalent(kappa, df1, df2, keep, 1 - keep, keep * h)
    values, basis = generalised_basis(sigma, gamma)
    kappa = float(effective_penalty(values, np.array([lam]), n, suffix=suffix)[0])
    h = 1 / np.where(values + kappa > 0, values + kappa, np.inf)
    keep = values * h
    dual = basis.T @ gamma
    df1, df2 = float(keep.sum()), float(keep @ keep)
    noise = (basis * (keep * h)) @ basis.T
    return DeterministicEquivalent(
        kappa, df1, df2, (basis * keep) @ dual, (basis * (1 - keep)) @ dual, noise
    )


def generalised_basis(sigma: FloatArray, gamma: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return e and U with ΣU = ΓU diag(e) and UᵀΓU = I, so that U⁻¹ = UᵀΓ."""
    values, basis = scipy.linalg.eigh(sigma, gamma, check_finite=False)
    floor = 1e-13 * max(values[-1], 0.0)
    return np.where(values > floor, values, 0.0), basis


def effective_penalty(
    values: FloatArray, lam: FloatArray, n: float, *, suffix: str = ""
) -> FloatArray:
    """Solve κ(1 − (1/n) Σ e/(e + κ)) = λ for each penalty, by Newton from above.

    The left side is convex and increasing to the right of its root, so that Newton from
    λ + Σe/n, where it is above λ, falls monotonically to the root.

    Args:
        values: Generalised eigenvalues e ≥ 0 of (Σ, Γ), shape (d,).
        lam: Penalties, shape (A,).
        n: Number of samples, possibly infinite.
        suffix: Ends the names of arguments in an error, for example "_t".

    Returns:
        κ, shape (A,).

    Raises:
        ValueError: λ = 0 with n equal to the number of non-zero eigenvalues.
        ArithmeticError: Newton did not settle.

    >>> effective_penalty(np.ones(3), np.array([0.0, 0.5]), 6.0)
    array([0.        , 0.70710678])
    """
    rank = int(np.count_nonzero(values))
    if n == rank and (lam == 0).any():
        raise ValueError(
            f"lam{suffix}=0 with n{suffix}={n:g} equal to the rank of Sigma has infinite "
            f"variance; raise lam{suffix} or change n{suffix}"
        )
    if np.isinf(n):
        return lam.copy()
    positive = values[values > 0] if rank < len(values) else values
    kappa = np.empty_like(lam)
    for index, penalty in enumerate(lam):
        kappa[index] = _root(positive, float(penalty), n)
    return kappa


def _root(values: FloatArray, lam: float, n: float) -> float:
    if lam == 0 and n > len(values):
        return 0.0
    kappa = lam + float(values.sum()) / n
    kept = np.empty_like(values)
    for _ in range(200):
        np.add(values, kappa, out=kept)
        np.divide(values, kept, out=kept)
        df1, df2 = float(kept.sum()), float(kept @ kept)
        step = (kappa * (1 - df1 / n) - lam) / (1 - df2 / n)
        kappa -= step
        # from above, a step of the wrong sign or in the last digits means the root is reached
        if step <= 4e-16 * kappa:
            return kappa
    raise ArithmeticError(f"kappa did not settle in 200 Newton steps: lam={lam:g}, n={n:g}")
