"""Feature-learning limits against sampled gradient steps, heads and spectra."""

import numpy as np
import pytest

from w2sg.theory import multi_index
from w2sg.theory.random_features import RandomFeatures, activation_moments
from w2sg.theory.simulate import multi_index as simulate
from w2sg.theory.simulate.random_features import Learner

A, B = [0, 0.8, 0.4, 0.2], [0, 0, 0.6, 0.3]
D = 2000

# gamma_t, gamma_s, degree, head, scale, overlap, lam
SETTINGS = [
    (0.05, 0.1, 3, "added", 1.0, 1.0, 0.0),
    (0.3, 0.1, 3, "added", 0.7, 0.8, 0.0),
    (1.0, 0.5, 2, "added", 1.0, 0.9, 0.0),
    (0.1, 0.1, 3, "teacher_only", 1.0, 1.0, 0.0),
    (0.5, 0.02, 1, "teacher_only", 1.0, 1.0, 0.0),
    (0.3, 0.1, 3, "warm", 1.0, 1.0, 0.7),
    (0.1, 1.0, 3, "warm", 0.8, 0.6, 2.0),
    (0.3, 0.3, 3, "clean_probe", 1.0, 0.9, 0.0),
]


def close(estimate, value, noise=0.015):
    assert estimate.standard_error < noise * abs(value)
    return abs(estimate.mean - value) < 3 * estimate.standard_error + 0.0075 * abs(value)


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_polynomial_heads(setting):
    """Catches ρ_s without the student's own loss, or a head that sees the wrong energy."""
    gamma_t, gamma_s, *rest = setting
    simulated = simulate.polynomial_head(
        A, B, 0.25, round(D / gamma_t), round(D / gamma_s), *rest, d=D, repetitions=16, seed=2
    )
    theory = multi_index.polynomial_head(A, B, 0.25, gamma_t, gamma_s, *rest)
    for name in ("teacher_risk", "student_risk", "teacher_alignment", "student_alignment"):
        assert close(getattr(simulated, name), getattr(theory, name))


@pytest.mark.parametrize(("a0", "gamma"), [(0.0, 0.5), (0.6, 2.0)])
def test_hard_direction_stays_at_noise_level(a0, gamma):
    """Catches E y² for E[y²⟨β_h, x⟩²]: 2.1 against 1.0 here."""
    a = [a0, 0.8, 0.4, 0.2]
    value = float(multi_index.hard_alignment(a, B, 0.25, gamma))
    naive = float(gamma * (np.sum(np.square(a)) + 0.45 + 0.25))
    naive /= 0.64 + naive
    assert abs(value / naive - 1) > 0.2
    simulated = simulate.polynomial_head(
        a, B, 0.25, round(500 / gamma), 500, d=500, repetitions=3000, seed=3
    ).teacher_hard
    assert simulated.standard_error < 0.04 * value
    assert abs(simulated.mean - value) < 3 * simulated.standard_error + 0.01 * value


@pytest.mark.parametrize(("theta", "ratio"), [(1.5, 0.5), (2.0, 1.0), (1.8, 2.0), (3.0, 4.0)])
def test_outlier(theta, ratio):
    """Catches left and right overlaps swapped (c ≠ 1) and σ₁ for σ₁²."""
    theory = multi_index.outlier_alignment(theta, ratio)
    simulated = simulate.outlier_alignment(theta, ratio, d=250, repetitions=12, seed=4)
    for name in ("singular_value", "right", "left"):
        assert close(getattr(simulated, name), getattr(theory, name), 0.03)


@pytest.mark.parametrize(("n_t", "n_s", "width"), [(750, 3000, 240), (300, 600, 300)])
def test_random_feature_heads(n_t, n_s, width):
    """Catches the teacher's linear part without its random features, which moves ρ_s by 10 %."""
    d = 120
    moments = activation_moments(np.tanh)
    first, second = Learner(6 * d, 0.05, width), Learner(12 * d, 0.05, width)
    heads = [
        RandomFeatures(learner.n / d, width / d, learner.lam, moments.linear, moments.residual2)
        for learner in (first, second)
    ]
    theory = multi_index.spiked_random_features(A, B, 0.25, d / n_t, d / n_s, *heads)
    simulated = simulate.spiked_random_features(
        A, B, 0.25, n_t, n_s, first, second, d=d, test_rows=2500, repetitions=24, seed=6
    )
    for name in ("teacher_alignment", "student_alignment", "teacher_risk", "student_risk"):
        value, estimate = getattr(theory, name), getattr(simulated, name)
        assert estimate.standard_error < (0.015 if "alignment" in name else 0.025) * value
        # 1/d: +1.7 % at d = 60, +1.0 % at 120 in the risks
        assert abs(estimate.mean - value) < 3 * estimate.standard_error + 0.015 * value
