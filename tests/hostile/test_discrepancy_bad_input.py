"""What cannot be is refused with the name of the argument, and nothing returns NaN in its place."""

import numpy as np
import pytest

from w2sg.theory import discrepancy as theory
from w2sg.theory.simulate import discrepancy as simulate

NAN, INF = float("nan"), float("inf")
PAIR = ((np.ones(3), 0.0), (np.ones(2), 0.0))


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: theory.kappa(0, 5), "d "),
        (lambda: theory.kappa(-1, 5), "d "),
        (lambda: theory.kappa(NAN, 5), "d "),
        (lambda: theory.kappa(3, 0), "m "),
        (lambda: theory.kappa("three", 5), "d "),
        (lambda: theory.kappa(np.ones(3), np.ones(4)), "d, m"),
        (lambda: theory.variance_ols(3, 9, -1.0), "sigma2"),
        (lambda: theory.variance_ols(3, 9, NAN), "sigma2"),
        (lambda: theory.variance_ols(3, 9, 1.0, "test"), "where"),
        (lambda: theory.variance_w2s(10, 5, 5.1, 50, 50), "d_sw"),
        (lambda: theory.variance_w2s(5, 10, [1, 6], 50, 50), "d_sw"),
        (lambda: theory.variance_w2s(10, 5, -0.1, 50, 50), "d_sw"),
        (lambda: theory.variance_w2s(INF, 5, 1, 50, 50), "d_w"),
        (lambda: theory.variance_w2s(10, 0, 0, 50, 50), "d_s "),
        (lambda: theory.variance_w2s(10, 5, 1, 0.5, 50), "n "),
        (lambda: theory.variance_w2s(10, 5, 1, 50, NAN), "N "),
        (lambda: theory.variance_w2s(10, 5, 1, 50, -INF), "N "),
        (lambda: theory.variance_w2s(10, 5, 1, np.ones(3), np.ones(4)), "N"),
        (lambda: theory.LatentModel([[1.2]], [1.0], [1.0]), "C "),
        (lambda: theory.LatentModel([[NAN]], [1.0], [1.0]), "C "),
        (lambda: theory.LatentModel(np.eye(2).ravel(), [1.0], [1.0]), "C "),
        (lambda: theory.LatentModel(np.ones((0, 2)), [], [1.0, 1.0]), "C "),
        (lambda: theory.LatentModel(np.eye(2, 3), np.ones(3), np.ones(2)), "alpha"),
        (lambda: theory.LatentModel(np.eye(2, 3), np.ones(2), np.ones(2)), "beta"),
        (lambda: theory.LatentModel(np.eye(2), [1, INF], [1, 1]), "alpha"),
        (lambda: theory.LatentModel(np.eye(2), [1, 1], [1, 1], -0.1), "gamma"),
        (lambda: theory.LatentModel(np.eye(2), [1, 1], [1, 1]).sample(0), "n "),
        (lambda: theory.risk_summary(7, 50, 50), "model"),
        (lambda: theory.risk_summary((10, 5), 50, 50), "model"),
        (lambda: theory.risk_summary((10, 5, 6), 50, 50), "d_sw"),
        (lambda: theory.risk_summary(theory.Dimensions(10, 5, 1, -1.0), 50, 50), "gamma"),
        (lambda: theory.risk_summary((10, 5, 1), 0, 50), "n "),
        (lambda: theory.risk_summary((10, 5, 1), 50, 50, -1.0), "sigma2"),
        (lambda: theory.pgr_lower_bound(10, 5, 1, 50, 50, 0.0, 0.1), "sigma2"),
        (lambda: theory.pgr_lower_bound(10, 5, 1, 50, 50, 1.0, -0.1), "rho"),
        (lambda: theory.pgr_lower_bound(10, 5, 1, INF, 50, 1.0, 0.1), "n "),
        (lambda: theory.opr_lower_bound(10, 5, 1, 50, 50, 1.0, 0.1, "exact"), "version"),
        (lambda: theory.plotted_bounds(10, 5, 1, 50, 50, 1.0, -0.1, 0.0), "rho_w"),
        (lambda: theory.plotted_bounds(10, 5, 1, 50, 50, 1.0, 0.0, NAN), "rho_s"),
        (lambda: theory.optimal_labels(10, 5, 1, 50, 1.0, 0.1, "pgr"), "objective"),
        (lambda: theory.optimal_labels(10, 5, 1, 50, 0.0, 0.1), "sigma2"),
        (lambda: theory.optimal_labels(10, 5, 1, 50, 1.0, 0.1, "opr_exact", n_max=5), "n_max"),
        (lambda: theory.thresholds(10, 5, 6, 50), "d_sw"),
        (lambda: theory.thresholds(10, 5, 1, INF), "n "),
        (lambda: theory.proportional_limit(0.1, 0.2, 0.3), "gamma_sw"),
        (lambda: theory.proportional_limit(-0.1, 0.0, 0.3), "gamma_w"),
        (lambda: theory.chain_risks([], PAIR, [10, 10]), "Cs"),
        (lambda: theory.chain_risks([np.eye(2, 3)], PAIR, [10]), "sizes"),
        (lambda: theory.chain_risks([np.eye(3, 2)], PAIR, [10, 10]), r"Cs\[0\]"),
        (lambda: theory.chain_risks([1.1 * np.eye(2, 3)], PAIR, [10, 10]), r"Cs\[0\]"),
        (lambda: theory.chain_risks([np.eye(2, 3)], PAIR, [10, 0]), r"sizes\[1\]"),
        (
            lambda: theory.ridge_equivalent((np.zeros(3), np.ones(2)), np.eye(2, 3), PAIR, 9, 9),
            r"spectra\[0\]",
        ),
        (
            lambda: theory.ridge_equivalent((np.ones(3), [1, -1]), np.eye(2, 3), PAIR, 9, 9),
            r"spectra\[1\]",
        ),
        (
            lambda: theory.ridge_equivalent((np.ones(3), np.ones(2)), np.eye(3, 2), PAIR, 9, 9),
            "C ",
        ),
        (
            lambda: theory.ridge_equivalent((np.ones(4), np.ones(2)), np.eye(2, 4), PAIR, 9, 9),
            r"targets\[0\]",
        ),
        (
            lambda: theory.ridge_equivalent(
                (np.ones(3), np.ones(2)), np.eye(2, 3), PAIR, 9, 9, (-1.0, 0.0)
            ),
            r"ridges\[0\]",
        ),
        (lambda: theory.optimal_surrogate(np.ones(5), np.ones(4), 3), "a "),
        (lambda: theory.optimal_surrogate(np.ones(5), np.ones(5), 5), "n "),
        (lambda: theory.optimal_surrogate(np.zeros(5), np.ones(5), 3), "lam"),
        (lambda: theory.synthetic_task(d_w=0), "d_w"),
        (lambda: theory.synthetic_task(d_off=-1), "d_off"),
        (lambda: theory.synthetic_task(d_s=2.5), "d_s"),
        (lambda: theory.synthetic_task(d=250), "d "),
        (lambda: simulate.kappa(3, 14, repetitions=1), "repetitions"),
    ],
)
def test_refused_by_name(call, name):
    with pytest.raises(ValueError, match=rf"(^|[ ,]){name}"):
        call()


def test_a_model_that_is_not_the_one_described():
    model = theory.synthetic_task()
    rho = model.rho_w + model.rho_s
    with pytest.raises(ValueError, match="d_sw must be that of the model"):
        theory.optimal_labels(200, 100, 50, 4000, 0.01, rho, "opr_exact", model=model)
    with pytest.raises(ValueError, match="rho must be that of the model"):
        theory.optimal_labels(200, 100, 10, 4000, 0.01, 2 * rho, "opr_exact", model=model)
    with pytest.raises(ValueError, match="model must be None"):
        theory.optimal_labels(200, 100, 10, 4000, 0.01, rho, "opr_bound", model=model)


def test_a_singular_value_of_one_survives_round_off():
    rng = np.random.default_rng(0)
    C = np.linalg.qr(rng.standard_normal((40, 40)))[0]
    model = theory.LatentModel(C, np.ones(40), np.ones(40))
    assert model.d_sw <= 40
    summary = theory.risk_summary(model, 60, 60)
    assert summary.student_risk == pytest.approx(summary.teacher_risk)
