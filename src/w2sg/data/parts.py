"""The parts of a run, and what a reader must know about them before believing a number."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from w2sg.data.examples import Labelled, Unlabelled
from w2sg.data.shift import Shift


@dataclass(frozen=True)
class PartsReport:
    """What a reader must know about the parts before believing a number.

    Args:
        rows: Part → rows.
        balance: Part → class → rows; the unlabelled part counts the true labels set aside.
        blank: Source → rows dropped because a text was blank.
        exact: ``"labelled/test"`` and so on → rows of the first part with a copy in the second.
        near: The same for near copies, copies included.
        dropped: Reason → rows left out of the labelled and unlabelled parts.
        shift: Labelled against unlabelled texts; nothing if a part is too small for a test.
        lengths: Part → characters per row (both texts of a pair): median, 95th percentile, largest.
        test_from: ``"file"``, ``"split"`` or ``"hash"``.
        unlabelled_from: ``"file"``, ``"empty labels"``, ``"hidden labels"`` or both of the latter.
        provenance: Source → what was read.
        contradictory: Part → rows whose text stands in the same part with another label.
        notes: What must be known about labels and class names, in sentences.
    """

    rows: Mapping[str, int]
    balance: Mapping[str, Mapping[str, int]]
    blank: Mapping[str, int]
    exact: Mapping[str, int]
    near: Mapping[str, int]
    dropped: Mapping[str, int]
    shift: Shift | None
    lengths: Mapping[str, Mapping[str, float]]
    test_from: str
    unlabelled_from: str
    provenance: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    contradictory: Mapping[str, int] = field(default_factory=dict)
    notes: Sequence[str] = ()


def label_warnings(report: Mapping[str, Any], seed: int) -> list[str]:
    """Return what must be known about the labels of a run, in sentences.

    Args:
        report: The fields of a `PartsReport`; one that was stored by an earlier version has none
            of this.
        seed: The seed that drew the parts.

    >>> label_warnings({"contradictory": {"test": 2}}, 0)[0][:61]
    '2 rows of the test part have a text that stands there with an'
    """
    said = list(report.get("notes", ()))
    counted = report.get("contradictory", {})
    rows = {part: n for part in ("labelled", "unlabelled", "test") if (n := counted.get(part, 0))}
    if rows:
        counts = ", ".join(
            f"{n:,} row{'s' * (n != 1)} of the {part} part" for part, n in rows.items()
        )
        said.append(
            f"{counts} {'have' if sum(rows.values()) > 1 else 'has'} a text that stands there with "
            f"another label too (seed {seed}): no model can be right on all of them."
        )
    return said


@dataclass(frozen=True)
class Parts:
    """The parts of a run.

    Args:
        labelled: What teachers may learn from.
        unlabelled: What teachers label and the student learns from.
        hidden: The true labels of those unlabelled ids that have one, for the ceiling and the
            evaluation alone; nothing if none has one.
        test: What everything is evaluated on, the same for every seed.
        label_names: The K classes, all of them in the labelled part.
        report: Counts, copies, shift.
    """

    labelled: Labelled
    unlabelled: Unlabelled
    hidden: Labelled | None
    test: Labelled
    label_names: tuple[str, ...]
    report: PartsReport
