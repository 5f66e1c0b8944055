"""Examples in three types, so that a leak of labels is a missing attribute, not a bug to find.

`Unlabelled` has no label field at all and is what a teacher labels. `PseudoLabelled` is what a
student is trained on. `Labelled` is held by teachers, references and the evaluation alone. Rows
are paired by id: `take` follows ids, and nothing here accepts a second array "in the same order".
"""

import hashlib
import json
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2sg._arrays import FloatArray

IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Unlabelled:
    """Texts without labels.

    Args:
        ids: One name per row, unique.
        texts: One text per row, not blank.
        pairs: The second text of every row, or nothing for single texts.
        groups: Rows of one group never land in two parts; nothing if rows stand alone.

    Raises:
        ValueError: Lengths differ, an id occurs twice, or a text is blank or not a string.

    >>> rows = Unlabelled(ids=("a", "b"), texts=("good", "bad"))
    >>> rows.take(["b"]).texts
    ('bad',)
    """

    ids: tuple[str, ...]
    texts: tuple[str, ...]
    pairs: tuple[str, ...] | None = None
    groups: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        """Freeze the sequences and check them."""
        _freeze_rows(self)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.ids)

    def take(self, ids: Iterable[str]) -> "Unlabelled":
        """Return the rows of these ids, in the order of these ids."""
        return Unlabelled(**_row_fields(self, self._positions(ids)))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the content, the same for every order of the rows."""
        return _digest(self, None, {})

    def _positions(self, ids: Iterable[str]) -> IntArray:
        return _find(self._row_of, ids)

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {name: row for row, name in enumerate(self.ids)}


@dataclass(frozen=True, eq=False)
class Labelled:
    """Texts with their true labels.

    Args:
        ids: One name per row, unique.
        texts: One text per row, not blank.
        labels: One class number per row, in 0 … K - 1.
        label_names: The K names of the classes, unique, in the order of the class numbers.
        pairs: The second text of every row, or nothing for single texts.
        groups: Rows of one group never land in two parts; nothing if rows stand alone.

    Raises:
        ValueError: As for `Unlabelled`, or a label is not one of 0 … K - 1.

    >>> rows = Labelled(("a", "b"), ("good", "bad"), [1, 0], ("negative", "positive"))
    >>> rows.take(["b"]).labels
    array([0])
    >>> hasattr(rows.unlabelled(), "labels")
    False
    """

    ids: tuple[str, ...]
    texts: tuple[str, ...]
    labels: IntArray
    label_names: tuple[str, ...]
    pairs: tuple[str, ...] | None = None
    groups: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        """Freeze the sequences and check them."""
        _freeze_rows(self)
        _freeze_names(self)
        _set(self, "labels", _as_labels(self.labels, self.ids, self.label_names))

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.ids)

    def take(self, ids: Iterable[str]) -> "Labelled":
        """Return the rows of these ids, in the order of these ids."""
        rows = _find(self._row_of, ids)
        return Labelled(
            labels=self.labels[rows], label_names=self.label_names, **_row_fields(self, rows)
        )

    def unlabelled(self) -> Unlabelled:
        """Return the same rows without their labels."""
        return Unlabelled(self.ids, self.texts, self.pairs, self.groups)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the content, the same for every order of the rows."""
        return _digest(self, self.labels, {"label_names": self.label_names})

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {name: row for row, name in enumerate(self.ids)}


