"""A column of labels as class numbers and class names."""

import re
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

NO_LABEL = -1


def class_numbers(
    given: pd.Series, column: str, names: tuple[str, ...] | None
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return class numbers (-1 without a label) and class names of a label column.

    Args:
        given: Strings, whole numbers or booleans; an empty cell is no label.
        column: The name of the column, for errors.
        names: The names of the classes where the source knows them; the column then holds their
            numbers (-1 is no label) or the names themselves. Otherwise the names are the values,
            sorted, whole numbers by value.

    Raises:
        ValueError: A value is not a class, or nearly every row has a class of its own.

    >>> class_numbers(pd.Series(["10", "", "2"]), "stars", None)
    (array([ 1, -1,  0]), ('2', '10'))
    """
    words = [_label_word(value, column) for value in given]
    if all(re.fullmatch(r"-?\d+(\.0)?", word) for word in words if word):
        words = [word.removesuffix(".0") for word in words]  # integers that met a hole
    if names is not None:
        # by type, not by look: classes may be called "1" … "5" and be numbered 0 … 4
        if any(isinstance(value, str) and value.strip() for value in given):
            number_of = {name: number for number, name in enumerate(names)}
        else:
            number_of = {str(number): number for number in range(NO_LABEL, len(names))}
    else:
        present = {word for word in words if word}
        ordered = sorted(present, key=_label_order)
        n_with_label = sum(bool(word) for word in words)
        if len(ordered) > 20 and len(ordered) > n_with_label / 2:
            raise ValueError(
                f"label={column!r} has {len(ordered)} distinct values in {n_with_label} rows; "
                "that is not a class label (name the column that holds the classes)"
            )
        names = tuple(ordered)
        number_of = {name: number for number, name in enumerate(names)}
    number_of[""] = NO_LABEL
    if unknown := next((word for word in words if word not in number_of), None):
        raise ValueError(
            f"label={column!r} holds {unknown!r}, which is none of the classes {list(names)}"
        )
    return np.array([number_of[word] for word in words], dtype=np.int64), names


def _label_word(value: Any, column: str) -> str:
    if is_empty(value):
        return ""
    if isinstance(value, float | np.floating):
        if not float(value).is_integer():
            raise ValueError(
                f"label={column!r} holds {value!r}; labels are strings, whole numbers or booleans"
            )
        return str(int(value))
    return str(value).strip()


def _label_order(word: str) -> tuple[int, int, str]:
    """Whole numbers by value, before words by spelling."""
    digits = word.removeprefix("-")
    return (0, int(word), word) if digits.isascii() and digits.isdigit() else (1, 0, word)


def is_empty(value: Any) -> bool:
    """Return whether a cell is missing or holds nothing but white space."""
    return value is None or value is pd.NA or value != value or str(value).strip() == ""
