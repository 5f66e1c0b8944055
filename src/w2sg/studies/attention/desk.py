"""Which projections to tune, at desk scale: the orderings of arXiv 2410.02247 with its control.

A three-layer GPT-NeoX of width 64 learns associative recall; each choice of roles is then tuned
on two four-way tasks: *content* (classes of the recalled value and of its key, added modulo 4) and
*shift* (class of the value after the recalled pair).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from w2sg._arrays import FloatArray
from w2sg._seeds import child_seed
from w2sg.figures import new_figure
from w2sg.figures.canvas import PALETTE
from w2sg.studies.study import Claim, Study, all_above_zero
from w2sg.train.policies import Cell as RateCell
from w2sg.train.policies import RateGrid, apply, rate_grid

if TYPE_CHECKING:
    from torch import Tensor, nn

SYMBOLS, PAIRS, CLASSES = 8, 4, 4
FIRST_KEY = SYMBOLS**2  # below it, tokens are pairs of key and value
FIRST_VALUE = FIRST_KEY + SYMBOLS
PAD = FIRST_VALUE + SYMBOLS
LEARNED = 20  # batches in a row without a mistake end pre-training
ROLES = ("head", "q", "k", "v", "qk", "qv", "kv", "qkv")
TASKS = ("content", "shift")
SEEDS = tuple(range(8))
MARGIN = 0.03  # "as well as" allows this loss of accuracy
ERROR = 0.05  # of a claim's intervals: with so few seeds, 0.01 would leave most of them open


@dataclass(frozen=True)
class Scale:
    """How large the study is.

    Attributes:
        width: Width of the transformer.
        layers: Number of layers.
        heads: Heads per layer.
        pretraining_steps: Most steps on associative recall, batches of 32.
        steps: Steps of fine-tuning, batches of 32.
        n_train: Fine-tuning examples.
        n_test: Test examples.
    """

    width: int = 64
    layers: int = 3
    heads: int = 4
    pretraining_steps: int = 3000
    steps: int = 200
    n_train: int = 1920
    n_test: int = 2000


@dataclass(frozen=True)
class Pretrained:
    """A transformer that has learned associative recall.

    Attributes:
        scale: Its sizes.
        body: The state of its body, without a head.
        recall: Its accuracy on fresh sequences.
    """

    scale: Scale
    body: "dict[str, Tensor]"
    recall: float


@dataclass(frozen=True)
class DeskResult:
    """Accuracies of one task.

    Attributes:
        task: ``content`` or ``shift``.
        rates: Learning rates shared by the roles.
        by_roles: Accuracy per choice of roles, shape (rates, seeds).
        grid: Accuracy of Q and V over their rates, the equal-rate diagonal included.
    """

    task: str
    rates: tuple[float, ...]
    by_roles: dict[str, FloatArray]
    grid: RateGrid

    def best(self, roles: str) -> FloatArray:
        """Accuracy at the best shared rate, one for each seed."""
        accuracy = self.by_roles[roles]
        return accuracy[accuracy.mean(1).argmax()]

    def claims(self) -> tuple[Claim, ...]:
        """Judge each claim by intervals over the seeds, which all choices of roles share."""
        best = {roles: self.best(roles) for roles in self.by_roles}
        numbers = {r: f"{r.upper()} {100 * value.mean():.1f}" for r, value in best.items()}
        cell, equal, untuned = (
            self._scores(c) for c in (self.grid.best, self.grid.best_equal, self._untuned())
        )
        parts = {
            "V alone beats Q alone and K alone": (
                f"{numbers['v']}, {numbers['q']}, {numbers['k']}",
                {"V − Q": best["v"] - best["q"], "V − K": best["v"] - best["k"]},
            ),
            f"Q is not special: K and V do as well as Q and V, to {100 * MARGIN:g} points": (
                f"{numbers['kv']}, {numbers['qv']}",
                {f"KV − QV + {MARGIN:g}": best["kv"] - best["qv"] + MARGIN},
            ),
            f"Q and V do as well as Q, K and V, to {100 * MARGIN:g} points": (
                f"{numbers['qv']}, {numbers['qkv']}",
                {f"QV − QKV + {MARGIN:g}": best["qv"] - best["qkv"] + MARGIN},
            ),
            "most of the gain over an untuned rate is not due to the ratio": (
                f"best cell over best equal rate {100 * (cell - equal).mean():+.1f}, over the "
                f"untuned rate {100 * (cell - untuned).mean():+.1f}",
                {"half the one over the other": (cell - untuned) / 2 - (cell - equal)},
            ),
        }
        return tuple(
            all_above_zero(f"{self.task}: {statement}", found, part, ERROR)
            for statement, (found, part) in parts.items()
        )

    def _untuned(self) -> RateCell:
        return min(self.grid.diagonal, key=lambda cell: cell.lr_q)

    def _scores(self, cell: RateCell) -> FloatArray:
        return self.grid.scores[self.grid.lr_q.index(cell.lr_q), self.grid.lr_v.index(cell.lr_v)]


def attention_desk(
    pretrained: Pretrained,
    task: str,
    *,
    rates: Sequence[float] = (3e-4, 1e-3, 3e-3),
    lr_q: Sequence[float] = (1e-4, 4e-4, 1.6e-3),
    lr_v: Sequence[float] = (1e-4, 4e-4, 1.6e-3, 6.4e-3),
    seeds: Sequence[int] = SEEDS,
    progress: Callable[[str], None] | None = None,
) -> DeskResult:
    """Return accuracies over roles and rates for one task.

    Args:
        pretrained: What ``pretrain`` returned.
        task: ``"content"`` or ``"shift"``.
        rates: Learning rates every choice of roles is given, the same for all roles.
        lr_q: Rates of Q in the grid of Q and V; the smallest stands for an untuned one.
        lr_v: Rates of V in the grid, some also in ``lr_q``.
        seeds: Seeds of fine-tuning: data, order and head; at least 2 for claims.
        progress: Called with a line of text after each run.

    Raises:
        ValueError: The task is unknown, or the grid has no equal-rate cell.

    Source: derived (section 4.6 of the note).
    """
    if task not in TASKS:
        raise ValueError(f"task must be one of {', '.join(TASKS)}, got {task!r}")

    def accuracy(roles: str, q: float, v: float, seed: int) -> float:
        value = _fine_tuned(pretrained, task, roles, q, v, seed)
        if progress is not None:
            progress(f"{task} {roles} {q:.0e} {v:.0e} seed {seed}: {value:.3f}")
        return value

    by_roles = {}
    for roles in ROLES:
        own = rates[:1] if roles == "head" else rates  # the head keeps a rate of its own
        by_roles[roles] = np.array([[accuracy(roles, lr, lr, s) for s in seeds] for lr in own])
    grid = rate_grid(lambda q, v, seed: accuracy("qv", q, v, seed), lr_q, lr_v, seeds)
    return DeskResult(task, tuple(rates), by_roles, grid)


def study(pretrained: Pretrained | None = None, *, seeds: Sequence[int] = SEEDS) -> Study:
    """Return both tasks at one rate for all roles and a small grid for Q and V: minutes.

    Args:
        pretrained: What ``pretrain`` returned; pre-trained here if ``None``.
        seeds: Seeds of fine-tuning, at least 2; claims are intervals over them.
    """
    pretrained = pretrained or pretrain()
    lr_q, lr_v = (1e-4, 1.6e-3), (1e-4, 1.6e-3, 6.4e-3)
    found = [
        attention_desk(pretrained, task, rates=(3e-3,), lr_q=lr_q, lr_v=lr_v, seeds=seeds)
        for task in TASKS
    ]
    figure, axes = new_figure(1, 2, width=8.0, height=3.4)
    arrays = {"lr_q": np.array(lr_q), "lr_v": np.array(lr_v)}
    for panel, result in zip(axes, found, strict=True):
        accuracy = np.array([result.best(roles).mean() for roles in ROLES])
        arrays |= {f"{result.task}_roles": accuracy, f"{result.task}_grid": result.grid.mean}
        panel.bar(range(len(ROLES)), 100 * accuracy, color=PALETTE[0])
        panel.axhline(100 / CLASSES, color="0.35", lw=1, ls="--")
        panel.set_xticks(range(len(ROLES)), ROLES)
        panel.set(title=result.task, ylabel="accuracy, %", ylim=(0, 100))
    return Study(arrays, figure, tuple(claim for result in found for claim in result.claims()))


def pretrain(
    scale: Scale | None = None, progress: Callable[[str], None] | None = None
) -> Pretrained:
    """Return a transformer trained to recall the value that followed a key.

    Every sequence lists pairs, one token each, and then asks for each of them in random order.

    Args:
        scale: Sizes, those of the study if ``None``.
        progress: Called with a line of text every 250 steps.
    """
    import torch
    from transformers import GPTNeoXForCausalLM

    scale = scale or Scale()
    with torch.random.fork_rng():
        torch.manual_seed(child_seed(0, "pre-training"))
        model: Any = GPTNeoXForCausalLM(_config(scale))
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, betas=(0.9, 0.98), weight_decay=0.01)
    learned = 0
    for step in range(scale.pretraining_steps):
        loss, accuracy = _recall(model, 32, child_seed(0, "recall", step))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        learned = learned + 1 if accuracy > 0.995 else 0
        if progress is not None and step % 250 == 0:
            progress(f"pre-training step {step}: loss {float(loss.detach()):.4f} {accuracy:.3f}")
        if learned == LEARNED:
            break
    with torch.no_grad():
        _, accuracy = _recall(model, 500, child_seed(0, "recall", "test"))
    return Pretrained(scale, model.gpt_neox.state_dict(), accuracy)


def _sequences(n: int, seed: int) -> "tuple[Tensor, Tensor, Tensor, Tensor]":
    """Return tokens (pairs, then a key), keys, values and position of the asked pair."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    keys = torch.rand(n, SYMBOLS, generator=generator).argsort(1)[:, :PAIRS]
    values = torch.randint(SYMBOLS, (n, PAIRS), generator=generator)
    asked = torch.randint(PAIRS, (n, 1), generator=generator)
    tokens = torch.cat([keys * SYMBOLS + values, FIRST_KEY + keys.gather(1, asked)], 1)
    return tokens, keys, values, asked


