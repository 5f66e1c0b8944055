"""Predicted accuracies, gain and PGR, each with an interval that the track record calibrates."""

from dataclasses import dataclass

import numpy as np

from w2sg import arms
from w2sg.forecast.observed import Observed, root_curve
from w2sg.forecast.record import Record

LEVEL = 0.9
NORMAL = 1.6449
DRAWS = 4000


@dataclass(frozen=True)
class Value:
    """A predicted number.

    Attributes:
        estimate: The number; ``None`` where it is withheld.
        low: Lower end of its 90 % prediction interval.
        high: Upper end.
        sd: Standard deviation before calibration.
        reason: Why it is withheld.
    """

    estimate: float | None
    low: float | None = None
    high: float | None = None
    sd: float | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Prediction:
    """What a run would show on its test rows.

    Attributes:
        accuracy: ``teacher``, ``ceiling`` and every way → its accuracy.
        gain: Way → its accuracy minus the teacher's.
        pgr: Performance gap recovered by the student.
        calibrated: Whether the intervals come from the record rather than from a normal law.
        cells: How many cells of the record they rest on.
    """

    accuracy: dict[str, Value]
    gain: dict[str, Value]
    pgr: Value
    calibrated: bool
    cells: int


@dataclass(frozen=True)
class _Point:
    estimate: float
    sd: float


def predict(
    observed: Observed, record: Record, *, kind: str = "frozen", seed: int = 0
) -> Prediction:
    r"""Predict a run from what was measured before it.

    A way gains what it wins of the rows on which it differs from the teacher: the share of these
    rows is counted on all unlabelled rows, the net share won is measured on held-out labels and
    shrunk towards the record's, ``a = (net + k a₀)/(rows + k)``, so that gain = share · a. The
    teacher's accuracy is its held-out one, carried to n labels by its curve; the ceiling's is the
    strong model's curve at N labels. An interval is the estimate ± q · sd, q being the 90 %
    quantile of |outcome − forecast|/sd over the record, or 1.645 without one.

    Args:
        observed: What was measured.
        record: Cells to learn from; leave the family of the data out.
        kind: Of the run to come, ``"frozen"`` (heads alone) or ``"fine_tuned"``; cells of this
            kind are learned from, all of them where fewer than 8 are of it.
        seed: Of the draws behind the interval of PGR.
    """
    alike = record.like(kind)
    points = _points(observed, alike)
    ways = [way for way in arms.ways() if way in points]
    widths = _widths(record, kind)
    calibrated = bool(widths)

    def value(name: str, low: float, high: float) -> Value:
        point = points[name]
        half = widths.get(_target(name), NORMAL) * point.sd
        ends = np.clip([point.estimate - half, point.estimate + half], low, high)
        return Value(point.estimate, float(ends[0]), float(ends[1]), point.sd)

    accuracy = {name: value(name, 0.0, 1.0) for name in ("teacher", "ceiling", *ways)}
    gain = {way: value(f"gain of {way}", -1.0, 1.0) for way in ways}
    return Prediction(
        accuracy, gain, _pgr(points, widths, seed), calibrated, len(record.like(kind).cells)
    )


def _points(observed: Observed, record: Record) -> dict[str, _Point]:
    n, tests = observed.n, observed.n_test
    sizes = np.array(observed.n_sizes, dtype=np.float64)
    base = root_curve(sizes, np.array(observed.teacher)).at(n)
    base = 0.5 * (base + observed.teacher[-1])  # half of a step that the curve can only guess
    points = {"teacher": _Point(base, _spread(base, n, tests))}
    known = record.advantages
    for way in (way for way in arms.ways() if way in observed.contests):
        contest, before = observed.contests[way], known[way]
        rows = contest.rows + before.rows
        won = (contest.net + before.rows * before.mean) / rows
        gain = contest.differs * won
        variance = contest.differs**2 * max(1 - won**2, 0.05) / rows
        variance += max(contest.differs - gain**2, 1 / tests) / tests + record.gain_sd**2 / 3
        points[f"gain of {way}"] = _Point(gain, float(np.sqrt(variance)))
        accuracy = float(np.clip(base + gain, 0.0, 1.0))
        points[way] = _Point(accuracy, _spread(accuracy, n, tests))
    top = root_curve(sizes, np.array(observed.strong)).at(observed.N)
    reach = 0.5 * (top - observed.strong[-1])
    points["ceiling"] = _Point(top, float(np.hypot(_spread(top, n, tests), reach)))
    return points


def _spread(p: float, n: int, tests: int) -> float:
    inside = min(max(p, 1 / (n + 2)), 1 - 1 / (n + 2))
    return float(np.sqrt(inside * (1 - inside) * (1 / n + 1 / tests)))


def _target(name: str) -> str:
    return name if name in ("teacher", "ceiling") else "gain" if "gain" in name else "accuracy"


def _widths(record: Record, kind: str) -> dict[str, float]:
    """Target → the 90 % quantile of |outcome − forecast|/sd, each cell forecast without its family.

    The quantile is the one of rank ⌈0.9 (m + 1)⌉ of m, which covers a further exchangeable cell.
    """
    cells = record.like(kind).cells
    if len({cell.family for cell in cells}) < 4:
        return {}
    found: dict[str, list[float]] = {}
    for cell in cells:
        points = _points(cell.observed, record.without(cell.family).like(kind))
        outcomes = {
            "teacher": cell.accuracy["teacher"],
            "ceiling": cell.accuracy["ceiling"],
            "student": cell.accuracy["student"],
            "gain of student": cell.gain(),
        }
        for name, outcome in outcomes.items():
            missed = abs(outcome - points[name].estimate) / points[name].sd
            found.setdefault(_target(name), []).append(missed)
    return {name: _quantile(values) for name, values in found.items()}


def _quantile(values: list[float]) -> float:
    rank = min(int(np.ceil(LEVEL * (len(values) + 1))), len(values))
    return float(np.sort(values)[rank - 1])


def _pgr(points: dict[str, _Point], widths: dict[str, float], seed: int) -> Value:
    gain, teacher, ceiling = points["gain of student"], points["teacher"], points["ceiling"]
    gap = ceiling.estimate - teacher.estimate
    # teacher and ceiling are measured on the same labels, so their errors partly cancel; without
    # knowing how much, they count as independent
    gap_sd = float(np.hypot(teacher.sd, ceiling.sd)) * widths.get("ceiling", NORMAL) / NORMAL
    if gap - NORMAL * gap_sd <= 0:
        return Value(
            None,
            reason=f"the forecast gap ceiling − teacher, {100 * gap:.1f} points, is not "
            f"distinguishable from zero (± {100 * NORMAL * gap_sd:.1f})",
        )
    rng = np.random.default_rng(seed)
    spread = gain.sd * widths.get("gain", NORMAL) / NORMAL
    top = gain.estimate + spread * rng.standard_normal(DRAWS)
    bottom = gap + gap_sd * rng.standard_normal(DRAWS)
    ratio = top[bottom > 0] / bottom[bottom > 0]
    low, high = np.quantile(ratio, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Value(gain.estimate / gap, float(low), float(high), float(ratio.std()))
