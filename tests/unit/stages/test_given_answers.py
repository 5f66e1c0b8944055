"""Columns of given answers: which class each speaks of, by name and by value, never by position."""

import itertools

import numpy as np
import pandas as pd
import pytest

from w2sg.stages.column_names import class_of_column, classes_of
from w2sg.stages.given_answers import read_answers


def read(names, classes=None, **columns):
    frame = pd.DataFrame(columns, index=[f"r{i}" for i in range(len(next(iter(columns.values()))))])
    return read_answers(frame, names, list(columns), classes)


@pytest.mark.parametrize(
    ("column", "names", "number"),
    [
        ("ham", ("ham", "spam"), 0),
        ("p_spam", ("ham", "spam"), 1),
        ("probSpam", ("ham", "spam"), 1),
        ("Spam score", ("ham", "spam"), 1),
        ("is-ham", ("ham", "spam"), 0),
        ("not_spam", ("ham", "spam"), None),  # the opposite
        ("non_spam_score", ("ham", "spam"), None),
        ("p_not_spam", ("not_spam", "spam"), 0),
        ("p_not_spam", ("not spam", "spam"), 0),
        ("ham_or_spam", ("ham", "spam"), None),
        ("llm", ("ham", "spam"), None),
        ("p_1", ("0", "1"), 1),
        ("score_0", ("0", "1"), 0),
        ("p_-1", ("-1", "1"), None),  # one name or the other
        ("label", ("label", "other"), 0),
        ("very positive", ("positive", "very positive"), 1),
        ("p_very_positive", ("positive", "very positive"), 1),
        ("HAM", ("Ham", "ham"), None),
        ("Ham", ("Ham", "ham"), 0),
        ("p_c++", ("c", "c++"), 1),
        ("", ("ham", "spam"), None),
        ("👍", ("👎", "👍"), 1),
    ],
)
def test_the_class_that_a_column_is_called_after(column, names, number):
    assert class_of_column(column, names) == number


def test_columns_of_every_order_are_the_same_answers():
    """Catches any reading by position: all orders of all columns must agree."""
    names = ("a", "b", "c")
    p = {"p_a": [0.7, 0.1], "p_b": [0.2, 0.1], "p_c": [0.1, 0.8]}
    for order in itertools.permutations(p):
        answers = read(names, **{name: p[name] for name in order})
        np.testing.assert_allclose(answers.probabilities, [[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]])


@pytest.mark.parametrize(
    ("columns", "order"),
    [
        (["gpt4_spam", "gpt4_ham"], [1, 0]),
        (["spam (crowd)", "ham (crowd)"], [1, 0]),
        (["x_spam_y", "x_ham_y"], [1, 0]),
        (["not_ham", "not_spam"], None),
        (["ham_not", "spam_not"], None),
        (["spam", "spam_2"], None),
        (["p1", "p2"], None),
        (["spam", "other"], None),
        (["ham", "p_ham"], None),
    ],
)
def test_what_all_columns_have_in_common_is_taken_away(columns, order):
    assert classes_of(columns, ("ham", "spam")) == order


@pytest.mark.parametrize("names", [("0", "1"), ("False", "True"), ("false", "true")])
@pytest.mark.parametrize(
    "values", [["1", "0"], ["True", "False"], ["true", "false"], ["1.0", "0.0"]]
)
def test_names_that_are_values_need_no_coding(names, values):
    np.testing.assert_allclose(read(names, llm=values).probabilities, [[0, 1], [1, 0]])


def test_a_score_of_classes_called_0_and_1_is_the_probability_of_1():
    answers = read(("0", "1"), llm=["0.3", "1"])
    np.testing.assert_allclose(answers.probabilities, [[0.7, 0.3], [0, 1]])
    assert answers.reading == "column 'llm' is the probability of class '1'"


