"""Per-item scores as they enter: checked, of one shape, groups of items made into items."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from w2sg._arrays import FloatArray, as_floats


@dataclass(frozen=True)
class Scores:
    """Scores of several models on one test set.

    Attributes:
        values: Array (seeds, items, models); an item is a whole group where groups were given.
        note: What the number of seeds leaves out of every interval, or ``None``.
    """

    values: FloatArray
    note: str | None


def stack_scores(models: Mapping[str, ArrayLike], groups: ArrayLike | None) -> Scores:
    """Check the scores of several models and put them into one array.

    Args:
        models: Name of the argument → scores (seeds, items), or (items,) for one seed. A model
            with one seed stands beside models with several: its one training is used for each.
        groups: One label per item (items,); items of one label are resampled together.

    Raises:
        ValueError: Models with different items or seeds, fewer than two items or groups.

    >>> stack_scores({"teacher": [0, 1, 1], "student": [1, 1, 1]}, None).values.shape
    (1, 3, 2)
    """
    arrays = {name: _two_axes(name, value) for name, value in models.items()}
    first = next(iter(arrays))
    n_items = arrays[first].shape[1]
    n_seeds = max(len(a) for a in arrays.values())
    for name, array in arrays.items():
        if array.shape[1] != n_items:
            raise ValueError(
                f"{name} must have the items of {first} in the same order: {array.shape[1]} items "
                f"for {n_items}"
            )
        if len(array) not in (1, n_seeds):
            raise ValueError(
                f"{name} must have {n_seeds} seeds like the others, or 1, got {len(array)}: row s "
                "of every model belongs to run s"
            )
    if n_items < 2:
        raise ValueError(f"{first} must have at least 2 items for an interval, got {n_items}")
    once = [name for name, array in arrays.items() if len(array) == 1]
    values = np.stack([np.broadcast_to(a, (n_seeds, n_items)) for a in arrays.values()], axis=-1)
    return Scores(_grouped(values, groups), _note(once, n_seeds))


def _note(once: list[str], n_seeds: int) -> str | None:
    if n_seeds == 1:
        return (
            "one training per model: the interval counts test items only, variation between "
            "trainings is not in it"
        )
    if n_seeds == 2:
        return (
            "two trainings per model: they say next to nothing about the spread between trainings, "
            "so the interval is as wide as two can make it; add seeds"
        )
    if once:
        return (
            f"one training of {' and '.join(once)}: variation between its trainings is not in "
            "the interval"
        )
    return None


def _two_axes(name: str, value: Any) -> FloatArray:
    array = as_floats(name, value)
    if array.ndim == 1:
        array = array[None, :]
    if array.ndim != 2 or array.size == 0:
        raise ValueError(
            f"{name} must have shape (seeds, items), or (items,) for one seed, got {array.shape}"
        )
    return array


def _grouped(values: FloatArray, groups: ArrayLike | None) -> FloatArray:
    """Replace items by groups so that the mean and its first-order spread stay the same.

    A group g of G gets m + (G/n) Σ_{i∈g} (xᵢ − m): the linearised ratio estimator of a cluster
    sample, whose mean over groups is the mean m over items whatever the sizes of the groups.
    """
    if groups is None:
        return values
    labels = np.asarray(groups)
    n = values.shape[1]
    if labels.shape != (n,):
        raise ValueError(f"groups must have one label per item, shape ({n},), got {labels.shape}")
    _, index = np.unique(labels, return_inverse=True)
    n_groups = int(index.max()) + 1
    if n_groups < 2:
        raise ValueError("groups must hold at least 2 different labels, got 1: leave groups out")
    mean = values.mean(axis=1, keepdims=True)
    order = np.argsort(index, kind="stable")
    starts = np.searchsorted(index[order], np.arange(n_groups))
    sums = np.add.reduceat((values - mean)[:, order], starts, axis=1)
    return mean + sums * (n_groups / n)
