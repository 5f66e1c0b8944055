"""Closed-form values, edges and limits of the variances."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2sg.theory.discrepancy import kappa, variance_ols, variance_w2s


def test_published_variance_at_the_papers_synthetic_point():
    # catches d_s/N in place of kappa on fresh inputs: the two differ by 2.6 % of the second term
    assert variance_w2s(200, 100, 10, 2000, 4000, 0.01) == pytest.approx(
        0.01 / 1799 * (10 + 190 * 100 / 3899), rel=1e-12
    )
    assert variance_w2s(200, 100, 10, 2000, 4000, 0.01, "train") == pytest.approx(
        0.01 / 1799 * (10 + 190 * 100 / 4000), rel=1e-12
    )


@pytest.mark.parametrize(("m", "finite"), [(99, False), (100, False), (101, False), (102, True)])
def test_kappa_is_infinite_up_to_d_plus_one(m, finite):
    # catches m <= d as the threshold, and a negative number below it
    assert np.isfinite(kappa(100, m)) == finite
    assert kappa(100, m) > 0


@pytest.mark.parametrize(("n", "N"), [(201, 4000), (30, 4000), (2000, 101), (2000, 50), (201, 101)])
def test_student_is_infinite_when_either_sample_is_too_small(n, N):
    assert variance_w2s(200, 100, 10, n, N) == np.inf


def test_one_more_row_is_needed_with_an_intercept():
    # catches degrees of freedom that forget the constant
    assert variance_ols(10, 12) < np.inf
    assert variance_ols(10, 12, intercept=True) == np.inf
    assert variance_ols(10, 13, intercept=True) < np.inf
    assert variance_w2s(10, 5, 2, 100, 7, intercept=True) == np.inf
    assert variance_w2s(10, 5, 2, 100, 8, intercept=True) < np.inf
    assert variance_w2s(10, 5, 2, 12, 100, intercept=True) == np.inf


def test_a_nested_teacher_is_repeated_by_its_student():
    # catches 0 · inf = nan where nothing is left to average out
    teacher = variance_ols(10, 50, 2.0)
    assert variance_w2s(10, 20, 10, 50, 20, 2.0) == pytest.approx(teacher, rel=1e-12)
    assert variance_w2s(10, 20, 10, 50, 19, 2.0) == np.inf
    assert variance_w2s(10, 20, 10, 50, 21, 1.0, "population", True) == pytest.approx(
        variance_ols(10, 50, intercept=True), rel=1e-12
    )


def test_a_student_that_interpolates_its_labels_repeats_the_teacher_on_them():
    # catches a rank d_s of N < d_s rows
    assert variance_w2s(10, 40, 3, 50, 30, 2.0, "train") == pytest.approx(variance_ols(10, 50, 2.0))
    assert variance_ols(40, 30, 2.0, "train") == 2.0


def test_no_noise_costs_nothing_even_at_the_threshold():
    assert variance_ols(10, 10, 0.0) == 0.0
    assert variance_w2s(10, 5, 2, 10, 5, 0.0) == 0.0


def test_infinite_samples_give_the_limits():
    assert kappa(10, np.inf) == 0.0
    assert variance_w2s(200, 100, 10, 2000, np.inf) == pytest.approx(10 / 1799)
    assert variance_w2s(200, 100, 0, 201, np.inf) == np.inf
    assert variance_w2s(200, 100, 10, np.inf, 200) == 0.0


@given(
    d_w=st.integers(1, 60),
    d_s=st.integers(1, 60),
    share=st.floats(0, 1),
    n=st.integers(1, 300),
    N=st.integers(1, 300),
    intercept=st.booleans(),
    where=st.sampled_from(["population", "train"]),
)
def test_never_nan_never_negative(d_w, d_s, share, n, N, intercept, where):
    d_sw = share * min(d_w, d_s)
    value = variance_w2s(d_w, d_s, d_sw, n, N, 1.0, where, intercept)
    assert value > 0
    assert variance_ols(d_w, n, 1.0, where, intercept) > 0


def test_arguments_broadcast():
    out = variance_w2s(200, 100, np.array([10, 50, 90])[:, None], 2000, np.arange(400, 500), 0.01)
    assert out.shape == (3, 100)
    assert out[1, 7] == variance_w2s(200, 100, 50, 2000, 407, 0.01)
    assert (np.diff(out, axis=0) > 0).all()
    assert (np.diff(out, axis=1) < 0).all()
