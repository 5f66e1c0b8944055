"""Random-subspace dimension: how few directions fine-tuning needs, by training inside them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from jaxtyping import Float

from w2sg._arrays import FloatArray, as_floats
from w2sg._seeds import child_seed


class Projection(Protocol):
    """A map from k free numbers to a displacement of D parameters, and its transpose."""

    size: int

    def lift(self, z: FloatArray) -> FloatArray:
        """Return the displacement of the D parameters."""
        ...

    def pull(self, z: FloatArray, gradient: FloatArray) -> FloatArray:
        """Return the gradient with respect to z, given the one with respect to parameters."""
        ...


class DenseProjection:
    """Gaussian projection with unit columns on average; D × k numbers, regenerated in blocks.

    >>> projection = DenseProjection(3, 1000, seed=0)
    >>> z = np.array([1.0, 2.0, -1.0])
    >>> bool(abs(np.linalg.norm(projection.lift(z)) / np.linalg.norm(z) - 1) < 0.1)
    True
    """

    def __init__(self, k: int, D: int, seed: int = 0) -> None:
        """Store the sizes; no matrix is held."""
        _check_sizes(k, D)
        self.size, self._parameters, self._seed = k, D, seed

    def lift(self, z: FloatArray) -> FloatArray:
        """Return P z."""
        return np.concatenate([block @ z for block in self._blocks()])

    def pull(self, z: FloatArray, gradient: FloatArray) -> FloatArray:
        """Return Pᵀ g."""
        total, start = np.zeros(self.size), 0
        for block in self._blocks():
            total += gradient[start : start + len(block)] @ block
            start += len(block)
        return total

    def _blocks(self) -> Any:
        rng = np.random.default_rng(child_seed(self._seed, "dense", self.size))
        rows = max(1, 2**22 // self.size)
        for start in range(0, self._parameters, rows):
            count = min(rows, self._parameters - start)
            yield rng.normal(size=(count, self.size)) / np.sqrt(self._parameters)


class FastfoodProjection:
    """Fastfood: H G Π H B in place of a Gaussian matrix; O(D) numbers and O(D log k) work.

    H is the Walsh–Hadamard transform, B random signs, Π a permutation, G Gaussian; blocks of the
    next power of two above k are stacked until D rows are there. On average, columns have unit
    length.

    Source: Le, Sarlós and Smola, "Fastfood", ICML 2013.

    >>> projection = FastfoodProjection(5, 4000, seed=0)
    >>> z, g = np.arange(5.0), np.ones(4000)
    >>> bool(np.isclose(projection.lift(z) @ g, z @ projection.pull(z, g)))
    True
    """

    def __init__(self, k: int, D: int, seed: int = 0) -> None:
        """Draw the random signs, permutations and scales."""
        _check_sizes(k, D)
        self.size, self._parameters = k, D
        self._block = 1 << max(k - 1, 0).bit_length()
        count = -(-D // self._block)
        rng = np.random.default_rng(child_seed(seed, "fastfood", k))
        shape = (count, self._block)
        self._signs = rng.choice([-1.0, 1.0], size=shape)
        self._order = np.stack([rng.permutation(self._block) for _ in range(count)])
        self._scale = rng.normal(size=shape) / np.sqrt(D * self._block)

    def lift(self, z: FloatArray) -> FloatArray:
        """Return P z."""
        padded = np.zeros(self._block)
        padded[: self.size] = z
        mixed = _hadamard(self._signs * padded)
        mixed = np.take_along_axis(mixed, self._order, axis=1)
        return _hadamard(self._scale * mixed).ravel()[: self._parameters]

    def pull(self, z: FloatArray, gradient: FloatArray) -> FloatArray:
        """Return Pᵀ g."""
        padded = np.zeros(self._signs.size)
        padded[: self._parameters] = gradient
        mixed = self._scale * _hadamard(padded.reshape(self._signs.shape))
        back = np.empty_like(mixed)
        np.put_along_axis(back, self._order, mixed, axis=1)
        return (self._signs * _hadamard(back)).sum(axis=0)[: self.size]


class LayeredProjection:
    """Structure-aware: one free scale per layer beside k − L shared directions (SAID).

    The displacement of layer i is ``λ_i (P z)_i``; scales start at 1, and z holds their change.

    Source: Aghajanyan, Zettlemoyer and Gupta, arXiv 2012.13255.
    """

    def __init__(self, k: int, layers: Sequence[int], seed: int = 0) -> None:
        """Take the parameter counts of the layers, in their order."""
        if k <= len(layers):
            raise ValueError(f"k must be above the {len(layers)} layers, got {k}")
        self.size = k
        self._layers = np.asarray(layers, dtype=int)
        self._inner = FastfoodProjection(k - len(layers), int(self._layers.sum()), seed)

    def lift(self, z: FloatArray) -> FloatArray:
        """Return λ_i (P z)_i over the layers."""
        shared, scales = self._parts(z)
        return self._inner.lift(shared) * np.repeat(scales, self._layers)

    def pull(self, z: FloatArray, gradient: FloatArray) -> FloatArray:
        """Return the gradient of shared directions, then of scales."""
        shared, scales = self._parts(z)
        moved = self._inner.lift(shared) * gradient
        starts = np.concatenate([[0], np.cumsum(self._layers)[:-1]])
        inner = self._inner.pull(shared, gradient * np.repeat(scales, self._layers))
        return np.concatenate([inner, np.add.reduceat(moved, starts)])

    def _parts(self, z: FloatArray) -> tuple[FloatArray, FloatArray]:
        cut = self.size - len(self._layers)
        return z[:cut], 1 + z[cut:]


@dataclass(frozen=True)
class SubspaceDimension:
    """The curve of performance against subspace size, and where it reaches the level.

    Attributes:
        dimension: Smallest size on the grid that reaches ``target``; ``None`` if none does.
        target: level × full performance.
        grid: Sizes tried, ascending.
        performance: Performance at each.
    """

    dimension: int | None
    target: float
    grid: tuple[int, ...]
    performance: Float[np.ndarray, " g"]


def random_subspace_dimension(
    train: Callable[[Projection], float],
    D: int,
    grid: Sequence[int],
    level: float = 0.9,
    projection: Literal["dense", "fastfood", "said"] = "fastfood",
    *,
    full: float,
    layers: Sequence[int] | None = None,
    seed: int = 0,
) -> SubspaceDimension:
    r"""Find the smallest k with which training ``θ = θ₀ + P z`` reaches a share of full tuning.

    Sizes are tried in ascending order, all of them, so that the curve is complete.

    Args:
        train: Trains z with the projection it is given and returns performance, larger is better
            (``w2sg.diagnostics.subspace_trainer`` makes one from a torch model).
        D: Number of parameters that move, at least the largest size.
        grid: Sizes to try.
        level: Share of ``full`` to reach, in (0, 1].
        projection: Gaussian, Fastfood, or structure-aware with ``layers``.
        full: Performance with all D parameters free, above 0.
        layers: Parameter counts of the layers, which sum to D; for ``"said"`` only.
        seed: Of the projection.

    Returns:
        The dimension, or ``None`` where no size reaches the level, and the curve.

    Raises:
        ValueError: An empty grid, sizes above D, level or full out of range.

    Source: Li et al., arXiv 1804.08838 (d₉₀); section 3.1 of the theory notes.

    >>> found = random_subspace_dimension(lambda p: min(p.size / 50, 1.0), 1000, [10, 30, 45, 80],
    ...                                   full=1.0)
    >>> found.dimension
    45
    """
    if not 0 < level <= 1:
        raise ValueError(f"level must be above 0 and at most 1, got {level}")
    best = float(as_floats("full", full, low=0.0, open_low=True))
    sizes = sorted({int(k) for k in grid})
    if not sizes or sizes[0] < 1 or sizes[-1] > D:
        raise ValueError(f"grid must hold sizes between 1 and D = {D}, got {list(grid)}")
    if projection not in ("dense", "fastfood", "said"):
        raise ValueError(f"projection must be dense, fastfood or said, got {projection!r}")
    if (layers is not None) != (projection == "said"):
        raise ValueError("layers must be given for projection='said', and for it alone")
    if layers is not None and sum(layers) != D:
        raise ValueError(f"layers must sum to D = {D}, got {sum(layers)}")

    def at(k: int) -> Projection:
        if layers is not None:
            return LayeredProjection(k, layers, seed)
        return (DenseProjection if projection == "dense" else FastfoodProjection)(k, D, seed)

    reached = as_floats("train", [train(at(k)) for k in sizes])
    good = np.flatnonzero(reached >= level * best)
    return SubspaceDimension(
        sizes[good[0]] if len(good) else None, level * best, tuple(sizes), reached
    )


def _check_sizes(k: int, D: int) -> None:
    if not 1 <= k <= D:
        raise ValueError(f"k must be between 1 and D = {D}, got {k}")


def _hadamard(rows: FloatArray) -> FloatArray:
    """Unnormalised Walsh–Hadamard transform of each row, whose length is a power of two."""
    x = rows.copy()
    width, half = x.shape[1], 1
    while half < width:
        pairs = x.reshape(len(x), width // (2 * half), 2, half)
        x = np.stack([pairs[:, :, 0] + pairs[:, :, 1], pairs[:, :, 0] - pairs[:, :, 1]], axis=2)
        x = x.reshape(len(x), width)
        half *= 2
    return x
