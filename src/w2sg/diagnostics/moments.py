"""Second moments of features that arrive in batches: update, merge, then ask."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.linalg

from w2sg._arrays import BLOCK_ROWS, FloatArray


@dataclass
class Scatter:
    """Count, mean and centred scatter Σ(x−x̄)(x−x̄)ᵀ of rows seen so far, without cancellation."""

    count: int = 0
    mean: FloatArray | None = None
    centred: FloatArray | None = None

    def update(self, *parts: np.ndarray) -> None:
        """Add rows, given whole or as column blocks side by side; float64 block by block."""
        for block in _blocks(parts):
            mean = block.mean(axis=0)
            block -= mean
            self._add(len(block), mean, block.T @ block)

    @property
    def width(self) -> int:
        """Number of columns, 0 before the first rows."""
        return 0 if self.mean is None else len(self.mean)

    def merge(self, other: "Scatter") -> None:
        """Add what another accumulator has seen."""
        if other.mean is not None and other.centred is not None:
            self._add(other.count, other.mean, other.centred)

    def moment(self, *, center: bool) -> FloatArray:
        """Return Σxxᵀ, or the centred scatter; not divided by the count."""
        if self.mean is None or self.centred is None:
            raise ValueError("no rows have been added; call update first")
        if center:
            return self.centred
        return self.centred + self.count * np.outer(self.mean, self.mean)

    def _add(self, count: int, mean: FloatArray, centred: FloatArray) -> None:
        if self.mean is None or self.centred is None:
            self.count, self.mean, self.centred = count, mean.copy(), centred.copy()
            return
        if len(mean) != len(self.mean):
            raise ValueError(f"batch must have {len(self.mean)} columns, got {len(mean)}")
        total = self.count + count
        shift = mean - self.mean
        self.centred += centred
        self.centred += np.outer(shift, shift * (self.count * count / total))
        self.mean = self.mean + shift * (count / total)
        self.count = total


def _blocks(parts: tuple[np.ndarray, ...]) -> Iterator[FloatArray]:
    for start in range(0, len(parts[0]), BLOCK_ROWS):
        yield np.hstack([part[start : start + BLOCK_ROWS] for part in parts], dtype=np.float64)


def top_eigenpairs(moment: FloatArray, d: int) -> tuple[FloatArray, FloatArray]:
    """Return the d largest eigenvalues, descending, and their vectors as columns.

    >>> top_eigenpairs(np.diag([1.0, 3.0, 2.0]), 2)[0]
    array([3., 2.])
    """
    size = len(moment)
    values, vectors = scipy.linalg.eigh(moment, subset_by_index=[size - d, size - 1])
    return values[::-1], vectors[:, ::-1]
