"""Primal and dual means, and the posterior-mean teacher built from them."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Shaped
from numpy import ndarray
from numpy.typing import ArrayLike
from scipy.special import log_softmax, logsumexp

from w2sg._arrays import FloatArray, as_floats
from w2sg.theory.bregman.generators import BregmanGenerator

ORDERS = ("left", "right")


def primal_mean(
    p: Float[ndarray, "*shape"], weights: ArrayLike | None = None, axis: int = 0
) -> Float[ndarray, "*rest"]:
    """Return the arithmetic mean E F: what the first argument of D averages to.

    Args:
        p: Predictions, one draw per index of ``axis``.
        weights: One weight per draw, not negative; equal if left out.
        axis: The axis of draws.

    Raises:
        ValueError: No such axis, no draw, or wrong weights.

    >>> primal_mean([[0.9], [0.5]])
    array([0.7])
    """
    array = as_floats("p", p)
    check_axis("p", array, axis)
    return np.average(array, axis=axis, weights=draw_weights(weights, array.shape[axis]))


def dual_mean(
    gen: BregmanGenerator,
    p: Float[ndarray, "*shape"],
    weights: ArrayLike | None = None,
    axis: int = 0,
) -> Float[ndarray, "*rest"]:
    r"""Return (∇φ)⁻¹(E ∇φ(F)): what the second argument of D averages to.

    Args:
        gen: The generator.
        p: Predictions inside the domain, one draw per index of ``axis``.
        weights: One weight per draw, not negative; equal if left out.
        axis: The axis of draws; not the last one where the generator sums over that.

    Raises:
        ValueError: A prediction on the border of the domain (probability 0), or a wrong axis.

    >>> from w2sg.theory.bregman import binary_negentropy
    >>> dual_mean(binary_negentropy, [0.9, 0.5]).round(4)
    np.float64(0.75)
    """
    array = gen.check("p", p, interior=True)
    check_axis("p", array, axis)
    if gen.over_axis and axis in (-1, array.ndim - 1):
        raise ValueError(f"axis must not be the last one, over which {gen.name} sums, got {axis}")
    return gen.grad_inv(primal_mean(gen.grad(array), weights, axis))


@dataclass(frozen=True)
class DualMean:
    """Normalised geometric mean of predictions in log-probabilities, and its variance −log Z."""

    log_mean: Float[ndarray, "*rest"]
    variance: Float[ndarray, "*items"]


def dual_mean_from_logits(
    logits: Float[ndarray, "*shape"], weights: ArrayLike | None = None, axis: int = 0
) -> DualMean:
    r"""Return log F̃ = E log F − log Z and the variance −log Z of cross-entropy.

    Z = Σ_k exp E log F_k ≤ 1, and E KL(F̃‖F) = −log Z, whatever the label (derived).
    Logits may be of any size: nothing passes through probabilities.

    Args:
        logits: Class scores along the last axis, one draw per index of ``axis``.
        weights: One weight per draw, not negative; equal if left out.
        axis: The axis of draws, not the last.

    >>> mean = dual_mean_from_logits([[0.0, 2.0], [0.0, -2.0]])
    >>> mean.log_mean.round(4), mean.variance.round(4)
    (array([-0.6931, -0.6931]), np.float64(0.4338))
    """
    array = as_floats("logits", logits)
    if array.ndim < 2 or axis in (-1, array.ndim - 1):
        raise ValueError(
            f"logits need an axis of draws besides the last one of classes, got shape "
            f"{array.shape} and axis {axis}"
        )
    check_axis("logits", array, axis)
    mean = primal_mean(log_softmax(array, axis=-1), weights, axis)
    log_z = logsumexp(mean, axis=-1)
    return DualMean(mean - np.asarray(log_z)[..., None], -log_z)


def posterior_mean_teacher(
    gen: BregmanGenerator,
    teacher: Float[ndarray, "draws *shape"],
    groups: Shaped[ndarray, " draws"],
    order: str = "left",
    weights: ArrayLike | None = None,
) -> Float[ndarray, "groups *shape"]:
    r"""Return the mean of the teachers that share a student: dual for left, primal for right.

    f̃_{w|s} = (∇φ)⁻¹(E[∇φ(f_w) | s]) or E[f_w | s] (paper, by its reviews; formulas derived).

    Args:
        gen: The generator.
        teacher: Predictions, draws first.
        groups: One label per draw; draws of one label share their student.
        order: Side of the label in the risk.
        weights: One weight per draw.

    Returns:
        One row per group, in sorted order of the labels.

    >>> from w2sg.theory.bregman import squared
    >>> posterior_mean_teacher(squared, [[[1.0]], [[3.0]], [[5.0]]], ["a", "a", "b"])[:, 0, 0]
    array([2., 5.])
    """
    check_order(order)
    array = gen.check("teacher", teacher, interior=order == "left")
    labels = group_index(groups, len(array))
    w = draw_weights(weights, len(array))
    rows = []
    for label in range(labels.max() + 1):
        mine = labels == label
        if w[mine].sum() == 0:
            raise ValueError(f"weights leave group {label} without any draw")
        part = array[mine]
        mean = primal_mean(part, w[mine]) if order == "right" else dual_mean(gen, part, w[mine])
        rows.append(mean)
    return np.stack(rows)


def check_axis(name: str, array: FloatArray, axis: int) -> None:
    """Refuse an axis of draws that is not there, or empty."""
    if not -array.ndim <= axis < array.ndim:
        raise ValueError(f"axis must be an axis of {name}, of shape {array.shape}, got {axis}")
    if not array.shape[axis]:
        raise ValueError(f"{name} must hold at least one draw, got shape {array.shape}")


def draw_weights(weights: ArrayLike | None, n: int) -> FloatArray:
    """Return weights of draws that sum to one."""
    if weights is None:
        return np.full(n, 1 / n)
    array = as_floats("weights", weights, low=0, ndim=1)
    if len(array) != n or array.sum() == 0:
        raise ValueError(f"weights must be {n} numbers, one per draw, not all 0, got {len(array)}")
    return array / array.sum()


def group_index(groups: ArrayLike, n: int) -> np.ndarray:
    """Return the number of each draw's group, 0 … n_groups − 1."""
    labels = np.asarray(groups)
    if labels.shape != (n,):
        raise ValueError(f"groups must be {n} labels, one per draw, got shape {labels.shape}")
    return np.unique(labels, return_inverse=True)[1]


def check_order(order: str) -> None:
    """Refuse an order other than left or right."""
    if order not in ORDERS:
        raise ValueError(f"order must be 'left' (label first) or 'right', got {order!r}")
