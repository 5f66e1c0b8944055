"""One table, or up to three, as the parts of a weak-to-strong run, drawn by hash of id."""

from typing import Any, Literal

import numpy as np
import pandas as pd

from w2sg.data.duplicates import exact_clusters, near_clusters
from w2sg.data.examples import IntArray, Labelled
from w2sg.data.parts import Parts, PartsReport
from w2sg.data.pool import Mask, Pool, gather
from w2sg.data.shift import shift_between
from w2sg.data.sources import Table
from w2sg.data.split_column import (
    check_splits,
    is_test,
    no_test_labels,
    other_test_rows,
    split_notes,
)

# an interval needs two test items
LEAST = {"n_labelled": 0, "n_unlabelled": 1, "n_test": 2}


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
        n_labelled: Rows of the labelled part, at least the number of classes; or 0, for teachers
            that need no labels: the classes are then those of all labels that the data hold.
        n_unlabelled: Rows of the unlabelled part, all that are left if ``None``. Rows without a
            label come first; the rest are labelled rows whose labels are set aside.
        n_test: Rows of the test part; ``None``, all, only where the data bring their own.
        seed: The seed of the run, which draws the labelled and unlabelled parts.
        split_seed: The seed of the test part.
        unlabelled: A separate source of unlabelled rows; its labels, if any, are set aside.
        test: A separate source of test rows.
        test_split: The value of the split column that marks the source's own test rows, compared
            without case. Rows of another split whose name says "test" are never learned from.
        duplicates: ``"report"`` counts copies and near copies across parts; ``"drop"`` also leaves
            copies of test rows out of the other parts, and copies of labelled rows out of the
            unlabelled part. The test part stays as it is.

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
        raise ValueError("the data hold no labelled row; name the column of labels with data.label")
    pool = gather(table, unlabelled, test)
    drop = duplicates == "drop"
    dropped: dict[str, int] = {}

    main = pool.sources == "data"
    check_splits(pool.splits[main], test_split, own_test_file=test is not None)
    in_test, test_from, free = _draw_test(pool, n_test, f"test/{split_seed}", test_split)
    kept_back = is_test(pool.splits, test_split) | other_test_rows(pool.splits, test_split)
    if n := int((free & kept_back).sum()):
        dropped["row of another test split"] = n
    free &= ~kept_back
    _leave_out(free, pool, in_test, "test", drop=drop, dropped=dropped)

    trainable = free & main & pool.has_label
    teaching = trainable if n_labelled else pool.has_label
    classes = _classes(pool, teaching, in_test, table.label_names, dropped)
    _check_items(pool, in_test)
    order = pool.order(trainable, f"labelled/{seed}")
    left = f"labelled rows left beside {len(in_test)} test rows{_without(dropped)}"
    _enough("n_labelled", n_labelled, len(order), left)
    in_labelled = _stratified(pool, order, n_labelled, classes)
    _leave_out(free, pool, in_labelled, "labelled", drop=drop, dropped=dropped)

    if unlabelled is not None:
        free &= pool.sources == "unlabelled"
    order = pool.order(free, f"unlabelled/{seed}")
    if unlabelled is None:  # rows that truly have no label come first
        order = order[np.argsort(pool.has_label[order], kind="stable")]
    left = f"rows left beside {len(in_test)} test and {len(in_labelled)} labelled rows"
    left += _without(dropped)
    if not len(order):
        raise ValueError(
            f"data.n_unlabelled: there are no {left}; reduce data.n_labelled or data.n_test"
        )
    _enough("n_unlabelled", n_unlabelled, len(order), left)
    in_unlabelled = order[:n_unlabelled]

    names = tuple(table.label_names[c] for c in classes)
    with_truth = in_unlabelled[pool.has_label[in_unlabelled]]
    hidden = pool.labelled(with_truth, classes, names) if len(with_truth) else None
    labelled = pool.labelled(in_labelled, classes, names)
    test_part = pool.labelled(in_test, classes, names)
    chosen = {"labelled": in_labelled, "unlabelled": in_unlabelled, "test": in_test}
    exact, near = _copies(pool, chosen, drop=drop)
    tables = {"data": table, "unlabelled": unlabelled, "test": test}
    report = PartsReport(
        rows={name: len(where) for name, where in chosen.items()},
        balance={
            "labelled": _balance(labelled),
            "unlabelled": _balance(hidden) if hidden else {},
            "test": _balance(test_part),
        },
        blank={name: one.n_blank for name, one in tables.items() if one is not None},
        exact=exact,
        near=near,
        dropped=dropped,
        shift=shift_between(
            pool.independent_texts(in_labelled), pool.independent_texts(in_unlabelled), seed=seed
        ),
        lengths={
            name: _lengths(pool.lengths(where)) for name, where in chosen.items() if len(where)
        },
        test_from=test_from,
        unlabelled_from=_origin(pool, in_unlabelled, own_file=unlabelled is not None),
        provenance={name: one.provenance for name, one in tables.items() if one is not None},
        contradictory=_contradictory(pool, chosen),
        notes=[
            *_notes(tables),
            *split_notes(pool.splits[main], test_split, tested=test_from == "split"),
        ],
    )
    return Parts(
        labelled=labelled,
        unlabelled=pool.unlabelled(in_unlabelled),
        hidden=hidden,
        test=test_part,
        label_names=names,
        report=report,
    )


