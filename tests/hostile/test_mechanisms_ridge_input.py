"""Two-stage ridge refuses what it cannot mean, by name, and never answers NaN."""

import numpy as np
import pytest

from w2sg.theory import ridge
from w2sg.theory.simulate import ridge as simulate

GOOD = {
    "gamma_t": 0.5,
    "gamma_s": 0.5,
    "lam_t": 0.1,
    "lam_s": 0.1,
    "sigma2": 1.0,
    "r2": 1.0,
    "tau2": 0.0,
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("gamma_t", -0.1),
        ("gamma_s", np.nan),
        ("gamma_s", np.inf),
        ("lam_t", -1e-9),
        ("lam_s", -0.1),
        ("lam_s", "much"),
        ("sigma2", -1.0),
        ("r2", 0.0),
        ("tau2", -0.5),
        ("inputs", "stale"),
        ("lam_s", [0.1, np.nan]),
    ],
)
def test_two_stage_names_the_argument(name, value):
    with pytest.raises(ValueError, match=name):
        ridge.two_stage(**{**GOOD, name: value})


@pytest.mark.parametrize("who", ["t", "s"])
def test_infinite_variance_is_an_error(who):
    with pytest.raises(ValueError, match=f"gamma_{who}=1 with lam_{who}=0"):
        ridge.two_stage(**{**GOOD, f"gamma_{who}": [0.5, 1.0], f"lam_{who}": 0.0})


def test_reused_inputs_need_one_sample_and_two_penalties():
    with pytest.raises(ValueError, match="gamma_s must equal gamma_t"):
        ridge.two_stage(0.5, 0.6, 0.1, 0.1, 1.0, inputs="reused")
    for name in ("lam_t", "lam_s"):
        with pytest.raises(ValueError, match=name):
            ridge.two_stage(**{**GOOD, name: 0.0, "inputs": "reused"})


def test_signed_penalties_stop_at_the_edge():
    edge = -((1 - 0.5**0.5) ** 2)
    with pytest.raises(ValueError, match="lam_s"):
        ridge.two_stage(0.5, 0.5, 0.1, edge, 1.0, signed=True)
    assert np.isfinite(ridge.two_stage(0.5, 0.5, 0.1, edge * 0.999, 1.0, signed=True).student_risk)
    with pytest.raises(ValueError, match="lam"):
        ridge.kappa(-0.1, 1.5, signed=True)


def test_other_refusals():
    with pytest.raises(ValueError, match="lam must be above 0"):
        ridge.stieltjes(0.0, 1.5)
    with pytest.raises(ValueError, match="kappa must be at least gamma"):
        ridge.penalty_of_kappa(0.2, 2.0)
    with pytest.raises(ValueError, match="deficit"):
        ridge.critical_ratio(1.0)
    with pytest.raises(ValueError, match="stages"):
        ridge.chain([], 1.0)
    with pytest.raises(ValueError, match="overlap"):
        ridge.ridge_channel(ridge.Signal(1.0, 2.0, 0.0, 1.0), 0.1, 0.5)
    with pytest.raises(ValueError, match="broadcast"):
        ridge.two_stage(0.5, 0.5, [0.1, 0.2], [0.1, 0.2, 0.3], 1.0)
    with pytest.raises(ValueError, match="signed"):
        ridge.optimal_student_penalty(0.5, 0.5, 0.1, 1.0, inputs="reused", signed=True)
    with pytest.raises(ValueError, match="d must be"):
        simulate.two_stage(0.5, 0.5, 0.1, 0.1, 1.0, d=1)
    with pytest.raises(ValueError, match="repetitions"):
        simulate.two_stage(0.5, 0.5, 0.1, 0.1, 1.0, d=5, repetitions=1)


def test_extreme_but_meaningful_input_stays_finite():
    """Catches overflow in the square of λ + γ − 1 and 0/0 at vanishing weights."""
    extremes = [1e-300, 1e-12, 1.0, 1e12, 1e150]
    for lam_t in extremes:
        for lam_s in extremes:
            for gamma in (1e-12, 0.5, 1.5, 1e6):
                result = ridge.two_stage(gamma, gamma, lam_t, lam_s, 1.0)
                assert np.isfinite([result.student_risk, result.difference, result.deficit]).all()
