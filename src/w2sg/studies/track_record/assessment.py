"""How good recorded forecasts were, each made again without its own family of data."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from w2sg import arms
from w2sg._arrays import FloatArray
from w2sg._seeds import child_seed
from w2sg.forecast.advice import recommended
from w2sg.forecast.prediction import predict
from w2sg.forecast.record import Record, RecordedCell
from w2sg.gain import Estimate
from w2sg.studies.track_record.cells import LISTS, Kind, cell_list

IntArray = NDArray[np.intp]
REPLICATES = 2000
LEVEL = 0.95
POINT = 0.01
SURE = 1.96
OUTCOMES: dict[Kind, str] = {
    "frozen": "linear heads on frozen features",
    "fine_tuned": "fine-tuned students",
}


@dataclass(frozen=True)
class CellForecast:
    """One cell: what was forecast without its family, and what came of it.

    Attributes:
        name: The cell.
        family: Its family.
        predicted_gain: Forecast gain of the student.
        low: Lower end of its 90 % prediction interval.
        high: Upper end.
        gain: What it was.
        predicted_student: Forecast accuracy of the student.
        student: What it was.
        way: The recommended way of using the data.
        best: The best one.
        regret: Accuracy of the best − of the recommended.
        within: Whether the regret is at most a point, or not distinguishable from zero.
    """

    name: str
    family: str
    predicted_gain: float
    low: float
    high: float
    gain: float
    predicted_student: float
    student: float
    way: str
    best: str
    regret: float
    within: bool


@dataclass(frozen=True)
class Assessment:
    """The whole record.

    Attributes:
        kind: ``"frozen"`` or ``"fine_tuned"``.
        cells: One entry a cell.
        families: Number of families.
        rank_correlation: Rule (``forecast`` first) → Spearman correlation with the realised gain;
            the interval resamples families.
        better_by: Simple rule → correlation of the forecast minus that of the rule.
        student_error: Mean absolute error of the forecast student accuracy.
        coverage: Share of gains inside their 90 % interval.
        within: Share of cells whose recommended way is within a point of the best or not
            distinguishable from it.
        regret: Rule (``forecast``, and every way taken always) → mean regret.
        less_regret: Constant rule → its mean regret minus that of the forecast, paired by cell.
        labels_expected: Cells listed beforehand as won by the labels alone.
        labels_won: Of these, cells where that way was the best or within a point of it.
    """

    kind: Kind
    cells: tuple[CellForecast, ...]
    families: int
    rank_correlation: dict[str, Estimate]
    better_by: dict[str, Estimate]
    student_error: Estimate
    coverage: Estimate
    within: Estimate
    regret: dict[str, float]
    less_regret: dict[str, Estimate]
    labels_expected: int
    labels_won: int

    def lines(self) -> list[str]:
        """Return the findings as sentences."""
        found = self.rank_correlation
        rules = ", ".join(f"{name} {found[name]}" for name in found if name != "forecast")
        told = [
            f"{len(self.cells)} cells of {self.families} families, {OUTCOMES[self.kind]}",
            f"rank correlation of forecast and realised gain {found['forecast']}; {rules}",
            f"mean absolute error of the student's accuracy {self.student_error}",
            f"90 % intervals of the gain cover {self.coverage}",
            f"recommended way within 1 point of the best, or not distinguishable: {self.within}",
            f"mean regret {self.regret['forecast']:.4f}; always: "
            + ", ".join(f"{w} {r:.4f}" for w, r in self.regret.items() if w != "forecast"),
            "regret saved against always (paired): "
            + ", ".join(f"{way} {saved}" for way, saved in self.less_regret.items()),
            f"labels alone expected to win in {self.labels_expected} cells, did in "
            f"{self.labels_won}",
        ]
        return told


def assess(everything: Record, *, kind: Kind = "frozen", seed: int = 0) -> Assessment:
    """Forecast every cell of one kind without its family and compare with what came.

    Args:
        everything: The cells.
        kind: Which of them to assess; the others may be learned from.
        seed: Of the resampling of families.

    Raises:
        ValueError: Fewer than two families.
    """
    record = Record(tuple(cell for cell in everything.cells if cell.kind == kind))
    if len({cell.family for cell in record.cells}) < 2:
        raise ValueError("a record of one family cannot be assessed: nothing is left to learn from")
    rows = tuple(_cell(cell, everything.without(cell.family)) for cell in record.cells)
    gain = np.array([row.gain for row in rows])
    scores = {"forecast": np.array([row.predicted_gain for row in rows])}
    scores |= {name: rule(record) for name, rule in RULES.items()}
    draws = _family_draws([cell.family for cell in record.cells], seed)

    def estimate(statistic: Callable[[IntArray], float]) -> Estimate:
        everything = np.arange(len(rows))
        values = [statistic(chosen) for chosen in draws]
        low, high = np.nanquantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return Estimate(
            float(statistic(everything)), float(low), float(high), None, LEVEL, "percentile",
            "families resampled", 1, len(rows),
        )  # fmt: skip

    def correlation(name: str) -> Callable[[IntArray], float]:
        return lambda chosen: _spearman(scores[name][chosen], gain[chosen])

    regrets = {"forecast": np.array([row.regret for row in rows])}
    ways = _recorded(record)
    for way in ways:
        best = [max(cell.accuracy[w] for w in ways) for cell in record.cells]
        regrets[way] = np.array(best) - [cell.accuracy[way] for cell in record.cells]
    expected = [
        (row, cell) for row, cell in zip(rows, record.cells, strict=True)
        if cell.name in labels_expected()
    ]  # fmt: skip
    error = np.abs(np.array([row.predicted_student - row.student for row in rows]))
    inside = np.array([row.low <= row.gain <= row.high for row in rows], dtype=float)
    within = np.array([row.within for row in rows], dtype=float)
    return Assessment(
        kind=kind,
        cells=rows,
        families=len({cell.family for cell in record.cells}),
        rank_correlation={name: estimate(correlation(name)) for name in scores},
        better_by={
            name: estimate(lambda c, n=name: correlation("forecast")(c) - correlation(n)(c))
            for name in RULES
        },
        student_error=estimate(lambda c: float(error[c].mean())),
        coverage=estimate(lambda c: float(inside[c].mean())),
        within=estimate(lambda c: float(within[c].mean())),
        regret={name: float(values.mean()) for name, values in regrets.items()},
        less_regret={
            way: estimate(lambda c, w=way: float((regrets[w] - regrets["forecast"])[c].mean()))
            for way in ways
        },
        labels_expected=len(expected),
        labels_won=sum(
            max(cell.accuracy[w] for w in ways) - cell.accuracy["strong_on_labelled"] <= POINT
            for _, cell in expected
        ),
    )


def _recorded(record: Record) -> list[str]:
    """The competing arms that every cell knows; an arm younger than the record is left out."""
    return [way for way in arms.ways() if all(way in cell.accuracy for cell in record.cells)]


def labels_expected() -> frozenset[str]:
    """Return the cells that were listed as won by the labels alone."""
    listed = [cell for kind in LISTS for cell in cell_list(kind).cells]
    return frozenset(cell.name for cell in listed if cell.labels_expected_to_win)


def _cell(cell: RecordedCell, known: Record) -> CellForecast:
    found = predict(cell.observed, known, kind=cell.kind)
    way = recommended(found)
    best = max(_recorded(Record((cell,))), key=lambda w: cell.accuracy[w])
    regret = cell.accuracy[best] - cell.accuracy[way]
    gain, student = found.gain["student"], found.accuracy["student"]
    return CellForecast(
        name=cell.name,
        family=cell.family,
        predicted_gain=gain.estimate or 0.0,
        low=gain.low if gain.low is not None else 0.0,
        high=gain.high if gain.high is not None else 0.0,
        gain=cell.gain(),
        predicted_student=student.estimate or 0.0,
        student=cell.accuracy["student"],
        way=way,
        best=best,
        regret=regret,
        within=regret <= POINT or regret <= SURE * cell.best_gap_sd[way],
    )


def _always_the_mean(record: Record) -> FloatArray:
    """The mean gain of the other families."""
    return np.array(
        [
            float(np.mean([c.gain() for c in record.without(cell.family).cells]))
            for cell in record.cells
        ]
    )


def _probe_minus_teacher(record: Record) -> FloatArray:
    """Held-out accuracy of the strong model on the labels minus the teacher's."""
    return np.array([c.observed.strong[-1] - c.observed.teacher[-1] for c in record.cells])


def _disagreement(record: Record) -> FloatArray:
    """Share of unlabelled rows on which student and teacher differ."""
    return np.array([c.observed.contests["student"].differs for c in record.cells])


RULES: dict[str, Callable[[Record], FloatArray]] = {
    "always the mean": _always_the_mean,
    "strong probe − teacher": _probe_minus_teacher,
    "disagreement": _disagreement,
}


def _spearman(a: FloatArray, b: FloatArray) -> float:
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0  # a constant ranks nothing
    return float(np.corrcoef(stats.rankdata(a), stats.rankdata(b))[0, 1])


def _family_draws(families: Sequence[str], seed: int) -> list[IntArray]:
    rng = np.random.default_rng(child_seed(seed, "families"))
    names = list(dict.fromkeys(families))
    rows_of = {name: np.flatnonzero(np.array(families) == name) for name in names}
    return [
        np.concatenate([rows_of[names[i]] for i in rng.integers(0, len(names), len(names))])
        for _ in range(REPLICATES)
    ]
