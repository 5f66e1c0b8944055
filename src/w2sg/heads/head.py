"""Heads on frozen features: logistic, ridge and nearest neighbours, from labels hard or soft."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from w2sg._arrays import FloatArray, as_floats
from w2sg._seeds import child_seed
from w2sg.heads.folds import stratified_folds
from w2sg.heads.logistic import as_probabilities, fit_softmax, softmax
from w2sg.heads.neighbours import NeighbourHead, features_of_fit, fit_neighbours
from w2sg.heads.ridge import RidgePath, weighted_ridge

Kind = Literal["logistic", "ridge", "knn"]
FOLDS = 5
# relative to the mean variance of a feature, so that rescaled features get the same head
GRID = np.logspace(-5, 2, 15)


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
        x = features_of_fit(features, len(self.weights))
        return x @ self.weights + self.intercepts

    def predict_proba(self, features: Any) -> Float[np.ndarray, "n k"]:
        """Return class probabilities, shape (n, K).

        Ridge scores already sum to one; they are moved to the nearest point of the simplex, which
        keeps the order of the classes.
        """
        scores = self.scores(features)
        return softmax(scores) if self.kind == "logistic" else _nearest_in_simplex(scores)


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
    nearest rows. Left open, λ is chosen on a grid around the mean variance of a feature: two
    values a decade, from 1e-5 to 1e2 by five-fold stratified log loss (logistic), from 1e-4 to 1e4
    by exact leave-one-out squared error (ridge); the neighbours among powers of two, by
    leave-one-out squared error.

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
    x = features_of_fit(features)
    t = _targets(targets, len(x), n_classes)
    if kind not in ("logistic", "ridge", "knn"):
        raise ValueError(f"kind must be 'logistic', 'ridge' or 'knn', got {kind!r}")
    if kind == "knn":
        if penalty is not None:
            raise ValueError(f"penalty must be None for knn, got {penalty}; set neighbours")
        return fit_neighbours(x, t, neighbours)
    if neighbours is not None:
        raise ValueError(f"neighbours must be None for {kind}, got {neighbours}; set penalty")
    candidates, losses = np.empty(0), np.empty(0)
    if penalty is None:
        variance = _mean_variance(x)
        if kind == "logistic":
            candidates = GRID * variance
            losses = _folded_log_loss(x, t, candidates, seed)
        else:
            path = RidgePath(x, exact=True)
            candidates = path.penalties
            missed = path.left_out_errors(t)
            losses = np.array([np.square(each).sum(axis=1).mean() for each in missed])
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
    x = features_of_fit(features)
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
    fits = [weighted_ridge(x, t, row / row.sum(), lam) for row in omega]
    weights, intercepts = (np.stack(part) for part in zip(*fits, strict=True))
    return LinearHeads(kind, weights, intercepts, lam)


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
