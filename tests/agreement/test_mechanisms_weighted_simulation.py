"""Weighted ridge against fits on correlated inputs; real estimators against scikit-learn."""

import numpy as np
import pytest
from mechanism_problems import random_problem
from sklearn.covariance import ledoit_wolf
from sklearn.linear_model import Ridge

from w2sg.theory import weighted_ridge as weighted
from w2sg.theory.simulate import weighted_ridge as simulate

FINITE_SIZE = 0.0075

# lam_t, n_t, lam_s, n_s, sigma2, tau2, inputs, prior?, centre?
SETTINGS = [
    (0.1, 300, 0.2, 300, 1.0, 0.0, "fresh", False, False),
    (0.05, 150, 0.5, 300, 1.0, 0.0, "fresh", False, False),
    (0.3, 100, 0.1, 100, 0.5, 0.5, "fresh", True, False),
    (0.02, 400, 0.3, 80, 2.0, 0.0, "fresh", True, False),
    (0.5, 80, 1.0, 200, 0.2, 0.0, "fresh", False, True),
    (0.2, 250, 0.1, 120, 1.0, 0.3, "fresh", True, True),
    (0.1, 200, 0.4, None, 1.0, 0.0, "fresh", True, False),
    (0.1, 300, 0.2, 300, 1.0, 0.0, "reused", True, False),
    (0.05, 100, 0.5, 100, 0.5, 0.0, "reused", True, False),
    (0.3, 150, 0.3, 150, 1.0, 0.5, "reused", False, False),
    (1.0, 250, 0.05, 250, 2.0, 0.0, "reused", True, False),
    (0.02, 80, 0.02, 80, 0.3, 0.2, "reused", True, False),
]


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_theory_is_simulation(setting):
    """Matrices in general position; catches any trace off by a factor or a transposed matrix."""
    lam_t, n_t, lam_s, n_s, sigma2, tau2, inputs, prior, centred = setting
    d = 120
    sigma, beta, g_t, g_s = random_problem(d, 20)
    target = 0.5 * np.outer(beta, beta) + 0.5 * np.eye(d) / d if prior else beta
    centre = 0.7 * beta + 0.3 * np.roll(beta, 1) if centred else None
    args = (sigma, target, g_t, lam_t, n_t, g_s, lam_s)
    simulated = simulate.two_stage(*args, n_s, sigma2, tau2, inputs, centre, repetitions=60, seed=3)
    size = np.inf if n_s is None else n_s
    theory = weighted.two_stage(*args, size, sigma2, tau2, inputs, centre)
    for name in ("teacher_risk", "student_risk"):
        value, estimate = getattr(theory, name), getattr(simulated, name)
        assert estimate.standard_error < 0.015 * value
        assert abs(estimate.mean - value) < 3 * estimate.standard_error + FINITE_SIZE * value


@pytest.mark.parametrize("inputs", ["fresh", "reused"])
def test_the_twin_against_plain_fits(inputs):
    """The simulation itself, with labels drawn and fitted by the real estimators."""
    d, n, rng = 12, 18, np.random.default_rng(1)
    sigma, beta, g_t, g_s = random_problem(d, 21)
    root, draws = np.linalg.cholesky(sigma), []
    for _ in range(2500):
        x = rng.standard_normal((n, d)) @ root.T
        z = x if inputs == "reused" else rng.standard_normal((n, d)) @ root.T
        teacher = weighted.fit_weighted_ridge(x, x @ beta + rng.standard_normal(n), 0.2, g_t)
        student = weighted.fit_weighted_ridge(z, z @ teacher, 0.3, g_s)
        draws.append([(b - beta) @ sigma @ (b - beta) for b in (teacher, student)])
    mean, error = np.mean(draws, axis=0), np.std(draws, axis=0, ddof=1) / 50
    twin = simulate.two_stage(
        sigma, beta, g_t, 0.2, n, g_s, 0.3, n, 1.0, inputs=inputs, repetitions=2000, seed=4
    )
    for index, estimate in enumerate((twin.teacher_risk, twin.student_risk)):
        spread = np.hypot(error[index], estimate.standard_error)
        assert spread < 0.02 * mean[index]
        assert abs(estimate.mean - mean[index]) < 4 * spread


