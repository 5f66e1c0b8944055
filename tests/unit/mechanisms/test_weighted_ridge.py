"""Weighted ridge: reduction to the isotropic closed forms, exact identities, published numbers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mechanism_problems import random_problem
from scipy.optimize import brentq, minimize_scalar

from w2sg.theory import ridge
from w2sg.theory import weighted_ridge as weighted

GAMMAS = st.floats(0.05, 6.0).filter(lambda g: abs(g - 1) > 1e-2)
PENALTIES = st.floats(1e-4, 10.0)
NOISES = st.floats(0.01, 4.0)
ONE = [1.0]


@given(GAMMAS, GAMMAS, PENALTIES, PENALTIES, NOISES, st.floats(0, 2))
def test_one_dimension_is_the_isotropic_theory(g_t, g_s, lam_t, lam_s, noise, tau2):
    """d = 1 with real n = 1/γ is section 2.1. Catches s², df₂ or a trace off by a factor."""
    result = weighted.two_stage(ONE, [1.3], ONE, lam_t, 1 / g_t, ONE, lam_s, 1 / g_s, noise, tau2)
    expected = ridge.two_stage(g_t, g_s, lam_t, lam_s, noise, 1.3**2, tau2)
    assert result.teacher_risk == pytest.approx(expected.teacher_risk, rel=1e-10, abs=1e-12)
    assert result.student_risk == pytest.approx(expected.student_risk, rel=1e-10, abs=1e-12)
    assert result.student_risk == pytest.approx(
        result.bias + result.filtered_teacher_noise + result.student_noise, rel=1e-14
    )


@given(GAMMAS, PENALTIES, PENALTIES, NOISES, st.floats(0, 2))
def test_one_dimension_reused_is_the_isotropic_theory(gamma, lam_t, lam_s, noise, tau2):
    """Catches a wrong trace of the general 2×2 system (isotropic form: tested by Result 12)."""
    result = weighted.two_stage(
        ONE, [1.0], ONE, lam_t, 1 / gamma, ONE, lam_s, 1 / gamma, noise, tau2, "reused"
    )
    expected = ridge.two_stage(gamma, gamma, lam_t, lam_s, noise, 1.0, tau2, "reused")
    assert result.student_risk == pytest.approx(expected.student_risk, rel=1e-10, abs=1e-12)


@pytest.mark.parametrize("inputs", ["fresh", "reused"])
def test_spectra_and_rotated_matrices_agree(inputs):
    """Catches a transposed factor: rotating the basis must change nothing."""
    d, rng = 12, np.random.default_rng(0)
    sigma, g_t, g_s = rng.uniform(0.2, 2, (3, d))
    beta = rng.standard_normal(d)
    rotate, _ = np.linalg.qr(rng.standard_normal((d, d)))
    turned = [(rotate * form) @ rotate.T for form in (sigma, g_t, g_s)]
    args = (0.1, 20.0), (0.3, 20.0)
    flat = weighted.two_stage(sigma, beta, g_t, *args[0], g_s, *args[1], 1.0, 0.2, inputs)
    full = weighted.two_stage(
        turned[0], rotate @ beta, turned[1], *args[0], turned[2], *args[1], 1.0, 0.2, inputs
    )
    for name in ("teacher_risk", "bias", "filtered_teacher_noise", "student_noise"):
        assert getattr(flat, name) == pytest.approx(getattr(full, name), rel=1e-10)


@pytest.mark.parametrize("inputs", ["fresh", "reused"])
def test_a_change_of_coordinates_changes_nothing(inputs):
    """x → Tx, β → T⁻ᵀβ, Γ → T⁻ᵀ... with Σ = TTᵀ reduces to Σ = I. Catches a missing Σ."""
    sigma, beta, g_t, g_s = random_problem(10, 1)
    t = np.linalg.cholesky(sigma)
    white = [t.T @ beta, *(np.linalg.solve(t, np.linalg.solve(t, g).T) for g in (g_t, g_s))]
    raw = weighted.two_stage(sigma, beta, g_t, 0.1, 15, g_s, 0.2, 15, 1.0, 0.0, inputs)
    white[1:] = [(g + g.T) / 2 for g in white[1:]]
    plain = weighted.two_stage(
        np.eye(10), white[0], white[1], 0.1, 15, white[2], 0.2, 15, 1.0, 0.0, inputs
    )
    assert raw.student_risk == pytest.approx(plain.student_risk, rel=1e-10)


@pytest.mark.parametrize("inputs", ["fresh", "reused"])
def test_a_prior_is_the_mean_over_targets(inputs):
    """Catches a prior used as a square root, or cross terms between its columns."""
    sigma, beta, g_t, g_s = random_problem(8, 2)
    other = np.roll(beta, 3) * 1.5
    prior = (np.outer(beta, beta) + np.outer(other, other)) / 2
    risks = [
        weighted.two_stage(sigma, b, g_t, 0.1, 12, g_s, 0.2, 12, 1.0, 0.3, inputs).student_risk
        for b in (beta, other, prior)
    ]
    assert risks[2] == pytest.approx((risks[0] + risks[1]) / 2, rel=1e-10)


def test_deterministic_equivalent_satisfies_its_definitions():
    """Catches A = ΣH for HΣ, and K = H for HΣH."""
    sigma, _, gamma, _ = random_problem(9, 3)
    result = weighted.deterministic_equivalent(sigma, gamma, 0.2, 7.0)
    h = np.linalg.inv(sigma + result.kappa * gamma)
    np.testing.assert_allclose(result.A, h @ sigma, atol=1e-11)
    np.testing.assert_allclose(result.P, result.kappa * h @ gamma, atol=1e-11)
    np.testing.assert_allclose(result.K, h @ sigma @ h, atol=1e-11)
    assert result.df1 == pytest.approx(np.trace(h @ sigma), rel=1e-10)
    assert result.df2 == pytest.approx(np.trace(h @ sigma @ h @ sigma), rel=1e-10)
    assert result.kappa * (1 - result.df1 / 7) == pytest.approx(0.2, rel=1e-10)


@given(st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=30), PENALTIES, st.floats(0.5, 60))
def test_kappa_of_a_spectrum_against_brent(spectrum, lam, n):
    """Catches Newton stopping early or running to the lower root."""
    e = np.array(spectrum)
    found = weighted.deterministic_equivalent(e, np.ones_like(e), lam, n).kappa

    def equation(kappa):
        return kappa * (1 - (e / (e + kappa)).sum() / n) - lam

    expected = brentq(equation, lam, lam + e.sum() / n + 1e-9, xtol=1e-300, rtol=1e-14)
    assert found == pytest.approx(expected, rel=1e-9)


def test_kappa_without_penalty():
    """λ = 0: nothing below the interpolation threshold, df₁ = n above it."""
    e = np.array([1.0, 2.0, 3.0, 0.0])
    assert weighted.deterministic_equivalent(e, np.ones(4), 0.0, 5.0).kappa == 0.0
    result = weighted.deterministic_equivalent(e, np.ones(4), 0.0, 2.0)
    assert result.df1 == pytest.approx(2.0, rel=1e-12)
    assert result.A[3] == 0.0


def test_grid_is_its_points():
    """Catches a slip in the two-factorisation algebra, for a vector and for a prior."""
    sigma, beta, g_t, g_s = random_problem(11, 4)
    prior = np.outer(beta, beta) + 0.1 * np.eye(11)
    lam_t, lam_s = [0.03, 0.4, 1.0], [0.01, 0.2]
    for target in (beta, prior):
        grid = weighted.risk_grid(sigma, target, g_t, lam_t, 8, g_s, lam_s, 30, 0.7, 0.1)
        for i, t in enumerate(lam_t):
            for j, s in enumerate(lam_s):
                point = weighted.two_stage(sigma, target, g_t, t, 8, g_s, s, 30, 0.7, 0.1)
                assert grid.teacher_risk[i] == pytest.approx(point.teacher_risk, rel=1e-10)
                assert grid.student_risk[i, j] == pytest.approx(point.student_risk, rel=1e-10)
                assert grid.difference[i, j] == pytest.approx(point.difference, abs=1e-10)


def test_chain_of_two_is_two_stage():
    """Catches V′ without the filter on both sides."""
    sigma, beta, g_t, g_s = random_problem(7, 5)
    for target in (beta, np.outer(beta, beta) + 0.05 * np.eye(7)):
        fits = weighted.chain(sigma, target, [(g_t, 0.1, 10), (g_s, 0.3, 5)], 1.0, tau2=0.4)
        result = weighted.two_stage(sigma, target, g_t, 0.1, 10, g_s, 0.3, 5, 1.0, 0.4)
        assert fits[0].risk == pytest.approx(result.teacher_risk, rel=1e-10)
        assert fits[1].risk == pytest.approx(result.student_risk, rel=1e-10)
        assert fits[1].bias == pytest.approx(result.bias, rel=1e-9)


def test_a_centre_is_a_shift_of_the_target():
    """Infinite penalty returns the centre, and a centre at the teacher's mean adds no bias."""
    sigma, beta, g_t, g_s = random_problem(6, 6)
    centre = np.linspace(-1, 1, 6)
    far = weighted.two_stage(sigma, beta, g_t, 0.1, 9, g_s, 1e9, 9, 1.0, prior_mean_s=centre)
    assert far.student_risk == pytest.approx((centre - beta) @ sigma @ (centre - beta), rel=1e-6)
    kept = weighted.deterministic_equivalent(sigma, g_t, 0.1, 9).A @ beta
    same = weighted.two_stage(sigma, beta, g_t, 0.1, 9, g_s, 0.5, 9, 1.0, prior_mean_s=kept)
    assert same.bias == pytest.approx(same.teacher_risk - same.teacher_noise, rel=1e-10)
    prior = np.outer(beta, beta)
    both = [
        weighted.two_stage(sigma, sign * beta, g_t, 0.1, 9, g_s, 0.5, 9, 1.0, prior_mean_s=centre)
        for sign in (1, -1)
    ]
    mean = weighted.two_stage(sigma, prior, g_t, 0.1, 9, g_s, 0.5, 9, 1.0, prior_mean_s=centre)
    average = (both[0].student_risk + both[1].student_risk) / 2
    assert mean.student_risk == pytest.approx(average, rel=1e-10)


