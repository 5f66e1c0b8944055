"""What a loss is here: a frozen value that turns logits and targets into one number per example.

The training loop and the losses meet in four members of `Loss`: call it, and, for the few losses
that look at a whole batch, ``needs_batch``, ``needs_logits`` and ``batch_statistics``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from w2sg.losses import rowwise

CACHED_NUMBERS = 2**18  # larger blocks leave the cache, smaller ones are all overhead

Context = Mapping[str, Tensor | float]
Formula = Callable[["Student", Tensor, Context], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Student:
    """The student's answers to some examples: p and log p, computed when first asked for.

    Attributes:
        logits: Class scores.
        room: Where a formula may write its gradient, to save a pass over memory.
    """

    logits: Float[Tensor, "n k"]
    room: Float[Tensor, "n k"] | None = None

    @cached_property
    def p(self) -> Float[Tensor, "n k"]:
        """Probabilities."""
        return torch.softmax(self.logits, dim=-1)

    @cached_property
    def log_p(self) -> Float[Tensor, "n k"]:
        """Log-probabilities, without a second exponential: z − max z + log max p."""
        top = self.logits.amax(-1, keepdim=True)
        return (self.logits - top).add_(self.p.amax(-1, keepdim=True).log())

    def pull_back(self, slope: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
        r"""Return the gradient in the logits, p_j (s_j − ⟨p, s⟩), of a function with slope s in p.

        Two classes use p₀p₁(s₁ − s₀), which does not cancel on confident logits.
        """
        if self.p.shape[-1] == 2:
            g = self.p.prod(-1) * (slope[:, 1] - slope[:, 0])
            return torch.stack([-g, g], dim=-1)
        apart = slope - rowwise.dot(self.p, slope).unsqueeze(-1)
        return torch.mul(apart, self.p, out=self.room)


@dataclass(frozen=True)
class Loss:
    r"""A loss from logits, one value per example, without any state of its own.

    Most losses need nothing but logits and targets. A few look at a whole batch (``confidence``,
    ``cace:quantile=…``); for those the training loop makes a first pass without gradient over
    all micro-batches of one optimizer step, asks for the statistics once, and hands them to every
    micro-batch, so that the result does not depend on the size of the micro-batches::

        for step, micro_batches in enumerate(optimizer_batches):
            context = None
            if loss.needs_batch:
                logits = None
                if loss.needs_logits:
                    with torch.no_grad():  # same dropout mask as below, or dropout off
                        logits = torch.cat([model(b.inputs) for b in micro_batches])
                targets = torch.cat([b.targets for b in micro_batches])
                context = loss.batch_statistics(logits, targets, step=step, n_steps=n_steps)
            n = sum(len(b.targets) for b in micro_batches)
            for b in micro_batches:
                (loss(model(b.inputs), b.targets, context=context).sum() / n).backward()
            optimizer.step()

    Without ``context`` the rows of the call are taken as the whole batch and any warm-up as
    finished; that is what evaluation over a full set wants. A last optimizer batch of one example
    must be merged into the one before it: ``batch_statistics`` refuses a single row.

    Args:
        name: How the loss is written in a spec; `w2sg.losses.get` reads it back.
        function: ``(logits, targets, context)`` to one value per example; logits and targets
            arrive as (n, K) in float32 or wider. A user's own loss is one such function.
        statistics: ``(logits or None, targets)`` to what the whole batch contributes.
        needs_logits: Whether ``statistics`` looks at the logits or at the targets only.
        ramp: Fraction of training done, in [0, 1], to the weight reached by then.
        raw: Whether the outputs are plain numbers (regression) and not logits of probabilities;
            ``function`` then sees (n,) as (n, 1).

    >>> squared_margin = Loss("squared_margin", lambda z, q, context: ((z - q) ** 2).sum(-1))
    >>> squared_margin(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]]))
    tensor([2.])
    """

    name: str
    function: Callable[[Tensor, Tensor, Context], Tensor]
    statistics: Callable[[Tensor | None, Tensor], dict[str, Tensor | float]] | None = None
    needs_logits: bool = False
    ramp: Callable[[float], float] | None = None
    raw: bool = False

    def __call__(
        self,
        logits: Float[Tensor, "n *k"],
        targets: Float[Tensor, "n *k"],
        *,
        context: Context | None = None,
    ) -> Float[Tensor, " n"]:
        r"""Return the loss of each example.

        Args:
            logits: (n, K) class scores, or (n,) binary logits log p/(1−p); any floating type.
                The value is computed in float32 at least, the gradient comes back in the type
                of the logits. For preference pairs (n,) is the score of A minus the score of B,
                and (n, 2) the two scores.
            targets: (n, K) rows on the simplex, or (n,) probabilities of class 1. No gradient
                flows into them. `check_targets` looks at their values, once per data set.
            context: What ``batch_statistics`` returned for this optimizer step.

        Raises:
            ValueError: Shapes that differ, more than two axes, integer targets, targets that
                require a gradient.
        """
        z, q = _as_rows(logits, targets, self.raw)
        if context is None:
            context = self.batch_statistics(logits.detach(), targets) if len(z) > 1 else {}
        return self.function(z, q, context)

    @property
    def needs_batch(self) -> bool:
        """Whether a call on part of an optimizer batch needs ``context`` to mean the same."""
        return self.statistics is not None or self.ramp is not None

    def batch_statistics(
        self,
        logits: Float[Tensor, "n *k"] | None,
        targets: Float[Tensor, "n *k"],
        *,
        step: int = 1,
        n_steps: int = 1,
    ) -> dict[str, Tensor | float]:
        """Return the context of one optimizer step, from all of its examples.

        Args:
            logits: Of the whole optimizer batch; ``None`` is fine unless ``needs_logits``.
            targets: Of the whole optimizer batch.
            step: Optimizer steps already done, in [0, n_steps].
            n_steps: Optimizer steps of the whole training.

        Raises:
            ValueError: A batch of one example, missing logits, or a step outside the training.
        """
        context: dict[str, Tensor | float] = {}
        if self.statistics is not None:
            if len(targets) < 2:
                raise ValueError(
                    f"{self.name} needs an optimizer batch of at least 2 examples, got "
                    f"{len(targets)}; merge it into the batch before"
                )
            if logits is None and self.needs_logits:
                raise ValueError(
                    f"{self.name} needs the logits of the whole optimizer batch, got None; "
                    "collect them in a first pass under torch.no_grad()"
                )
            with torch.no_grad():
                z, q = _as_rows(targets if logits is None else logits, targets, self.raw)
                context |= self.statistics(None if logits is None else z, q)
        if self.ramp is not None:
            context["weight"] = self.schedule(step, n_steps)
        return context

    def schedule(self, step: int, n_steps: int) -> float:
        """Return the weight of the scheduled part after ``step`` of ``n_steps``; 1 if none."""
        if not 0 <= step <= n_steps or n_steps < 1:
            raise ValueError(f"step must lie in [0, n_steps={n_steps}], got {step}")
        return 1.0 if self.ramp is None else self.ramp(step / n_steps)


def from_formula(
    name: str,
    formula: Formula,
    *,
    statistics: Callable[[Tensor | None, Tensor], dict[str, Tensor | float]] | None = None,
    needs_logits: bool = False,
    ramp: Callable[[float], float] | None = None,
) -> Loss:
    """Return the loss whose value and gradient are given in closed form.

    Args:
        name: Name of the loss.
        formula: ``(student, q, context)`` to the value (n,) and its gradient with respect to the
            logits (n, K), which no one else may hold.
        statistics: See `Loss`.
        needs_logits: See `Loss`.
        ramp: See `Loss`.

    >>> linear = from_formula("linear", lambda s, q, c: (-(s.p * q).sum(-1), s.pull_back(-q)))
    >>> linear(torch.tensor([0.0]), torch.tensor([0.8]))
    tensor([-0.5000])
    """

    def function(logits: Tensor, targets: Tensor, context: Context) -> Tensor:
        return _ClosedForm.apply(logits, targets, context, formula)

    return Loss(name, function, statistics, needs_logits, ramp)


def _by_blocks(
    formula: Formula, logits: Tensor, targets: Tensor, context: Context
) -> tuple[Tensor, Tensor]:
    """Evaluate rows block by block, so that on a CPU what a formula creates stays in the cache."""
    n, k = logits.shape
    if not n:
        return logits.new_empty(0), torch.empty_like(logits)
    rows = max(1, CACHED_NUMBERS * torch.get_num_threads() // max(k, 1))
    if logits.device.type != "cpu" or n <= rows:
        return formula(Student(logits), targets, context)
    value, gradient = logits.new_empty(n), torch.empty_like(logits)
    for start in range(0, n, rows):
        block = slice(start, start + rows)
        room = gradient[block]
        value[block], found = formula(Student(logits[block], room), targets[block], context)
        if found is not room:
            room.copy_(found)
    return value, gradient


def weighted_sum(name: str, parts: list[tuple[float, Loss]]) -> Loss:
    """Return Σ weight · loss; at most one part may look at the whole batch.

    >>> from w2sg.losses import ce, entropy
    >>> loss = weighted_sum("ce+0.1*entropy", [(1.0, ce), (0.1, entropy)])
    >>> loss(torch.tensor([0.0]), torch.tensor([0.8]))
    tensor([0.7625])
    """
    of_batch = [loss for _, loss in parts if loss.needs_batch]
    if len(of_batch) > 1:
        raise ValueError(
            f"{name} adds {' and '.join(loss.name for loss in of_batch)}: at most one part of a "
            "sum may look at the whole batch"
        )
    raw = {loss.raw for _, loss in parts}
    if len(raw) > 1:
        raise ValueError(f"{name} adds a loss of probabilities and one of plain numbers")

    def function(logits: Tensor, targets: Tensor, context: Context) -> Tensor:
        values = [w * loss.function(logits, targets, context) for w, loss in parts]
        return torch.stack(values).sum(0)

    batch = of_batch[0] if of_batch else parts[0][1]
    return Loss(name, function, batch.statistics, batch.needs_logits, batch.ramp, batch.raw)


def check_targets(
    targets: Float[Tensor, "n *k"], *, tolerance: float = 1e-3
) -> Float[Tensor, "n *k"]:
    """Return the targets if they are probabilities; call it once per data set, not per step.

    Args:
        targets: (n, K) rows that sum to one, or (n,) probabilities of class 1.
        tolerance: How far a row's sum may be from one; bfloat16 targets need about 1e-2.

    Raises:
        ValueError: Not finite, outside [0, 1], or a row that does not sum to one.

    >>> check_targets(torch.tensor([0.2, 1.2]))
    Traceback (most recent call last):
    ...
    ValueError: targets must lie in [0, 1], got 1.2 at row 1
    """
    values = targets.detach().double()
    rows = values.reshape(len(values), -1)
    outside = ~((rows >= 0) & (rows <= 1))
    if outside.any():
        row = int(outside.any(1).nonzero()[0])
        value = float(rows[row][outside[row]][0])
        raise ValueError(f"targets must lie in [0, 1], got {value:.6g} at row {row}")
    if targets.ndim == 2:
        off = (rows.sum(1) - 1).abs() > tolerance
        if off.any():
            row = int(off.nonzero()[0])
            raise ValueError(
                f"each row of targets must sum to 1, got {float(rows[row].sum()):.6g} at row "
                f"{row}; divide each row by its sum, or use (n,) for one probability"
            )
    return targets


class _ClosedForm(torch.autograd.Function):
    """A value with the gradient that was computed beside it.

    The gradient is scaled in place and handed on, which saves a pass over memory; whoever asks for
    it a second time gets it computed again.
    """

    @staticmethod
    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx,  # noqa: ANN001
        logits: Tensor,
        targets: Tensor,
        context: Context,
        formula: Formula,
    ) -> Tensor:
        value, ctx.gradient = _by_blocks(formula, logits, targets, context)
        ctx.save_for_backward(logits, targets)
        ctx.again = formula, context
        return value

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx,  # noqa: ANN001
        *upstream: Tensor,
    ) -> tuple[Tensor, None, None, None]:
        gradient, ctx.gradient = ctx.gradient, None
        if gradient is None:
            logits, targets = ctx.saved_tensors
            formula, context = ctx.again
            _, gradient = _by_blocks(formula, logits, targets, context)
        return gradient.mul_(upstream[0].unsqueeze(-1)), None, None, None


def _as_rows(logits: Tensor, targets: Tensor, raw: bool) -> tuple[Tensor, Tensor]:
    """Return both as (n, K) in float32 or wider; a binary logit z becomes the row (0, z)."""
    one_class = logits.shape[1:] == (1,) and not raw
    if logits.shape != targets.shape or logits.ndim not in (1, 2) or one_class:
        raise ValueError(
            "logits and targets must both be (n, K) with K of at least 2, or both (n,), got "
            f"{tuple(logits.shape)} and {tuple(targets.shape)}"
        )
    if not (logits.is_floating_point() and targets.is_floating_point()):
        raise ValueError(
            f"logits and targets must be floating, got {logits.dtype} and {targets.dtype}; turn "
            "class numbers into rows with torch.nn.functional.one_hot(labels, K).float()"
        )
    if targets.requires_grad:
        raise ValueError("targets must not require a gradient; call targets.detach() first")
    wide = torch.promote_types(logits.dtype, torch.float32)
    z, q = logits.to(wide), targets.to(wide)
    if z.ndim == 2:
        return z, q
    if raw:
        return z.unsqueeze(-1), q.unsqueeze(-1)
    return torch.stack([torch.zeros_like(z), z], -1), torch.stack([1 - q, q], -1)
