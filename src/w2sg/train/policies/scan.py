"""Train one model per pair of rates on a small labelled set, and score it on held-out rows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from w2sg._seeds import child_seed
from w2sg.train.policies.apply import apply
from w2sg.train.policies.grid import RateGrid, rate_grid


@dataclass(frozen=True)
class Encoded:
    """Inputs of a classifier and their labels, row by row.

    Attributes:
        inputs: Keywords of one forward call, each of shape (n, …).
        labels: Class of each row, shape (n,).
    """

    inputs: Mapping[str, Tensor]
    labels: Tensor

    def rows(self, index: Tensor) -> dict[str, Tensor]:
        """Return some rows as keywords of one forward call, labels included."""
        return {**{k: v[index] for k, v in self.inputs.items()}, "labels": self.labels[index]}


def ratio_scan(
    build: Callable[[], nn.Module],
    train: Encoded,
    held_out: Encoded,
    *,
    lr_q: Sequence[float],
    lr_v: Sequence[float],
    seeds: Sequence[int] = (0,),
    lr_head: float | None = None,
    epochs: int = 2,
    batch_size: int = 16,
    method: str = "full",
    rank: int = 8,
    progress: Callable[[float, float, int, float], None] | None = None,
) -> RateGrid:
    """Return held-out accuracy over learning rates of Q and V.

    A short loop for a quick look: AdamW, a linear decay to zero, no weight decay. The order of
    rows, the head and dropout follow the seed; all cells of one seed see the same.

    Args:
        build: Returns a fresh classifier each time; called after the seed is set.
        train: Rows to train on.
        held_out: Rows to score on.
        lr_q: Rates of Q, positive.
        lr_v: Rates of V, positive, at least one also in ``lr_q``.
        seeds: Seeds, at least one.
        lr_head: Rate of the head, the same in all cells; the largest rate of Q if ``None``.
        epochs: Passes over the training rows, at least 1.
        batch_size: Rows per step, at least 1.
        method: As for ``apply``.
        rank: Rank of adapters.
        progress: Called with rate of Q, rate of V, seed and score after each cell.
    """
    if epochs < 1 or batch_size < 1:
        raise ValueError(f"epochs and batch_size must be at least 1, got {epochs}, {batch_size}")
    head = max(lr_q) if lr_head is None else lr_head

    def score(q: float, v: float, seed: int) -> float:
        torch.manual_seed(child_seed(seed, "model"))
        model = build().train()
        policy = apply(model, "qv", v / q, q, head, method, rank=rank)
        optimizer = policy.make_optimizer()
        _train(model, optimizer, train, seed, epochs, batch_size)
        policy.audit().require_intact()
        accuracy = _accuracy(model, held_out, batch_size)
        if progress is not None:
            progress(q, v, seed, accuracy)
        return accuracy

    return rate_grid(score, lr_q, lr_v, seeds)


def _train(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    data: Encoded,
    seed: int,
    epochs: int,
    batch_size: int,
) -> None:
    generator = torch.Generator().manual_seed(child_seed(seed, "order"))
    batches = [
        index
        for _ in range(epochs)
        for index in torch.randperm(len(data.labels), generator=generator).split(batch_size)
    ]
    schedule: Any = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: 1 - t / len(batches))
    for index in batches:
        optimizer.zero_grad()
        model(**data.rows(index)).loss.backward()
        torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], 1.0)
        optimizer.step()
        schedule.step()


def _accuracy(model: nn.Module, data: Encoded, batch_size: int) -> float:
    model.eval()
    right = 0
    with torch.no_grad():
        for index in torch.arange(len(data.labels)).split(4 * batch_size):
            rows = data.rows(index)
            labels = rows.pop("labels")
            right += int((model(**rows).logits.argmax(-1) == labels).sum())
    return right / len(data.labels)
