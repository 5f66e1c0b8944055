"""Theorem 2's model: two factors, one of them wide, trained at rates of their own."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import ArrayLike

from w2sg._arrays import FloatArray, as_floats, as_whole


@dataclass(frozen=True)
class ToyPath:
    """A training path; row t is step t + 1.

    Attributes:
        deltas: δ¹, δ², δ³ of each step, shape (steps, 3).
        output: f before the first and after every step, shape (steps + 1,).
    """

    deltas: Float[ndarray, "steps 3"]
    output: Float[ndarray, " steps+1"]


def toy_dynamics(
    x: ArrayLike, a: ArrayLike, b: float, y: float, *, lr_a: float, lr_b: float, steps: int
) -> ToyPath:
    """Return the path of gradient descent in the toy model and the three parts of each change.

    ``f(x) = b · (a·x)``, loss ``(f − y)²/2``, U = f − y. One step changes f by
    ``−δ¹ − δ² + δ³`` with ``δ¹ = η_a b² U |x|²`` (only a moves, read as Q and K),
    ``δ² = η_b (a·x)² U`` (only b moves, read as V), ``δ³ = η_a η_b U² b (a·x) |x|²`` (both).

    Args:
        x: Input, shape (width,).
        a: Initial wide factor, shape (width,); drawn from N(0, 1/width) in the theorem.
        b: Initial narrow factor; 0 in the theorem.
        y: Target.
        lr_a: η_a, positive.
        lr_b: η_b, positive.
        steps: Number of steps, at least 1.

    Raises:
        ValueError: Shapes differ, a rate is not positive, or the path overflows.

    Source: reconstruction; it has the symbols of arXiv 2410.02247, Theorem 2, and is the model of
    LoRA+ (arXiv 2402.12354) with its factors renamed. A real head behaves otherwise:
    ``head_scaling``.

    >>> path = toy_dynamics([1.0, 1.0], [0.5, 0.5], 0.0, 1.0, lr_a=0.1, lr_b=0.1, steps=2)
    >>> path.output
    array([0.     , 0.1    , 0.19342])
    """
    inputs = as_floats("x", x, ndim=1)
    wide = as_floats("a", a, ndim=1)
    if inputs.shape != wide.shape or not inputs.size:
        raise ValueError(f"a must have the shape of x, {inputs.shape}, got {wide.shape}")
    for name, rate in (("lr_a", lr_a), ("lr_b", lr_b)):
        as_floats(name, rate, low=0.0, open_low=True, ndim=0)
    steps = as_whole("steps", steps, low=1)
    b, y = (float(as_floats(name, value, ndim=0)) for name, value in (("b", b), ("y", y)))
    # Gradients move a along x only, so a·x and b carry the whole dynamics.
    size, aligned, narrow = float(inputs @ inputs), float(wide @ inputs), float(b)
    deltas, output = np.empty((steps, 3)), np.empty(steps + 1)
    output[0] = narrow * aligned
    with np.errstate(over="ignore", invalid="ignore"):
        for t in range(steps):
            error = np.float64(narrow * aligned - y)
            deltas[t] = (
                lr_a * narrow**2 * error * size,
                lr_b * aligned**2 * error,
                lr_a * lr_b * error**2 * narrow * aligned * size,
            )
            aligned, narrow = (
                aligned - lr_a * error * narrow * size,
                narrow - lr_b * error * aligned,
            )
            output[t + 1] = narrow * aligned
    if not np.isfinite(output).all():
        raise ValueError(f"the path overflows at lr_a={lr_a:g}, lr_b={lr_b:g}; lower the rates")
    return ToyPath(deltas, output)


def toy_exponents(alpha: float, beta: float) -> tuple[float, float, float]:
    """Return the exponents in the width of δ¹, δ², δ³ after the first step.

    For ``η_a = Θ(n^α)``, ``η_b = Θ(n^β)``, a ~ N(0, 1/n), b = 0, |x|² = Θ(n):
    ``b = Θ(n^β)`` and ``a·x = Θ(1)``, hence ``δ¹, δ³ = Θ(n^(α + 2β + 1))``, ``δ² = Θ(n^β)``. All
    are Θ(1) exactly at α = −1, β = 0, which is Theorem 2.

    Args:
        alpha: Exponent of η_a, at most −1 − beta.
        beta: Exponent of η_b, at most 0.

    Raises:
        ValueError: The rates are so large that a·x or f grows with the width.

    Source: derived; Theorem 2 of arXiv 2410.02247 is the case (−1, 0).

    >>> toy_exponents(-1, 0), toy_exponents(-1, -1)
    ((0.0, 0.0, 0.0), (-2.0, -1.0, -2.0))
    """
    as_floats("beta", beta, high=0.0, ndim=0)
    as_floats("alpha", alpha, high=-1.0 - beta, ndim=0)
    both = float(alpha + 2 * beta + 1)
    return both, float(beta), both


def fitted_exponent(widths: ArrayLike, values: ArrayLike) -> float:
    """Return the slope of log |values| over log widths by least squares.

    >>> round(fitted_exponent([1, 2, 4], [3, 12, 48]), 6)
    2.0
    """
    sizes: FloatArray = as_floats("widths", widths, low=0.0, open_low=True, ndim=1)
    heights = np.abs(as_floats("values", values, ndim=1))
    if len(sizes) < 2 or sizes.shape != heights.shape or not heights.all():
        raise ValueError("widths and values must be of equal length, at least 2, values not 0")
    return float(np.polyfit(np.log(sizes), np.log(heights), 1)[0])