def _check_sizes(**sizes: int | None) -> None:
    for name, value in sizes.items():
        least = LEAST[name]
        whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if value is not None and not (whole and value >= least):
            raise ValueError(
                f"data.{name} must be a whole number of at least {least}, got {value!r}"
            )


def _enough(name: str, wanted: int | None, there: int, what: str) -> None:
    if wanted is not None and wanted > there:
        raise ValueError(f"data.{name}={wanted} is more than there are: {there} {what}; reduce it")


def _check_items(pool: Pool, in_test: IntArray) -> None:
    """Refuse a test part without two independent items: no interval could be given."""
    groups = pool.ids if pool.groups is None else pool.groups
    if len(set(groups[in_test])) < 2:
        what = f"{len(in_test):,} test row{'s' * (len(in_test) != 1)}"
        what += "" if pool.groups is None else " of one group (data.group)"
        raise ValueError(
            f"data.n_test: an interval needs two independent test items, and there are {what}; "
            "take a larger data.n_test, or add rows to test on"
        )


def _without(dropped: dict[str, int]) -> str:
    """Say which rows were left out, for a size that cannot be met without them."""
    why = ", ".join(f"{n:,} rows ({reason})" for reason, n in dropped.items())
    return f", without {why}" if why else ""


def _draw_test(
    pool: Pool, n_test: int | None, salt: str, test_split: str
) -> tuple[IntArray, str, Mask]:
    """Return the test rows, where they come from, and the rows that are free for other parts."""
    main = pool.sources == "data"
    from_file, from_split = pool.sources == "test", main & is_test(pool.splits, test_split)
    if from_file.any():
        candidates, origin = from_file, "file"
    elif from_split.any():
        candidates, origin = from_split, "split"
    else:
        candidates, origin = main, "hash"
        if n_test is None:
            raise ValueError("data.n_test is needed: the data bring no test split and no test file")
    order = pool.order(candidates & pool.has_label, salt)
    if not len(order):
        raise ValueError(no_test_labels(pool.splits, pool.has_label, origin))
    what = "labelled rows in the " + ("data" if origin == "hash" else f"test {origin}")
    _enough("n_test", n_test, len(order), what)
    in_test = order[:n_test]
    free = np.ones(len(pool.ids), dtype=bool) if origin == "hash" else ~candidates
    return in_test, origin, free


def _leave_out(
    free: Mask, pool: Pool, taken: IntArray, part: str, *, drop: bool, dropped: dict[str, int]
) -> None:
    """Take rows, and all that must not be in a later part with them, out of ``free``."""
    free[taken] = False
    reasons = {
        f"group of the {part} part": pool.shares_group(taken),
        f"same content as a {part} row": pool.shares_id(taken),
    }
    if drop:
        clusters = pool.near_clusters
        reasons[f"copy of a {part} row"] = np.isin(clusters, clusters[taken])
    for reason, rows in reasons.items():
        if n := int((free & rows).sum()):
            dropped[reason] = n
        free &= ~rows


def _classes(
    pool: Pool, trainable: Mask, in_test: IntArray, names: tuple[str, ...], dropped: dict[str, int]
) -> list[int]:
    """Return the class numbers that can be learned, or refuse rows of any other class."""
    classes = [int(c) for c in np.unique(pool.labels[trainable])]
    if len(classes) < 2:
        raise ValueError(_too_few_classes(pool, [names[c] for c in classes], in_test, dropped))
    learnable = np.isin(pool.labels, classes)
    for where, rows in (("test", in_test), ("data", np.flatnonzero(pool.has_label))):
        if len(unseen := rows[~learnable[rows]]):
            raise ValueError(
                f"the {where} rows hold {len(unseen)} of class "
                f"{names[pool.labels[unseen[0]]]!r}, which no row to learn from has; "
                "add rows of it, or leave it out of the data"
            )
    return classes


