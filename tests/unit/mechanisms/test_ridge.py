"""Closed forms of two-stage ridge: published numbers, exact properties, independent roots."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import brentq, minimize_scalar

from w2sg.theory import ridge

GAMMAS = st.floats(0.02, 8.0).filter(lambda g: abs(g - 1) > 1e-3)
PENALTIES = st.floats(1e-4, 20.0)
NOISES = st.floats(0.01, 4.0)

# lam_t, D, then left: high, penalty, risk; right: interval, penalty, risk; and R_t
F1_TABLE = [
    (0.01, 0.480748, 24.001126, 0.708593, 0.558690,
     (0.011364, 22.000178), 1.005578, 0.723919, 0.927275),
    (0.05, 0.414965, 4.022704, 0.462144, 0.519670,
     (0.127739, 1.957112), 0.597234, 0.695854, 0.733843),
    (0.10, 0.348331, 1.573162, 0.291321, 0.486149, None, 0.328371, 0.670046, 0.603567),
    (0.20, 0.241274, 0.452989, 0.129779, 0.446055, None, 0.113944, 0.636736, 0.483997),
    (0.30, 0.152259, 0.160088, 0.059271, 0.425787, None, 0.044819, 0.619297, 0.436842),
    (0.40, 0.073054, 0.050352, 0.022221, 0.416639, None, 0.015509, 0.611503, 0.418599),
    (0.45, 0.035905, 0.020864, 0.009850, 0.414773, None, 0.006700, 0.609940, 0.415194),
]  # fmt: skip


@pytest.mark.parametrize("row", F1_TABLE, ids=lambda row: f"lam_t={row[0]}")
def test_the_table_of_the_heat_maps(row):
    """Catches a wrong factor anywhere between κ and the optimum: nine numbers per row."""
    lam_t, deficit, high, pen_left, risk_left, interval, pen_right, risk_right, teacher = row
    left = ridge.optimal_student_penalty(0.5, 0.5, lam_t, 1.0)
    right = ridge.optimal_student_penalty(0.5, 1.5, lam_t, 1.0)
    result = ridge.two_stage(0.5, 0.5, lam_t, pen_left, 1.0)
    assert result.deficit == pytest.approx(deficit, abs=6e-7)
    assert result.teacher_risk == pytest.approx(teacher, abs=6e-7)
    assert left.penalty == pytest.approx(pen_left, abs=6e-7)
    assert left.risk == pytest.approx(risk_left, abs=6e-7)
    assert result.student_risk == pytest.approx(risk_left, abs=6e-7)
    assert right.penalty == pytest.approx(pen_right, abs=6e-7)
    assert right.risk == pytest.approx(risk_right, abs=6e-7)
    assert ridge.win_interval(0.5, 0.5, lam_t, 1.0) == pytest.approx((0.0, high), rel=3e-5)
    found = ridge.win_interval(0.5, 1.5, lam_t, 1.0)
    assert found is None if interval is None else found == pytest.approx(interval, abs=6e-7)


def test_best_students_along_the_aspect_ratio():
    """Catches a wrong branch of the quartic: γ_s below, at and above 1, and infinite data."""
    gammas = [0, 0.1, 0.25, 0.5, 0.75, 0.9, 1, 1.2, 1.5, 1.7, 1.8, 2, 3]
    risks = [0.464359, 0.473884, 0.489440, 0.519670, 0.557310, 0.584261, 0.603716, 0.643240,
             0.695854, 0.724691, 0.737390, 0.759835, 0.832950]  # fmt: skip
    best = ridge.optimal_student_penalty(0.5, gammas, 0.05, 1.0)
    np.testing.assert_allclose(best.risk, risks, atol=6e-7)
    listed = dict(zip(gammas, best.penalty, strict=True))
    for gamma, penalty in {
        0: 0.709,
        0.25: 0.580,
        0.5: 0.462,
        0.9: 0.354,
        1: 0.363,
        3: 1.615,
    }.items():
        assert listed[gamma] == pytest.approx(penalty, abs=6e-4)


def test_critical_values():
    """Catches D_c and γ_c swapped or off by the factor ¼."""
    deficit = ridge.two_stage(0.5, 0.5, 0.05, 1.0, 1.0).deficit
    assert ridge.critical_ratio(deficit) == pytest.approx(1.771213, abs=6e-7)
    assert ridge.critical_deficit([0.0, 0.999, 1.0, 1.5]) == pytest.approx(
        [0, 0, 0.25, 0.394338], abs=6e-7
    )
    assert ridge.critical_ratio([-1.0, 0.2, 0.25, 0.5, 0.7]) == pytest.approx(
        [0, 1, 1, np.inf, np.inf]
    )
    assert ridge.critical_teacher_penalty(0.5, 0.9, 1.0) == 0.5
    # a teacher that is never bad enough: its largest deficit λ⋆/(|1 − γ| + λ⋆) is below ¼
    assert ridge.critical_teacher_penalty(0.5, 1.0, 0.01) == 0.0


@given(GAMMAS, PENALTIES)
def test_kappa_solves_its_equation_and_inverts(gamma, lam):
    """Catches the wrong root of the quadratic and cancellation in it."""
    kappa = ridge.kappa(lam, gamma)
    assert kappa > max(0.0, gamma - 1)
    assert ridge.penalty_of_kappa(kappa, gamma) == pytest.approx(lam, rel=1e-10)


def test_kappa_at_tiny_penalties_does_not_cancel():
    """Catches ½(b + √(b² + 4λ)) with b < 0, which loses every digit here."""
    assert ridge.kappa(1e-18, 0.5) == pytest.approx(2e-18, rel=1e-12)
    assert ridge.kappa(0.0, [0.3, 1.0, 2.5]) == pytest.approx([0.0, 0.0, 1.5])


@pytest.mark.parametrize(("gamma", "lam"), [(0.5, 0.1), (0.5, 2.0), (2.0, 0.3), (4.0, 0.05)])
def test_stieltjes_is_the_integral_over_the_marchenko_pastur_law(gamma, lam):
    """Catches m of the wrong Gram matrix (XXᵀ for XᵀX) and a wrong derivative."""
    edges = (1 - gamma**0.5) ** 2, (1 + gamma**0.5) ** 2

    def density(s):
        return np.sqrt((edges[1] - s) * (s - edges[0])) / (2 * np.pi * gamma * s)

    for power, value in zip((1, 2), ridge.stieltjes(lam, gamma), strict=True):
        bulk, _ = quad(lambda s, p=power: density(s) / (s + lam) ** p, *edges, limit=200)
        atom = max(0.0, 1 - 1 / gamma) / lam**power
        assert value == pytest.approx(bulk + atom, rel=1e-7)


@given(GAMMAS, GAMMAS, PENALTIES, PENALTIES, NOISES)
def test_risks_through_the_channel_and_through_the_stieltjes_transform(
    g_t, g_s, lam_t, lam_s, noise
):
    """Three roads to one number; catches a slip in any, and T − C with the wrong sign."""
    result = ridge.two_stage(g_t, g_s, lam_t, lam_s, noise, tau2=0.3)
    teacher, student = ridge.chain([(g_t, lam_t), (g_s, lam_s)], noise, tau2=0.3)
    assert result.teacher_risk == pytest.approx(teacher.risk, rel=1e-10, abs=1e-12)
    assert result.student_risk == pytest.approx(student.risk, rel=1e-10, abs=1e-12)
    m, m2 = ridge.stieltjes(lam_s, g_s)
    gap = teacher.norm2 - teacher.overlap
    change = -2 * lam_s * m * gap + lam_s**2 * m2 * teacher.norm2 + 0.3 * g_s * (m - lam_s * m2)
    assert result.difference == pytest.approx(change, rel=1e-8, abs=1e-10)
    assert result.difference == pytest.approx(result.student_risk - result.teacher_risk, abs=1e-10)


@given(GAMMAS, PENALTIES, NOISES)
def test_sign_rule(gamma, lam, noise):
    """D > 0 exactly below λ⋆. Catches λ⋆ = σ²/r² without γ."""
    best = ridge.optimal_teacher_penalty(gamma, noise)
    result = ridge.two_stage(gamma, 0.5, lam, 1.0, noise)
    assert np.sign(result.deficit) == np.sign(best - lam)
    signal = ridge.chain([(gamma, lam)], noise)[0]
    assert result.deficit == pytest.approx(1 - signal.overlap / signal.norm2, abs=1e-10)


@given(GAMMAS, GAMMAS, PENALTIES, PENALTIES, NOISES, st.booleans())
@settings(max_examples=300)
def test_floor(g_t, g_s, lam_t, lam_s, noise, reuse):
    """No student beats the best teacher. Catches any risk that is too small."""
    floor = ridge.two_stage(g_t, 0.5, noise * g_t, 1.0, noise).teacher_risk
    inputs, g_s = ("reused", g_t) if reuse else ("fresh", g_s)
    assert (
        ridge.two_stage(g_t, g_s, lam_t, lam_s, noise, inputs=inputs).student_risk >= floor - 1e-10
    )


@given(GAMMAS, GAMMAS, PENALTIES, NOISES)
def test_duality(g_t, g_s, lam_t, noise):
    """D is invariant under (γ_t, λ_t) → (1/γ_t, λ_t/γ_t) at the same λ_t/λ_t⋆."""
    ratio = lam_t / (g_t * noise)
    dual_noise = lam_t / g_t / ratio * g_t
    one = ridge.optimal_student_penalty(g_t, g_s, lam_t, noise)
    other = ridge.optimal_student_penalty(1 / g_t, g_s, lam_t / g_t, dual_noise)
    first = ridge.two_stage(g_t, g_s, lam_t, 1.0, noise).deficit
    second = ridge.two_stage(1 / g_t, g_s, lam_t / g_t, 1.0, dual_noise).deficit
    assert first == pytest.approx(second, abs=1e-10)
    assert one.penalty == pytest.approx(other.penalty, rel=1e-8, abs=1e-10)


@given(st.floats(1.01, 8.0), GAMMAS, PENALTIES, NOISES)
def test_ridgeless_overparameterised_student(g_s, g_t, lam_t, noise):
    """R_s = R_t/γ_s + (1 − 1/γ_s) r², exact at λ_s = 0. Catches a wrong interpolation limit."""
    result = ridge.two_stage(g_t, g_s, lam_t, 0.0, noise, r2=1.7)
    assert result.student_risk == pytest.approx(
        result.teacher_risk / g_s + 1.7 * (1 - 1 / g_s), rel=1e-10
    )


@given(GAMMAS, PENALTIES, NOISES)
def test_infinite_student_data(g_t, lam_t, noise):
    """γ_s = 0 only shrinks: λ⋆ = D/(1 − D) and R⋆ = r² − C²/T."""
    best = ridge.optimal_student_penalty(g_t, 0.0, lam_t, noise, signed=True)
    teacher = ridge.chain([(g_t, lam_t)], noise)[0]
    deficit = 1 - teacher.overlap / teacher.norm2
    assert best.penalty == pytest.approx(deficit / (1 - deficit), rel=1e-8, abs=1e-10)
    assert best.risk == pytest.approx(1 - teacher.overlap**2 / teacher.norm2, rel=1e-9)


@given(GAMMAS, GAMMAS, PENALTIES, NOISES)
@settings(max_examples=60)
def test_win_interval_is_where_the_difference_changes_sign(g_t, g_s, lam_t, noise):
    """Catches a wrong root: the difference is negative inside, positive outside, zero at ends."""
    interval = ridge.win_interval(g_t, g_s, lam_t, noise)
    grid = np.geomspace(1e-7, 1e7, 400)
    difference = ridge.two_stage(g_t, g_s, lam_t, grid, noise).difference
    low, high = interval or (np.inf, np.inf)
    inside = (grid > low * (1 + 1e-6)) & (grid < high * (1 - 1e-6))
    outside = (grid < low * (1 - 1e-6)) | (grid > high * (1 + 1e-6))
    assert (difference[inside] <= 1e-12).all()
    assert (difference[outside] >= -1e-12).all()


@pytest.mark.parametrize("gamma_s", [0.0, 0.3, 0.97, 1.0, 1.4, 3.0])
@pytest.mark.parametrize("lam_t", [0.01, 0.2, 0.9])
def test_optimum_against_a_numerical_search(gamma_s, lam_t):
    """Catches the quartic's wrong root and a wrong answer for an over-regularised teacher."""

    def risk(log_lam):
        return float(ridge.two_stage(0.5, gamma_s, lam_t, np.exp(log_lam), 1.0).student_risk)

    best = ridge.optimal_student_penalty(0.5, gamma_s, lam_t, 1.0)
    found = minimize_scalar(risk, bounds=(-45, 10), method="bounded", options={"xatol": 1e-10})
    assert best.risk == pytest.approx(found.fun, rel=1e-7)
    if best.penalty > 0:
        assert best.penalty == pytest.approx(np.exp(found.x), rel=1e-4)
        assert risk(np.log(best.penalty)) == pytest.approx(float(best.risk), rel=1e-10)