def _task(n: int, task: str, seed: int) -> "tuple[Tensor, Tensor]":
    tokens, keys, values, asked = _sequences(n, seed)
    if task == "content":
        labels = values.gather(1, asked) + keys.gather(1, asked)
    else:
        labels = values.gather(1, (asked + 1) % PAIRS)
    return tokens, labels[:, 0] % CLASSES


def _config(scale: Scale) -> Any:
    from transformers import GPTNeoXConfig

    config = GPTNeoXConfig(
        hidden_size=scale.width,
        num_hidden_layers=scale.layers,
        num_attention_heads=scale.heads,
        intermediate_size=4 * scale.width,
        vocab_size=PAD + 1,
        max_position_embeddings=2 * PAIRS,
        use_parallel_residual=False,
        pad_token_id=PAD,
        bos_token_id=PAD,
        eos_token_id=PAD,
    )
    config.num_labels = CLASSES
    return config


def _recall(model: Any, n: int, seed: int) -> "tuple[Tensor, float]":
    import torch

    tokens, keys, values, _ = _sequences(n, seed)
    order = torch.rand(n, PAIRS, generator=torch.Generator().manual_seed(seed)).argsort(1)
    answers = FIRST_VALUE + values.gather(1, order)
    asked = FIRST_KEY + keys.gather(1, order)
    logits = model(input_ids=torch.cat([tokens[:, :PAIRS], asked], 1)).logits[:, PAIRS:]
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), answers.flatten())
    return loss, float((logits.argmax(-1) == answers).float().mean())


