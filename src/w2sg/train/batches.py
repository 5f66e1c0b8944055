"""The order in which a training sees its examples, fixed before it starts."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]
POOL = 50  # batches that are sorted by length together: little padding, still a random order
POOLS = 4  # at least so many, or the batches of a small set would be the same in every epoch


@dataclass(frozen=True)
class Plan:
    """Optimizer steps, each a tuple of micro-batches of row numbers.

    Every step has the same number of micro-batches, none of them empty.
    """

    steps: tuple[tuple[Rows, ...], ...]
    steps_per_epoch: int

    @property
    def micro_batches(self) -> tuple[tuple[Rows, int], ...]:
        """Each micro-batch in order, with the size of the optimizer batch that it belongs to."""
        return tuple((rows, sum(map(len, step))) for step in self.steps for rows in step)


def plan(
    lengths: Rows, *, batch_size: int, micro_batch_size: int, epochs: float, seed: int
) -> Plan:
    """Return the batches of a training: shuffled anew each epoch, similar lengths together.

    An optimizer batch is the same set of rows whatever the micro-batch size. A last batch too
    small to fill the micro-batches, one of a single row included, joins the one before it.

    Args:
        lengths: Tokens per example, shape (n,).
        batch_size: Examples per optimizer step.
        micro_batch_size: Most examples in memory at once.
        epochs: Passes over the data; a fraction is a part of the last pass.
        seed: Of the order.

    Raises:
        ValueError: There are no examples.

    >>> plan(np.full(5, 7), batch_size=2, micro_batch_size=2, epochs=1, seed=0).steps_per_epoch
    2
    """
    n = len(lengths)
    if n == 0:
        raise ValueError("there are no examples to train on; the part is empty")
    n_micro = math.ceil(min(batch_size, n) / micro_batch_size)
    rng = np.random.default_rng(seed)
    steps: list[tuple[Rows, ...]] = []
    per_epoch = 0
    for _ in range(math.ceil(epochs)):
        epoch = _batches(lengths, batch_size, max(2, n_micro), rng)
        per_epoch = len(epoch)
        steps += [tuple(np.array_split(rows, n_micro)) for rows in epoch]
    total = max(1, round(epochs * per_epoch))
    return Plan(tuple(steps[:total]), per_epoch)


def _batches(lengths: Rows, batch_size: int, smallest: int, rng: np.random.Generator) -> list[Rows]:
    order = rng.permutation(len(lengths))
    batches: list[Rows] = []
    size = batch_size * max(1, min(POOL, len(order) // (batch_size * POOLS)))
    for start in range(0, len(order), size):
        pool = order[start : start + size]
        pool = pool[np.argsort(-lengths[pool], kind="stable")]
        batches += [pool[i : i + batch_size] for i in range(0, len(pool), batch_size)]
    if len(batches) > 1 and len(batches[-1]) < smallest:
        batches[-2:] = [np.concatenate(batches[-2:])]
    return [batches[i] for i in rng.permutation(len(batches))]