def _too_few_classes(
    pool: Pool, classes: list[str], in_test: IntArray, dropped: dict[str, int]
) -> str:
    left = "no labelled row is left to learn from"
    if classes:
        left = f"the rows to learn from have one class only, {classes}"
    all_classes = np.unique(pool.labels[pool.has_label])
    if len(all_classes) < 2:
        return f"{left}; a classifier needs at least two; is data.label the right column?"
    n_test = f"{len(in_test):,} rows are in the test part"
    if out := sum(n for reason, n in dropped.items() if reason.startswith("group")):
        n_groups = len(set(pool.groups)) if pool.groups is not None else 0
        return (
            f"{left}: {n_test} and {out:,} others share a group (data.group) with them, of "
            f"{n_groups:,} group{'s' * (n_groups != 1)} in all; groups stay together, so name a "
            "column with more values, take a smaller data.n_test, or leave data.group out"
        )
    if dropped:
        why = ", ".join(f"{n:,} left out ({reason})" for reason, n in dropped.items())
        return f"{left}: {n_test}, {why}; take a smaller data.n_test or other test rows"
    return (
        f"{left}: {n_test}; a classifier needs at least two classes to learn from: take a smaller "
        "data.n_test, or add labelled rows that are no test rows"
    )


def _stratified(pool: Pool, order: IntArray, n: int, classes: list[int]) -> IntArray:
    """Return the first rows of each class, in proportion to the classes, at least one of each."""
    if n == 0:
        return order[:0]
    if n < len(classes):
        raise ValueError(
            f"data.n_labelled={n} is fewer than the {len(classes)} classes; every class needs a "
            f"row: take at least {len(classes)}"
        )
    labels = pool.labels[order]
    counts = np.array([(labels == c).sum() for c in classes])
    share = n * counts / counts.sum()
    quota = np.clip(np.floor(share).astype(np.int64), 1, counts)
    while quota.sum() != n:  # the class that is furthest from its share gives or takes one
        step = 1 if quota.sum() < n else -1
        movable = quota < counts if step == 1 else quota > 1
        quota[int(np.argmax(np.where(movable, step * (share - quota), -np.inf)))] += step
    rank = pd.Series(labels).groupby(labels).cumcount().to_numpy()
    return order[rank < quota[np.searchsorted(classes, labels)]]


def _copies(
    pool: Pool, chosen: dict[str, IntArray], *, drop: bool
) -> tuple[dict[str, int], dict[str, int]]:
    """Count the rows of one part that have a copy, or a near copy, in another."""
    used = np.concatenate(list(chosen.values()))
    part = np.repeat(list(chosen), [len(where) for where in chosen.values()])
    texts = list(pool.texts[used])
    pairs = None if pool.pairs is None else list(pool.pairs[used])

    def count(cluster: IntArray) -> dict[str, int]:
        return {
            f"{a}/{b}": int(np.isin(cluster[part == a], cluster[part == b]).sum())
            for a, b in (("labelled", "test"), ("unlabelled", "test"), ("unlabelled", "labelled"))
        }

    near = pool.near_clusters[used] if drop else near_clusters(texts, pairs)
    return count(exact_clusters(texts, pairs)), count(near)


def _contradictory(pool: Pool, chosen: dict[str, IntArray]) -> dict[str, int]:
    """Count the rows of each part whose text stands in the same part with another label."""
    counts = {}
    for part, rows in chosen.items():
        rows = rows[pool.has_label[rows]]
        pairs = None if pool.pairs is None else list(pool.pairs[rows])
        text = pd.Series(exact_clusters(list(pool.texts[rows]), pairs))
        n_labels: Any = pd.Series(pool.labels[rows]).groupby(text).transform("nunique")
        counts[part] = int((n_labels > 1).sum())
    return counts


def _notes(tables: dict[str, Table | None]) -> list[str]:
    """What the sources say of their labels, each sentence once."""
    each = (note for one in tables.values() if one is not None for note in one.notes)
    return list(dict.fromkeys(each))


def _origin(pool: Pool, where: IntArray, *, own_file: bool) -> str:
    if own_file:
        return "file"
    n_true = int(pool.has_label[where].sum())
    if n_true == 0:
        return "empty labels"
    return "hidden labels" if n_true == len(where) else "empty labels and hidden labels"


def _balance(part: Labelled) -> dict[str, int]:
    counts = np.bincount(part.labels, minlength=len(part.label_names))
    return {name: int(count) for name, count in zip(part.label_names, counts, strict=True)}


def _lengths(lengths: IntArray) -> dict[str, float]:
    median, high = np.quantile(lengths, [0.5, 0.95])
    return {"median": float(median), "p95": float(high), "largest": float(lengths.max())}
