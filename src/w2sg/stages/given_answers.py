"""Answers that come with the data: columns of class names or probabilities, matched by name.

Nothing is taken by position. A column of probabilities belongs to the class that its name says, a
code to the class that `teacher.classes` says; where neither does, the column is refused.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from w2sg._arrays import FloatArray
from w2sg.data.class_names import (
    BOOLEANS,
    NUMBER,
    as_boolean,
    as_toml,
    cell_text,
    class_name,
    listed,
    no_label_like,
)
from w2sg.stages.column_names import class_of_column, classes_of

Answers = NDArray[np.float64]
SUM_TOLERANCE = 1e-3
DECIMALS = (2, 3, 4)  # to which probabilities are taken to be rounded, the fewest that fit


@dataclass(frozen=True)
class GivenAnswers:
    """What columns say of rows.

    Attributes:
        probabilities: (n, K) class probabilities; a row of NaN where nothing is said.
        reading: How the columns were read, a sentence.
        notes: What else must be known, in sentences.
    """

    probabilities: Answers
    reading: str
    notes: tuple[str, ...] = ()


def read_answers(
    table: pd.DataFrame,
    label_names: Sequence[str],
    columns: Sequence[str],
    classes: Sequence[str] | None = None,
) -> GivenAnswers:
    """Return class probabilities of columns that the user brings.

    Args:
        table: The columns, indexed by id; texts, numbers or booleans, empty where nothing is said.
        label_names: The K classes.
        columns: One column of class names, or of probabilities of one of two classes; or K columns
            of probabilities.
        classes: With several columns, the class of each. With one column, the class that it holds
            the probability of; or all K classes, where it holds the codes 0 … K − 1, or, of two,
            the probability of the second.

    Raises:
        ValueError: A value is no class and no probability, rows do not sum to one, or it cannot be
            told which class a column speaks of.

    >>> table = pd.DataFrame({"spam": ["0.9", "0.2"], "ham": ["0.1", "0.8"]}, index=["a", "b"])
    >>> read_answers(table, ["ham", "spam"], ["spam", "ham"]).probabilities
    array([[0.1, 0.9],
           [0.8, 0.2]])
    """
    names = list(label_names)
    _check_classes(names, columns, classes)
    texts = {name: _texts(table[name], name) for name in columns}
    cells: Any = pd.DataFrame(texts, index=table.index, dtype=object)
    said = (cells != "").all(axis=1).to_numpy()
    answers = np.full((len(cells), len(names)), np.nan)
    cells = cells[said]
    if len(columns) > 1:
        answers[said], reading, notes = _several(cells, names, classes)
    else:
        answers[said], reading, notes = _single(cells.iloc[:, 0], names, classes)
    return GivenAnswers(answers, reading, notes)


Read = tuple[Answers, str, tuple[str, ...]]


def _check_classes(names: list[str], columns: Sequence[str], classes: Sequence[str] | None) -> None:
    if classes is None:
        return
    if unknown := next((name for name in classes if name not in names), None):
        raise ValueError(f"teacher.classes names {unknown!r}, which is none of the classes {names}")
    if len(set(classes)) < len(classes):
        raise ValueError(f"teacher.classes names a class twice: {list(classes)}")
    if len(columns) > 1 and len(classes) != len(columns):
        raise ValueError(
            f"teacher.classes names {len(classes)} classes for the {len(columns)} columns of "
            "teacher.column; name the class of each column, in their order"
        )
    if len(columns) == 1 and len(classes) not in (1, len(names)):
        raise ValueError(
            f"teacher.classes names {len(classes)} of the {len(names)} classes {names}; name all "
            "of them, in the order of the codes 0, 1, … in teacher.column"
        )


def _texts(column: Any, name: str) -> list[str]:
    try:
        return [cell_text(value).strip() for value in column]
    except ValueError as error:
        raise ValueError(f"teacher.column={name!r} {error}") from None


# ---- one column


def _single(values: Any, names: list[str], classes: Sequence[str] | None) -> Read:
    column, words = str(values.name), values.map(class_name)
    if classes is None and (hits := _by_text(words, names)) is not None:
        return np.eye(len(names))[hits], f"column {column!r} holds class names", ()
    if classes is None and (hits := _by_value(words, names)) is not None:
        return np.eye(len(names))[hits], f"column {column!r} holds class names by their value", ()
    numbers = _numbers(words)
    if numbers is None:
        raise ValueError(_no_class(column, words, names, classes))
    if classes is not None and len(classes) == len(names):
        codes = np.isin(numbers, np.arange(len(names)))
        if codes.all():
            if len(names) == 2:
                _agrees(column, class_of_column(column, names), classes[1], names)
            order = np.array([names.index(name) for name in classes])
            coded = ", ".join(f"{k} is {name!r}" for k, name in enumerate(classes))
            hits = order[numbers.astype(np.int64)]
            return np.eye(len(names))[hits], f"column {column!r} holds codes: {coded}", ()
        if len(names) > 2:
            raise ValueError(
                f"teacher.column={column!r} holds {words[~codes].iloc[0]}, but teacher.classes has "
                f"the codes 0 … {len(names) - 1}"
            )
    if len(names) > 2:
        raise ValueError(_numbers_of_many(column, words, names))
    _check_range(numbers[:, None], words.index, names)
    target = _target(column, words, names, classes)
    answers = np.empty((len(numbers), 2))
    answers[:, target], answers[:, 1 - target] = numbers, 1.0 - numbers
    return answers, f"column {column!r} is the probability of class {names[target]!r}", ()


def _by_text(words: pd.Series, names: list[str]) -> NDArray[np.int64] | None:
    """Class numbers where every word is a class as it stands, ``1.0`` as ``1``."""
    number_of = {name: k for k, name in enumerate(names)}
    tries = [words, words.str.replace(r"^(-?\d+)\.0$", r"\1", regex=True)]
    if {name.lower() for name in names} == set(BOOLEANS):
        number_of |= {
            w: k for w in set(words) for k, n in enumerate(names) if w.lower() == n.lower()
        }
    for tried in tries:
        if tried.isin(list(number_of)).all():
            return tried.map(number_of).to_numpy(dtype=np.int64)
    return None


def _by_value(words: pd.Series, names: list[str]) -> NDArray[np.int64] | None:
    """Class numbers where every word is a number that one class is: a file may hold 1 for 01."""
    values = {_value(name): k for k, name in enumerate(names)}
    if None in values or len(values) < len(names):
        return None
    numbers = [values.get(_value(word)) for word in words]
    return None if None in numbers else np.array(numbers, dtype=np.int64)


def _value(word: str) -> float | None:
    return float(word) if re.fullmatch(NUMBER, word, re.IGNORECASE) else None


def _numbers(words: pd.Series) -> FloatArray | None:
    """Numbers, booleans as 0 and 1; ``None`` where a word is neither."""
    lower = words.str.lower()
    if lower.isin(list(BOOLEANS)).all():
        return (lower == "true").to_numpy(dtype=np.float64)
    values = [_value(word) for word in words]
    if any(value is None or not math.isfinite(value) for value in values):
        return None
    return np.array(values, dtype=np.float64)


def _target(column: str, words: pd.Series, names: list[str], classes: Sequence[str] | None) -> int:
    """The one of two classes that numbers speak of."""
    named = class_of_column(column, names)
    if classes is not None:
        _agrees(column, named, classes[-1], names)
        return names.index(classes[-1])
    if named is not None:
        return named
    values = [as_boolean(name) for name in names]
    if sorted(v for v in values if v is not None) == [0, 1]:
        return values.index(1)
    shown = listed(sorted(set(words)), most=4)
    raise ValueError(
        f"teacher.column={column!r} holds {shown}, and neither its values nor its name says of "
        f"which of the classes {names}: write the names of the classes into it, or set "
        f"teacher.classes = {as_toml(names[1:])} if 1 is {names[1]!r}, or "
        f"{as_toml(names[:1])} if 1 is {names[0]!r}"
    )


def _agrees(column: str, named: int | None, stated: str, names: list[str]) -> None:
    if named is not None and names[named] != stated:
        raise ValueError(
            f"teacher.classes says that teacher.column={column!r} is about {stated!r}, but it is "
            f"called after {names[named]!r}; rename the column, or leave teacher.classes out"
        )


def _no_class(
    column: str, words: pd.Series, names: list[str], classes: Sequence[str] | None
) -> str:
    unknown: Any = words[~words.isin(names)]
    if classes is not None and len(unknown) < len(words):
        return (
            "teacher.classes says what numbers stand for, but "
            f"teacher.column={column!r} holds class names; leave teacher.classes out"
        )
    # of words and numbers the words are the surprise
    odd: Any = unknown[[_value(word) is None for word in unknown]]
    word = (odd if len(odd) else unknown).iloc[0]
    return (
        f"teacher.column: id {words.index[words == word][0]!r} says {word!r}, which is none of the "
        f"classes {names}; write these names, or one column of probabilities per class"
        f"{_no_answer_hint(word)}"
    )


def _numbers_of_many(column: str, words: pd.Series, names: list[str]) -> str:
    unknown: Any = words[~words.isin(names)]
    return (
        f"teacher.column: id {unknown.index[0]!r} says {unknown.iloc[0]!r}, which is none of the "
        f"classes {names}; write these names into {column!r}, or one column of probabilities per "
        f"class; if it holds codes 0 … {len(names) - 1}, set teacher.classes to the classes in the "
        f"order of the codes, such as {as_toml(names)}{_no_answer_hint(unknown.iloc[0])}"
    )


def _no_answer_hint(word: str) -> str:
    if not no_label_like([word]):
        return ""
    return (
        f"; if it means that there is no answer, leave its rows out, or set data.no_label = "
        f"{as_toml([word])}"
    )


# ---- a column for each class


def _several(cells: pd.DataFrame, names: list[str], classes: Sequence[str] | None) -> Read:
    columns = [str(name) for name in cells.columns]
    numbers = {name: [_value(text) for text in cells[name]] for name in columns}
    for name in columns:
        bad = next((i for i, v in enumerate(numbers[name]) if v is None or v != v), None)
        if bad is not None:
            raise ValueError(_no_probability(cells, columns, name, bad, names))
    if len(columns) != len(names):
        raise ValueError(
            f"teacher.column has {len(columns)} columns for the {len(names)} classes {names}; "
            "give one column per class"
        )
    order = classes_of(columns, names)
    if classes is not None:
        for name, k, stated in zip(columns, order or [None] * len(columns), classes, strict=True):
            _agrees(name, k, stated, names)
        order = [names.index(name) for name in classes]
    if order is None:
        raise ValueError(
            f"teacher.column = {as_toml(columns)}: these names do not say which class each column "
            f"is the probability of; call them as the classes are called, {names}, or set "
            f"teacher.classes to the class of each, in their order, such as {as_toml(names)}"
        )
    values = np.empty((len(cells), len(names)))
    for name, k in zip(columns, order, strict=True):
        values[:, k] = numbers[name]
    answers, notes = _normalised(values, cells.index, names)
    reading = "columns by class: " + ", ".join(
        f"{name!r} is {names[k]!r}" for name, k in zip(columns, order, strict=True)
    )
    return answers, reading, notes


def _no_probability(
    cells: pd.DataFrame, columns: list[str], name: str, row: int, names: list[str]
) -> str:
    value = cells[name].iloc[row]
    if class_name(value) in names:
        return (
            f"teacher.column names {len(columns)} columns ({listed(columns)}), but {name!r} holds "
            f"class names such as {value!r}: several columns are probabilities, one column for "
            "each class; name one column of class names, or merge the labellers first, each "
            "class's column holding the share of them that chose it"
        )
    return (
        f"teacher.column: id {cells.index[row]!r} holds {value!r} in column {name!r}, which is no "
        "probability"
    )


def _normalised(
    values: Answers, ids: pd.Index, names: list[str]
) -> tuple[Answers, tuple[str, ...]]:
    """Probabilities divided by their sums, which may be off by as much as rounding explains."""
    _check_range(values, ids, names)
    totals = values.sum(axis=1)
    off = np.abs(totals - 1.0)
    digits = next((d for d in DECIMALS if np.allclose(values, values.round(d), 0, 2e-7)), None)
    rounding = 0.0 if digits is None else len(names) / 2 * 10.0**-digits
    allowed = max(SUM_TOLERANCE, rounding) * (1 + 1e-6)
    if (off > allowed).any():
        row = int(np.argmax(off > allowed))
        raise ValueError(
            f"teacher.column: the probabilities of id {ids[row]!r} sum to {totals[row]:.4g}, not 1"
            " (rounding explains sums that are off by "
            f"{allowed:.2g} at most); give all classes, or divide each row by its sum"
        )
    notes = ()
    if len(off) and off.max() > 1e-6:
        what = "" if digits is None else f" (they are rounded to {digits} decimals)"
        notes = (
            f"teacher.column: probabilities were divided by their sums, which differ from 1 by up "
            f"to {off.max():.2g}{what}",
        )
    return values / totals[:, None], notes


def _check_range(values: Answers, ids: pd.Index, names: list[str]) -> None:
    bad = ~((values >= 0) & (values <= 1))
    if bad.any():
        row, k = (int(i) for i in np.argwhere(bad)[0])
        of_class = f" of class {names[k]!r}" if values.shape[1] > 1 else ""
        raise ValueError(
            f"teacher.column: id {ids[row]!r} has probability {values[row, k]:g}{of_class}; "
            f"probabilities lie in [0, 1]; if these are codes, write the classes {names} instead"
            f"{_no_answer_hint(f'{values[row, k]:g}')}"
        )
