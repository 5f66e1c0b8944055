"""The variance of the student when all dimensions and samples grow together."""

import numpy as np
from numpy.typing import ArrayLike

from w2sg._arrays import FloatArray, as_floats
from w2sg.theory.discrepancy import _inputs as inputs
from w2sg.theory.discrepancy.stage import times


def proportional_limit(
    gamma_w: ArrayLike, gamma_sw: ArrayLike, gamma_N: ArrayLike, sigma2: ArrayLike = 1.0
) -> FloatArray:
    """Limit of the student's variance at fixed ratios of dimension to sample size.

    σ²/(1 − γ_w) · [γ_sw + (γ_w − γ_sw) γ_N/(1 − γ_N)].

    Args:
        gamma_w: d_w/n, at least 0.
        gamma_sw: d_sw/n, in [0, gamma_w].
        gamma_N: d_s/N, at least 0.
        sigma2: Variance of the label noise, at least 0.

    Returns:
        The limit over the broadcast shape; ``inf`` where gamma_w or gamma_N is 1 or more.

    Raises:
        ValueError: An argument out of its range, named.

    Derived; discrepancy note section 2.6. `variance_w2s` approaches it with an error of order
    1/n.

    >>> float(proportional_limit(0.1, 0.005, 0.025))
    0.0082...
    """
    weak, strong = (
        as_floats(k, v, low=0.0) for k, v in (("gamma_w", gamma_w), ("gamma_N", gamma_N))
    )
    shared, sigma2 = as_floats("gamma_sw", gamma_sw, low=0.0), inputs.noise("sigma2", sigma2)
    inputs.common_shape(gamma_w=weak, gamma_sw=shared, gamma_N=strong, sigma2=sigma2)
    if (shared > weak).any():
        raise ValueError(
            "gamma_sw must be at most gamma_w: the shared directions are the teacher's"
        )
    price = np.where(strong < 1, strong / np.where(strong < 1, 1 - strong, 1.0), np.inf)
    kept = shared + times(weak - shared, price)
    limit = np.where(weak < 1, kept / np.where(weak < 1, 1 - weak, 1.0), np.inf)
    return times(sigma2, limit)[()]