@dataclass(frozen=True, eq=False)
class PseudoLabelled:
    """Texts with the probabilities that a teacher gave them.

    Args:
        ids: One name per row, unique.
        texts: One text per row, not blank.
        probabilities: (n, K), every row in [0, 1] and summing to 1 within 1e-6.
        label_names: The K names of the classes, in the order of the columns.
        teacher: The key of the teacher that gave the probabilities.
        pairs: The second text of every row, or nothing for single texts.
        groups: Rows of one group never land in two parts; nothing if rows stand alone.

    Raises:
        ValueError: As for `Unlabelled`, or a probability is NaN, out of range, or a row does not
            sum to 1; the message names the id and the value.

    >>> rows = PseudoLabelled(("a",), ("good",), [[0.2, 0.9]], ("no", "yes"), "tfidf")
    Traceback (most recent call last):
    ...
    ValueError: probabilities of id 'a' sum to 1.1; every row must sum to 1 (divide it by its sum)
    """

    ids: tuple[str, ...]
    texts: tuple[str, ...]
    probabilities: FloatArray
    label_names: tuple[str, ...]
    teacher: str
    pairs: tuple[str, ...] | None = None
    groups: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        """Freeze the sequences and check them."""
        _freeze_rows(self)
        _freeze_names(self)
        if not isinstance(self.teacher, str) or not self.teacher:
            raise ValueError(f"teacher must be the key of a teacher, got {self.teacher!r}")
        checked = as_probabilities(self.probabilities, self.ids, n_classes=len(self.label_names))
        _set(self, "probabilities", checked)

    @classmethod
    def join(
        cls,
        examples: Unlabelled,
        *,
        ids: Sequence[str],
        probabilities: Any,
        label_names: Sequence[str],
        teacher: str,
    ) -> "PseudoLabelled":
        """Return the examples with the probabilities that carry their ids.

        Args:
            examples: The texts that were labelled.
            ids: The id of every row of ``probabilities``, in any order, unique.
            probabilities: (len(ids), K).
            label_names: The K names of the classes.
            teacher: The key of the teacher.

        Raises:
            ValueError: An example has no probabilities, or an id occurs twice.

        >>> examples = Unlabelled(("a", "b"), ("good", "bad"))
        >>> PseudoLabelled.join(
        ...     examples,
        ...     ids=["b", "a"],
        ...     probabilities=[[0.9, 0.1], [0.3, 0.7]],
        ...     label_names=["negative", "positive"],
        ...     teacher="tfidf",
        ... ).probabilities
        array([[0.3, 0.7],
               [0.9, 0.1]])
        """
        _check_unique("ids", ids)
        checked = as_probabilities(probabilities, ids, n_classes=len(label_names))
        row_of = {name: row for row, name in enumerate(ids)}
        if missing := [name for name in examples.ids if name not in row_of]:
            raise ValueError(
                f"{len(missing)} of {len(examples)} ids have no pseudo-label, first {missing[0]!r}"
            )
        return cls(
            ids=examples.ids,
            texts=examples.texts,
            probabilities=checked[_find(row_of, examples.ids)],
            label_names=tuple(label_names),
            teacher=teacher,
            pairs=examples.pairs,
            groups=examples.groups,
        )

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.ids)

    def take(self, ids: Iterable[str]) -> "PseudoLabelled":
        """Return the rows of these ids, in the order of these ids."""
        rows = _find(self._row_of, ids)
        return PseudoLabelled(
            probabilities=self.probabilities[rows],
            label_names=self.label_names,
            teacher=self.teacher,
            **_row_fields(self, rows),
        )

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the content and the teacher's key, the same for every order of the rows."""
        header = {"label_names": self.label_names, "teacher": self.teacher}
        return _digest(self, self.probabilities, header)

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {name: row for row, name in enumerate(self.ids)}


def as_probabilities(value: Any, ids: Sequence[str], *, n_classes: int) -> FloatArray:
    """Return a read-only (n, K) float64 copy of class probabilities, or name the first bad row.

    Args:
        value: (n, K) numbers.
        ids: The n ids of the rows; an error names the id it is about.
        n_classes: K.

    Raises:
        ValueError: Another shape, NaN, outside [0, 1], or a row that does not sum to 1 ± 1e-6.
    """
    try:
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError("probabilities must be an (n, K) array of numbers") from None
    if array.shape != (len(ids), n_classes):
        raise ValueError(
            f"probabilities must have shape ({len(ids)}, {n_classes}), one row per id and one "
            f"column per class, got {array.shape}"
        )
    bad = ~((array >= 0) & (array <= 1))  # also true for NaN
    if bad.any():
        row, column = (int(i) for i in np.argwhere(bad)[0])
        raise ValueError(
            f"probabilities of id {ids[row]!r} hold {array[row, column]:g} for class {column}; "
            f"every probability must be a number in [0, 1] ({int(bad.any(1).sum())} rows are bad)"
        )
    totals = array.sum(axis=1)
    off = np.abs(totals - 1) > 1e-6
    if off.any():
        row = int(np.argmax(off))
        raise ValueError(
            f"probabilities of id {ids[row]!r} sum to {totals[row]:.6g}; "
            "every row must sum to 1 (divide it by its sum)"
        )
    array.flags.writeable = False
    return array


