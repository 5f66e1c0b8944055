"""Heads on frozen features against scikit-learn, brute force and their own invariances."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge, RidgeCV
from sklearn.neighbors import KNeighborsClassifier

from w2sg.heads.head import fit_head, fit_heads


def problem(n=240, d=12, k=3, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)) * np.geomspace(1, 0.2, d) + 1.5
    labels = ((x - 1.5) @ rng.normal(size=(d, k)) + rng.gumbel(size=(n, k))).argmax(axis=1)
    return x, labels


@pytest.mark.parametrize("penalty", [1e-3, 1e-1])
@pytest.mark.parametrize(("n", "d"), [(240, 12), (40, 90)])
def test_logistic_is_scikit_learns(penalty, n, d):
    # catches a penalised intercept, a sum for a mean, or coefficients left in rotated axes
    x, y = problem(n, d)
    reference = LogisticRegression(C=1 / (n * penalty), tol=1e-12, solver="newton-cholesky")
    reference.fit(x, y)
    ours = fit_head(x, y, penalty=penalty)
    np.testing.assert_allclose(ours.predict_proba(x), reference.predict_proba(x), atol=2e-6)


def test_logistic_takes_soft_targets_as_weighted_copies():
    # catches rounding soft targets to labels: each row stands for K weighted hard rows
    x, y = problem()
    soft = fit_head(x, y, penalty=0.05).predict_proba(x)
    n, k = soft.shape
    reference = LogisticRegression(C=1 / (n * 0.02), tol=1e-12, solver="newton-cholesky")
    reference.fit(np.repeat(x, k, axis=0), np.tile(np.arange(k), n), soft.ravel())
    ours = fit_head(x, soft, penalty=0.02)
    np.testing.assert_allclose(ours.predict_proba(x), reference.predict_proba(x), atol=2e-6)


@pytest.mark.parametrize(("n", "d"), [(240, 12), (40, 90)])
def test_ridge_is_scikit_learns(n, d):
    # catches a penalty not multiplied by n, or an intercept forgotten
    x, y = problem(n, d)
    reference = Ridge(alpha=n * 0.03).fit(x, np.eye(3)[y])
    ours = fit_head(x, y, kind="ridge", penalty=0.03)
    np.testing.assert_allclose(ours.scores(x), reference.predict(x), atol=1e-10)


def test_ridge_penalty_is_the_leave_one_out_choice():
    # catches a leverage without the share 1/n of the intercept
    x, y = problem()
    ours = fit_head(x, y, kind="ridge")
    reference = RidgeCV(alphas=len(x) * ours.candidates, store_cv_results=True).fit(x, np.eye(3)[y])
    losses = reference.cv_results_.sum(axis=1).mean(axis=0)
    np.testing.assert_allclose(ours.candidate_losses, losses, rtol=1e-9)
    assert ours.penalty == pytest.approx(reference.alpha_ / len(x))


def test_neighbours_are_scikit_learns():
    # catches a distance without the norm of the pool, or rows that count themselves
    x, y = problem()
    fresh = problem(seed=1)[0]
    reference = KNeighborsClassifier(7).fit(x, y)
    ours = fit_head(x, y, kind="knn", neighbours=7)
    np.testing.assert_allclose(ours.predict_proba(fresh), reference.predict_proba(fresh))


def test_neighbours_chosen_leave_the_row_itself_out():
    # with pure-noise labels one neighbour is the worst choice; counting the row itself, the best
    rng = np.random.default_rng(3)
    head = fit_head(rng.normal(size=(300, 4)), rng.integers(0, 2, 300), kind="knn")
    assert head.neighbours > 8
    assert head.candidate_losses[0] == head.candidate_losses.max()


def test_chosen_logistic_penalty_predicts_best_on_fresh_rows():
    # catches a choice by training loss: with 120 rows of 40 features it would pick the least
    x, y = problem(4120, 40)
    fresh_x, fresh_y = x[120:], y[120:]
    x, y = x[:120], y[:120]
    chosen = fit_head(x, y, seed=5)

    def loss(penalty):
        p = fit_head(x, y, penalty=penalty).predict_proba(fresh_x)
        return -np.log(p[np.arange(len(p)), fresh_y]).mean()

    fresh = np.array([loss(p) for p in chosen.candidates])
    assert loss(chosen.penalty) < 1.1 * fresh.min()
    assert fresh[0] > 1.3 * fresh.min()


@pytest.mark.parametrize("kind", ["logistic", "ridge"])
def test_rescaled_and_shifted_features_give_the_same_head(kind):
    # catches a grid of penalties in absolute units, and a data mean that leaks into the penalty
    x, y = problem()
    a = fit_head(x, y, kind=kind)
    b = fit_head(100 * x + 7, y, kind=kind)
    assert b.penalty == pytest.approx(1e4 * a.penalty)
    np.testing.assert_allclose(a.predict_proba(x), b.predict_proba(100 * x + 7), atol=1e-6)


@pytest.mark.parametrize("kind", ["logistic", "ridge"])
def test_row_weights_of_zero_and_one_are_subsets(kind):
    # catches statistics (means, decomposition) taken from rows that a seed does not train on
    x, y = problem()
    rng = np.random.default_rng(0)
    masks = rng.random((3, len(x))) < 0.5
    penalties = [0.01, 0.3]
    together = fit_heads(x, y, kind=kind, penalties=penalties, row_weights=masks)
    for s, mask in enumerate(masks):
        for p, penalty in enumerate(penalties):
            alone = fit_head(x[mask], y[mask], kind=kind, penalty=penalty)
            np.testing.assert_allclose(
                together.head(s, p).predict_proba(x), alone.predict_proba(x), atol=1e-6
            )


def test_ridge_probabilities_are_the_nearest_point_of_the_simplex():
    # catches clip-and-renormalise, which is not the nearest point; truth by search over a grid
    x, y = problem(60, 4)
    head = fit_head(x, y, kind="ridge", penalty=1e-6)
    far = 4 * x
    p = head.predict_proba(far)
    np.testing.assert_allclose(p.sum(axis=1), 1.0)
    grid = np.array([(i, j, 100 - i - j) for i in range(101) for j in range(101 - i)]) / 100
    best = ((head.scores(far)[:, None, :] - grid) ** 2).sum(axis=2).min(axis=1)
    ours = ((head.scores(far) - p) ** 2).sum(axis=1)
    assert (p == 0).any()
    assert (ours <= best + 1e-12).all()


def test_a_class_without_examples_keeps_its_column():
    # catches K taken from the labels seen: the student of a lopsided teacher would lose a class
    x, y = problem(k=2)
    for kind in ("logistic", "ridge", "knn"):
        p = fit_head(x, y, kind=kind, n_classes=3).predict_proba(x)
        assert p.shape == (len(x), 3)
        assert p[:, 2].max() < 1e-3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "svm"}, "kind must be"),
        ({"penalty": 0.0}, "penalties must be above 0"),
        ({"penalty": -1.0, "kind": "ridge"}, "penalties must be at least 0"),
        ({"kind": "knn", "penalty": 1.0}, "penalty must be None for knn"),
        ({"neighbours": 3}, "neighbours must be None for logistic"),
        ({"kind": "knn", "neighbours": 500}, "neighbours must be between 1 and 240"),
        ({"targets": np.zeros(240, dtype=int)}, "at least 2 classes"),
        ({"targets": np.full(240, 0.5)}, "class numbers"),
        ({"targets": np.full((240, 2), 0.9)}, "sum to 1"),
        ({"targets": np.zeros(12, dtype=int)}, "targets must have shape"),
        ({"features": np.full((240, 3), np.nan)}, "features must be finite"),
        ({"features": np.ones((240, 3))}, "features are constant"),
        ({"n_classes": 2}, "n_classes = 2"),
    ],
)
def test_bad_input_is_refused_by_name(change, message):
    x, y = problem()
    arguments = {"features": x, "targets": y, **change}
    with pytest.raises(ValueError, match=message):
        fit_head(arguments.pop("features"), arguments.pop("targets"), **arguments)


def test_features_of_another_width_are_refused():
    x, y = problem()
    with pytest.raises(ValueError, match="12 columns of the fit"):
        fit_head(x, y, penalty=0.1).predict_proba(x[:, :5])
