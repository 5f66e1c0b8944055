"""Every formula of `w2sg.theory.discrepancy` against its Monte Carlo twin.

A case passes when the formula lies within 4 standard errors of the simulated mean and the
standard error is at most 1 % of it: enough to notice d_s/N in place of d_s/(N − d_s − 1), a
missing "− 1", or a forgotten intercept. Sample sizes stay at least 8 away from dimensions.
"""

from itertools import pairwise

import numpy as np
import pytest

from w2sg.theory import discrepancy as theory
from w2sg.theory.discrepancy.stage import stage
from w2sg.theory.simulate import discrepancy as simulate
from w2sg.theory.simulate.estimate import Estimate

FOUR = ("teacher_risk", "student_risk", "baseline_risk", "ceiling_risk")


def check(formula, estimate, *, precision=0.01):
    assert (estimate.standard_error < precision * np.abs(formula)).all(), (
        f"too noisy to tell: {estimate.standard_error / formula}"
    )
    assert (estimate.distance(formula) < 4).all(), (
        f"formula {formula}, simulated {estimate.mean} ± {estimate.standard_error}"
    )


def random_model(d_w, d_s, seed, *, gamma=0.3):
    """Arbitrary angles, an arbitrary target, and a part that neither model sees."""
    rng = np.random.default_rng(seed)
    smaller = min(d_w, d_s)
    left = np.linalg.qr(rng.standard_normal((d_s, d_s)))[0][:, :smaller]
    right = np.linalg.qr(rng.standard_normal((d_w, d_w)))[0][:, :smaller]
    C = left @ np.diag(rng.uniform(0, 1, smaller) ** 0.5) @ right.T
    alpha, beta = rng.standard_normal(d_s), rng.standard_normal(d_w)
    return theory.LatentModel(C, alpha / 2 / d_s**0.5, beta / d_w**0.5, gamma)


@pytest.mark.parametrize(("d", "m"), [(3, 12), (5, 60), (20, 28)])
def test_kappa(d, m):
    check(theory.kappa(d, m), simulate.kappa(d, m, repetitions=20000))


@pytest.mark.parametrize(
    ("d", "m", "where", "intercept"),
    [
        (5, 14, "population", False),
        (12, 60, "population", False),
        (5, 15, "population", True),
        (12, 30, "population", True),
        (8, 20, "train", False),
        (8, 20, "train", True),
        (20, 8, "train", False),
    ],
)
def test_variance_of_least_squares(d, m, where, intercept):
    # catches d/m for fresh inputs, and d/(m − d − 1) in place of d/(m − d − 2) with an intercept
    args = (d, m, 1.7, where, intercept)
    check(theory.variance_ols(*args), simulate.variance_ols(*args, repetitions=16000))


@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("where", ["population", "train"])
@pytest.mark.parametrize(
    ("d_w", "d_s", "d_sw", "n", "N"),
    [(12, 6, 2.0, 40, 20), (6, 12, 3.0, 24, 48), (10, 10, 0.0, 30, 25)],
)
def test_variance_of_the_student(d_w, d_s, d_sw, n, N, where, intercept):
    # catches the paper's d_s/N off its own rows: here it is 30 to 60 % below κ
    args = (d_w, d_s, d_sw, n, N, 0.6, where, intercept)
    check(theory.variance_w2s(*args), simulate.variance_w2s(*args, repetitions=16000))


@pytest.mark.parametrize(
    ("d_w", "d_s", "n", "N"),
    [
        pytest.param(12, 8, 40, 30, id="tall-tall"),
        pytest.param(8, 14, 30, 24, id="tall-tall-larger-student"),
        pytest.param(10, 10, 50, 18, id="tall-tall-few-pseudo-labels"),
        pytest.param(6, 6, 16, 200, id="tall-tall-many-pseudo-labels"),
        pytest.param(24, 8, 16, 30, id="wide-tall"),
        pytest.param(30, 12, 20, 24, id="wide-tall-2"),
        pytest.param(40, 10, 26, 60, id="wide-tall-3"),
        pytest.param(20, 12, 4, 50, id="wide-tall-few-labels"),
        pytest.param(8, 24, 40, 12, id="tall-wide"),
        pytest.param(10, 30, 18, 20, id="tall-wide-2"),
        pytest.param(6, 24, 60, 16, id="tall-wide-3"),
        pytest.param(12, 50, 26, 16, id="tall-wide-few-pseudo-labels"),
        pytest.param(24, 40, 14, 10, id="wide-wide"),
        pytest.param(30, 40, 10, 16, id="wide-wide-2"),
        pytest.param(40, 40, 26, 30, id="wide-wide-3"),
        pytest.param(22, 36, 6, 12, id="wide-wide-4"),
    ],
)
def test_all_four_risks_in_all_four_regimes(d_w, d_s, n, N):
    # misspecified on both sides: catches σ² in place of σ² + ρ, a bias of ρ_w + ρ_s, a
    # projection's second moment without its spread, and min-norm noise without d − m − 1
    assert min(abs(n - d_w), abs(N - d_s), abs(n - d_s), abs(n + N - d_s)) >= 8
    model = random_model(d_w, d_s, seed=d_w * 100 + d_s)
    formula = theory.risk_summary(model, n, N, 0.5)
    simulated = simulate.risk_summary(model, n, N, 0.5, repetitions=12000)
    for name in FOUR:
        check(getattr(formula, name), getattr(simulated, name))
    check(formula.opr, simulated.opr, precision=0.015)
    assert simulated.pgr.distance(formula.pgr) < 4
    assert simulated.pgr.standard_error < 0.05 * max(1.0, abs(formula.pgr))


