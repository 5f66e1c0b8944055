"""Equally probable classes: a guess among them, whatever the classes are called."""

import numpy as np
import pytest

from w2sg import metrics, soft_labels
from w2sg.gain import gain
from w2sg.stages import pseudo_labels

VOTES = np.array([[0.5, 0.5, 0.0], [1 / 3, 1 / 3, 1 / 3], [0.2, 0.2, 0.6], [0.0, 0.5, 0.5]])
TRUTH = np.array([0, 2, 2, 0])


def renamed(p, y, order):
    return p[:, order], np.argsort(order)[y]


def test_a_tie_is_a_guess():
    assert metrics.accuracy_items(VOTES, TRUTH).tolist() == [0.5, pytest.approx(1 / 3), 1.0, 0.0]
    assert soft_labels.undecided(VOTES).tolist() == [True, True, False, True]
    assert soft_labels.answers(VOTES).tolist() == [-1, -1, 2, -1]


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1], [1, 0, 2]])
def test_the_order_of_classes_changes_no_number(order):
    """Catches ties that go to the first class: its accuracy and its share would grow."""
    p, y = renamed(VOTES, TRUTH, order)
    other = np.random.default_rng(0).dirichlet(np.ones(3), 4)
    assert metrics.accuracy(p, y) == pytest.approx(metrics.accuracy(VOTES, TRUTH))
    assert metrics.calibration_error(p, y) == pytest.approx(metrics.calibration_error(VOTES, TRUTH))
    mine = metrics.agreement(other[:, order], p, y)
    first = metrics.agreement(other, VOTES, TRUTH)
    assert mine.overall == pytest.approx(first.overall)
    assert mine.on_mistakes == pytest.approx(first.on_mistakes)
    assert mine.on_hits == pytest.approx(first.on_hits)
    hard = pseudo_labels.transformed(p, labels="hard", temperature=1.0, shrink=1.0)
    np.testing.assert_allclose(hard, soft_labels.harden(VOTES)[:, order])


def test_agreement_with_ties_is_that_of_random_guesses():
    """The twin: break every tie by a coin many times and count."""
    rng = np.random.default_rng(1)
    student = np.array([[0.6, 0.4], [0.5, 0.5], [0.3, 0.7], [0.5, 0.5]])
    teacher = np.array([[0.5, 0.5], [0.5, 0.5], [0.3, 0.7], [0.9, 0.1]])
    truth = np.array([0, 1, 0, 1])
    guesses = [
        [(p + 1e-6 * rng.random(p.shape)).argmax(axis=1) for _ in range(20_000)]
        for p in (student, teacher)
    ]
    same = np.array(guesses[0]) == np.array(guesses[1])
    wrong = np.array(guesses[1]) != truth
    measured = metrics.agreement(student, teacher, truth)
    assert measured.overall == pytest.approx(same.mean(), abs=0.01)
    assert measured.on_mistakes == pytest.approx(same[wrong].mean(), abs=0.01)
    assert measured.on_hits == pytest.approx(same[~wrong].mean(), abs=0.01)


def test_a_bounded_difference_stays_in_its_range_and_never_has_no_width():
    teacher = np.stack([np.zeros(40), np.ones(40)])  # two trainings that have nothing in common
    student = np.stack([np.ones(40), np.zeros(40)])
    free, kept = gain(teacher, student), gain(teacher, student, bounds=(0, 1))
    assert free.low < -1
    assert (kept.low, kept.high) == (-1, 1)
    assert "two trainings" in kept.note
    same = gain(np.ones(50), np.ones(50), bounds=(0, 1))
    assert same.low == pytest.approx(-(1 - 0.025 ** (1 / 50)))  # Clopper and Pearson, 0 of 50
    assert same.high == -same.low
