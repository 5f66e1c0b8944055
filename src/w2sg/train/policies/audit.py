"""What moved in training, by how much, and that nothing else did."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from w2sg.train.policies.groups import Label


@dataclass(frozen=True)
class Moved:
    """The movement of one role's parameters since the policy was applied.

    Attributes:
        role: As in ``Label``.
        parameters: Number of trainable numbers.
        distance: ‖θ − θ₀‖₂ over the role.
        relative: ``distance`` / ‖θ₀‖₂; infinite for a role that started at zero.
        moved: Fraction of the numbers that changed at all.
    """

    role: str
    parameters: int
    distance: float
    relative: float
    moved: float


@dataclass(frozen=True)
class Audit:
    """What training did to a prepared model.

    Attributes:
        roles: Movement by role, trainable roles only.
        frozen: Number of parameters that must not move.
        violations: Names of frozen parameters whose bits changed, or that started to train.
        still: Names of trainable parameters in which not one number changed.
    """

    roles: tuple[Moved, ...]
    frozen: int
    violations: tuple[str, ...]
    still: tuple[str, ...]

    @property
    def intact(self) -> bool:
        """Whether every frozen parameter has the bits it had before."""
        return not self.violations

    def require_intact(self) -> "Audit":
        """Return the audit, or raise if a frozen parameter changed."""
        if self.violations:
            raise ValueError(
                f"{len(self.violations)} frozen parameters changed, first {self.violations[0]}; "
                "something outside the policy trains or writes them"
            )
        return self


class Snapshot:
    """The state of a prepared model before training: copies of what moves, digests of the rest."""

    def __init__(self, model: nn.Module, labels: Mapping[str, Label]) -> None:
        """Record the model's parameters; copies live on the CPU."""
        self.labels = dict(labels)
        self.initial: dict[str, Tensor] = {}
        self.digests: dict[str, str] = {}
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                self.initial[name] = parameter.detach().to("cpu", copy=True)
            else:
                self.digests[name] = digest(parameter)

    def compare(self, model: nn.Module) -> Audit:
        """Return what changed since the snapshot."""
        now = dict(model.named_parameters())
        violations = [
            name
            for name, before in self.digests.items()
            if name not in now or now[name].requires_grad or digest(now[name]) != before
        ]
        still = []
        sums: dict[str, list[float]] = {}
        for name, before in self.initial.items():
            after = now[name].detach().cpu()
            changed = int((after != before).sum())
            delta = float((after.double() - before.double()).square().sum())
            if not changed:
                still.append(name)
            total = sums.setdefault(self.labels[name].role, [0.0, 0.0, 0.0, 0.0])
            start = float(before.double().square().sum())
            for i, value in enumerate((before.numel(), delta, start, changed)):
                total[i] += value
        roles = tuple(
            Moved(
                role,
                int(count),
                delta**0.5,
                (delta / start) ** 0.5 if start else float("inf") if delta else 0.0,
                changed / count,
            )
            for role, (count, delta, start, changed) in sums.items()
        )
        return Audit(roles, len(self.digests), tuple(violations), tuple(still))


def digest(tensor: Tensor) -> str:
    """Return the SHA-256 of a tensor's bits.

    >>> x = torch.arange(6.0)
    >>> digest(x) == digest(x.clone()), digest(x) == digest(x.flip(0))
    (True, False)
    """
    raw = tensor.detach().cpu().contiguous().flatten().view(torch.uint8)
    return hashlib.sha256(raw.numpy().tobytes()).hexdigest()
