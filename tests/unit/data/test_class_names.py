"""Names of classes: what is normalised, what is kept apart and said."""

import unicodedata

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2sg.data.class_names import (
    NO_LABEL_WORDS,
    class_name,
    joined_names,
    look_alikes,
    no_label_like,
)
from w2sg.data.label_column import class_numbers, kept_texts


@given(st.text())
def test_a_normalised_name_stays_what_it_is(text):
    """Catches a second reading of a stored name that finds another class."""
    once = class_name(text)
    assert class_name(once) == once
    assert once == once.strip()
    assert unicodedata.is_normalized("NFC", once)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("می\u200cخواهم", "میخواهم"),  # the joiner of Persian is seen
        ("👨\u200d👩", "👨👩"),
        ("\U0001f3f4\U000e0067\U000e0062", "\U0001f3f4\U000e0075\U000e0073"),  # regional flags
        ("Ham", "ham"),
        ("C", "C++"),
        ("+", "-"),
    ],
)
def test_names_that_look_different_stay_apart(one, other):
    assert class_name(one) != class_name(other)


@pytest.mark.parametrize(
    "extra", ["\u200b", "\u200d", "\u2060", "\ufeff", "\u00ad", "\x00", "\u202e"]
)
def test_what_has_no_width_is_gone(extra):
    assert (
        class_name(f"h{extra}am") == class_name(f"ham{extra}") == class_name(f"{extra}ham") == "ham"
    )


def test_look_alikes_are_groups_and_others_are_none():
    assert look_alikes(["1", "01", "1.0", "10"]) == [("01", "1", "1.0")]
    assert look_alikes(["ｈam", "ham"]) == [("ham", "ｈam")]  # full-width
    assert look_alikes(["+1", "-1", "C", "C++", "x-", "x"]) == []


def test_several_classes_in_one_cell():
    assert joined_names(["ham", "ham;promo"]) == ["ham;promo"]
    assert joined_names(["R&B", "rock", "pop/rock", "and/or"]) == []
    assert joined_names(["pop", "rock", "pop/rock", "pop, rock", "pop+rock"]) == [
        "pop+rock", "pop, rock", "pop/rock",
    ]  # fmt: skip


@pytest.mark.parametrize("word", sorted(NO_LABEL_WORDS))
def test_every_word_for_no_label_in_any_case(word):
    assert no_label_like(["ham", "spam", word.upper()]) == [word.upper()]


def test_no_label_by_number_and_by_name_of_a_declared_class():
    """A declared number means the class of that number, a declared name the class of that name."""
    names = ("neg", "neutral", "pos")
    numbers = pd.Series([0, 1, 2, -1])
    read = class_numbers(numbers, "label", names, no_label=["neutral"])
    assert read.numbers.tolist() == [0, -1, 2, -1]
    assert class_numbers(numbers, "label", names, no_label=["2"]).numbers.tolist() == [0, 1, -1, -1]
    stars = class_numbers(pd.Series([0, 1, 2]), "stars", ("1", "2", "3"), no_label=["1"])
    assert stars.numbers.tolist() == [-1, 1, 2]  # the class called 1, which is number 0
    words = class_numbers(pd.Series(["neg", "NA", "pos"]), "label", names, no_label=["NA"])
    assert words.numbers.tolist() == [0, -1, 2]


def test_declared_names_that_are_one_name_are_refused():
    with pytest.raises(ValueError, match="lists one class twice"):
        class_numbers(pd.Series([0, 1]), "label", ("caf\u00e9", "cafe\u0301"))


def test_answers_of_numbered_classes_become_names():
    """Catches the numbers of a `ClassLabel` read as probabilities, or as the numbers of labels."""
    assert kept_texts(pd.Series([1, 0, -1]), "llm", ("spam", "ham")) == ["ham", "spam", None]
    assert kept_texts(pd.Series([1.0, None]), "llm", ("spam", "ham")) == ["ham", None]
    with pytest.raises(ValueError, match=r"teacher.column='llm' holds 2, which is no number"):
        kept_texts(pd.Series([2]), "llm", ("spam", "ham"), argument="teacher.column")


def test_no_label_empties_answers_but_no_probability():
    cells = pd.Series(["ABSTAIN", "0", "ham", "-1", "0.0"])
    kept = kept_texts(cells, "llm", None, no_label=["ABSTAIN", "0", "-1"])
    assert kept == [None, "0", "ham", None, "0.0"]
