"""Columns of a frame by name: what a cell may hold, and which columns may play two parts."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from w2sg.data.label_column import is_empty
from w2sg.data.paths import suggest

# rows with one text may belong together; any other column says one thing
SHARED = ({"text", "group"}, {"text_pair", "group"})
BYTES = bytes | bytearray | memoryview


def column_of(
    frame: pd.DataFrame, argument: str, name: str, *, origin: str = "", lists: bool = False
) -> pd.Series:
    """Return a column, bytes as the UTF-8 text that they are.

    Args:
        frame: The rows.
        argument: How the user knows the column; it opens the error text.
        name: Of the column.
        origin: Of which file it is, for errors, such as ``" of data.test='b.csv'"``.
        lists: Whether a cell may be a list.

    Raises:
        ValueError: No such column, or two; a cell is a list or bytes that are no text.
    """
    if name not in frame.columns:
        known = [str(one) for one in frame.columns]
        hint = suggest(name, known)
        if len(known) == 1 and any(mark in known[0] for mark in ",;|\t"):
            hint += "; cells are separated by commas in .csv and by tabs in .tsv"
        raise ValueError(f"{argument}={name!r} is not a column{origin}; {hint}")
    column = frame[name]
    if not isinstance(column, pd.Series):
        raise ValueError(
            f"{argument}={name!r} is the name of {column.shape[1]} columns; rename all but one"
        )
    if column.dtype == object or isinstance(column.dtype, pd.CategoricalDtype):
        column = _decoded(column, f"{argument}={name!r}")
        for row, value in enumerate([] if lists else column):
            if isinstance(value, list | tuple | dict | set | np.ndarray):
                raise ValueError(
                    f"{argument}={name!r} holds a {type(value).__name__} in row {row}, "
                    f"{str(value)[:60]}; a cell must be one text, number or boolean"
                )
    return column


def refuse_twice(columns: Mapping[str, str | None], words: Mapping[str, str]) -> None:
    """Refuse one column in two parts, such as a text that is its own label.

    Args:
        columns: Argument → name of the column, nothing if there is none.
        words: Argument → how the user knows it, where not by its name.

    Raises:
        ValueError: Two arguments name one column; a group may be a text.

    >>> refuse_twice({"text": "question", "group": "question", "label": None}, {})
    """
    given = [(argument, name) for argument, name in columns.items() if name]
    for (first, name), (second, other) in combinations(given, 2):
        if name == other and {first, second} not in SHARED:
            raise ValueError(
                f"{words.get(first, first)} and {words.get(second, second)} both name the column "
                f"{name!r}; give each a column of its own"
                + (f", or leave {words.get(second, second)} out" if second != "label" else "")
            )


def refuse_names_as_values(frame: pd.DataFrame, names: Sequence[str], origin: str = "") -> None:
    """Refuse a row whose cells are the names of their columns: the first line of another file.

    Args:
        frame: The rows.
        names: The columns that are read, at least two: one text may be any word.
        origin: Of which file it is, for errors.

    Raises:
        ValueError: There is such a row.
    """
    if len(names) < 2:
        return
    same = np.ones(len(frame), dtype=bool)
    for name in names:
        same &= [isinstance(value, str) and value == name for value in frame[name]]
    if same.any():
        raise ValueError(
            f"row {int(np.argmax(same))}{origin} holds the names of the columns {list(names)} in "
            "place of values; several files may stand under each other: leave that row out"
        )


def not_blank(texts: pd.Series) -> NDArray[np.bool_]:
    """Return which cells hold more than white space."""
    return np.array([not is_empty(value) for value in texts], dtype=bool)


def ids_of(values: pd.Series, name: str, argument: str = "id") -> list[str]:
    """Return a column of ids as texts.

    Raises:
        ValueError: An id is empty.
    """
    out = []
    for row, value in enumerate(values):
        if is_empty(value):
            raise ValueError(f"{argument}={name!r} is empty in row {row}; every row needs an id")
        out.append(str(value))
    return out


def content_ids(texts: Sequence[str], pairs: Sequence[str] | None) -> list[str]:
    """Return the hash of the content of each row, exact copies numbered.

    >>> content_ids(["x", "x"], None)[1].endswith("-2")
    True
    """
    seen: dict[str, int] = {}
    out = []
    for row, text in enumerate(texts):
        content = json.dumps([text] if pairs is None else [text, pairs[row]])
        name = hashlib.sha256(content.encode()).hexdigest()[:20]
        seen[name] = seen.get(name, 0) + 1
        out.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
    return out


def _decoded(column: pd.Series, start: str) -> pd.Series:
    """Return bytes as text, whether they are cells or stand in lists."""
    if not any(_holds_bytes(value) for value in column):
        return column

    def text(value: Any, row: int) -> Any:
        if not _holds_bytes(value):
            return value
        if not isinstance(value, BYTES):
            return [text(one, row) for one in value]
        try:
            return bytes(value).decode()
        except UnicodeDecodeError:
            raise ValueError(
                f"{start} holds bytes in row {row} that are not UTF-8, {bytes(value)[:20]!r}; "
                "write the column as text"
            ) from None

    decoded = [text(value, row) for row, value in enumerate(column)]
    return pd.Series(decoded, index=column.index, dtype=object)


def _holds_bytes(value: Any) -> bool:
    several = isinstance(value, list | tuple | np.ndarray)
    return any(map(_holds_bytes, value)) if several else isinstance(value, BYTES)
