"""Every arm with ridge heads on frozen features, for forecasts."""

from dataclasses import dataclass

import numpy as np

from w2sg import arms
from w2sg._arrays import FloatArray
from w2sg.heads.ridge import RidgeHead, RidgePath, as_labels


@dataclass(frozen=True)
class FittedArms:
    """Heads of the trained arms.

    Attributes:
        heads: Arm → its head; that of an arm with a start is a correction on top of the start's.
        on_unlabelled: Arm → scores of the unlabelled rows, by fits that left the row out.
    """

    heads: dict[str, RidgeHead]
    on_unlabelled: dict[str, FloatArray]

    def scores(self, x: FloatArray) -> dict[str, FloatArray]:
        """Return the class scores of new rows by every arm."""
        scores: dict[str, FloatArray] = {}
        for name, head in self.heads.items():  # parents come first
            start = arms.TABLE[name].start
            scores[name] = head.scores(x) + (0.0 if start is None else scores[start])
        return scores


def fit_arms(
    x: FloatArray,
    truth: FloatArray,
    unlabelled: FloatArray,
    pseudo: FloatArray,
    *,
    path: RidgePath | None = None,
    hidden: FloatArray | None = None,
) -> FittedArms:
    """Fit every arm of the table whose labels are at hand, with ridge heads.

    An arm that goes on from another one is ridge towards the weights of its start instead of
    towards zero.

    Args:
        x: Strong features of the labelled rows, (n, D).
        truth: Their labels as class probabilities, (n, K).
        unlabelled: Strong features of the unlabelled rows, (N, D).
        pseudo: The teacher's labels of them, (N, K).
        path: Decomposition of ``unlabelled``, where it is at hand.
        hidden: True labels of the unlabelled rows, (N, K), for the arm ``ceiling``.

    Returns:
        The heads of `arms.trained()`, without those that learn from hidden labels where none are.
    """
    many = RidgePath(unlabelled) if path is None else path
    few = RidgePath(x)
    labels = {"pseudo": pseudo} if hidden is None else {"pseudo": pseudo, "hidden": hidden}
    heads: dict[str, RidgeHead] = {}
    left_out: dict[str, FloatArray] = {}
    for arm in arms.trained():
        if "hidden" in arm.sources and hidden is None:
            continue
        on_x, on_unlabelled = truth, arms.unlabelled_targets(arm, labels)
        if arm.start is not None:
            before = FittedArms(heads, left_out).scores
            on_x = truth - before(x)[arm.start]
            if on_unlabelled is not None:
                on_unlabelled = on_unlabelled - before(unlabelled)[arm.start]
        if on_unlabelled is None:
            head = few.fit(on_x)
            seen = head.scores(unlabelled)
        elif "labelled" in arm.sources:
            both = RidgePath(np.vstack([x, unlabelled]))
            head = both.fit(np.vstack([on_x, on_unlabelled]))
            seen = head.left_out[len(x) :]
        else:
            head = many.fit(on_unlabelled)
            seen = head.left_out
        heads[arm.name] = head
        left_out[arm.name] = seen if arm.start is None else seen + left_out[arm.start]
        if arm.name == arms.LABELS_OF_ITSELF:
            labels["own"] = as_labels(seen)
    return FittedArms(heads, left_out)
