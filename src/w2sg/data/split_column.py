"""The splits that a source brings: which rows are tested on, and which are never learned from."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from w2sg.data.files import Raw

DEFAULT = "split"
TRAIN = {"train", "training"}
TEST = {"test", "testing", "tst", "eval", "evaluation", "heldout", "holdout"}
SHOWN = 8


def split_column(
    raw: Raw, asked: str | None, used: Iterable[str | None], *, optional: bool
) -> tuple[str | None, list[str]]:
    """Return the column of splits and what must be said about it.

    Args:
        raw: The source.
        asked: The column that the user names, ``""`` for none.
        used: Columns that say something else.
        optional: Whether the column may be absent.

    Raises:
        ValueError: The column is absent, and another one plainly holds splits.
    """
    if asked == "":
        return None, []
    if not optional or (asked in raw.frame and raw.split is None):
        return asked or raw.split, []
    if raw.split is not None:
        return raw.split, []
    others = [str(name) for name in raw.frame.columns if name not in set(used)]
    alike = next((name for name in others if _folded(name) == _folded(str(asked))), None)
    if alike is not None:
        return alike, [f"data.split: the column {alike!r} is read as the column of splits"]
    for name in others:
        if found := _splits_in(raw.frame[name]):
            raise ValueError(
                f"the column {name!r} holds {found}, which looks like splits: set data.split = "
                f'"{name}" to test on its test rows, or data.split = "" to draw the test part from '
                "all rows"
            )
    return None, []


def is_test(splits: NDArray[np.object_], test_split: str) -> NDArray[np.bool_]:
    """Return which rows are in a split, its name compared without case.

    >>> is_test(np.array(["Test", "train", ""], dtype=object), "test")
    array([ True, False, False])
    """
    return np.array([_folded(one) == _folded(test_split) for one in splits], dtype=bool)


def other_test_rows(splits: NDArray[np.object_], test_split: str) -> NDArray[np.bool_]:
    """Return the rows of any other split whose name says that it is for testing.

    >>> other_test_rows(np.array(["test", "test-hard", "dev", "Eval"], dtype=object), "dev")
    array([ True,  True, False,  True])
    """
    names = {one: bool(_words(one) & TEST) for one in set(splits)}
    return ~is_test(splits, test_split) & np.array([names[one] for one in splits], dtype=bool)


def check_splits(splits: NDArray[np.object_], test_split: str, *, own_test_file: bool) -> None:
    """Refuse splits among which the one to test on is not found.

    Args:
        splits: (n,) the split of each row of the data, empty where it has none.
        test_split: The split to test on.
        own_test_file: Whether the test rows come from a file of their own.

    Raises:
        ValueError: There are splits, but not this one; or it is all that there is.
    """
    counts = Counter(str(one) for one in splits)
    named = [name for name in counts if name]
    asked = _folded(test_split) != "test"
    if asked and own_test_file:
        raise ValueError(
            f"data.test_split = {test_split!r} and data.test both say what to test on; give one"
        )
    if own_test_file:
        return
    if not named:
        if asked:
            raise ValueError(
                f"data.test_split = {test_split!r} names a split, but the data have none: name "
                "their column of splits with data.split, or leave data.test_split out"
            )
        return
    matched = [name for name in named if _folded(name) == _folded(test_split)]
    if len(matched) == len(counts):
        raise ValueError(
            f"all {len(splits):,} rows are in the split {matched[0]!r}, and none is left to learn "
            'from: add rows of another split, or set data.split = "" to draw the test part from '
            "all rows"
        )
    whole = len(counts) == 1 and not asked and not _words(named[0]) & TEST
    if not matched and not whole:  # one value says nothing of what to test on
        near = next((name for name in named if _words(name) & TEST), None)
        near = near or next((name for name in named if not _words(name) & TRAIN), named[0])
        raise ValueError(
            f"data.split: no row is of the split {test_split!r}; there are {shown(counts)}: set "
            f'data.test_split = "{near}" (or another of them) to test on its rows, or data.split = '
            '"" to draw the test part from all rows'
        )


def split_notes(splits: NDArray[np.object_], test_split: str, *, tested: bool) -> list[str]:
    """Return which splits are learned from where that is not plain, in sentences.

    Args:
        splits: (n,) the split of each row of the data, empty where it has none.
        test_split: The split to test on.
        tested: Whether the test rows come from it.
    """
    rest = splits[~is_test(splits, test_split) & ~other_test_rows(splits, test_split)]
    counts = Counter(str(one) for one in rest)
    if not any(splits) or {_folded(name) for name in counts} <= TRAIN:
        return []
    start = f"the test part is the split {test_split!r}" if tested else "no split is tested on"
    return [f"data.split: {start}; the rows to learn from are of {shown(counts)}"]


def no_test_labels(splits: NDArray[np.object_], labelled: NDArray[np.bool_], origin: str) -> str:
    """Return the refusal of test rows of which none has a label, with what can be tested on."""
    if origin != "split":
        return f"the test {origin} has no labelled row; the rows to test on need labels"
    counts = Counter(str(one) for one in splits[labelled])
    counts.pop("", None)
    remedy = 'set data.split = "" to draw the test part from all labelled rows'
    if counts:
        names = [name for name in counts if not _words(name) & TRAIN] or list(counts)
        remedy = (
            f'set data.test_split = "{names[0]}" to test on that split (labelled rows: '
            f"{shown(counts)}), or {remedy}"
        )
    return f"the test split has no labelled row, as where labels are kept back: {remedy}"


def shown(counts: Mapping[str, int]) -> str:
    """Return names with their rows, the most frequent first.

    >>> shown({"a": 1, "": 20})
    "no split (20 rows), 'a' (1 row)"
    """
    order = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    said = [
        f"{repr(name) if name else 'no split'} ({n:,} row{'s' * (n != 1)})"
        for name, n in order[:SHOWN]
    ]
    return ", ".join(said) + (f", … ({len(order)} in all)" if len(order) > SHOWN else "")


def _splits_in(column: Any) -> str | None:
    """Return the values of a column that plainly holds train and test splits."""
    if not isinstance(column, pd.Series) or pd.api.types.is_numeric_dtype(column):
        return None
    head = {str(value) for value in column.head(1000)}
    if len(head) > SHOWN:
        return None
    counts = Counter(str(value) for value in column)
    names = {_folded(name) for name in counts}
    if len(counts) > SHOWN or not (names & TRAIN and names & TEST):
        return None
    return shown(counts)


def _folded(name: str) -> str:
    return name.strip().casefold()


def _words(name: str) -> set[str]:
    """Return the words of a name, and all of them as one: ``held-out`` is ``heldout``."""
    words = re.findall(r"[^\W_\d]+", name.casefold())
    return {*words, "".join(words)}
