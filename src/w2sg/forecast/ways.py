"""The ways of using labelled and unlabelled rows, all fitted with linear heads."""

from dataclasses import dataclass

import numpy as np

from w2sg._arrays import FloatArray
from w2sg.heads.ridge import RidgeHead, RidgePath, as_labels

WAYS = ("strong_on_labelled", "student", "student_then_labels", "self_training", "mixed")


@dataclass(frozen=True)
class FittedWays:
    """Heads of every way.

    Attributes:
        heads: Way → its head; ``student_then_labels`` is a correction on top of ``student``.
        on_unlabelled: Way → scores of the unlabelled rows, by fits that left the row out.
    """

    heads: dict[str, RidgeHead]
    on_unlabelled: dict[str, FloatArray]

    def scores(self, x: FloatArray) -> dict[str, FloatArray]:
        """Return the class scores of new rows by every way."""
        told = {way: head.scores(x) for way, head in self.heads.items()}
        if "student_then_labels" in told:
            told["student_then_labels"] = told["student_then_labels"] + told["student"]
        return told


def fit_ways(
    x: FloatArray,
    truth: FloatArray,
    unlabelled: FloatArray,
    pseudo: FloatArray,
    *,
    path: RidgePath | None = None,
    hidden: FloatArray | None = None,
) -> FittedWays:
    """Fit the strong model on the labels alone, on pseudo-labels, and on both together.

    Args:
        x: Strong features of the labelled rows, (n, D).
        truth: Their labels as class probabilities, (n, K).
        unlabelled: Strong features of the unlabelled rows, (N, D).
        pseudo: The teacher's labels of them, (N, K).
        path: Decomposition of ``unlabelled``, where it is at hand.
        hidden: True labels of the unlabelled rows, (N, K), for the way ``ceiling``.

    Returns:
        The heads of `WAYS`, and of ``ceiling`` where truth was given.
    """
    many = RidgePath(unlabelled) if path is None else path
    few = RidgePath(x)
    alone, student = few.fit(truth), many.fit(pseudo)
    own = as_labels(alone.scores(unlabelled))
    itself = many.fit(own)
    # ridge towards the student's weights instead of towards zero
    correction = few.fit(truth - student.scores(x))
    both = RidgePath(np.vstack([x, unlabelled])).fit(np.vstack([truth, (pseudo + own) / 2]))
    heads = {
        "strong_on_labelled": alone,
        "student": student,
        "student_then_labels": correction,
        "self_training": itself,
        "mixed": both,
    }
    seen = {
        "strong_on_labelled": alone.scores(unlabelled),
        "student": student.left_out,
        "student_then_labels": student.left_out + correction.scores(unlabelled),
        "self_training": itself.left_out,
        "mixed": both.left_out[len(x) :],
    }
    if hidden is not None:
        heads["ceiling"] = many.fit(hidden)
        seen["ceiling"] = heads["ceiling"].left_out
    return FittedWays(heads, seen)
