"""Public theory functions refuse what is no number of the kind they ask for, by name."""

import numpy as np
import pytest

from w2sg.theory import attention, discrepancy, gaussian, hermite, multi_index, ridge
from w2sg.theory import random_features as features
from w2sg.theory.discrepancy import LatentModel, optimal_labels
from w2sg.theory.simulate.estimate import repeat

NAN, INF = float("nan"), float("inf")
EASY, HARD = [0, 0.8, 0.4], [0, 0, 0.6]
GOOD = features.Signal(1.0, 1.0, 0.0, 1.0)

# function of one count → (the argument's name, a good value); all other arguments are valid
COUNTS = {
    "polynomial_head": (
        lambda v: multi_index.polynomial_head(EASY, HARD, 0.2, 0.1, 0.1, degree=v), "degree", 2,
    ),
    "warm_start_optimum": (
        lambda v: multi_index.warm_start_optimum(EASY, HARD, 0.2, 0.1, 0.1, degree=v), "degree", 2,
    ),
    "hermite_polynomials": (lambda v: hermite.hermite_polynomials(0.5, v), "degree", 2),
    "hermite_coefficients": (lambda v: hermite.hermite_coefficients(np.tanh, v), "degree", 2),
    "stable_ratio": (attention.stable_ratio, "head_dim", 64),
    "bound_ratio": (lambda v: attention.bound_ratio(v, 3), "first", 2),
    "bound_ratio below": (lambda v: attention.bound_ratio(2, v), "second", 3),
    "generalization_bound": (
        lambda v: attention.generalization_bound(v, 16, 100, 0.5), "parameters", 10,
    ),
    "generalization_bound rows": (
        lambda v: attention.generalization_bound(10, 16, v, 0.5), "n", 100,
    ),
    "samples_needed": (lambda v: attention.samples_needed(v, 16, 0.5), "parameters", 10),
    "rotations": (lambda v: attention.rotations(v, 2), "tokens", 3),
    "rotations width": (lambda v: attention.rotations(2, v), "head_dim", 4),
    "gauge_dimension": (lambda v: attention.gauge_dimension(v, 3), "n", 8),
    "gauge_dimension width": (lambda v: attention.gauge_dimension(8, v), "d_h", 3),
    "toy_dynamics": (
        lambda v: attention.toy_dynamics([1.0], [0.5], 0.0, 1.0, lr_a=0.1, lr_b=0.1, steps=v),
        "steps", 3,
    ),
    "synthetic_task": (lambda v: discrepancy.synthetic_task(d_w=v), "d_w", 200),
    "synthetic_task latent": (lambda v: discrepancy.synthetic_task(d=v), "d", 20000),
    "LatentModel.sample": (lambda v: LatentModel([[1.0]], [1.0], [0.0]).sample(v), "n", 5),
    "optimal_labels": (
        lambda v: optimal_labels(3, 2, 1, 50, 1.0, 0.0, "opr_exact", n_max=v), "n_max", 1000,
    ),
    "ridge_trace_equivalent": (lambda v: gaussian.ridge_trace_equivalent(v, 3, 0.1), "n", 5),
    "repeat": (
        lambda v: repeat(lambda rng: (rng.normal(),), repetitions=v, seed=0), "repetitions", 4,
    ),
}  # fmt: skip

# function of one real number → (the argument's name, a good value, whether inf is a limit it has)
REALS = {
    "stable_ratio": (lambda v: attention.stable_ratio(64, v), "prefactor", 1.0),
    "rotations": (lambda v: attention.rotations(2, 4, v), "base", 100.0),
    "generalization_bound": (
        lambda v: attention.generalization_bound(10, v, 100, 0.5), "bits", 16.0,
    ),
    "samples_needed": (lambda v: attention.samples_needed(10, 16, v), "subgaussian", 0.5),
    "samples_needed target": (
        lambda v: attention.samples_needed(10, 16, 0.5, v), "target", 0.5,
    ),
    "toy_dynamics": (
        lambda v: attention.toy_dynamics([1.0], [0.5], 0.0, 1.0, lr_a=v, lr_b=0.1, steps=2),
        "lr_a", 0.1,
    ),
    "polynomial_head": (
        lambda v: multi_index.polynomial_head(EASY, HARD, v, 0.1, 0.1), "sigma2", 0.2,
    ),
    "ridge kappa": (lambda v: ridge.kappa(v, 0.5), "lam", 0.1),
    "ridge two_stage": (lambda v: ridge.two_stage(0.5, 0.5, 0.1, 0.1, v), "sigma2", 1.0),
    "channel": (lambda v: features.channel(GOOD, v, 2.0, 3.0, 0.6, 0.1), "lam", 0.1),
    "channel noise": (lambda v: features.channel(GOOD, 0.1, 2.0, 3.0, 0.6, 0.1, v), "noise", 0.1),
    "pgr_lower_bound": (
        lambda v: discrepancy.pgr_lower_bound(20, 10, 2, 50, 50, 1.0, v), "rho", 0.1,
    ),
    "opr_lower_bound": (
        lambda v: discrepancy.opr_lower_bound(20, 10, 2, v, 50, 1.0, 0.1), "n", 50,
    ),
    "risk_summary": (lambda v: discrepancy.risk_summary((20, 10, 2), 50, 50, v), "sigma2", 1.0),
    "variance_w2s": (
        lambda v: discrepancy.variance_w2s(20, 10, 2, 50, 50, v), "sigma2", 1.0,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", COUNTS)
def test_counts_are_whole_numbers(name):
    """Catches degree=nan taken as degree 0, and NumPy's integers refused as no numbers."""
    function, argument, good = COUNTS[name]
    function(good)
    function(np.int64(good))
    for bad in (NAN, INF, -1, good + 0.5, True, "3", None if "degree" not in argument else "x"):
        with pytest.raises(ValueError, match=rf"^{argument} must be"):
            function(bad)


@pytest.mark.parametrize("name", REALS)
def test_reals_are_finite_and_not_negative(name):
    function, argument, good = REALS[name]
    function(good)
    function(np.float32(good))
    for bad in (NAN, INF, -1.0, "x"):
        with pytest.raises(ValueError, match=rf"^{argument} must be"):
            function(bad)


@pytest.mark.parametrize(
    ("signal", "problem"),
    [
        (features.Signal(0.01, 5.0, 0.0, 1.0), "overlap must not exceed"),
        (features.Signal(1.0, 1.0, 0.0, -1.0), "r2 must be above 0"),
        (features.Signal(-1.0, 0.0, 0.0, 1.0), "norm2 must be at least 0"),
        (features.Signal(1.0, 1.0, -0.5, 1.0), "nonlinear must be at least 0"),
        (features.Signal(1.0, NAN, 0.0, 1.0), "overlap must be finite"),
    ],
)
def test_no_learner_is_taught_by_an_impossible_signal(signal, problem):
    """By Cauchy–Schwarz C² ≤ r²T; without it a risk of −5.76 came out of random features."""
    learners = (
        lambda: features.channel(signal, 0.1, 2.0, 3.0, 0.6, 0.05),
        lambda: ridge.ridge_channel(signal, 0.1, 0.5),
        lambda: features.Ridge(0.5, 0.1).fit(signal, 0.0),
        lambda: features.RandomFeatures(2.0, 3.0, 0.1, 0.6, 0.05).fit(signal, 0.0),
    )
    for learner in learners:
        with pytest.raises(ValueError, match=problem):
            learner()
