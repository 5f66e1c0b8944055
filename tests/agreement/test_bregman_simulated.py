"""Bregman theory against sampling: exact sums over quadrature nodes against random draws."""

import numpy as np
import pytest
from scipy.special import expit

from w2sg.theory import bregman
from w2sg.theory.simulate import bregman as simulate

CENTRES = np.array([-1.0, 0.5, 2.0])
TARGET = np.array([0.3, 0.6, 0.8])


def logistic_normal(nodes):
    """Teachers with Gaussian logits around CENTRES; students that know half of the deviation."""
    teacher = expit(CENTRES + 1.2 * nodes[:, None])
    student = expit(0.9 * CENTRES + 0.5 * nodes[:, None])
    return teacher, student


@pytest.mark.parametrize(("order", "one_hot"), [("left", False), ("left", True), ("right", False)])
def test_ledger_of_a_law_agrees_with_draws_from_it(order, one_hot):
    # Catches weights ignored or applied twice, the misfit in the wrong order; one-hot labels must
    # leave the label-left gap unbiased.
    x, w = np.polynomial.hermite_e.hermegauss(60)
    teacher, student = (np.stack([1 - f, f], -1) for f in logistic_normal(x))
    target = np.stack([1 - TARGET, TARGET], -1)
    gen = bregman.negentropy
    exact = bregman.risk_gap(gen, target, teacher, student, order, weights=w)

    def draw(rng):
        pair = logistic_normal(rng.standard_normal(1))
        return tuple(np.stack([1 - f[0], f[0]], -1) for f in pair)

    n = 4000
    # A twin writes the misfit student-first, which is the label-left misfit.
    found = simulate.risk_gap(gen, target, draw, order, n_draws=n, seed=0, one_hot_labels=one_hot)
    for name in ("gap",) if one_hot else ("gap", "teacher_risk", "student_risk"):
        value, got = getattr(exact, name), getattr(found, name)
        assert got.standard_error < 0.02
        assert abs(got.mean - value) < 4 * got.standard_error
    if order == "left":
        assert found.misfit.standard_error < 0.01
        assert abs(found.misfit.mean - exact.misfit) < 4 * found.misfit.standard_error
        slack = 4 * (found.gap.standard_error + found.misfit.standard_error)
        assert abs(found.gap.mean - found.misfit.mean - exact.residual) < slack


@pytest.mark.parametrize(
    ("gen", "positive"),
    [
        (bregman.negentropy, "simplex"),
        (bregman.generalised_kl, "positive"),
        (bregman.itakura_saito, "positive"),
        (bregman.mahalanobis(np.diag([1.0, 2.0, 3.0])), "real"),
    ],
)
def test_dual_mean_is_the_numerical_minimiser(gen, positive):
    # Another road to the dual mean: descent on the average divergence, no gradient formula of it.
    rng = np.random.default_rng(3)
    draws = (
        rng.dirichlet(np.ones(3), size=5) if positive == "simplex" else rng.gamma(3.0, size=(5, 3))
    )
    weights = np.array([1.0, 2.0, 3.0, 1.0, 1.0])
    np.testing.assert_allclose(
        bregman.dual_mean(gen, draws, weights), simulate.dual_mean(gen, draws, weights), atol=1e-5
    )


def test_bias_and_variance_of_squared_loss_in_closed_form():
    # F ~ N(m, s²) on one item: bias (y − m)², variance s², unbiased after the correction.
    rng = np.random.default_rng(1)
    y, m, s, k, n = 1.0, 0.2, 0.7, 5, 3000
    found = [
        bregman.bias_variance(
            bregman.squared, [[y]], rng.normal(m, s, size=(k, 1, 1)), correct_finite_k=True
        )
        for _ in range(n)
    ]
    for name, value in (("bias", (y - m) ** 2), ("variance", s**2)):
        draws = np.array([getattr(one, name) for one in found])
        error = draws.std(ddof=1) / n**0.5
        assert error < 0.05 * value
        assert abs(draws.mean() - value) < 4 * error
