"""Overlap density: the share of points that hold both an easy and a hard pattern."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float

from w2sg._arrays import FloatArray, as_features, as_floats

BLOCK_ROWS = 2048


@dataclass(frozen=True)
class OverlapDensity:
    """Every point as hard, overlap or easy-only.

    Attributes:
        density: Share of overlap points among all points.
        hard: Points on which the teacher is not confident.
        overlap: Confident points that lie near a hard one in strong-feature space.
        confidence: The teacher's confidence per point, in [0, 1].
        similarity: Largest absolute cosine to a hard point; 1 for the hard points themselves.
        confidence_break: Points below it are hard.
        similarity_break: Confident points at or above it overlap.
    """

    density: float
    hard: Bool[np.ndarray, " n"]
    overlap: Bool[np.ndarray, " n"]
    confidence: Float[np.ndarray, " n"]
    similarity: Float[np.ndarray, " n"]
    confidence_break: float
    similarity_break: float


def overlap_density(
    teacher_probs: Any,
    Phi_s: Any,
    threshold: Literal["break", "median"] = "break",
) -> OverlapDensity:
    r"""Sort points into hard, overlap and easy-only, and return the share of overlap.

    The teacher's confidence is ``(max p − 1/K)/(1 − 1/K)``, which is 2|p − ½| for two classes.
    The best single break of the sorted confidences (least squares about two means) splits off
    the hard points. Each other point gets its largest absolute cosine to a hard point in
    strong-feature space; a second break splits overlap from easy-only.

    Args:
        teacher_probs: Class probabilities (n, K), or probabilities of class 1, shape (n,).
        Phi_s: Strong features of the same points, n × D.
        threshold: ``"break"``, or ``"median"`` for both splits.

    Returns:
        The density, the three groups and both thresholds.

    Raises:
        ValueError: Rows that do not pair, values that are no probabilities, a zero row of
            features, or confidences or similarities without two different values.

    Source: Shin, Cooper and Sala, arXiv 2412.03881 (procedure of the released code); the
    confidence for K > 2 is a generalisation made here.

    >>> features = np.array([[1.0, 0], [1, 0.1], [1, 1], [0, 1], [0.05, 1]])
    >>> found = overlap_density([0.5, 0.52, 0.99, 0.98, 0.97], features)
    >>> found.hard.tolist(), found.overlap.tolist(), found.density
    ([True, True, False, False, False], [False, False, True, False, False], 0.2)
    """
    if threshold not in ("break", "median"):
        raise ValueError(f"threshold must be 'break' or 'median', got {threshold!r}")
    p = as_floats("teacher_probs", teacher_probs, low=0.0, high=1.0)
    if p.ndim == 1:
        p = np.column_stack([1 - p, p])
    if p.ndim != 2 or p.shape[1] < 2 or np.abs(p.sum(axis=1) - 1).max(initial=0) > 1e-4:
        raise ValueError(
            f"teacher_probs must be (n,) or rows of (n, K) summing to 1, got {p.shape}"
        )
    x = as_features("Phi_s", Phi_s).astype(np.float64)
    if len(x) != len(p):
        raise ValueError(
            f"teacher_probs and Phi_s must pair row by row, got {len(p)} and {len(x)} rows"
        )
    norms = np.linalg.norm(x, axis=1, keepdims=True)
    if (norms == 0).any():
        raise ValueError(f"Phi_s row {int(norms.argmin())} is zero and has no direction")
    x /= norms
    confidence = (p.max(axis=1) - 1 / p.shape[1]) / (1 - 1 / p.shape[1])
    split = _one_break if threshold == "break" else _median
    confidence_break = split("teacher_probs' confidence", confidence)
    hard = confidence < confidence_break
    similarity = np.ones(len(x))
    easy = np.flatnonzero(~hard)
    for start in range(0, len(easy), BLOCK_ROWS):
        rows = easy[start : start + BLOCK_ROWS]
        similarity[rows] = np.abs(x[rows] @ x[hard].T).max(axis=1)
    similarity_break = split("similarity to hard points", similarity[easy])
    overlap = ~hard & (similarity >= similarity_break)
    return OverlapDensity(
        float(overlap.mean()),
        hard,
        overlap,
        confidence,
        similarity,
        confidence_break,
        similarity_break,
    )


def _one_break(name: str, values: FloatArray) -> float:
    """Return the smallest value right of the cut that minimises Σ(x−mean)² of the two sides."""
    x = np.sort(values)
    cuts = np.flatnonzero(np.diff(x) > 0) + 1
    if len(cuts) == 0:
        raise ValueError(f"{name} must take at least two different values, got {len(x)} equal ones")
    # minimal within-group squares = maximal Σ n_side · mean_side²
    left, total = np.cumsum(x)[cuts - 1], x.sum()
    between = left**2 / cuts + (total - left) ** 2 / (len(x) - cuts)
    return float(x[cuts[between.argmax()]])


def _median(name: str, values: FloatArray) -> float:
    middle = float(np.median(values))
    if not (values < middle).any():
        raise ValueError(f"{name} must have values below its median {middle:g}, got none")
    return middle
