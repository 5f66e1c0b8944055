"""Metrics of predictions: one number per test set, and where it exists one number per item.

Every function takes class probabilities of shape (n, K), rows summing to one, and labels of shape
(n,) with values 0 … K − 1. The ``…_items`` functions return what ``w2sg.gain`` needs: one value
per item whose mean is the metric. Losses (negative log-likelihood, Brier, squared error) are
better when small; negate them before they enter ``w2sg.gain``, where higher is better.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from w2sg import soft_labels
from w2sg._arrays import FloatArray, as_floats

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Agreement:
    """How often the student gives the teacher's answer.

    Attributes:
        overall: Share of all items, in [0, 1].
        on_mistakes: Share among the items where the teacher is wrong: imitation of errors;
            ``None`` where the teacher makes no mistake.
        on_hits: Share among the items where the teacher is right; ``None`` where it never is.
        n_mistakes: Number of items where the teacher is wrong, a tie in proportion.
        n_items: Number of items.
    """

    overall: float
    on_mistakes: float | None
    on_hits: float | None
    n_mistakes: int
    n_items: int


def accuracy(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Return the share of items whose most probable class is the label.

    The mean of 1[y ∈ argmax p]/|argmax p|: equally probable classes are a guess among them, so the
    order of the classes changes nothing.

    Args:
        probabilities: Class probabilities (n, K).
        labels: True classes (n,), 0 … K − 1.

    Returns:
        A number in [0, 1].

    Raises:
        ValueError: Shapes, probabilities or labels that cannot be meant.

    >>> accuracy([[0.9, 0.1], [0.4, 0.6], [0.7, 0.3]], [0, 1, 1])
    0.6666666666666666
    """
    return float(accuracy_items(probabilities, labels).mean())


def accuracy_items(probabilities: ArrayLike, labels: ArrayLike) -> FloatArray:
    """Return 1 for every item that is classified correctly and 0 for the others, shape (n,).

    An item with m most probable classes counts 1/m if its label is one of them.

    >>> accuracy_items([[0.9, 0.1], [0.4, 0.6], [0.7, 0.3]], [0, 1, 1])
    array([1., 1., 0.])
    """
    p, y = _checked(probabilities, labels)
    return soft_labels.hit_share(p, y)


