"""All sources of a run under each other, as arrays that a division can index."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2sg.data.class_names import BOOLEANS, as_toml, look_alikes
from w2sg.data.duplicates import near_clusters
from w2sg.data.examples import IntArray, Labelled, Unlabelled
from w2sg.data.label_column import NO_LABEL
from w2sg.data.sources import Table

Mask = NDArray[np.bool_]
Words = NDArray[np.object_]


@dataclass(frozen=True, eq=False)
class Pool:
    """Rows of up to three sources.

    Args:
        ids: (n,) ids; equal ids in two sources are equal contents.
        texts: (n,) texts.
        pairs: (n,) second texts, or nothing.
        groups: (n,) groups, a group of its own for a row that stands alone; or nothing.
        splits: (n,) the source's own splits, empty where it has none.
        labels: (n,) class numbers of the main table, -1 without a label.
        sources: (n,) ``"data"``, ``"unlabelled"`` or ``"test"``.
    """

    ids: Words
    texts: Words
    pairs: Words | None
    groups: Words | None
    splits: Words
    labels: IntArray
    sources: Words

    @cached_property
    def has_label(self) -> Mask:
        """Which rows have a label."""
        return self.labels != NO_LABEL

    @cached_property
    def near_clusters(self) -> IntArray:
        """Cluster numbers of copies and near copies over all rows."""
        return near_clusters(list(self.texts), None if self.pairs is None else list(self.pairs))

    def order(self, where: Mask, salt: str) -> IntArray:
        """Return row numbers by hash of group, then by hash of id: groups stay together."""
        numbers = np.flatnonzero(where)
        by_id = _hashes(self.ids[numbers], salt)
        if self.groups is None:
            return numbers[np.argsort(by_id, kind="stable")]
        by_group = _hashes(self.groups[numbers], f"group/{salt}")
        return numbers[np.lexsort((by_id, by_group))]

    def shares_group(self, where: IntArray) -> Mask:
        """Return which rows are in a group of one of these rows."""
        return np.zeros(len(self.ids), bool) if self.groups is None else _meets(self.groups, where)

    def shares_id(self, where: IntArray) -> Mask:
        """Return which rows have the id of one of these rows."""
        return _meets(self.ids, where)

    def independent_texts(self, where: IntArray) -> list[str]:
        """Return one text per group, both texts of a pair joined."""
        if self.groups is not None:
            where = where[np.unique(self.groups[where].astype(str), return_index=True)[1]]
        if self.pairs is None:
            return list(self.texts[where])
        return [f"{a} {b}" for a, b in zip(self.texts[where], self.pairs[where], strict=True)]

    def lengths(self, where: IntArray) -> IntArray:
        """Return characters per row, both texts of a pair together."""
        columns = [self.texts] if self.pairs is None else [self.texts, self.pairs]
        return np.array([sum(len(column[i]) for column in columns) for i in where], dtype=np.int64)

    def unlabelled(self, where: IntArray) -> Unlabelled:
        """Return these rows without labels."""
        return Unlabelled(**self._columns(where))

    def labelled(self, where: IntArray, classes: Sequence[int], names: Sequence[str]) -> Labelled:
        """Return these rows with labels numbered by their place in ``classes``."""
        labels = np.searchsorted(classes, self.labels[where])
        return Labelled(labels=labels, label_names=tuple(names), **self._columns(where))

    def _columns(self, where: IntArray) -> dict[str, Any]:
        return {
            "ids": tuple(self.ids[where]),
            "texts": tuple(self.texts[where]),
            "pairs": None if self.pairs is None else tuple(self.pairs[where]),
            "groups": None if self.groups is None else tuple(self.groups[where]),
        }


def gather(data: Table, unlabelled: Table | None, test: Table | None) -> Pool:
    """Return all rows, with labels by the class numbers of the main table.

    Raises:
        ValueError: Pairs meet single texts, the test source has no label column, a label is
            unknown to the main data, or an id column gives one id to rows of two sources.
    """
    given = {"data": data, "unlabelled": unlabelled, "test": test}
    tables = {source: table for source, table in given.items() if table is not None}
    for source, table in tables.items():
        if ("pair" in table.frame) != ("pair" in data.frame):
            raise ValueError(
                f"the {source} rows and the main data must both be single texts or both pairs"
            )
    if test is not None and test.label_names is None:
        raise ValueError("the test file was read without a label column; it needs one")

    def joined(name: str) -> Words:
        columns = [table.frame[name].to_numpy(dtype=object) for table in tables.values()]
        return np.concatenate(columns)

    ids = joined("id")
    if any(table.ids_from == "column" for table in tables.values()):
        unique, counts = np.unique(ids.astype(str), return_counts=True)
        if (counts > 1).any():
            raise ValueError(
                f"id {str(unique[counts > 1][0])!r} occurs in two files "
                f"({int((counts > 1).sum())} such ids); ids must be unique across files"
            )
    groups = None
    if any("group" in table.frame for table in tables.values()):
        groups = np.concatenate([_groups(table) for table in tables.values()])
    splits = np.concatenate([_splits(table) for table in tables.values()])
    return Pool(
        ids=ids,
        texts=joined("text"),
        pairs=joined("pair") if "pair" in data.frame else None,
        groups=groups,
        splits=splits,
        labels=np.concatenate([_labels(table, data, source) for source, table in tables.items()]),
        sources=np.repeat(
            np.array(list(tables), dtype=object), [len(table) for table in tables.values()]
        ),
    )


def _groups(table: Table) -> Words:
    if "group" in table.frame:
        return table.frame["group"].to_numpy(dtype=object)
    return np.array([f"row {name}" for name in table.frame["id"]], dtype=object)


def _splits(table: Table) -> Words:
    if "split" in table.frame:
        return table.frame["split"].to_numpy(dtype=object)
    return np.full(len(table), "", dtype=object)


def _labels(table: Table, data: Table, source: str) -> IntArray:
    if table.label_names is None:
        return np.full(len(table), NO_LABEL, dtype=np.int64)
    own = table.frame["label"].to_numpy(dtype=np.int64)
    if table is data:
        return own
    names = data.label_names or ()
    known = {name: number for number, name in enumerate(names)}
    if len(names) == len({name.lower() for name in names} & set(BOOLEANS)):
        # true of JSON, True of pandas and TRUE of a spreadsheet
        known |= {
            other: known[name]
            for name in names
            for other in table.label_names
            if other.lower() == name.lower()
        }
    unseen = [
        table.label_names[c]
        for c in np.unique(own[own != NO_LABEL])
        if table.label_names[c] not in known
    ]
    if unseen:
        alike = next((g for g in look_alikes({*names, unseen[0]}) if unseen[0] in g), ())
        near = next((name for name in alike if name != unseen[0]), None)
        hint = "" if near is None else f"; did you mean {near!r}?"
        raise ValueError(
            f"label {unseen[0]!r} of the {source} file is none of the classes of the main data, "
            f"{list(names)}{hint or _no_label_hint(unseen[0])}"
        )
    number_of = [known.get(name, NO_LABEL) for name in table.label_names]
    return np.array([*number_of, NO_LABEL], dtype=np.int64)[own]  # -1 is the last entry


def _no_label_hint(name: str) -> str:
    return f"; if it means that a row has no label, set data.no_label = {as_toml([name])}"


def _hashes(values: Words, salt: str) -> NDArray[np.uint64]:
    start = hashlib.blake2b(f"{salt}/".encode(), digest_size=8)
    out = np.empty(len(values), dtype=np.uint64)
    for row, value in enumerate(values):
        one = start.copy()
        one.update(value.encode())
        out[row] = int.from_bytes(one.digest(), "big")
    return out


def _meets(column: Words, where: IntArray) -> Mask:
    wanted = set(column[where])
    return np.fromiter((value in wanted for value in column), dtype=bool, count=len(column))
