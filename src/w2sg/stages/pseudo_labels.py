"""Pseudo-labels: a labeller's probabilities, tempered or hardened, joined to texts by id."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from scipy.stats import binomtest

from w2sg import soft_labels
from w2sg._arrays import FloatArray
from w2sg.data.examples import Labelled, PseudoLabelled, Unlabelled

VERSION = 3


def make(
    unlabelled: Unlabelled,
    *,
    ids: Sequence[str],
    probabilities: FloatArray,
    label_names: Sequence[str],
    teacher: str,
    labels: Literal["soft", "hard"] = "soft",
    temperature: float = 1.0,
    shrink: float = 1.0,
) -> PseudoLabelled:
    """Return the unlabelled texts with what the labeller says of each, paired by id.

    Soft labels are p^(1/T) normalised; hard labels put all weight on the most probable class,
    equally probable ones share it; either is then pulled towards uniform, αq + (1−α)/K.

    Args:
        unlabelled: The texts; the type has no label to leak.
        ids: The rows that `probabilities` speaks of, in its order.
        probabilities: Shape (len(ids), K).
        label_names: The K classes.
        teacher: Key of the labeller.
        labels: Soft or hard.
        temperature: T; above 1 flattens, below 1 sharpens.
        shrink: α in (0, 1]; 1 changes nothing.

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
    values = transformed(
        pseudo.probabilities, labels=labels, temperature=temperature, shrink=shrink
    )
    return PseudoLabelled.join(
        unlabelled, ids=pseudo.ids, probabilities=values, label_names=label_names, teacher=teacher
    )


def transformed(
    probabilities: FloatArray, *, labels: str, temperature: float, shrink: float
) -> FloatArray:
    """Return probabilities as the pseudo-labels of a spec: tempered, or hardened, then shrunk.

    Args:
        probabilities: Shape (n, K).
        labels: ``"soft"`` or ``"hard"``.
        temperature: T of p^(1/T).
        shrink: α of αq + (1−α)/K.

    >>> transformed(np.array([[0.2, 0.8]]), labels="hard", temperature=1.0, shrink=0.5)
    array([[0.25, 0.75]])
    """
    values = probabilities  # to the last bit, where nothing is asked for
    if temperature != 1.0:
        values = soft_labels.temperature(values, temperature)
    if labels == "hard":
        values = soft_labels.harden(values)
    return values if shrink == 1.0 else soft_labels.shrink(values, shrink)


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
            name: float(share)
            for name, share in zip(
                pseudo.label_names, soft_labels.harden(p).mean(axis=0), strict=True
            )
        },
        "undecided": int(soft_labels.undecided(p).sum()),
    }
    if hidden is not None and len(hidden):
        right = soft_labels.hit_share(pseudo.take(hidden.ids).probabilities, hidden.labels).sum()
        interval = binomtest(round(right), len(hidden)).proportion_ci(0.95, method="wilson")
        facts["accuracy"] = float(right / len(hidden))
        facts["accuracy_interval"] = [float(interval.low), float(interval.high)]
        facts["accuracy_rows"] = len(hidden)
    return facts
