"""Adapters of PEFT on the projections a policy selects, and their weights merged."""

import copy
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from w2sg.train.attention import SplitProjection
from w2sg.train.attention.fused import join_rows
from w2sg.train.attention.select import Selection

METHODS = ("lora", "rslora", "dora", "pissa", "olora", "ia3")
ADAPTER = "default"


def add_adapters(
    model: nn.Module,
    selection: Selection,
    *,
    method: str,
    rank: int | Mapping[str, int],
    alpha: float | Mapping[str, float] | None,
    options: Mapping[str, Any],
) -> Any:
    """Put adapters of one method on the selected projections, in place.

    Returns:
        The PEFT configuration used.

    Raises:
        ValueError: A rank or alpha is missing for a role or not positive, or a rank not whole.
    """
    import peft

    targets = {p.module: p.role for _, p in selection.chosen}
    if method == "ia3":
        config = peft.IA3Config(
            target_modules=list(targets), feedforward_modules=[], **dict(options)
        )
    else:
        ranks = {role: _whole(_by_role("rank", rank, role)) for role in set(targets.values())}
        scales = {
            role: ranks[role] if alpha is None else _by_role("alpha", alpha, role) for role in ranks
        }
        extra: dict[str, Any] = {"rslora": {"use_rslora": True}, "dora": {"use_dora": True}}.get(
            method, {}
        )
        if method in ("pissa", "olora"):
            extra = {"init_lora_weights": method}
        first = next(iter(ranks))
        config = peft.LoraConfig(
            r=ranks[first],
            lora_alpha=scales[first],  # pyright: ignore[reportArgumentType]
            target_modules=list(targets),
            rank_pattern={m: ranks[r] for m, r in targets.items() if ranks[r] != ranks[first]},
            alpha_pattern={m: scales[r] for m, r in targets.items() if scales[r] != scales[first]},
            **extra,
            **dict(options),
        )
    peft.inject_adapter_in_model(config, model, adapter_name=ADAPTER)
    return config


def merged_state_dict(model: nn.Module, names: list[str]) -> dict[str, Tensor]:
    """Return the state of the model with its adapters merged, under the original names.

    Args:
        model: A prepared model, with or without adapters; it stays as it is.
        names: The state dict's names before the policy was applied.
    """
    from peft.tuners.tuners_utils import BaseTunerLayer

    state = dict(model.state_dict())
    modules = dict(model.named_modules())
    merged: dict[str, Tensor] = {}
    for name, module in modules.items():
        if not isinstance(module, BaseTunerLayer):
            continue
        layer: Any = copy.deepcopy(module)
        layer.merge()
        for leaf, value in layer.get_base_layer().state_dict().items():
            merged[f"{name}.{leaf}"] = value
    state.update(merged)
    for name, module in modules.items():
        if isinstance(module, SplitProjection):
            for leaf in ("weight", "bias"):
                state.update(_joined(name, module, leaf, merged))
    return {name: state[name] for name in names}


def _joined(
    name: str, split: SplitProjection, leaf: str, merged: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    keys = {role: f"{name}.{role}_proj.{leaf}" for role, _ in split.layout.parts}
    if not any(key in merged for key in keys.values()):
        return {}
    parts = {
        role: merged.get(key, getattr(split.part(role), leaf, None)) for role, key in keys.items()
    }
    whole = join_rows({r: t.detach() for r, t in parts.items() if t is not None}, split.layout)
    turned = split.transposed and leaf == "weight"
    return {f"{name}.{leaf}": whole.T.contiguous() if turned else whole}


def _whole(rank: Any) -> int:
    if rank != int(rank):
        raise ValueError(f"rank must be a whole number, got {rank}")
    return int(rank)


def _by_role(name: str, value: Any, role: str) -> Any:
    if isinstance(value, Mapping):
        if role not in value:
            raise ValueError(f"{name} has no entry for the role {role!r}, only for {list(value)}")
        value = value[role]
    if not value > 0:
        raise ValueError(f"{name} must be positive, got {value} for the role {role!r}")
    return value
