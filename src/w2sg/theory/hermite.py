"""Orthonormal Hermite polynomials of a standard normal variable, and integrals against it."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from w2sg._arrays import FloatArray, as_floats, as_whole

LIMIT = 14.0  # the normal density beyond it is below 1e-42


def hermite_polynomials(x: ArrayLike, degree: int) -> FloatArray:
    """Return h₀(x), …, h_degree(x) with h_k = He_k/√k!.

    √(k+1) h_{k+1} = x h_k − √k h_{k−1}.

    Args:
        x: Where to evaluate, any shape.
        degree: Largest degree, at least 0.

    Returns:
        Array of shape (degree + 1, *x.shape).

    Raises:
        ValueError: A negative degree, or x is not finite.

    Source: note on mechanisms, section 2.5.

    >>> hermite_polynomials(2.0, 2)
    array([1.        , 2.        , 2.12132034])
    """
    degree = as_whole("degree", degree, low=0)
    points = as_floats("x", x)
    values = np.empty((degree + 1, *points.shape))
    values[0] = 1.0
    if degree > 0:
        values[1] = points
    for k in range(1, degree):
        values[k + 1] = (points * values[k] - np.sqrt(k) * values[k - 1]) / np.sqrt(k + 1)
    return values


def hermite_coefficients(
    function: Callable[[FloatArray], FloatArray], degree: int, kinks: Sequence[float] = ()
) -> FloatArray:
    """Return the coefficients E[f(Z) h_k(Z)] of a function of a standard normal Z.

    Composite Gauss–Legendre quadrature with a panel edge at every integer and every kink: plain
    Gauss–Hermite keeps only three digits on a ReLU.

    Args:
        function: Takes and returns an array of one shape.
        degree: Largest degree k, at least 0.
        kinks: Points that are not integers where the function or its slope jumps.

    Returns:
        Coefficients for k = 0, …, degree, shape (degree + 1,).

    Raises:
        ValueError: The function returns another shape or values that are not finite.

    Source: note on mechanisms, algorithm 7 (derived).

    >>> hermite_coefficients(lambda z: 1 + z, 1).round(12)
    array([1., 1.])
    """
    nodes, weights = normal_quadrature(kinks)
    return hermite_polynomials(nodes, degree) @ (weights * evaluate(function, nodes))


def normal_quadrature(kinks: Sequence[float] = ()) -> tuple[FloatArray, FloatArray]:
    """Return nodes and weights of a quadrature for expectations over a standard normal.

    >>> nodes, weights = normal_quadrature()
    >>> round(float(weights @ nodes**4), 12)
    3.0
    """
    points = as_floats("kinks", kinks, low=-LIMIT, high=LIMIT)
    edges = np.union1d(np.arange(-LIMIT, LIMIT + 1), points)
    inner, inner_weights = np.polynomial.legendre.leggauss(24)
    half = np.diff(edges)[:, None] / 2
    nodes = (edges[:-1, None] + half * (1 + inner)).ravel()
    density = np.exp(-(nodes**2) / 2) / np.sqrt(2 * np.pi)
    return nodes, (half * inner_weights).ravel() * density


def evaluate(function: Callable[[FloatArray], FloatArray], nodes: FloatArray) -> FloatArray:
    """Return the function at the nodes, or refuse a function that cannot be integrated.

    >>> evaluate(np.tanh, np.zeros(2))
    array([0., 0.])
    """
    values = as_floats("function(z)", function(nodes))
    if values.shape != nodes.shape:
        raise ValueError(
            f"function must keep the shape of its argument: {nodes.shape} became {values.shape}"
        )
    return values
