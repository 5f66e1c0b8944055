"""Representation gap, overlap density, conditional variances and subspaces, by a second road."""

import numpy as np
import pytest

from w2sg.diagnostics import (
    DenseProjection,
    FastfoodProjection,
    LayeredProjection,
    conditional_variances,
    correlation_dimension,
    noise_and_floor,
    overlap_density,
    overlap_from_curves,
    random_subspace_dimension,
    representation_gap,
    residual_variance,
    ridge_smoother,
    split_from_curve,
)


def pair(n=120, seed=0):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 30))
    return z[:, :20] @ rng.normal(size=(20, 25)), z[:, 12:] @ rng.normal(size=(18, 18)), rng


@pytest.mark.parametrize("center", [False, True])
def test_representation_gap_is_the_dense_formula(center):
    # catches P_w where P_w (2 − P_w) belongs: smoothed projectors are not idempotent
    s, w, rng = pair()
    y = rng.normal(size=120)
    found = representation_gap(s, w, y, beta_s=0.3, beta_w=0.7, center=center)
    s, w, y = (a - center * a.mean(axis=0) for a in (s, w, y))

    def projector(x, beta):
        kernel = x @ x.T / len(x)
        return kernel @ np.linalg.inv(kernel + beta * np.eye(len(x)))

    gap = projector(s, 0.3) @ (np.eye(120) - projector(w, 0.7))
    assert found.operator == pytest.approx(np.linalg.norm(gap, 2))
    assert found.frobenius2 == pytest.approx(np.linalg.norm(gap) ** 2)
    assert found.label == pytest.approx(np.square(gap @ y).mean())
    assert found.label_share == pytest.approx(np.square(gap @ y).mean() / np.square(y).mean())


def test_hard_projectors_tie_the_gap_to_the_overlap():
    # catches one of the two diagnostics computed on another space: ‖P_s(I−P_w)‖² = d_s − d_sw
    s, w, _ = pair()
    gap = representation_gap(s, w, d_s=15, d_w=10)
    overlap = correlation_dimension(s, w, 15, 10, debias=False)
    assert gap.frobenius2 == pytest.approx(15 - overlap.raw)


def test_conditional_variances_are_those_of_resampled_labels():
    # catches H_w H_s in the wrong order, and a mean over training in place of test rows
    s, w, rng = pair(260)
    s, w = s / 4 + 0.5, w / 4 - 0.5
    cut = np.array([60, 200])
    smoother = ridge_smoother(ridge=0.3, intercept=True)
    w_l, w_u, w_t = np.split(w, cut)
    s_l, s_u, s_t = np.split(s, cut)
    found = conditional_variances(
        w_l, w_u, w_t, s_l, s_u, s_t, 0.49, teacher=smoother, rank=9, ridge=0.1
    )
    noise = 0.7 * rng.normal(size=(4000, 200))
    pcr = ridge_smoother(ridge=0.1, rank=9)
    teacher = noise[:, :60] @ smoother(w_l, w_t).T
    student = noise[:, :60] @ smoother(w_l, w_u).T @ pcr(s_u, s_t).T
    baseline = noise[:, :60] @ pcr(s_l, s_t).T
    ceiling = noise @ pcr(np.vstack([s_l, s_u]), s_t).T
    for name, draws in (
        ("teacher", teacher),
        ("student", student),
        ("baseline", baseline),
        ("ceiling", ceiling),
    ):
        each = np.square(draws).mean(axis=1)
        se = each.std(ddof=1) / len(each) ** 0.5
        assert se < 0.02 * each.mean()
        assert abs(each.mean() - getattr(found, name)) < 4 * se, name


def test_ridge_smoother_is_scikit_learns():
    # catches an intercept that is penalised
    from sklearn.linear_model import Ridge

    s, _, rng = pair()
    y = rng.normal(size=90) + 5
    for intercept in (False, True):
        model = Ridge(alpha=2.0, fit_intercept=intercept).fit(s[:90], y)
        smoother = ridge_smoother(ridge=2.0, intercept=intercept)
        np.testing.assert_allclose(smoother(s[:90], s[90:]) @ y, model.predict(s[90:]))


def test_residual_variance_is_unbiased():
    # catches division by the number of rows: 30 of 60 degrees of freedom are spent
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 29))
    draws = np.array(
        [residual_variance(x, 3 + 2 * rng.normal(size=60), intercept=True) for _ in range(600)]
    )
    se = draws.std(ddof=1) / len(draws) ** 0.5
    assert se < 0.02 * 4
    assert abs(draws.mean() - 4) < 4 * se


def test_overlap_density_splits_like_an_exhaustive_search():
    # catches a break placed one value off, or chosen by variance instead of squared error
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 4))
    p = np.where(rng.random(80) < 0.3, 0.5 + 0.1 * rng.random(80), 0.8 + 0.2 * rng.random(80))
    found = overlap_density(p, x)

    def best_break(values):
        v = np.sort(values)
        costs = [v[:i].var() * i + v[i:].var() * (len(v) - i) for i in range(1, len(v))]
        return v[int(np.argmin(costs)) + 1]

    confidence = 2 * np.abs(p - 0.5)
    np.testing.assert_allclose(found.confidence, confidence)
    hard = confidence < best_break(confidence)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    similarity = np.abs(unit @ unit[hard].T).max(axis=1)
    overlap = ~hard & (similarity >= best_break(similarity[~hard]))
    np.testing.assert_array_equal(found.hard, hard)
    np.testing.assert_array_equal(found.overlap, overlap)
    assert found.density == overlap.mean()
    assert overlap_density(p, x, "median").hard.sum() == 40


