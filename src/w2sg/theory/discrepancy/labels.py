"""How many labels to buy, and from which sample sizes on the student wins."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from w2sg._arrays import FloatArray, as_whole
from w2sg.theory.discrepancy import _inputs as inputs
from w2sg.theory.discrepancy.bounds import Version, overlap_at
from w2sg.theory.discrepancy.model import Dimensions, LatentModel
from w2sg.theory.discrepancy.risks import risk_summary
from w2sg.theory.discrepancy.stage import times

Objective = Literal["pgr_bound", "opr_bound", "pgr_exact", "opr_exact"]
_GRID = 257
LEAST_GAP = 0.05  # of the teacher's risk: with less to recover, PGR is near its pole


@dataclass(frozen=True)
class OptimalLabels:
    """A number of labels and what it achieves.

    Attributes:
        n: The maximiser; real for a bound, whole for an exact ratio, ``inf`` if more is better.
        value: The ratio or bound there.
    """

    n: FloatArray
    value: FloatArray


def optimal_labels(
    d_w: ArrayLike,
    d_s: ArrayLike,
    d_sw: ArrayLike,
    N: ArrayLike,
    sigma2: ArrayLike,
    rho: ArrayLike,
    objective: Objective = "pgr_bound",
    version: Version = "paper",
    *,
    model: LatentModel | None = None,
    n_max: int = 10**6,
) -> OptimalLabels:
    """Return the number of labels n that maximises a ratio or its lower bound.

    Both bounds peak at n = d_w + 1 + √((d_w + 1) d_sw(N) σ²/ρ); with
    D = (√d_sw(N) + √((d_w + 1) ρ/σ²))² the values are 1 − D/d_w and d_s/D. The exact ratios are
    searched over whole n up to ``n_max``: PGR from d_w + 2 on, where the ceiling takes at least
    5 % off the teacher's risk (PGR has a pole where it takes nothing off), OPR from
    max(d_w, d_s) + 2 on, where the baseline is past its interpolation peak. The peak of PGR's
    bound is largely made by the bound: its exact maximiser lies much nearer to d_w.

    Args:
        d_w: Dimension of the weak features, above 0.
        d_s: Dimension of the strong features, above 0.
        d_sw: Correlation dimension, in [0, min(d_w, d_s)].
        N: Number of pseudo-labelled rows, at least 1, ``inf`` allowed.
        sigma2: Variance of the label noise, above 0.
        rho: Sum of both approximation errors, at least 0. An exact ratio without a ``model``
            takes it as a part of the target of mean square ρ/2 that neither model can express.
        objective: What to maximise.
        version: Which bound, as in `pgr_lower_bound`.
        model: The model that an exact ratio belongs to; its dimensions and errors must be
            those given, to a relative 1e-6.
        n_max: Largest n an exact ratio is searched to.

    Returns:
        Maximiser and value over the broadcast shape. A bound with ρ = 0 grows up to n = ``inf``;
        an exact ratio that still grows at ``n_max`` returns ``n_max``. Twice ``nan`` where there
        is no maximum: a ratio that is finite nowhere, a gap of 5 % nowhere, or a PGR that grows
        until the gap is below that.

    Raises:
        ValueError: An argument out of its range, or a model that is not the one described.

    Derived; discrepancy note section 2.5 (the shape of the paper's corollary).

    >>> best = optimal_labels(100, 80, 10, [1600, 4000], sigma2=1.0, rho=0.1)
    >>> best.n.round(4).tolist(), best.value.round(6).tolist()
    ([222.0165, 210.1696], [0.511967, 0.562661])
    """
    d_w, d_s, d_sw = inputs.dimensions(d_w, d_s, d_sw)
    N = inputs.size("N", N)
    sigma2, rho = inputs.noise("sigma2", sigma2, positive=True), inputs.noise("rho", rho)
    shape = inputs.common_shape(d_w=d_w, d_s=d_s, d_sw=d_sw, N=N, sigma2=sigma2, rho=rho)
    inputs.choice("objective", objective, ("pgr_bound", "opr_bound", "pgr_exact", "opr_exact"))
    if objective.endswith("_bound"):
        if model is not None:
            raise ValueError("model must be None for a bound; it serves pgr_exact and opr_exact")
        return _best_bound(d_w, d_s, d_sw, N, sigma2, rho, objective, version)
    if model is not None:
        _check_model(model, d_w=d_w, d_s=d_s, d_sw=d_sw, rho=rho)
    n_max = as_whole("n_max", n_max, low=1)
    flat = [np.broadcast_to(a, shape).ravel()[:, None] for a in (d_w, d_s, d_sw, N, sigma2, rho)]
    d_w, d_s, d_sw, N, sigma2, rho = flat
    subject = model or Dimensions(d_w, d_s, d_sw, np.sqrt(rho / 2))

    def ratio(n: FloatArray) -> FloatArray:
        risks = risk_summary(subject, n, N, sigma2)
        if objective == "opr_exact":
            return np.where(np.isfinite(risks.opr), risks.opr, -np.inf)
        gap = risks.teacher_risk - risks.ceiling_risk
        clear = np.isfinite(gap) & (gap >= LEAST_GAP * risks.teacher_risk)
        return np.where(clear & np.isfinite(risks.pgr), risks.pgr, -np.inf)

    first = d_w if objective == "pgr_exact" else np.maximum(d_w, d_s)
    low = np.floor(first) + 2
    n, value = _search(ratio, low, n_max)
    if objective == "pgr_exact":
        # A best n next to a gap that is too small is the way to a pole, not a maximum.
        beside = np.stack([np.clip(n + step, low[:, 0], n_max) for step in (-1, 1)], axis=1)
        open_gap = np.isfinite(ratio(np.where(np.isnan(beside), low, beside))).all(axis=1)
        n, value = np.where(open_gap, n, np.nan), np.where(open_gap, value, np.nan)
    return OptimalLabels(n.reshape(shape)[()], value.reshape(shape)[()])


@dataclass(frozen=True)
class Thresholds:
    """Smallest whole sample sizes at which the student's variance is the smaller one.

    Attributes:
        N_beats_teacher: Pseudo-labels to beat the teacher, 2 d_s + 2 whatever n; ``inf`` if the
            student only repeats it (d_sw = d_w).
        N_beats_baseline: Pseudo-labels to beat the strong model on the same n labels; ``inf``
            if no number does.
        n_beats_baseline: Labels from which enough pseudo-labels beat that strong model; ``inf``
            if no number does.
    """

    N_beats_teacher: FloatArray
    N_beats_baseline: FloatArray
    n_beats_baseline: FloatArray


def thresholds(d_w: ArrayLike, d_s: ArrayLike, d_sw: ArrayLike, n: ArrayLike) -> Thresholds:
    """Return the sample sizes from which the student wins, target expressible by both.

    Teacher: κ(d_s, N) < 1. Baseline: d_sw + (d_w − d_sw) κ(d_s, N) < R with
    R = κ(d_s, n)(n − d_w − 1); at N = ∞ n > (d_s (d_w + 1) − d_sw (d_s + 1))/(d_s − d_sw).

    Args:
        d_w: Dimension of the weak features, above 0.
        d_s: Dimension of the strong features, above 0.
        d_sw: Correlation dimension, in [0, min(d_w, d_s)].
        n: Number of labelled rows, at least 1, finite.

    Returns:
        Three thresholds over the broadcast shape, on fresh inputs, ties not counted as wins.

    Raises:
        ValueError: An argument out of its range, named.

    Derived; discrepancy note section 2.6.

    >>> found = thresholds(200, 100, 10, n=2000)
    >>> float(found.N_beats_teacher), float(found.N_beats_baseline), float(found.n_beats_baseline)
    (202.0, 326.0, 213.0)
    """
    d_w, d_s, d_sw = inputs.dimensions(d_w, d_s, d_sw)
    n = inputs.finite_size("n", n)
    inputs.common_shape(d_w=d_w, d_s=d_s, d_sw=d_sw, n=n)
    d_w, d_s, d_sw, n = np.broadcast_arrays(d_w, d_s, d_sw, n)
    nested, fitted = d_sw == d_w, n > d_w + 1
    with np.errstate(divide="ignore", invalid="ignore"):
        room = np.where(n > d_s + 1, d_s * (n - d_w - 1) / (n - d_s - 1), np.inf) - d_sw
        from_price = _above(d_s + 1 + d_s * (d_w - d_sw) / room)
        from_labels = _above((d_s * (d_w + 1) - d_sw * (d_s + 1)) / (d_s - d_sw))
    baseline = np.where(fitted & (room > 0), np.where(nested, np.ceil(d_s), from_price), np.inf)
    teacher = np.where(nested, np.inf, _above(2 * d_s + 1))
    labels = np.where(d_sw == d_s, np.inf, np.maximum(_above(d_w + 1), from_labels))
    return Thresholds(teacher[()], baseline[()], labels[()])


def _best_bound(
    d_w: FloatArray,
    d_s: FloatArray,
    d_sw: FloatArray,
    N: FloatArray,
    sigma2: FloatArray,
    rho: FloatArray,
    objective: Objective,
    version: Version,
) -> OptimalLabels:
    left = overlap_at(d_w, d_s, d_sw, N, version)
    with np.errstate(divide="ignore", invalid="ignore"):
        n = d_w + 1 + np.sqrt((d_w + 1) * times(left, sigma2 / rho))
        cost = (np.sqrt(left) + np.sqrt((d_w + 1) * rho / sigma2)) ** 2
        value = 1 - cost / d_w if objective == "pgr_bound" else d_s / cost
    n = np.where(rho == 0, np.inf, n)
    n, value = np.broadcast_arrays(n, value)
    return OptimalLabels(n[()], value[()])


def _check_model(model: LatentModel, **described: FloatArray) -> None:
    actual = {
        "d_w": model.d_w,
        "d_s": model.d_s,
        "d_sw": model.d_sw,
        "rho": model.rho_w + model.rho_s,
    }
    for name, value in described.items():
        if not np.allclose(value, actual[name], rtol=1e-6, atol=1e-12):
            raise ValueError(
                f"{name} must be that of the model, {actual[name]:g}, got {value.flat[0]:g}; "
                "pass model.d_w, model.d_s, model.d_sw and model.rho_w + model.rho_s"
            )


def _search(
    ratio: Callable[[FloatArray], FloatArray], low: FloatArray, n_max: int
) -> tuple[FloatArray, FloatArray]:
    """Maximise over whole numbers: a geometric grid over all, then finer ones around the best."""
    if (low > n_max).any():
        raise ValueError(f"n_max must be at least {low.max():g}, got {n_max}")
    rows = np.arange(len(low))
    steps = np.linspace(0.0, 1.0, _GRID)
    left, right = low, np.full_like(low, n_max)
    while True:
        grid = np.rint(left * (right / left) ** steps)
        value = ratio(grid)
        best = value.argmax(axis=1)
        if (np.diff(grid, axis=1) <= 1).all():
            n, value = grid[rows, best], value[rows, best]
            found = np.isfinite(value)
            return np.where(found, n, np.nan), np.where(found, value, np.nan)
        left = grid[rows, np.maximum(best - 1, 0)][:, None]
        right = grid[rows, np.minimum(best + 1, _GRID - 1)][:, None]


def _above(value: FloatArray) -> FloatArray:
    """The smallest whole number strictly above, unmoved by round-off."""
    return np.floor(value * (1 + 4e-16) + 1e-9) + 1
