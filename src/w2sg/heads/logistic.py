"""Softmax regression: many penalised multinomial fits on the same features, solved together."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
from jaxtyping import Float

from w2sg._arrays import FloatArray, as_floats

MEMORY = 12
MAX_STEPS = 500
# the best intercept of a class without examples is minus infinity; this one means p below 1e-6
ABSENT = -16.0


@dataclass(frozen=True)
class SoftmaxFits:
    """B softmax regressions of K classes on D features.

    Attributes:
        weights: Coefficients per fit, in the units of the features given.
        intercepts: Intercepts per fit; those of the classes present sum to zero.
        converged: Whether the gradient fell below the tolerance.
    """

    weights: Float[np.ndarray, "b d k"]
    intercepts: Float[np.ndarray, "b k"]
    converged: np.ndarray


def softmax(logits: FloatArray) -> FloatArray:
    """Return exp(logits) normalised over the last axis, without overflow.

    >>> softmax(np.array([1000.0, 1000.0]))
    array([0.5, 0.5])
    """
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    powers /= powers.sum(axis=-1, keepdims=True)
    return powers


def fit_softmax(
    features: Any,
    targets: Any,
    *,
    penalties: Any,
    row_weights: Any = None,
    tolerance: float = 1e-7,
) -> SoftmaxFits:
    r"""Fit B softmax regressions on one feature matrix, each with its penalty and row weights.

    Fit b minimises, over coefficients W and unpenalised intercepts c,

        sum_i ω_bi · CE(t_i, softmax(W'x_i + c)) + λ_b/2 · ‖W‖²,   sum_i ω_bi = 1.

    One decomposition of the features serves all fits: in its axes Böhning's bound on the Hessian
    is diagonal and preconditions a batched L-BFGS whose products are single matrix products.
    A class that no row of a fit belongs to gets zero coefficients and the intercept −16.

    Args:
        features: Rows are examples, shape (n, D).
        targets: Class probabilities, shape (n, K), or (B, n, K) where each fit has its own.
        penalties: λ > 0, one per fit or one for all.
        row_weights: ω ≥ 0, shape (B, n), scaled here to sum to one; a zero leaves the row out.
        tolerance: The largest gradient entry allowed at the end, relative to that of the zero fit.

    Returns:
        The fits, in the order of ``penalties`` and ``row_weights``.

    Raises:
        ValueError: Shapes that do not match, rows of ``targets`` that are no probabilities,
            a penalty that is not positive, or a fit whose weights are all zero.

    Source: D. Böhning, "Multinomial logistic regression algorithm", 1992 (bound on the Hessian).

    >>> x = np.array([[-1.0], [1.0], [2.0]])
    >>> fits = fit_softmax(x, np.eye(2)[[0, 1, 1]], penalties=[0.1, 1.0])
    >>> fits.weights.shape, bool(fits.converged.all())
    ((2, 1, 2), True)
    """
    x = as_floats("features", features, ndim=2)
    t = as_probabilities("targets", targets, rows=len(x))
    lam = np.atleast_1d(as_floats("penalties", penalties, low=0.0, open_low=True))
    omega, batch = _row_weights(row_weights, lam, t, len(x))
    lam = np.broadcast_to(lam, (batch,))
    # with one target for all fits its class axis broadcasts against the batch
    t = np.ascontiguousarray(t[:, None, :] if t.ndim == 2 else t.transpose(1, 0, 2))

    mean = x.mean(axis=0)
    z, axes = _principal_axes(x - mean)
    spread = np.einsum("nr,nr->r", z, z) / len(x)
    curvature = np.concatenate([0.5 * spread[:, None] + lam, np.full((1, batch), 0.5)])
    mass = omega @ t[:, 0] if t.shape[1] == 1 else np.einsum("bn,nbk->bk", omega, t)
    present = mass > 0
    coefficients, converged = _minimise(
        np.column_stack([z, np.ones(len(z))]), t, omega.T, present, lam, curvature, tolerance
    )
    if not converged.all():
        worst = float(lam[~converged].max())
        warnings.warn(
            f"{int((~converged).sum())} of {batch} softmax fits stopped after {MAX_STEPS} steps "
            f"(largest penalty among them {worst:.3g}); raise penalties or scale the features",
            RuntimeWarning,
            stacklevel=2,
        )
    weights = np.einsum("dr,rbk->bdk", axes, coefficients[:-1])
    intercepts = coefficients[-1] - mean @ weights
    centre = np.mean(intercepts, axis=1, keepdims=True, where=present)
    return SoftmaxFits(weights, np.where(present, intercepts - centre, ABSENT), converged)


def as_probabilities(name: str, value: Any, *, rows: int) -> FloatArray:
    """Return ``value`` as rows of class probabilities, or raise an error that names it.

    >>> as_probabilities("targets", [[0.5, 0.5]], rows=1)
    array([[0.5, 0.5]])
    """
    t = as_floats(name, value, low=0.0)
    if t.ndim not in (2, 3) or t.shape[-2] != rows or t.shape[-1] < 2:
        raise ValueError(
            f"{name} must have shape (n, K) with n = {rows} rows and K >= 2, got {t.shape}"
        )
    off = np.abs(t.sum(axis=-1) - 1.0)
    if off.max(initial=0.0) > 1e-4:
        where = np.unravel_index(int(off.argmax()), off.shape)
        raise ValueError(
            f"{name} must sum to 1 in every row, row {int(where[-1])} sums to "
            f"{t.sum(axis=-1)[where]:g}; pass probabilities, not logits"
        )
    return t / t.sum(axis=-1, keepdims=True)


def _row_weights(
    row_weights: Any, lam: FloatArray, t: FloatArray, n: int
) -> tuple[FloatArray, int]:
    sizes = {len(lam)} if len(lam) > 1 else set()
    if t.ndim == 3:
        sizes.add(len(t))
    if row_weights is not None:
        omega = as_floats("row_weights", row_weights, low=0.0, ndim=2)
        if omega.shape[1] != n:
            raise ValueError(f"row_weights must have {n} columns, got shape {omega.shape}")
        if len(omega) > 1:
            sizes.add(len(omega))
    else:
        omega = np.ones((1, n))
    if len(sizes) > 1:
        raise ValueError(
            f"penalties, targets and row_weights must agree on the number of fits, got {sizes}"
        )
    total = omega.sum(axis=1, keepdims=True)
    if (total <= 0).any():
        raise ValueError(f"row_weights of fit {int(total.argmin())} are all zero")
    batch = sizes.pop() if sizes else 1
    return np.broadcast_to(omega / total, (batch, n)), batch


def _principal_axes(x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return Z = XV and V, the axes of X'X; the solution lies in their span, so nothing is lost."""
    n, d = x.shape
    if n > d:
        _, v = scipy.linalg.eigh(x.T @ x)
        return x @ v, v
    u, s, vt = scipy.linalg.svd(x, full_matrices=False)
    keep = s > s[:1] * 1e-12
    return u[:, keep] * s[keep], vt[keep].T


def _minimise(
    z: FloatArray,
    t: FloatArray,
    omega: FloatArray,
    present: np.ndarray,
    lam: FloatArray,
    curvature: FloatArray,
    tolerance: float,
) -> tuple[FloatArray, np.ndarray]:
    """Batched L-BFGS with one step length per fit; fits that have converged leave the batch.

    Many small fits cost little more than one, because each step is two matrix products of the
    shared rows with all coefficients side by side. A fit that is done leaves the batch, so that
    the slowest one does not make the others pay. The line search needs no further product: logits
    are linear in the step, so halving it only adds up what is at hand.
    """
    n, r = z.shape
    batch, classes = len(lam), t.shape[-1]
    ridge = np.concatenate([np.broadcast_to(lam, (r - 1, batch)), np.zeros((1, batch))])[:, :, None]

    result = np.zeros((r, batch, classes))
    converged = np.zeros(batch, dtype=bool)
    live = np.arange(batch)
    w = np.zeros((r, batch, classes))
    logits = np.zeros((n, batch, classes))
    loss, p = _loss(logits, t, omega, present)
    gradient = _gradient(z, p, t, omega)
    scale = np.abs(gradient).max(axis=(0, 2)) + 1e-300
    old_w: list[FloatArray] = []
    old_g: list[FloatArray] = []

    for _ in range(MAX_STEPS):
        done = np.abs(gradient).max(axis=(0, 2)) <= tolerance * scale
        if done.any():
            result[:, live[done]] = w[:, done]
            converged[live[done]] = True
            if done.all():
                return result, converged
            keep = ~done
            live, scale, loss = live[keep], scale[keep], loss[keep]
            w, gradient, ridge = w[:, keep], gradient[:, keep], ridge[:, keep]
            curvature, omega, logits = curvature[:, keep], omega[:, keep], logits[:, keep]
            present = present[keep]
            t = t[:, keep] if t.shape[1] > 1 else t
            old_w = [a[:, keep] for a in old_w]
            old_g = [a[:, keep] for a in old_g]
        direction = _direction(gradient, old_w, old_g, curvature[:, :, None])
        slope = np.einsum("rbk,rbk->b", gradient, direction)
        change = (z @ direction.reshape(r, -1)).reshape(n, -1, classes)
        quadratic = np.einsum("rbk,rbk->b", ridge * direction, direction)
        linear = np.einsum("rbk,rbk->b", ridge * direction, w)
        penalty = 0.5 * np.einsum("rbk,rbk->b", ridge * w, w)
        step = np.ones(len(live))
        while True:
            trial = logits + step[:, None] * change
            data_loss, p = _loss(trial, t, omega, present)
            new = data_loss + penalty + step * linear + 0.5 * step**2 * quadratic
            # the slack lets a fit that is exact to round-off take its last step
            bad = new > loss + 1e-4 * step * slope + 1e-14 * np.abs(loss)
            if not bad.any() or step.min() < 1e-12:
                break
            step = np.where(bad, step / 2, step)
        moved = step[:, None] * direction
        w, logits, loss = w + moved, trial, new
        fresh = _gradient(z, p, t, omega) + ridge * w
        old_w.append(moved)
        old_g.append(fresh - gradient)
        if len(old_w) > MEMORY:
            old_w.pop(0)
            old_g.pop(0)
        gradient = fresh
    result[:, live] = w
    return result, converged


def _loss(
    logits: FloatArray, t: FloatArray, omega: FloatArray, present: np.ndarray
) -> tuple[FloatArray, FloatArray]:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    powers = np.exp(shifted) * present
    total = powers.sum(axis=-1)
    losses = np.log(total) - (t * shifted).sum(axis=-1)
    return np.einsum("nb,nb->b", omega, losses), powers / total[..., None]


def _gradient(z: FloatArray, p: FloatArray, t: FloatArray, omega: FloatArray) -> FloatArray:
    residual = (p - t) * omega[..., None]
    return (z.T @ residual.reshape(len(z), -1)).reshape(z.shape[1], *residual.shape[1:])


def _direction(
    gradient: FloatArray, old_w: list[FloatArray], old_g: list[FloatArray], curvature: FloatArray
) -> FloatArray:
    """Two-loop recursion, the preconditioner 1/curvature scaled by the last curvature seen."""

    def dot(a: FloatArray, b: FloatArray) -> FloatArray:
        return np.einsum("rbk,rbk->b", a, b)

    q = gradient.copy()
    tiny = 1e-300
    shares = []
    for s, y in zip(reversed(old_w), reversed(old_g), strict=True):
        a = dot(s, q) / (dot(s, y) + tiny)
        shares.append(a)
        q -= a[:, None] * y
    q /= curvature
    if old_w:
        s, y = old_w[-1], old_g[-1]
        q *= (dot(s, y) / (dot(y / curvature, y) + tiny))[:, None]
    for s, y, a in zip(old_w, old_g, reversed(shares), strict=True):
        b = dot(y, q) / (dot(s, y) + tiny)
        q += (a - b)[:, None] * s
    return -q
