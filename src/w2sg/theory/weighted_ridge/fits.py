"""Ridge and weighted ridge on real arrays, with the penalty convention of the theory."""

from typing import Literal

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike

from w2sg._arrays import FloatArray, as_floats
from w2sg.theory.weighted_ridge.quadratic_forms import as_form

Method = Literal["auto", "cholesky", "eigen", "dual"]


def fit_ridge(X: ArrayLike, y: ArrayLike, lam: float, *, method: Method = "auto") -> FloatArray:
    """Fit ridge regression without intercept: (XᵀX/n + λI)⁻¹Xᵀy/n.

    Args:
        X: Inputs (n, d).
        y: Labels (n,) or (n, k).
        lam: Penalty λ ≥ 0; it multiplies Γ = I next to XᵀX/n, so λ = alpha/n of scikit-learn's
            ``Ridge``. 0 gives the solution of least norm.
        method: As in ``fit_weighted_ridge``.

    Returns:
        Coefficients (d,) or (d, k).

    Raises:
        ValueError: A shape or sign is wrong.

    Source: note on mechanisms, section 1.

    >>> fit_ridge([[1.0], [1.0]], [2.0, 4.0], 0.5)
    array([2.])
    """
    return fit_weighted_ridge(X, y, lam, method=method)


def fit_weighted_ridge(
    X: ArrayLike,
    y: ArrayLike,
    lam: float,
    Gamma: ArrayLike | None = None,
    center: ArrayLike | None = None,
    *,
    method: Method = "auto",
) -> FloatArray:
    """Fit ridge regression with any quadratic penalty, around any centre, without intercept.

    Minimises ‖y − Xβ‖²/n + λ(β − b)ᵀΓ(β − b), that is β̂ = b + (XᵀX/n + λΓ)⁻¹Xᵀ(y − Xb)/n.

    Args:
        X: Inputs (n, d).
        y: Labels (n,) or (n, k).
        lam: Penalty λ ≥ 0; it multiplies Γ next to XᵀX/n. 0 gives, of the least-squares
            solutions, the one of least (β − b)ᵀΓ(β − b).
        Gamma: Penalty Γ, matrix (d, d) or diagonal (d,), positive definite; I if ``None``.
        center: Centre b, (d,) or (d, k); 0 if ``None``.
        method: "cholesky" solves d equations, "dual" n equations, "eigen" whitens by Γ and
            takes the singular values; "auto" is the cheapest, "eigen" for λ = 0.

    Returns:
        Coefficients (d,) or (d, k).

    Raises:
        ValueError: A shape or sign is wrong, or λ = 0 with another method than "eigen".

    Source: note on mechanisms, section 1 and Result 16.

    >>> fit_weighted_ridge([[1.0], [1.0]], [2.0, 4.0], 0.5, [2.0], [1.0])
    array([2.])
    """
    x = as_floats("X", X, ndim=2)
    labels = as_floats("y", y)
    n, d = x.shape
    if n == 0 or d == 0 or labels.ndim not in (1, 2) or len(labels) != n:
        raise ValueError(f"y must have one label per row of X, got X {x.shape}, y {labels.shape}")
    penalty = float(as_floats("lam", lam, low=0.0, ndim=0))
    gamma = np.ones(d) if Gamma is None else as_floats("Gamma", Gamma)
    if len(np.atleast_1d(gamma)) != d:
        raise ValueError(f"Gamma must have {d} rows to match X, got shape {gamma.shape}")
    gamma = as_form("Gamma", gamma, definite=True)
    shape = (d, *labels.shape[1:])
    start = np.zeros(shape) if center is None else as_floats("center", center)
    if start.shape != shape:
        raise ValueError(f"center must have the shape {shape} of the result, got {start.shape}")
    if method not in ("auto", "cholesky", "eigen", "dual"):
        raise ValueError(f"method must be auto, cholesky, eigen or dual, got {method!r}")
    if penalty == 0 and method in ("cholesky", "dual"):
        raise ValueError(f"lam=0 needs method='eigen' or 'auto', got {method!r}")
    if method == "auto":
        method = "eigen" if penalty == 0 else "dual" if n < d else "cholesky"
    rest = labels - x @ start
    solve = {"cholesky": _cholesky, "dual": _dual, "eigen": _eigen}[method]
    return start + solve(x, rest, penalty, gamma)


def _cholesky(x: FloatArray, y: FloatArray, lam: float, gamma: FloatArray) -> FloatArray:
    n = len(x)
    system = x.T @ x / n + lam * (np.diag(gamma) if gamma.ndim == 1 else gamma)
    return scipy.linalg.cho_solve(scipy.linalg.cho_factor(system), x.T @ y / n)


def _dual(x: FloatArray, y: FloatArray, lam: float, gamma: FloatArray) -> FloatArray:
    # β̂ = Γ⁻¹Xᵀ(XΓ⁻¹Xᵀ + nλI)⁻¹y
    n = len(x)
    scaled = x.T / gamma[:, None] if gamma.ndim == 1 else np.linalg.solve(gamma, x.T)
    system = x @ scaled
    system[np.diag_indices(n)] += n * lam
    return scaled @ scipy.linalg.cho_solve(scipy.linalg.cho_factor(system), y)


def _eigen(x: FloatArray, y: FloatArray, lam: float, gamma: FloatArray) -> FloatArray:
    # with Γ = LLᵀ and β = L⁻ᵀθ the problem is plain ridge in θ on XL⁻ᵀ
    n = len(x)
    factor = np.diag(np.sqrt(gamma)) if gamma.ndim == 1 else np.linalg.cholesky(gamma)
    whitened = scipy.linalg.solve_triangular(factor, x.T, lower=True).T
    left, singular, right = np.linalg.svd(whitened, full_matrices=False)
    used = singular > max(x.shape) * np.finfo(float).eps * singular[0]
    left, singular, right = left[:, used], singular[used], right[used]
    weights = singular / (singular**2 + n * lam)
    theta = right.T @ (weights * (left.T @ y).T).T
    return scipy.linalg.solve_triangular(factor.T, theta, lower=False)
