"""A sweep as it lies in its store: its table, its failures, its page."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from w2sg._paths import expanded
from w2sg.runs.cost import correct_of
from w2sg.runs.scheduler import Progress
from w2sg.runs.store import Manifest, Store, write_atomically
from w2sg.runs.sweep_record import SweepRecord, stored

if TYPE_CHECKING:
    import pandas as pd

    from w2sg._arrays import FloatArray
    from w2sg.report.sweep_laws import CellErrors

NUMBERS = (
    "teacher",
    "student",
    "ceiling",
    "gain",
    "gain_low",
    "gain_high",
    "pgr",
    "pgr_low",
    "pgr_high",
    "student_entropy",
    "student_entropy_low",
    "student_entropy_high",
    "misfit",
    "misfit_low",
    "misfit_high",
    "residual",
    "residual_low",
    "residual_high",
    "risk_gain",
    "risk_gain_low",
    "risk_gain_high",
)
LEDGER = {
    "student_entropy": "student_entropy",
    "misfit": "misfit",
    "residual": "residual",
    "risk_gain": "gap",
}


@dataclass(frozen=True)
class SweepResult:
    """A sweep as it lies in its store; cells that are not finished say why.

    Attributes:
        record: What was planned.
        folder: Where the record and the page are.
        store: Where the stages are.
        progress: What this call did; ``None`` where the sweep was only opened.
    """

    record: SweepRecord
    folder: Path
    store: Store
    progress: Progress | None = None

    def evaluations(self) -> list[Manifest | None]:
        """Return the evaluation of each cell, ``None`` where it is not finished."""
        found = [stored(self.store, cell.roles["evaluation"]) for cell in self.record.cells]
        return [m if m is not None and m.status == "done" else None for m in found]

    def reasons(self) -> list[str]:
        """Return for each cell why it has no result, or why its PGR is withheld, or nothing."""
        reasons = []
        for cell, evaluation in zip(self.record.cells, self.evaluations(), strict=True):
            if evaluation is not None:
                reasons.append(evaluation.facts["pgr"]["reason"] or "")
                continue
            broken: Counter[str] = Counter(
                m.facts["failure"]["what"]
                for key in cell.keys
                if (m := stored(self.store, key)) is not None and m.status == "failed"
            )
            told = [f"{n} stage{'s' * (n > 1)} of it failed: {what}" for what, n in broken.items()]
            reasons.append("; ".join(told) or "not finished; run the sweep again")
        return reasons

    def table(self) -> "pd.DataFrame":
        """Return one row per cell: swept keys, accuracies, gain and PGR, and the ledger.

        ``risk_gain`` is misfit + residual, measured in the ``divergence`` of its row: nats of
        cross-entropy (``kl``), or squared error where the teacher's labels are hard. What is
        withheld or not finished is NaN; ``table.attrs["reasons"]`` says why, row by row.
        """
        import pandas as pd

        rows = []
        for cell, evaluation in zip(self.record.cells, self.evaluations(), strict=True):
            row = {key: cell.settings.get(key) for key in self.record.columns}
            rows.append({**row, **_numbers(evaluation)})
        columns = [*self.record.columns, *NUMBERS, "divergence"]
        table = pd.DataFrame(rows, columns=pd.Index(columns))
        table = table.astype(dict.fromkeys(NUMBERS, "float64"))
        table.attrs["reasons"] = self.reasons()
        table.attrs["folder"] = str(self.folder)
        return table

    def correct(self, cell: int, arm: str = "student") -> "FloatArray | None":
        """Return what a cell's arm got right, (seeds, items), or ``None`` if unfinished."""
        evaluation = self.evaluations()[cell]
        return None if evaluation is None else correct_of(self.store, evaluation, arm)

    def answers(self, cell: int, arm: str = "student") -> "tuple[FloatArray, FloatArray]":
        """Return the class numbers of the test items, and what a cell's arm says of them.

        Args:
            cell: Its place in the record.
            arm: Such as ``"student"`` or ``"teacher"``.

        Returns:
            Labels (items,), and probabilities (seeds, items, K); items ordered by id.

        Raises:
            ValueError: The cell is not finished, or has no such arm.
        """
        import pandas as pd

        evaluation = self.evaluations()[cell]
        if evaluation is None:
            raise ValueError(f"{self.record.cells[cell].name} is not finished: run the sweep")
        if arm not in evaluation.facts["arms"]:
            raise ValueError(f"arm must be one of {evaluation.facts['arms']}, got {arm!r}")
        told: Any = pd.read_parquet(self.store.folder(evaluation.key) / "scores.parquet")
        rows = told[told["arm"] == arm].sort_values(["seed", "id"])
        seeds = sorted(evaluation.facts["seeds"])
        p = rows[[f"p_{k}" for k in range(len(evaluation.facts["label_names"]))]].to_numpy()
        labels = rows["label"].to_numpy().reshape(len(seeds), -1)[0]
        return labels, p.reshape(len(seeds), -1, p.shape[1])

    def failures(self) -> dict[str, Manifest]:
        """Return the stages that failed, by key."""
        found = {key: stored(self.store, key) for key in self.record.keys}
        return {key: m for key, m in found.items() if m is not None and m.status == "failed"}

    def page(self) -> str:
        """Return the page of the sweep as HTML."""
        from w2sg.report.sweep_page import render_sweep

        return render_sweep(self.record, self.table(), self.errors())

    def errors(self) -> "list[CellErrors | None]":
        """Return the Brier scores of each cell, ``None`` where it is not finished."""
        from w2sg.report.sweep_laws import CellErrors

        found: list[CellErrors | None] = []
        for cell, evaluation in zip(self.record.cells, self.evaluations(), strict=True):
            data = stored(self.store, next(iter(cell.data.values())))
            student = evaluation and stored(
                self.store, next(k for r, k in evaluation.needs.items() if r.startswith("student/"))
            )
            if evaluation is None or data is None or not student:
                found.append(None)
                continue
            brier = {arm: m["brier"] for arm, m in evaluation.facts["metrics"].items()}
            policy, rows = student.body["spec"]["policy"], data.facts["rows"]
            found.append(CellErrors(policy, rows["unlabelled"], brier))
        return found

    def report(self, path: str | Path) -> Path:
        """Write the page and return its path."""
        target = expanded(path, "the page")
        if target.is_dir():
            raise ValueError(f"the page {str(path)!r} is a folder; give the name of a file in it")
        write_atomically(target, self.page())
        return target

    @property
    def finished(self) -> bool:
        """Whether every cell has its result."""
        return all(m is not None for m in self.evaluations())


def _numbers(evaluation: Manifest | None) -> dict[str, Any]:
    if evaluation is None:
        return dict.fromkeys((*NUMBERS, "divergence"))
    facts = evaluation.facts
    arms = {arm: facts["metrics"].get(arm) for arm in ("teacher", "student", "ceiling")}
    row: dict[str, Any] = {
        arm: None if m is None else m["accuracy"]["estimate"] for arm, m in arms.items()
    }
    ledger = facts["ledger"]
    row["divergence"] = ledger["divergence"]
    measured = {"gain": facts["gain"], "pgr": facts["pgr"]}
    measured |= {name: ledger[field] for name, field in LEDGER.items()}
    for name, found in measured.items():
        row |= {name: found["estimate"], f"{name}_low": found["low"], f"{name}_high": found["high"]}
    return row
