"""Random-feature channels against fits on sampled features."""

import numpy as np
import pytest

from w2sg.theory import random_features as rf
from w2sg.theory.simulate import random_features as simulate
from w2sg.theory.simulate.random_features import Learner

D = 160
RELU = rf.activation_moments(lambda z: np.maximum(z, 0))


def relu(z):
    return np.maximum(z, 0) - RELU.mean


SETTINGS = [
    (Learner(320, 0.05), Learner(320, 0.1, 240), 1.0, 0.0),
    (Learner(320, 0.05), Learner(480, 0.1, 80), 1.0, 0.0),
    (Learner(320, 0.1), Learner(120, 0.2, 400), 0.5, 0.3),
    (Learner(300, 0.2, 200), Learner(320, 0.1), 0.5, 0.0),
    (Learner(240, 0.3, 480), Learner(400, 0.2, 160), 0.25, 0.2),
    (Learner(320, 0.05), Learner(320, 0.3, 200, relu), 1.0, 0.0),
    (Learner(400, 0.3, 100, relu), Learner(200, 0.1, 320, relu), 0.2, 0.0),
    (Learner(100, 0.4, 300, relu), Learner(600, 0.2, 300), 0.2, 0.1),
]


def theory(learner):
    if learner.p is None:
        return rf.Ridge(D / learner.n, learner.lam)
    moments = RELU if learner.activation is relu else rf.activation_moments(np.tanh)
    return rf.RandomFeatures(
        learner.n / D, learner.p / D, learner.lam, moments.linear, moments.residual2
    )


@pytest.mark.parametrize("setting", SETTINGS, ids=range(len(SETTINGS)))
def test_theory_is_simulation(setting):
    """Catches a wrong noise or width term in either stage, and N′ lost between stages."""
    teacher, student, sigma2, tau2 = setting
    predicted = rf.two_stage(theory(teacher), theory(student), sigma2, tau2=tau2)
    simulated = simulate.two_stage(
        D, teacher, student, sigma2, tau2=tau2, test_rows=800, repetitions=8, seed=5
    )
    for name in ("teacher_risk", "student_risk"):
        value, estimate = getattr(predicted, name), getattr(simulated, name)
        assert estimate.standard_error < 0.015 * value
        assert abs(estimate.mean - value) < 3 * estimate.standard_error + 0.0075 * value
