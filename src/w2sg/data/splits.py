"""One table, or up to three, as the parts of a weak-to-strong run, drawn by hash of id."""

import hashlib
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from w2sg.data.duplicates import exact_clusters, near_clusters
from w2sg.data.examples import Labelled, Unlabelled
from w2sg.data.parts import Parts, PartsReport
from w2sg.data.shift import shift_between
from w2sg.data.sources import NO_LABEL, Table

PARTS = ("labelled", "unlabelled", "test")


def divide(
    table: Table,
    *,
    n_labelled: int,
    n_unlabelled: int | None,
    n_test: int | None,
    seed: int,
    split_seed: int = 0,
    unlabelled: Table | None = None,
    test: Table | None = None,
    test_split: str = "test",
    duplicates: Literal["report", "drop"] = "report",
) -> Parts:
    """Divide tables into a labelled, an unlabelled and a test part.

    Rows are ordered by a hash of their id and taken from the front. The order of the test rows
    depends on ``split_seed`` and the ids alone, never on labels, ``seed`` or the other sizes, so a
    larger test part contains the smaller one. The labelled part is stratified (every class
    occurs); the unlabelled part is not, because that would take labels it must not know. Rows of
    one group never land in two parts; a group that is cut by a size gives its other rows to none.

    Args:
        table: The main data.
        n_labelled: Rows of the labelled part, at least the number of classes.
        n_unlabelled: Rows of the unlabelled part, all that are left if ``None``. Rows without a
            label come first; the rest are labelled rows whose labels are set aside.
        n_test: Rows of the test part; ``None``, all, only where the data bring their own.
        seed: The seed of the run, which draws the labelled and unlabelled parts.
        split_seed: The seed of the test part.
        unlabelled: A separate source of unlabelled rows; its labels, if any, are set aside.
        test: A separate source of test rows.
        test_split: The value of the split column that marks the source's own test rows.
        duplicates: ``"report"`` counts copies and near copies across parts; ``"drop"`` also leaves
            them out, from the unlabelled part first and never from the test part.

    Raises:
        ValueError: A size is larger than the data (the message says how many there are), there is
            one class only, the test part has a class that the labelled part cannot have, or
            ids collide between sources.

    >>> from w2sg.data.synthetic import word_table
    >>> parts = divide(word_table(400), n_labelled=50, n_unlabelled=200, n_test=100, seed=0)
    >>> len(parts.labelled), len(parts.unlabelled), len(parts.test)
    (50, 200, 100)
    """
    _check_sizes(n_labelled=n_labelled, n_unlabelled=n_unlabelled, n_test=n_test)
    if duplicates not in ("report", "drop"):
        raise ValueError(f"duplicates must be 'report' or 'drop', got {duplicates!r}")
    if table.label_names is None or table.n_labelled == 0:
        raise ValueError("the data hold no labelled row; name the label column with label=…")
    rows = _gather(table, unlabelled, test)
    dropped: dict[str, int] = {}

    test_from = "file" if test is not None else "hash"
    candidate = (rows["source"] == "test").to_numpy()
    if test is None and "split" in rows and (rows["split"] == test_split).any():
        test_from = "split"
        candidate = (rows["split"] == test_split).to_numpy() & (rows["source"] == "data").to_numpy()
    elif test is None:
        candidate = (rows["source"] == "data").to_numpy()
    has_label = rows["label"].to_numpy() != NO_LABEL
    if n_test is None and test_from == "hash":
        raise ValueError("n_test is needed: the data bring no test split and no test file")
    where = f"the own test part ({test_from})" if test_from != "hash" else "the data"
    if not (candidate & has_label).any():
        raise ValueError(
            f"{where} has no labelled row; set test_split to a split that has, one of "
            f"{sorted(set(rows.get('split', pd.Series(dtype=str)).dropna()))}"
        )
    order = _order(rows, candidate & has_label, f"test/{split_seed}")
    _enough("n_test", n_test, len(order), f"labelled rows in {where}")
    in_test = order[:n_test]

    pool = (rows["source"] != "test").to_numpy(copy=True)
    if test_from == "split":
        pool &= ~candidate
    pool[in_test] = False
    pool &= ~_counted(dropped, "group in the test part", pool & _shares_group(rows, in_test))
    pool &= ~_counted(dropped, "same id in an earlier part", pool & _same(rows, in_test, "id"))
    clusters = _clusters(rows) if duplicates == "drop" else None
    if clusters is not None:
        near_test = pool & np.isin(clusters, clusters[in_test])
        pool &= ~_counted(dropped, "copy of a test row", near_test)

    main = pool & (rows["source"] == "data").to_numpy()
    classes = _classes(rows, main & has_label, in_test, table.label_names)
    labelled_order = _order(rows, main & has_label, f"labelled/{seed}")
    _enough(
        "n_labelled",
        n_labelled,
        len(labelled_order),
        f"labelled rows left after {len(in_test)} test rows",
    )
    in_labelled = _stratified(rows, labelled_order, n_labelled, classes)

    pool[in_labelled] = False
    pool &= ~_counted(dropped, "group cut by n_labelled", pool & _shares_group(rows, in_labelled))
    pool &= ~_counted(dropped, "same id in an earlier part", pool & _same(rows, in_labelled, "id"))
    if clusters is not None:
        near_labelled = pool & np.isin(clusters, clusters[in_labelled])
        pool &= ~_counted(dropped, "copy of a labelled row", near_labelled)
    if unlabelled is not None:
        pool &= (rows["source"] == "unlabelled").to_numpy()
    unlabelled_order = _order(rows, pool, f"unlabelled/{seed}")
    if unlabelled is None:  # rows that truly have no label come first
        unlabelled_order = unlabelled_order[np.argsort(has_label[unlabelled_order], kind="stable")]
    _enough(
        "n_unlabelled",
        n_unlabelled,
        len(unlabelled_order),
        f"rows left after {len(in_test)} test and {n_labelled} labelled rows",
    )
    in_unlabelled = unlabelled_order[:n_unlabelled]
    if not len(in_unlabelled):
        raise ValueError("no row is left for the unlabelled part; reduce n_labelled or n_test")

    chosen = dict(zip(PARTS, (in_labelled, in_unlabelled, in_test), strict=True))
    names = tuple(table.label_names[c] for c in classes)
    with_truth = in_unlabelled[has_label[in_unlabelled]]
    hidden = _labelled(rows, with_truth, classes, names) if len(with_truth) else None
    parts = {name: _labelled(rows, chosen[name], classes, names) for name in ("labelled", "test")}
    exact, near = _copies(rows, chosen, clusters)
    free = unlabelled is not None
    kinds = {True: "hidden labels", False: "empty labels"}
    found = sorted({kinds[bool(one)] for one in has_label[in_unlabelled]})
    report = PartsReport(
        rows={name: len(where) for name, where in chosen.items()},
        balance={
            "labelled": _balance(parts["labelled"]),
            "unlabelled": _balance(hidden) if hidden else {},
            "test": _balance(parts["test"]),
        },
        blank={
            name: one.n_blank
            for name, one in (("data", table), ("unlabelled", unlabelled), ("test", test))
            if one is not None
        },
        exact=exact,
        near=near,
        dropped=dropped,
        shift=shift_between(_alone(rows, in_labelled), _alone(rows, in_unlabelled), seed=seed),
        lengths={name: _lengths(rows, where) for name, where in chosen.items()},
        test_from=test_from,
        unlabelled_from="file" if free else " and ".join(found),
        provenance={
            name: one.provenance
            for name, one in (("data", table), ("unlabelled", unlabelled), ("test", test))
            if one is not None
        },
    )
    return Parts(
        labelled=parts["labelled"],
        unlabelled=_unlabelled(rows, in_unlabelled),
        hidden=hidden,
        test=parts["test"],
        label_names=names,
        report=report,
    )


