"""One ridge solver behind every door: each agrees with the others, and with refits."""

import numpy as np
import pytest

from w2sg.diagnostics import ridge_smoother
from w2sg.heads.head import fit_head, fit_heads
from w2sg.heads.probes import RidgeProbe
from w2sg.heads.ridge import GRID, RidgePath, decompose, decompose_by_gram
from w2sg.theory.weighted_ridge.fits import fit_ridge

SHAPES = pytest.mark.parametrize(("n", "d"), [(60, 9), (25, 40)])


def problem(n, d, k=3, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)) * np.geomspace(1, 0.1, d) + 2
    return x, rng.dirichlet(np.ones(k), size=n)


@SHAPES
def test_every_door_gives_one_fit(n, d):
    # catches a penalty beside the sum in one place and beside the mean in another
    x, t = problem(n, d)
    path = RidgePath(x)
    for head in path.path(t)[::4]:
        one = fit_heads(x, t, kind="ridge", penalties=[head.penalty]).head(0, 0)
        probe = RidgeProbe(ridge=n * head.penalty, intercept=True).fit(x, t)
        theory = fit_ridge(x - x.mean(axis=0), t - t.mean(axis=0), head.penalty)
        smoother = ridge_smoother(ridge=n * head.penalty, intercept=True)
        for weights in (one.weights, probe.weights, theory):
            np.testing.assert_allclose(weights, head.weights, atol=1e-10)
        np.testing.assert_allclose(one.intercepts, head.intercept, atol=1e-10)
        np.testing.assert_allclose(probe.intercept, head.intercept, atol=1e-10)
        np.testing.assert_allclose(smoother(x, x[:4]) @ t, head.scores(x[:4]), atol=1e-10)


@SHAPES
def test_left_out_scores_are_those_of_refits(n, d):
    # catches a leverage without the intercept's share 1/n, and a penalty that forgets that n fell
    x, t = problem(n, d)
    path = RidgePath(x)
    head = path.fit(t)
    for i in (0, n // 2, n - 1):
        rest = np.arange(n) != i
        # the sum of squares keeps its penalty: λ stands beside the mean over n rows
        refit = RidgeProbe(ridge=n * head.penalty, intercept=True).fit(x[rest], t[rest])
        np.testing.assert_allclose(head.left_out[i], refit.predict(x[[i]])[0], atol=1e-8)


def test_both_choices_of_a_penalty_are_one():
    # catches two grids or two leave-one-outs growing apart again
    x, t = problem(60, 9)
    chosen, path = fit_head(x, t, kind="ridge"), RidgePath(x)
    np.testing.assert_allclose(chosen.candidates, path.penalties, rtol=1e-12)
    np.testing.assert_allclose(chosen.candidates, GRID * x.var(axis=0).mean(), rtol=1e-12)
    losses = [np.square(missed).sum(axis=1).mean() for missed in path.left_out_errors(t)]
    np.testing.assert_allclose(chosen.candidate_losses, losses, rtol=1e-10)
    assert chosen.penalty == pytest.approx(path.fit(t).penalty, rel=1e-12)


@SHAPES
def test_decompositions_give_back_the_rows(n, d):
    # catches axes in another order than the left vectors
    x = problem(n, d)[0]
    for left, axes in (decompose(x), decompose_by_gram(x)):
        np.testing.assert_allclose(left * np.sqrt(axes.squares) @ axes.right.T, x, atol=1e-9)
        assert (np.diff(axes.squares) <= 0).all()


def test_what_a_gram_matrix_cannot_see_is_left_out():
    # catches rounding of the Gram matrix taken for a direction, which a small penalty would blow up
    x = problem(50, 6)[0]
    x = np.column_stack([x, x[:, 0] + 1e-7 * np.random.default_rng(1).normal(size=50)])
    assert len(decompose(x)[1].squares) == 7
    assert len(decompose_by_gram(x)[1].squares) == 6


def test_constant_rows_have_no_direction():
    # catches 0/0 where every feature is constant
    head = RidgePath(np.ones((5, 3))).fit(np.eye(2)[[0, 1, 1, 1, 1]])
    np.testing.assert_allclose(head.scores(np.zeros((1, 3))), [[0.2, 0.8]])
