"""Definitions and refusals of the metrics that no other library checks."""

import numpy as np
import pytest

from w2sg import metrics

P = np.array([[0.9, 0.1], [0.6, 0.4], [0.3, 0.7], [0.2, 0.8]])


def test_items_have_the_metric_as_mean():
    """Catches a per-item form of another quantity than the number that is printed."""
    y = [0, 1, 0, 1]
    for name in ("accuracy", "nll", "brier", "auroc"):
        items = getattr(metrics, f"{name}_items")(P, y)
        assert items.shape == (4,)
        assert items.mean() == pytest.approx(getattr(metrics, name)(P, y))


def test_equal_mass_bins():
    """Catches bins by value: confidences .6 .7 | .8 .9, accuracies ½ and 1."""
    y = [0, 1, 1, 1]
    error = metrics.calibration_error(P, y, n_bins=2, binning="mass")
    # confidences .9 (right), .6 (wrong), .7 (right), .8 (right)
    assert error == pytest.approx(0.5 * abs(1 / 2 - 0.65) + 0.5 * abs(1 - 0.85))


def test_confidence_of_one_falls_into_the_last_bin():
    """Catches an index past the end for confidence exactly 1 and below the start for 0."""
    assert metrics.calibration_error([[1.0, 0.0]], [0], n_bins=4) == 0
    assert metrics.calibration_error([[1.0]], [0], n_bins=1) == 0


def test_agreement_on_mistakes_is_not_overall():
    """Catches the student's mistakes in place of the teacher's."""
    teacher = P
    student = P[[0, 2, 2, 0]]
    result = metrics.agreement(student, teacher, [0, 1, 1, 0])
    assert (result.overall, result.on_mistakes, result.on_hits) == (0.5, 0.0, 1.0)
    perfect = metrics.agreement(student, teacher, [0, 0, 1, 1])
    assert perfect.on_mistakes is None
    assert perfect.n_mistakes == 0


@pytest.mark.parametrize(
    ("probabilities", "labels", "words"),
    [
        ([[2.0, -1.0]], [0], "probabilities must be at least 0"),
        ([[0.5, 0.4]], [0], "rows that sum to 1, row 0 sums to 0.9"),
        ([[0.5, np.nan]], [0], "probabilities must be finite"),
        ([[0.5, 0.5]], [2], "labels must be whole numbers 0 … 1, got 2 at index 0"),
        ([[0.5, 0.5]], [0.5], "labels must be whole numbers"),
        ([[0.5, 0.5]], [0, 1], "one entry per row"),
        ([0.5, 0.5], [0, 1], "must have 2 axes"),
        (np.empty((0, 2)), [], "at least one row"),
    ],
)
def test_refusals_name_the_argument(probabilities, labels, words):
    """Catches silent numbers from logits, NaN, shifted labels or misaligned arrays."""
    with pytest.raises(ValueError, match=words):
        metrics.nll(probabilities, labels)


def test_auroc_of_one_class_is_refused():
    """Catches a 0, ½ or NaN in place of an undefined area."""
    with pytest.raises(ValueError, match="no item is of class 1"):
        metrics.auroc(P, [0, 0, 0, 0])


def test_unknown_binning_and_no_bins():
    """Catches a silent default for a misspelt option."""
    with pytest.raises(ValueError, match="binning must be 'width' or 'mass'"):
        metrics.calibration_error(P, [0, 0, 1, 1], binning="mas")
    with pytest.raises(ValueError, match="n_bins must be at least 1"):
        metrics.calibration_error(P, [0, 0, 1, 1], n_bins=0)
