r"""The closed-form example: a Gaussian teacher and a wide random-feature ridge student.

Inputs x ~ N(0, I_d). Teacher θ_w with mean θ₀ and covariance τ²I; truth θ*. The student sees n
inputs X with labels y = Xθ_w + ξ, ξ ~ N(0, σ²I), has linear random features of width d_s, and fits
a ridge head on the residual from the start θ₀:

    θ_s = θ₀ + M Xᵀ(X M Xᵀ + λI)⁻¹(y − Xθ₀),   M = WᵀW,  W (d_s × d) with entries N(0, 1/d_s).

At λ = σ²/τ² and infinite width this is the posterior mean of the teacher given the student's data:
residual 0, and the gain is the misfit. A self-contained example with the hypotheses of Theorem 4.1
of arXiv 2505.24313; its constants are derived here, not taken from the paper.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from w2sg._arrays import FloatArray, as_floats, as_whole


@dataclass(frozen=True)
class LinearGaussianW2S:
    """Expected squared-loss ledger; ``teacher_risk − student_risk == misfit + residual``.

    ``floor`` is the smallest misfit any student with these labels can have, the posterior
    variance τ²(d − E tr A); ``distance_to_posterior`` is E‖θ_s − θ_pm‖² = misfit − floor.
    """

    teacher_risk: float
    student_risk: float
    gap: float
    misfit: float
    residual: float
    floor: float
    distance_to_posterior: float


def linear_gaussian_w2s(
    d: int,
    n: int,
    tau2: float,
    sigma2: float,
    theta_star: ArrayLike,
    theta0: ArrayLike,
    lam: float | None = None,
    width: int | None = None,
) -> LinearGaussianW2S:
    r"""Return the ledger in the deterministic equivalent, for any student width.

    With κ the root of n = tr M(M+κ)⁻¹ + λ/κ, and γ = tr M²(M+κ)⁻²/n,

        misfit = (τ²κ² tr(M+κ)⁻² + σ²)/(1 − γ) − σ²
        residual = 2τ²(d − tr M(M+κ)⁻¹) − 2·misfit

    where the traces of M are those of the Marchenko–Pastur law with ratio d/d_s, or of I for
    infinite width. Relative error O(1/n) at fixed ratios; the Monte Carlo twin is
    `w2sg.theory.simulate.gaussian`, the exact value for given X and W
    `linear_gaussian_given_inputs`.

    Args:
        d: Dimension of the inputs.
        n: Number of teacher-labelled inputs.
        tau2: τ² > 0, variance of each coordinate of the teacher around θ₀.
        sigma2: σ² ≥ 0, noise of the labels the student sees; 0 for noiseless soft labels.
        theta_star: (d,) truth.
        theta0: (d,) mean teacher and start of the student.
        lam: Ridge penalty λ ≥ 0 of the student; left out, σ²/τ².
        width: d_s, student width; left out, infinite.

    Returns:
        The ledger.

    Raises:
        ValueError: A size below 1, a negative variance or penalty, vectors that are not (d,), or
            zero penalty at the interpolation threshold with noise (n = min(d, width)).

    Source: reconstruction of the setting of Theorem 4.1; derived.

    >>> start = np.full(40, 0.8 / 40**0.5)
    >>> wide = linear_gaussian_w2s(40, 20, 1 / 40, 0.25, start / 0.8, start)
    >>> round(wide.misfit, 4), abs(wide.residual) < 1e-12
    (0.6404, True)
    """
    star, start = _problem(d, n, tau2, sigma2, theta_star, theta0)
    penalty = _penalty(lam, tau2, sigma2)
    misfit, df1 = _misfit(d, n, tau2, sigma2, penalty, width)
    floor = _misfit(d, n, tau2, sigma2, sigma2 / tau2, None)[0]
    bias = float(np.sum((start - star) ** 2))
    return _ledger(bias, d * tau2, misfit, tau2 * df1, floor)


def linear_gaussian_given_inputs(
    inputs: Float[ndarray, "n d"],
    tau2: float,
    sigma2: float,
    theta_star: ArrayLike,
    theta0: ArrayLike,
    lam: float | None = None,
    features: Float[ndarray, "width d"] | None = None,
) -> LinearGaussianW2S:
    r"""Return the exact ledger for given inputs and features, averaged over teacher and noise.

    With B = MXᵀ(XMXᵀ + λI)⁻¹: misfit = τ²‖I − BX‖² + σ²‖B‖² and
    R(f_s) = ‖θ₀ − θ*‖² + τ²‖BX‖² + σ²‖B‖² (Frobenius norms).

    Args:
        inputs: X.
        tau2: As in `linear_gaussian_w2s`.
        sigma2: As in `linear_gaussian_w2s`.
        theta_star: As in `linear_gaussian_w2s`.
        theta0: As in `linear_gaussian_w2s`.
        lam: As in `linear_gaussian_w2s`; 0 is the limit λ → 0.
        features: W; left out, infinite width, M = I.

    >>> exact = linear_gaussian_given_inputs(np.eye(3)[:2], 1.0, 0.0, np.zeros(3), np.zeros(3))
    >>> round(exact.gap, 10), round(exact.misfit, 10), round(exact.floor, 10)
    (1.0, 1.0, 1.0)
    """
    x = as_floats("inputs", inputs, ndim=2)
    n, d = x.shape
    star, start = _problem(d, n, tau2, sigma2, theta_star, theta0)
    penalty = _penalty(lam, tau2, sigma2)
    map_pm = _linear_map(x, np.eye(d), sigma2 / tau2)
    gram = np.eye(d)
    if features is not None:
        w = as_floats("features", features, ndim=2)
        if w.shape[1] != d:
            raise ValueError(f"features must be (width, {d}), got shape {w.shape}")
        gram = w.T @ w
    back = _linear_map(x, gram, penalty)
    floor = _quadratic(back=map_pm, x=x, tau2=tau2, sigma2=sigma2)
    misfit = _quadratic(back=back, x=x, tau2=tau2, sigma2=sigma2)
    bias = float(np.sum((start - star) ** 2))
    return _ledger(bias, d * tau2, misfit, tau2 * float(np.trace(back @ x)), floor)


def ridge_trace_equivalent(n: int, d: int, lam: float) -> float:
    r"""Return tr A ≈ n(1 − λs) for A = Xᵀ(XXᵀ + λI)⁻¹X, s > 0 the root of s = 1/(λ + d/(1 + ns)).

    Args:
        n: Rows of X, standard normal.
        d: Columns of X.
        lam: λ ≥ 0; at 0 the value is min(n, d).

    >>> round((40 - ridge_trace_equivalent(20, 40, 10.0)) / 40, 4)
    0.6404
    """
    _size("n", n)
    _size("d", d)
    penalty = float(as_floats("lam", lam, low=0, ndim=0))
    if penalty == 0:
        return float(min(n, d))
    # s(λ + d/(1+ns)) = 1 is λn s² + (λ + d − n)s − 1 = 0, written without cancellation.
    b = penalty + d - n
    root = math.sqrt(b * b + 4 * penalty * n)
    s = 2 / (b + root) if b > 0 else (root - b) / (2 * penalty * n)
    return n * (1 - penalty * s)


def _misfit(
    d: int, n: int, tau2: float, sigma2: float, lam: float, width: int | None
) -> tuple[float, float]:
    """Return the misfit and tr M(M+κ)⁻¹ in the deterministic equivalent."""
    rank = d if width is None else min(d, _size("width", width))
    if lam == 0 and n >= rank:
        # κ = 0: the student interpolates all it can represent; unrepresented directions are noise.
        if n <= rank + 1 and (sigma2 > 0 or rank < d):
            raise ValueError(
                f"lam=0 at n={n} and min(d, width)={rank} has no finite risk; choose lam above 0"
            )
        lost = tau2 * (d - rank)
        noise = (sigma2 + lost) * rank / (n - rank) if n > rank else 0.0
        return lost + noise, float(rank)
    upper = (lam + d) / n * 2 + 1  # n κ = κ df1 + λ with κ df1 ≤ tr M ≈ d

    def excess(kappa: float) -> float:
        return n - _traces(d, width, kappa)[0] - lam / kappa

    kappa = float(brentq(excess, 1e-14 * upper, upper, xtol=1e-15))  # pyright: ignore[reportArgumentType]
    df1, df2, inverse2 = _traces(d, width, kappa)
    misfit = (tau2 * kappa**2 * inverse2 + sigma2) / (1 - df2 / n) - sigma2
    return misfit, df1


def _traces(d: int, width: int | None, kappa: float) -> tuple[float, float, float]:
    """Return tr M(M+κ)⁻¹, tr M²(M+κ)⁻² and tr (M+κ)⁻²."""
    if width is None:
        return d / (1 + kappa), d / (1 + kappa) ** 2, d / (1 + kappa) ** 2
    # Stieltjes transform m(−κ) of Marchenko–Pastur: c κ m² + (κ + 1 − c) m − 1 = 0, c = d/width.
    c = d / width
    b = kappa + 1 - c
    root = math.sqrt(b * b + 4 * c * kappa)
    m = 2 / (b + root) if b > 0 else (root - b) / (2 * c * kappa)
    slope = (c * m * m + m) / (2 * c * kappa * m + b)  # −dm/dκ = (1/d) tr (M+κ)⁻²
    df1 = d * (1 - kappa * m)
    return df1, d * (1 - 2 * kappa * m + kappa**2 * slope), d * slope


def _linear_map(x: FloatArray, gram: FloatArray, lam: float) -> FloatArray:
    """Return B = MXᵀ(XMXᵀ + λI)⁻¹, the pseudo-inverse limit at λ = 0."""
    kernel = x @ gram @ x.T
    if lam == 0:
        inverse = np.linalg.pinv(kernel, hermitian=True, rcond=1e-10)
        return np.asarray(gram @ x.T @ inverse, dtype=np.float64)
    solved = np.linalg.solve(kernel + lam * np.eye(len(x)), x @ gram)
    return np.asarray(solved.T, dtype=np.float64)


def _quadratic(*, back: FloatArray, x: FloatArray, tau2: float, sigma2: float) -> float:
    left = np.eye(x.shape[1]) - back @ x
    return float(tau2 * np.sum(left**2) + sigma2 * np.sum(back**2))


def _ledger(
    bias: float, spread: float, misfit: float, copied: float, floor: float
) -> LinearGaussianW2S:
    """Assemble; ``spread`` is dτ², ``copied`` τ² tr BX, hence E⟨θ_s − θ₀, θ_w − θ₀⟩."""
    student = bias + misfit - spread + 2 * copied
    gap = bias + spread - student
    return LinearGaussianW2S(
        teacher_risk=bias + spread,
        student_risk=student,
        gap=gap,
        misfit=misfit,
        residual=gap - misfit,
        floor=floor,
        distance_to_posterior=misfit - floor,
    )


def _problem(
    d: int, n: int, tau2: float, sigma2: float, theta_star: ArrayLike, theta0: ArrayLike
) -> tuple[FloatArray, FloatArray]:
    _size("d", d)
    _size("n", n)
    as_floats("tau2", tau2, low=0, open_low=True, ndim=0)
    as_floats("sigma2", sigma2, low=0, ndim=0)
    star = as_floats("theta_star", theta_star, ndim=1)
    start = as_floats("theta0", theta0, ndim=1)
    if star.shape != (d,) or start.shape != (d,):
        raise ValueError(
            f"theta_star and theta0 must have shape ({d},), got {star.shape} and {start.shape}"
        )
    return star, start


def _penalty(lam: float | None, tau2: float, sigma2: float) -> float:
    return sigma2 / tau2 if lam is None else float(as_floats("lam", lam, low=0, ndim=0))


def _size(name: str, value: int) -> int:
    return as_whole(name, value, low=1)
