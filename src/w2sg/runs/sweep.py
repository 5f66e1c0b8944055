"""The runs of a sweep as one graph of calls: what several of them need is there once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from w2sg.runs.graph import Call
from w2sg.runs.plan import RunPlan, data_calls, plan_run
from w2sg.runs.resolve import teacher_columns
from w2sg.runs.store import digest
from w2sg.runs.sweep_spec import Cell, SweepSpec
from w2sg.spec import Spec
from w2sg.stages import labelled_data
from w2sg.stages.labelled_data import Tables

TRAININGS = ("weak_teacher", "strong_student")


@dataclass(frozen=True)
class DataOf:
    """The divided data of one cell.

    Attributes:
        tables: As read.
        calls: Seed → the call that divides them.
    """

    tables: Tables
    calls: Mapping[int, Call]


@dataclass(frozen=True)
class CellPlan:
    """One run of a sweep.

    Attributes:
        cell: What it varies.
        data: Seed → key of the divided data.
        plan: Its own calls; those that other cells share carry the same key.
    """

    cell: Cell
    data: Mapping[int, str]
    plan: RunPlan


@dataclass(frozen=True)
class SweepPlan:
    """A sweep after its data have been divided.

    Attributes:
        cells: One plan for each run, in the order of the spec.
        calls: The calls of all runs by key, in an order that can be computed.
        n_naive: Trainings of a loop in which every run trains all it needs.
    """

    cells: tuple[CellPlan, ...]
    calls: Mapping[str, Call]
    n_naive: int

    @property
    def n_trainings(self) -> int:
        """Trainings of the merged graph."""
        return sum(is_training(call) for call in self.calls.values())


def is_training(call: Call) -> bool:
    """Say whether a call fits a model; a column of given labels is read, not fitted."""
    return call.stage in TRAININGS and call.body["spec"].get("kind") != "column"


def read_data(spec: SweepSpec) -> list[DataOf]:
    """Read every data set that the cells name, each once.

    Raises:
        ValueError: A file or column is missing or unreadable.
    """
    tables: dict[str, Tables] = {}
    found: list[DataOf] = []
    for cell in spec.cells:
        columns = teacher_columns(cell.spec.teacher)
        name = digest([_source(cell.spec), list(columns)])
        if name not in tables:
            tables[name] = labelled_data.read(cell.spec.data, keep=columns)
        found.append(DataOf(tables[name], data_calls(cell.spec, tables[name].fingerprints)))
    return found


def plan_sweep(
    spec: SweepSpec,
    data: list[DataOf],
    facts: Callable[[str], Mapping[str, Any]],
    precision: str,
) -> SweepPlan:
    """Return the calls of all cells, equal ones merged.

    Args:
        spec: The sweep.
        data: What each cell reads.
        facts: Key of divided data → what dividing them found.
        precision: The resolved precision of this machine for "auto".
    """
    cells: list[CellPlan] = []
    users: dict[str, list[tuple[str, Cell]]] = {}
    merged: dict[str, Call] = {}
    n_naive = 0
    for cell, given in zip(spec.cells, data, strict=True):
        found = {seed: facts(call.key) for seed, call in given.calls.items()}
        plan = plan_run(cell.spec, given.calls, found, precision)
        cells.append(CellPlan(cell, {s: call.key for s, call in given.calls.items()}, plan))
        n_naive += sum(is_training(call) for call in plan.calls.values())
        for key, call in plan.calls.items():
            merged.setdefault(key, call)
            users.setdefault(key, []).append((call.label, cell))
    n_cells = len(spec.cells)
    calls = {key: replace(call, label=_label(users[key], n_cells)) for key, call in merged.items()}
    return SweepPlan(tuple(cells), calls, n_naive)


def _label(users: list[tuple[str, Cell]], n_cells: int) -> str:
    """What the stage is, and what its cells have in common."""
    label, first = users[0]
    if len(users) == n_cells > 1:
        return f"{label} [all {n_cells} cells]"
    common = Cell(
        {
            key: value
            for key, value in first.settings.items()
            if all(key in c.settings and c.settings[key] == value for _, c in users)
        },
        first.spec,
    )
    shared = "" if len(users) == 1 else f"{len(users)} cells"
    return f"{label} [{': '.join(filter(None, (shared, common.name)))}]"


def _source(spec: Spec) -> dict[str, Any]:
    fields = spec.data.model_dump(mode="json")
    for size in ("n_labelled", "n_unlabelled", "n_test", "split_seed", "duplicates"):
        fields.pop(size)
    return fields
