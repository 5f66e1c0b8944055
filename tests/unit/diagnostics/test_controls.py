"""Controls on problems made so that one known cause brings the gain."""

import dataclasses

import numpy as np
import pytest

from w2sg.diagnostics.controls import FrozenSeed, OnRows, explain
from w2sg.diagnostics.controls.arms import Student, best_penalty, isotropic_penalty
from w2sg.heads.ridge import RidgePath, as_labels
from w2sg.theory.weighted_ridge.fits import fit_weighted_ridge
from w2sg.theory.weighted_ridge.from_data import shrunk_covariance

N, TEST = 800, 700


def _split(x):
    return OnRows(x[:N], x[N:])


def _answers(weak, labelled, y, penalty=None, head=None):
    """Ridge teacher of given penalty (leave-one-out if None) on its own features."""
    path = RidgePath(labelled)
    fitted = path.fit(np.eye(2)[y]) if head is None else path.path(np.eye(2)[y])[head]
    return _split(as_labels(fitted.scores(weak)))


def _under_regularised(seed):
    """The teacher fits 60 small nuisance features that the student does not have."""
    rng = np.random.default_rng(seed)
    m, n = N + TEST, 90
    signal = np.random.default_rng(99).normal(size=(m, 5))  # the same test rows in every seed
    signal[:N] = rng.normal(size=(N, 5))
    few = rng.normal(size=(n, 5))
    nuisance, own = 0.05 * rng.normal(size=(m, 60)), 0.05 * rng.normal(size=(n, 60))
    truth, y = ((s.sum(axis=1) > 0).astype(int) for s in (signal, few))
    weak, labelled = np.hstack([signal, nuisance]), np.hstack([few, own])
    return FrozenSeed(
        truth[N:],
        _split(signal),
        _answers(weak, labelled, y, head=0),
        hidden=truth[:N],
        weak=_split(weak),
        penalised=tuple(_answers(weak, labelled, y, head=p) for p in range(17)),
    )


def test_the_right_penalty_of_the_teacher_takes_the_gain_away():
    # catches a control that teaches the student anew but keeps the old teacher as reference
    found = explain([_under_regularised(s) for s in range(6)])
    control = found.control("re-regularised teacher")
    assert found.gain.low > 0.05
    assert control.differs
    assert control.gain.estimate < 0.35 * found.gain.estimate
    assert control.teacher > found.teacher + 0.08
    assert "a better penalty of the teacher does what the student did" in control.meaning


def test_penalty_is_chosen_on_the_other_half_of_the_rows():
    # catches a penalty chosen on the rows it is judged on: of many teachers that guess, the best
    # would look better than guessing
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, TEST)
    x = _split(rng.normal(size=(N + TEST, 3)))
    guess = [_split(np.eye(2)[rng.integers(0, 2, N + TEST)]) for _ in range(200)]
    given = FrozenSeed(truth, x, guess[0], penalised=tuple(guess))
    right = best_penalty(given, Student(x), 0).hits(truth)[0].mean()
    assert abs(right - 0.5) < 3 * np.sqrt(0.25 / TEST)


def test_only_the_aligned_penalty_helps():
    # catches whitening that is undone by the choice of λ, or applied to the reference as well
    rng = np.random.default_rng(1)
    x = rng.normal(size=(N + TEST, 300)) * np.r_[3.0, np.full(299, 0.03)]
    truth = (x[:, 0] > 0).astype(int)
    told = np.where(rng.random(N + TEST) < 0.3, 1 - truth, truth)
    found = explain([FrozenSeed(truth[N:], _split(x), _split(np.eye(2)[told]))])
    control = found.control("isotropic penalty")
    assert found.gain.estimate > 0.25
    assert control.differs
    assert control.change.high < -0.05


def test_isotropic_student_is_weighted_ridge_of_the_theory():
    # ours in whitened coordinates, theory in the features' own: one solution
    rng = np.random.default_rng(2)
    x = rng.normal(size=(N + TEST, 6)) @ rng.normal(size=(6, 6))
    told = np.eye(2)[(x[:, 0] + rng.normal(size=len(x)) > 0).astype(int)]
    given = FrozenSeed(told[N:].argmax(axis=1), _split(x), _split(told))
    ours = isotropic_penalty(given, Student(given.strong), 0).student
    centred = x[:N] - x[:N].mean(axis=0)
    gamma = shrunk_covariance(centred)
    white = np.linalg.solve(np.linalg.cholesky(gamma), centred.T).T
    penalty = RidgePath(white).fit(told[:N]).penalty
    level = told[:N].mean(axis=0)
    weights = fit_weighted_ridge(centred, told[:N] - level, penalty, gamma)
    theirs = as_labels((x[N:] - x[:N].mean(axis=0)) @ weights + level)
    np.testing.assert_allclose(ours, theirs, atol=1e-9)


