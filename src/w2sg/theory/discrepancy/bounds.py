"""The paper's lower bounds on the two ratios, and the curves that its figures call bounds."""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from w2sg._arrays import FloatArray
from w2sg.theory.discrepancy import _inputs as inputs
from w2sg.theory.discrepancy.risks import RiskSummary, summarise
from w2sg.theory.discrepancy.stage import times
from w2sg.theory.discrepancy.variance import kappa, variance_w2s

Version = Literal["paper", "population"]


def pgr_lower_bound(
    d_w: ArrayLike,
    d_s: ArrayLike,
    d_sw: ArrayLike,
    n: ArrayLike,
    N: ArrayLike,
    sigma2: ArrayLike,
    rho: ArrayLike,
    version: Version = "paper",
) -> FloatArray:
    """Lower bound on the performance gap recovered.

    1 − n/(n − d_w − 1) · d_sw(N)/d_w − n/d_w · ρ/σ², with d_sw(N) = d_sw + (d_w − d_sw) d_s/N
    as the paper has it. That is the variance on the pseudo-labelled rows;
    ``version="population"`` puts κ = κ(d_s, N) = d_s/(N − d_s − 1) for d_s/N.

    The population version is a bound on fresh inputs if n ≥ d_w + 2, N ≥ d_s + 2 and

        ρ_bias + ρ_w d_sw(N)/(n − d_w − 1) + κ ρ_misfit ≤ ρ_w,

    with ρ_bias and ρ_misfit the ``inherited_bias`` and ``misfit`` of the `LatentModel`: always
    without bias (ρ = 0), and for a target outside both spans once n ≥ d_w + 1 + d_sw(N). The
    paper's version drops κ − d_s/N as well: it is one in the limit N → ∞ (then both are the same),
    and for a small N, a large ρ_misfit or n near d_w it can exceed the exact ratio.

    Args:
        d_w: Dimension of the weak features, above 0.
        d_s: Dimension of the strong features, above 0.
        d_sw: Correlation dimension, in [0, min(d_w, d_s)].
        n: Number of labelled rows, at least 1, finite.
        N: Number of pseudo-labelled rows, at least 1, ``inf`` allowed.
        sigma2: Variance of the label noise, above 0.
        rho: Sum of both approximation errors ρ_w + ρ_s, at least 0.
        version: ``"paper"``, or ``"population"`` for the variance on fresh inputs.

    Returns:
        The bound over the broadcast shape; ``-inf`` where the student's variance is infinite. It
        says something where it is positive and the ceiling beats the teacher.

    Raises:
        ValueError: An argument out of its range, named.

    From the paper (its released code), the population version derived; discrepancy note
    equation (4).

    >>> float(pgr_lower_bound(100, 80, 10, 510, 1600, sigma2=1.0, rho=0.1))
    0.30919...
    """
    ratio = _risk_bound(d_w, d_s, d_sw, n, N, sigma2, rho, version)
    return (1 - ratio / inputs.dimension("d_w", d_w))[()]


def opr_lower_bound(
    d_w: ArrayLike,
    d_s: ArrayLike,
    d_sw: ArrayLike,
    n: ArrayLike,
    N: ArrayLike,
    sigma2: ArrayLike,
    rho: ArrayLike,
    version: Version = "paper",
) -> FloatArray:
    """Lower bound on the outperforming ratio.

    [n/(n − d_w − 1) · d_sw(N)/d_s + n/d_s · ρ/σ²]⁻¹, d_sw(N) and the arguments as in
    `pgr_lower_bound`. The population version is a bound under the condition stated there if
    also n ≥ d_s + 2: below that the baseline is a minimum-norm fit, whose risk can lie under the
    σ² d_s/n that the bound counts on. The default, the paper's, is not one in general: see there.

    Returns:
        The bound over the broadcast shape; 0 where the student's variance is infinite, ``inf``
        where the student has no error at all.

    Raises:
        ValueError: An argument out of its range, named.

    From the paper (its released code), the population version derived; discrepancy note
    equation (4).

    >>> float(opr_lower_bound(100, 80, 10, 510, 1600, sigma2=1.0, rho=0.1))
    1.15806...
    """
    ratio = _risk_bound(d_w, d_s, d_sw, n, N, sigma2, rho, version)
    with np.errstate(divide="ignore"):
        return (inputs.dimension("d_s", d_s) / ratio)[()]


