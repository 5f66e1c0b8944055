"""One softmax attention head: exact gradients, redundant directions, scaling of one Adam step."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import ArrayLike

from w2sg._arrays import as_floats, as_whole

ROLES = ("q", "k", "v")


@dataclass(frozen=True)
class AttentionGradients:
    """Gradients of a loss through one head, given G = ∂L/∂O.

    Attributes:
        scores: ∂L/∂S, shape (tokens, tokens); every row sums to zero.
        q: ∂L/∂Q, shape (tokens, head_dim).
        k: ∂L/∂K, shape (tokens, head_dim).
        v: ∂L/∂V, shape (tokens, head_dim).
    """

    scores: Float[ndarray, "t t"]
    q: Float[ndarray, "t d"]
    k: Float[ndarray, "t d"]
    v: Float[ndarray, "t d"]


def attention_gradients(
    q: ArrayLike, k: ArrayLike, v: ArrayLike, upstream: ArrayLike
) -> AttentionGradients:
    """Return the gradients of one head ``O = softmax(Q Kᵀ/√d_h) V``.

    ``∂L/∂S_ij = P_ij (g_i·v_j − Σ_m P_im g_i·v_m)``, ``∂L/∂V = Pᵀ G``. Q and K learn only from
    how g_i·v_j varies over j: where the values do not tell tokens apart, only V moves.

    Args:
        q: Queries, shape (tokens, head_dim).
        k: Keys, same shape.
        v: Values, same shape.
        upstream: G = ∂L/∂O, same shape.

    Source: derived (section 2.4 of the note); agrees with the paper's narrative of V first.

    >>> same = np.ones((3, 2))
    >>> found = attention_gradients(np.eye(3, 2), np.eye(3, 2), same, same)
    >>> bool(np.abs(found.q).max() < 1e-15), bool(np.abs(found.v).max() > 0.9)
    (True, True)
    """
    queries, keys, values, g = (
        as_floats(name, value, ndim=2)
        for name, value in (("q", q), ("k", k), ("v", v), ("upstream", upstream))
    )
    if not queries.shape == keys.shape == values.shape == g.shape:
        raise ValueError(
            f"q, k, v and upstream must have one shape, got {queries.shape}, {keys.shape}, "
            f"{values.shape}, {g.shape}"
        )
    root = math.sqrt(queries.shape[1])
    weights = _softmax(queries @ keys.T / root)
    along = g @ values.T
    scores = weights * (along - (weights * along).sum(1, keepdims=True))
    return AttentionGradients(
        scores, scores @ keys / root, scores.T @ queries / root, weights.T @ g
    )


def key_bias_gradient(
    q: ArrayLike,
    k: ArrayLike,
    v: ArrayLike,
    upstream: ArrayLike,
    rotary: ArrayLike | None = None,
) -> Float[ndarray, " d"]:
    """Return the gradient of the loss with respect to a key bias: zero without rotary positions.

    A constant c on every key shifts row i of the scores by q_i·c, which the softmax removes, so
    ``∂L/∂b_k = Σ_j ∂L/∂K_j = Qᵀ (∂L/∂S) 1 = 0``. With rotary positions the key at j is R_j k_j
    and ``∂L/∂b_k = Σ_j R_jᵀ ∂L/∂(R_j k_j)``, which is not zero.

    Args:
        q: Queries before rotation, shape (tokens, head_dim).
        k: Keys before rotation and with their bias, same shape.
        v: Values, same shape.
        upstream: ∂L/∂O, same shape.
        rotary: Rotations by position, shape (tokens, head_dim, head_dim), as ``rotations`` makes.

    Source: derived (section 2.6 of the note).

    >>> rng = np.random.default_rng(0)
    >>> parts = rng.normal(size=(4, 5, 2))
    >>> bool(np.abs(key_bias_gradient(*parts)).max() < 1e-15)
    True
    >>> bool(np.abs(key_bias_gradient(*parts, rotary=rotations(5, 2))).max() > 1e-3)
    True
    """
    queries, keys = (as_floats(name, value, ndim=2) for name, value in (("q", q), ("k", k)))
    if rotary is None:
        return attention_gradients(queries, keys, v, upstream).k.sum(0)
    turn = as_floats("rotary", rotary, ndim=3)
    expected = (*queries.shape, queries.shape[1])
    if turn.shape != expected:
        raise ValueError(f"rotary must have the shape {expected}, got {turn.shape}")
    turned_q, turned_k = (np.einsum("tij,tj->ti", turn, x) for x in (queries, keys))
    return np.einsum("tij,ti->j", turn, attention_gradients(turned_q, turned_k, v, upstream).k)


def rotations(tokens: int, head_dim: int, base: float = 10_000.0) -> Float[ndarray, "t d d"]:
    """Return the rotary matrix of each position: 2 × 2 turns by ``position / base^(2i/d_h)``.

    Args:
        tokens: Number of positions, at least 1.
        head_dim: Width of the head, even.
        base: Base of the angles, positive.

    >>> rotations(2, 2).shape
    (2, 2, 2)
    """
    tokens, head_dim = as_whole("tokens", tokens, low=1), as_whole("head_dim", head_dim, low=2)
    if head_dim % 2:
        raise ValueError(f"head_dim must be even, got {head_dim}")
    base = float(as_floats("base", base, low=0.0, open_low=True, ndim=0))
    angles = np.arange(tokens)[:, None] / base ** (np.arange(0, head_dim, 2) / head_dim)
    turn = np.zeros((tokens, head_dim, head_dim))
    even = np.arange(0, head_dim, 2)
    turn[:, even, even] = turn[:, even + 1, even + 1] = np.cos(angles)
    turn[:, even + 1, even] = np.sin(angles)
    turn[:, even, even + 1] = -np.sin(angles)
    return turn


def gauge_dimension(n: int, d_h: int, roles: str = "qk") -> int:
    """Return in how many directions tuning Q, K or both can move one head's scores.

    Only ``M = W_q W_kᵀ`` matters. Tuning one factor reaches ``n d_h`` directions, both
    ``2 n d_h − d_h²``: K adds at most ``n d_h − d_h²`` to Q. Positions that rotate, and biases,
    break this count.

    Args:
        n: Width of the layer, at least d_h.
        d_h: Width of one head, at least 1.
        roles: ``"q"``, ``"k"`` or ``"qk"``.

    Source: derived (section 2.6 of the note), checked by the rank of the Jacobian.

    >>> gauge_dimension(8, 3, "q"), gauge_dimension(8, 3, "qk")
    (24, 39)
    """
    d_h = as_whole("d_h", d_h, low=1)
    n = as_whole("n", n, low=d_h)
    if roles not in ("q", "k", "qk"):
        raise ValueError(f"roles must be 'q', 'k' or 'qk', got {roles!r}")
    return n * d_h if len(roles) == 1 else 2 * n * d_h - d_h**2


@dataclass(frozen=True)
class HeadScaling:
    """Exponents in the width n and the head dimension d_h, of one Adam step of size η.

    Attributes:
        output: Of the change of the head's output, (in n, in d_h).
        scores: Of the change of the scores; ``None`` for V, which leaves them alone.
        stable_lr: Of the largest η that keeps the output's change of order one.
    """

    output: tuple[float, float]
    scores: tuple[float, float] | None
    stable_lr: tuple[float, float]


def head_scaling(role: str, parameterisation: str = "full") -> HeadScaling:
    """Return how one sign-of-gradient step on one matrix changes a real head.

    Entries of X, q, k, v of order one, scores over √d_h. Full matrix: ``ΔO = Θ(η n)`` for V and
    ``Θ(η n √d_h)`` for Q and K. The B of LoRA: ``Θ(η)`` and ``Θ(η √d_h)``. So the stable ratio
    η_V/η_Q is Θ(√d_h) in both; the width does not enter it, against Theorem 2's Θ(n).

    Args:
        role: ``"q"``, ``"k"`` or ``"v"``.
        parameterisation: ``"full"`` or ``"lora"``.

    Source: derived (section 2.5 of the note); confirmed by simulation.

    >>> head_scaling("q").stable_lr, head_scaling("v").stable_lr
    ((-1.0, -0.5), (-1.0, 0.0))
    """
    if role not in ROLES:
        raise ValueError(f"role must be one of {', '.join(ROLES)}, got {role!r}")
    if parameterisation not in ("full", "lora"):
        raise ValueError(f"parameterisation must be 'full' or 'lora', got {parameterisation!r}")
    in_width = 1.0 if parameterisation == "full" else 0.0
    in_head = 0.0 if role == "v" else 0.5
    change = (in_width, in_head)
    return HeadScaling(change, None if role == "v" else change, (0.0 - in_width, 0.0 - in_head))


def stable_ratio(head_dim: int, prefactor: float = 0.23) -> float:
    """Return the ratio η_V/η_Q at which both steps change the head's output alike.

    ``prefactor · √d_h``; 0.23 is measured on Gaussian heads, 1 is a natural upper end.

    Args:
        head_dim: Width of one head, at least 1.
        prefactor: Positive.

    Source: derived (section 2.5 of the note).

    >>> round(stable_ratio(64), 2), round(stable_ratio(512), 2)
    (1.84, 5.2)
    """
    head_dim = as_whole("head_dim", head_dim, low=1)
    prefactor = float(as_floats("prefactor", prefactor, low=0.0, open_low=True, ndim=0))
    return prefactor * math.sqrt(head_dim)


def _softmax(scores: Float[ndarray, "t t"]) -> Float[ndarray, "t t"]:
    shifted = np.exp(scores - scores.max(1, keepdims=True))
    return shifted / shifted.sum(1, keepdims=True)