@pytest.mark.parametrize("seed", range(6))
def test_small_penalty_gain_is_the_slope(seed):
    """Catches a missing 1/(1 − d/n_s) and Σ in place of Γ_s."""
    sigma, beta, g_t, g_s = random_problem(6, seed + 10)
    gain = weighted.small_penalty_gain(sigma, beta, g_t, 0.2, 9, g_s, 14, 1.0)
    tiny = 1e-6
    risks = [
        weighted.two_stage(sigma, beta, g_t, 0.2, 9, g_s, lam, 14, 1.0).student_risk
        for lam in (tiny, 2 * tiny)
    ]
    start = weighted.two_stage(sigma, beta, g_t, 0.2, 9, g_s, 0.0, 14, 1.0)
    slope = (4 * risks[0] - risks[1] - 3 * start.teacher_risk) / (2 * tiny)
    assert gain.slope == pytest.approx(slope, rel=1e-4, abs=1e-7)


def test_alignment_threshold():
    """Published thresholds, and 1 exactly at λ_t⋆. Catches w and u swapped."""
    lams = [0.05, 0.1, 0.3, 0.5, 1, 2, 5]
    expected = [9.401147, 4.603567, 1.572807, 1, 0.568098, 0.332174, 0.159885]
    assert weighted.alignment_threshold(0.5, lams, 1.0) == pytest.approx(expected, abs=6e-7)