def _freeze_rows(rows: Any) -> None:
    for name in ("ids", "texts", "pairs", "groups"):
        value: Any = getattr(rows, name)
        if value is None and name in ("pairs", "groups"):
            continue
        if value is None or isinstance(value, str):
            raise ValueError(f"{name} must be a sequence of strings, got {value!r}")
        value = tuple(value)
        _set(rows, name, value)
        if len(value) != len(rows.ids):
            raise ValueError(f"{name} has {len(value)} rows, ids has {len(rows.ids)}")
        for row, entry in enumerate(value):
            if not isinstance(entry, str) or (name != "groups" and not entry.strip()):
                what = "a string" if name == "groups" else "a string that is not blank"
                raise ValueError(f"{name} of id {rows.ids[row]!r} must be {what}, got {entry!r}")
    _check_unique("ids", rows.ids)


def _freeze_names(rows: Any) -> None:
    names = tuple(rows.label_names)
    if not names or not all(isinstance(name, str) for name in names):
        raise ValueError(f"label_names must be one string per class, got {rows.label_names!r}")
    _check_unique("label_names", names)
    _set(rows, "label_names", names)


def _as_labels(value: Any, ids: Sequence[str], names: Sequence[str]) -> IntArray:
    given = np.asarray(value)
    if given.shape != (len(ids),):
        raise ValueError(f"labels must have shape ({len(ids)},), got {given.shape}")
    try:
        numbers = given.astype(np.float64)
    except (TypeError, ValueError):
        raise ValueError(
            f"labels must be class numbers 0 … {len(names) - 1}, got {given.flat[0]!r}"
        ) from None
    bad = ~np.isin(numbers, np.arange(len(names)))
    if bad.any():
        row = int(np.argmax(bad))
        raise ValueError(
            f"label of id {ids[row]!r} is {numbers[row]:g}; it must be one of 0 … "
            f"{len(names) - 1} (the numbers of {list(names)})"
        )
    labels = numbers.astype(np.int64)
    labels.flags.writeable = False
    return labels


def _row_fields(rows: Any, where: IntArray) -> dict[str, Any]:
    names = ("ids", "texts", "pairs", "groups")
    return {
        name: None if (value := getattr(rows, name)) is None else tuple(value[i] for i in where)
        for name in names
    }


def _find(row_of: dict[str, int], ids: Iterable[str]) -> IntArray:
    wanted = list(ids)
    if missing := [name for name in wanted if name not in row_of]:
        raise ValueError(
            f"{len(missing)} of {len(wanted)} ids are not among the {len(row_of)} rows, "
            f"first {missing[0]!r}"
        )
    return np.array([row_of[name] for name in wanted], dtype=np.int64)


def _check_unique(name: str, values: Sequence[Hashable]) -> None:
    if len(set(values)) == len(values):
        return
    seen: set[Hashable] = set()
    for value in values:
        if value in seen:
            raise ValueError(f"{name} must be unique, got {value!r} more than once")
        seen.add(value)


def _digest(rows: Any, values: NDArray[Any] | None, header: dict[str, Any]) -> str:
    """SHA-256 over a header line and one JSON line per row, rows in the order of their ids."""
    digest = hashlib.sha256(json.dumps([type(rows).__name__, header]).encode())
    columns = [column for column in (rows.texts, rows.pairs, rows.groups) if column is not None]
    shape = [rows.pairs is not None, rows.groups is not None]
    digest.update(json.dumps(shape).encode())
    for row in sorted(range(len(rows)), key=rows.ids.__getitem__):
        line = [rows.ids[row], *(column[row] for column in columns)]
        digest.update(json.dumps(line).encode())
        if values is not None:
            digest.update(values[row].tobytes())
    return digest.hexdigest()


def _set(rows: Any, name: str, value: Any) -> None:
    object.__setattr__(rows, name, value)  # the one way into a frozen dataclass
