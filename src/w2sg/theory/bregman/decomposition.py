"""Noise + bias + variance of a Bregman risk, and the ambiguity of an ensemble."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import ArrayLike

from w2sg._arrays import FloatArray
from w2sg.theory.bregman.generators import BregmanGenerator, finite_gap
from w2sg.theory.bregman.means import check_order, draw_weights, dual_mean, primal_mean


@dataclass(frozen=True)
class BiasVariance:
    """Averages over items; ``total`` is the risk and the exact sum of the other three."""

    noise: float
    bias: float
    variance: float
    total: float


def bias_variance(
    gen: BregmanGenerator,
    labels: Float[ndarray, "*labels_shape"],
    predictions: Float[ndarray, "draws *shape"],
    order: str = "left",
    weights: ArrayLike | None = None,
    *,
    correct_finite_k: bool = False,
) -> BiasVariance:
    r"""Split the risk of random predictions F against independent labels Y.

    left:  E D(Y, F) = E D(Y, EY) + D(EY, F̃) + E D(F̃, F)
    right: E D(F, Y) = E D(Ỹ, Y) + D(EF, Ỹ) + E D(F, EF)

    with primal mean E and dual mean F̃ = (∇φ)⁻¹(E∇φ(F)); noise, bias and variance in this order.
    The sum is exact for every number of draws K.

    Args:
        gen: The generator.
        labels: (items, …) one label each, whose noise is then part of the bias, or (label draws,
            items, …) several labels per item.
        predictions: (K, items, …) one model each.
        order: ``left`` if the label is the first argument of D.
        weights: (K,) weights of the models.
        correct_finite_k: Moves variance/(K−1) from bias to variance, which makes both unbiased
            for squared loss and nearly so for the others; the total stays. With weights, K is the
            effective number 1/Σw².

    Raises:
        ValueError: Shapes that do not fit, values outside the domain, one draw to be corrected.

    Source: Pfau's generalised decomposition; the form of Lemma 2.1 of arXiv 2505.24313 as its
    reviews describe it, derived and checked here.

    >>> from w2sg.theory.bregman import squared
    >>> bias_variance(squared, [[0.0]], [[[1.0]], [[3.0]]])
    BiasVariance(noise=0.0, bias=4.0, variance=1.0, total=5.0)
    """
    check_order(order)
    left = order == "left"
    f = gen.check("predictions", predictions, interior=left)
    y = gen.check("labels", labels, interior=not left)
    y = y[None] if y.ndim == f.ndim - 1 else y
    if f.ndim < 1 + gen.over_axis or y.shape[1:] != f.shape[1:]:
        raise ValueError(
            f"labels must be (items, …) or (draws, items, …) matching predictions {f.shape}, got "
            f"{np.shape(labels)}"
        )
    w = draw_weights(weights, len(f))
    first, second = (y, f) if left else (f, y)
    first_w, second_w = (None, w) if left else (w, None)
    centre = primal_mean(first, first_w)
    dual = dual_mean(gen, second, second_w)
    spread_first = _average(finite_gap(gen, first, centre[None], "mean must be inside"), first_w)
    spread_second = _average(finite_gap(gen, dual[None], second, "must be inside"), second_w)
    between = float(np.mean(finite_gap(gen, centre, dual, "dual mean must be inside")))
    noise, variance = (spread_first, spread_second) if left else (spread_second, spread_first)
    total = noise + between + variance
    if correct_finite_k:
        repeated = float(np.sum(w**2))
        if repeated > 1 - 1e-12:
            raise ValueError("correct_finite_k needs at least 2 draws with weight, got 1")
        shift = variance * repeated / (1 - repeated)
        return BiasVariance(noise, between - shift, variance + shift, total)
    return BiasVariance(noise, between, variance, total)


@dataclass(frozen=True)
class Ambiguity:
    """``mean_risk`` − ``ensemble_risk`` = ``ambiguity``, averages over items."""

    mean_risk: float
    ensemble_risk: float
    ambiguity: float


def ensemble_ambiguity(
    gen: BregmanGenerator,
    target: Float[ndarray, "*shape"],
    predictions: Float[ndarray, "draws *shape"],
    weights: ArrayLike | None = None,
) -> Ambiguity:
    r"""Return what the dual-mean ensemble of any K teachers gains over the average one.

    (1/K) Σ D(g, f_k) − D(g, f̃) = (1/K) Σ D(f̃, f_k) ≥ 0, exact for every finite K (derived).
    This is denoising of the labels, a gain that needs no student.

    Args:
        gen: The generator.
        target: (items, …) g, label-left.
        predictions: (K, items, …).
        weights: (K,).

    >>> from w2sg.theory.bregman import squared
    >>> ensemble_ambiguity(squared, [[0.0]], [[[1.0]], [[3.0]]])
    Ambiguity(mean_risk=5.0, ensemble_risk=4.0, ambiguity=1.0)
    """
    g = gen.check("target", target, interior=False)
    f = gen.check("predictions", predictions, interior=True)
    if g.shape != f.shape[1:]:
        raise ValueError(f"target must have shape {f.shape[1:]} of one draw, got {g.shape}")
    w = draw_weights(weights, len(f))
    dual = dual_mean(gen, f, w)
    return Ambiguity(
        mean_risk=_average(gen.gap(g[None], f), w),
        ensemble_risk=float(np.mean(gen.gap(g, dual))),
        ambiguity=_average(gen.gap(dual[None], f), w),
    )


def _average(values: FloatArray, weights: FloatArray | None) -> float:
    """Average over draws (first axis, weighted) and items."""
    return float(np.mean(np.average(values, axis=0, weights=weights)))
