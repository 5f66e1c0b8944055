"""Which rows go into a fold and which come first, so that every class is everywhere."""

import numpy as np
from numpy.typing import NDArray


def stratified_folds(
    labels: NDArray[np.int64], folds: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return the fold of each row; every class is spread evenly over the folds.

    >>> fold = stratified_folds(np.array([0, 0, 1, 1]), 2, np.random.default_rng(0))
    >>> sorted(fold[:2].tolist()), sorted(fold[2:].tolist())
    ([0, 1], [0, 1])
    """
    order = rng.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    fold = np.empty(len(labels), dtype=np.int64)
    fold[order] = np.arange(len(labels)) % folds
    return fold


def every_class_early(
    rows: NDArray[np.int64], labels: NDArray[np.int64], n_classes: int
) -> NDArray[np.int64]:
    """Return the rows in their order, but two of each class first, so that nested sizes have all.

    >>> every_class_early(np.array([0, 1, 2, 3]), np.array([0, 0, 0, 1]), 2).tolist()
    [0, 1, 3, 2]
    """
    first = np.concatenate([rows[labels[rows] == k][:2] for k in range(n_classes)])
    return np.concatenate([first, rows[~np.isin(rows, first)]])
