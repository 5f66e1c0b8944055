"""Teacher and student of each control: what is changed, and how the student is fitted to it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from w2sg._arrays import FloatArray
from w2sg._seeds import child_seed
from w2sg.diagnostics.controls.experiment import FrozenSeed, OnRows
from w2sg.heads.ridge import RidgePath, as_labels
from w2sg.soft_labels import hit_share
from w2sg.theory.weighted_ridge.from_data import shrunk_covariance

SHARE_SWEEPS = 20


@dataclass(frozen=True)
class Arms:
    """Class probabilities of the test rows.

    Attributes:
        teacher: By the teacher, (t, K).
        student: By the student, (t, K).
    """

    teacher: FloatArray
    student: FloatArray

    def hits(self, truth: NDArray[np.int64]) -> tuple[FloatArray, FloatArray]:
        """Return how right teacher and student are, row by row; a tie is a guess."""
        return hit_share(self.teacher, truth), hit_share(self.student, truth)

    def squared_gain(self, truth: NDArray[np.int64]) -> FloatArray:
        """Return by how much the student's squared error is below the teacher's, row by row."""
        target = np.eye(self.teacher.shape[1])[truth]
        errors = [np.square(p - target).sum(axis=1) for p in (self.teacher, self.student)]
        return errors[0] - errors[1]


class Student:
    """A ridge head on given features, its penalty chosen by leave-one-out on the pseudo-labels.

    Args:
        space: Features; decomposed once for any number of teachers.
    """

    def __init__(self, space: OnRows) -> None:
        self.path, self.test = RidgePath(space.unlabelled), space.test

    def taught(self, pseudo: FloatArray) -> FloatArray:
        """Return its class probabilities of the test rows."""
        return as_labels(self.path.fit(pseudo).scores(self.test))


class Withheld(Exception):
    """A control that cannot be made, with the reason."""


Make = Callable[[FrozenSeed, Student, int], Arms]


def as_it_was(given: FrozenSeed, student: Student, seed: int) -> Arms:
    """The experiment itself."""
    return Arms(given.teacher.test, student.taught(given.teacher.unlabelled))


def best_penalty(given: FrozenSeed, student: Student, seed: int) -> Arms:
    """The teacher at the penalty of least squared error, chosen on the other half of the rows."""
    if not given.penalised:
        raise Withheld("the teacher has no penalty that could be set anew")
    t = len(given.truth)
    target = np.eye(given.n_classes)[given.truth]
    errors = np.array([np.square(answers.test - target).sum(axis=1) for answers in given.penalised])
    half = np.random.default_rng(child_seed(seed, "halves")).permutation(t) < t // 2
    teacher, taught = np.empty_like(given.teacher.test), np.empty_like(given.teacher.test)
    for rows in (half, ~half):
        best = given.penalised[int(errors[:, ~rows].mean(axis=1).argmin())]
        teacher[rows] = best.test[rows]
        taught[rows] = student.taught(best.unlabelled)[rows]
    return Arms(teacher, taught)


def isotropic_penalty(given: FrozenSeed, student: Student, seed: int) -> Arms:
    """A penalty that weighs every direction alike: λ wᵀΣw in place of λ wᵀw.

    Σ is the Ledoit–Wolf covariance of the unlabelled features. In the coordinates Σ^{-1/2}x it is
    plain ridge.
    """
    x = given.strong.unlabelled
    mean = x.mean(axis=0)
    root = scipy.linalg.cholesky(shrunk_covariance(x - mean), lower=True)

    def white(rows: FloatArray) -> FloatArray:
        return scipy.linalg.solve_triangular(root, (rows - mean).T, lower=True).T

    spherical = Student(OnRows(white(x), white(given.strong.test)))
    return Arms(given.teacher.test, spherical.taught(given.teacher.unlabelled))


def untrained_student(given: FrozenSeed, student: Student, seed: int) -> Arms:
    """Features of the same network before any training."""
    if given.untrained is None:
        raise Withheld("features of an untrained network were not made")
    other = Student(given.untrained)
    return Arms(given.teacher.test, other.taught(given.teacher.unlabelled))


def no_discrepancy(given: FrozenSeed, student: Student, seed: int) -> Arms:
    """A student that has the teacher's features beside its own, in equal total variance."""
    if given.weak is None:
        raise Withheld("the teacher has no features, only labels")
    parts = []
    scales = [
        1 / np.sqrt(x.var(axis=0).sum()) for x in (given.strong.unlabelled, given.weak.unlabelled)
    ]
    for part in ("unlabelled", "test"):
        blocks = (getattr(given.strong, part), getattr(given.weak, part))
        parts.append(np.hstack([s * block for s, block in zip(scales, blocks, strict=True)]))
    both = Student(OnRows(*parts))
    return Arms(given.teacher.test, both.taught(given.teacher.unlabelled))


def full_discrepancy(given: FrozenSeed, student: Student, seed: int) -> Arms:
    """The pseudo-labels of every true class, dealt out anew among the rows of that class.

    The teacher is wrong as often and in the same way, but no feature says where. Scores that are
    fitted to such labels hug their mean, which a threshold would turn into one class for all; so
    the student answers each class as often as it did.
    """
    if given.hidden is None:
        raise Withheld("the unlabelled rows have no true labels within which errors could move")
    rng = np.random.default_rng(child_seed(seed, "moved errors"))
    pseudo = np.array(given.teacher.unlabelled)
    for k in range(given.n_classes):
        rows = np.flatnonzero(given.hidden == k)
        pseudo[rows] = pseudo[rng.permutation(rows)]
    as_before = student.taught(given.teacher.unlabelled).argmax(axis=1)
    shares = np.bincount(as_before, minlength=given.n_classes) / len(as_before)
    return Arms(given.teacher.test, as_labels(with_shares(student.taught(pseudo), shares)))


def with_shares(scores: FloatArray, shares: FloatArray) -> FloatArray:
    """Return scores plus a constant per class, so that each class is the largest in its share.

    Args:
        scores: (t, K).
        shares: Of each class, summing to one, (K,).

    >>> moved = with_shares(np.array([[0.6, 0.4], [0.7, 0.3], [0.8, 0.2], [0.9, 0.1]]), [0.5, 0.5])
    >>> moved.argmax(axis=1).tolist()
    [1, 1, 0, 0]
    """
    moved = np.array(scores)
    for _ in range(SHARE_SWEEPS):
        for k, share in enumerate(shares):
            ahead = np.delete(moved, k, axis=1).max(axis=1) - moved[:, k]
            # between two rows, so that no row stands on the edge
            moved[:, k] += np.quantile(ahead, share, method="midpoint")
    return moved


def mean_teacher(given: FrozenSeed, student: Student, seed: int) -> Arms:
    """The mean of teachers that were fitted to resamples of the labels."""
    if len(given.resampled) < 2:
        raise Withheld("the teacher cannot be fitted again to resampled labels")
    told = [
        np.mean([getattr(answers, part) for answers in given.resampled], axis=0)
        for part in ("unlabelled", "test")
    ]
    return Arms(told[1], student.taught(told[0]))