def _check_sizes(**sizes: int | None) -> None:
    for name, value in sizes.items():
        if value is not None and (isinstance(value, bool) or int(value) != value or value < 1):
            raise ValueError(f"{name} must be a whole number of at least 1, got {value!r}")


def _enough(name: str, wanted: int | None, there: int, what: str) -> None:
    if wanted is not None and wanted > there:
        raise ValueError(f"{name}={wanted} is more than there are: {there} {what}; reduce it")


def _gather(table: Table, unlabelled: Table | None, test: Table | None) -> pd.DataFrame:
    """All sources under each other, labels by the main table's class numbers."""
    names = table.label_names or ()
    frames = []
    for source, one in (("data", table), ("unlabelled", unlabelled), ("test", test)):
        if one is None:
            continue
        frame = one.frame.copy()
        if ("pair" in frame) != ("pair" in table.frame):
            raise ValueError(f"{source} and the main data must both be single texts or both pairs")
        if one.label_names is None:
            if source == "test":
                raise ValueError("the test file holds no label column; it needs one")
            frame["label"] = NO_LABEL
        elif one is not table:
            known = {name: number for number, name in enumerate(names)}
            given = frame["label"].to_numpy()
            used = [one.label_names[c] for c in np.unique(given[given != NO_LABEL])]
            if unseen := [name for name in used if name not in known]:
                raise ValueError(
                    f"label {unseen[0]!r} of the {source} file is none of the classes of the "
                    f"main data, {list(names)}"
                )
            new = np.array([known.get(name, NO_LABEL) for name in one.label_names] + [NO_LABEL])
            frame["label"] = new[given]
        frames.append(frame.assign(source=source))
    rows = pd.concat(frames, ignore_index=True)
    tables = [one for one in (table, unlabelled, test) if one is not None]
    repeated = rows["id"].duplicated()
    if repeated.any() and any(one.ids_from == "column" for one in tables):
        raise ValueError(
            f"id {rows['id'][repeated].iloc[0]!r} occurs in two files "
            f"({int(repeated.sum())} such ids); ids must be unique across the files of a run"
        )
    return rows