@given(GAMMAS, NOISES)
def test_alignment_threshold_is_one_at_the_best_teacher(gamma, noise):
    """Result 20 for every γ, with r² ≠ 1."""
    assert weighted.alignment_threshold(gamma, gamma * noise / 1.7, noise, 1.7) == pytest.approx(
        1, rel=1e-10
    )


def test_alignment_threshold_decides_the_slope():
    """Catches 𝒜 normalised by the largest instead of the average weight."""
    rng = np.random.default_rng(7)
    d, signs = 30, set()
    for _ in range(40):
        beta, gamma_s = rng.standard_normal(d), rng.uniform(0.1, 2, d)
        lam_t = rng.uniform(0.2, 1.5)
        gain = weighted.small_penalty_gain(
            np.ones(d), beta, np.ones(d), lam_t, 60, gamma_s, 90, float(beta @ beta)
        )
        threshold = weighted.alignment_threshold(0.5, lam_t, 1.0)
        helps = weighted.alignment(gamma_s, beta) < threshold
        assert helps == (gain.overlap > 0)
        signs.add(bool(helps))
    assert signs == {True, False}


@pytest.mark.parametrize(
    ("power", "ratio", "risk"),
    [
        (0, 1, 0.414214),
        (0.5, 0.434742, 0.385310),
        (1, 0.248768, 0.354327),
        (1.4, 0.189605, 0.342361),
    ],
)
def test_published_aligned_penalties(power, ratio, risk):
    """The best aligned student of an optimally tuned teacher (E5)."""
    d = 50
    j = np.arange(1, d + 1)
    beta = j**-0.7 / np.linalg.norm(j**-0.7)
    gamma = j**power / np.mean(j**power)
    assert weighted.alignment(gamma, beta) == pytest.approx(ratio, abs=6e-7)
    one = np.ones(d)

    def student(log_lam):
        return weighted.two_stage(
            one, beta, one, 0.5, 100, gamma, np.exp(log_lam), 100, 1.0
        ).student_risk

    best = minimize_scalar(student, bounds=(-20, 5), method="bounded")
    assert best.fun == pytest.approx(risk, abs=2e-6)


