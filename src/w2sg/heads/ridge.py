r"""Ridge regression: one decomposition of the rows, any number of targets and penalties.

With rows X = U diag(s) Vᵀ, centred where an intercept is fitted, everything is read off U, s, V:

    W = V diag(1/(s² + ρ)) Vᵀ Xᵀ Y        ρ stands beside the sum of squared errors
    h_i = 1/m + Σ_r u_ir² s_r²/(s_r² + ρ)  the leverage of row i, its share 1/m of the intercept

Rows divided by √m turn sums into means, hence ρ into the λ of ``mean ‖t − W'x − c‖² + λ‖W‖²``.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.linalg

from w2sg._arrays import FloatArray

# relative to the mean variance of a feature; the last one leaves hardly more than the mean
GRID = np.logspace(-4, 4, 17)
# features are float32: a direction shorter than 1e-5 of the longest holds their rounding
GRAM_FLOOR = 1e-10


@dataclass(frozen=True)
class Axes:
    """The directions of a set of rows, the longest first.

    Attributes:
        right: V, orthonormal columns, (D, r).
        squares: s², descending, all above round-off, (r,).
    """

    right: FloatArray
    squares: FloatArray

    def coefficients(self, products: FloatArray, ridges: FloatArray) -> FloatArray:
        """Return (XᵀX + ρI)⁻¹XᵀY for every ρ, shape (p, D, K).

        Args:
            products: VᵀXᵀY, (r, K), or one for each penalty, (p, r, K).
            ridges: The p penalties ρ ≥ 0.

        >>> axes = decompose(np.array([[1.0], [1.0]]))[1]
        >>> axes.coefficients(axes.right.T @ [[6.0]], np.array([0.0, 1.0])).ravel()
        array([3., 2.])
        """
        scaled = products / (self.squares[:, None] + ridges[:, None, None])
        p, r, k = scaled.shape
        flat = self.right @ np.moveaxis(scaled, 0, 1).reshape(r, p * k)
        return np.moveaxis(flat.reshape(-1, p, k), 1, 0)


def decompose(x: FloatArray, *, rank: int | None = None) -> tuple[FloatArray, Axes]:
    """Return U and the axes of rows by their singular values: exact down to round-off.

    Args:
        x: Rows, (m, D).
        rank: How many directions are kept at most.

    >>> left, axes = decompose(np.array([[3.0, 0.0], [0.0, 4.0]]))
    >>> np.allclose(left * np.sqrt(axes.squares) @ axes.right.T, [[3, 0], [0, 4]])
    True
    """
    u, s, vt = scipy.linalg.svd(x, full_matrices=False)
    keep = leading(s**2, len(x), x.shape[1], rank)
    return u[:, keep], Axes(vt[keep].T, s[keep] ** 2)


def decompose_by_gram(x: FloatArray) -> tuple[FloatArray, Axes]:
    """Return U and the axes of rows by the smaller Gram matrix.

    Several times faster than singular values, and blind to what is shorter than 1e-5 of the
    longest direction, because a Gram matrix squares lengths before it rounds.

    Args:
        x: Rows, (m, D).
    """
    wide = x.shape[1] > len(x)
    values, vectors = scipy.linalg.eigh(x @ x.T if wide else x.T @ x, driver="evd")
    keep = values > max(values[-1], 0.0) * GRAM_FLOOR
    values, vectors = values[keep][::-1], vectors[:, keep][:, ::-1]
    other = (x.T @ vectors if wide else x @ vectors) / np.sqrt(values)
    left, right = (vectors, other) if wide else (other, vectors)
    return left, Axes(right, values)


def leading(squares: FloatArray, rows: int, width: int, rank: int | None = None) -> slice:
    """Return the leading directions above round-off, at most ``rank``; squares are descending.

    >>> leading(np.array([4.0, 1.0, 1e-40]), 10, 3, None)
    slice(None, 2, None)
    """
    floor = (max(rows, width) * np.finfo(float).eps) ** 2
    count = int((squares > floor * squares[0]).sum()) if squares[0] > 0 else 0
    return slice(None, count if rank is None else min(count, rank))


def weighted_ridge(
    x: FloatArray, targets: FloatArray, row_weights: FloatArray, penalties: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return weights (p, D, K) and intercepts (p, K) of ``Σ ω ‖t − W'x − c‖² + λ‖W‖²``.

    Args:
        x: Features, (m, D).
        targets: (m, K).
        row_weights: ω, summing to one, (m,).
        penalties: The p penalties λ ≥ 0.

    >>> x, t = np.array([[0.0], [1.0], [9.0]]), np.array([[1.0], [3.0], [0.0]])
    >>> w, c = weighted_ridge(x, t, np.array([0.5, 0.5, 0.0]), np.zeros(1))
    >>> round(w.item(), 9), round(c.item(), 9)
    (2.0, 1.0)
    """
    root = np.sqrt(row_weights)[:, None]
    mean, level = row_weights @ x, row_weights @ targets
    left, axes = decompose(root * (x - mean))
    products = np.sqrt(axes.squares)[:, None] * (left.T @ (root * (targets - level)))
    weights = axes.coefficients(products, penalties)
    return weights, level - mean @ weights


