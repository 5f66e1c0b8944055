"""Claims of E1 to E5 fail for an altered student or teacher, and say when draws do not decide."""

import numpy as np
import pytest

from w2sg._seeds import child_seed
from w2sg.studies.bias_variance import logistic_students as logistic
from w2sg.studies.bias_variance import ridge_students as ridge
from w2sg.studies.study import all_above_zero

TEACHER, STUDENT, MISFIT = range(3)  # last axis of E1's draws
GAP, ROW_MISFIT, RESIDUAL = 2, 3, 4  # columns of E3's tables


def verdicts(claims):
    return [claim.verdict for claim in claims]


@pytest.fixture(scope="module")
def widths():
    ridges = (10.0, 1e-6)
    draws = [np.random.default_rng(child_seed(0, "width", draw)) for draw in range(40)]
    return np.stack([ridge._width_draw(rng, ridges) for rng in draws])


def test_few_draws_of_e1_contradict_nothing(widths):
    # A seed at which forty draws say the opposite of a true claim would be a fault of the claim.
    assert "fails" not in verdicts(ridge._width_claims(widths))
    assert "fails" not in verdicts(ridge._width_claims(widths[:3]))


def better_narrow_student(draws):
    draws[:, 0, 0, STUDENT] *= 0.8


def misfit_that_does_not_fall(draws):
    draws[:, 0, 1:, MISFIT] = draws[:, 0, :1, MISFIT]


def misfit_without_floor(draws):
    draws[:, 0, :, MISFIT] *= 0.3


def misfit_that_rises_again(draws):
    draws[:, 0, 3, MISFIT] += 0.08


def worse_wide_student(draws):
    draws[:, 0, -1, STUDENT] += 0.08


def better_wide_student(draws):
    draws[:, 0, -1, STUDENT] -= 0.1


def student_that_never_overfits(draws):
    draws[:, 1] = draws[:, 0]


@pytest.mark.parametrize(
    ("alter", "claim"),
    [
        (better_narrow_student, 0),
        (misfit_that_does_not_fall, 1),
        (misfit_without_floor, 1),
        (misfit_that_rises_again, 1),
        (worse_wide_student, 2),
        (better_wide_student, 2),
        (student_that_never_overfits, 3),
    ],
)
def test_an_altered_student_fails_e1(widths, alter, claim):
    draws = widths.copy()
    alter(draws)
    assert ridge._width_claims(draws)[claim].verdict == "fails"


def ridge_path(**changes):
    """Claims of E2 on a smooth path, one of whose parts is changed."""
    at = np.linspace(-1, 1, len(ridge.PENALTIES))
    path = {"student": 0.7 + 0.34 * at**2, "misfit": 0.34 - 0.34 * at**2} | changes
    noise = 1e-4 * np.random.default_rng(0).standard_normal((50, len(at)))
    noise[:, 0] = 0
    path["misfit"] = path["misfit"].copy()
    path["misfit"][-1] += 0.2 * ("misfit" not in changes)
    return ridge._overfitting_claims(path["student"] + noise, path["misfit"] + noise, 1.04)


def test_an_altered_ridge_path_fails_e2():
    at = np.linspace(-1, 1, len(ridge.PENALTIES))
    assert verdicts(ridge_path()) == ["holds", "holds", "holds"]
    assert not ridge_path(student=0.7 + 0.34 * at**2 - 0.01)[0].holds  # a copy that gains
    assert not ridge_path(student=0.9 - 0.1 * at)[1].holds  # no U, the risk only falls
    wavy = 0.7 + 0.34 * at**2
    wavy[2] += 0.3
    assert not ridge_path(student=wavy)[1].holds  # two valleys
    assert not ridge_path(misfit=0.34 - 0.34 * at**2)[2].holds  # all of the misfit is gain


@pytest.fixture(scope="module")
def worlds():
    return np.stack([logistic._ensemble_world(0, world) for world in range(25)])


def variance_left_out(rows):
    rows[:, -1, 2] *= 0.9


def worse_student_of_one_teacher(rows):
    rows[:, 0, RESIDUAL] -= 0.1


def better_student_of_one_teacher(rows):
    rows[:, 0, RESIDUAL] += 0.2


def ensembles_that_leave_as_much(rows):
    rows[:, 1:-1, GAP] = rows[:, :1, GAP] + 0.001


def student_that_loses_to_thirty(rows):
    rows[:, -2, GAP] -= 0.05


def student_that_does_not_copy(rows):
    rows[:, -1, 3] = 0.1


def copy_that_gains(rows):
    rows[:, -1, 4] = 0.2


@pytest.mark.parametrize(
    ("alter", "claim"),
    [
        (variance_left_out, 0),
        (worse_student_of_one_teacher, 1),
        (better_student_of_one_teacher, 1),
        (ensembles_that_leave_as_much, 2),
        (student_that_loses_to_thirty, 2),
        (student_that_does_not_copy, 3),
        (copy_that_gains, 3),
    ],
)
def test_an_altered_teacher_or_student_fails_e3(worlds, alter, claim):
    assert "fails" not in verdicts(logistic._ensemble_claims(worlds))
    rows = worlds.copy()
    alter(rows)
    assert logistic._ensemble_claims(rows)[claim].verdict == "fails"


@pytest.mark.parametrize("study", ["shrunk_labels", "reverse_ce_invariance"])
def test_students_of_the_other_loss_fail_every_claim_of_e4_and_e5(monkeypatch, study):
    # Catches claims that hold whatever the students were trained with.
    train = logistic._train_one
    other = {"ce": "reverse_ce", "reverse_ce": "ce"}
    monkeypatch.setattr(logistic, "LOSSES", ("ce", "reverse_ce"))
    monkeypatch.setattr(
        logistic, "_train_one", lambda *args: train(*args[:-1], other.get(args[-1], "ce"))
    )
    options = {} if study == "shrunk_labels" else {"losses": ("ce", "reverse_ce")}
    swapped = getattr(logistic, study)(runs=10, **options)
    assert verdicts(swapped.claims) == ["fails"] * len(swapped.claims)


def test_verdict_is_that_of_the_worst_part():
    rng = np.random.default_rng(0)
    sure, unsure, wrong = (mean + rng.standard_normal(30) for mean in (3.0, 0.0, -3.0))
    assert all_above_zero("", "", {"a": sure}).verdict == "holds"
    both = all_above_zero("", "", {"a": sure, "b": unsure})
    assert (both.verdict, both.holds) == ("cannot be told", True)
    assert "b:" in both.found
    assert all_above_zero("", "", {"a": unsure, "b": wrong}).verdict == "fails"
    for parts, problem in (
        ({}, "at least one"),
        ({"a": [1.0]}, "2 draws"),
        ({"a": [1, np.nan]}, "finite"),
    ):
        with pytest.raises(ValueError, match=problem):
            all_above_zero("", "", parts)


def test_intervals_share_their_error():
    # 1 in 100 statements at the edge of truth is contradicted, however many parts it has: without
    # the correction 20 parts would contradict about 1 in 10.
    rng = np.random.default_rng(1)
    failed = [
        not all_above_zero("", "", dict(enumerate(rng.standard_normal((20, 10))))).holds
        for _ in range(600)
    ]
    assert np.mean(failed) < 0.02
