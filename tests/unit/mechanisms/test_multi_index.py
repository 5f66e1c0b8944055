"""Easy and hard features: published numbers, the negative control, optima by search."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from w2sg.theory import multi_index
from w2sg.theory.random_features import RandomFeatures

A, B = [0, 0.8, 0.4, 0.2], [0, 0, 0.6, 0.3]
E7 = [
    (0.05, 0.944779, 0.889839, 0.562804, 0.213066, 0.475032),
    (0.1, 0.897800, 0.846751, 0.649230, 0.284134, 0.532815),
    (0.3, 0.762078, 0.721182, 0.856511, 0.458224, 0.664769),
    (1, 0.541828, 0.514773, 1.087308, 0.658426, 0.787799),
    (3, 0.348817, 0.332111, 1.209689, 0.767409, 0.829917),
]
COEFFICIENTS = st.lists(st.floats(-2, 2), min_size=0, max_size=4)


@pytest.mark.parametrize("row", E7, ids=lambda row: f"gamma_t={row[0]}")
def test_published_table(row):
    """E7. Catches ρ² for ρ, the noise left out of E y², or ρ_s without ρ_t."""
    gamma_t, rho_t, rho_s, risk_t, added, warm = row
    result = multi_index.polynomial_head(A, B, 0.25, gamma_t, 0.1, degree=3)
    best = multi_index.warm_start_optimum(A, B, 0.25, gamma_t, 0.1, degree=3)
    found = (
        result.teacher_alignment,
        result.student_alignment,
        result.teacher_risk,
        result.student_risk,
        best.risk,
    )
    np.testing.assert_allclose(found, (rho_t, rho_s, risk_t, added, warm), atol=6e-7)
    assert multi_index.one_step_alignment(A, B, 0.25, gamma_t) == pytest.approx(rho_t, abs=6e-7)


@given(
    st.floats(0.1, 2), COEFFICIENTS, COEFFICIENTS, st.floats(0, 3), st.floats(0, 5),
    st.floats(0, 5), st.one_of(st.none(), st.integers(1, 5)),
)  # fmt: skip
def test_negative_control(first, rest, hard, noise, gamma_t, gamma_s, degree):
    """With teacher labels alone, good features never help. Catches a leak of the hard part."""
    a, b = [0, first, *rest], [0, 0, *hard]
    result = multi_index.polynomial_head(a, b, noise, gamma_t, gamma_s, degree, "teacher_only")
    assert result.difference >= -1e-12


@given(st.floats(0.1, 2), COEFFICIENTS, st.floats(0.1, 2), st.floats(0, 3), st.floats(0.01, 5))
def test_infinite_student_data(first, rest, hard, noise, gamma_t):
    """γ_s → 0: "added" gains the hard energy, "warm" gains E_b²/(A_q + E_b) at its optimum."""
    a, b = [0, first, *rest], [0, 0, hard]
    added = multi_index.polynomial_head(a, b, noise, gamma_t, 0.0)
    assert added.difference == pytest.approx(-(hard**2), rel=1e-9)
    best = multi_index.warm_start_optimum(a, b, noise, gamma_t, 0.0)
    learned = np.sum(np.square(a)) + hard**2 - added.teacher_risk
    gain = hard**4 / (learned + hard**2)
    assert best.risk - added.teacher_risk == pytest.approx(-gain, rel=1e-8, abs=1e-10)
    assert best.penalty == pytest.approx(hard**2 / learned, rel=1e-8)


@pytest.mark.parametrize(("scale", "overlap"), [(1.0, 1.0), (0.6, 0.9), (1.5, 0.7), (2.5, 1.0)])
def test_warm_start_optimum_against_a_search(scale, overlap):
    """Catches the general optimum: it must minimise what polynomial_head(head="warm") returns."""

    def risk(log_lam):
        return float(
            multi_index.polynomial_head(
                A, B, 0.25, 0.3, 0.1, 3, "warm", scale, overlap, np.exp(log_lam)
            ).student_risk
        )

    found = minimize_scalar(risk, bounds=(-15, 10), method="bounded", options={"xatol": 1e-9})
    best = multi_index.warm_start_optimum(A, B, 0.25, 0.3, 0.1, 3, scale, overlap)
    assert best.risk == pytest.approx(found.fun, rel=1e-8)
    assert best.penalty == pytest.approx(np.exp(found.x), rel=1e-3)


def test_heads_agree_where_they_meet():
    """Catches a head with the wrong formula at a point where two of them are the same."""
    args = A, B, 0.25, 0.3, 0.1, 3
    only = multi_index.polynomial_head(*args, "teacher_only").student_risk
    assert multi_index.polynomial_head(*args, "warm").student_risk == pytest.approx(only)
    assert multi_index.polynomial_head(*args, "added", 0.0).student_risk == pytest.approx(only)
    perfect = multi_index.polynomial_head(*args, "added").student_risk
    assert multi_index.polynomial_head(*args, "clean_probe").student_risk == pytest.approx(perfect)
    far = multi_index.polynomial_head(*args, "warm", lam=1e12).student_risk
    assert far == pytest.approx(np.sum(np.square(A)))


def test_degree_limits_the_head():
    """Catches a degree that also cuts the target, or is off by one."""
    low = multi_index.polynomial_head(A, B, 0.25, 0.0, 0.0, degree=2)
    assert low.teacher_risk == pytest.approx(0.2**2 + 0.45)
    assert low.student_risk == pytest.approx(0.2**2)


def test_information_exponent():
    """Catches the constant counted as k = 0."""
    assert multi_index.information_exponent(A) == 1
    assert multi_index.information_exponent(B) == 2
    assert multi_index.information_exponent([5.0, 1e-12, 0.0, 0.1]) == 3


def test_outlier_has_a_threshold_and_is_continuous_there():
    """Catches θ > √c for θ > c^{1/4}."""
    for c in (0.3, 1.0, 2.5):
        edge = c**0.25
        below = multi_index.outlier_alignment(edge * 0.999, c)
        above = multi_index.outlier_alignment(edge * 1.001, c)
        assert below.right == below.left == 0
        assert above.singular_value == pytest.approx(1 + np.sqrt(c), rel=1e-4)
        assert 0 < above.right < 0.02
        assert 0 < above.left < 0.02


def test_student_direction_better_than_the_teachers():
    """Result 27's new effect needs the teacher's head: without features' share it vanishes."""
    head = RandomFeatures(6.0, 2.0, 0.01, 0.5, 0.09)
    useless = RandomFeatures(6.0, 2.0, 1e9, 0.5, 0.09)
    better = multi_index.spiked_random_features(A, B, 0.25, 0.2, 0.01, head, head)
    same = multi_index.spiked_random_features(A, B, 0.25, 0.2, 0.0, useless, useless)
    assert better.student_alignment > better.teacher_alignment + 0.02
    assert same.student_alignment == pytest.approx(same.teacher_alignment, rel=1e-6)
    plain = multi_index.polynomial_head(A, B, 0.25, 0.2, 0.0, head="teacher_only")
    assert same.teacher_risk == pytest.approx(plain.teacher_risk, rel=1e-6)
    assert same.student_risk == pytest.approx(plain.student_risk, rel=1e-6)