@dataclass(frozen=True)
class RidgeHead:
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
    """Ridge heads of one training set with an unpenalised intercept.

    Args:
        x: Features, (m, D).
        exact: Whether directions shorter than 1e-5 of the longest are kept, which takes longer.

    Attributes:
        mean: Of the features, (D,).
        left: Left singular vectors of the centred rows, the longest direction first, (m, r).
        axes: Their directions; the squares are variances.
        scale: Mean variance of a feature.
        penalties: `GRID` times that.
    """

    def __init__(self, x: FloatArray, *, exact: bool = False) -> None:
        self.mean = x.mean(axis=0)
        rows = (x - self.mean) / np.sqrt(len(x))
        self.left, self.axes = decompose(rows) if exact else decompose_by_gram(rows)
        self.scale = float(self.axes.squares.sum()) / x.shape[1]
        self.penalties = GRID * self.scale

    def left_out_errors(self, targets: FloatArray) -> Iterator[FloatArray]:
        """Yield, penalty by penalty, what fits without a row miss of that row, (m, K).

        ``residual_i/(1 − h_i)`` with h the leverage, exact for ridge with an unpenalised intercept.
        """
        m = len(targets)
        centred = targets - targets.mean(axis=0)
        inner, leverages = self.left.T @ centred, self.left**2
        for penalty in self.penalties:
            keep = self.axes.squares / (self.axes.squares + penalty)
            fitted = self.left @ (keep[:, None] * inner)
            # a row that alone spans its direction has leverage 1: nothing else says what it is
            leverage = np.minimum(1 / m + leverages @ keep, 1 - 1e-9)
            yield (centred - fitted) / (1 - leverage)[:, None]

    def fit(self, targets: FloatArray) -> RidgeHead:
        """Return the head whose penalty has the least leave-one-out squared error."""
        best: tuple[float, int, FloatArray] | None = None
        for i, missed in enumerate(self.left_out_errors(targets)):
            loss = float(np.square(missed).sum())
            if best is None or loss < best[0]:
                best = (loss, i, targets - missed)
        assert best is not None  # the grid is not empty
        return self._heads(targets, [best[1]], best[2])[0]

    def path(self, targets: FloatArray) -> list[RidgeHead]:
        """Return the head of every penalty, without leave-one-out scores."""
        empty = np.empty((0, targets.shape[1]))
        return self._heads(targets, list(range(len(self.penalties))), empty)

    def _heads(
        self, targets: FloatArray, chosen: list[int], left_out: FloatArray
    ) -> list[RidgeHead]:
        level, squares = targets.mean(axis=0), self.axes.squares
        rows = (targets - level) / np.sqrt(len(targets))
        products = np.sqrt(squares)[:, None] * (self.left.T @ rows)
        penalties = self.penalties[chosen]
        weights = self.axes.coefficients(products, penalties)
        return [
            RidgeHead(
                w, level - self.mean @ w, float(p), left_out, float((squares / (squares + p)).sum())
            )
            for w, p in zip(weights, penalties, strict=True)
        ]


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
