"""Gain = misfit + residual, as rows of a table."""

from dataclasses import dataclass
from typing import Any

from w2sg.gain import Estimate
from w2sg.report.numbers import minus

OF_MEAN = {  # where all seeds label the same rows
    "risk": "risk of the mean teacher of the seeds",
    "variance": "teachers of the seeds around their mean",
    "distance": "distance of the student to the mean teacher",
}


@dataclass(frozen=True)
class LedgerRows:
    """Gain = misfit + residual as the page shows it.

    Attributes:
        meaning: One plain sentence.
        unit: What the numbers are measured in.
        rows: Name of the quantity and its estimate.
        gap: Gain in risk.
        misfit: Of the student to its teacher.
        seeds: Misfit and gain of each seed.
    """

    meaning: str
    unit: str
    rows: tuple[tuple[str, Estimate], ...]
    gap: Estimate
    misfit: Estimate
    seeds: tuple[tuple[float, float], ...]


def ledger_rows(stored: dict[str, Any]) -> LedgerRows:
    """Return the rows of a stored ledger."""
    names = {
        "teacher_risk": "risk of the teacher",
        "student_risk": "risk of the student",
        "gap": "gain: teacher − student",
        "misfit": "misfit of the student to the teacher",
        "residual": "residual: gain − misfit",
        "teacher_entropy": "entropy of the teacher",
        "student_entropy": "entropy of the student",
    }
    unit = "nats per test row" if stored["divergence"] == "kl" else "squared error per test row"
    rows = [(title, Estimate(**stored[name])) for name, title in names.items()]
    if stored["mean_teacher"] is not None:
        rows += [
            (title, Estimate(**stored["mean_teacher"][name])) for name, title in OF_MEAN.items()
        ]
    return LedgerRows(
        minus(stored["meaning"]),
        unit,
        tuple(rows),
        gap=Estimate(**stored["gap"]),
        misfit=Estimate(**stored["misfit"]),
        seeds=tuple(zip(stored["misfit_by_seed"], stored["gap_by_seed"], strict=True)),
    )
