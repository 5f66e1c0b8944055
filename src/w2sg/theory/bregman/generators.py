"""Convex generators φ, their divergences D, and the three-point identity.

D(p, q) = φ(p) − φ(q) − ⟨∇φ(q), p − q⟩. Order matters: the first argument averages arithmetically,
the second in the coordinates ∇φ.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import ArrayLike
from scipy.special import entr, expit, logit, rel_entr, softmax

from w2sg._arrays import FloatArray, as_floats

SIMPLEX_TOLERANCE = 1e-6


@dataclass(frozen=True)
class BregmanGenerator:
    """A strictly convex φ with its gradient and the inverse of the gradient.

    Args:
        name: Name in tables and errors.
        phi: φ; sums over the last axis if ``over_axis``.
        grad: ∇φ, of the shape of its argument.
        grad_inv: Inverse of ``grad`` on the domain.
        gap: D(p, q) in a form that does not cancel.
        domain: ``real``, ``positive``, ``simplex`` along the last axis, or ``unit``, one number in
            [0, 1].
    """

    name: str
    phi: Callable[[FloatArray], FloatArray]
    grad: Callable[[FloatArray], FloatArray]
    grad_inv: Callable[[FloatArray], FloatArray]
    gap: Callable[[FloatArray, FloatArray], FloatArray]
    domain: str

    @property
    def over_axis(self) -> bool:
        """Whether one prediction is a vector along the last axis, and not a single number."""
        return self.domain != "unit"

    def check(self, name: str, value: ArrayLike, *, interior: bool) -> FloatArray:
        """Return ``value`` as an array of the domain, or raise an error that names the argument.

        Args:
            name: How the caller calls it.
            value: The array.
            interior: Whether the border of the domain, where ∇φ is infinite, is refused.
        """
        if self.domain == "real":
            array = as_floats(name, value)
        else:
            high = None if self.domain == "positive" else 1.0
            # The simplex allows an exact 1 only beside exact zeros, which `low` refuses.
            array = as_floats(
                name,
                value,
                low=0,
                high=high,
                open_low=interior,
                open_high=interior and self.domain == "unit",
            )
        if self.over_axis and array.ndim == 0:
            raise ValueError(
                f"{name} must have a last axis of classes for {self.name}, got a number"
            )
        if self.domain == "simplex":
            off = np.abs(array.sum(-1) - 1) > SIMPLEX_TOLERANCE
            if off.any():
                where = tuple(int(i) for i in np.argwhere(off)[0])
                total = float(array.sum(-1)[where])
                raise ValueError(
                    f"{name} must sum to 1 over its last axis, got {total:g} at {where}; "
                    "divide by the sum, or use generalised_kl"
                )
        return array


def _dot(a: FloatArray, b: FloatArray) -> FloatArray:
    return np.einsum("...k,...k->...", a, b)


squared = BregmanGenerator(
    "squared",
    lambda p: _dot(p, p),
    lambda p: 2 * p,
    lambda u: u / 2,
    lambda p, q: _dot(p - q, p - q),
    "real",
)
"""φ = ‖p‖² over the last axis, D = ‖p − q‖²; both means are the arithmetic one."""

negentropy = BregmanGenerator(
    "negentropy",
    lambda p: -entr(p).sum(-1),
    lambda p: np.log(p) + 1,
    lambda u: softmax(u, axis=-1),
    lambda p, q: rel_entr(p, q).sum(-1),
    "simplex",
)
"""φ = Σ p log p on the simplex, D = KL(p‖q); the dual mean is the normalised geometric one."""

binary_negentropy = BregmanGenerator(
    "binary_negentropy",
    lambda p: -(entr(p) + entr(1 - p)),
    logit,
    expit,
    lambda p, q: rel_entr(p, q) + rel_entr(1 - p, 1 - q),
    "unit",
)
"""φ = p log p + (1−p) log(1−p) of one number; the dual mean is the sigmoid of the mean logit."""

generalised_kl = BregmanGenerator(
    "generalised_kl",
    lambda p: (-entr(p) - p).sum(-1),
    np.log,
    np.exp,
    lambda p, q: (rel_entr(p, q) - p + q).sum(-1),
    "positive",
)
"""φ = Σ (p log p − p) of positive numbers; the dual mean is the geometric one."""

itakura_saito = BregmanGenerator(
    "itakura_saito",
    lambda p: -np.log(p).sum(-1),
    lambda p: -1 / p,
    lambda u: -1 / u,
    lambda p, q: (p / q - np.log(p / q) - 1).sum(-1),
    "positive",
)
"""φ = −Σ log p of positive numbers; the dual mean is the harmonic one."""


def mahalanobis(matrix: Float[ndarray, "k k"]) -> BregmanGenerator:
    """Return the generator φ = pᵀQp, D = (p−q)ᵀQ(p−q).

    Args:
        matrix: Q, symmetric and positive definite.

    Raises:
        ValueError: A matrix that is not square, symmetric or positive definite.

    >>> divergence(mahalanobis(np.diag([1.0, 3.0])), [1.0, 1.0], [0.0, 0.0])
    np.float64(4.0)
    """
    q_matrix = as_floats("matrix", matrix, ndim=2)
    if q_matrix.shape[0] != q_matrix.shape[1] or not np.allclose(q_matrix, q_matrix.T):
        raise ValueError(f"matrix must be square and symmetric, got shape {q_matrix.shape}")
    smallest = float(np.linalg.eigvalsh(q_matrix).min())
    if smallest <= 0:
        raise ValueError(
            f"matrix must be positive definite, got a smallest eigenvalue {smallest:g}"
        )

    def times(p: FloatArray) -> FloatArray:
        if p.shape[-1] != len(q_matrix):
            raise ValueError(
                f"a {len(q_matrix)} x {len(q_matrix)} matrix needs vectors of {len(q_matrix)} "
                f"numbers along the last axis, got shape {p.shape}"
            )
        return p @ q_matrix

    return BregmanGenerator(
        "mahalanobis",
        lambda p: _dot(times(p), p),
        lambda p: 2 * times(p),
        lambda u: np.linalg.solve(q_matrix, u[..., None])[..., 0] / 2,
        lambda p, q: _dot(times(p - q), p - q),
        "real",
    )


def divergence(
    gen: BregmanGenerator, p: Float[ndarray, "*shape"], q: Float[ndarray, "*shape"]
) -> Float[ndarray, "*rest"]:
    r"""Return D(p, q) = φ(p) − φ(q) − ⟨∇φ(q), p − q⟩.

    Args:
        gen: The generator.
        p: First argument; may touch the border of the domain (a one-hot label).
        q: Second argument, broadcast against p.

    Returns:
        The divergence, without the last axis where the generator sums over it.

    Raises:
        ValueError: Outside the domain, or infinite: q zero where p is not.

    >>> divergence(negentropy, [1.0, 0.0], [0.5, 0.5]).round(4)
    np.float64(0.6931)
    """
    first = gen.check("p", p, interior=False)
    second = gen.check("q", q, interior=False)
    _check_broadcast(p=first, q=second)
    return finite_gap(gen, first, second, "q must be positive where p is")


def dual_divergence(
    gen: BregmanGenerator, u: Float[ndarray, "*shape"], v: Float[ndarray, "*shape"]
) -> Float[ndarray, "*rest"]:
    r"""Return the divergence of the conjugate, D*(u, v) = D(∇φ⁻¹(v), ∇φ⁻¹(u)).

    Args:
        gen: The generator.
        u: First argument in the coordinates ∇φ.
        v: Second argument in the same coordinates.

    >>> dual_divergence(binary_negentropy, 0.0, 2.0) == divergence(
    ...     binary_negentropy, expit(2.0), 0.5
    ... )
    np.True_
    """
    return divergence(gen, gen.grad_inv(as_floats("v", v)), gen.grad_inv(as_floats("u", u)))


def three_point_residual(
    gen: BregmanGenerator,
    a: Float[ndarray, "*shape"],
    b: Float[ndarray, "*shape"],
    c: Float[ndarray, "*shape"],
) -> Float[ndarray, "*rest"]:
    r"""Return ⟨a − b, ∇φ(b) − ∇φ(c)⟩ = D(a, c) − D(a, b) − D(b, c).

    Args:
        gen: The generator.
        a: Any point of the domain.
        b: A point inside.
        c: A point inside.

    >>> three_point_residual(squared, [1.0], [0.0], [-1.0])
    np.float64(2.0)
    """
    first = gen.check("a", a, interior=False)
    middle = gen.check("b", b, interior=True)
    last = gen.check("c", c, interior=True)
    _check_broadcast(a=first, b=middle, c=last)
    return inner(gen, first - middle, gen.grad(middle) - gen.grad(last))


def _check_broadcast(**arrays: FloatArray) -> None:
    try:
        np.broadcast_shapes(*(array.shape for array in arrays.values()))
    except ValueError:
        shapes = ", ".join(str(array.shape) for array in arrays.values())
        raise ValueError(f"{' and '.join(arrays)} must fit in shape, got {shapes}") from None


def inner(gen: BregmanGenerator, x: FloatArray, y: FloatArray) -> FloatArray:
    """Return ⟨x, y⟩ over the last axis, or the product for a generator of one number."""
    return _dot(x, y) if gen.over_axis else x * y


def finite_gap(gen: BregmanGenerator, p: FloatArray, q: FloatArray, why: str) -> FloatArray:
    """Return D(p, q) of checked arrays, or raise ``why`` where it is infinite."""
    with np.errstate(divide="ignore", invalid="ignore"):
        value = gen.gap(p, q)
    if not np.all(np.isfinite(value)):
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(np.atleast_1d(value)))[0])
        raise ValueError(
            f"{why}: the {gen.name} divergence is infinite at {where}; smooth hard labels or "
            "predictions of exactly 0 first"
        )
    return value
