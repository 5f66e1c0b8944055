"""Twins of `theory.attention` by other roads: sampling, finite differences, ranks of Jacobians."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import ArrayLike

from w2sg._arrays import FloatArray, as_floats

TOKENS = 16
LORA_RANK = 8


@dataclass(frozen=True)
class Estimate:
    """A sampled number with its standard error."""

    value: float
    standard_error: float


def erm_gap(bits: int, n: int, draws: int, seed: int) -> Estimate:
    """Return the gap of empirical risk minimisation over 2^bits coin-flipping hypotheses.

    The worst case of Theorem 1: every hypothesis has 0/1 loss of mean 1/2, all independent; the
    chosen one looks best on n examples. ``gap = 1/2 − E min_h mean loss``.

    Args:
        bits: Logarithm of the number of hypotheses, at least 0.
        n: Number of examples, at least 1.
        draws: Number of repetitions, at least 2.
        seed: Seed of the generator.

    >>> erm_gap(10, 100, 400, 0).value < 0.186
    True
    """
    if bits < 0 or n < 1 or draws < 2:
        raise ValueError(f"bits, n, draws must be at least 0, 1, 2; got {bits}, {n}, {draws}")
    rng = np.random.default_rng(seed)
    best = np.array([rng.binomial(n, 0.5, 2**bits).min() / n for _ in range(draws)])
    return Estimate(float(0.5 - best.mean()), float(best.std(ddof=1) / draws**0.5))


def toy_deltas(
    width: int, lr_a: float, lr_b: float, step: int, draws: int, seed: int
) -> Float[ndarray, "draws 3"]:
    """Return |δ¹|, |δ²|, |δ³| at one step of the toy model, by training the full vectors.

    x and the entries of √n·a are standard normal, b = 0, y = 1. Every δ is a difference of the
    outputs of two networks: one with only a, only b, or both updated.

    Args:
        width: Width n, at least 1.
        lr_a: Rate of the wide factor.
        lr_b: Rate of the narrow factor.
        step: Which step, from 1.
        draws: Number of networks.
        seed: Seed of the generator.

    >>> toy_deltas(64, 0.3 / 64, 0.3, 2, 3, 0).shape
    (3, 3)
    """
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(draws, width))
    a = rng.normal(size=(draws, width)) / np.sqrt(width)
    b = np.zeros((draws, 1))
    deltas = np.empty((draws, 3))
    for _ in range(step):
        output = b * (a * x).sum(1, keepdims=True)
        error = output - 1.0
        new_a = a - lr_a * error * b * x
        new_b = b - lr_b * error * (a * x).sum(1, keepdims=True)
        only_a, only_b, both = (
            u * (w * x).sum(1, keepdims=True) - output
            for w, u in ((new_a, b), (a, new_b), (new_a, new_b))
        )
        deltas = np.abs(np.concatenate([only_a, only_b, both - only_a - only_b], 1))
        a, b = new_a, new_b
    return deltas


def head_changes(
    width: int, head_dim: int, *, parameterisation: str, seeds: int, seed: int
) -> dict[str, FloatArray]:
    """Return how one sign-of-gradient step changes a Gaussian head, per unit of step size.

    Args:
        width: Width n of the layer.
        head_dim: Width d_h of the head.
        parameterisation: ``"full"`` or ``"lora"`` (a step on B, with A random of rank 8).
        seeds: Number of heads.
        seed: Seed of the generator.

    Returns:
        For each of q, k, v: root mean square change of output and of scores over η, shape
        (seeds, 2).

    >>> sorted(head_changes(32, 8, parameterisation="full", seeds=2, seed=0))
    ['k', 'q', 'v']
    """
    rng = np.random.default_rng(seed)
    changes: dict[str, list[tuple[float, float]]] = {"q": [], "k": [], "v": []}
    for _ in range(seeds):
        x = rng.normal(size=(TOKENS, width))
        weights = {r: rng.normal(size=(width, head_dim)) / np.sqrt(width) for r in "qkv"}
        upstream = rng.normal(size=(TOKENS, head_dim))
        down = rng.normal(size=(width, LORA_RANK)) / np.sqrt(width)
        output, scores = _head(x, weights)
        gradients = _weight_gradients(x, weights, upstream)
        for role, gradient in gradients.items():
            direction = (
                np.sign(gradient)
                if parameterisation == "full"
                else down @ np.sign(down.T @ gradient)
            )
            step = 1e-6
            moved = {**weights, role: weights[role] - step * direction}
            new_output, new_scores = _head(x, moved)
            changes[role].append(
                (_rms(new_output - output) / step, _rms(new_scores - scores) / step)
            )
    return {role: np.array(values) for role, values in changes.items()}


def score_directions(n: int, d_h: int, roles: str, seed: int) -> int:
    """Return the rank of the Jacobian of W_q W_kᵀ with respect to the chosen factors.

    Args:
        n: Width of the layer.
        d_h: Width of the head.
        roles: ``"q"``, ``"k"`` or ``"qk"``.
        seed: Seed of the generator.

    >>> score_directions(8, 3, "qk", 0)
    39
    """
    rng = np.random.default_rng(seed)
    w_q, w_k = rng.normal(size=(2, n, d_h))
    # d(W_q W_kᵀ) = dW_q W_kᵀ + W_q dW_kᵀ, one column per entry of dW_q and dW_k.
    columns = []
    for i in range(n):
        for j in range(d_h):
            unit = np.zeros((n, d_h))
            unit[i, j] = 1.0
            if "q" in roles:
                columns.append((unit @ w_k.T).ravel())
            if "k" in roles:
                columns.append((w_q @ unit.T).ravel())
    return int(np.linalg.matrix_rank(np.array(columns)))


def numeric_key_bias_gradient(
    q: ArrayLike,
    k: ArrayLike,
    v: ArrayLike,
    upstream: ArrayLike,
    rotary: ArrayLike | None = None,
    step: float = 1e-5,
) -> FloatArray:
    """Return the gradient with respect to a key bias by central differences of ``Σ G·O``.

    Args:
        q: Queries, shape (tokens, head_dim).
        k: Keys, same shape.
        v: Values, same shape.
        upstream: G, same shape.
        rotary: Rotations by position, or ``None``.
        step: Size of the difference.

    >>> parts = np.random.default_rng(0).normal(size=(4, 5, 2))
    >>> bool(np.abs(numeric_key_bias_gradient(*parts)).max() < 1e-9)
    True
    """
    queries, keys, values, g = (
        as_floats("q, k, v, upstream", part) for part in (q, k, v, upstream)
    )
    tokens, d = queries.shape
    turn = np.broadcast_to(np.eye(d), (tokens, d, d)) if rotary is None else np.asarray(rotary)

    def loss(bias: FloatArray) -> float:
        turned_q = np.einsum("tij,tj->ti", turn, queries)
        turned_k = np.einsum("tij,tj->ti", turn, keys + bias)
        scores = turned_q @ turned_k.T / np.sqrt(d)
        weights = np.exp(scores - scores.max(1, keepdims=True))
        return float((g * (weights / weights.sum(1, keepdims=True) @ values)).sum())

    unit = step * np.eye(d)
    return np.array([(loss(e) - loss(-e)) / (2 * step) for e in unit])


def _head(x: FloatArray, weights: dict[str, FloatArray]) -> tuple[FloatArray, FloatArray]:
    q, k, v = (x @ weights[role] for role in "qkv")
    scores = q @ k.T / np.sqrt(q.shape[1])
    p = np.exp(scores - scores.max(1, keepdims=True))
    return p / p.sum(1, keepdims=True) @ v, scores


def _weight_gradients(
    x: FloatArray, weights: dict[str, FloatArray], upstream: FloatArray
) -> dict[str, FloatArray]:
    """Return ∂(G·O)/∂W by the chain rule written with the softmax's full Jacobian."""
    q, k, v = (x @ weights[role] for role in "qkv")
    root = np.sqrt(q.shape[1])
    _, scores = _head(x, weights)
    p = np.exp(scores - scores.max(1, keepdims=True))
    p = p / p.sum(1, keepdims=True)
    d_p = upstream @ v.T
    jacobian = np.einsum("ij,jk->ijk", p, np.eye(len(x))) - np.einsum("ij,ik->ijk", p, p)
    d_scores = np.einsum("ijk,ij->ik", jacobian, d_p)
    return {
        "q": x.T @ (d_scores @ k) / root,
        "k": x.T @ (d_scores.T @ q) / root,
        "v": x.T @ (p.T @ upstream),
    }


def _rms(values: FloatArray) -> float:
    return float(np.sqrt(np.mean(values**2)))
