"""Our metrics against scikit-learn's and SciPy's, on data with ties."""

from itertools import permutations

import numpy as np
import pytest
from sklearn import metrics as reference
from sklearn.calibration import calibration_curve

from w2sg import metrics


def tied_probabilities(n_classes, n=400, seed=0):
    """Rounded to one decimal of an unnormalised score, so that most scores are shared."""
    rng = np.random.default_rng(seed)
    raw = np.round(rng.gamma(1.0, size=(n, n_classes)), 1) + 0.1
    p = raw / raw.sum(axis=1, keepdims=True)
    labels = np.array([rng.choice(n_classes, p=row) for row in p])
    return p, labels


@pytest.mark.parametrize("n_classes", [2, 4])
def test_auroc_with_ties(n_classes):
    """Catches ranks without ties (0.5 for equal scores) and one-vs-one in place of one-vs-rest."""
    p, y = tied_probabilities(n_classes)
    if n_classes == 2:
        ones = np.round(p[:, 1], 1)
        p = np.stack([1 - ones, ones], axis=1)
        expected = reference.roc_auc_score(y, p[:, 1])
    else:
        expected = reference.roc_auc_score(y, p, multi_class="ovr")
    assert metrics.auroc(p, y) == pytest.approx(expected, abs=1e-12)


def test_auroc_of_constant_scores_is_a_half():
    """Catches row-order dependence: a constant score must give ½ in any order of the labels."""
    p = np.full((6, 2), 0.5)
    for y in ([0, 0, 0, 1, 1, 1], [1, 1, 1, 0, 0, 0]):
        assert metrics.auroc(p, y) == 0.5


@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_accuracy_nll_brier(n_classes):
    """Catches a Brier score of one class only, a natural/base-2 mix-up, a wrong argmax axis."""
    p, y = tied_probabilities(n_classes, seed=1)
    everything = list(range(n_classes))
    ties = np.isclose(p, p.max(axis=1, keepdims=True), atol=1e-12, rtol=0)
    orders = [np.where(ties, rank, -1).argmax(axis=1) for rank in permutations(range(n_classes))]
    # every order of the classes breaks ties in its own way; a guess is their mean
    guessed = np.mean([reference.accuracy_score(y, answer) for answer in orders])
    assert metrics.accuracy(p, y) == pytest.approx(guessed)
    assert metrics.nll(p, y) == pytest.approx(reference.log_loss(y, p, labels=everything))
    expected = reference.brier_score_loss(y, p, labels=everything, scale_by_half=False)
    assert metrics.brier(p, y) == pytest.approx(expected)


def test_nll_of_a_certain_mistake_is_that_of_sklearn():
    """Catches an infinite or unclipped loss at probability zero."""
    p, y = np.array([[1.0, 0.0], [0.3, 0.7]]), np.array([1, 1])
    assert metrics.nll(p, y) == pytest.approx(reference.log_loss(y, p, labels=[0, 1]), rel=1e-9)


@pytest.mark.parametrize("targets", [(200,), (200, 3)])
def test_squared_error(targets):
    """Catches a mean over outputs where the definition sums them."""
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(2, *targets))
    n_outputs = 1 if len(targets) == 1 else targets[1]
    expected = n_outputs * reference.mean_squared_error(b, a)
    assert metrics.squared_error(a, b) == pytest.approx(expected)


def test_calibration_error_from_the_reliability_curve():
    """Catches wrong weights of bins and bins over [0, 1] shifted by one.

    Scikit-learn's curve gives accuracy and confidence of each filled bin; the error is their
    distance weighted by a count that is made here by a third road, ``numpy.histogram``.
    """
    rng = np.random.default_rng(3)
    confidence = rng.uniform(0.5, 1, 1000)
    p = np.stack([1 - confidence, confidence], axis=1)
    y = (rng.random(1000) < confidence**2).astype(int)
    share, mean = calibration_curve(y, confidence, n_bins=10)
    count, _ = np.histogram(confidence, bins=np.linspace(0, 1, 11))
    expected = (np.abs(share - mean) * count[count > 0]).sum() / 1000
    assert metrics.calibration_error(p, y, n_bins=10) == pytest.approx(expected)


def test_spread_of_auroc_items_is_the_sampling_error():
    """Catches wrong weights of positives and negatives in the per-item form.

    The standard error from one test set of 300 must be the standard deviation over 3,000 fresh
    test sets (known to 1.3 %).
    """
    rng = np.random.default_rng(4)
    areas, errors = [], []
    for _ in range(3000):
        y = (rng.random(300) < 0.2).astype(int)
        score = 1 / (1 + np.exp(-rng.normal(y * 1.0)))
        items = metrics.auroc_items(np.stack([1 - score, score], axis=1), y)
        areas.append(items.mean())
        errors.append(items.std(ddof=1) / 300**0.5)
    assert np.mean(errors) == pytest.approx(np.std(areas), rel=0.05)