@pytest.mark.parametrize("gamma_s", [1e-9, 0.2, 0.6])
def test_signed_optimum_repairs_an_overregularised_teacher(gamma_s):
    """Catches the negative root lost, or a penalty beyond the edge −(1 − √γ)²."""
    best = ridge.optimal_student_penalty(0.5, gamma_s, 2.0, 1.0, signed=True)
    teacher = ridge.two_stage(0.5, gamma_s, 2.0, 1.0, 1.0).teacher_risk
    edge = -((1 - gamma_s**0.5) ** 2)
    assert edge < best.penalty < 0
    assert best.risk < teacher

    def risk(lam):
        return float(ridge.two_stage(0.5, gamma_s, 2.0, lam, 1.0, signed=True).student_risk)

    found = minimize_scalar(risk, bounds=(edge * 0.999, 0.0), method="bounded")
    assert best.risk == pytest.approx(found.fun, rel=1e-6)
    assert risk(float(best.penalty)) == pytest.approx(float(best.risk), rel=1e-9)


@given(GAMMAS, PENALTIES, PENALTIES, NOISES)
def test_reused_inputs_against_the_spectral_formula(gamma, a, b, noise):
    """The 2×2 system against Result 12's integral over one spectrum, another derivation."""
    if abs(a - b) < 0.05 * b:
        a = 1.3 * b
    (m_a, m2_a), (m_b, m2_b) = ridge.stieltjes(a, gamma), ridge.stieltjes(b, gamma)
    gap = (b - a) ** 2
    signal = b**4 * m2_b + a**4 * m2_a - 2 * a**2 * b**2 * (m_a - m_b) / (b - a)
    spread = b**2 * (m_b - b * m2_b) + a**2 * (m_a - a * m2_a)
    spread -= 2 * a * b * (b * m_b - a * m_a) / (b - a)
    expected = (signal + noise * gamma * spread) / gap
    result = ridge.two_stage(gamma, gamma, b, a, noise, inputs="reused")
    assert result.student_risk == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_reused_inputs_at_equal_penalties_is_a_limit_and_not_a_division_by_zero():
    """Catches the removable singularity at λ_s = λ_t."""
    lam_s = 0.3 * (1 + np.array([-1e-6, 0.0, 1e-6]))
    risks = ridge.two_stage(1.5, 1.5, 0.3, lam_s, 1.0, inputs="reused").student_risk
    assert risks[1] == pytest.approx((risks[0] + risks[2]) / 2, rel=1e-10)


