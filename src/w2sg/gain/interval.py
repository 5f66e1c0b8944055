"""From replicates of a numerator and a denominator to the interval of their ratio."""

import math
from typing import Literal

import numpy as np
from scipy import stats

from w2sg._arrays import FloatArray, as_floats
from w2sg.gain.resample import Replicates

Method = Literal["auto", "percentile", "bca", "fieller"]
GATE_LEVEL = 0.95
TAIL_REPLICATES = 10
METHODS = ("auto", "percentile", "bca", "fieller")


def contrast_interval(
    replicates: Replicates, weights: FloatArray, level: float, method: str
) -> tuple[float, float, float]:
    """Return value, low and high of a weighted sum of the models' means."""
    value = float(replicates.means @ weights)
    draws = replicates.draws @ weights
    shares = _shares(replicates, weights, draws, value, level, method)
    low, high = np.quantile(draws, shares)
    return value, float(low), float(high)


def ratio_interval(
    replicates: Replicates, top: FloatArray, bottom: FloatArray, level: float, method: str
) -> tuple[float, float, float, str]:
    """Return value, low, high and method of a ratio of two weighted sums of the models' means.

    ``fieller`` is the set of ratios P for which zero lies within the interval of top − P·bottom
    (Fieller 1954, with the replicates in place of the normal law). It needs no division by a
    denominator near zero; where every replicate of the denominator is positive it is the
    percentile interval of the ratio. Its ends are infinite where too many are below zero.

    ``auto`` also allows for the gate: a ratio is given only where the denominator came out large,
    which bends the interval of a small one. A share miss of all experiments is at most miss / π
    of those that pass, π being the probability to pass, so the percentile interval is read off at
    tails smaller by the bootstrap estimate of π, and united with Fieller's. For a denominator of
    many standard errors π = 1 and all three intervals are one (status: derived here).
    """
    value = float(replicates.means @ bottom)
    ratio = float(replicates.means @ top) / value
    numerator, denominator = replicates.draws @ top, replicates.draws @ bottom
    influence = (top - ratio * bottom) / value
    tail = (1 - level) / 2
    if method == "auto":
        low, high = _fieller(numerator, denominator, tail)
        draws = numerator / denominator
        threshold = value - float(np.quantile(denominator, (1 - GATE_LEVEL) / 2))
        passing = float((denominator > threshold).mean())
        wide = np.quantile(draws, [tail * passing, 1 - tail * passing])
        name = "percentile" if (denominator > 0).all() else "fieller"
        return ratio, min(low, float(wide[0])), max(high, float(wide[1])), name
    if method == "fieller":
        return ratio, *_fieller(numerator, denominator, tail), method
    draws = numerator / denominator
    low, high = np.quantile(draws, _shares(replicates, influence, draws, ratio, level, method))
    return ratio, float(low), float(high), method


def within(
    value: float,
    low: float,
    high: float,
    *,
    bounds: tuple[float, float] | None,
    level: float,
    n_items: int,
) -> tuple[float, float]:
    """Return an interval kept inside the range of its quantity, and of some width.

    Where no item differed from another the resampled interval has no width. Then at most a share
    u = 1 − t^{1/n} of all items can be unlike the n seen, t being one tail (Clopper and Pearson
    with 0 of n), and each can move the mean as far as the range goes.

    Args:
        value: The estimate.
        low: Lower end.
        high: Upper end.
        bounds: Least and most that the quantity can be; ``None`` changes nothing.
        level: Coverage.
        n_items: Independent items.

    >>> within(1.0, 1.0, 1.0, bounds=(0.0, 1.0), level=0.95, n_items=50)[0]
    0.9288...
    >>> within(-0.4, -1.6, 0.8, bounds=(-1.0, 1.0), level=0.95, n_items=50)
    (-1.0, 0.8)
    """
    if bounds is None:
        return low, high
    least, most = bounds
    if low == high:
        share = 1 - ((1 - level) / 2) ** (1 / n_items)
        low = value - (value - least) * share if np.isfinite(least) else low
        high = value + (most - value) * share if np.isfinite(most) else high
    return max(low, least), min(high, most)


def check_interval(level: float, method: str, n_replicates: int) -> None:
    """Refuse a level outside (0, 1), an unknown method, too few replicates for the level.

    >>> check_interval(95, "percentile", 2000)
    Traceback (most recent call last):
    ...
    ValueError: level must be below 1, got 95
    """
    as_floats("level", level, low=0.0, high=1.0, open_low=True, open_high=True, ndim=0)
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    needed = math.ceil(TAIL_REPLICATES * 2 / (1 - level) - 1e-6)
    if n_replicates < needed:
        raise ValueError(
            f"n_replicates must be at least {needed} for level {level:g}, so that "
            f"{TAIL_REPLICATES} lie in each tail, got {n_replicates}"
        )


def _shares(
    replicates: Replicates,
    influence: FloatArray,
    draws: FloatArray,
    value: float,
    level: float,
    method: str,
) -> FloatArray:
    """Return the two quantiles to read off, moved for bias and skewness with ``bca``.

    z₀ is the normal quantile of the share of replicates below the estimate and
    a = Σ ℓ³ / (6 (Σ ℓ²)^{3/2}) over the influence ℓ of all seeds and items (Efron 1987, eq. 6.6).
    """
    tails = np.array([(1 - level) / 2, (1 + level) / 2])
    if method != "bca":
        return tails
    pulls = np.concatenate([replicates.seed_influence, replicates.item_influence]) @ influence
    spread = float((pulls**2).sum())
    if spread == 0:
        return tails
    acceleration = float((pulls**3).sum()) / (6 * spread**1.5)
    below = float((draws < value).mean() + (draws == value).mean() / 2)
    bias = stats.norm.ppf(np.clip(below, 1 / len(draws), 1 - 1 / len(draws)))
    moved = bias + stats.norm.ppf(tails)
    return stats.norm.cdf(bias + moved / (1 - acceleration * moved))


def _fieller(numerator: FloatArray, denominator: FloatArray, tail: float) -> tuple[float, float]:
    """Return the ends of {P: tail ≤ share(numerator ≤ P · denominator) ≤ 1 − tail}."""
    up = denominator > 0
    down = denominator < 0
    rising = np.sort(numerator[up] / denominator[up])
    falling = np.sort(numerator[down] / denominator[down])
    never = float(((denominator == 0) & (numerator <= 0)).sum())
    points = np.sort(np.concatenate([rising, falling]))
    share = (
        np.searchsorted(rising, points, side="right")
        + len(falling)
        - np.searchsorted(falling, points, side="left")
        + never
    ) / len(numerator)
    if (len(falling) + never) / len(numerator) >= tail:
        return -np.inf, np.inf
    inside = points[(share >= tail) & (share <= 1 - tail)]
    if len(inside) == 0:  # one ratio in nearly all replicates, such as student = teacher
        inside = points[share >= tail][:1]
    return float(inside[0]), float(inside[-1])
