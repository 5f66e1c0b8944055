"""Chains against two-stage risks, and the deterministic equivalents against what they must be."""

from itertools import product

import numpy as np
import pytest
from scipy.optimize import brentq

from w2sg.theory.discrepancy import (
    LatentModel,
    chain_risks,
    optimal_surrogate,
    ridge_equivalent,
    risk_summary,
)


def random_model(d_w, d_s, seed=0):
    rng = np.random.default_rng(seed)
    C = rng.standard_normal((d_s, d_w))
    C /= 1.2 * np.linalg.norm(C, 2)
    return LatentModel(C, rng.standard_normal(d_s), rng.standard_normal(d_w), 0.5)


def targets_of(model):
    return ((model.a_w, model.rho_w), (model.a_s, model.rho_s))


@pytest.mark.parametrize(("n", "N"), [(30, 40), (5, 40), (30, 4), (5, 4)])
def test_a_chain_of_two_is_teacher_and_student(n, N):
    # two implementations: matrices here, ten scalars there
    model = random_model(12, 8)
    teacher, student = chain_risks([model.C], targets_of(model), [n, N], 0.7)
    summary = risk_summary(model, n, N, 0.7)
    assert teacher == pytest.approx(summary.teacher_risk, rel=1e-12)
    assert student == pytest.approx(summary.student_risk, rel=1e-12)


def test_chains_broadcast_sizes_and_noise():
    first, second = random_model(6, 9, 1).C, random_model(9, 7, 2).C
    targets = [(np.ones(6), 0.1), (np.ones(9), 0.2), (np.ones(7), 0.0)]
    sizes = [np.arange(10, 14)[:, None], 30, np.array([3, 12, 40])]
    risks = chain_risks([first, second], targets, sizes, 0.5)
    assert risks.shape == (3, 4, 3)
    one = chain_risks([first, second], targets, [12, 30, 40], 0.5)
    np.testing.assert_allclose(risks[:, 2, 2], one, rtol=1e-13)


def test_an_infinite_stage_spoils_the_rest_of_a_chain():
    # catches inf · 0 = nan in the matrices
    targets = [(np.ones(4), 0.0)] * 3
    risks = chain_risks([0.5 * np.eye(4)] * 2, targets, [20, 5, 20])
    assert np.isfinite(risks[0])
    assert risks[1] == risks[2] == np.inf
    # a student of the same space has no noise to be infinite about
    assert np.isfinite(chain_risks([np.eye(4)] * 2, targets, [20, 5, 20])).all()


def test_longer_chains_through_a_larger_student_lose_nothing():
    # nested spaces hand everything on, noise included
    C = np.eye(9, 6)
    risks = chain_risks(
        [C, np.eye(9)], [(np.ones(6), 0.0)] + [(np.r_[np.ones(6), np.zeros(3)], 0.0)] * 2,
        [20, 30, 30],
    )  # fmt: skip
    np.testing.assert_allclose(risks, risks[0], rtol=1e-12)


def test_equivalent_without_ridge_approaches_the_exact_risks():
    # isotropic, both sides of each threshold; the error must shrink like 1/dimension
    errors = []
    for scale in (1, 4):
        d_w, d_s = 40 * scale, 60 * scale
        rng = np.random.default_rng(0)
        cosines = np.sqrt(rng.uniform(0, 1, d_w))
        C = np.zeros((d_s, d_w))
        C[:d_w, :] = np.diag(cosines)
        model = LatentModel(C, np.ones(d_s) / d_s**0.5, np.ones(d_w) / d_w**0.5, 0.3)
        worst = 0.0
        for n, N in product((20 * scale, 90 * scale), (30 * scale, 120 * scale)):
            exact = risk_summary(model, n, N, 0.5)
            close = ridge_equivalent(
                (np.ones(d_w), np.ones(d_s)), C, targets_of(model), n, N, sigma2=0.5
            )
            for name in ("teacher_risk", "student_risk", "bias", "variance", "signal_as_noise"):
                worst = max(worst, abs(getattr(close, name) / getattr(exact, name) - 1))
        errors.append(worst)
    assert errors[0] < 0.08
    assert errors[1] < errors[0] / 3


def test_effective_ridge_solves_its_equation():
    # by an independent root finder, through the shrinkage of the mean: bias with C = 0, a_w = a
    lam, m, ridge = np.arange(1.0, 31.0) ** -1, 12.0, 0.7
    k = brentq(lambda k: m - (lam / (lam + k)).sum() - ridge / k, 1e-9, 1e3, xtol=1e-14)
    keep = lam / (lam + k)
    a = np.ones(30)
    nu = (0.4 + ((1 - keep) ** 2).sum()) / (1 - (keep**2).sum() / m)
    teacher = ((1 - keep) ** 2).sum() + (keep**2).sum() * nu / m
    got = ridge_equivalent(
        (lam, [1.0]), np.zeros((1, 30)), ((a, 0.0), ([0.0], 30.0)), m, 50, (ridge, 0.0), 0.4
    )
    assert got.teacher_risk == pytest.approx(teacher, rel=1e-10)


def test_equivalent_is_infinite_only_at_a_ridgeless_threshold():
    model = random_model(12, 8)
    spectra = (np.ones(12), np.ones(8))
    at = ridge_equivalent(spectra, model.C, targets_of(model), [12, 30], [[8], [30]])
    assert at.teacher_risk[:, 0].tolist() == [np.inf, np.inf]
    assert at.student_risk[0].tolist() == [np.inf, np.inf]
    assert at.student_risk[1, 0] == np.inf
    assert np.isfinite(at.student_risk[1, 1])
    tamed = ridge_equivalent(spectra, model.C, targets_of(model), 12, 8, (0.1, 0.1))
    assert np.isfinite(tamed.student_risk)


