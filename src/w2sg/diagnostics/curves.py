"""Learning-curve laws: overlap, floors and noise from errors alone, no features needed."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.optimize
import scipy.stats

from w2sg._arrays import FloatArray, as_floats
from w2sg.theory.discrepancy import kappa


@dataclass(frozen=True)
class OverlapFromCurves:
    """The share of the teacher's dimensions that the student has, from two learning curves.

    Attributes:
        share: f = d_sw / d_w; not clipped, so noise can carry it outside [0, 1].
        low: Lower end of its 95 % interval: over trials where they were given, else from the
            scatter about the line.
        high: Upper end.
        slope: q of ``student = offset + q · teacher``.
        offset: What the student's error keeps where the teacher's vanishes.
        kappa_n: κ(d_s, N) used to turn q into f.
        r2: Share of the variance of the student's errors that the line explains.
    """

    share: float
    low: float
    high: float
    slope: float
    offset: float
    kappa_n: float
    r2: float


@dataclass(frozen=True)
class CurveSplit:
    """The student's error split into what stays and what more unlabelled data removes.

    Attributes:
        floor: A, the limit N → ∞.
        floor_error: Standard error of ``floor``.
        price: B, the variance of the teacher's outputs that is not linear in the features.
        price_error: Standard error of ``price``.
        r2: Share of the variance of the errors that ``A + B κ(d_s, N)`` explains.
    """

    floor: float
    floor_error: float
    price: float
    price_error: float
    r2: float


@dataclass(frozen=True)
class NoiseAndFloor:
    """Noise floor and dimension of a learning curve ``v (1 + κ(d, m))``.

    Attributes:
        floor: v, the noise variance plus the approximation error, in squared label units.
        dimension: d, the dimension that the fit paid for.
        r2: Share of the variance of log errors explained.
    """

    floor: float
    dimension: float
    r2: float


def overlap_from_curves(err_w: Any, err_w2s: Any, d_s: float, N: float) -> OverlapFromCurves:
    r"""Estimate the overlap from teacher and student errors as the number of labels varies.

    At fixed N the student's expected error is exactly affine in the teacher's,
    ``ER_w2s(n) = b₀ + q ER_w(n)`` with ``q = f + (1 − f) κ(d_s, N)`` and ``f = d_sw/d_w``, so
    ``f = (q − κ)/(1 − κ)``. Neither features nor the noise level enter, and a constant such as
    irreducible label noise cancels. Noise in the teacher's errors flattens the slope, so that the
    line goes through means over trials. Sizes of one trial that share test rows or nested labels
    miss the line together: their scatter about it is too small for an interval. With trials as
    columns the interval is a jackknife over whole trials, which allows for that.

    Args:
        err_w: Teacher errors (squared), one per number of labels, at least 3; or (sizes, trials).
        err_w2s: Student errors at the same points.
        d_s: Rank of the student's features as its regression feels it.
        N: Number of pseudo-labelled rows, the same at every point; at least 2 d_s + 2.

    Returns:
        The share f with interval and fit quality.

    Raises:
        ValueError: Fewer than 3 points, unequal lengths, teacher errors all equal, or N too
            small for κ < 1.

    Source: section 2.4 of the theory notes, derived (an identity for Gaussian features).

    >>> teacher = np.array([1.0, 2.0, 4.0])
    >>> fit = overlap_from_curves(teacher, 0.3 + 0.28 * teacher, d_s=100, N=1101)
    >>> round(fit.share, 6), fit.kappa_n
    (0.2, 0.1)
    """
    x, y = _pair("err_w", err_w, "err_w2s", err_w2s)
    price = float(kappa(d_s, N))
    if price >= 1:
        raise ValueError(f"N must be at least 2 d_s + 2 = {2 * d_s + 2:g}, got {N:g}")
    line = _line("err_w", x, y)
    freedom = y.shape[1] - 1 if y.ndim == 2 else len(x) - 2
    spread = scipy.stats.t.ppf(0.975, freedom) * line.slope_error
    f, low, high = ((q - price) / (1 - price) for q in line.slope + np.array([0, -1, 1]) * spread)
    return OverlapFromCurves(
        float(f), float(low), float(high), line.slope, line.offset, price, line.r2
    )


def split_from_curve(N: Any, err: Any, d_s: float) -> CurveSplit:
    r"""Split the student's error into ``A + B κ(d_s, N)`` as the unlabelled rows vary.

    Exact in expectation at a fixed number of labels: B is the variance of the teacher's outputs
    that is not linear in the student's features, A what no number of pseudo-labels removes.

    Args:
        N: Numbers of pseudo-labelled rows, at least 3 of them, each at least d_s + 2.
        err: Student errors (squared), one per N; or (sizes, trials), and the standard errors are a
            jackknife over whole trials. Without trials they are from the scatter about the line,
            too small where the sizes of a trial share teacher and test rows.
        d_s: Rank of the student's features as its regression feels it.

    Returns:
        A and B with standard errors, and R².

    Raises:
        ValueError: Fewer than 3 points, unequal lengths, or an N at which κ is infinite.

    Source: section 2.4 of the theory notes, derived (an identity for Gaussian features).

    >>> sizes = np.array([201, 401, 801])
    >>> split = split_from_curve(sizes, 0.5 + 2 * kappa(100, sizes), 100)
    >>> round(split.floor, 6), round(split.price, 6)
    (0.5, 2.0)
    """
    sizes, y = _pair("N", N, "err", err)
    x = np.asarray(kappa(d_s, sizes))
    if not np.isfinite(x).all():
        raise ValueError(f"N must be at least d_s + 2 = {d_s + 2:g}, got {sizes.min():g}")
    line = _line("N", x, y)
    return CurveSplit(line.offset, line.offset_error, line.slope, line.slope_error, line.r2)


def noise_and_floor(m: Any, mse: Any) -> NoiseAndFloor:
    r"""Fit ``MSE(m) = v (1 + d/(m − d − 1))`` to a supervised learning curve, on a log scale.

    v is noise variance plus approximation error, which one feature set cannot tell apart;
    differences of v between two models on the same labels are differences of approximation
    error. d is the dimension the regression paid for, to hold against the rank and the energy
    dimension of the features.

    Args:
        m: Numbers of labelled rows, at least 3 different ones.
        mse: Mean squared errors on held-out labels, above 0.

    Returns:
        Floor, dimension and R² of the log errors.

    Raises:
        ValueError: Fewer than 3 different sizes, unequal lengths, errors that are not positive.

    Source: section 3.4 of the theory notes, derived.

    >>> sizes = np.array([300, 500, 1000, 4000])
    >>> fit = noise_and_floor(sizes, 2.0 * (1 + kappa(120, sizes)))
    >>> round(fit.floor, 4), round(fit.dimension, 2)
    (2.0, 120.0)
    """
    sizes, errors = _pair("m", m, "mse", as_floats("mse", mse, ndim=1))
    as_floats("mse", errors, low=0.0, open_low=True)
    if len(np.unique(sizes)) < 3 or sizes.min() < 3:
        raise ValueError(f"m must hold at least 3 different sizes of at least 3, got {sizes}")
    logs = np.log(errors)

    def residual(d: float) -> FloatArray:
        rest = logs - np.log1p(d / (sizes - d - 1))
        return rest - rest.mean()

    limit = sizes.min() - 1
    grid = limit * (1 - np.geomspace(1e-9, 1, 200))
    losses = [float((residual(d) ** 2).sum()) for d in grid]
    best = int(np.argmin(losses))
    bounds = sorted((grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]))
    found: Any = scipy.optimize.minimize_scalar(
        lambda d: float((residual(d) ** 2).sum()),
        bounds=bounds,
        method="bounded",
        options={"xatol": 1e-9 * limit},
    )
    d = float(found.x)
    floor = float(np.exp((logs - np.log1p(d / (sizes - d - 1))).mean()))
    total = float(((logs - logs.mean()) ** 2).sum())
    if total == 0:
        raise ValueError("mse must vary over m; a flat curve has no dimension")
    return NoiseAndFloor(floor, d, 1 - float(found.fun) / total)


@dataclass(frozen=True)
class _Line:
    slope: float
    slope_error: float
    offset: float
    offset_error: float
    r2: float


def _pair(name_x: str, x: Any, name_y: str, y: Any) -> tuple[FloatArray, FloatArray]:
    """Return both as points (sizes,) or (sizes, trials); x may be the same in every trial."""
    a, b = as_floats(name_x, x), as_floats(name_y, y)
    if a.ndim not in (1, 2) or b.ndim not in (1, 2) or a.ndim > b.ndim:
        raise ValueError(
            f"{name_x} and {name_y} must have shape (sizes,) or (sizes, trials), got {a.shape} and "
            f"{b.shape}"
        )
    if len(a) != len(b) or (a.ndim == 2 and a.shape != b.shape):
        raise ValueError(f"{name_x} and {name_y} must pair, got {a.shape} and {b.shape} points")
    if len(a) < 3:
        raise ValueError(f"{name_x} must hold at least 3 points, got {len(a)}")
    if b.ndim == 2 and b.shape[1] < 2:
        raise ValueError(f"{name_y} must hold at least 2 trials as columns, got {b.shape[1]}")
    return a, b


def _line(name: str, x: FloatArray, y: FloatArray) -> _Line:
    if y.ndim == 1:
        return _line_of_points(name, x, y)
    trials = y.shape[1]

    def without(t: int | None) -> _Line:
        means = [a if a.ndim == 1 else _mean_without(a, t) for a in (x, y)]
        return _line_of_points(name, *means)

    whole = without(None)
    left = [without(t) for t in range(trials)]
    errors = [
        float(np.std([getattr(line, part) for line in left]) * np.sqrt(trials - 1))
        for part in ("slope", "offset")
    ]
    return _Line(whole.slope, errors[0], whole.offset, errors[1], whole.r2)


def _mean_without(a: FloatArray, t: int | None) -> FloatArray:
    kept = a if t is None else np.delete(a, t, axis=1)
    return kept.mean(axis=1)


def _line_of_points(name: str, x: FloatArray, y: FloatArray) -> _Line:
    if np.ptp(x) == 0:
        raise ValueError(f"{name} must vary, got {x[0]:g} at every point")
    if np.ptp(y) == 0:
        return _Line(0.0, 0.0, float(y[0]), 0.0, 1.0)
    n, mean = len(x), x.mean()
    spread = float(np.square(x - mean).sum())
    slope = float((x - mean) @ y) / spread
    offset = float(y.mean() - slope * mean)
    missed = float(np.square(y - offset - slope * x).sum())
    variance = missed / (n - 2)
    return _Line(
        slope,
        float(np.sqrt(variance / spread)),
        offset,
        float(np.sqrt(variance * (1 / n + mean**2 / spread))),
        1 - missed / float(np.square(y - y.mean()).sum()),
    )
