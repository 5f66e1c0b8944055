"""Variances of ridgeless least squares, and of a student fitted to such a teacher's labels."""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from w2sg._arrays import FloatArray
from w2sg.theory.discrepancy import _inputs as inputs
from w2sg.theory.discrepancy.stage import times

Where = Literal["population", "train"]


def kappa(d: ArrayLike, m: ArrayLike) -> FloatArray:
    """Price of a least-squares fit on fresh inputs, in units of the noise variance.

    κ(d, m) = E tr (XᵀX)⁻¹ = d / (m − d − 1) for m rows of d standard Gaussian features.

    Args:
        d: Dimension of the features, above 0; any shape.
        m: Number of rows, at least 1, ``inf`` allowed; broadcasts against ``d``.

    Returns:
        κ, and ``inf`` where the expectation is infinite, m ≤ d + 1.

    Raises:
        ValueError: A dimension or a number of rows that cannot be.

    Mean of an inverse Wishart matrix; discrepancy note section 1, derived.

    >>> kappa(100, [4000, 201, 101])
    array([0.0256476, 1.       ,       inf])
    """
    d, m = inputs.dimension("d", d), inputs.size("m", m)
    inputs.common_shape(d=d, m=m)
    return _kappa(d, m)[()]


def variance_ols(
    d: ArrayLike,
    m: ArrayLike,
    sigma2: ArrayLike = 1.0,
    where: Where = "population",
    intercept: bool = False,
) -> FloatArray:
    """Variance of least squares on m noisy labels: teacher, baseline and ceiling alike.

    On fresh inputs σ² κ(d, m); with a fitted intercept σ² [1/m + (m + 1)/m · d/(m − d − 2)].
    On its own training inputs σ² min(1, p/m), with p = d, and d + 1 with an intercept.

    Args:
        d: Dimension of the features, the intercept not counted; above 0.
        m: Number of labelled rows, at least 1, ``inf`` allowed.
        sigma2: Variance of the label noise, at least 0.
        where: ``"population"`` for fresh inputs, ``"train"`` for the rows that were fitted.
        intercept: Whether a constant is fitted beside the features.

    Returns:
        The variance, over the broadcast shape. ``inf`` on fresh inputs where m < d + 2 (d + 3
        with an intercept); what minimum-norm interpolation does there depends on the spectrum
        of the features: `risk_summary` has the isotropic case, `ridge_equivalent` any other.

    Raises:
        ValueError: An argument out of its range, named.

    Exact for Gaussian features of any covariance; discrepancy note section 2.2, derived. The
    paper uses σ² d/m, a lower bound for every feature law.

    >>> float(variance_ols(100, 2000, 0.01)), float(variance_ols(100, 2000, 0.01, "train"))
    (0.0005265..., 0.0005)
    """
    d, m = inputs.dimension("d", d), inputs.size("m", m)
    sigma2 = inputs.noise("sigma2", sigma2)
    inputs.common_shape(d=d, m=m, sigma2=sigma2)
    if inputs.choice("where", where, ("population", "train")) == "train":
        return (sigma2 * np.minimum(1.0, (d + intercept) / m))[()]
    return times(sigma2, _price(d, m, intercept))[()]


def variance_w2s(
    d_w: ArrayLike,
    d_s: ArrayLike,
    d_sw: ArrayLike,
    n: ArrayLike,
    N: ArrayLike,
    sigma2: ArrayLike = 1.0,
    where: Where = "population",
    intercept: bool = False,
) -> FloatArray:
    """Variance of a student fitted to N labels of a teacher fitted to n noisy labels.

    σ²/(n − d_w − 1) · [d_sw + (d_w − d_sw) κ(d_s, N)]: noise of the teacher inside the shared
    directions is inherited, the rest averages out over the pseudo-labelled rows. On the
    pseudo-labelled rows themselves κ(d_s, N) is replaced by min(1, d_s/N), which is the formula
    of the paper's code. With intercepts in both, τ₀² = σ²/(n − d_w − 2):
    σ²/n + τ₀² d_w/n + τ₀² [d_sw + (d_w − d_sw)(1/N + (N + 1)/N · d_s/(N − d_s − 2))], and on the
    pseudo-labelled rows min(1, (d_s + 1)/N) in the inner bracket.

    Args:
        d_w: Dimension of the weak features, above 0.
        d_s: Dimension of the strong features, above 0.
        d_sw: Correlation dimension, in [0, min(d_w, d_s)].
        n: Number of labelled rows, at least 1, ``inf`` allowed.
        N: Number of pseudo-labelled rows, at least 1, ``inf`` allowed.
        sigma2: Variance of the label noise, at least 0.
        where: ``"population"`` for fresh inputs, ``"train"`` for the pseudo-labelled rows.
        intercept: Whether teacher and student fit a constant beside the features.

    Returns:
        The variance, over the broadcast shape; ``inf`` where it is infinite, and on fresh inputs
        also for fewer rows than features, where it depends on the spectrum (see
        `variance_ols`). Nested spaces (d_sw = d_w) need only N ≥ d_s, as the student then
        repeats its teacher.

    Raises:
        ValueError: An argument out of its range, named.

    Exact for jointly Gaussian features; discrepancy note equation (2), derived, and equation
    (1), from the paper's code.

    >>> float(variance_w2s(200, 100, 10, 2000, 4000, 0.01))
    8.267395...e-05
    >>> float(variance_w2s(200, 100, 10, 2000, 101, 0.01))
    inf
    """
    d_w, d_s, d_sw = inputs.dimensions(d_w, d_s, d_sw)
    n, N = inputs.size("n", n), inputs.size("N", N)
    sigma2 = inputs.noise("sigma2", sigma2)
    inputs.common_shape(d_w=d_w, d_s=d_s, d_sw=d_sw, n=n, N=N, sigma2=sigma2)
    if inputs.choice("where", where, ("population", "train")) == "train":
        price = np.minimum(1.0, (d_s + intercept) / N)
    else:
        price = _price(d_s, N, intercept)
    # With d_sw = d_w nothing is left to average out, so only the rank of the rows matters.
    price = np.where((d_w == d_sw) & (d_s + intercept <= N), 0.0, price)
    kept = np.where(np.isinf(price), np.inf, d_sw + times(d_w - d_sw, price))
    teacher = _kappa(d_w, n - intercept) / d_w
    per_noise = np.where(np.isinf(teacher), np.inf, times(teacher, kept))
    if intercept:
        per_noise = per_noise + 1 / n + times(teacher, d_w / n)
    return times(sigma2, per_noise)[()]


def _kappa(d: FloatArray, m: FloatArray) -> FloatArray:
    return np.where(m > d + 1, d / np.where(m > d + 1, m - d - 1, 1.0), np.inf)


def _price(d: FloatArray, m: FloatArray, intercept: bool) -> FloatArray:
    """κ, and with an intercept the same for the constant and d centred features."""
    return 1 / m + times(1 + 1 / m, _kappa(d, m - 1)) if intercept else _kappa(d, m)