def _classes(
    rows: pd.DataFrame,
    trainable: NDArray[np.bool_],
    in_test: NDArray[np.int64],
    names: tuple[str, ...],
) -> list[int]:
    labels = rows["label"].to_numpy()
    classes = [int(c) for c in np.unique(labels[trainable])]
    if len(classes) < 2:
        only = [names[c] for c in classes]
        raise ValueError(
            f"the rows to learn from have one class only, {only}; a classifier needs at least two"
        )
    unseen = sorted(set(labels[in_test]) - set(classes))
    if unseen:
        raise ValueError(
            f"the test part has {int(np.isin(labels[in_test], unseen).sum())} rows of class "
            f"{names[int(unseen[0])]!r}, which no row to learn from has; add rows of it, or leave "
            "it out of the data"
        )
    others = set(labels) - set(classes) - {NO_LABEL}
    if others:
        raise ValueError(f"class {names[int(min(others))]!r} occurs in no row to learn from")
    return classes


def _order(rows: pd.DataFrame, where: NDArray[np.bool_], salt: str) -> NDArray[np.int64]:
    """Row numbers by hash of group, then by hash of id: groups stay together."""
    numbers = np.flatnonzero(where)
    by_id = _hash(rows["id"].iloc[numbers], salt)
    if "group" not in rows:
        return numbers[np.argsort(by_id, kind="stable")]
    by_group = _hash(_group(rows).iloc[numbers], f"group/{salt}")
    return numbers[np.lexsort((by_id, by_group))]


def _hash(values: pd.Series, salt: str) -> NDArray[np.uint64]:
    start = hashlib.blake2b(f"{salt}/".encode(), digest_size=8)
    out = np.empty(len(values), dtype=np.uint64)
    for row, value in enumerate(values):
        one = start.copy()
        one.update(value.encode())
        out[row] = int.from_bytes(one.digest(), "big")
    return out


def _group(rows: pd.DataFrame) -> pd.Series:
    return rows["group"].fillna("row " + rows["id"]) if "group" in rows else rows["id"]


