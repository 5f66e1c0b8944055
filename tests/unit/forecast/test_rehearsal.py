"""The rehearsal and its heads against plain refits."""

import numpy as np
from forecast_problems import noisy_column, weak_probe

from w2sg.forecast import Evidence, fit_arms, rehearse
from w2sg.heads.ridge import RidgePath


def _plain_ridge(x, t, penalty):
    mean, level = x.mean(axis=0), t.mean(axis=0)
    z = x - mean
    weights = np.linalg.solve(
        z.T @ z / len(x) + penalty * np.eye(x.shape[1]), z.T @ (t - level) / len(x)
    )
    return weights, level - mean @ weights


def test_left_out_scores_are_those_of_refits_without_the_row():
    # catches a leverage without the intercept's 1/m, and a penalty that scales with the rows
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(30, 4)), rng.normal(size=(30, 2))
    head = RidgePath(x).fit(t)
    weights, _ = _plain_ridge(x, t, head.penalty)
    np.testing.assert_allclose(head.weights, weights, atol=1e-10)
    for i in (0, 7, 29):
        rest = np.arange(30) != i
        # the closed form keeps m in λ and centres on the rest
        z, mean = x[rest] - x[rest].mean(axis=0), t[rest].mean(axis=0)
        w = np.linalg.solve(z.T @ z + 30 * head.penalty * np.eye(4), z.T @ (t[rest] - mean))
        expected = mean + (x[i] - x[rest].mean(axis=0)) @ w
        np.testing.assert_allclose(head.left_out[i], expected, atol=1e-9)


def test_wide_features_give_the_heads_of_the_long_form():
    # catches a wrong mapping back from the row space
    rng = np.random.default_rng(1)
    x, t = rng.normal(size=(12, 40)), rng.normal(size=(12, 3))
    head = RidgePath(x).fit(t)
    weights, level = _plain_ridge(x, t, head.penalty)
    np.testing.assert_allclose(head.weights, weights, atol=1e-9)
    np.testing.assert_allclose(head.intercept, level, atol=1e-9)


def test_no_row_is_predicted_by_a_teacher_that_saw_its_label():
    # catches a rehearsal that lets the teacher of the run label its own training rows
    rng = np.random.default_rng(2)
    n, big_n = 60, 100
    labels = rng.integers(0, 2, n)
    x = rng.normal(size=(n + big_n, 5))
    seen_sets = []

    def refit(seen):
        seen_sets.append(set(seen.tolist()))
        told = np.full((n + big_n, 2), 0.5)
        told[seen] = np.eye(2)[labels[seen]]  # remembers what it saw, is undecided elsewhere
        return told

    evidence = Evidence(labels, x, refit(np.arange(n)), refit=refit)
    found = rehearse(evidence)
    assert (found.hits["teacher"] == 0.5).all()
    assert max(len(seen) for seen in seen_sets[1:]) <= 0.8 * n + 1
    assert found.n_sizes[-1] == min(len(s) for s in seen_sets[1:] if len(s) > 40)


def test_rehearsed_accuracy_is_that_of_fresh_rows():
    # catches training accuracy passed off as held-out, and folds that do not pair with rows
    evidence, x_new, y_new = noisy_column(n=400)
    found = rehearse(evidence)
    n = evidence.n
    ways = fit_arms(evidence.strong[:n], evidence.truth, evidence.strong[n:], evidence.teacher[n:])
    for way, scores in ways.scores(x_new).items():
        fresh = (scores.argmax(axis=1) == y_new).mean()
        held = found.hits[way].mean()
        assert abs(held - fresh) < 4 * np.sqrt(fresh * (1 - fresh) * (1 / n + 1 / len(y_new)))


def test_curves_end_in_the_ways_and_sizes_are_nested():
    # catches curves of another experiment than the table of ways
    found = rehearse(weak_probe())
    assert np.array_equal(found.student[-1, -1], found.hits["student"])
    assert np.array_equal(found.strong[-1], found.hits["strong_on_labelled"])
    assert np.array_equal(found.teacher[-1], found.hits["teacher"])
    assert (np.diff(found.n_sizes) > 0).all()
    assert (np.diff(found.N_sizes) > 0).all()
    assert found.N_sizes[-1] == 1000


def test_labels_after_the_student_start_from_it():
    # catches a correction that ignores the student: with a perfect student it must be nothing
    rng = np.random.default_rng(3)
    x = rng.normal(size=(1200, 4))
    exact = np.column_stack([0.5 + x[:, 0] / 8, 0.5 - x[:, 0] / 8])
    ways = fit_arms(x[:40], exact[:40], x[40:], exact[40:])
    told = ways.scores(x)
    np.testing.assert_allclose(told["student_then_labels"], exact, atol=1e-3)
