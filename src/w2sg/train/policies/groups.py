"""The role of every parameter, and groups for an optimizer, each at the rate of its role."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from w2sg._arrays import as_floats
from w2sg.train.attention.layout import Attention

PUBLISHED = ("ijcai", "v1")
ADAPTERS = {
    "lora_A": "A",
    "lora_B": "B",
    "lora_magnitude_vector": "magnitude",
    "ia3_l": "scale",
}


@dataclass(frozen=True)
class Label:
    """The place of one parameter in a policy.

    Attributes:
        role: ``q``, ``k``, ``v``, ``o``, ``gate``, ``kv``, ``fused`` (several roles at once),
            ``head`` or ``rest``.
        part: ``weight``, ``bias`` (or any other vector), or ``A``, ``B``, ``magnitude``,
            ``scale`` of an adapter.
    """

    role: str
    part: str

    @property
    def decays(self) -> bool:
        """Whether weight decay applies: to matrices, not to biases, norms and magnitudes."""
        return self.part in ("weight", "A", "B")


def label_parameters(
    model: nn.Module, sites: list[Attention], head: tuple[str, ...]
) -> dict[str, Label]:
    """Return the label of each parameter, by its present name.

    Args:
        model: The model, with splits and adapters in place.
        sites: What ``find_attention`` finds in it now.
        head: Names of the parameters of the task head.
    """
    modules: dict[str, str] = {}
    biases: dict[str, str] = {}
    for site in sites:
        for role, group in site.roles.items():
            for p in group:
                modules[p.module] = role if modules.get(p.module, role) == role else "fused"
                if p.bias and not p.bias.startswith(f"{p.module}."):
                    biases[p.bias] = role  # DeBERTa's q_bias and v_bias stand beside the module
    tail = set(head)
    return {
        name: Label(_role(name, tail, modules, biases), _part(name, p))
        for name, p in model.named_parameters()
    }


def _role(name: str, head: set[str], modules: Mapping[str, str], biases: Mapping[str, str]) -> str:
    if name in head:
        return "head"
    if name in biases:
        return biases[name]
    parent = name
    while parent:
        parent = parent.rpartition(".")[0]
        if parent in modules:
            return modules[parent]
    return "rest"


def _part(name: str, parameter: nn.Parameter) -> str:
    for key, part in ADAPTERS.items():
        if f".{key}." in name:
            return part
    return "weight" if parameter.ndim >= 2 else "bias"


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
