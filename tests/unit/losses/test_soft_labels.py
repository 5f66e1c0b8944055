"""Transforms of soft labels: what they keep, what they change, what they refuse."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from w2sg import soft_labels as labels

RNG = np.random.default_rng(0)
ROWS = RNG.dirichlet([0.5, 1.0, 2.0], size=40)


def test_shrink_is_linear_towards_uniform_and_chooses_a_share():
    # Catches a shrink towards 0, towards 1/2 for K classes, and an unseeded subset.
    np.testing.assert_allclose(labels.shrink(ROWS, 0.3), 0.3 * ROWS + 0.7 / 3)
    part = labels.shrink(ROWS, 0.0, 0.25, seed=1)
    touched = np.isclose(part, 1 / 3).all(1)
    assert touched.sum() == 10
    np.testing.assert_array_equal(part[~touched], ROWS[~touched])
    np.testing.assert_array_equal(part, labels.shrink(ROWS, 0.0, 0.25, seed=1))
    assert not np.array_equal(part, labels.shrink(ROWS, 0.0, 0.25, seed=2))
    np.testing.assert_allclose(labels.smooth(ROWS, 0.1), labels.shrink(ROWS, 0.9))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0.05, 20))
@settings(max_examples=60)
def test_one_number_means_two_columns(values, heat):
    # Catches a binary form that differs from K = 2, and a temperature that is not reversible.
    q = np.array(values)
    rows = np.stack([1 - q, q], 1)
    np.testing.assert_allclose(labels.temperature(q, heat), labels.temperature(rows, heat)[:, 1])
    np.testing.assert_allclose(labels.harden(q), labels.harden(rows)[:, 1])
    np.testing.assert_allclose(labels.flip(q, 1.0, seed=3), labels.flip(rows, 1.0, seed=3)[:, 1])
    np.testing.assert_allclose(labels.shrink(q, 0.2), labels.shrink(rows, 0.2)[:, 1])


def test_temperature_is_a_rescaled_logit():
    # Catches T used as 1/T.
    q = np.array([0.1, 0.6, 0.95])
    logit = np.log(q / (1 - q))
    np.testing.assert_allclose(labels.temperature(q, 4.0), 1 / (1 + np.exp(-logit / 4)))


def test_flip_changes_the_answer_of_exactly_its_share():
    # Catches a flip that may leave the class as it was.
    flipped = labels.flip(ROWS, 0.5, seed=0)
    assert (flipped.argmax(1) != ROWS.argmax(1)).sum() == 20
    np.testing.assert_allclose(np.sort(flipped, 1), np.sort(ROWS, 1))


def test_ensembles_average_in_their_own_coordinates():
    # Catches dual and primal exchanged, and a geometric mean without normalisation.
    teachers = RNG.dirichlet([1.0, 1.0, 1.0], size=(4, 10))
    weights = np.array([1.0, 2.0, 0.0, 1.0])
    primal = labels.ensemble(teachers, weights, how="primal")
    np.testing.assert_allclose(primal, np.average(teachers, axis=0, weights=weights))
    dual = labels.ensemble(teachers, weights, how="dual")
    geometric = np.prod(teachers ** (weights / 4)[:, None, None], axis=0)
    np.testing.assert_allclose(dual, geometric / geometric.sum(1, keepdims=True))
    binary = labels.ensemble(teachers[:, :, 0])
    logit = np.log(teachers[:, :, 0] / (1 - teachers[:, :, 0])).mean(0)
    np.testing.assert_allclose(binary, 1 / (1 + np.exp(-logit)))


def test_dual_ensemble_of_hard_labels():
    # Catches NaN from 0/0 where hard teachers contradict each other, and -inf · 0.
    agree = labels.ensemble([[1.0, 0.3], [1.0, 0.3]], how="dual")
    np.testing.assert_allclose(agree, [1.0, 0.3])
    with pytest.raises(ValueError, match="row 1 between them"):
        labels.ensemble([[0.5, 1.0], [0.5, 0.0]], how="dual")
    np.testing.assert_allclose(labels.ensemble([[1.0], [0.0]], [1.0, 0.0]), [1.0])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: labels.shrink([0.2, 1.2], 0.5), "labels must be at most 1, got 1.2 at index 1"),
        (lambda: labels.shrink([[0.2, 0.2]], 0.5), "sum to 1, got 0.4 at row 0"),
        (lambda: labels.shrink([0.2], 2), "alpha must be at most 1"),
        (lambda: labels.shrink([0.2], 0.5, 0.5), "seed is needed"),
        (lambda: labels.temperature([0.2], 0), "value must be above 0"),
        (lambda: labels.ensemble([[0.2]], how="mean"), "'primal' or 'dual', got 'mean'"),
        (lambda: labels.ensemble([0.2]), "got shape"),
        (lambda: labels.ensemble([[0.2]], [1, 1]), "weights must be 1 numbers"),
        (lambda: labels.harden([np.nan]), "labels must be finite, got nan at index 0"),
    ],
)
def test_bad_labels_are_refused(call, words):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 the text is compared below
        call()
    assert words in str(caught.value)
