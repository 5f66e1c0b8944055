"""Synthetic problems: the Bayes rule is right, simulated teachers have their accuracy."""

import numpy as np
import pytest

from w2sg.data.examples import Labelled
from w2sg.data.synthetic import (
    bayes_probabilities,
    simulated_teacher,
    word_frequencies,
    word_table,
)


def test_the_bayes_posterior_is_calibrated():
    """Sampling against the closed form: a wrong likelihood or a lost word breaks calibration."""
    settings = {"n_classes": 3, "n_words": 30, "contrast": 0.5}
    table = word_table(6000, words_per_text=6, **settings, seed=1)
    posterior = bayes_probabilities(table.frame["text"], word_frequencies(**settings, seed=1))
    labels = table.frame["label"].to_numpy()
    hits = posterior.argmax(axis=1) == labels
    expected = posterior.max(axis=1)
    standard_error = np.sqrt((expected * (1 - expected)).sum()) / len(labels)
    assert standard_error < 0.01
    assert 0.5 < expected.mean() < 0.9  # neither trivial nor hopeless
    assert abs(hits.mean() - expected.mean()) < 4 * standard_error


def test_no_contrast_leaves_nothing_to_learn():
    frequencies = word_frequencies(n_classes=2, n_words=20, contrast=0.0, seed=0)
    assert np.allclose(frequencies, 1 / 20)


def truth(n, n_classes):
    rng = np.random.default_rng(3)
    ids = tuple(str(i) for i in range(n))
    names = tuple(str(c) for c in range(n_classes))
    return Labelled(ids, ids, rng.integers(n_classes, size=n), names)


def test_teacher_has_exactly_its_accuracy_and_spreads_its_errors():
    """An error drawn among all classes (the true one too) gives accuracy a + (1 - a)/K."""
    rows = truth(4000, 4)
    given = simulated_teacher(rows, accuracy=0.7, confidence=0.8)
    top = given.argmax(axis=1)
    assert (top == rows.labels).sum() == 2800
    assert np.allclose(given.sum(axis=1), 1)
    assert np.allclose(given.max(axis=1), 0.8)
    distance = (top - rows.labels)[top != rows.labels] % 4
    counts = np.bincount(distance, minlength=4)[1:]
    assert abs(counts - 400).max() < 4 * np.sqrt(1200 * (1 / 3) * (2 / 3))


def test_teacher_is_drawn_from_its_seed():
    rows = truth(50, 2)
    first, again, other = (simulated_teacher(rows, accuracy=0.8, seed=s) for s in (0, 0, 1))
    assert (first == again).all()
    assert (first != other).any()


@pytest.mark.parametrize("bad", [{"accuracy": 1.2}, {"accuracy": 0.7, "confidence": 0.5}])
def test_impossible_teachers_are_refused(bad):
    with pytest.raises(ValueError, match=list(bad)[-1]):
        simulated_teacher(truth(10, 2), **bad)
