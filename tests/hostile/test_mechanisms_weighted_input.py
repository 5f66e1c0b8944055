"""Weighted ridge refuses what it cannot mean, by name."""

import numpy as np
import pytest

from w2sg.theory import weighted_ridge as weighted

GOOD = {
    "Sigma": np.ones(3), "beta": np.ones(3), "Gamma_t": np.ones(3), "lam_t": 0.1, "n_t": 5,
    "Gamma_s": np.ones(3), "lam_s": 0.1, "n_s": 5, "sigma2": 1.0,
}  # fmt: skip
INDEFINITE = np.array([[1.0, 2.0, 0.0], [2.0, 1.0, 0.0], [0.0, 0.0, 1.0]])


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("Sigma", INDEFINITE, "Sigma must be positive semi-definite"),
        ("Sigma", [1.0, -1.0, 1.0], "Sigma must be positive semi-definite"),
        ("Sigma", np.ones((2, 3)), "Sigma must be a spectrum"),
        ("Sigma", [np.nan, 1.0, 1.0], "Sigma must be finite"),
        ("Gamma_t", INDEFINITE, "Gamma_t must be positive definite"),
        ("Gamma_s", [1.0, 0.0, 1.0], "Gamma_s must be positive definite"),
        ("Gamma_s", np.triu(np.ones((3, 3))), "Gamma_s must be symmetric"),
        ("Gamma_s", np.ones(4), "Gamma_s must have 3 rows"),
        ("beta", np.ones(4), "beta must be a vector"),
        ("beta", INDEFINITE, "beta must be positive semi-definite"),
        ("lam_t", -0.1, "lam_t"),
        ("lam_s", [0.1, 0.2], "lam_s must have 0 axes"),
        ("n_t", 0, "n_t must be above 0"),
        ("n_s", -3, "n_s must be above 0"),
        ("sigma2", -1, "sigma2"),
        ("tau2", -1, "tau2"),
        ("inputs", "stale", "inputs"),
        ("prior_mean_s", np.ones(2), "prior_mean_s must have 3 entries"),
    ],
)
def test_two_stage_names_the_argument(name, value, text):
    with pytest.raises(ValueError, match=text):
        weighted.two_stage(**{**GOOD, name: value})


def test_infinite_variance_is_an_error():
    with pytest.raises(ValueError, match="lam_t=0 with n_t=3"):
        weighted.two_stage(**{**GOOD, "lam_t": 0.0, "n_t": 3})
    with pytest.raises(ValueError, match="lam=0 with n=3"):
        weighted.deterministic_equivalent(np.ones(3), np.ones(3), 0.0, 3)


def test_reused_inputs_need_one_sample_two_penalties_and_no_centre():
    for change, text in (
        ({"n_s": 6}, "n_s must equal n_t"),
        ({"lam_t": 0.0}, "lam_t must be above 0"),
        ({"lam_s": 0.0}, "lam_s must be above 0"),
        ({"prior_mean_s": np.ones(3)}, "prior_mean_s"),
    ):
        with pytest.raises(ValueError, match=text):
            weighted.two_stage(**{**GOOD, "inputs": "reused", **change})


def test_other_refusals():
    with pytest.raises(ValueError, match="stages"):
        weighted.chain(np.ones(3), np.ones(3), [], 1.0)
    with pytest.raises(ValueError, match="n_s must be above d"):
        weighted.small_penalty_gain(np.ones(3), np.ones(3), np.ones(3), 0.1, 5, np.ones(3), 3, 1.0)
    with pytest.raises(ValueError, match="beta must not be 0"):
        weighted.alignment(np.ones(3), np.zeros(3))
    with pytest.raises(ValueError, match="lam_t"):
        weighted.alignment_threshold(0.5, 0.0, 1.0)
    with pytest.raises(ValueError, match="zeta"):
        weighted.spiked_student(0.5, 0.5, 0.1, 0.1, 1.0, 0.5, 1.2)
    with pytest.raises(ValueError, match="omega"):
        weighted.spiked_critical_penalty(0.5, 1.0, 0.0, 0.5)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"y": np.ones(3)}, "one label per row"),
        ({"lam": -1.0}, "lam"),
        ({"Gamma": np.ones(3)}, "Gamma must have 2 rows"),
        ({"Gamma": [1.0, 0.0]}, "Gamma must be positive definite"),
        ({"center": np.ones(3)}, "center"),
        ({"method": "magic"}, "method"),
        ({"lam": 0.0, "method": "dual"}, "lam=0 needs"),
        ({"X": [[np.inf, 0.0]] * 4}, "X must be finite"),
    ],
)
def test_fits_name_the_argument(change, text):
    good = {"X": np.eye(4)[:, :2], "y": np.ones(4), "lam": 0.1}
    with pytest.raises(ValueError, match=text):
        weighted.fit_weighted_ridge(**{**good, **change})


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"X_u": np.ones((9, 3))}, "X_u must have the columns"),
        ({"y_t": np.ones(10)}, "y_t must not be constant"),
        ({"X_t": np.ones((10, 2))}, "X_t must vary"),
        ({"X_test": np.ones((4, 2))}, "go together"),
        ({"Gamma_s": np.ones(3)}, "Gamma_s must have 2 rows"),
        ({"X_u": np.ones((2, 2))}, "X_u must have at least 3 rows"),
    ],
)
def test_from_data_names_the_argument(change, text):
    rng = np.random.default_rng(0)
    good = {
        "X_t": rng.normal(size=(10, 2)),
        "X_u": rng.normal(size=(20, 2)),
        "y_t": rng.normal(size=10),
    }
    with pytest.raises(ValueError, match=text):
        weighted.from_data(**{**good, **change})
