"""The two-sample test holds its level and sees a shift."""

import numpy as np

from w2sg.data.shift import shift_between
from w2sg.data.synthetic import word_table


def test_p_values_are_uniform_without_a_shift():
    """Scoring the rows the classifier learned from would give p-values near 0 here."""
    texts = word_table(40 * 120, contrast=1.0, n_words=60).frame["text"].tolist()
    p_values = []
    for repeat in range(40):
        own = texts[repeat * 120 : (repeat + 1) * 120]
        found = shift_between(own[:60], own[60:], seed=repeat)
        assert (found.p_value < 0.5) == (found.auc > 0.5)  # only a working classifier is evidence
        p_values.append(found.p_value)
    standard_error = (1 / 12 / 40) ** 0.5
    assert standard_error < 0.05
    assert abs(np.mean(p_values) - 0.5) < 4 * standard_error


def test_a_shift_is_seen_and_has_a_direction():
    """A two-sided test, or an area with its classes swapped, fails one of the two."""
    table = word_table(600, contrast=1.0, n_words=60)
    by_class = [table.frame["text"][table.frame["label"] == c].tolist() for c in (0, 1)]
    found = shift_between(*by_class)
    assert found.p_value < 1e-6
    assert found.auc > 0.8


def test_too_few_rows_give_no_number():
    assert shift_between(["a b"] * 19, ["a b"] * 500) is None
