"""How many true labels the pseudo-labels are worth, read off a learning curve."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from w2sg._arrays import FloatArray, as_floats
from w2sg.gain.interval import check_interval
from w2sg.gain.resample import crossed_replicates
from w2sg.gain.scores import stack_scores

N_REPLICATES = 2000


@dataclass(frozen=True)
class Curve:
    """Per-item scores of one kind of model trained on more and more true labels.

    Attributes:
        sizes: Numbers of true labels, increasing, shape (m,).
        scores: Shape (seeds, m, items).
    """

    sizes: NDArray[np.int64]
    scores: FloatArray


@dataclass(frozen=True)
class BreakEven:
    """The number of true labels at which the strong model alone does as well as the student.

    Attributes:
        labels: That number, ``None`` where it lies outside the measured sizes.
        low: Lower end of its interval, ``None`` where that is below the smallest size.
        high: Upper end, ``None`` where that is above the largest size.
        smallest: Smallest size measured.
        largest: Largest size measured.
        sentence: What it means, in one sentence.
        sizes: The sizes of the curve.
        refined: The curve after it was moved to the fine-tuned points, one mean per size.
        frozen: The curve as measured on frozen features.
        student: The student's mean score.
        note: What the interval leaves out, such as the spread of trainings at one seed.
    """

    labels: float | None
    low: float | None
    high: float | None
    smallest: int
    largest: int
    sentence: str
    sizes: tuple[int, ...]
    refined: tuple[float, ...]
    frozen: tuple[float, ...]
    student: float
    note: str | None = None


def break_even(
    curve: Curve,
    anchors: Mapping[int, ArrayLike],
    student: ArrayLike,
    *,
    level: float = 0.95,
    groups: Any = None,
    seed: int = 0,
    n_replicates: int = N_REPLICATES,
) -> BreakEven:
    """Return how many true labels the student's pseudo-labels were worth.

    The curve c(m), made non-decreasing, is moved to the fine-tuned points by an offset linear in
    log m (constant for one point); the answer m* solves c(m*) + offset(m*) = student score, with
    linear interpolation in log m. Items and seeds are resampled as for every other statistic
    (``w2sg.gain.resample``): the seed part has a Student law, so that a few trainings that differ
    much make a wide interval.

    Args:
        curve: Scores on frozen features against true labels, at least two sizes.
        anchors: Number of true labels → scores of the fine-tuned model, (seeds, items).
        student: Scores of the student, (seeds, items).
        level: Coverage of the interval.
        groups: One label per item; items with one label move together.
        seed: Of the resampling.
        n_replicates: Number of resamples.

    Raises:
        ValueError: Sizes do not increase, or items differ in number.

    >>> sizes = np.array([10, 100, 1000])
    >>> scores = np.repeat([[[0.5], [0.7], [0.9]]], 4, axis=2)
    >>> break_even(Curve(sizes, scores), {}, np.full((1, 4), 0.8)).labels
    316.2...
    """
    sizes = as_floats("curve.sizes", curve.sizes, ndim=1, low=0.0, open_low=True)
    if len(sizes) < 2 or (np.diff(sizes) <= 0).any():
        raise ValueError(f"curve.sizes must increase and hold at least 2, got {sizes.tolist()}")
    check_interval(level, "auto", n_replicates)
    frozen = as_floats("curve.scores", curve.scores, ndim=3)
    points = sorted(anchors)
    tuned = {f"anchors[{n}]": anchors[n] for n in points} | {"student": student}
    curves = stack_scores({f"curve at {n:g}": frozen[:, i] for i, n in enumerate(sizes)}, groups)
    runs = stack_scores(tuned, groups)
    if runs.values.shape[1] != curves.values.shape[1]:
        raise ValueError(
            f"items differ in number: {curves.values.shape[1]} of the curve, "
            f"{runs.values.shape[1]} of the student"
        )
    x, where = np.log(sizes), np.log(np.array(points, dtype=np.float64))
    # one draw of items for both; the preview's runs are not the fine-tuned ones
    rising = crossed_replicates(curves.values, seed, n_replicates, runs="preview")
    moving = crossed_replicates(runs.values, seed, n_replicates)
    refined = _refine(x, rising.means, where, moving.means[:-1])
    answer = _solve(x, refined, float(moving.means[-1]))
    draws = np.log([
        _solve(x, _refine(x, levels, where, values[:-1]), float(values[-1]))
        for levels, values in zip(rising.draws, moving.draws, strict=True)
    ])  # fmt: skip
    tail = (1 - level) / 2
    low, high = np.exp(np.quantile(draws, [tail, 1 - tail], method="inverted_cdf"))
    ends = (int(sizes[0]), int(sizes[-1]))
    return BreakEven(
        labels=_inside(answer),
        low=_inside(float(low)),
        high=_inside(float(high)),
        smallest=ends[0],
        largest=ends[1],
        sentence=_sentence(answer, float(low), float(high), *ends),
        sizes=tuple(int(n) for n in sizes),
        refined=tuple(float(v) for v in refined),
        frozen=tuple(float(v) for v in rising.means),
        student=float(moving.means[-1]),
        note=runs.note,
    )


def _refine(x: FloatArray, curve: FloatArray, where: FloatArray, values: FloatArray) -> FloatArray:
    from scipy.optimize import isotonic_regression

    rising = isotonic_regression(curve).x
    if not len(where):
        return rising
    offsets = values - np.interp(where, x, rising)
    if len(where) == 1 or np.ptp(where) == 0:
        return rising + offsets.mean()
    slope, start = np.polyfit(where, offsets, 1)
    return isotonic_regression(rising + start + slope * x).x


def _solve(x: FloatArray, curve: FloatArray, level: float) -> float:
    """Return the size at which the curve reaches a level; 0 or infinity outside what it covers."""
    if level < curve[0]:
        return 1e-300
    if level > curve[-1]:
        return np.inf
    i = int(np.searchsorted(curve, level))
    if i == 0:
        return float(np.exp(x[0]))
    share = (level - curve[i - 1]) / (curve[i] - curve[i - 1])
    return float(np.exp(x[i - 1] + share * (x[i] - x[i - 1])))


def _inside(size: float) -> float | None:
    return None if size < 1e-200 or np.isinf(size) else size


def _sentence(answer: float, low: float, high: float, smallest: int, largest: int) -> str:
    if np.isinf(answer):
        start = "" if _inside(low) is None else f" (at least {low:,.0f} with confidence)"
        return (
            f"Beyond the measured range: your weak labels are worth more than {largest:,} true "
            f"labels{start}."
        )
    if _inside(answer) is None:
        return (
            f"Beyond the measured range: your weak labels are worth fewer than {smallest:,} true "
            "labels."
        )
    left = f"{low:,.0f}" if _inside(low) else f"below {smallest:,}"
    right = f"{high:,.0f}" if _inside(high) else f"above {largest:,}"
    return f"Your weak labels are worth {answer:,.0f} true labels [{left}, {right}]."