def _stratified(
    rows: pd.DataFrame, order: NDArray[np.int64], n: int, classes: list[int]
) -> NDArray[np.int64]:
    """The first rows of each class in proportion to the classes, at least one of each."""
    if n < len(classes):
        raise ValueError(
            f"n_labelled={n} is fewer than the {len(classes)} classes; every class needs a row"
        )
    labels = rows["label"].to_numpy()[order]
    counts = np.array([(labels == c).sum() for c in classes])
    share = n * counts / counts.sum()
    quota = np.minimum(np.maximum(np.floor(share).astype(int), 1), counts)
    while quota.sum() != n:  # largest remainder; at most one step per class
        step = 1 if quota.sum() < n else -1
        room = quota < counts if step == 1 else quota > 1
        gap = np.where(room, step * (share - quota), -np.inf)
        quota[int(np.argmax(gap))] += step
    rank = pd.Series(labels).groupby(labels).cumcount().to_numpy()
    return order[rank < quota[np.searchsorted(classes, labels)]]


def _shares_group(rows: pd.DataFrame, where: NDArray[np.int64]) -> NDArray[np.bool_]:
    if "group" not in rows:
        return np.zeros(len(rows), dtype=bool)
    group = _group(rows)
    return group.isin(set(group.iloc[where])).to_numpy()


def _same(rows: pd.DataFrame, where: NDArray[np.int64], column: str) -> NDArray[np.bool_]:
    return rows[column].isin(set(rows[column].iloc[where])).to_numpy()


def _counted(dropped: dict[str, int], why: str, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    if n := int(mask.sum()):
        dropped[why] = dropped.get(why, 0) + n
    return mask


def _clusters(rows: pd.DataFrame) -> NDArray[np.int64]:
    return near_clusters(list(rows["text"]), list(rows["pair"]) if "pair" in rows else None)


def _copies(
    rows: pd.DataFrame, chosen: dict[str, NDArray[np.int64]], clusters: NDArray[np.int64] | None
) -> tuple[dict[str, int], dict[str, int]]:
    used = np.concatenate(list(chosen.values()))
    selected = rows.iloc[used]
    pairs = list(selected["pair"]) if "pair" in rows else None
    exact = exact_clusters(list(selected["text"]), pairs)
    near = _clusters(selected) if clusters is None else clusters[used]
    part = np.repeat(list(chosen), [len(where) for where in chosen.values()])

    def count(cluster: NDArray[np.int64]) -> dict[str, int]:
        return {
            f"{a}/{b}": int(np.isin(cluster[part == a], cluster[part == b]).sum())
            for a, b in (("labelled", "test"), ("unlabelled", "test"), ("unlabelled", "labelled"))
        }

    return count(exact), count(near)


def _alone(rows: pd.DataFrame, where: NDArray[np.int64]) -> list[str]:
    """One text per group, so that the rows of the shift test are independent."""
    part = rows.iloc[where]
    kept = part[~_group(rows).iloc[where].duplicated().to_numpy()]
    return (
        [f"{a} {b}" for a, b in zip(kept["text"], kept["pair"], strict=True)]
        if ("pair" in kept)
        else list(kept["text"])
    )


def _columns(rows: pd.DataFrame, where: NDArray[np.int64]) -> dict[str, Any]:
    part = rows.iloc[where]
    return {
        "ids": tuple(part["id"]),
        "texts": tuple(part["text"]),
        "pairs": tuple(part["pair"]) if "pair" in part else None,
        "groups": tuple(_group(rows).iloc[where]) if "group" in part else None,
    }


def _unlabelled(rows: pd.DataFrame, where: NDArray[np.int64]) -> Unlabelled:
    return Unlabelled(**_columns(rows, where))


def _labelled(
    rows: pd.DataFrame, where: NDArray[np.int64], classes: list[int], names: tuple[str, ...]
) -> Labelled:
    labels = np.searchsorted(classes, rows["label"].to_numpy()[where])
    return Labelled(labels=labels, label_names=names, **_columns(rows, where))


def _balance(part: Labelled) -> dict[str, int]:
    counts = np.bincount(part.labels, minlength=len(part.label_names))
    return {name: int(count) for name, count in zip(part.label_names, counts, strict=True)}


def _lengths(rows: pd.DataFrame, where: NDArray[np.int64]) -> dict[str, float]:
    part = rows.iloc[where]
    lengths = part["text"].str.len().to_numpy()
    if "pair" in part:
        lengths = lengths + part["pair"].str.len().to_numpy()
    median, high = np.quantile(lengths, [0.5, 0.95])
    return {"median": float(median), "p95": float(high), "largest": float(lengths.max())}
