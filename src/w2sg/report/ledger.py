"""Gain = misfit + residual, as rows of a table."""

from dataclasses import dataclass
from typing import Any

from w2sg.gain import Estimate


@dataclass(frozen=True)
class LedgerRows:
    """Gain = misfit + residual as the page shows it.

    Attributes:
        meaning: One plain sentence.
        unit: What the numbers are measured in.
        rows: Name of the quantity and its estimate.
    """

    meaning: str
    unit: str
    rows: tuple[tuple[str, Estimate], ...]


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
    rows = tuple((title, Estimate(**stored[name])) for name, title in names.items())
    return LedgerRows(stored["meaning"], unit, rows)
