"""Heads on frozen features: logistic, ridge and nearest neighbours, from labels hard or soft."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import scipy.linalg
from jaxtyping import Float, Int

from w2sg._arrays import FloatArray, as_floats
from w2sg._seeds import child_seed
from w2sg.diagnostics.balanced_rows import stratified_folds
from w2sg.diagnostics.softmax import as_probabilities, fit_softmax, softmax

Kind = Literal["logistic", "ridge", "knn"]
FOLDS = 5
# relative to the mean variance of a feature, so that rescaled features get the same head
GRID = np.logspace(-5, 2, 15)
BLOCK_BYTES = 64 * 2**20


@dataclass(frozen=True)
class LinearHead:
    """A linear map of features to class scores, and how its penalty was chosen.

    Attributes:
        kind: ``"logistic"`` (scores are logits) or ``"ridge"`` (scores estimate probabilities).
        weights: Coefficients, in the units of the features.
        intercepts: One per class.
        penalty: λ of the fit.
        candidates: The penalties that were compared; empty where one was given.
        candidate_losses: Their held-out loss: log loss (logistic) or squared error (ridge).
    """

    kind: Literal["logistic", "ridge"]
    weights: Float[np.ndarray, "d k"]
    intercepts: Float[np.ndarray, " k"]
    penalty: float
    candidates: Float[np.ndarray, " p"]
    candidate_losses: Float[np.ndarray, " p"]

    def scores(self, features: Any) -> Float[np.ndarray, "n k"]:
        """Return the linear outputs: logits, or unclipped least-squares estimates."""
        x = _features(features, width=len(self.weights))
        return x @ self.weights + self.intercepts

    def predict_proba(self, features: Any) -> Float[np.ndarray, "n k"]:
        """Return class probabilities, shape (n, K).

        Ridge scores already sum to one; they are moved to the nearest point of the simplex, which
        keeps the order of the classes.
        """
        scores = self.scores(features)
        return softmax(scores) if self.kind == "logistic" else _nearest_in_simplex(scores)


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
        x = _features(features, width=self.features.shape[1])
        nearest = _nearest(x, self.features, self.neighbours)
        return self.targets[nearest].mean(axis=1)


Head = LinearHead | NeighbourHead


@dataclass(frozen=True)
class LinearHeads:
    """Linear heads for S row weightings (seeds, folds) crossed with P penalties.

    Attributes:
        kind: As in ``LinearHead``.
        weights: Coefficients.
        intercepts: Intercepts.
        penalties: The P penalties.
    """

    kind: Literal["logistic", "ridge"]
    weights: Float[np.ndarray, "s p d k"]
    intercepts: Float[np.ndarray, "s p k"]
    penalties: Float[np.ndarray, " p"]

    def head(self, seed: int, penalty: int) -> LinearHead:
        """Return one of the heads by its two positions."""
        return LinearHead(
            self.kind,
            self.weights[seed, penalty],
            self.intercepts[seed, penalty],
            float(self.penalties[penalty]),
            np.empty(0),
            np.empty(0),
        )


def fit_head(
    features: Any,
    targets: Any,
    *,
    kind: Kind = "logistic",
    penalty: float | None = None,
    neighbours: int | None = None,
    n_classes: int | None = None,
    seed: int = 0,
) -> Head:
    r"""Fit a head on frozen features, its penalty or number of neighbours chosen on held-out rows.

    ``"logistic"`` minimises ``mean CE(t, softmax(W'x + c)) + λ/2 ‖W‖²``; ``"ridge"`` minimises
    ``mean ‖t − W'x − c‖² + λ ‖W‖²``; neither penalises c. ``"knn"`` averages the targets of the
    nearest rows. Left open, λ is chosen among 15 values spread over seven decades around the
    variance of the features: by five-fold stratified log loss (logistic) or exact leave-one-out
    squared error (ridge); the neighbours among powers of two, by leave-one-out squared error.

    Args:
        features: Shape (n, D).
        targets: Class numbers 0…K−1, shape (n,), or class probabilities, shape (n, K).
        kind: Which head.
        penalty: λ; above 0 for logistic, at least 0 for ridge, not meant for knn.
        neighbours: For knn only, 1 to n.
        n_classes: K, where class numbers may lack the last classes.
        seed: Decides the five folds; nothing else is random.

    Returns:
        A frozen head with ``predict_proba``.

    Raises:
        ValueError: Bad shapes or values, or an option that this kind does not have.

    >>> x = np.linspace(-1, 1, 40)[:, None]
    >>> head = fit_head(x, (x[:, 0] > 0).astype(int), penalty=0.01)
    >>> head.predict_proba([[-1.0], [1.0]]).round(1)
    array([[1., 0.],
           [0., 1.]])
    """
    x = _features(features)
    t = _targets(targets, len(x), n_classes)
    if kind not in ("logistic", "ridge", "knn"):
        raise ValueError(f"kind must be 'logistic', 'ridge' or 'knn', got {kind!r}")
    if kind == "knn":
        if penalty is not None:
            raise ValueError(f"penalty must be None for knn, got {penalty}; set neighbours")
        return _fit_neighbours(x, t, neighbours)
    if neighbours is not None:
        raise ValueError(f"neighbours must be None for {kind}, got {neighbours}; set penalty")
    candidates, losses = np.empty(0), np.empty(0)
    if penalty is None:
        candidates = GRID * _mean_variance(x)
        loss_of = _folded_log_loss if kind == "logistic" else _left_out_squared_error
        losses = loss_of(x, t, candidates, seed)
        penalty = float(candidates[losses.argmin()])
    fitted = fit_heads(x, t, kind=kind, penalties=[penalty])
    return LinearHead(
        kind, fitted.weights[0, 0], fitted.intercepts[0, 0], penalty, candidates, losses
    )


def fit_heads(
    features: Any,
    targets: Any,
    *,
    kind: Literal["logistic", "ridge"] = "logistic",
    penalties: Any,
    row_weights: Any = None,
    n_classes: int | None = None,
) -> LinearHeads:
    """Fit linear heads for every row weighting and every penalty together.

    A seed that trains on a subset of rows is a 0/1 row weighting. Logistic heads share one
    decomposition of the features and one batched solver; ridge heads share one decomposition per
    weighting.

    Args:
        features: Shape (n, D).
        targets: Class numbers (n,), or class probabilities (n, K).
        kind: ``"logistic"`` or ``"ridge"``; the objectives of ``fit_head``.
        penalties: The P penalties.
        row_weights: Shape (S, n), non-negative; each row is scaled to sum to one.
        n_classes: K, where class numbers may lack the last classes.

    Returns:
        Heads in the order (weighting, penalty).

    Raises:
        ValueError: Bad shapes or values.

    >>> x = np.linspace(-1, 1, 40)[:, None]
    >>> fit_heads(x, (x[:, 0] > 0).astype(int), penalties=[0.01, 0.1, 1.0]).weights.shape
    (1, 3, 1, 2)
    """
    x = _features(features)
    t = _targets(targets, len(x), n_classes)
    lam = np.atleast_1d(as_floats("penalties", penalties, low=0.0, open_low=kind == "logistic"))
    if row_weights is None:
        omega = np.ones((1, len(x)))
    else:
        omega = as_floats("row_weights", row_weights, low=0.0, ndim=2)
        if omega.shape[1] != len(x) or (omega.sum(axis=1) <= 0).any():
            raise ValueError(
                f"row_weights must have {len(x)} columns and no row of zeros, got {omega.shape}"
            )
    s, p, (d, k) = len(omega), len(lam), (x.shape[1], t.shape[1])
    if kind == "logistic":
        fits = fit_softmax(x, t, penalties=np.tile(lam, s), row_weights=np.repeat(omega, p, axis=0))
        return LinearHeads(
            kind, fits.weights.reshape(s, p, d, k), fits.intercepts.reshape(s, p, k), lam
        )
    if kind != "ridge":
        raise ValueError(f"kind must be 'logistic' or 'ridge', got {kind!r}")
    weights = np.stack([_ridge(x, t, row / row.sum(), lam) for row in omega])
    means = (omega / omega.sum(axis=1, keepdims=True)) @ np.column_stack([x, t])
    intercepts = means[:, None, d:] - np.einsum("sd,spdk->spk", means[:, :d], weights)
    return LinearHeads(kind, weights, intercepts, lam)


def _features(features: Any, width: int | None = None) -> FloatArray:
    x = as_floats("features", features, ndim=2)
    if min(x.shape) < 1:
        raise ValueError(f"features must have at least one row and column, got shape {x.shape}")
    if width is not None and x.shape[1] != width:
        raise ValueError(f"features must have the {width} columns of the fit, got {x.shape[1]}")
    return x


def _targets(targets: Any, rows: int, n_classes: int | None) -> FloatArray:
    t = np.asarray(targets)
    if t.ndim == 1 and len(t) == rows:
        labels = as_floats("targets", t, low=0.0)
        if (labels != np.floor(labels)).any():
            raise ValueError(
                "targets of one axis must be class numbers 0, 1, …; pass probabilities as (n, K)"
            )
        k = int(labels.max()) + 1 if n_classes is None else n_classes
        if k < 2 or labels.max() >= k:
            raise ValueError(
                f"targets must be class numbers below n_classes = {k}, at least 2 classes, "
                f"got largest {int(labels.max())}; set n_classes"
            )
        return np.eye(k)[labels.astype(int)]
    if t.ndim != 2:
        raise ValueError(f"targets must have shape ({rows},) or ({rows}, K), got {t.shape}")
    if n_classes not in (None, t.shape[1]):
        raise ValueError(f"n_classes must be the {t.shape[1]} columns of targets, got {n_classes}")
    return as_probabilities("targets", t, rows=rows)


def _mean_variance(x: FloatArray) -> float:
    variance = float(x.var(axis=0).mean())
    if variance <= 0:
        raise ValueError("features are constant over rows; nothing can be learned from them")
    return variance


def _ridge(x: FloatArray, t: FloatArray, omega: FloatArray, lam: FloatArray) -> FloatArray:
    root = np.sqrt(omega)[:, None]
    u, s, vt = scipy.linalg.svd(root * (x - omega @ x), full_matrices=False)
    keep = s > s[0] * max(x.shape) * np.finfo(float).eps
    u, s, vt = u[:, keep], s[keep], vt[keep]
    right = u.T @ (root * (t - omega @ t))
    return np.einsum("rd,pr,rk->pdk", vt, s / (s**2 + lam[:, None]), right, optimize=True)


def _left_out_squared_error(x: FloatArray, t: FloatArray, lam: FloatArray, seed: int) -> FloatArray:
    """Leave-one-out error of ridge in closed form: residual / (1 − leverage)."""
    n = len(x)
    u, s, _ = scipy.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    shrink = s**2 / (s**2 + n * lam[:, None])
    centred = t - t.mean(axis=0)
    right = u.T @ centred
    losses = np.empty(len(lam))
    for i, row in enumerate(shrink):
        leverage = 1 / n + u**2 @ row
        left_out = (centred - (u * row) @ right) / (1 - leverage)[:, None]
        losses[i] = (left_out**2).sum(axis=1).mean()
    return losses


def _folded_log_loss(x: FloatArray, t: FloatArray, lam: FloatArray, seed: int) -> FloatArray:
    """Held-out log loss: all folds and penalties are one batch of fits."""
    if len(x) < 2 * FOLDS:
        raise ValueError(f"features must have {2 * FOLDS} rows to choose a penalty; set penalty")
    rng = np.random.default_rng(child_seed(seed, "heads", "folds"))
    fold = stratified_folds(t.argmax(axis=1), FOLDS, rng)
    training = (fold != np.arange(FOLDS)[:, None]).astype(float)
    heads = fit_heads(x, t, kind="logistic", penalties=lam, row_weights=training)
    losses = np.zeros(len(lam))
    for f in range(FOLDS):
        held = fold == f
        logits = np.einsum("nd,pdk->pnk", x[held], heads.weights[f], optimize=True)
        logits += heads.intercepts[f][:, None, :]
        top = logits.max(axis=-1)
        log_sum = top + np.log(np.exp(logits - top[..., None]).sum(axis=-1))
        losses += (log_sum - (t[held] * logits).sum(axis=-1)).sum(axis=1)
    return losses / len(x)


def _nearest_in_simplex(scores: FloatArray) -> FloatArray:
    """Euclidean projection of each row on the simplex: subtract a threshold, clip at zero."""
    ordered = -np.sort(-scores, axis=1)
    excess = (np.cumsum(ordered, axis=1) - 1) / np.arange(1, scores.shape[1] + 1)
    last = (ordered > excess).sum(axis=1) - 1
    return np.maximum(scores - excess[np.arange(len(scores)), last][:, None], 0.0)


def _fit_neighbours(x: FloatArray, t: FloatArray, neighbours: int | None) -> NeighbourHead:
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
