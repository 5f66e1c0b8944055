"""Ridge heads of one training set: one decomposition, any number of targets, λ by leave-one-out."""

from dataclasses import dataclass

import numpy as np
import scipy.linalg

from w2sg._arrays import FloatArray

# relative to the mean variance of a feature; the last one leaves hardly more than the mean
GRID = np.logspace(-4, 4, 17)


@dataclass(frozen=True)
class Head:
    """A linear map of features to class scores.

    Attributes:
        weights: (D, K).
        intercept: (K,).
        penalty: The λ of ``mean ‖t − W'x − c‖² + λ‖W‖²`` that was chosen.
        left_out: Scores of the training rows by fits without them, (m, K).
        shrinkage: Sum of s²/(s² + λ): the dimension that the fit paid for.
    """

    weights: FloatArray
    intercept: FloatArray
    penalty: float
    left_out: FloatArray
    shrinkage: float

    def scores(self, x: FloatArray) -> FloatArray:
        """Return the linear outputs, (n, K)."""
        return x @ self.weights + self.intercept


class RidgePath:
    """The decomposition of a training set.

    Args:
        x: Features, (m, D).
    """

    def __init__(self, x: FloatArray) -> None:
        self.mean = x.mean(axis=0)
        centred = x - self.mean
        m, width = centred.shape
        wide = width > m
        gram = centred @ centred.T if wide else centred.T @ centred
        values, vectors = scipy.linalg.eigh(gram / m, driver="evd")
        keep = values > max(values[-1], 0.0) * 1e-10
        values, vectors = values[keep], vectors[:, keep]
        root = np.sqrt(values * m)
        self.left = vectors if wide else centred @ vectors / root
        self.right = centred.T @ vectors / root if wide else vectors
        self.energy = values
        self.penalties = GRID * float(values.sum()) / width

    def fit(self, targets: FloatArray) -> Head:
        """Return the head whose penalty has the least leave-one-out squared error.

        The error of row i without it is ``residual_i/(1 − h_i)`` with h the leverage, exact for
        ridge with an unpenalised intercept.
        """
        level = targets.mean(axis=0)
        centred = targets - level
        inner = self.left.T @ centred
        squares = self.left**2
        best: tuple[float, int, FloatArray] | None = None
        for i, penalty in enumerate(self.penalties):
            keep = self.energy / (self.energy + penalty)
            fitted = self.left @ (keep[:, None] * inner)
            leverage = np.minimum(1 / len(targets) + squares @ keep, 1 - 1e-9)
            missed = (centred - fitted) / (1 - leverage)[:, None]
            loss = float(np.square(missed).sum())
            if best is None or loss < best[0]:
                best = (loss, i, targets - missed)
        assert best is not None  # the grid is not empty
        return self._head(best[1], inner, level, best[2])

    def path(self, targets: FloatArray) -> list[Head]:
        """Return the head of every penalty, without leave-one-out scores."""
        level = targets.mean(axis=0)
        inner = self.left.T @ (targets - level)
        empty = np.empty((0, targets.shape[1]))
        return [self._head(i, inner, level, empty) for i in range(len(self.penalties))]

    def _head(self, i: int, inner: FloatArray, level: FloatArray, left_out: FloatArray) -> Head:
        penalty = float(self.penalties[i])
        root = np.sqrt(self.energy * len(self.left))
        keep = self.energy / (self.energy + penalty)
        weights = self.right @ ((keep / root)[:, None] * inner)
        return Head(weights, level - self.mean @ weights, penalty, left_out, float(keep.sum()))


def as_labels(scores: FloatArray) -> FloatArray:
    """Return scores as class probabilities: clipped at zero and normalised.

    >>> as_labels(np.array([[1.2, -0.2], [0.25, 0.75]]))
    array([[1.  , 0.  ],
           [0.25, 0.75]])
    """
    clipped = np.maximum(scores, 0.0)
    total = clipped.sum(axis=1, keepdims=True)
    flat = np.full_like(clipped, 1 / clipped.shape[1])
    return np.where(total > 0, clipped / np.where(total > 0, total, 1.0), flat)
