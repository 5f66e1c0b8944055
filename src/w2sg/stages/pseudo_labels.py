"""Pseudo-labels: a labeller's probabilities, tempered or hardened, joined to texts by id."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from scipy.stats import binomtest

from w2sg._arrays import FloatArray
from w2sg.data import soft_labels
from w2sg.data.examples import Labelled, PseudoLabelled, Unlabelled

VERSION = 2


def make(
    unlabelled: Unlabelled,
    *,
    ids: Sequence[str],
    probabilities: FloatArray,
    label_names: Sequence[str],
    teacher: str,
    labels: Literal["soft", "hard"] = "soft",
    temperature: float = 1.0,
) -> PseudoLabelled:
    """Return the unlabelled texts with what the labeller says of each, paired by id.

    Soft labels are p^(1/T) normalised; hard labels put all weight on the most probable class, the
    first of several.

    Args:
        unlabelled: The texts; the type has no label to leak.
        ids: The rows that `probabilities` speaks of, in its order.
        probabilities: Shape (len(ids), K).
        label_names: The K classes.
        teacher: Key of the labeller.
        labels: Soft or hard.
        temperature: T; above 1 flattens, below 1 sharpens.

    Raises:
        ValueError: An id has no probabilities, or they are not probabilities.
    """
    pseudo = PseudoLabelled.join(
        unlabelled,
        ids=ids,
        probabilities=probabilities,
        label_names=label_names,
        teacher=teacher,
    )
    values = temper(pseudo.probabilities, temperature)
    if labels == "hard":
        values = np.eye(values.shape[1])[values.argmax(axis=1)]
    return PseudoLabelled.join(
        unlabelled, ids=pseudo.ids, probabilities=values, label_names=label_names, teacher=teacher
    )


def temper(probabilities: FloatArray, temperature: float) -> FloatArray:
    """Return p^(1/T), normalised along the last axis.

    >>> temper(np.array([[0.2, 0.8]]), 1.0)
    array([[0.2, 0.8]])
    """
    if temperature == 1.0:
        return probabilities  # to the last bit
    return soft_labels.temperature(probabilities, temperature)


def quality(pseudo: PseudoLabelled, hidden: Labelled | None) -> dict[str, Any]:
    """Return what can be said of pseudo-labels: entropy, shares, and accuracy where truth exists.

    The accuracy has a 95 % Wilson interval: it speaks of the labeller, not of these rows alone.

    Args:
        pseudo: The pseudo-labels.
        hidden: True labels of some of the same ids, which the student never sees.
    """
    p = pseudo.probabilities
    entropy = -np.where(p > 0, p * np.log(np.where(p > 0, p, 1.0)), 0.0).sum(axis=1)
    facts: dict[str, Any] = {
        "rows": len(pseudo),
        "entropy": float(entropy.mean()),
        "share": {
            name: float((p.argmax(axis=1) == k).mean()) for k, name in enumerate(pseudo.label_names)
        },
    }
    if hidden is not None and len(hidden):
        guesses = pseudo.take(hidden.ids).probabilities.argmax(axis=1)
        right = binomtest(int((guesses == hidden.labels).sum()), len(hidden))
        interval = right.proportion_ci(0.95, method="wilson")
        facts["accuracy"] = float(right.statistic)
        facts["accuracy_interval"] = [float(interval.low), float(interval.high)]
        facts["accuracy_rows"] = len(hidden)
    return facts
