"""Closed forms of two-stage ridge against two fits on Gaussian inputs of finite size."""

import numpy as np
import pytest

from w2sg.theory import ridge
from w2sg.theory.simulate import ridge as simulate

FINITE_SIZE = 0.0075  # bias of order 1/d at d = 200

# gamma_t, gamma_s, lam_t, lam_s, sigma2, r2, tau2, inputs
SETTINGS = [
    (0.5, 0.5, 0.05, 0.46, 1.0, 1.0, 0.0, "fresh"),
    (0.5, 1.5, 0.05, 0.60, 1.0, 1.0, 0.0, "fresh"),
    (0.5, 1.5, 0.05, 0.01, 1.0, 1.0, 0.0, "fresh"),
    (0.5, 0.0, 0.10, 0.40, 1.0, 1.0, 0.0, "fresh"),
    (0.5, 0.25, 0.50, 0.10, 1.0, 1.0, 0.0, "fresh"),
    (0.2, 0.8, 0.02, 0.30, 2.0, 1.0, 0.5, "fresh"),
    (0.8, 0.4, 0.20, 0.20, 0.1, 1.0, 0.0, "fresh"),
    (1.5, 0.5, 0.10, 0.30, 1.0, 1.0, 0.0, "fresh"),
    (1.5, 3.0, 0.30, 0.30, 0.5, 2.0, 0.2, "fresh"),
    (3.0, 0.3, 0.05, 1.00, 0.2, 1.0, 0.0, "fresh"),
    (3.0, 2.0, 1.00, 0.05, 0.2, 3.0, 1.0, "fresh"),
    (0.1, 4.0, 0.01, 0.50, 4.0, 1.0, 0.0, "fresh"),
    (2.0, 0.5, 0.00, 0.20, 0.5, 1.0, 0.0, "fresh"),
    (0.5, 2.0, 0.10, 0.00, 1.0, 1.0, 0.0, "fresh"),
    (0.3, 0.6, 0.15, 0.80, 1.5, 2.0, 0.0, "fresh"),
    (0.7, 2.5, 0.40, 0.15, 0.3, 1.0, 0.3, "fresh"),
    (1.2, 1.2, 0.60, 0.60, 1.0, 0.5, 0.0, "fresh"),
    (4.0, 0.2, 0.30, 0.50, 0.1, 1.0, 0.0, "fresh"),
    (0.4, 0.1, 0.02, 0.05, 3.0, 1.0, 0.1, "fresh"),
    (1.0, 1.0, 0.20, 0.20, 1.0, 1.0, 0.0, "fresh"),
    (0.5, 0.5, 0.05, 0.30, 1.0, 1.0, 0.0, "reused"),
    (0.5, 0.5, 0.30, 0.30, 1.0, 1.0, 0.7, "reused"),
    (1.5, 1.5, 0.10, 0.40, 1.0, 1.0, 0.0, "reused"),
    (3.0, 3.0, 0.50, 0.10, 0.3, 2.0, 0.0, "reused"),
    (0.2, 0.2, 0.01, 1.00, 3.0, 1.0, 0.0, "reused"),
    (1.0, 1.0, 0.30, 0.05, 0.5, 1.0, 0.2, "reused"),
]


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_theory_is_simulation(setting):
    """Catches any wrong factor above one per cent in R_t, R_s or the label-noise term."""
    gamma_t, gamma_s, *rest = setting
    simulated = simulate.two_stage(gamma_t, gamma_s, *rest, d=200, repetitions=12, seed=1)
    theory = ridge.two_stage(simulated.gamma_t, simulated.gamma_s, *rest)
    for name in ("teacher_risk", "student_risk"):
        value, estimate = getattr(theory, name), getattr(simulated, name)
        assert estimate.standard_error < 0.01 * value
        assert abs(estimate.mean - value) < 3 * estimate.standard_error + FINITE_SIZE * value


@pytest.mark.parametrize("inputs", ["fresh", "reused"])
def test_the_variance_reduced_twin_against_plain_fits(inputs):
    """The simulation itself against labels drawn, fitted and scored one by one.

    Catches an average over noise or β⋆ that is not the average the fits have.
    """
    rng, d, n, lam_t, lam_s = np.random.default_rng(0), 30, 45, 0.1, 0.4
    draws = []
    for _ in range(1500):
        x, z = rng.standard_normal((2, n, d))
        z = x if inputs == "reused" else z
        beta = rng.standard_normal(d) / np.sqrt(d)
        y = x @ beta + rng.standard_normal(n)
        teacher = np.linalg.solve(x.T @ x / n + lam_t * np.eye(d), x.T @ y / n)
        labels = z @ teacher + 0.5 * rng.standard_normal(n)
        student = np.linalg.solve(z.T @ z / n + lam_s * np.eye(d), z.T @ labels / n)
        draws.append([((teacher - beta) ** 2).sum(), ((student - beta) ** 2).sum()])
    mean = np.mean(draws, axis=0)
    error = np.std(draws, axis=0, ddof=1) / len(draws) ** 0.5
    ratio = d / n
    twin = simulate.two_stage(
        ratio, ratio, lam_t, lam_s, 1.0, tau2=0.25, inputs=inputs, d=d, repetitions=400, seed=2
    )
    for index, estimate in enumerate((twin.teacher_risk, twin.student_risk)):
        spread = np.hypot(error[index], estimate.standard_error)
        assert spread < 0.02 * mean[index]
        assert abs(estimate.mean - mean[index]) < 4 * spread


def test_one_grid_is_its_points():
    """Catches axes swapped in the two matrix products of a grid."""
    lam_t, lam_s = [0.05, 0.2, 0.7], [0.01, 0.4]
    grid = simulate.two_stage(0.5, 1.5, lam_t, lam_s, 1.0, d=40, repetitions=3, seed=5)
    assert grid.student_risk.mean.shape == (3, 2)
    point = simulate.two_stage(0.5, 1.5, 0.7, 0.01, 1.0, d=40, repetitions=3, seed=5)
    assert grid.student_risk.mean[2, 0] == pytest.approx(point.student_risk.mean, rel=1e-12)
    assert grid.teacher_risk.mean[2] == pytest.approx(point.teacher_risk.mean, rel=1e-12)


def test_workers_do_not_change_the_result():
    """Catches a generator shared between threads."""
    runs = [
        simulate.two_stage(0.5, 0.5, 0.1, 0.1, 1.0, d=30, repetitions=6, seed=3, workers=workers)
        for workers in (1, 4)
    ]
    assert runs[0].student_risk.mean == runs[1].student_risk.mean
