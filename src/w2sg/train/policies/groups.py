"""Parameter groups: every trainable parameter once, at the rate of its role."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from w2sg._arrays import as_floats
from w2sg.train.policies.labels import Label

PUBLISHED = ("ijcai", "v1")


@dataclass(frozen=True)
class Rates:
    """The learning rates of a policy.

    ``rate = lr · ratio^[role is V] · loraplus_ratio^[part is B]``, and ``lr_head`` for the head.

    Attributes:
        lr: Rate of Q and of everything without a rate of its own, positive.
        lr_head: Rate of the task head, positive.
        ratio: η_V / η_Q, positive.
        loraplus_ratio: Rate of an adapter's B over that of its A, positive.
        decouple_weight_decay: Divide a multiplied rate out of the weight decay, so that the
            shrinkage per step, rate · decay, is that of Q.
        paper_exact: ``"v1"`` or ``"ijcai"`` for the grouping of the published code, else ``None``.
    """

    lr: float
    lr_head: float
    ratio: float
    loraplus_ratio: float
    decouple_weight_decay: bool
    paper_exact: str | None

    def of(self, label: Label, weight_decay: float) -> tuple[float, float]:
        """Return the learning rate and the weight decay of a parameter."""
        if self.paper_exact:
            return self._published(label, weight_decay)
        if label.role == "head":
            return self.lr_head, weight_decay * label.decays
        factor = (self.ratio if label.role == "v" else 1.0) * (
            self.loraplus_ratio if label.part == "B" else 1.0
        )
        decay = weight_decay / factor if self.decouple_weight_decay else weight_decay
        return self.lr * factor, decay * label.decays

    def _published(self, label: Label, weight_decay: float) -> tuple[float, float]:
        vector = label.part in ("bias", "magnitude", "scale")
        if label.role == "head":
            # Head weights share the group of K; head biases, as vectors, that of V.
            return (self.lr * self.ratio, 0.0) if vector else (self.lr, weight_decay)
        if vector and self.paper_exact == "v1":
            return self.lr * self.ratio, 0.0
        return (self.lr * self.ratio if label.role == "v" else self.lr), weight_decay


def param_groups(
    model: nn.Module, labels: Mapping[str, Label], rates: Rates, *, weight_decay: float = 0.0
) -> list[dict[str, Any]]:
    """Return the groups of an optimizer: one per role and part that trains.

    Every trainable parameter is in exactly one group. Groups carry ``name`` and
    ``parameter_names``, which an optimizer's state dict keeps, so that a resumed run can be
    checked.

    Args:
        model: The prepared model.
        labels: What ``label_parameters`` returned.
        rates: Learning rates by role.
        weight_decay: Decay of matrices; vectors never decay, outside ``paper_exact``.

    Raises:
        ValueError: Nothing trains, a trainable parameter has no label, or a negative decay.
    """
    as_floats("weight_decay", weight_decay, low=0.0, ndim=0)
    trains = {n: p for n, p in model.named_parameters() if p.requires_grad}
    if not trains:
        raise ValueError("no parameter of the model is trainable; apply a policy first")
    if strangers := [n for n in trains if n not in labels]:
        raise ValueError(
            f"{strangers[:3]} train but were added after the policy was applied; apply it last"
        )
    groups: dict[str, dict[str, Any]] = {}
    for name, parameter in trains.items():
        label = labels[name]
        lr, decay = rates.of(label, weight_decay)
        key = f"{label.role}.{label.part}"
        group = groups.setdefault(
            key,
            {"params": [], "lr": lr, "weight_decay": decay, "name": key, "parameter_names": []},
        )
        group["params"].append(parameter)
        group["parameter_names"].append(name)
    placed = [id(p) for group in groups.values() for p in group["params"]]
    assert sorted(placed) == sorted(id(p) for p in trains.values()), "each in exactly one group"
    return list(groups.values())


def make_optimizer(
    groups: list[dict[str, Any]],
    optimizer: type[torch.optim.Optimizer] = torch.optim.AdamW,
    **options: Any,
) -> torch.optim.Optimizer:
    """Return an optimizer over the groups that refuses the state of other groups.

    Args:
        groups: What ``param_groups`` returned.
        optimizer: Class of the optimizer. AdamW runs fused where every parameter allows it.
        **options: Further keywords of that class, such as ``betas``.

    Raises:
        ValueError: On ``load_state_dict``, the saved groups have other names or parameters.
    """
    if optimizer is torch.optim.AdamW and "fused" not in options and "foreach" not in options:
        options["fused"] = all(
            p.device.type in ("cpu", "cuda") and p.is_floating_point()
            for group in groups
            for p in group["params"]
        )
    made = optimizer(groups, **options)
    made.register_load_state_dict_pre_hook(_same_groups)
    return made


def _same_groups(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    mine, saved = (
        {g.get("name"): g.get("parameter_names") for g in groups}
        for groups in (optimizer.param_groups, state["param_groups"])
    )
    if list(mine) != list(saved):
        raise ValueError(
            f"the saved optimizer has the groups {list(saved)}, this policy {list(mine)}; resume "
            "with the roles and the method of the first run"
        )
    for name, own in mine.items():
        if own != saved[name]:
            other = sorted(set(own or ()) ^ set(saved[name] or ()))
            raise ValueError(
                f"group {name!r} of the saved optimizer holds other parameters, {other[:3]}; "
                "resume with the layers and the model of the first run"
            )
