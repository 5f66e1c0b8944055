"""Studies E1 to E5: every claim holds, at full size (slow) or where a small size suffices."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from w2sg import losses
from w2sg.studies import bias_variance
from w2sg.studies.bias_variance import text_heads
from w2sg.studies.bias_variance.solvers import logistic_head, train_linear


def test_overfitting_is_a_u():
    # Catches a residual of the wrong sign: also the numbers of the linear study, to its error.
    study = bias_variance.overfitting()
    assert all(claim.holds for claim in study.claims), study.claims
    at = dict(zip(study.arrays["penalty"], study.arrays["student_risk"], strict=True))
    for penalty, risk in [(5, 0.851), (20, 0.727), (40, 0.694), (200, 0.772), (1000, 0.921)]:
        assert at[penalty] == pytest.approx(risk, abs=0.003)
    both = study.arrays["misfit"] + study.arrays["residual"]
    np.testing.assert_allclose(study.arrays["gap"], both, atol=1e-12)


def test_ensembles_leave_less_for_the_student():
    study = bias_variance.teacher_ensembles(worlds=3)
    assert all(claim.holds for claim in study.claims), study.claims


def test_reverse_ce_students_ignore_the_confidence_of_their_teacher():
    # The invariance on a synthetic task; catches labels that reach reverse_ce already shrunk, and a
    # "reverse" loss that is the reverse KL, whose students follow the entropy of the labels.
    study = bias_variance.reverse_ce_invariance(runs=6, losses=("ce", "reverse_ce"))
    assert all(claim.holds for claim in study.claims[:2]), study.claims
    for field in ("accuracy", "nll", "entropy"):
        move, _, of_student = study.arrays[f"move {field} reverse_ce"]
        assert abs(move) < of_student
    for field in ("nll", "entropy"):
        move, of_run, of_student = study.arrays[f"move {field} ce"]
        assert abs(move) > max(of_run, of_student)


@pytest.mark.slow
@pytest.mark.parametrize("name", bias_variance.STUDIES)
def test_every_claim_holds_at_full_size(name):
    study = bias_variance.STUDIES[name]()
    assert all(claim.verdict == "holds" for claim in study.claims), study.claims
    assert study.figure.axes


def test_runs_side_by_side_are_runs_alone():
    # Catches statistics of one run that leak into another run's batch.
    rng = np.random.default_rng(0)
    x, start = rng.normal(size=(3, 96, 4)), rng.normal(size=(3, 4))
    targets = rng.uniform(size=(3, 96))
    for name in ("ce", "confidence", "cace:quantile=0.5"):
        loss = losses.get(name)
        together = train_linear(x, targets, start, loss, seed=1)
        alone = train_linear(x[1:2], targets[1:2], start[1:2], loss, seed=1)
        np.testing.assert_allclose(together[1], alone[0], atol=1e-12)


def test_logistic_head_agrees_with_scikit_learn():
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(1)
    x = rng.normal(size=(120, 5))
    y = (rng.uniform(size=120) < 0.4).astype(float)
    theirs = LogisticRegression(C=1 / (120 * 1e-2), fit_intercept=False, tol=1e-10).fit(x, y)
    np.testing.assert_allclose(logistic_head(x, y, 1e-2), theirs.coef_[0], atol=1e-5)


def text_task(seeds=3, n=256, items=200, d=6):
    rng = np.random.default_rng(4)
    x, z = rng.normal(size=(seeds, n, d)), rng.normal(size=(items, d))
    w = rng.normal(size=d)
    weak = w + rng.normal(size=(seeds, d))
    return text_heads.TextArrays(
        unlabelled=x * 3 + 1,
        labels=(x @ w > 0).astype(int),
        teacher_unlabelled=expit(np.einsum("snd,sd->sn", x, weak)),
        test=z * 3 + 1,
        truth=(z @ w > 0).astype(int),
        teacher_test=expit(weak @ z.T),
    )


def test_table_of_losses_is_one_row_each_and_adds_up():
    # Catches a ledger against another seed's teacher, and labels that leak into a student.
    task = text_task()
    rows = text_heads.loss_table(task, ("ce", "reverse_ce", "confidence:0.5"))
    assert [row.name for row in rows] == ["ce", "reverse_ce", "confidence:0.5"]
    for row in rows:
        assert row.accuracy.shape == (3, 200)
        found = row.ledger
        assert found.gap.estimate == found.misfit.estimate + found.residual.estimate
        assert row.entropy.mean() == pytest.approx(found.student_entropy.estimate)
    assert text_heads.markdown(task, rows).count("\n") == 5
    blind = replace(task, labels=1 - task.labels)
    again = text_heads.loss_table(blind, ("ce",))
    np.testing.assert_array_equal(again[0].accuracy, rows[0].accuracy)
    with pytest.raises(ValueError, match=r"truth must have shape \(200,\), got \(3,\)"):
        text_heads.loss_table(replace(task, truth=task.truth[:3]))