def test_what_is_said_of_classes():
    names = ("ham", "spam")
    for message, kwargs in (
        ("names 'eggs', which is none", {"classes": ["eggs"], "llm": ["0"]}),
        ("names a class twice", {"classes": ["ham", "ham"], "llm": ["0"]}),
        ("names 1 classes for the 2 columns", {"classes": ["ham"], "x": ["0"], "y": ["1"]}),
        ("holds class names; leave teacher.classes out", {"classes": ["ham"], "llm": ["ham"]}),
        ("is about 'ham', but it is called after 'spam'", {"classes": ["ham"], "spam": ["0.3"]}),
        ("is about 'ham', but it is called after 'spam'",
         {"classes": ["spam", "ham"], "is_spam": ["0", "1"]}),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            read(names, **kwargs)
    three = ("a", "b", "c")
    with pytest.raises(ValueError, match="names 2 of the 3 classes"):
        read(three, classes=["a", "b"], llm=["0"])
    with pytest.raises(ValueError, match=r"holds 3, but teacher\.classes has the codes 0 … 2"):
        read(three, classes=["a", "b", "c"], llm=["0", "3"])
    swapped = read(("0", "1"), classes=["1", "0"], llm=["0", "1"])
    np.testing.assert_allclose(swapped.probabilities, [[0, 1], [1, 0]])


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"llm": ["ham", "ABSTAIN"]}, r"id 'r1' says 'ABSTAIN'.*data.no_label = \[\"ABSTAIN\"\]"),
        ({"llm": ["ham", "-1"]}, r"id 'r1' says '-1', .*data.no_label"),
        ({"spam": ["0.2", "-1"]}, r"id 'r1' has probability -1; .*data.no_label = \[\"-1\"\]"),
        ({"llm": ["ham", "0.3"]}, "id 'r1' says '0.3', which is none"),
        ({"spam": ["0.3", "nan"]}, "id 'r1' says 'nan', which is none"),
        ({"spam": ["0,3", "0,7"]}, "says '0,3', which is none"),
        ({"spam": ["20", "80"]}, "has probability 20"),
        ({"llm": [["ham", "spam"]]}, r"teacher.column='llm' holds \['ham', 'spam'\]"),
        ({"ham": ["0.5"], "spam": ["x"]}, "id 'r0' holds 'x' in column 'spam', which is no prob"),
        ({"ham": ["0.2"], "spam": ["1.2"]}, "id 'r0' has probability 1.2 of class 'spam'"),
        ({"ham": ["0.2"], "spam": ["inf"]}, "holds 'inf' in column 'spam'"),
    ],
)
def test_what_is_no_answer_is_named(columns, message):
    with pytest.raises(ValueError, match=message):
        read(("ham", "spam"), **columns)


def test_rows_without_an_answer_are_nan():
    answers = read(("ham", "spam"), ham=["0.2", "", None], spam=["0.8", "0.5", np.nan])
    assert np.isnan(answers.probabilities).tolist() == [[False] * 2, [True] * 2, [True] * 2]
    assert np.isnan(read(("ham", "spam"), llm=["", None]).probabilities).all()


@pytest.mark.parametrize("digits", [2, 3])
@pytest.mark.parametrize("k", [2, 3, 10])
def test_every_rounded_distribution_is_accepted(digits, k):
    """|sum − 1| is at most K/2 · 10⁻ᵈ: the bound must not cut what rounding alone makes."""
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(k), 4000)
    names = [f"c{i}" for i in range(k)]
    columns = {name: [f"{v:.{digits}f}" for v in p[:, i]] for i, name in enumerate(names)}
    answers = read(names, **columns)
    np.testing.assert_allclose(answers.probabilities.sum(axis=1), 1)
    np.testing.assert_allclose(answers.probabilities, p, atol=1.01 * k * 10.0**-digits)
    worst = np.abs(p.round(digits).sum(axis=1) - 1).max()
    if worst > 1e-6:
        assert f"by up to {worst:.2g} (they are rounded to {digits} decimals)" in answers.notes[0]


def test_a_sum_beyond_rounding_is_refused():
    half = 1.5 * 10.0**-2
    names = ("a", "b", "c")
    fits = {"a": ["0.33"], "b": ["0.33"], "c": [f"{0.34 - half + 0.005:.2f}"]}
    assert not np.isnan(read(names, **fits).probabilities).any()
    fits["c"] = [f"{0.34 - half - 0.005:.2f}"]
    with pytest.raises(ValueError, match=r"sum to 0\.98, not 1 \(rounding explains .* 0\.015"):
        read(names, **fits)