@pytest.mark.parametrize("shape", [(40, 12), (12, 40)])
@pytest.mark.parametrize("method", ["cholesky", "eigen", "dual"])
def test_fit_ridge_is_scikit_learn(shape, method):
    """Catches λ not multiplied by n: alpha = nλ."""
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal(shape), rng.standard_normal((shape[0], 2))
    reference = Ridge(alpha=0.3 * shape[0], fit_intercept=False).fit(x, y).coef_.T
    np.testing.assert_allclose(weighted.fit_ridge(x, y, 0.3, method=method), reference, atol=1e-10)


@pytest.mark.parametrize("shape", [(30, 8), (8, 30)])
@pytest.mark.parametrize("kind", ["diagonal", "matrix"])
def test_weighted_fits_agree_and_are_stationary(shape, kind):
    """Three algorithms, one answer, zero gradient. Catches a centre that is not restored."""
    rng = np.random.default_rng(3)
    x, y, centre = rng.standard_normal(shape), rng.standard_normal(shape[0]), np.ones(shape[1])
    gamma = random_problem(shape[1], 22)[2] if kind == "matrix" else rng.uniform(0.2, 2, shape[1])
    full = gamma if kind == "matrix" else np.diag(gamma)
    for method in ("cholesky", "eigen", "dual"):
        fit = weighted.fit_weighted_ridge(x, y, 0.2, gamma, centre, method=method)
        gradient = x.T @ (x @ fit - y) / shape[0] + 0.2 * full @ (fit - centre)
        np.testing.assert_allclose(gradient, 0, atol=1e-11)
    limit = weighted.fit_weighted_ridge(x, y, 0.0, gamma, centre)
    near = weighted.fit_weighted_ridge(x, y, 1e-10, gamma, centre)
    np.testing.assert_allclose(limit, near, atol=1e-6)


def test_shrunk_covariance_is_scikit_learn():
    """Catches a shrinkage share off by 1/n."""
    rng = np.random.default_rng(4)
    x = rng.standard_normal((60, 25)) * np.linspace(0.3, 2, 25)
    x -= x.mean(axis=0)
    from w2sg.theory.weighted_ridge.from_data import shrunk_covariance

    np.testing.assert_allclose(shrunk_covariance(x), ledoit_wolf(x)[0], rtol=1e-10, atol=1e-12)


def test_forecast_from_data():
    """Estimates near truth, and the predicted curve near the held-out one, over data sets.

    Catches σ² taken from training residuals, and a curve for the wrong sample size.
    """
    d, n_t, n_u, repetitions = 60, 120, 150, 25
    scale = np.linspace(0.4, 1.6, d)
    lam_s = np.geomspace(0.01, 3, 8)
    predicted, measured, noise, signal, regret = [], [], [], [], []
    for seed in range(repetitions):
        rng = np.random.default_rng(seed)
        beta = rng.standard_normal(d) / np.sqrt(d)
        x, z, test = (rng.standard_normal((n, d)) * scale + 0.5 for n in (n_t, n_u, 2000))
        y = 3 + x @ beta + rng.standard_normal(n_t)
        y_test = 3 + test @ beta + rng.standard_normal(2000)
        result = weighted.from_data(x, z, y, 0.02, lam_s=lam_s, X_test=test, y_test=y_test)
        predicted.append(result.student_risk + result.sigma2)
        measured.append(result.measured_student)
        noise.append(result.sigma2)
        signal.append(result.signal)
        regret.append(result.regret)
    gap = np.mean(predicted, axis=0) - np.mean(measured, axis=0)
    error = np.std(np.subtract(predicted, measured), axis=0, ddof=1) / repetitions**0.5
    assert (error < 0.05 * np.mean(measured, axis=0)).all()
    assert (np.abs(gap) < 3 * error + 0.02 * np.mean(measured, axis=0)).all()
    assert np.mean(noise) == pytest.approx(1.0, abs=4 * np.std(noise) / repetitions**0.5)
    assert np.mean(signal) == pytest.approx(
        (scale**2).mean(), abs=4 * np.std(signal) / repetitions**0.5
    )
    # choosing by the forecast costs at most a third of choosing blindly
    blind = np.mean([curve - curve.min() for curve in measured])
    assert np.mean(regret) < blind / 3
