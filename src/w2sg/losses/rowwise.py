"""Three operations on rows that NumPy does in half the time of PyTorch on one or two CPU threads.

They are most of what a loss costs beyond its softmax. No gradient flows through them.
"""

import math

import numpy as np
import torch
from torch import Tensor

FEW_THREADS = 2  # with more, PyTorch is faster, which uses all of them


def log(values: Tensor, *, of_zero: float = -math.inf, out: Tensor | None = None) -> Tensor:
    """Return log x, and `of_zero` at 0, in `out` if given.

    >>> log(torch.tensor([1.0, 0.0]), of_zero=-16.0)
    tensor([  0., -16.])
    """
    if not _in_numpy(values):
        return torch.log(values, out=out).masked_fill_(values == 0, of_zero)
    array, room = values.detach().numpy(), None if out is None else out.numpy()
    try:
        with np.errstate(divide="raise"):  # costs nothing, unlike a search for zeros
            return torch.from_numpy(np.log(array, out=room))
    except FloatingPointError:
        with np.errstate(divide="ignore"):
            found = torch.from_numpy(np.log(array, out=room))
        return found.masked_fill_(values == 0, of_zero)


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Return Σ_k a_k b_k of each row.

    >>> dot(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0]]))
    tensor([11.])
    """
    if not _in_numpy(a):
        return torch.linalg.vecdot(a, b)
    return torch.from_numpy(np.vecdot(a.detach().numpy(), b.detach().numpy()))


def argmax(values: Tensor) -> Tensor:
    """Return the place of the largest number of each row, the first of equal ones.

    >>> argmax(torch.tensor([[1.0, 2.0, 2.0]]))
    tensor([1])
    """
    if not _in_numpy(values):
        return values.argmax(-1)
    return torch.from_numpy(values.detach().numpy().argmax(-1))


def _in_numpy(values: Tensor) -> bool:
    return values.device.type == "cpu" and torch.get_num_threads() <= FEW_THREADS
