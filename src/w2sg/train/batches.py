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

    Every step has the same number of micro-batches. Only where several processes share a training
    and a batch has fewer rows than shares are the last of them empty.
    """

    steps: tuple[tuple[Rows, ...], ...]
    steps_per_epoch: int

    @property
    def micro_batches(self) -> tuple[tuple[Rows, float], ...]:
        """Each micro-batch in order, with the weight of its rows in the mean over the batch.

        An empty one becomes a row of weight zero, since every process takes part in every step.
        """
        return tuple(
            (rows, 1.0 / sum(map(len, step))) if len(rows) else (step[0][:1], 0.0)
            for step in self.steps
            for rows in step
        )


def plan(
    lengths: Rows,
    *,
    batch_size: int,
    micro_batch_size: int,
    epochs: float,
    seed: int,
    processes: int = 1,
) -> Plan:
    """Return the batches of a training: shuffled anew each epoch, similar lengths together.

    An optimizer batch is the same set of rows whatever the micro-batch size, and however many
    processes share it. A last batch too small to fill the micro-batches of one process, one of a
    single row included, joins the one before it.

    Args:
        lengths: Tokens per example, shape (n,).
        batch_size: Examples per optimizer step.
        micro_batch_size: Most examples in the memory of a process at once.
        epochs: Passes over the data; a fraction is a part of the last pass.
        seed: Of the order.
        processes: How many share the training; process i takes each i-th of so many micro-batches.

    Raises:
        ValueError: There are no examples.

    >>> plan(np.full(5, 7), batch_size=2, micro_batch_size=2, epochs=1, seed=0).steps_per_epoch
    2
    """
    n = len(lengths)
    if n == 0:
        raise ValueError("there are no examples to train on; the part is empty")
    n_micro = math.ceil(min(batch_size, n) / micro_batch_size)
    shares = processes * math.ceil(n_micro / processes)
    rng = np.random.default_rng(seed)
    steps: list[tuple[Rows, ...]] = []
    per_epoch = 0
    for _ in range(math.ceil(epochs)):
        epoch = _batches(lengths, batch_size, max(2, n_micro), rng)
        per_epoch = len(epoch)
        steps += [tuple(np.array_split(rows, shares)) for rows in epoch]
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
