"""The paper's bounds, the best number of labels, and the thresholds."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from w2sg.theory.discrepancy import (
    Dimensions,
    LatentModel,
    opr_lower_bound,
    optimal_labels,
    pgr_lower_bound,
    plotted_bounds,
    proportional_limit,
    risk_summary,
    synthetic_task,
    thresholds,
    variance_ols,
    variance_w2s,
)

ILLUSTRATION = (100, 80, 10)


def test_bound_table_of_the_illustration():
    # note section 4.1; catches κ in place of d_s/N and a missing n/(n − d_w − 1)
    n, N = np.array([[220], [510], [800]]), np.array([160, 1600, 4000])
    pgr = [
        [-0.236807, 0.511933, 0.561849],
        [-0.195819, 0.309193, 0.342861],
        [-0.429471, 0.034049, 0.064950],
    ]
    opr = [
        [0.646827, 1.639118, 1.825853],
        [0.668998, 1.158066, 1.217398],
        [0.559648, 0.828199, 0.855569],
    ]
    np.testing.assert_allclose(pgr_lower_bound(*ILLUSTRATION, n, N, 1.0, 0.1), pgr, atol=6e-7)
    np.testing.assert_allclose(opr_lower_bound(*ILLUSTRATION, n, N, 1.0, 0.1), opr, atol=6e-7)


@pytest.mark.parametrize(
    ("d_sw", "pgr", "opr"), [(10, 0.8345, 1.4131), (50, 0.6384, 0.9441), (90, 0.4557, 0.7552)]
)
def test_dotted_curves_of_the_figures(d_sw, pgr, opr):
    model = synthetic_task(d_off=100 - d_sw)
    curves = plotted_bounds(200, 100, d_sw, 2000, 4000, 0.01, model.rho_w, model.rho_s)
    assert curves.pgr == pytest.approx(pgr, abs=5e-5)
    assert curves.opr == pytest.approx(opr, abs=5e-5)


def test_the_papers_bound_can_exceed_the_population_value():
    # why version="population" exists
    args = (20, 10, 0, 1000, 25, 1.0, 0.0)
    exact = risk_summary((20, 10, 0), 1000, 25).pgr
    assert exact == pytest.approx(0.5524, abs=5e-5)
    assert pgr_lower_bound(*args) == pytest.approx(0.5914, abs=5e-5)
    assert pgr_lower_bound(*args, version="population") < exact


@settings(max_examples=300)
@given(
    d_w=st.integers(1, 60),
    d_s=st.integers(1, 60),
    share=st.floats(0, 1),
    n=st.integers(3, 2000),
    N=st.integers(3, 2000),
)
def test_population_bounds_hold(d_w, d_s, share, n, N):
    assume(n > max(d_w, d_s) + 1 and d_s + 1 < N)
    d_sw = share * min(d_w, d_s)
    exact = risk_summary((d_w, d_s, d_sw), n, N)
    args = (d_w, d_s, d_sw, n, N, 1.0, 0.0, "population")
    assert opr_lower_bound(*args) <= exact.opr * (1 + 1e-12)
    if exact.ceiling_risk < exact.teacher_risk and (bound := pgr_lower_bound(*args)) > 0:
        assert bound <= exact.pgr + 1e-12


@settings(max_examples=300)
@given(
    d_w=st.integers(1, 40),
    d_s=st.integers(1, 40),
    n=st.integers(3, 2000),
    N=st.integers(3, 4000),
    sigma2=st.floats(0.02, 5.0),
    scales=st.tuples(*3 * [st.sampled_from([0.0, 0.1, 1.0])]),
    seed=st.integers(0, 10**6),
)
def test_bounds_hold_where_the_docstring_says(d_w, d_s, n, N, sigma2, scales, seed):
    # Catches a condition without the term of the misfit, or without that of ρ_w as label noise.
    assume(n > max(d_w, d_s) + 1 and d_s + 1 < N)
    rng, k = np.random.default_rng(seed), min(d_w, d_s)
    C = np.zeros((d_s, d_w))
    C[range(k), range(k)] = rng.uniform(size=k) * rng.integers(2, size=k)
    alpha, beta = rng.normal(size=d_s) * scales[0], rng.normal(size=d_w) * scales[1]
    model = LatentModel(C, alpha, beta, scales[2])
    rho, fresh = model.rho_w + model.rho_s, d_s / (N - d_s - 1)
    survives = model.d_sw + (d_w - model.d_sw) * fresh
    taken = model.inherited_bias + model.rho_w * survives / (n - d_w - 1) + fresh * model.misfit
    exact = risk_summary(model, n, N, sigma2)
    args = (d_w, d_s, model.d_sw, n, N, sigma2, rho, "population")
    if taken <= model.rho_w:
        assert opr_lower_bound(*args) <= exact.opr * (1 + 1e-9)
        if exact.ceiling_risk < exact.teacher_risk and (bound := pgr_lower_bound(*args)) > 0:
            assert bound <= exact.pgr + 1e-9
    without_end = (*args[:4], np.inf, *args[5:7])
    assert opr_lower_bound(*without_end) == opr_lower_bound(*without_end, "population")


def test_neither_version_is_a_bound_outside_its_conditions():
    # Each breaks one condition of the docstring: few rows for the baseline; a part of the target
    # that is label noise to the teacher; a misfit that is noise to the student.
    few = (Dimensions(5, 50, 5), (5, 50, 5, 20, 200, 1.0, 0.0))
    noisy = LatentModel(np.zeros((14, 18)), 3 * np.ones(14), np.zeros(18))
    noisy = (noisy, (18, 14, 0, 310, 17, 0.004, noisy.rho_w + noisy.rho_s))
    for model, args in (few, noisy):
        assert opr_lower_bound(*args, "population") > risk_summary(model, *args[3:6]).opr
    beta = np.zeros(16)
    beta[3:] = (0.00196 / 13) ** 0.5
    foreign = LatentModel(np.eye(5, 16) * ([1] * 3 + [0] * 13), np.zeros(5), beta)
    args = (16, 5, 3, 594, 13, 0.48, foreign.rho_w + foreign.rho_s)
    exact = risk_summary(foreign, *args[3:6])
    assert exact.teacher_risk > exact.ceiling_risk
    assert exact.pgr < 0 < pgr_lower_bound(*args, "population")


def test_bounds_say_nothing_where_the_student_is_infinite():
    assert pgr_lower_bound(100, 80, 10, 101, 1000, 1.0, 0.0) == -np.inf
    assert opr_lower_bound(100, 80, 10, 101, 1000, 1.0, 0.0) == 0.0
    assert pgr_lower_bound(100, 80, 10, 400, 81, 1.0, 0.0, "population") == -np.inf
    assert opr_lower_bound(100, 80, 10, 400, np.inf, 1.0, 0.0) == pytest.approx(80 / 10 * 299 / 400)


@pytest.mark.parametrize("version", ["paper", "population"])
@settings(max_examples=100)
@given(
    d_w=st.integers(1, 200),
    d_s=st.integers(1, 200),
    share=st.floats(0, 1),
    N=st.integers(210, 5000),
    rho=st.floats(1e-3, 1.0),
    sigma2=st.floats(0.1, 10.0),
)
def test_closed_form_optimum_beats_a_fine_grid(version, d_w, d_s, share, N, rho, sigma2):
    d_sw = share * min(d_w, d_s)
    n = (d_w + 1) * (1 + np.geomspace(1e-4, 1e4, 4001))
    for objective, bound in (("pgr_bound", pgr_lower_bound), ("opr_bound", opr_lower_bound)):
        best = optimal_labels(d_w, d_s, d_sw, N, sigma2, rho, objective, version)
        grid = bound(d_w, d_s, d_sw, n, N, sigma2, rho, version)
        at_best = bound(d_w, d_s, d_sw, best.n, N, sigma2, rho, version)
        assert best.value >= grid.max() - 1e-9 * abs(grid.max())
        assert at_best == pytest.approx(best.value, rel=1e-9, abs=1e-9)


def test_reference_optima():
    best = optimal_labels(*ILLUSTRATION, [1600, 2800, 4000], 1.0, 0.1)
    np.testing.assert_allclose(best.n, [222.0165, 213.6816, 210.1696], atol=6e-5)
    np.testing.assert_allclose(best.value, [0.511967, 0.547923, 0.562661], atol=6e-7)


def test_without_bias_more_labels_are_always_better_for_the_bound():
    best = optimal_labels(*ILLUSTRATION, 1600, 1.0, 0.0)
    assert best.n == np.inf
    assert best.value == pytest.approx(pgr_lower_bound(*ILLUSTRATION, 1e12, 1600, 1.0, 0.0))
    assert optimal_labels(100, 80, 0, np.inf, 1.0, 0.0, "opr_bound").value == np.inf


@pytest.mark.parametrize(
    ("d_sw", "for_opr", "for_pgr"), [(10, 429, 202), (50, 683, 217), (90, 1029, 893)]
)
def test_exact_optima_of_the_synthetic_task(d_sw, for_opr, for_pgr):
    # catches a search stuck on its grid: every neighbour is worse (202 is the edge d_w + 2)
    model = synthetic_task(d_off=100 - d_sw)
    args = (200, 100, d_sw, 4000, 0.01, model.rho_w + model.rho_s)
    for objective, expected in (("opr_exact", for_opr), ("pgr_exact", for_pgr)):
        best = optimal_labels(*args, objective, model=model)
        assert best.n == expected
        n = np.arange(202, 5000)
        values = getattr(risk_summary(model, n, 4000, 0.01), objective[:3])
        assert best.value == values.max()


def test_exact_search_stays_above_both_dimensions():
    # at n = 12 the baseline has fewer rows than features and drops half of a strong signal: OPR
    # is huge there, and says nothing about weak supervision
    model = LatentModel(np.eye(20, 10), 100 * np.ones(20) / 20**0.5, np.zeros(10))
    args = (10, 20, 10, 100, 1.0, model.rho_w + model.rho_s)
    best = optimal_labels(*args, "opr_exact", model=model)
    assert best.n == 22
    assert risk_summary(model, 12, 100).opr > best.value


def test_exact_search_broadcasts_and_stops_at_its_limit():
    best = optimal_labels(20, 10, [2, 5], [[100], [200]], 1.0, 0.01, "opr_exact", n_max=5000)
    assert best.n.shape == best.value.shape == (2, 2)
    growing = optimal_labels(20, 10, 2, 100, 1.0, 0.0, "opr_exact", n_max=3000)
    assert growing.n == 3000


@settings(max_examples=200)
@given(
    d_w=st.integers(1, 50), d_s=st.integers(1, 50), tenths=st.integers(0, 10), n=st.integers(1, 300)
)
def test_thresholds_are_where_the_comparison_turns(d_w, d_s, tenths, n):
    # by evaluating the variances at the threshold and one below: catches ties and off-by-one
    d_sw = tenths / 10 * min(d_w, d_s)
    found = thresholds(d_w, d_s, d_sw, n)
    teacher, baseline = variance_ols(d_w, n), variance_ols(d_s, n)

    def student(N, labels=n):
        return variance_w2s(d_w, d_s, d_sw, labels, N)

    def beats(left, right):
        return left < right * (1 - 1e-12) or (np.isfinite(left) and right == np.inf)

    if np.isfinite(teacher):
        if d_sw == d_w:
            assert found.N_beats_teacher == np.inf
        else:
            assert beats(student(found.N_beats_teacher), teacher)
            assert not beats(student(found.N_beats_teacher - 1), teacher)
    if np.isfinite(found.N_beats_baseline):
        assert beats(student(found.N_beats_baseline), baseline)
        if found.N_beats_baseline > 1:
            assert not beats(student(found.N_beats_baseline - 1), baseline)
    else:
        assert not beats(student(1e13), baseline)
    enough = found.n_beats_baseline
    if np.isfinite(enough):
        assert beats(student(np.inf, enough), variance_ols(d_s, enough))
        if enough > 1:
            assert not beats(student(np.inf, enough - 1), variance_ols(d_s, enough - 1))
    else:
        late = np.array([1e4, 1e6])
        assert not (student(np.inf, late) < variance_ols(d_s, late) * (1 - 1e-12)).any()


def test_proportional_limit_is_the_limit():
    # catches γ_N in place of γ_N/(1 − γ_N)
    scale = np.array([1e3, 1e5])
    finite = variance_w2s(0.3 * scale, 0.2 * scale, 0.1 * scale, scale, scale / 2, 2.0)
    limit = proportional_limit(0.3, 0.1, 0.4, 2.0)
    error = abs(finite / limit - 1)
    assert error[1] < 1e-4
    assert error[1] < error[0] / 50
    assert proportional_limit(1.0, 0.5, 0.1) == np.inf
    assert proportional_limit(0.5, 0.1, 1.2) == np.inf
    assert proportional_limit(0.5, 0.5, 1.0) == pytest.approx(1.0)


def test_a_vanishing_gap_has_no_best_number_of_labels():
    # With a bias in both models the gap closes as n grows, or has a pole on the way: what was
    # returned there was n_max, or a PGR of 140 beside the pole.
    to_the_end = optimal_labels(20, 10, 8, 100, 1.0, 0.5, "pgr_exact", n_max=10**5)
    beside_a_pole = optimal_labels(5, 40, 1, 1000, 0.1, 0.2, "pgr_exact", n_max=10**5)
    for best in (to_the_end, beside_a_pole):
        assert np.isnan(best.n)
        assert np.isnan(best.value)
    # Without bias the gap stays open and PGR does grow up to n_max.
    grows = optimal_labels(20, 10, 2, 100, 1.0, 0.0, "pgr_exact", n_max=10**5)
    assert grows.n == 10**5
    assert grows.value == pytest.approx(risk_summary((20, 10, 2), 1e5, 100).pgr)
    many = optimal_labels(20, 10, [2, 8], 100, 1.0, [0.0, 0.5], "pgr_exact", n_max=10**5)
    assert np.isnan(many.n).tolist() == [False, True]
