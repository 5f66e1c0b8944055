"""Random features: published curves, the ridge limit, moments by other roads."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import erf

from w2sg.theory import random_features as rf
from w2sg.theory.hermite import hermite_coefficients, hermite_polynomials, normal_quadrature
from w2sg.theory.ridge import Signal, ridge_channel

WIDTHS = [0.25, 0.5, 0.75, 1, 1.5, 2, 4, 8, 32]


@pytest.mark.parametrize(
    ("alpha", "risks"),
    [
        (2, [0.985789, 0.926871, 0.853309, 0.787413, 0.701942, 0.661972,
             0.632635, 0.639924, 0.654625]),
        (8, [0.915593, 0.825724, 0.745511, 0.685382, 0.626070, 0.614259,
             0.645075, 0.680751, 0.711240]),
    ],
)  # fmt: skip
def test_published_curve_over_the_width(alpha, risks):
    """E4. Catches c on the wrong branch, μ⋆ for μ⋆², α and q swapped."""
    moments = rf.activation_moments(np.tanh)
    student = rf.RandomFeatures(alpha, WIDTHS, 0.1, moments.linear, moments.residual2)
    result = rf.two_stage(rf.Ridge(0.5, 0.05), student, 1.0)
    np.testing.assert_allclose(result.student_risk, risks, atol=1.1e-6)
    np.testing.assert_allclose(result.teacher_risk, 0.733843, atol=6e-7)


@given(st.floats(0.2, 5), st.floats(0.001, 5), st.floats(0, 2), st.floats(0, 1))
def test_linear_wide_features_are_ridge(gamma, lam, noise, nonlinear):
    """μ⋆ = 0, q → ∞: the features' Gram matrix is qμ₁² times that of the inputs."""
    signal, wide = Signal(1.3, 0.9, nonlinear, 1.0), 1e9
    plain = ridge_channel(signal, lam, gamma, noise)
    fit = rf.channel(signal, lam * wide * 0.49, 1 / gamma, wide, 0.7, 0.0, noise)
    assert fit.norm2 == pytest.approx(plain.norm2, rel=1e-6)
    assert fit.overlap == pytest.approx(plain.overlap, rel=1e-6)
    assert fit.nonlinear == pytest.approx(0.0, abs=1e-6)


@given(st.floats(0.2, 6), st.floats(0.2, 6), st.floats(1e-6, 10), st.floats(0.01, 1))
def test_the_effective_penalty_solves_its_equation(alpha, q, lam, residual):
    """Catches a bracket that starts on the wrong side of D₁ = min(α, q)."""
    fit = rf.channel(Signal(1.0, 1.0, 0.0, 1.0), lam, alpha, q, 0.8, residual)
    kept = float(fit.overlap)
    c = 0.64 * (1 - kept) / kept
    d1 = kept + residual / c
    assert d1 < min(alpha, q)
    assert q * c * (1 - d1 / alpha) * (1 - d1 / q) == pytest.approx(lam, rel=1e-6)


@pytest.mark.parametrize(("alpha", "q"), [(2.0, 0.5), (0.5, 2.0), (1.5, 4.0)])
def test_without_penalty_is_the_limit(alpha, q):
    """Catches a division by zero in the ridgeless limit on either side of α = q."""
    risks = [
        float(rf.channel(Signal(1.0, 1.0, 0.0, 1.0), lam, alpha, q, 0.6, 0.05, 0.5).risk)
        for lam in (0.0, 1e-10)
    ]
    assert risks[0] == pytest.approx(risks[1], rel=1e-6)


def test_moments_against_closed_forms():
    """ReLU and erf have exact moments. Catches μ₀ left inside μ⋆²."""
    relu = rf.activation_moments(lambda z: np.maximum(z, 0))
    assert relu == pytest.approx((1 / np.sqrt(2 * np.pi), 0.5, 0.25 - 1 / (2 * np.pi)), abs=1e-14)
    probit = rf.activation_moments(erf)
    second = 2 / np.pi * np.arcsin(2 / 3)
    slope = 2 / np.sqrt(3 * np.pi)
    assert probit == pytest.approx((0.0, slope, second - slope**2), abs=1e-13)
    step = rf.activation_moments(lambda z: (z > 0.3).astype(float), kinks=[0.3])
    assert step.linear == pytest.approx(np.exp(-0.045) / np.sqrt(2 * np.pi), abs=1e-13)


def test_hermite_polynomials_are_orthonormal():
    """Catches He_k without 1/√k!, up to degree 12."""
    nodes, weights = normal_quadrature()
    values = hermite_polynomials(nodes, 12)
    np.testing.assert_allclose(values * weights @ values.T, np.eye(13), atol=1e-11)


def test_hermite_coefficients_of_relu():
    """Closed form: h₀ 1/√2π, h₁ ½, h₂ 1/(2√π), h₃ 0, h₄ −1/(4√(3π))·…; odd ones vanish."""
    found = hermite_coefficients(lambda z: np.maximum(z, 0), 4)
    expected = [1 / np.sqrt(2 * np.pi), 0.5, 0.5 / np.sqrt(np.pi), 0.0, -1 / np.sqrt(48 * np.pi)]
    np.testing.assert_allclose(found, expected, atol=1e-14)