def test_published_best_linear_students():
    """Wiener student and the aligned student on a random target (E5). Catches B transposed."""
    d = 50
    prior = np.arange(1, d + 1) ** -1.4
    prior /= prior.sum()
    one = np.ones(d)
    wiener = weighted.best_linear_student(one, prior, one, 0.1, 100, 1.0)
    assert wiener.risk == pytest.approx(0.241948, abs=6e-7)
    bayes = weighted.two_stage(
        one, np.diag(prior), 1 / prior, 1 / 100, 100, one, 0.0, 1e12, 1.0
    ).teacher_risk
    assert bayes == pytest.approx(0.210675, abs=6e-7)
    # it is weighted ridge with the inverse prior minus a constant
    fit = weighted.deterministic_equivalent(one, one, 0.1, 100)
    w = 1 / (1 + fit.kappa)
    teacher = weighted.two_stage(one, np.diag(prior), one, 0.1, 100, one, 0.0, 1e12, 1.0)
    penalty = teacher.teacher_noise / d / (w * prior) - (1 - w)
    np.testing.assert_allclose(wiener.map, 1 / (1 + penalty), rtol=1e-10)
    dense = weighted.best_linear_student(np.eye(d), np.diag(prior), np.eye(d), 0.1, 100, 1.0)
    assert dense.risk == pytest.approx(wiener.risk, rel=1e-10)


def test_spiked_student_is_the_large_limit_of_the_general_one():
    """One spike among d = 4000 directions. Catches κ shifted by the spike, ζ and 1 − ζ swapped."""
    d, omega, zeta = 4000, 0.05, 0.7
    beta = np.full(d, np.sqrt((1 - zeta) / (d - 1)))
    beta[0] = np.sqrt(zeta)
    gamma = np.ones(d)
    gamma[0] = omega
    one = np.ones(d)
    general = weighted.two_stage(one, beta, one, 0.3, 2 * d, gamma, 0.4, d / 1.5, 1.0, 0.2)
    spiked = weighted.spiked_student(0.5, 1.5, 0.3, 0.4, 1.0, omega, zeta, tau2=0.2)
    assert spiked.student_risk == pytest.approx(general.student_risk, rel=2e-3)
    assert weighted.spiked_student(0.5, 1.5, 0.3, 0.4, 1.0, 1.0, 0.3).difference == pytest.approx(
        ridge.two_stage(0.5, 1.5, 0.3, 0.4, 1.0).difference, abs=1e-12
    )


@pytest.mark.parametrize(("omega", "zeta"), [(0.1, 0.5), (0.01, 0.9), (3.0, 0.5), (0.5, 0.1)])
@pytest.mark.parametrize("gamma_t", [0.3, 0.8, 2.0])
def test_spiked_critical_penalty_is_where_the_gain_stops(omega, zeta, gamma_t):
    """Catches the smallest root in place of the largest, or ω − 1 for 1 − ω."""
    edge = float(weighted.spiked_critical_penalty(gamma_t, 1.0, omega, zeta))
    for lam_t, sign in ((edge * 0.99, -1), (edge * 1.01, 1)):
        start = weighted.spiked_student(gamma_t, 0.5, lam_t, 1e-7, 1.0, omega, zeta).difference
        assert np.sign(start) == sign


@settings(max_examples=40)
@given(st.floats(0.001, 0.3), st.floats(0, 1))
def test_spike_of_vanishing_weight(lam_t, zeta):
    """ω → 0, λ_s → ∞: R_s → r²[1 − ζw_t(2 − w_t)]."""
    w = float(1 / (1 + ridge.kappa(lam_t, 0.5)))
    risk = weighted.spiked_student(0.5, 0.5, lam_t, 1e7, 1.0, 1e-14, zeta).student_risk
    assert risk == pytest.approx(1 - zeta * w * (2 - w), abs=1e-6)
