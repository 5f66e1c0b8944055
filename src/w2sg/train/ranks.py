"""The processes that share one training: each has a part of every batch, all the same weights."""

from dataclasses import dataclass

import torch
from torch import Tensor, distributed


@dataclass(frozen=True)
class Ranks:
    """How many processes train one model, and which of them this one is.

    Attributes:
        n: How many.
        own: Number of this process, from 0.
    """

    n: int = 1
    own: int = 0

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files and tells how far it is."""
        return self.own == 0

    def agree(self, value: int) -> int:
        """Return what the first process says, in all of them: clocks and folders may differ."""
        if self.n == 1:
            return value
        told = torch.tensor(value, dtype=torch.int64)
        distributed.broadcast(told, src=0)
        return int(told)

    def total(self, values: Tensor) -> Tensor:
        """Return the sum over processes; exact where each entry is non-zero in one of them."""
        if self.n > 1:
            distributed.all_reduce(values)
        return values

    def wait(self) -> None:
        """Go on when all have come here."""
        if self.n > 1:
            distributed.barrier()


def here() -> Ranks:
    """Return the processes of the group that this one has joined, or this one alone."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return Ranks()
    return Ranks(distributed.get_world_size(), distributed.get_rank())