def nll(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Return the mean negative log-likelihood −(1/n) Σᵢ log p_{i,yᵢ} in nats.

    A probability of exactly zero is read as 2.2·10⁻¹⁶ (the spacing of float64 at one), as
    scikit-learn's ``log_loss`` does, so that one certain mistake costs 36 nats and not infinity.

    >>> round(nll([[0.5, 0.5], [0.25, 0.75]], [0, 1]), 6)
    0.490415
    """
    return float(nll_items(probabilities, labels).mean())


def nll_items(probabilities: ArrayLike, labels: ArrayLike) -> FloatArray:
    """Return −log p_{i,yᵢ} of every item, shape (n,); zero is read as in ``nll``.

    >>> nll_items([[0.5, 0.5], [0.25, 0.75]], [0, 1]).round(4)
    array([0.6931, 0.2877])
    """
    p, y = _checked(probabilities, labels)
    of_label = p[np.arange(len(y)), y]
    return -np.log(np.clip(of_label, np.finfo(np.float64).eps, 1.0))


def brier(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Return the Brier score (1/n) Σᵢ Σₖ (p_{ik} − 1[yᵢ = k])², in [0, 2].

    The sum runs over all classes, as Brier (1950) wrote it: with two classes it is twice the
    squared error of the probability of class 1.

    >>> round(brier([[0.9, 0.1], [0.4, 0.6]], [0, 0]), 6)
    0.37
    """
    return float(brier_items(probabilities, labels).mean())


def brier_items(probabilities: ArrayLike, labels: ArrayLike) -> FloatArray:
    """Return Σₖ (p_{ik} − 1[yᵢ = k])² of every item, shape (n,).

    >>> brier_items([[0.9, 0.1], [0.4, 0.6]], [0, 0]).round(2)
    array([0.02, 0.72])
    """
    p, y = _checked(probabilities, labels)
    return ((p - np.eye(p.shape[1])[y]) ** 2).sum(axis=1)


def squared_error(predictions: ArrayLike, targets: ArrayLike) -> float:
    """Return the mean squared error of a regression, (1/n) Σᵢ ‖ŷᵢ − yᵢ‖².

    Args:
        predictions: Predicted values (n,) or (n, d).
        targets: True values of the same shape.

    >>> squared_error([1.0, 2.0], [1.0, 4.0])
    2.0
    """
    return float(squared_error_items(predictions, targets).mean())


def squared_error_items(predictions: ArrayLike, targets: ArrayLike) -> FloatArray:
    """Return ‖ŷᵢ − yᵢ‖² of every item, shape (n,).

    >>> squared_error_items([1.0, 2.0], [1.0, 4.0])
    array([0., 4.])
    """
    a, b = as_floats("predictions", predictions), as_floats("targets", targets)
    if a.shape != b.shape or a.ndim not in (1, 2) or a.shape[0] == 0:
        raise ValueError(
            "predictions and targets must have one common shape (n,) or (n, d) with n at least 1, "
            f"got {a.shape} and {b.shape}"
        )
    return ((a - b) ** 2).reshape(len(a), -1).sum(axis=1)


def auroc(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Return the area under the ROC curve; with more than two classes the one-vs-rest mean.

    P(score of a positive > score of a negative) + ½ P(equal), the score being the probability of
    the class. Two classes use the probability of class 1; K > 2 classes average the K
    one-vs-rest areas with equal weight (scikit-learn's ``multi_class="ovr"``).

    Raises:
        ValueError: A class without items, or with all of them: its area is undefined.

    >>> auroc([[0.9, 0.1], [0.6, 0.4], [0.6, 0.4], [0.2, 0.8]], [0, 0, 1, 1])
    0.875
    """
    return float(auroc_items(probabilities, labels).mean())


def auroc_items(probabilities: ArrayLike, labels: ArrayLike) -> FloatArray:
    """Return one value per item whose mean is the AUROC and whose spread is its sampling error.

    With A the area, V the placement of an item (the share of the opposite class that it is on the
    right side of, ties one half) and n₊ + n₋ = n:  A + (n/n₊)(Vᵢ − A) for a positive and
    A + (n/n₋)(Vᵢ − A) for a negative. The mean is A; the variance of the mean is that of DeLong,
    DeLong and Clarke-Pearson (1988), eq. 2–4, up to n₊/(n₊ − 1). Single values can leave [0, 1].
    Use them as the scores of ``w2sg.gain`` to get PGR, gain and comparisons in AUROC.

    >>> auroc_items([[0.9, 0.1], [0.6, 0.4], [0.6, 0.4], [0.2, 0.8]], [0, 0, 1, 1])
    array([1.125, 0.625, 0.625, 1.125])
    """
    p, y = _checked(probabilities, labels)
    n_classes = p.shape[1]
    if n_classes == 1:
        raise ValueError("probabilities must have at least 2 columns for an AUROC, got 1")
    classes = [1] if n_classes == 2 else list(range(n_classes))
    return np.mean([_placements(p[:, k], y == k, k) for k in classes], axis=0)


def calibration_error(
    probabilities: ArrayLike,
    labels: ArrayLike,
    *,
    n_bins: int = 15,
    binning: Literal["width", "mass"] = "width",
) -> float:
    """Return the expected calibration error of the most probable class.

    Σ_b (n_b/n) |accuracy of bin b − mean confidence of bin b|, the confidence being maxₖ p_{ik}
    (Guo et al. 2017, eq. 3). It has no per-item form, and it is biased upwards by about
    √(n_bins/n): compare models on the same items and bins only.

    Args:
        probabilities: Class probabilities (n, K).
        labels: True classes (n,).
        n_bins: Number of bins.
        binning: ``"width"``: equal intervals (b/n_bins, (b + 1)/n_bins] of [0, 1]; ``"mass"``:
            items sorted by confidence and cut into bins of equal count, ties in input order.

    Returns:
        A number in [0, 1].

    Raises:
        ValueError: Bad arrays, fewer than one bin, an unknown binning.

    >>> round(calibration_error([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6]], [0, 1, 1]), 6)
    0.4
    """
    if n_bins < 1:
        raise ValueError(f"n_bins must be at least 1, got {n_bins}")
    p, y = _checked(probabilities, labels)
    confidence = p.max(axis=1)
    excess = soft_labels.hit_share(p, y) - confidence
    if binning == "width":
        bins = np.clip(np.ceil(confidence * n_bins).astype(np.int64) - 1, 0, n_bins - 1)
    elif binning == "mass":
        order = np.argsort(confidence, kind="stable")
        bins = np.empty(len(y), dtype=np.int64)
        bins[order] = np.arange(len(y)) * n_bins // len(y)
    else:
        raise ValueError(f"binning must be 'width' or 'mass', got {binning!r}")
    return float(np.abs(np.bincount(bins, weights=excess, minlength=n_bins)).sum() / len(y))


def agreement(student: ArrayLike, teacher: ArrayLike, labels: ArrayLike) -> Agreement:
    """Return how often student and teacher answer alike, overall and on the teacher's mistakes.

    Of an item with a tie every tied class is answered with equal probability.

    A student that imitates the teacher's errors agrees on mistakes as often as on hits; one that
    corrects them agrees much less there (Burns et al. 2023, section 5.1.2).

    Args:
        student: The student's class probabilities (n, K).
        teacher: The teacher's class probabilities (n, K), same items and classes.
        labels: True classes (n,).

    Raises:
        ValueError: Arrays that do not fit.

    >>> agreement([[0.9, 0.1], [0.2, 0.8]], [[0.6, 0.4], [0.7, 0.3]], [0, 1])
    Agreement(overall=0.5, on_mistakes=0.0, on_hits=1.0, n_mistakes=1, n_items=2)
    """
    p, y = _checked(student, labels, "student")
    q, _ = _checked(teacher, labels, "teacher")
    if p.shape != q.shape:
        raise ValueError(
            f"student and teacher must have one shape, got {p.shape} and {q.shape}: "
            "give probabilities for the same items and classes"
        )
    ours, theirs = soft_labels.harden(p), soft_labels.harden(q)
    same = (ours * theirs).sum(axis=1)
    hit = theirs[np.arange(len(y)), y]
    both_right = ours[np.arange(len(y)), y] * hit
    n_hits, n_mistakes = float(hit.sum()), float((1 - hit).sum())
    return Agreement(
        overall=float(same.mean()),
        on_mistakes=float((same - both_right).sum() / n_mistakes) if n_mistakes else None,
        on_hits=float(both_right.sum() / n_hits) if n_hits else None,
        n_mistakes=round(n_mistakes),
        n_items=len(y),
    )


def _placements(score: FloatArray, positive: NDArray[np.bool_], k: int) -> FloatArray:
    n, n_pos = len(score), int(positive.sum())
    if n_pos in (0, n):
        have = "no item" if n_pos == 0 else "every item"
        raise ValueError(
            f"labels must hold items of class {k} and of others for an AUROC, {have} is of class "
            f"{k}: give a test set with both, or drop the class"
        )
    ranks = rankdata(score)
    placement = np.empty(n)
    placement[positive] = (ranks[positive] - rankdata(score[positive])) / (n - n_pos)
    placement[~positive] = 1 - (ranks[~positive] - rankdata(score[~positive])) / n_pos
    area = placement[positive].mean()
    share = np.where(positive, n_pos / n, 1 - n_pos / n)
    return area + (placement - area) / share


def _checked(
    probabilities: ArrayLike, labels: ArrayLike, name: str = "probabilities"
) -> tuple[FloatArray, IntArray]:
    p = as_floats(name, probabilities, low=0.0, high=1.0 + 1e-6, ndim=2)
    y = as_floats("labels", labels, ndim=1)
    if len(p) == 0 or p.shape[1] == 0:
        raise ValueError(f"{name} must have at least one row and one column, got {p.shape}")
    if len(y) != len(p):
        raise ValueError(f"labels must have one entry per row of {name}: {len(y)} for {len(p)}")
    off = np.abs(p.sum(axis=1) - 1)
    if off.max() > 1e-3:
        row = int(off.argmax())
        raise ValueError(
            f"{name} must have rows that sum to 1, row {row} sums to {p[row].sum():.6g}: "
            "give softmax outputs, not logits"
        )
    bad = (y != np.floor(y)) | (y < 0) | (y >= p.shape[1])
    if bad.any():
        raise ValueError(
            f"labels must be whole numbers 0 … {p.shape[1] - 1}, got {y[bad][0]:g} at index "
            f"{int(np.flatnonzero(bad)[0])}"
        )
    return p, y.astype(np.int64)
