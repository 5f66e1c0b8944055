"""The closed-form Gaussian example against simulated students and against exact special cases."""

import math

import numpy as np
import pytest

from w2sg.theory import gaussian
from w2sg.theory.simulate import gaussian as simulate

D, N, TAU2, SIGMA2 = 40, 20, 1 / 40, 0.25
STAR = np.full(D, D**-0.5)
START = 0.8 * STAR


def assert_close(theory, found, slack, worst):
    # Slack is the O(1/n) error of the equivalent; `worst` keeps the standard error small.
    assert found.standard_error < worst
    assert abs(theory - found.mean) < 4 * found.standard_error + slack


@pytest.mark.parametrize("width", [20, 80, 320, None])
def test_equivalent_agrees_with_simulation(width):
    # Catches df1 for df2, κ without λ/n, and a width that enters as d_s instead of d/d_s.
    theory = gaussian.linear_gaussian_w2s(D, N, TAU2, SIGMA2, STAR, START, width=width)
    found = simulate.linear_gaussian_w2s(
        D, N, TAU2, SIGMA2, STAR, START, width=width, n_draws=1500, seed=1
    )
    assert_close(theory.teacher_risk, found.teacher_risk, 0.0, 0.007)
    assert_close(theory.student_risk, found.student_risk, 0.006, 0.009)
    assert_close(theory.misfit, found.misfit, 0.006, 0.012)
    assert_close(theory.residual, found.residual, 0.012, 0.02)
    assert_close(theory.distance_to_posterior, found.distance_to_posterior, 0.008, 0.008)


def test_published_width_table():
    # The table of widths: misfit and rho at d_s = 20, 80, 320, infinity; R(f_w) = 1.04.
    for width, risk, misfit, rho in [
        (20, 0.672, 1.084, -0.716),
        (80, 0.473, 0.749, -0.180),
        (320, 0.412, 0.664, -0.042),
        (None, 0.397, 0.640, 0.0),
    ]:
        found = gaussian.linear_gaussian_w2s(D, N, TAU2, SIGMA2, STAR, START, width=width)
        assert found.teacher_risk == pytest.approx(1.04)
        assert found.student_risk == pytest.approx(risk, abs=0.012)
        assert found.misfit == pytest.approx(misfit, abs=0.012)
        assert found.residual == pytest.approx(rho, abs=0.02)


def test_wide_posterior_student_gains_its_misfit_exactly():
    # Residual 0 at λ = σ²/τ² for every X; catches a penalty scaled by n.
    x = np.random.default_rng(0).standard_normal((N, D))
    exact = gaussian.linear_gaussian_given_inputs(x, TAU2, SIGMA2, STAR, START)
    assert exact.residual == pytest.approx(0, abs=1e-10)
    assert exact.distance_to_posterior == pytest.approx(0, abs=1e-10)
    hat = x.T @ np.linalg.solve(x @ x.T + SIGMA2 / TAU2 * np.eye(N), x)
    assert exact.gap == pytest.approx(TAU2 * (D - np.trace(hat)), abs=1e-10)
    wide = gaussian.linear_gaussian_w2s(D, N, TAU2, SIGMA2, STAR, START)
    assert wide.residual == pytest.approx(0, abs=1e-10)
    assert wide.misfit == pytest.approx(
        TAU2 * (D - gaussian.ridge_trace_equivalent(N, D, SIGMA2 / TAU2)), abs=1e-10
    )


@pytest.mark.parametrize("lam", [0.5, 10.0, 200.0])
def test_equivalent_agrees_with_the_exact_average_over_inputs(lam):
    # Another road: conditional closed form averaged over X and W, λ away from the Bayes one.
    rng = np.random.default_rng(3)
    for width in (60, None):
        rows = []
        for _ in range(150):
            features = None if width is None else rng.standard_normal((width, D)) / width**0.5
            found = gaussian.linear_gaussian_given_inputs(
                rng.standard_normal((N, D)), TAU2, SIGMA2, STAR, START, lam, features
            )
            rows.append((found.misfit, found.residual, found.floor))
        mean, error = np.mean(rows, 0), np.std(rows, 0, ddof=1) / 150**0.5
        theory = gaussian.linear_gaussian_w2s(D, N, TAU2, SIGMA2, STAR, START, lam, width)
        values = np.array([theory.misfit, theory.residual, theory.floor])
        assert (error < 0.02).all()
        assert (np.abs(values - mean) < 4 * error + 0.015 * np.abs(values) + 0.004).all()


