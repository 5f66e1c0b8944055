"""Batched probe runs against probes fitted one by one, and the laws they obey."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from w2sg._seeds import child_seed
from w2sg.diagnostics import (
    RidgeProbe,
    SoftmaxProbe,
    noise_and_floor,
    overlap_from_curves,
    run_probe_w2s,
    split_from_curve,
)
from w2sg.heads.ridge import RidgePath


def problem(rows=700, d_w=12, d_s=30, seed=0, shift=3.0):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(rows, 40))
    weak = z[:, :d_w] @ rng.normal(size=(d_w, d_w)) + shift
    strong = z[:, 6 : 6 + d_s] @ rng.normal(size=(d_s, d_s)) + shift
    return weak, strong, z @ rng.normal(size=40) / 6 + 0.5 * rng.normal(size=rows) + 2


def one_by_one(weak, strong, y, ns, big_ns, trials, ridges, fit, n_test):
    order = np.random.default_rng(child_seed(0, "test")).permutation(len(y))
    test, pool = order[:n_test], order[n_test:]
    errors = np.empty((4, len(ns), trials, len(ridges)))
    for t in range(trials):
        drawn = np.random.default_rng(child_seed(0, "trial", t)).permutation(pool)
        for i, (n, big) in enumerate(zip(ns, big_ns, strict=True)):
            first, last = drawn[:n], drawn[-big:]
            both = np.concatenate([first, last])
            for r, ridge in enumerate(ridges):
                teacher = fit(ridge, weak[first], y[first])
                models = (
                    (teacher, weak),
                    (fit(ridge, strong[last], teacher(weak[last])), strong),
                    (fit(ridge, strong[first], y[first]), strong),
                    (fit(ridge, strong[both], y[both]), strong),
                )
                for j, (model, x) in enumerate(models):
                    errors[j, i, t, r] = np.square(model(x[test]) - y[test]).mean()
    return errors


def stacked(runs):
    return np.stack([runs.teacher, runs.student, runs.baseline, runs.ceiling])


@pytest.mark.parametrize("intercept", [False, True])
def test_ridge_runs_are_a_scikit_learn_loop(intercept):
    # catches moments of the wrong rows, a teacher's intercept lost on the way to the student,
    # and (n = 20 < 30 features) a decomposition of a singular matrix
    weak, strong, y = problem()
    ns, big_ns, ridges = [20, 60, 120], [200, 45, 300], [1e-3, 1.0, 50.0]
    runs = run_probe_w2s(
        (weak, strong),
        y,
        ns,
        big_ns,
        3,
        probe=RidgeProbe(intercept=intercept),
        ridges=ridges,
        n_test=150,
    )

    def fit(ridge, x, t):
        return Ridge(alpha=ridge, fit_intercept=intercept, solver="svd").fit(x, t).predict

    reference = one_by_one(weak, strong, y, ns, big_ns, 3, ridges, fit, 150)
    np.testing.assert_allclose(stacked(runs), reference, rtol=1e-8)


def test_heads_of_the_rehearsal_give_the_runs_of_the_probes():
    """The two engines are one regression: catches a λ that counts rows in one and not the other.

    They stay two because they share no rows: a run solves from moments of labels that it never
    forms, a rehearsal needs the leave-one-out errors of every row.
    """
    weak, strong, y = problem()
    y = np.column_stack([y, -y])
    ns, big_ns, ridges = [20, 60], [200, 300], [1e-2, 1.0, 50.0]
    probe = RidgeProbe(intercept=True)
    runs = run_probe_w2s((weak, strong), y, ns, big_ns, 2, probe=probe, ridges=ridges, n_test=150)

    def fit(ridge, x, t):
        path = RidgePath(x)
        path.penalties = np.array([ridge / len(x)])  # the rehearsal's mean, the probe's sum
        return path.path(t)[0].scores

    reference = one_by_one(weak, strong, y, ns, big_ns, 2, ridges, fit, 150)
    np.testing.assert_allclose(stacked(runs), reference, rtol=1e-8)


@pytest.mark.parametrize("rank", [None, 5])
def test_ridgeless_and_truncated_runs_are_single_probes(rank):
    # catches a rank applied to the teacher alone, and two targets mixed up
    weak, strong, y = problem()
    y = np.column_stack([y, y**2])
    ns, big_ns = [25, 100], [40, 300]
    probe = RidgeProbe(ridge=0.0, rank=rank)
    runs = run_probe_w2s((weak, strong), y, ns, big_ns, 2, probe=probe, n_test=100)

    def fit(ridge, x, t):
        return RidgeProbe(ridge, rank).fit(x, t).predict

    reference = one_by_one(weak, strong, y, ns, big_ns, 2, [0.0], fit, 100)
    np.testing.assert_allclose(stacked(runs), reference, rtol=1e-7)


@pytest.mark.parametrize("soft", [True, False])
def test_softmax_runs_are_single_probes(soft):
    # catches hard pseudo-labels where soft ones were asked for
    weak, strong, y = problem()
    labels = np.eye(3)[np.digitize(y, np.quantile(y, [0.3, 0.7]))]
    probe = SoftmaxProbe(soft_targets=soft)
    runs = run_probe_w2s(
        (weak, strong), labels, [80], 200, 2, probe=probe, ridges=[0.01, 0.1], n_test=150
    )

    def fit(ridge, x, t):
        hard = np.eye(3)[t.argmax(axis=1)]
        return SoftmaxProbe(ridge).fit(x, t if soft else hard).predict

    reference = one_by_one(weak, strong, labels, [80], [200], 2, [0.01, 0.1], fit, 150)
    np.testing.assert_allclose(stacked(runs), reference, rtol=1e-4)


def test_curve_laws_find_the_overlap_that_was_built():
    # Gaussian features, d_w = 20, d_s = 24, 8 shared: f = 0.4. Catches kappa left out of the
    # slope (0.4 + 0.6 · 24/75 = 0.59 would be reported)
    rng = np.random.default_rng(0)
    z = rng.normal(size=(40_000, 36))
    weak, strong = z[:, :20], z[:, 12:36]
    y = z[:, 12:20].sum(axis=1) + 2.0 * rng.normal(size=len(z))
    n = np.array([40, 60, 90, 140, 240])
    probe = RidgeProbe(ridge=0.0)
    runs = run_probe_w2s((weak, strong), y, n, 100, 100, probe=probe, n_test=10_000)
    fit = overlap_from_curves(runs.teacher.mean((1, 2)), runs.student.mean((1, 2)), 24, 100)
    assert fit.r2 > 0.999
    assert abs(fit.share - 0.4) < 0.04

    big = np.array([40, 60, 90, 150, 400, 1500])
    runs = run_probe_w2s((weak, strong), y, 60, big, 100, probe=probe, n_test=10_000)
    split = split_from_curve(big, runs.student.mean((1, 2)), 24)
    tau2 = 4.0 / (60 - 20 - 1)
    assert split.r2 > 0.998
    # sizes share the trials' teachers, so the standard error comes from one line per trial; they
    # share one test set too, whose own noise shifts the floor
    each = [split_from_curve(big, errors, 24) for errors in runs.student[:, :, 0].T]
    floors, prices = (np.array([getattr(e, a) for e in each]) for a in ("floor", "price"))
    price_se = prices.std(ddof=1) / len(prices) ** 0.5
    floor_se = floors.std(ddof=1) / len(floors) ** 0.5 + 4.0 * (2 / 10_000) ** 0.5
    assert floor_se < 0.13 * tau2 * 8
    assert price_se < 0.1 * tau2 * 12
    assert abs(split.floor - (4.0 + tau2 * 8)) < 4 * floor_se
    assert abs(split.price - tau2 * 12) < 4 * price_se

    sizes = np.array([60, 80, 120, 200, 400, 1000])
    runs = run_probe_w2s((weak, strong), y, sizes, 40, 100, probe=probe, n_test=10_000)
    curve = noise_and_floor(sizes, runs.baseline.mean((1, 2)))
    assert curve.floor == pytest.approx(4.0, rel=0.03)
    assert curve.dimension == pytest.approx(24, rel=0.06)


def test_label_noise_reaches_training_labels_only():
    # catches noise in test labels, which would put the variance 9 into every error
    weak, strong, y = problem(rows=3000)
    clean = run_probe_w2s((weak, strong), y, 500, 1500, 4)
    noisy = run_probe_w2s((weak, strong), y, 500, 1500, 4, label_noise=3.0)
    assert (noisy.teacher > clean.teacher).all()
    assert noisy.ceiling.mean() < clean.ceiling.mean() + 1.0


def test_both_conventions_of_ratios():
    # catches the mean of ratios reported as the ratio of means
    weak, strong, y = problem()
    runs = run_probe_w2s((weak, strong), y, [40, 80], 300, 5)
    gap = runs.teacher - runs.ceiling
    np.testing.assert_allclose(
        runs.pgr(), (runs.teacher - runs.student).mean(1) / gap.mean(1), rtol=1e-12
    )
    np.testing.assert_allclose(
        runs.pgr(of_means=False), ((runs.teacher - runs.student) / gap).mean(1), rtol=1e-12
    )
    np.testing.assert_allclose(runs.opr(), runs.baseline.mean(1) / runs.student.mean(1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"N": 900}, r"n \+ N must be at most the 560 rows"),
        ({"n": 0}, "n must be at least 1"),
        ({"n": 2.5}, "n must be whole numbers"),
        ({"n": [10, 20], "N": [1, 2, 3]}, "broadcast"),
        ({"labels": np.ones(5)}, "labels must have 700 rows"),
        ({"trials": 0}, "trials must be at least 1"),
        ({"n_test": 700}, "n_test must be between"),
        ({"ridges": [-1.0]}, "ridge must be at least 0"),
        ({"probe": RidgeProbe(rank=0)}, "rank must be at least 1"),
        ({"probe": SoftmaxProbe(), "labels": np.ones(700)}, "labels must have shape"),
        ({"label_noise": -1.0}, "label_noise must be at least 0"),
    ],
)
def test_bad_input_is_refused_by_name(change, message):
    weak, strong, y = problem()
    arguments = {"labels": y, "n": 20, "N": 50, "trials": 1, **change}
    with pytest.raises(ValueError, match=message):
        run_probe_w2s((weak, strong), **arguments)
