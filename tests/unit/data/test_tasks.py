"""Multiple choice and preferences as classification, independent of the order of the rows."""

import pandas as pd
import pytest

from w2sg.data.sources import from_frame
from w2sg.data.splits import divide
from w2sg.data.tasks import ANSWER_NAMES, arrange_preferences, expand_choices

N = 300
QUESTIONS = pd.DataFrame(
    {
        "n": [f"q{i}" for i in range(N)],
        "q": [f"question {i}" for i in range(N)],
        "right": [i % 3 for i in range(N)],
        **{c: [f"{c} {i}" for i in range(N)] for c in "abc"},
    }
)
COLUMNS = {"question": "q", "choices": ["a", "b", "c"], "answer": "right", "id": "n"}


def test_every_question_gives_its_right_and_one_wrong_answer():
    rows = expand_choices(QUESTIONS, **COLUMNS)
    assert len(rows) == 2 * N
    right = rows[rows["label"] == 1]
    expected = [f"{'abc'[i % 3]} {i}" for i in range(N)]
    assert right["pair"].tolist() == expected
    assert not set(rows[rows["label"] == 0]["pair"]) & set(expected)


def test_wrong_answers_are_drawn_evenly():
    """Taking the first wrong choice would make the place a cue for the label."""
    rows = expand_choices(QUESTIONS, **COLUMNS)
    wrong = rows[(rows["label"] == 0) & (rows["group"].str[1:].astype(int) % 3 == 0)]["pair"]
    n_b = wrong.str.startswith("b").sum()
    assert len(wrong) == 100
    assert abs(n_b - 50) < 4 * 5


def test_the_draw_hangs_on_the_id_and_not_on_the_order():
    rows = expand_choices(QUESTIONS, **COLUMNS)
    backwards = expand_choices(QUESTIONS[::-1], **COLUMNS)
    assert set(rows["id"]) == set(backwards["id"])
    assert set(rows["id"]) != set(expand_choices(QUESTIONS, **COLUMNS, seed=1)["id"])


def test_all_choices_and_missing_choices():
    some = QUESTIONS.assign(c=[None if i % 3 != 2 else "x" for i in range(N)])
    rows = expand_choices(some, **COLUMNS, all_choices=True)
    assert len(rows) == 2 * N + 100
    assert rows["label"].sum() == N


def test_questions_stay_in_one_part():
    rows = expand_choices(QUESTIONS, **COLUMNS)
    table = from_frame(
        rows,
        text_pair="pair",
        label="label",
        id="id",
        group="group",
        class_names={"label": ANSWER_NAMES},
    )
    parts = divide(table, n_labelled=100, n_unlabelled=200, n_test=100, seed=0)
    assert parts.label_names == ("wrong", "right")
    groups = [set(part.groups) for part in (parts.labelled, parts.unlabelled, parts.test)]
    assert sum(map(len, groups)) == len(set.union(*groups))


def test_preferences_are_arranged_by_fair_coins():
    """Without the coin the label is a constant, and every student is perfect."""
    pairs = pd.DataFrame({"g": [f"g{i}" for i in range(400)], "b": "bad", "n": range(400)})
    pairs.loc[0, "g"] = "bad"
    rows = arrange_preferences(pairs, chosen="g", rejected="b", id="n")
    assert len(rows) == 399
    assert abs(rows["label"].sum() - 200) < 4 * 10
    chosen = [(row.text, row.pair)[row.label] for row in rows.itertuples()]
    assert chosen == pairs["g"][1:].tolist()


def test_bad_tasks_are_refused():
    with pytest.raises(ValueError, match="right=3 of question 'q0' must be the place of one"):
        expand_choices(QUESTIONS.assign(right=3), **COLUMNS)
    with pytest.raises(ValueError, match="question 'q0' has one choice only"):
        expand_choices(QUESTIONS.assign(right=0), **{**COLUMNS, "choices": ["a"]})
    with pytest.raises(ValueError, match="choices='d' is not a column"):
        expand_choices(QUESTIONS, **{**COLUMNS, "choices": ["a", "d"]})
    with pytest.raises(ValueError, match="'q' occurs more than once"):
        expand_choices(QUESTIONS.assign(n="q"), **COLUMNS)
