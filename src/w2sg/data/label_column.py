"""A column of labels as class numbers and class names."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from w2sg.data.class_names import (
    NUMBER,
    as_toml,
    booleans_alike,
    cell_text,
    class_name,
    joined_names,
    listed,
    look_alikes,
    no_label_like,
    without_fraction,
)

NO_LABEL = -1


@dataclass(frozen=True)
class LabelColumn:
    """A column of labels as it was read.

    Attributes:
        numbers: (n,) class numbers, -1 without a label.
        names: The names of the classes.
        notes: What a reader must know about the names, in sentences.
        emptied: The values that were read as no label because they were said to mean that.
    """

    numbers: NDArray[np.int64]
    names: tuple[str, ...]
    notes: tuple[str, ...] = ()
    emptied: frozenset[str] = frozenset()


def class_numbers(
    given: pd.Series,
    column: str,
    names: tuple[str, ...] | None,
    *,
    no_label: Sequence[str] | None = None,
    argument: str = "label",
    origin: str = "",
) -> LabelColumn:
    """Return class numbers (-1 without a label) and class names of a label column.

    Args:
        given: Strings, whole numbers, booleans or lists of one of these; an empty cell is no label.
        column: The name of the column, for errors.
        names: The names of the classes where the source knows them; the column then holds their
            numbers (-1 is no label) or the names themselves. Otherwise the names are the values,
            sorted, whole numbers by value.
        no_label: Values that mean that a row has no label. Left out, a value that often means it
            is refused; an empty sequence says that every value is a class.
        argument: How the user knows the column; it opens the error text.
        origin: Of which file it is, for errors, such as ``" of data.test='b.csv'"``.

    Raises:
        ValueError: A value is not a class, often means "no label", or nearly every row has a class
            of its own.

    >>> class_numbers(pd.Series(["10", "", "2"]), "stars", None)
    LabelColumn(numbers=array([ 1, -1,  0]), names=('2', '10'), notes=(), emptied=frozenset())
    """
    start = f"{argument}={column!r}{origin}"
    cells = [_label_text(value, start, row) for row, value in given.items()]
    words = booleans_alike(without_fraction([class_name(cell) for cell in cells]))
    notes = _merged(cells, words, argument)
    empty = {word for value in no_label or () for word in without_fraction([class_name(value)])}
    emptied = empty.intersection(words)
    if names is None:
        words = ["" if word in empty else word for word in words]
        names = _names(words, start, no_label, argument)
        number_of = {name: number for number, name in enumerate(names)}
    else:
        names = tuple(map(class_name, names))
        if len(set(names)) < len(names):
            raise ValueError(f"{start}: the source lists one class twice, {list(names)}")
        number_of = {name: number for number, name in enumerate(names)}
        # by type, not by look: classes may be called "1" … "5" and be numbered 0 … 4
        if not any(isinstance(value, str) and value.strip() for value in given):
            number_of = {str(number): number for number in range(NO_LABEL, len(names))}
        of_names = {word: NO_LABEL for word, k in number_of.items() if names[k] in empty}
        number_of |= dict.fromkeys(empty - set(names), NO_LABEL) | of_names
        emptied |= empty.intersection(names)
    number_of[""] = NO_LABEL
    if unknown := next((word for word in words if word not in number_of), None):
        raise ValueError(f"{start} holds {unknown!r}, which is none of the classes {list(names)}")
    numbers = np.array([number_of[word] for word in words], dtype=np.int64)
    if no_label and (doubtful := no_label_like(names)):
        notes.append(
            f"{argument}: {listed(doubtful)} is a class, because "
            f"{_no_label_field(argument)} = {as_toml(no_label)} does not list it"
        )
    notes += _said_of_names(names, argument)
    return LabelColumn(numbers, names, tuple(notes), frozenset(emptied))


def kept_texts(
    given: pd.Series,
    column: str,
    names: tuple[str, ...] | None,
    *,
    no_label: Sequence[str] = (),
    argument: str = "keep",
) -> list[str | None]:
    """Return the cells of another labeller's column as texts, ``None`` where it says nothing.

    Texts keep what numbers lose: ``01`` and ``1`` may be two classes, ``0.6`` has one decimal.

    Args:
        given: Cells of any kind; a list of one value is that value.
        column: The name of the column, for errors.
        names: The names of the classes where the source numbers them; numbers become names.
        no_label: Values that mean that there is no label; a number in [0, 1] may be a probability
            and stays.
        argument: How the user knows the column; it opens the error text.

    Raises:
        ValueError: A cell holds several values, or a number that no class has.

    >>> kept_texts(pd.Series([0, 1, -1]), "llm", ("ham", "spam"))
    ['ham', 'spam', None]
    """
    start = f"{argument}={column!r}"
    try:
        cells = [cell_text(value) for value in given]
    except ValueError as error:
        raise ValueError(f"{start} {error}") from None
    if names is not None and not any(isinstance(value, str) for value in given):
        numbers = without_fraction([cell.strip() for cell in cells])
        known = {str(k): name for k, name in enumerate(names)} | {"": "", str(NO_LABEL): ""}
        if unknown := next((number for number in numbers if number not in known), None):
            raise ValueError(f"{start} holds {unknown}, which is no number of {list(names)}")
        cells = [known[number] for number in numbers]
    empty = {class_name(value) for value in no_label}
    return [None if _says_nothing(cell, empty) else cell for cell in cells]


def _says_nothing(cell: str, empty: set[str]) -> bool:
    word = class_name(cell)
    if not word or word not in empty:
        return not word
    return not (re.fullmatch(NUMBER, word) and 0 <= float(word) <= 1)


def _names(
    words: list[str], start: str, no_label: Sequence[str] | None, argument: str
) -> tuple[str, ...]:
    counts = Counter(word for word in words if word)
    n_with_label = sum(counts.values())
    if len(counts) > 20 and len(counts) > n_with_label / 2:
        raise ValueError(
            f"{start} has {len(counts)} distinct values in {n_with_label} rows; "
            "that is not a class label (name the column that holds the classes)"
        )
    if no_label is None and (doubtful := no_label_like(counts)):
        field = _no_label_field(argument)
        rows = sum(counts[name] for name in doubtful)
        raise ValueError(
            f"{start} holds {listed(doubtful)} in {rows} of {len(words)} rows, which often says "
            f"that a row has no label: set {field} = {as_toml(doubtful)} if it does, or {field} = "
            f"[] if {'each of them' if len(doubtful) > 1 else 'it'} is a class"
        )
    return tuple(sorted(counts, key=_label_order))


def _no_label_field(argument: str) -> str:
    return f"{argument.removesuffix('label')}no_label"


def _label_text(value: Any, start: str, row: Any) -> str:
    try:
        text = cell_text(value)
    except ValueError as error:
        raise ValueError(
            f"{start} {error} (row {row}); give each row one label, or leave rows with several out"
        ) from None
    if isinstance(value, float | np.floating) and text:
        if not float(value).is_integer():
            raise ValueError(
                f"{start} holds {value!r}; labels are strings, whole numbers or booleans"
            )
        return str(int(value))
    return text


def _merged(cells: list[str], words: list[str], argument: str) -> list[str]:
    """What was read as one class though its characters differ."""
    spellings: dict[str, set[str]] = {}
    for cell, word in zip(cells, words, strict=True):
        if word:
            spellings.setdefault(word, set()).add(cell.strip())
    several = {
        word: {text for text in texts if text.removesuffix(".0").lower() != word.lower()}
        for word, texts in spellings.items()
        if len(texts) > 1
    }
    merged = sorted(word for word, others in several.items() if others)
    if not merged:
        return []
    return [
        f"{argument}: {listed(merged)} {'is' if len(merged) == 1 else 'are'} written in several "
        "ways that look the same (Unicode forms, characters without width, spaces); each is read "
        "as one class"
    ]


def _said_of_names(names: tuple[str, ...], argument: str) -> list[str]:
    notes = []
    if alike := look_alikes(names):
        pairs = "; ".join(listed(group) for group in alike)
        notes.append(
            f"{argument}: classes that differ in case, zeros or separators alone ({pairs}) are "
            "kept apart; write each class in one way if they are the same"
        )
    if joined := joined_names(names):
        notes.append(
            f"{argument}: {listed(joined)} looks like several classes in one cell and is read as "
            "one class of its own; w2sg gives each text one class"
        )
    return notes


def _label_order(word: str) -> tuple[int, int, str]:
    """Whole numbers by value, before words by spelling."""
    digits = word.removeprefix("-")
    return (0, int(word), word) if digits.isascii() and digits.isdigit() else (1, 0, word)


def is_empty(value: Any) -> bool:
    """Return whether a cell is missing or holds nothing but white space."""
    return value is None or value is pd.NA or value != value or str(value).strip() == ""