@pytest.mark.parametrize(
    "projection",
    [
        DenseProjection(37, 5000, seed=1),
        FastfoodProjection(37, 5000, seed=1),
        LayeredProjection(40, [1000, 2500, 1500], seed=1),
    ],
)
def test_pull_is_the_transposed_derivative_of_lift(projection):
    # catches a transpose with the permutation the wrong way round, or a scale's gradient left out
    rng = np.random.default_rng(0)
    z, direction = rng.normal(size=(2, projection.size))
    g = rng.normal(size=5000)
    step = 1e-6
    change = projection.lift(z + step * direction) - projection.lift(z - step * direction)
    slope = change @ g / (2 * step)
    assert slope == pytest.approx(direction @ projection.pull(z, g), rel=1e-6)


@pytest.mark.parametrize("kind", [DenseProjection, FastfoodProjection])
def test_projections_keep_lengths_on_average(kind):
    # catches a Hadamard transform without its scale
    rng = np.random.default_rng(0)
    ratios = []
    for seed in range(30):
        z = rng.normal(size=20)
        ratios.append(np.square(kind(20, 3000, seed=seed).lift(z)).sum() / np.square(z).sum())
    se = np.std(ratios, ddof=1) / len(ratios) ** 0.5
    assert se < 0.03
    assert abs(np.mean(ratios) - 1) < 4 * se


def test_subspace_dimension_of_a_quadratic():
    # performance = share of a 12-dimensional target that k directions of 400 can reach; catches a
    # level applied to the best of the grid in place of full performance
    rng = np.random.default_rng(0)
    hessian = np.linalg.qr(rng.normal(size=(400, 12)))[0]

    def train(projection):
        p = np.stack([projection.lift(e) for e in np.eye(projection.size)], axis=1)
        reach = hessian.T @ p
        target = np.ones(12)
        solution = np.linalg.lstsq(reach, target, rcond=None)[0]
        return 1 - np.square(reach @ solution - target).sum() / 12

    for name in ("dense", "fastfood"):
        found = random_subspace_dimension(train, 400, [16, 2, 6, 12], 0.99, name, full=1.0)
        assert found.dimension == 12
        assert found.grid == (2, 6, 12, 16)
    none = random_subspace_dimension(train, 400, [2, 4], full=1.0)
    assert none.dimension is None


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: representation_gap(np.ones((4, 2)), np.ones((5, 2))), "pair row by row"),
        (lambda: representation_gap(np.eye(4), np.eye(4)), "set d_s or beta_s"),
        (lambda: representation_gap(np.eye(4), np.eye(4), beta_s=-1.0), "beta_s must be"),
        (lambda: representation_gap(np.eye(4)[:, :2], np.eye(4), d_s=3), "d_s must be between"),
        (lambda: overlap_density([0.5, 0.9], np.zeros((2, 2))), "Phi_s is a zero matrix"),
        (lambda: overlap_density([0.5, 0.9], [[1.0, 0], [0, 0]]), "Phi_s row 1 is zero"),
        (lambda: overlap_density([0.9, 0.9], np.eye(2)), "two different values"),
        (lambda: overlap_density([[0.9, 0.9]], np.eye(2)[:1]), "teacher_probs must be"),
        (lambda: overlap_from_curves([1, 2], [1, 2], 3, 100), "at least 3 points"),
        (lambda: overlap_from_curves([1, 2, 3], [1, 2, 3], 50, 101), "N must be at least"),
        (lambda: overlap_from_curves([1, 1, 1], [1, 2, 3], 5, 101), "err_w must vary"),
        (lambda: split_from_curve([10, 20, 30], [1, 2, 3], 9), "N must be at least d_s"),
        (lambda: split_from_curve([10, 20, 30], [1, 2], 3), "must pair"),
        (lambda: noise_and_floor([10, 20, 20], [1, 2, 3]), "3 different sizes"),
        (lambda: noise_and_floor([10, 20, 30], [1, 0, 3]), "mse must be above 0"),
        (lambda: residual_variance(np.eye(3), np.ones(3)), "more rows than their rank"),
        (lambda: ridge_smoother(ridge=-1.0), "ridge must be at least 0"),
        (
            lambda: conditional_variances(*3 * (np.ones((3, 2)), np.ones((4, 2)))),
            "must pair row by row",
        ),
        (lambda: random_subspace_dimension(lambda p: 1.0, 5, [9], full=1.0), "grid must hold"),
        (
            lambda: random_subspace_dimension(lambda p: 1.0, 5, [2], 0.9, "said", full=1.0),
            "layers must be given",
        ),
    ],
)
def test_bad_input_is_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()