def _copied_errors(seed):
    """Errors that the student's features tell (teacher looks at the wrong feature)."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(N + TEST, 8))
    truth = (x[:, 0] > 0).astype(int)
    told = (x[:, 0] + x[:, 1] > 0).astype(int)
    return FrozenSeed(
        truth[N:], _split(x), _split(np.eye(2)[told]), hidden=truth[:N], weak=_split(x[:, :2])
    )


def _foreign_errors(seed):
    """Errors that only the teacher's own features tell."""
    rng = np.random.default_rng(seed)
    x, w = rng.normal(size=(2, N + TEST, 4))
    truth = (x[:, 0] > 0).astype(int)
    told = (x[:, 0] + w[:, 0] > 0).astype(int)
    weak = np.column_stack([x[:, 0], w])
    return FrozenSeed(
        truth[N:], _split(x), _split(np.eye(2)[told]), hidden=truth[:N], weak=_split(weak)
    )


def test_copied_errors_are_told_from_foreign_ones():
    # catches "none" and "full" exchanged, and labels dealt out across classes
    copied, foreign = explain([_copied_errors(3)]), explain([_foreign_errors(3)])
    assert abs(copied.gain.estimate) < 0.02
    assert copied.control("full discrepancy").change.low > 0.1
    assert not copied.control("no discrepancy").differs
    assert foreign.gain.low > 0.15
    assert foreign.control("no discrepancy").change.high < -0.1
    # a little: what the labels say within a class is dealt out too
    assert abs(foreign.control("full discrepancy").change.estimate) < 0.05


def test_random_student_gains_nothing():
    given = _foreign_errors(4)
    noise = np.random.default_rng(5).normal(size=(N + TEST, 4))
    found = explain([dataclasses.replace(given, untrained=_split(noise))])
    control = found.control("untrained student")
    assert found.gain.low > 0.15
    assert control.differs
    assert control.gain.high < 0


def test_mean_of_teachers_takes_away_what_accidents_gave():
    # each teacher has an accident of its own outside the student's space; 16 of them average out
    rng = np.random.default_rng(6)
    x, w = rng.normal(size=(N + TEST, 5)), rng.normal(size=(N + TEST, 40))
    truth = (x[:, 0] > 0).astype(int)

    def teacher():
        accident = rng.normal(size=40)
        p = 1 / (1 + np.exp(-(x[:, 0] + 1.2 * w @ accident / np.linalg.norm(accident))))
        return _split(np.column_stack([1 - p, p]))

    given = FrozenSeed(
        truth[N:], _split(x), teacher(), resampled=tuple(teacher() for _ in range(16))
    )
    found = explain([given])
    control = found.control("mean teacher")
    assert found.gain.low > 0.15
    assert control.differs
    assert control.gain.estimate < 0.5 * found.gain.estimate
    assert control.teacher > found.teacher + 0.1


def test_what_changes_nothing_changes_nothing():
    # catches a control that draws its own folds, penalties or rows beside what it should change
    given = _copied_errors(7)
    same = dataclasses.replace(
        given, penalised=(given.teacher,) * 3, resampled=(given.teacher,) * 3,
        untrained=given.strong,
    )  # fmt: skip
    found = explain([same])
    for name in ("re-regularised teacher", "untrained student", "mean teacher"):
        control = found.control(name)
        assert control.change.estimate == 0
        assert control.squared_change.estimate == 0
        assert not control.differs


def test_missing_parts_withhold_with_a_reason():
    given = dataclasses.replace(_copied_errors(8), hidden=None, weak=None)
    found = explain([given])
    withheld = {c.name for c in found.controls if c.gain.reason is not None}
    assert withheld == {
        "re-regularised teacher", "untrained student", "no discrepancy", "full discrepancy",
        "mean teacher",
    }  # fmt: skip
    assert len(found.table()) == 7
    assert "withheld" in found.control("mean teacher").meaning


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"truth": np.zeros(TEST)}, "truth must be 700 class numbers"),
        ({"truth": np.full(TEST, 2)}, "class numbers in 0 … 1"),
        ({"hidden": np.zeros(3, int)}, "hidden must be 800 class numbers"),
        ({"strong": OnRows(np.zeros((N, 2)), np.zeros((TEST, 2)))}, "same for every row"),
        ({"weak": OnRows(np.eye(N), np.zeros((TEST, 2)))}, "same columns on both parts"),
        ({"weak": OnRows(np.full((N, 2), np.nan), np.zeros((TEST, 2)))}, "weak.unlabelled"),
        ({"teacher": OnRows(np.ones((N, 2)), np.ones((TEST, 2)))}, "teacher.unlabelled must sum"),
        ({"resampled": (OnRows(np.ones((3, 2)), np.ones((3, 2))),)}, "resampled.unlabelled"),
    ],
)
def test_bad_input_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(_copied_errors(9), **change)


def test_seeds_must_fit_each_other():
    with pytest.raises(ValueError, match="at least one seed"):
        explain([])
    with pytest.raises(ValueError, match="same test rows"):
        explain([_copied_errors(0), _copied_errors(1)])
