"""A prepared model: what trains, at what rate, and what it looked like before."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from w2sg.train.policies.adapters import merged_state_dict
from w2sg.train.policies.audit import Audit, Snapshot
from w2sg.train.policies.groups import Rates, make_optimizer, param_groups
from w2sg.train.policies.labels import Label


@dataclass(frozen=True)
class Policy:
    """A model prepared by ``apply``.

    In transformers' Trainer: ``Trainer(policy.model, args, optimizers=(policy.make_optimizer(),
    None))``; the scheduler multiplies every rate alike, so the ratio stays constant. A resumed run
    applies the same policy to a fresh model first.

    Attributes:
        model: The model given to ``apply``, prepared in place.
        roles: The roles that train, or ``("full",)`` or ``("head",)``.
        method: ``full`` or the adapter's name.
        rates: Learning rates by role.
        labels: Role and part of every parameter, by name.
        original_names: The state dict's names before the policy.
        snapshot: The parameters when the policy was applied.
    """

    model: nn.Module
    roles: tuple[str, ...]
    method: str
    rates: Rates
    labels: dict[str, Label]
    original_names: tuple[str, ...]
    snapshot: Snapshot

    @property
    def trainable(self) -> int:
        """Number of trainable parameters."""
        return sum(p.numel() for p in self.model.parameters() if p.requires_grad)

    def param_groups(self, weight_decay: float = 0.0) -> list[dict[str, Any]]:
        """Return the groups of an optimizer, for one made elsewhere.

        Also as ``Trainer(optimizer_cls_and_kwargs=(AdamW, {"params": policy.param_groups()}))``.
        """
        return param_groups(self.model, self.labels, self.rates, weight_decay=weight_decay)

    def make_optimizer(
        self,
        weight_decay: float = 0.0,
        optimizer: type[torch.optim.Optimizer] = torch.optim.AdamW,
        **options: Any,
    ) -> torch.optim.Optimizer:
        """Return an optimizer with the policy's rates: AdamW, fused where possible.

        Args:
            weight_decay: Decay of matrices; biases, norms and magnitudes do not decay.
            optimizer: Another class than AdamW.
            **options: Further keywords of that class, such as ``betas``.
        """
        return make_optimizer(self.param_groups(weight_decay), optimizer, **options)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the weights under the original names, with any adapters merged.

        It loads into the unmodified class: ``fresh.load_state_dict(policy.state_dict())``.
        """
        return merged_state_dict(self.model, list(self.original_names))

    def audit(self) -> Audit:
        """Return what moved since the policy was applied, and whether the rest is bit-identical."""
        return self.snapshot.compare(self.model)
