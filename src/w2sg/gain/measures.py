"""Gain, gap, PGR and OPR of one weak-to-strong experiment, each with its interval."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from w2sg._arrays import FloatArray, as_floats
from w2sg.gain.estimate import Estimate
from w2sg.gain.interval import (
    GATE_LEVEL,
    Method,
    check_interval,
    contrast_interval,
    ratio_interval,
    within,
)
from w2sg.gain.resample import N_REPLICATES, Replicates, crossed_replicates
from w2sg.gain.scores import Scores, stack_scores


def gain(
    teacher: ArrayLike,
    student: ArrayLike,
    level: float = 0.95,
    groups: ArrayLike | None = None,
    seed: int = 0,
    *,
    method: Method = "auto",
    n_replicates: int = N_REPLICATES,
    bounds: tuple[float, float] | None = None,
) -> Estimate:
    """Return how much better the student scores than its teacher, student − teacher.

    Mean over seeds and items of S_si − T_si, with an interval from resampling seeds and items,
    crossed (``w2sg.gain.resample``).

    Args:
        teacher: Per-item scores, higher is better: (seeds, items), or (items,) for one seed.
        student: Scores of the students on the same items; row s was taught by teacher s.
        level: Nominal coverage, in (0, 1).
        groups: One label per item; items with one label (a passage, a user) move together.
        seed: Seed of the resampling.
        method: ``"auto"`` and ``"fieller"`` are the percentile interval here, ``"bca"`` corrects
            it for skewness.
        n_replicates: Number of resamples.
        bounds: Least and most that a score can be, (0, 1) for accuracy: the interval stays inside
            what a difference can be, and has a width even where no item differs.

    Returns:
        The gain in units of the score.

    Raises:
        ValueError: Arrays that do not fit each other, a bad level or method, too few replicates.

    >>> rng = np.random.default_rng(0)
    >>> teacher, student = rng.random((5, 800)) < 0.7, rng.random((5, 800)) < 0.8
    >>> print(gain(teacher, student))
    0.093 [0.081, 0.104]
    """
    scores = {"teacher": teacher, "student": student}
    return _difference(scores, level, groups, seed, method, n_replicates, bounds)


def gap(
    teacher: ArrayLike,
    ceiling: ArrayLike,
    level: float = 0.95,
    groups: ArrayLike | None = None,
    seed: int = 0,
    *,
    method: Method = "auto",
    n_replicates: int = N_REPLICATES,
    bounds: tuple[float, float] | None = None,
) -> Estimate:
    """Return the gap that a student can recover, ceiling − teacher.

    The gap gate of ``pgr`` passes when the 95 % interval of this lies above zero.

    Args:
        teacher: Per-item scores, higher is better: (seeds, items), or (items,) for one seed.
        ceiling: Scores of the strong model trained on true labels, same items.
        level: Nominal coverage, in (0, 1).
        groups: One label per item; items with one label move together.
        seed: Seed of the resampling.
        method: As in ``gain``.
        n_replicates: Number of resamples.
        bounds: As in ``gain``.

    Raises:
        ValueError: As in ``gain``.

    >>> print(gap([0, 1, 0, 1, 0, 1, 0, 1], [1, 1, 1, 1, 1, 1, 0, 1]))
    0.375 [-0.060, 0.846]
    """
    scores = {"teacher": teacher, "ceiling": ceiling}
    return _difference(scores, level, groups, seed, method, n_replicates, bounds)


def pgr(
    teacher: ArrayLike,
    student: ArrayLike,
    ceiling: ArrayLike | None,
    level: float = 0.95,
    groups: ArrayLike | None = None,
    seed: int = 0,
    *,
    method: Method = "auto",
    ratio: Literal["of_means", "mean_of_ratios"] = "of_means",
    n_replicates: int = N_REPLICATES,
) -> Estimate:
    """Return the performance gap recovered, (student − teacher) / (ceiling − teacher).

    It is withheld, with the reason, unless the 95 % interval of ceiling − teacher lies above zero
    (the gap gate): a ratio to a gap that may be nothing means nothing. The three models are
    resampled together.

    Args:
        teacher: Per-item scores, higher is better: (seeds, items), or (items,) for one seed.
        student: Scores of the students on the same items; row s was taught by teacher s.
        ceiling: Scores of the strong model trained on true labels; ``None`` if none was trained.
        level: Nominal coverage, in (0, 1).
        groups: One label per item; items with one label (a passage, a user) move together.
        seed: Seed of the resampling.
        method: ``"percentile"``, ``"bca"``, ``"fieller"``; ``"auto"`` is the percentile interval
            where the gap is large and widens to Fieller's, and for the gate, where it is small.
        ratio: ``"of_means"``: the ratio of the mean gain to the mean gap; ``"mean_of_ratios"``:
            the mean over seeds of each run's own PGR, to first order in the items, withheld unless
            each run's gap is above zero at 95 %.
        n_replicates: Number of resamples.

    Returns:
        The PGR, 0 for the teacher, 1 for the ceiling; neither is a bound.

    Raises:
        ValueError: Arrays that do not fit each other, a bad level or method, too few replicates.

    Burns et al. 2023 (arXiv 2312.09390), section 3, define the ratio; interval and gate are
    derived here.

    >>> rng = np.random.default_rng(0)
    >>> teacher, student, ceiling = (rng.random((5, 800)) < p for p in (0.7, 0.8, 0.9))
    >>> print(pgr(teacher, student, ceiling))
    0.467 [0.401, 0.546]
    >>> print(pgr(teacher, student, None))
    withheld: no ceiling was trained: PGR needs the strong model trained on true labels
    """
    check_interval(level, method, n_replicates)
    if ratio not in ("of_means", "mean_of_ratios"):
        raise ValueError(f"ratio must be 'of_means' or 'mean_of_ratios', got {ratio!r}")
    if ceiling is None:
        scores = stack_scores({"teacher": teacher, "student": student}, groups)
        reason = "no ceiling was trained: PGR needs the strong model trained on true labels"
        return _withheld(scores, reason, level, method)
    scores = stack_scores({"teacher": teacher, "student": student, "ceiling": ceiling}, groups)
    gate = gap(teacher, ceiling, GATE_LEVEL, groups, seed, n_replicates=n_replicates)
    if gate.low is None or gate.low <= 0:
        reason = (
            f"the gap ceiling − teacher is not clearly above zero: {gate} at 95 %; read the gain, "
            "or add seeds and test items"
        )
        return _withheld(scores, reason, level, method)
    if ratio == "mean_of_ratios":
        return _mean_of_ratios(scores, level, method, seed, n_replicates)
    replicates = crossed_replicates(scores.values, seed, n_replicates)
    top, bottom = np.array([-1.0, 1.0, 0.0]), np.array([-1.0, 0.0, 1.0])
    return _ratio(scores, replicates, top, bottom, level, method, "gap ceiling − teacher")


def opr(
    baseline: ArrayLike,
    student: ArrayLike,
    level: float = 0.95,
    groups: ArrayLike | None = None,
    seed: int = 0,
    *,
    best: float = 1.0,
    method: Method = "auto",
    n_replicates: int = N_REPLICATES,
) -> Estimate:
    """Return the outperforming ratio: risk of the strong baseline over risk of the student.

    (best − baseline) / (best − student), each a mean over seeds and items. The baseline is the
    strong model trained on the few true labels alone, so OPR > 1 says that pseudo-labels beat
    using those labels directly. It needs no ceiling and no gap. The risks are those of the test
    scores: irreducible noise of the labels is in both and pulls the ratio towards 1.

    Args:
        baseline: Per-item scores of the strong model trained on the labelled examples alone,
            higher is better: (seeds, items), or (items,) for one seed.
        student: Scores of the students on the same items.
        level: Nominal coverage, in (0, 1).
        groups: One label per item; items with one label move together.
        seed: Seed of the resampling.
        best: The score of a perfect model: 1 for accuracy and AUROC, 0 for negated losses.
        method: As in ``pgr``.
        n_replicates: Number of resamples.

    Returns:
        The ratio of risks; withheld where the student's risk is not clearly above zero.

    Raises:
        ValueError: Arrays that do not fit each other; a mean score above ``best``.

    Dong et al. 2025 (arXiv 2502.05075), section 3, with excess risks; here in test scores.

    >>> rng = np.random.default_rng(0)
    >>> baseline, student = rng.random((5, 800)) < 0.7, rng.random((5, 800)) < 0.8
    >>> print(opr(baseline, student))
    1.451 [1.390, 1.521]
    """
    check_interval(level, method, n_replicates)
    as_floats("best", best, ndim=0)
    scores = stack_scores({"baseline": baseline, "student": student}, groups)
    risks = Scores(best - scores.values, scores.note)
    for name, risk in zip(("baseline", "student"), risks.values.mean(axis=(0, 1)), strict=True):
        if risk < -1e-12:
            raise ValueError(
                f"best must be the score of a perfect model, got {best:g} below the mean score of "
                f"{name}, {best - risk:g}: use best=0 for negated losses"
            )
    replicates = crossed_replicates(risks.values, seed, n_replicates)
    top, bottom = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    gate = _contrast(risks, replicates, bottom, GATE_LEVEL, "percentile")
    if gate.low is None or gate.low <= 0:
        reason = f"the student's risk is not clearly above zero: {gate} at 95 %; read the gain"
        return _withheld(scores, reason, level, method)
    return _ratio(risks, replicates, top, bottom, level, method, "risk of the student", least=0.0)


def _difference(
    scores: Mapping[str, ArrayLike],
    level: float,
    groups: ArrayLike | None,
    seed: int,
    method: Method,
    n_replicates: int,
    bounds: tuple[float, float] | None,
) -> Estimate:
    check_interval(level, method, n_replicates)
    stacked = stack_scores(scores, groups)
    change = Scores(np.diff(stacked.values), stacked.note)
    estimate = _mean(change, level, method, seed, n_replicates)
    return estimate if bounds is None else _inside(estimate, bounds)


def _inside(estimate: Estimate, bounds: tuple[float, float]) -> Estimate:
    """Keep a difference of two bounded scores within what it can be."""
    reach = bounds[1] - bounds[0]
    value, low, high = (float(x or 0.0) for x in (estimate.estimate, estimate.low, estimate.high))
    ends = within(
        value, low, high, bounds=(-reach, reach), level=estimate.level, n_items=estimate.n_items
    )
    return replace(estimate, low=ends[0], high=ends[1])


def _mean(scores: Scores, level: float, method: str, seed: int, n_replicates: int) -> Estimate:
    replicates = crossed_replicates(scores.values, seed, n_replicates)
    return _contrast(scores, replicates, np.ones(1), level, method)


def _contrast(
    scores: Scores, replicates: Replicates, weights: FloatArray, level: float, method: str
) -> Estimate:
    method = "bca" if method == "bca" else "percentile"
    value, low, high = contrast_interval(replicates, weights, level, method)
    n_seeds, n_items, _ = scores.values.shape
    return Estimate(value, low, high, None, level, method, scores.note, n_seeds, n_items)


def _ratio(
    scores: Scores,
    replicates: Replicates,
    top: FloatArray,
    bottom: FloatArray,
    level: float,
    method: str,
    denominator: str,
    least: float | None = None,
) -> Estimate:
    value, low, high, method = ratio_interval(replicates, top, bottom, level, method)
    if not np.isfinite([low, high]).all():
        reason = (
            f"the {denominator} is too uncertain for a bounded interval at {level:.4g}: read the "
            "gain, or ask for a lower level"
        )
        return _withheld(scores, reason, level, method)
    n_seeds, n_items, _ = scores.values.shape
    if least is not None:
        low = max(low, least)
    return Estimate(value, low, high, None, level, method, scores.note, n_seeds, n_items)


def _mean_of_ratios(
    scores: Scores, level: float, method: str, seed: int, n_replicates: int
) -> Estimate:
    """Put each run's own PGR into per-item form and average it as if it were a score.

    With P_s the PGR of run s and G_s its gap, the items P_s + (S − T − P_s (C − T))_si / G_s have
    the mean P_s and, to first order, its spread over test sets.
    """
    teacher, student, ceiling = np.moveaxis(scores.values, -1, 0)
    gaps = ceiling - teacher
    mean_gap = gaps.mean(axis=1, keepdims=True)
    error = gaps.std(axis=1, ddof=1, keepdims=True) / gaps.shape[1] ** 0.5
    weak = (mean_gap <= stats.norm.ppf((1 + GATE_LEVEL) / 2) * error).ravel()
    if weak.any():
        run = int(np.flatnonzero(weak)[0])
        reason = (
            f"the gap of run {run} alone, {mean_gap[run, 0]:.3f}, is not clearly above zero, so "
            "its own ratio means nothing: use the ratio of means"
        )
        return _withheld(scores, reason, level, method)
    ratios = (student - teacher).mean(axis=1, keepdims=True) / mean_gap
    items = ratios + (student - teacher - ratios * gaps) / mean_gap
    linear = Scores(items[..., None], scores.note)
    return _mean(linear, level, method, seed, n_replicates)


def _withheld(scores: Scores, reason: str, level: float, method: str) -> Estimate:
    n_seeds, n_items, _ = scores.values.shape
    return Estimate(None, None, None, reason, level, method, scores.note, n_seeds, n_items)