def test_equivalent_ignores_directions_that_features_do_not_have():
    # an eigenvalue of zero is a direction the model cannot see: d falls by one, ρ rises
    model = random_model(12, 8)
    blind = np.r_[np.ones(11), 0.0]
    a = model.a_w
    got = ridge_equivalent(
        (blind, np.ones(8)), model.C, targets_of(model), 40, 30, sigma2=0.5
    ).teacher_risk
    cut = ridge_equivalent(
        (np.ones(11), np.ones(8)), model.C[:, :11],
        ((a[:11], model.rho_w + a[11] ** 2), targets_of(model)[1]), 40, 30, sigma2=0.5,
    ).teacher_risk  # fmt: skip
    assert got == pytest.approx(cut, rel=1e-12)


def test_ridges_and_sizes_broadcast():
    model = random_model(12, 8)
    spectra = (np.arange(1.0, 13) ** -1, np.arange(1.0, 9) ** -0.5)
    ridges = (np.array([0.1, 1.0, 10.0]), 0.5)
    many = ridge_equivalent(spectra, model.C, targets_of(model), [[20], [40]], 30, ridges, 0.5)
    assert many.student_risk.shape == (2, 3)
    one = ridge_equivalent(spectra, model.C, targets_of(model), 40, 30, (1.0, 0.5), 0.5)
    assert many.student_risk[1, 1] == pytest.approx(one.student_risk, rel=1e-12)
    assert many.pgr[1, 1] == pytest.approx(one.pgr, rel=1e-9)


LAM = np.r_[np.ones(10), np.full(20, 0.2), np.full(80, 0.01)]
TRUTH = np.r_[np.ones(10), np.full(20, 0.4), np.full(80, 0.05)]


def surrogate_cost(weights, n):
    """Risk by another road: a student of `ridge_equivalent` with a noiseless perfect teacher."""
    d = LAM.size
    return ridge_equivalent(
        (np.ones(d), LAM), np.eye(d), ((weights, 0.0), (TRUTH, 0.0)), 10 * d, n, sigma2=0.0
    ).student_risk


@pytest.mark.parametrize("n", [20, 50, 90])
def test_optimal_surrogate_is_a_minimum(n):
    best = optimal_surrogate(LAM, TRUTH, n)
    assert best.optimal_risk == pytest.approx(surrogate_cost(best.weights, n), rel=1e-9)
    assert best.plain_risk == pytest.approx(surrogate_cost(TRUTH, n), rel=1e-9)
    rng = np.random.default_rng(n)
    for _ in range(20):
        moved = best.weights + 0.05 * rng.standard_normal(LAM.size)
        assert surrogate_cost(moved, n) > best.optimal_risk


@pytest.mark.parametrize("n", [20, 50, 90])
def test_mask_is_the_best_of_all_level_masks(n):
    # three groups of equal eigenvalues: eight masks, tried one by one
    best = optimal_surrogate(LAM, TRUTH, n)
    groups = np.repeat([0, 1, 2], [10, 20, 80])
    costs = {
        kept: surrogate_cost(np.array(kept)[groups] * TRUTH, n)
        for kept in product((0.0, 1.0), repeat=3)
    }
    assert best.masked_risk == pytest.approx(min(costs.values()), rel=1e-9)


def test_surrogate_broadcasts_over_sizes():
    many = optimal_surrogate(LAM, TRUTH, [20, 50, 90])
    assert many.weights.shape == many.mask.shape == (3, 110)
    one = optimal_surrogate(LAM, TRUTH, 50)
    np.testing.assert_allclose(many.weights[1], one.weights, rtol=1e-12)
    assert many.optimal_risk[1] == pytest.approx(one.optimal_risk, rel=1e-12)


def test_accuracy_of_the_equivalent_is_what_its_docstring_says():
    # The row of 100 and 50 dimensions, on other random models than those it was measured on.
    # Catches a promise like "1 to 3 %" that holds only far from interpolation.
    rng, errors = np.random.default_rng(5), {True: [], False: []}
    for _ in range(240):
        C = np.zeros((50, 100))
        C[range(50), range(50)] = rng.uniform(size=50) * rng.integers(2, size=50)
        scale = rng.choice([0.1, 0.3])
        model = LatentModel(
            C, scale * rng.normal(size=50), 0.1 * rng.normal(size=100), rng.uniform()
        )
        ratios = np.exp(rng.uniform(np.log(0.3), np.log(10), size=2))
        n, N = int(100 * ratios[0]), int(50 * ratios[1])
        if min(abs(n - 100), abs(N - 50), abs(n - 50), abs(n + N - 50)) < 3:
            continue
        spectra = (np.ones(100), np.ones(50))
        close = ridge_equivalent(spectra, C, targets_of(model), n, N, sigma2=0.5).student_risk
        error = abs(close / risk_summary(model, n, N, 0.5).student_risk - 1)
        errors[bool((abs(np.log(ratios)) > np.log(1.3)).all())].append(error)
    far, near = errors[True], errors[False]
    assert np.median(far) < 0.02
    assert np.quantile(far, 0.9) < 0.06
    assert 0.05 < np.median(near) < 0.15
