"""Tasks that are not classification yet, as rows that can be classified."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from w2sg._seeds import child_seed
from w2sg.data.label_column import is_empty
from w2sg.data.paths import suggest

ANSWER_NAMES = ("wrong", "right")
CHOICE_NAMES = ("first", "second")


def expand_choices(
    frame: pd.DataFrame,
    *,
    question: str,
    choices: Sequence[str],
    answer: str,
    id: str,
    all_choices: bool = False,
    seed: int = 0,
) -> pd.DataFrame:
    """Return multiple-choice questions as (question, answer) rows: is this answer right.

    Each question gives its right answer and one wrong answer, drawn uniformly, so that the classes
    are balanced question by question; with ``all_choices`` it gives one row per choice. The draw
    hangs on ``seed`` and the question's id alone, never on the order of the rows. Rows of one
    question share a group: give ``group="group"`` to `from_frame`.

    Args:
        frame: One row per question.
        question: The column of the questions.
        choices: The columns of the choices; an empty cell is no choice.
        answer: The column of the place of the right choice in ``choices``, from 0.
        id: The column of the question ids, unique.
        all_choices: Whether every wrong choice gives a row.
        seed: The seed of the draw.

    Returns:
        Columns ``id``, ``text``, ``pair``, ``label`` (0 wrong, 1 right) and ``group``.

    Raises:
        ValueError: A column is missing, an answer is not the place of a choice that is there, a
            question has no wrong choice, or an id occurs twice.

    Source: the expansion of Burns et al. 2023 (arXiv:2312.09390), with as many right as wrong
    answers of every question.

    >>> question = {"n": "q1", "q": "2 + 2?", "a": "4", "b": "5", "right": 0}
    >>> questions = pd.DataFrame([question])
    >>> expand_choices(questions, question="q", choices=["a", "b"], answer="right", id="n")
              id    text pair  label group
    0  q1/choice 0  2 + 2?    4      1    q1
    1  q1/choice 1  2 + 2?    5      0    q1
    """
    _check_columns(frame, question=question, answer=answer, id=id)
    for column in choices:
        _check_columns(frame, choices=column)
    _check_ids(frame[id], id)
    rows = []
    for values in frame[[id, question, answer, *choices]].itertuples(index=False, name=None):
        name, text, right = str(values[0]), values[1], values[2]
        given = {place: one for place, one in enumerate(values[3:]) if not is_empty(one)}
        if is_empty(right) or right not in given:
            raise ValueError(
                f"{answer}={right!r} of question {name!r} must be the place of one of its "
                f"choices, {sorted(given)}"
            )
        wrong = [place for place in given if place != right]
        if not wrong:
            raise ValueError(f"question {name!r} has one choice only; it needs a wrong one")
        if not all_choices:
            rng = np.random.default_rng(child_seed(seed, "data", "choices", name))
            wrong = [wrong[rng.integers(len(wrong))]]
        rows += [
            (f"{name}/choice {place}", text, given[place], int(place == right), name)
            for place in sorted([int(right), *wrong])
        ]
    return pd.DataFrame(rows, columns=["id", "text", "pair", "label", "group"])


def arrange_preferences(
    frame: pd.DataFrame, *, chosen: str, rejected: str, id: str, seed: int = 0
) -> pd.DataFrame:
    """Return preference pairs as (text, text) rows: which of the two was preferred.

    The preferred text comes first or second by a fair coin that hangs on ``seed`` and the id
    alone. Pairs of two equal texts, which nobody can tell apart, are left out.

    Args:
        frame: One row per pair.
        chosen: The column of the preferred texts.
        rejected: The column of the others.
        id: The column of the pair ids, unique.
        seed: The seed of the coins.

    Returns:
        Columns ``id``, ``text``, ``pair`` and ``label`` (0 if the first text was preferred).

    Raises:
        ValueError: A column is missing, or an id occurs twice.

    >>> pairs = pd.DataFrame({"good": ["Of course: …"], "bad": ["No."], "n": ["p1"]})
    >>> row = arrange_preferences(pairs, chosen="good", rejected="bad", id="n").iloc[0]
    >>> (row["text"], row["pair"])[row["label"]]
    'Of course: …'
    """
    _check_columns(frame, chosen=chosen, rejected=rejected, id=id)
    _check_ids(frame[id], id)
    rows = []
    for name, good, bad in frame[[id, chosen, rejected]].itertuples(index=False, name=None):
        if good == bad:
            continue
        swapped = child_seed(seed, "data", "preferences", str(name)) % 2
        first, second = (bad, good) if swapped else (good, bad)
        rows.append((str(name), first, second, swapped))
    return pd.DataFrame(rows, columns=["id", "text", "pair", "label"])


def _check_columns(frame: pd.DataFrame, **columns: str) -> None:
    known = [str(one) for one in frame.columns]
    for argument, name in columns.items():
        if name not in known:
            raise ValueError(f"{argument}={name!r} is not a column; {suggest(name, known)}")


def _check_ids(ids: Any, name: str) -> None:
    repeated = ids.astype(str).duplicated()
    if repeated.any():
        raise ValueError(f"id={name!r}: {ids[repeated].iloc[0]!r} occurs more than once")