@given(GAMMAS, PENALTIES, NOISES)
def test_reused_slope_at_zero(gamma, lam_t, noise):
    """∂R_s/∂λ_s at 0⁺ has the sign of λ_t − λ_t⋆ for every γ: no barrier at γ = 1."""
    best = gamma * noise
    if abs(lam_t - best) < 0.02 * best:
        lam_t = 1.1 * best
    tiny = 1e-7 * min(lam_t, 1.0)
    difference = ridge.two_stage(gamma, gamma, lam_t, tiny, noise, inputs="reused").difference
    assert np.sign(difference) == np.sign(lam_t - best)


@pytest.mark.parametrize("gamma", [0.5, 1.5])
def test_reused_ridgeless_teacher_reaches_the_floor(gamma):
    """Refitting an interpolator on its own inputs is ridge on the labels (Result 14)."""
    floor = ridge.two_stage(gamma, gamma, gamma, 1.0, 1.0).teacher_risk
    best = ridge.optimal_student_penalty(gamma, gamma, 1e-10, 1.0, inputs="reused")
    assert best.risk == pytest.approx(floor, rel=1e-6)
    assert best.penalty == pytest.approx(gamma, rel=1e-3)


def test_chain_denoises_then_forgets():
    """Catches a chain that feeds every student the teacher's labels."""
    stages = [(0.5, 0.05)] + [(0.5, 0.1)] * 5
    risks = [signal.risk for signal in ridge.chain(stages, 1.0)]
    assert risks == pytest.approx(
        [0.733843, 0.595213, 0.523836, 0.497497, 0.500484, 0.521784], abs=6e-7
    )


