"""Nearest neighbours: the mean target of the closest training rows."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from w2sg._arrays import FloatArray, as_floats

BLOCK_BYTES = 64 * 2**20


@dataclass(frozen=True)
class NeighbourHead:
    """The mean target of the nearest training examples, in Euclidean distance.

    Attributes:
        features: The training features.
        targets: Their class probabilities.
        neighbours: How many are averaged.
        candidates: The numbers that were compared; empty where one was given.
        candidate_losses: Their leave-one-out squared error.
    """

    features: Float[np.ndarray, "n d"]
    targets: Float[np.ndarray, "n k"]
    neighbours: int
    candidates: Int[np.ndarray, " p"]
    candidate_losses: Float[np.ndarray, " p"]

    def predict_proba(self, features: Any) -> Float[np.ndarray, "n k"]:
        """Return the mean target of the neighbours of each row, shape (n, K)."""
        x = features_of_fit(features, self.features.shape[1])
        nearest = _nearest(x, self.features, self.neighbours)
        return self.targets[nearest].mean(axis=1)


def features_of_fit(features: Any, width: int | None = None) -> FloatArray:
    """Return features as a matrix of at least one row, as wide as those of the fit.

    Raises:
        ValueError: No matrix, values that are not finite, or another width.

    >>> features_of_fit([[1, 2]], 2)
    array([[1., 2.]])
    """
    x = as_floats("features", features, ndim=2)
    if min(x.shape) < 1:
        raise ValueError(f"features must have at least one row and column, got shape {x.shape}")
    if width is not None and x.shape[1] != width:
        raise ValueError(f"features must have the {width} columns of the fit, got {x.shape[1]}")
    return x


def fit_neighbours(x: FloatArray, t: FloatArray, neighbours: int | None) -> NeighbourHead:
    """Return the head that averages so many neighbours, chosen by leave-one-out where left open.

    Args:
        x: Features, (n, d).
        t: Class probabilities, (n, K).
        neighbours: How many, 1 to n; ``None`` chooses among powers of two.

    Raises:
        ValueError: More neighbours than rows.

    >>> head = fit_neighbours(np.array([[0.0], [1.0], [9.0]]), np.eye(2)[[0, 0, 1]], 1)
    >>> head.predict_proba([[8.0]])
    array([[0., 1.]])
    """
    n = len(x)
    if neighbours is not None:
        if not 1 <= neighbours <= n:
            raise ValueError(f"neighbours must be between 1 and {n} rows, got {neighbours}")
        return NeighbourHead(x, t, int(neighbours), np.empty(0, dtype=int), np.empty(0))
    if n < 2:
        raise ValueError("features must have 2 rows to choose neighbours; set neighbours")
    candidates = 2 ** np.arange(int(np.log2(min(n - 1, 256))) + 1)
    nearest = _nearest(x, x, int(candidates[-1]), leave_out_self=True)
    running = np.cumsum(t[nearest], axis=1)[:, candidates - 1] / candidates[:, None]
    losses = ((running - t[:, None, :]) ** 2).sum(axis=2).mean(axis=0)
    return NeighbourHead(x, t, int(candidates[losses.argmin()]), candidates, losses)


def _nearest(x: FloatArray, pool: FloatArray, count: int, leave_out_self: bool = False) -> Any:
    """Rows of ``pool`` by distance from each row of ``x``, in blocks of bounded memory."""
    result = np.empty((len(x), count), dtype=np.intp)
    block = max(1, BLOCK_BYTES // (8 * len(pool)))
    norms = np.einsum("nd,nd->n", pool, pool)
    for start in range(0, len(x), block):
        part = x[start : start + block]
        distance = norms - 2 * part @ pool.T
        rows = np.arange(len(part))[:, None]
        if leave_out_self:
            distance[rows[:, 0], start + rows[:, 0]] = np.inf
        near = np.argpartition(distance, count - 1, axis=1)[:, :count]
        order = np.argsort(distance[rows, near], axis=1, kind="stable")
        result[start : start + block] = near[rows, order]
    return result