@pytest.mark.parametrize(("d", "m"), [(10, 2), (12, 4), (20, 12)])
def test_moments_of_a_minimum_norm_fit(d, m):
    # the spread over other directions is a small part of any risk; here it is all there is.
    # catches (m/d)² for E (Pg)₁², and d² in place of d(d − 1)
    X = np.random.default_rng(d).standard_normal((60000, m, d))
    coef = simulate.fit(X, X[..., 0])  # a noiseless target along the first axis
    moments = stage(np.array(float(d)), np.array(float(m)))
    for values, formula in (
        (coef[:, 0], moments.keep),
        (coef[:, 0] ** 2, moments.same + moments.spread),
        ((coef[:, 1:] ** 2).mean(axis=1), moments.spread),
    ):
        error = values.std(ddof=1) / len(values) ** 0.5
        check(formula, Estimate(values.mean(), error))


@pytest.mark.parametrize(
    ("d_w", "d_s", "n", "N"), [(12, 8, 40, 30), (24, 8, 16, 30), (8, 24, 40, 12), (24, 40, 14, 10)]
)
def test_a_target_that_both_models_express(d_w, d_s, n, N):
    # catches parts that only cancel when ρ > 0: here ρ_w = ρ_s = 0
    C = np.eye(d_s, d_w)
    alpha = np.zeros(d_s)
    alpha[:3] = 1.0
    model = theory.LatentModel(C, alpha, np.zeros(d_w))
    formula = theory.risk_summary(model, n, N, 2.0)
    simulated = simulate.risk_summary(model, n, N, 2.0, repetitions=8000)
    for name in FOUR:
        check(getattr(formula, name), getattr(simulated, name))


@pytest.mark.parametrize(
    ("dims", "sizes"),
    [
        ((8, 12, 16), (24, 30, 60)),
        ((16, 8, 20), (40, 8 + 8, 12)),
        ((24, 20, 8, 12), (14, 10, 30, 40)),
        ((6, 6, 6, 6), (20, 20, 20, 20)),
    ],
)
def test_chains(dims, sizes):
    # catches moments handed on without the foreign part, and a stage fed with the first noise
    rng = np.random.default_rng(sum(sizes))
    targets = [(rng.standard_normal(d) / d**0.5, 0.1 * i) for i, d in enumerate(dims, 1)]
    Cs = [random_model(d_w, d_s, seed=d_w + d_s).C for d_w, d_s in pairwise(dims)]
    formula = theory.chain_risks(Cs, targets, sizes, 0.7)
    check(formula, simulate.chain_risks(Cs, targets, sizes, 0.7, repetitions=12000))


@pytest.mark.parametrize(
    ("power", "n", "N", "ridges"),
    [
        (0.0, 200, 150, (0.0, 0.0)),
        (1.0, 200, 150, (3.0, 1.0)),
        (1.0, 60, 200, (0.0, 2.0)),
        (0.5, 30, 20, (0.0, 0.0)),
    ],
)
def test_any_spectrum_and_ridge(power, n, N, ridges):
    # a deterministic equivalent: 3 % beside the noise; a wrong k or ν is off by tens of percent
    d_w, d_s = 120, 80
    model = random_model(d_w, d_s, seed=5)
    spectra = tuple(np.arange(1.0, d + 1) ** -power for d in (d_w, d_s))
    targets = ((model.a_w, model.rho_w), (model.a_s, model.rho_s))
    formula = theory.ridge_equivalent(spectra, model.C, targets, n, N, ridges, 0.5)
    simulated = simulate.ridge_equivalent(spectra, model, n, N, ridges, 0.5, repetitions=240)
    for name in FOUR:
        estimate, value = getattr(simulated, name), getattr(formula, name)
        assert estimate.standard_error < 0.02 * value, name
        assert abs(estimate.mean - value) < 4 * estimate.standard_error + 0.03 * value, name


def test_optimal_surrogate():
    # catches c without 1 − g and a mask on the wrong side of its threshold
    lam = np.r_[np.ones(20), np.full(40, 0.2), np.full(200, 0.01)]
    a = np.r_[np.ones(20), np.full(40, 0.3), np.full(200, 0.1)]
    best = theory.optimal_surrogate(lam, a, 100)
    for weights, value in (
        (best.weights, best.optimal_risk),
        (best.mask * a, best.masked_risk),
        (a, best.plain_risk),
    ):
        estimate = simulate.surrogate_risk(lam, a, weights, 100, repetitions=300)
        assert estimate.standard_error < 0.01 * value
        assert abs(estimate.mean - value) < 4 * estimate.standard_error + 0.02 * value
    assert best.optimal_risk < 0.9 * best.plain_risk
    assert (best.weights[:20] > a[:20]).all()