def test_random_feature_teachers_have_the_same_second_moments():
    # Any teacher width, one included: ρ = 0 needs second moments only.
    for teacher_width in (1, 20):
        found = simulate.linear_gaussian_w2s(
            D, N, TAU2, SIGMA2, STAR, START, n_draws=1500, seed=5, teacher_width=teacher_width
        )
        assert found.residual.standard_error < 0.03
        assert abs(found.residual.mean) < 4 * found.residual.standard_error
        assert_close(0.6404, found.misfit, 0.006, 0.03)


def test_noiseless_interpolation():
    # n < d, σ = 0, λ → 0: gain = misfit = τ²(d − n); n ≥ d copies the teacher: gain 0.
    few = gaussian.linear_gaussian_w2s(D, 20, TAU2, 0.0, STAR, START)
    assert (few.gap, few.misfit) == (pytest.approx(0.5), pytest.approx(0.5))
    many = gaussian.linear_gaussian_w2s(D, 60, TAU2, 0.0, STAR, START)
    assert (many.gap, many.misfit) == (pytest.approx(0), pytest.approx(0))
    x = np.random.default_rng(2).standard_normal((20, D))
    exact = gaussian.linear_gaussian_given_inputs(x, TAU2, 0.0, STAR, START)
    assert exact.misfit == pytest.approx(0.5, abs=1e-10)
    assert exact.residual == pytest.approx(0, abs=1e-10)


def test_overfitting_path_agrees_with_the_exact_average():
    # n > d without noise: λ = 0 copies the teacher; catches the n > d branch of κ.
    rng = np.random.default_rng(6)
    inputs = rng.standard_normal((100, 60, D))
    for lam in (0.0, 5.0, 40.0, 1000.0):
        exact = [
            gaussian.linear_gaussian_given_inputs(x, TAU2, 0.0, STAR, START, lam) for x in inputs
        ]
        risks = np.array([found.student_risk for found in exact])
        error = risks.std(ddof=1) / 100**0.5
        assert error < 0.01
        found = gaussian.linear_gaussian_w2s(D, 60, TAU2, 0.0, STAR, START, lam)
        assert abs(found.student_risk - risks.mean()) < 4 * error + 0.006


def test_distance_falls_as_one_over_width():
    # E‖θ_s − θ_pm‖² ≈ 8.1/d_s; catches a square root.
    at = [
        width
        * gaussian.linear_gaussian_w2s(
            D, N, TAU2, SIGMA2, STAR, START, width=width
        ).distance_to_posterior
        for width in (1280, 5120, 20480)
    ]
    np.testing.assert_allclose(at, 8.1, rtol=0.04)


def test_trace_equivalent_agrees_with_its_expectation():
    rng = np.random.default_rng(4)
    for n, d, lam in [(20, 40, 10.0), (60, 40, 1.0), (30, 30, 0.2)]:
        draws = []
        for _ in range(300):
            gram = (x := rng.standard_normal((n, d))) @ x.T
            draws.append(n - lam * np.trace(np.linalg.inv(gram + lam * np.eye(n))))
        error = np.std(draws, ddof=1) / 300**0.5
        assert error < 0.06
        found = gaussian.ridge_trace_equivalent(n, d, lam)
        assert abs(found - np.mean(draws)) < 4 * error + 0.01 * n


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda f: f("a", N, 1, 1, STAR, STAR), "d must be a whole number of at least 1, got 'a'"),
        (lambda f: f(math.nan, N, 1, 1, STAR, STAR), "d must be a whole number"),
        (lambda f: f(D, 0, 1, 1, STAR, STAR), "n must be a whole number of at least 1, got 0"),
        (lambda f: f(D, 9, 0, 1, STAR, STAR), "tau2 must be above 0"),
        (lambda f: f(D, 9, 1, 1, STAR[:3], STAR), "shape (40,), got (3,)"),
        (lambda f: f(D, 40, 1, 1, STAR, STAR, 0.0), "choose lam above 0"),
        (lambda f: f(D, 9, 1, 1, STAR, STAR, -1.0), "lam must be at least 0"),
        (lambda f: f(D, 9, 1, 1, STAR, STAR, 1.0, 0), "width must be a whole number"),
    ],
)
def test_impossible_problems_are_refused(call, words):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 the text is compared below
        call(gaussian.linear_gaussian_w2s)
    assert words in str(caught.value)