def plotted_bounds(
    d_w: ArrayLike,
    d_s: ArrayLike,
    d_sw: ArrayLike,
    n: ArrayLike,
    N: ArrayLike,
    sigma2: ArrayLike,
    rho_w: ArrayLike,
    rho_s: ArrayLike,
) -> RiskSummary:
    """Return the dotted curves of the paper's figures.

    Teacher σ² d_w/n + ρ_w, baseline σ² d_s/n + ρ_s, ceiling σ² d_s/(n + N) + ρ_s: lower bounds.
    Student: its variance on the pseudo-labelled rows + ρ_w + ρ_s. The ratios formed from these
    four are drawn as bounds in the paper; they are neither `pgr_lower_bound` nor exact.

    Args:
        d_w: Dimension of the weak features, above 0.
        d_s: Dimension of the strong features, above 0.
        d_sw: Correlation dimension, in [0, min(d_w, d_s)].
        n: Number of labelled rows, at least 1, ``inf`` allowed.
        N: Number of pseudo-labelled rows, at least 1, ``inf`` allowed.
        sigma2: Variance of the label noise, at least 0.
        rho_w: Approximation error of the weak features, at least 0.
        rho_s: Approximation error of the strong features, at least 0.

    Returns:
        The four curves as risks, their ratios, and the student's bias and variance.

    Raises:
        ValueError: An argument out of its range, named.

    From the paper (its released code); discrepancy note section 2.5.

    >>> float(plotted_bounds(200, 100, 10, 2000, 4000, 0.01, 2.558207e-4, 5.476432e-5).opr)
    1.4131...
    """
    rho_w, rho_s = inputs.noise("rho_w", rho_w), inputs.noise("rho_s", rho_s)
    variance = np.asarray(variance_w2s(d_w, d_s, d_sw, n, N, sigma2, where="train"))
    d_w, d_s = inputs.dimension("d_w", d_w), inputs.dimension("d_s", d_s)
    n, N = inputs.size("n", n), inputs.size("N", N)
    sigma2 = inputs.noise("sigma2", sigma2)
    return summarise(
        teacher=sigma2 * d_w / n + rho_w,
        baseline=sigma2 * d_s / n + rho_s,
        ceiling=sigma2 * d_s / (n + N) + rho_s,
        bias=rho_w + rho_s,
        variance=variance,
        signal_as_noise=np.zeros(()),
    )


def overlap_at(
    d_w: FloatArray, d_s: FloatArray, d_sw: FloatArray, N: FloatArray, version: Version
) -> FloatArray:
    """Directions of the teacher's noise that survive N pseudo-labelled rows, d_sw(N).

    >>> float(overlap_at(*map(np.array, (100.0, 80.0, 10.0, 1600.0)), "paper"))
    14.5
    """
    if inputs.choice("version", version, ("paper", "population")) == "paper":
        return d_sw + (d_w - d_sw) * (d_s / N)
    return d_sw + times(d_w - d_sw, np.asarray(kappa(d_s, N)))


def _risk_bound(
    d_w: ArrayLike,
    d_s: ArrayLike,
    d_sw: ArrayLike,
    n: ArrayLike,
    N: ArrayLike,
    sigma2: ArrayLike,
    rho: ArrayLike,
    version: Version,
) -> FloatArray:
    """The student's risk in units of σ²/n, from above."""
    d_w, d_s, d_sw = inputs.dimensions(d_w, d_s, d_sw)
    n = np.asarray(inputs.finite_size("n", n))
    N = inputs.size("N", N)
    sigma2, rho = inputs.noise("sigma2", sigma2, positive=True), inputs.noise("rho", rho)
    inputs.common_shape(d_w=d_w, d_s=d_s, d_sw=d_sw, n=n, N=N, sigma2=sigma2, rho=rho)
    tall = n > d_w + 1
    price = np.where(tall, n / np.where(tall, n - d_w - 1, 1.0), np.inf)
    return np.where(tall, times(price, overlap_at(d_w, d_s, d_sw, N, version)), np.inf) + (
        n * rho / sigma2
    )
