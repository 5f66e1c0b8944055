"""The track record: forecasts made before outcomes, and what they teach the next forecast."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from w2sg import arms
from w2sg.forecast.observed import Observed

# without a record: a guess, said so wherever it is used
DEFAULT_ADVANTAGE, DEFAULT_ROWS = 0.3, 10.0
LEAST_CELLS = 8
MOST_ROWS = 200.0


@dataclass(frozen=True)
class RecordedCell:
    """One forecast and what came of it.

    Attributes:
        name: The cell.
        family: Its family of data sets.
        teacher: Kind of teacher.
        kind: ``"frozen"`` (linear heads) or ``"fine_tuned"``.
        observed: What was measured before.
        accuracy: Arm → accuracy on the test rows, mean over seeds: the teacher, all ways, ceiling.
        gain_sd: Standard deviation of the student's gain between seeds.
        forecast_at: When the forecast was written, seconds since the epoch.
        outcome_at: When the outcome was begun.
        best_gap_sd: Way → standard error of best − way on the test rows.
    """

    name: str
    family: str
    teacher: str
    kind: str
    observed: Observed
    accuracy: dict[str, float]
    gain_sd: float
    forecast_at: float
    outcome_at: float
    best_gap_sd: dict[str, float] = field(default_factory=dict)

    def gain(self, way: str = "student") -> float:
        """Return way − teacher in accuracy."""
        return self.accuracy[way] - self.accuracy["teacher"]


@dataclass(frozen=True)
class Advantage:
    """What is known of a way before looking at the data: its net share of the disputed rows.

    Attributes:
        mean: Expected net share won of the rows on which it differs from the teacher, in (−1, 1).
        rows: How many disputed rows this knowledge is worth.
    """

    mean: float
    rows: float


@dataclass(frozen=True)
class Record:
    """Cells whose outcome is known."""

    cells: tuple[RecordedCell, ...] = ()

    def without(self, family: str) -> "Record":
        """Return the record without one family."""
        return Record(tuple(cell for cell in self.cells if cell.family != family))

    def like(self, kind: str) -> "Record":
        """Return the cells of one kind, or all where fewer than 8 are of that kind."""
        cells = tuple(cell for cell in self.cells if cell.kind == kind)
        return Record(cells) if len(cells) >= LEAST_CELLS else self

    def advantage(self, way: str) -> Advantage:
        """Return the advantage of a way over the teacher: Σ gain / Σ disputed share, and its worth.

        The worth is (1 − mean²)/τ², with τ² the variance of the advantage between cells beyond
        what the test rows explain.
        """
        known = [c for c in self.cells if way in c.accuracy and way in c.observed.contests]
        rows = [(c.gain(way), c.observed.contests[way].differs, c.observed.n_test)
                for c in known if c.observed.contests[way].differs > 0]  # fmt: skip
        if len(rows) < LEAST_CELLS:
            return Advantage(DEFAULT_ADVANTAGE, DEFAULT_ROWS)
        gain, share, tests = (
            np.array(column, dtype=np.float64) for column in zip(*rows, strict=True)
        )
        mean = float(np.clip(gain.sum() / share.sum(), -0.95, 0.95))
        noise = (share - gain**2).clip(min=0) / tests
        tau2 = float((np.square(gain - mean * share) - noise).sum() / np.square(share).sum())
        worth = (1 - mean**2) / max(tau2, 1e-6)
        return Advantage(mean, float(np.clip(worth, 1.0, MOST_ROWS)))

    @property
    def advantages(self) -> dict[str, Advantage]:
        """Way → its advantage."""
        return {way: self.advantage(way) for way in arms.ways()}

    @property
    def gain_sd(self) -> float:
        """Typical standard deviation of the gain between seeds."""
        values = [cell.gain_sd for cell in self.cells]
        return float(np.median(values)) if values else 0.01


def record_of(rows: Sequence[dict[str, Any]]) -> Record:
    """Return the record that a list of JSON objects holds."""
    return Record(
        tuple(
            RecordedCell(**{**row, "observed": Observed.of_json(row["observed"])}) for row in rows
        )
    )


@cache
def packaged_record() -> Record:
    """Return the record that comes with the package; empty if it has none."""
    file = files("w2sg.forecast").joinpath("record.json")
    if not file.is_file():
        return Record()
    return record_of(json.loads(file.read_text(encoding="utf-8"))["cells"])
