"""What one swept key changes: its values against each other, paired, the other keys averaged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from w2sg.gain import Comparison, compare
from w2sg.runs.sweep_record import CellRecord
from w2sg.runs.sweep_spec import shown
from w2sg.sweep_results import SweepResult


@dataclass(frozen=True)
class AxisComparison:
    """The values of one swept key against each other.

    Attributes:
        axis: The key.
        comparison: Students of its values, scores averaged over the other keys.
        n_cells: Cells behind each value.
        notes: What was left out and what the intervals do not hold.
    """

    axis: str
    comparison: Comparison
    n_cells: int
    notes: tuple[str, ...]


def by_axis(result: SweepResult, axis: str, reference: str | None = None) -> AxisComparison:
    """Compare the students of each value of a swept key.

    Score of value v, seed s, item i: the share of the other keys' settings whose student got
    item i right. Only settings that are finished for every value enter, so that the comparison is
    paired throughout.

    Args:
        result: The sweep.
        axis: A swept key.
        reference: The value that the others are compared with.

    Raises:
        ValueError: The key is not swept, the value does not occur, no setting is finished for
            every value, or the cells were evaluated on different test items.
    """
    record = result.record
    if axis not in record.columns:
        raise ValueError(f"--by {axis!r}: the sweep varies {', '.join(record.columns)}")
    # what a variant changes is not a setting of its own beside the variant
    others = [key for key in record.columns if key != axis]
    if axis == "variant":
        others = [key for key in others if key in record.axes]
    groups: dict[tuple[str, ...], dict[str, int]] = {}
    values: dict[str, None] = {}
    for number, cell in enumerate(record.cells):
        value = shown(cell.settings.get(axis))
        values[value] = None
        groups.setdefault(_setting(cell, others), {})[value] = number
    names = list(values)
    if reference is not None and reference not in names:
        raise ValueError(f"--against {reference!r}: the values of {axis} are {', '.join(names)}")
    if len(names) < 2:
        raise ValueError(f"--by {axis!r}: it has one value only, so there is nothing to compare")
    evaluated = result.evaluations()
    whole = [g for g in groups.values() if all(evaluated[g[v]] for v in names if v in g)]
    whole = [g for g in whole if len(g) == len(names)]
    if not whole:
        raise ValueError(
            f"--by {axis!r}: no setting of the other keys is finished for every value; run the "
            "sweep again"
        )
    _refuse_other_items(axis, [evaluated[i].body for g in whole for i in g.values()])  # pyright: ignore
    scores = {
        v: np.mean([x for g in whole if (x := result.correct(g[v])) is not None], axis=0)
        for v in names
    }
    comparison = compare(scores, reference or names[0])
    notes = [] if comparison.note is None else [comparison.note]
    if left_out := len(groups) - len(whole):
        what = "setting" if left_out == 1 else "settings"
        notes.append(f"Left out, because not finished: {left_out} {what} of the other keys.")
    return AxisComparison(axis, comparison, len(whole), tuple(notes))


def restricted(result: SweepResult, where: Sequence[str]) -> SweepResult:
    """Return a sweep of the cells that have given values of swept keys.

    Args:
        result: The sweep.
        where: ``"key=value"`` each, the value as tables show it.

    Raises:
        ValueError: No ``=``, a key that is not swept, or no cell with such values.
    """
    cells = result.record.cells
    for given in where:
        axis, equals, value = given.partition("=")
        if not equals or axis not in result.record.columns:
            raise ValueError(
                f"--where {given!r}: write KEY=VALUE with one of {', '.join(result.record.columns)}"
            )
        values = dict.fromkeys(shown(cell.settings.get(axis)) for cell in cells)
        cells = tuple(cell for cell in cells if shown(cell.settings.get(axis)) == value)
        if not cells:
            raise ValueError(f"--where {given!r}: the values of {axis} are {', '.join(values)}")
    return replace(result, record=replace(result.record, cells=cells))


def _setting(cell: CellRecord, keys: list[str]) -> tuple[str, ...]:
    return tuple(shown(cell.settings.get(key)) for key in keys)


def _refuse_other_items(axis: str, bodies: list[Mapping[str, Any]]) -> None:
    if len({body["inputs"]["test"] for body in bodies}) > 1:
        raise ValueError(
            f"--by {axis!r}: the cells were evaluated on different test items, so they cannot be "
            "paired; compare one set of items, as in --where variant=…, or the gains of all cells "
            "in `w2sg compare` without --by"
        )