def test_everything_broadcasts():
    """Catches a function that only takes numbers, or aligns the wrong axes."""
    gamma_t, gamma_s = np.array([0.3, 0.7, 1.4])[:, None, None], np.array([0.5, 2.0])[:, None]
    lam = np.geomspace(0.01, 1, 4)
    result = ridge.two_stage(gamma_t, gamma_s, lam, 0.2, 1.0)
    assert result.teacher_risk.shape == result.difference.shape == (3, 2, 4)
    one = ridge.two_stage(1.4, 2.0, lam[3], 0.2, 1.0)
    assert result.student_risk[2, 1, 3] == pytest.approx(one.student_risk, rel=1e-14)
    low, _ = ridge.win_interval(gamma_t, gamma_s, lam, 1.0)
    assert low.shape == (3, 2, 4)
    assert np.isnan(low[0, 1, 3])


def test_critical_teacher_penalty_is_where_the_interval_closes():
    """Catches the inverse of D(λ_t) taken at the wrong aspect ratio."""
    edge = brentq(
        lambda lam: ridge.two_stage(0.8, 2.0, lam, 1.0, 1.5).deficit - ridge.critical_deficit(2.0),
        1e-6,
        1.0,
    )
    found = float(ridge.critical_teacher_penalty(0.8, 2.0, 1.5))
    assert found == pytest.approx(edge, rel=1e-9)
    assert ridge.win_interval(0.8, 2.0, found * 0.999, 1.5) is not None
    assert ridge.win_interval(0.8, 2.0, found * 1.001, 1.5) is None
