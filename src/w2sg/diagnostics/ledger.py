"""The ledger of a run: where the student's gain over its teacher came from.

gap = misfit + residual, measured on test items from stored predictions: the gap is teacher risk −
student risk, the misfit is how far the student departed from its teacher, D(f_s, f_w), and the
residual is what of that departure was not gain (negative) or what came for free (positive).
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Shaped
from numpy import ndarray
from numpy.typing import ArrayLike
from scipy.special import entr

from w2sg._arrays import FloatArray, as_floats
from w2sg.gain.estimate import Estimate
from w2sg.gain.interval import check_interval, contrast_interval
from w2sg.gain.resample import N_REPLICATES, Replicates, crossed_replicates
from w2sg.gain.scores import stack_scores
from w2sg.theory.bregman.generators import BregmanGenerator, negentropy, squared

DIVERGENCES = {"kl": negentropy, "squared": squared}
UNITS = {"kl": "nats of cross-entropy", "squared": "of squared error"}
HARD_SHARE = 0.01
ROW_SUM_TOLERANCE = 1e-3


@dataclass(frozen=True)
class MeanTeacher:
    """The teachers of several seeds against their own mean; intervals hold the mean fixed.

    ``risk`` is that of the mean teacher (dual mean), ``variance`` E D(f̃, f_w), multiplied by
    S/(S−1) for S seeds, and ``distance`` E D(f_s, f̃), how far students are from it. A student at
    the mean teacher gains the whole variance; a student at its own teacher gains nothing.
    """

    risk: Estimate
    variance: Estimate
    distance: Estimate


@dataclass(frozen=True)
class Ledger:
    """Averages per test item, each with its interval; ``gap == misfit + residual`` exactly.

    ``rce`` is −⟨f_s, log f_w⟩ and ``ce`` −⟨f_w, log f_s⟩; both, and the misfit under ``kl``, which
    is ``rce − student_entropy``, need soft teacher labels, so under ``squared`` they are ``None``.
    ``n_floored`` counts predicted probabilities that were raised to the floor. ``mean_teacher`` is
    given where several seeds share their inputs. ``meaning`` is one plain sentence. Misfit and gap
    of each seed are for the figure, `w2sg.figures.gain_against_misfit`.
    """

    divergence: str
    teacher_risk: Estimate
    student_risk: Estimate
    gap: Estimate
    misfit: Estimate
    residual: Estimate
    student_entropy: Estimate
    teacher_entropy: Estimate
    rce: Estimate | None
    ce: Estimate | None
    mean_teacher: MeanTeacher | None
    n_floored: int
    meaning: str
    misfit_by_seed: tuple[float, ...] = ()
    gap_by_seed: tuple[float, ...] = ()


def ledger(
    truth: Shaped[ndarray, "items *k"],
    teacher: Float[ndarray, "seeds items *k"],
    student: Float[ndarray, "seeds items *k"],
    *,
    divergence: str | None = None,
    shared_inputs: bool = False,
    groups: ArrayLike | None = None,
    level: float = 0.95,
    seed: int = 0,
    floor: float = 1e-12,
) -> Ledger:
    r"""Split the student's gain into misfit and residual, with intervals over seeds and items.

    The risk is label-left, E D(y, f): cross-entropy less the entropy of the truth under ``kl``,
    the Brier score under ``squared``. Label noise of hard truth cancels in the gap.

    Args:
        truth: (items,) class numbers, or (items, K) class probabilities.
        teacher: (seeds, items, K) probabilities, or (seeds, items) of class 1; an array without
            the axis of seeds is one seed.
        student: As ``teacher``; row s was trained on the labels of row s of ``teacher``.
        divergence: ``kl`` or ``squared``; left out, ``kl`` unless more than 1 % of the teacher's
            rows are hard labels, for which cross-entropy is infinite.
        shared_inputs: Whether all seeds label the same unlabelled inputs, so that their teachers
            are draws of one law; with at least two seeds this adds the mean teacher.
        groups: One label per item; items with one label (a passage, a user) move together.
        level: Nominal coverage of the intervals.
        seed: Of the bootstrap.
        floor: Probabilities below it are raised to it under ``kl``, rows divided by their sum.

    Raises:
        ValueError: Shapes that do not fit, values that are no probabilities, ``kl`` asked for with
            hard teacher labels, class numbers outside 0 … K−1, fewer than two items.

    >>> teacher = np.array([[0.9, 0.2, 0.6, 0.4]])
    >>> student = np.array([[0.8, 0.1, 0.7, 0.3]])
    >>> found = ledger(np.array([1, 0, 1, 0]), teacher, student)
    >>> found.gap.estimate == found.misfit.estimate + found.residual.estimate
    True
    """
    check_interval(level, "percentile", N_REPLICATES)
    f_w, f_s = _rows("teacher", teacher), _rows("student", student)
    if f_w.shape != f_s.shape:
        raise ValueError(
            f"teacher and student must have one shape, got {f_w.shape} and {f_s.shape}; repeat a "
            "teacher that several students share"
        )
    n_seeds, n_items, n_classes = f_w.shape
    if n_items < 2:
        raise ValueError(f"teacher and student must hold at least 2 items, got {n_items}")
    g = _truth(truth, n_items, n_classes)
    name = _divergence(divergence, f_w)
    gen = DIVERGENCES[name]
    n_floored = 0
    if name == "kl":
        limit = float(as_floats("floor", floor, low=0, high=1e-3, open_low=True, ndim=0))
        n_floored = int((f_w < limit).sum() + (f_s < limit).sum())
        f_w, f_s = _raised(f_w, limit), _raised(f_s, limit)

    terms = {
        "teacher_risk": gen.gap(g, f_w),
        "student_risk": gen.gap(g, f_s),
        "misfit": gen.gap(f_s, f_w),
        "student_entropy": entr(f_s).sum(-1),
        "teacher_entropy": entr(f_w).sum(-1),
    }
    if name == "kl":
        terms["ce"] = -(f_w * np.log(f_s)).sum(-1)
    values = stack_scores(terms, groups).values
    replicates = crossed_replicates(values, seed)
    note = "one training: variation between trainings is not in the interval"
    shared = (level, n_seeds, values.shape[1], note if n_seeds == 1 else None)

    def term(**weights: float) -> Estimate:
        row = np.array([weights.get(key, 0.0) for key in terms])
        estimate = _estimate(replicates, row, *shared)
        # each term is at least 0, and so is a sum of some
        return estimate if (row < 0).any() else _not_negative(estimate)

    gap = term(teacher_risk=1, student_risk=-1)
    misfit = term(misfit=1)
    residual = term(teacher_risk=1, student_risk=-1, misfit=-1)
    return Ledger(
        divergence=name,
        teacher_risk=term(teacher_risk=1),
        student_risk=term(student_risk=1),
        # Sums of the printed parts, so that the identity survives rounding.
        gap=replace(gap, estimate=_value(misfit) + _value(residual)),
        misfit=misfit,
        residual=residual,
        student_entropy=term(student_entropy=1),
        teacher_entropy=term(teacher_entropy=1),
        rce=term(misfit=1, student_entropy=1) if name == "kl" else None,
        ce=term(ce=1) if name == "kl" else None,
        mean_teacher=(
            _mean_teacher(gen, g, f_w, f_s, groups, seed, *shared)
            if shared_inputs and n_seeds > 1
            else None
        ),
        n_floored=n_floored,
        meaning=_meaning(gap, misfit, residual, UNITS[name]),
        misfit_by_seed=_by_seed(terms["misfit"]),
        gap_by_seed=_by_seed(terms["teacher_risk"] - terms["student_risk"]),
    )


def _mean_teacher(
    gen: BregmanGenerator,
    g: FloatArray,
    f_w: FloatArray,
    f_s: FloatArray,
    groups: ArrayLike | None,
    seed: int,
    level: float,
    n_seeds: int,
    n_items: int,
    note: str | None,
) -> MeanTeacher:
    from w2sg.theory.bregman.means import dual_mean  # one seed has no other teacher to average

    mean = dual_mean(gen, f_w)
    variance = gen.gap(mean[None], f_w) * n_seeds / (n_seeds - 1)
    risk = np.broadcast_to(gen.gap(g, mean), variance.shape)
    terms = {"risk": risk, "variance": variance, "distance": gen.gap(f_s, mean[None])}
    replicates = crossed_replicates(stack_scores(terms, groups).values, seed)
    parts = [_estimate(replicates, row, level, n_seeds, n_items, note) for row in np.eye(3)]
    return MeanTeacher(*map(_not_negative, parts))


def _not_negative(estimate: Estimate) -> Estimate:
    low, high = (max(0.0, end or 0.0) for end in (estimate.low, estimate.high))
    return replace(estimate, low=low, high=high)


def _by_seed(items: FloatArray) -> tuple[float, ...]:
    return tuple(float(value) for value in items.mean(axis=1))


def _meaning(gap: Estimate, misfit: Estimate, residual: Estimate, unit: str) -> str:
    value, away, rest = _value(gap), _value(misfit), _value(residual)
    span = f"[{gap.low:.3f}, {gap.high:.3f}]"
    departed = f"it departed from its teacher by {away:.3f}"
    if gap.low is not None and gap.high is not None and gap.low <= 0 <= gap.high:
        return (
            f"Student and teacher are not distinguishable in risk: the gain is {value:.3f} {unit} "
            f"{span}, while the student departed from its teacher by {away:.3f}."
        )
    if value < 0:
        return (
            f"The student is worse than its teacher by {-value:.3f} {unit} {span}: {departed}, and "
            "on the whole away from the truth."
        )
    if rest < 0:
        return (
            f"The student beats its teacher by {value:.3f} {unit} {span}: {departed}, and "
            f"{100 * value / away:.0f} % of this departure was gain."
        )
    return (
        f"The student beats its teacher by {value:.3f} {unit} {span}: {departed}, towards the "
        f"truth, which brought {rest:.3f} more than the departure itself."
    )


def _estimate(
    replicates: Replicates,
    weights: FloatArray,
    level: float,
    n_seeds: int,
    n_items: int,
    note: str | None,
) -> Estimate:
    value, low, high = contrast_interval(replicates, weights, level, "percentile")
    return Estimate(value, low, high, None, level, "percentile", note, n_seeds, n_items)


def _value(estimate: Estimate) -> float:
    assert estimate.estimate is not None  # nothing is withheld here
    return estimate.estimate


def _divergence(asked: str | None, teacher: FloatArray) -> str:
    if asked is not None and asked not in DIVERGENCES:
        raise ValueError(f"divergence must be one of {sorted(DIVERGENCES)}, got {asked!r}")
    hard = float((teacher == 0).any(axis=-1).mean())
    if asked == "kl" and hard > HARD_SHARE:
        raise ValueError(
            f"divergence='kl' is infinite on hard labels, and {100 * hard:.0f} % of the teacher's "
            "rows hold an exact 0; use divergence='squared' or smooth the labels"
        )
    return asked or ("squared" if hard > HARD_SHARE else "kl")


def _rows(name: str, value: ndarray) -> FloatArray:
    """Return predictions as (seeds, items, K)."""
    array = as_floats(name, value, low=0, high=1)
    if array.ndim == 3:
        rows = array
    elif array.ndim == 2 and _sums_to_one(array) and array.shape[1] >= 2:
        raise ValueError(
            f"{name} of shape {array.shape} has rows that sum to 1: write one seed of K classes as "
            "(1, items, K), or one probability per item as (seeds, items)"
        )
    elif array.ndim in (1, 2):
        binary = array if array.ndim == 2 else array[None]
        rows = np.stack([1 - binary, binary], axis=-1)
    else:
        raise ValueError(f"{name} must be (seeds, items, K) or (seeds, items), got {array.shape}")
    if rows.shape[-1] < 2 or not _sums_to_one(rows):
        raise ValueError(f"each row of {name} must be at least 2 probabilities that sum to 1")
    return rows


def _sums_to_one(array: FloatArray) -> bool:
    return bool((np.abs(array.sum(-1) - 1) < ROW_SUM_TOLERANCE).all())


def _raised(f: FloatArray, floor: float) -> FloatArray:
    raised = np.maximum(f, floor)
    return raised / raised.sum(-1, keepdims=True)


def _truth(truth: ndarray, n_items: int, n_classes: int) -> FloatArray:
    array = np.asarray(truth)
    if array.ndim == 2:
        g = as_floats("truth", array, low=0, high=1)
        if g.shape != (n_items, n_classes) or not _sums_to_one(g):
            raise ValueError(
                f"truth must be ({n_items}, {n_classes}) rows that sum to 1, got shape {g.shape}"
            )
        return g
    numbers = as_floats("truth", array, low=0, high=n_classes - 1, ndim=1)
    if len(numbers) != n_items or (numbers != np.round(numbers)).any():
        raise ValueError(f"truth must be {n_items} class numbers, got {len(numbers)} values")
    return np.eye(n_classes)[numbers.astype(int)]
