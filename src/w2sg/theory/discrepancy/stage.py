"""One ridgeless fit as a map of moments: what goes in, what comes out, in any regime."""

from dataclasses import dataclass

import numpy as np

from w2sg._arrays import FloatArray


@dataclass(frozen=True)
class Stage:
    """Mean coefficient and second moment that a fit hands on.

    For a target g·z + noise of variance s with G₁ = E g and G₂ = E ggᵀ, the fitted coefficient
    has E ĝ = ``keep`` G₁ and E ĝĝᵀ = ``same`` G₂ + (``spread`` tr G₂ + ``noise`` s) I.

    Attributes:
        keep: Share of the coefficient that survives, min(1, m/d); also the share of tr G₂.
        same: Weight of G₂ itself.
        spread: Weight of its trace, smeared over all directions by the random row space.
        noise: Noise of each coefficient per unit of label noise, ``inf`` for |m − d| ≤ 1.
    """

    keep: FloatArray
    same: FloatArray
    spread: FloatArray
    noise: FloatArray


def stage(d: FloatArray, m: FloatArray) -> Stage:
    """Return the moments of a minimum-norm fit of m rows in d isotropic Gaussian features.

    m ≥ d + 2: unbiased, noise 1/(m − d − 1). m ≤ d − 2: projection on a random m-dimensional
    space, B = m(d − m)/(d(d − 1)(d + 2)), ``same`` = (m/d)² − 2B/d + B, ``spread`` = B, noise
    m/(d(d − m − 1)). In between the noise is infinite.

    Discrepancy note section 2.7, derived.

    >>> stage(np.array(10.0), np.array([5.0, 10.0, 21.0])).noise
    array([0.125,   inf, 0.1  ])
    """
    tall, wide = m > d + 1, m < d - 1
    with np.errstate(divide="ignore", invalid="ignore"):
        noise = np.where(tall, 1 / (m - d - 1), m / (d * (d - m - 1)))
        spread = np.where(m < d, m * (d - m) / (d * (d - 1) * (d + 2)), 0.0)
        keep = np.where(m < d, m / d, 1.0)
    same = keep**2 + spread * (1 - 2 / d)
    return Stage(keep, same, spread, np.where(tall | wide, noise, np.inf))


def times(left: FloatArray, right: FloatArray) -> FloatArray:
    """Product in which zero wins over infinity: no noise costs nothing at any price.

    >>> times(np.array([0.0, 1.0]), np.array(np.inf))
    array([ 0., inf])
    """
    either_zero = (left == 0) | (right == 0)
    return np.where(either_zero, 0.0, np.where(either_zero, 1.0, left) * right)