def _fine_tuned(
    pretrained: Pretrained, task: str, roles: str, lr_q: float, lr_v: float, seed: int
) -> float:
    import torch
    from transformers import GPTNeoXForSequenceClassification

    scale = pretrained.scale
    with torch.random.fork_rng():
        torch.manual_seed(child_seed(seed, "head"))
        model: Any = GPTNeoXForSequenceClassification(_config(scale))
    model.gpt_neox.load_state_dict(pretrained.body)
    policy = apply(model, roles, lr_v / lr_q, lr_q, 1e-3)
    optimizer = policy.make_optimizer(betas=(0.9, 0.99))
    tokens, labels = _task(scale.n_train, task, child_seed(seed, task, "train"))
    schedule = _linear(optimizer, scale.steps)
    generator = torch.Generator().manual_seed(child_seed(seed, "order"))
    epochs = -(-32 * scale.steps // scale.n_train)
    order = torch.cat([torch.randperm(scale.n_train, generator=generator) for _ in range(epochs)])
    model.train()
    for index in order[: 32 * scale.steps].split(32):
        optimizer.zero_grad()
        model(input_ids=tokens[index], labels=labels[index]).loss.backward()
        optimizer.step()
        schedule.step()
    policy.audit().require_intact()
    return _accuracy(model.eval(), *_task(scale.n_test, task, child_seed(0, task, "test")))


def _linear(optimizer: Any, steps: int) -> Any:
    import torch

    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: 1 - t / steps)


def _accuracy(model: "nn.Module", tokens: "Tensor", labels: "Tensor") -> float:
    import torch

    with torch.no_grad():
        logits = model(input_ids=tokens).logits
    return float((logits.argmax(-1) == labels).float().mean())
