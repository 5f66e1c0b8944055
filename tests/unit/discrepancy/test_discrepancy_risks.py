"""Published values, edges and structure of the exact risks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from w2sg.theory.discrepancy import (
    Dimensions,
    LatentModel,
    kappa,
    risk_summary,
    synthetic_task,
    variance_ols,
    variance_w2s,
)

# Exact expectations of the paper's synthetic task, note section 4.2; they pass through the
# measured curves of the published plots.
PUBLISHED = """
10 0.01   400 4000 0.0105632   0.00341756  0.00028865  0.00107676  0.923295   3.17392
10 0.01  2105 4000 0.00133311  0.000556499 0.000222232 0.000390367 0.848647   1.42558
10 0.01  4000 4000 0.000795743 0.000312645 0.000182056 0.000350405 0.725675   0.892238
10 0.01  2000  400 0.00139599  0.000584241 0.000492118 0.000745912 0.719214   0.783257
10 0.01  2000 1157 0.00139599  0.000584241 0.000383781 0.000473499 0.911364   1.23388
10 0.01  2000 4000 0.00139599  0.000584241 0.000225213 0.000395043 0.854942   1.47893
50 0.01   400 4000 0.0105195   0.00341756  0.00028865  0.00305012  0.730086   1.12047
50 0.01  2000  400 0.00137181  0.000584241 0.000492118 0.000864823 0.576323   0.675561
50 0.01  2000 4000 0.00137181  0.000584241 0.000225213 0.000587219 0.684278   0.994929
90 0.01   400 4000 0.0103796   0.00341756  0.00028865  0.00494316  0.538743   0.691373
90 0.01  2000  400 0.00129423  0.000584241 0.000492118 0.000929928 0.454182   0.628265
90 0.01  2000 4000 0.00129423  0.000584241 0.000225213 0.000726595 0.53099    0.80408
90 0.0004 400 4000 0.000731328 0.000206859 6.53427e-05 0.000465347 0.39938    0.444527
90 0.0004 2000 4000 0.000226975 7.87119e-05 6.24735e-05 0.000231274 -0.0261292 0.340341
90 0.0004 4000 4000 0.000193951 6.64279e-05 6.05216e-05 0.000215947 -0.164848  0.307612
"""


def six_digits(value):
    return f"{float(value):.6g}"


@pytest.mark.parametrize("line", PUBLISHED.strip().splitlines())
def test_synthetic_values_to_six_digits(line):
    d_sw, sigma2, n, N, *values = map(float, line.split())
    summary = risk_summary(synthetic_task(d_off=int(100 - d_sw)), n, N, sigma2)
    got = (
        summary.teacher_risk, summary.baseline_risk, summary.ceiling_risk,
        summary.student_risk, summary.pgr, summary.opr,
    )  # fmt: skip
    assert [six_digits(v) for v in got] == [six_digits(v) for v in values]


@pytest.mark.parametrize(
    ("d_sw", "rho_w"), [(10, "2.558207e-04"), (50, "2.340597e-04"), (90, "1.642465e-04")]
)
def test_approximation_errors_of_the_synthetic_task(d_sw, rho_w):
    model = synthetic_task(d_off=100 - d_sw)
    assert (model.d_sw, f"{model.rho_w:.6e}", f"{model.rho_s:.6e}") == (
        d_sw, rho_w, "5.476432e-05",
    )  # fmt: skip


def test_synthetic_task_without_overlap_and_beyond():
    # catches an overlap of d_s − d_off that turns negative, and coordinates counted twice
    power = (1 / np.arange(1, 301)).sum() / 20000
    for d_off in (0, 30, 100, 250):
        model = synthetic_task(d_off=d_off)
        assert model.d_sw == max(0, 100 - d_off)
        assert model.a_s @ model.a_s + model.rho_s == pytest.approx(power, rel=1e-12)
        assert model.a_w @ model.a_w + model.rho_w == pytest.approx(power, rel=1e-12)


@pytest.mark.parametrize("off", [-1, 0, 1])
def test_thresholds_are_infinite(off):
    # catches interpolation thresholds moved by one, or finite noise at m = d ± 1
    dims = (12, 8, 3)
    at_teacher, at_student = risk_summary(dims, 12 + off, 40), risk_summary(dims, 40, 8 + off)
    assert at_teacher.teacher_risk == at_teacher.student_risk == np.inf
    assert np.isfinite(at_teacher.baseline_risk)
    assert at_student.student_risk == np.inf
    assert np.isfinite(at_student.teacher_risk)
    assert at_student.pgr == -np.inf
    assert at_student.opr == 0.0
    assert np.isnan(at_teacher.pgr)
    assert risk_summary(dims, 8 + off, 40).baseline_risk == np.inf
    assert risk_summary(dims, 4 + off, 4).ceiling_risk == np.inf


def test_two_rows_away_everything_is_finite():
    for n, N in ((14, 10), (10, 10), (14, 6), (4, 6)):
        summary = risk_summary((12, 8, 3), n, N)
        assert np.isfinite([summary.teacher_risk, summary.student_risk]).all(), (n, N)


def test_bare_dimensions_are_the_variances():
    n, N = np.arange(14, 60)[:, None], np.arange(10, 50)
    summary = risk_summary((12, 8, 3.5), n, N, 0.7)
    np.testing.assert_allclose(
        summary.student_risk, variance_w2s(12, 8, 3.5, n, N, 0.7), rtol=1e-13
    )
    np.testing.assert_allclose(
        summary.teacher_risk, np.broadcast_to(variance_ols(12, n, 0.7), summary.pgr.shape)
    )
    assert (summary.bias == 0).all()
    assert (summary.signal_as_noise == 0).all()


def test_unexpressed_target_is_label_noise():
    # catches σ² that is not inflated by ρ
    with_gamma = risk_summary(Dimensions(12, 8, 3, 0.5), 40, 30, 1.0)
    plain = risk_summary((12, 8, 3), 40, 30, 1.25)
    for name in ("teacher_risk", "student_risk", "baseline_risk", "ceiling_risk"):
        assert getattr(with_gamma, name) == pytest.approx(getattr(plain, name) + 0.25), name


def general_model(d_w=12, d_s=8, seed=0):
    rng = np.random.default_rng(seed)
    C = rng.standard_normal((d_s, d_w))
    C /= 1.1 * np.linalg.norm(C, 2)
    return LatentModel(C, rng.standard_normal(d_s), rng.standard_normal(d_w), 0.4)


def test_bias_of_the_student_is_within_the_papers_bound():
    # ρ_s + ‖a_s − C a_w‖² ≤ ρ_s + ρ_w; catches a bias built from the wrong projection
    for seed in range(20):
        model = general_model(seed=seed)
        assert model.inherited_bias <= model.rho_w + 1e-12
        summary = risk_summary(model, 40, 30, 0.5)
        assert summary.bias == pytest.approx(model.rho_s + model.inherited_bias)


@pytest.mark.parametrize(("n", "N"), [(40, 30), (5, 30), (40, 4), (5, 4)])
def test_parts_add_up_and_mean_what_they_say(n, N):
    model = general_model()
    low, high = (risk_summary(model, n, N, s) for s in (0.0, 3.0))
    for summary in (low, high):
        total = summary.bias + summary.variance + summary.signal_as_noise
        assert summary.student_risk == pytest.approx(total, rel=1e-14)
        assert min(summary.bias, summary.variance, summary.signal_as_noise) >= 0
    # label noise moves the variance alone, in proportion to σ² + ρ_w
    assert high.bias == low.bias
    assert high.signal_as_noise == low.signal_as_noise
    assert high.variance / low.variance == pytest.approx((3 + model.rho_w) / model.rho_w)


def test_learning_curve_laws():
    # affine in κ(d_s, N) at fixed n and in the teacher's risk at fixed N, with the slopes of
    # note section 2.4; catches any stray dependence on n or N
    model = general_model()
    N, n = np.arange(12, 80), np.arange(16, 90)
    price = kappa(8, N)
    over_N = risk_summary(model, 30, N, 0.5).student_risk
    slope = np.diff(over_N) / np.diff(price)
    tau2 = (0.5 + model.rho_w) / (30 - 13)
    np.testing.assert_allclose(slope, model.misfit + tau2 * (12 - model.d_sw), rtol=1e-9)
    over_n = risk_summary(model, n, 20, 0.5)
    slope = np.diff(over_n.student_risk) / np.diff(over_n.teacher_risk)
    f = model.d_sw / 12
    np.testing.assert_allclose(slope, f + (1 - f) * kappa(8, 20), rtol=1e-9)


def test_infinite_pseudo_labels_are_the_limit():
    model = general_model()
    limit, large = risk_summary(model, 40, np.inf, 0.5), risk_summary(model, 40, 1e9, 0.5)
    for name in ("student_risk", "ceiling_risk", "pgr", "opr"):
        assert getattr(limit, name) == pytest.approx(getattr(large, name), rel=1e-6)
    assert limit.student_risk == pytest.approx(limit.bias + limit.variance)


def test_same_space_student_is_its_teacher():
    summary = risk_summary((8, 8, 8), 20, 30)
    assert summary.student_risk == pytest.approx(summary.teacher_risk, rel=1e-14)
    assert summary.pgr == pytest.approx(0.0, abs=1e-13)


def test_ratios_are_nan_only_where_undefined():
    nothing = risk_summary((8, 8, 4), 20, 30, 0.0)
    assert nothing.student_risk == 0
    assert np.isnan(nothing.pgr)
    assert np.isnan(nothing.opr)


@settings(max_examples=200)
@given(
    d_w=st.integers(1, 40),
    d_s=st.integers(1, 40),
    share=st.floats(0, 1),
    n=st.integers(1, 90),
    N=st.integers(1, 90),
    sigma2=st.floats(0, 5),
)
def test_risks_are_never_negative_or_nan(d_w, d_s, share, n, N, sigma2):
    summary = risk_summary(Dimensions(d_w, d_s, share * min(d_w, d_s), 0.1), n, N, sigma2)
    for name in ("teacher_risk", "student_risk", "baseline_risk", "ceiling_risk"):
        assert getattr(summary, name) >= 0.01 - 1e-15, name
    assert summary.signal_as_noise >= 0


@settings(max_examples=50)
@given(
    seed=st.integers(0, 10**6), n=st.integers(1, 60), N=st.integers(1, 60), d_w=st.integers(2, 20)
)
def test_models_never_give_negative_risks(seed, n, N, d_w):
    summary = risk_summary(general_model(d_w, 8, seed), n, N, 0.5)
    for name in ("teacher_risk", "student_risk", "baseline_risk", "ceiling_risk"):
        assert getattr(summary, name) > 0, name


def test_everything_broadcasts():
    summary = risk_summary((200, 100, np.array([10, 50, 90])), np.arange(300, 320)[:, None], 400)
    assert summary.student_risk.shape == summary.bias.shape == summary.pgr.shape == (20, 3)
    assert summary.pgr[7, 1] == risk_summary((200, 100, 50), 307, 400).pgr


def test_sample_has_the_models_moments():
    # catches C transposed, and a residual of the wrong size
    model = general_model(3, 2)
    rows = model.sample(200_000, seed=1)
    np.testing.assert_allclose(rows.strong.T @ rows.weak / 200_000, model.C, atol=0.01)
    np.testing.assert_allclose(rows.weak.T @ rows.weak / 200_000, np.eye(3), atol=0.015)
    left = rows.target - rows.weak @ model.a_w
    assert (left**2).mean() == pytest.approx(model.rho_w, rel=0.02)
    left = rows.target - rows.strong @ model.a_s
    assert (left**2).mean() == pytest.approx(model.rho_s, rel=0.02)
    fitted = np.linalg.lstsq(rows.strong, rows.weak @ model.a_w, rcond=None)[0]
    misfit = ((rows.weak @ model.a_w - rows.strong @ fitted) ** 2).mean()
    assert misfit == pytest.approx(model.misfit, rel=0.02)
    again = model.sample(5, seed=1)
    np.testing.assert_array_equal(again.target, model.sample(5, seed=1).target)
    assert not np.array_equal(again.target, model.sample(5, seed=2).target)
