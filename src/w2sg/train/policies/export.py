"""Adapters of a split model as one ordinary PEFT adapter for the unmodified model."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from w2sg.train.attention import SplitProjection
from w2sg.train.policies.adapters import ADAPTER
from w2sg.train.policies.apply import Policy

EXPORTED = ("lora", "rslora", "dora")
PREFIX = "base_model.model."


@dataclass(frozen=True)
class FusedAdapter:
    """An ordinary PEFT adapter.

    Attributes:
        config: The ``LoraConfig``; its targets are full names of layers of the unmodified model.
        tensors: The weights under PEFT's names, the task head included.
    """

    config: Any
    tensors: dict[str, Tensor]

    def save(self, folder: str | Path) -> None:
        """Write the folder that ``PeftModel.from_pretrained(model, folder)`` reads."""
        from safetensors.torch import save_file

        Path(folder).mkdir(parents=True, exist_ok=True)
        save_file(self.tensors, Path(folder) / "adapter_model.safetensors")
        self.config.save_pretrained(str(folder))


def export_fused_lora(policy: Policy) -> FusedAdapter:
    """Return the adapters of Q and V as one PEFT adapter of the fused layer, exactly.

    ``ΔW = s [B_q A_q; 0; B_v A_v] = s B A`` with ``A = [A_q; A_v]`` of the summed rank R, B zero
    but for B_q in (Q's rows, first columns) and B_v in (V's rows, last columns), and
    ``alpha = s R``. Where scales differ by role, B absorbs the difference. DoRA's norm is per
    output, so its magnitudes scatter the same way, with the norms of the untouched rows for K.
    Layers that were not fused are passed through.

    Args:
        policy: A policy of method ``lora``, ``rslora`` or ``dora``, trained or not.

    Returns:
        The adapter; rsLoRA becomes plain LoRA of the same scale.

    Raises:
        ValueError: The policy has no such adapters.

    Source: derived (section 5.4 of the note), verified to round-off in the tests.

    >>> from transformers import GPT2Config, GPT2Model
    >>> from w2sg.train.policies.apply import apply
    >>> small = GPT2Config(n_embd=8, n_layer=1, n_head=2, vocab_size=10, n_positions=8)
    >>> adapter = export_fused_lora(apply(GPT2Model(small), "qv", method="lora", rank=2))
    >>> adapter.config.r, adapter.tensors["base_model.model.h.0.attn.c_attn.lora_B.weight"].shape
    (4, torch.Size([24, 4]))
    """
    import peft
    from peft.tuners.lora import LoraLayer

    if policy.method not in EXPORTED:
        raise ValueError(
            f"method must be one of {', '.join(EXPORTED)} to be exported, got {policy.method!r}; "
            "policy.state_dict() has the merged weights of any method"
        )
    modules = dict(policy.model.named_modules())
    layers = {name: m for name, m in modules.items() if isinstance(m, LoraLayer)}
    tensors: dict[str, Tensor] = {}
    ranks: dict[str, int] = {}
    alphas: dict[str, float] = {}
    turned = False
    for name, layer in layers.items():
        parent = name.rpartition(".")[0]
        split = modules.get(parent)
        if not isinstance(split, SplitProjection):
            target, own = name, {"": layer}
            turned = turned or type(layer.get_base_layer()).__name__ == "Conv1D"
        elif parent in ranks:
            continue
        else:
            roles = [role for role, _ in split.layout.parts if f"{parent}.{role}_proj" in layers]
            target, own = parent, {r: layers[f"{parent}.{r}_proj"] for r in roles}
            turned = turned or split.transposed
        found, ranks[target], alphas[target] = _fused(own, split, policy.method == "dora")
        tensors.update({f"{PREFIX}{target}.{key}": value for key, value in found.items()})
    head = _head_modules(policy)
    named = dict(policy.model.named_parameters())
    for name, label in policy.labels.items():
        if label.role == "head":
            tensors[PREFIX + name] = named[name].detach().clone()
    rank, alpha = (Counter(values.values()).most_common(1)[0][0] for values in (ranks, alphas))
    config = peft.LoraConfig(
        r=int(rank),
        lora_alpha=alpha,  # pyright: ignore[reportArgumentType]
        target_modules=list(ranks),
        rank_pattern={n: r for n, r in ranks.items() if r != rank},
        alpha_pattern={n: a for n, a in alphas.items() if a != alpha},
        use_dora=policy.method == "dora",
        fan_in_fan_out=turned,
        modules_to_save=head or None,
        inference_mode=True,
        base_model_name_or_path=getattr(
            getattr(policy.model, "config", None), "_name_or_path", None
        ),
    )
    return FusedAdapter(config, tensors)


def _fused(own: dict[str, Any], split: Any, dora: bool) -> tuple[dict[str, Tensor], int, float]:
    """Return lora_A, lora_B (and magnitude), the rank and alpha of one target."""
    scale = max(layer.scaling[ADAPTER] for layer in own.values())
    a = {role: layer.lora_A[ADAPTER].weight.detach() for role, layer in own.items()}
    b = {
        role: layer.lora_B[ADAPTER].weight.detach() * (layer.scaling[ADAPTER] / scale)
        for role, layer in own.items()
    }
    rank = sum(len(rows) for rows in a.values())
    found = {"lora_A.weight": torch.cat(list(a.values()))}
    if "" in own:
        found["lora_B.weight"] = b[""].clone()
    else:
        whole = torch.zeros(split.layout.width, rank, dtype=b[next(iter(b))].dtype)
        column = 0
        for role, block in b.items():
            rows = torch.tensor(split.layout.rows(role))
            whole[rows, column : column + block.shape[1]] = block.to(whole.device)
            column += block.shape[1]
        found["lora_B.weight"] = whole
    if dora:
        magnitudes = {
            r: layer.lora_magnitude_vector[ADAPTER].weight.detach() for r, layer in own.items()
        }
        found["lora_magnitude_vector"] = (
            magnitudes[""].clone() if "" in own else _scattered(magnitudes, split)
        )
    return found, rank, scale * rank


def _scattered(magnitudes: dict[str, Tensor], split: SplitProjection) -> Tensor:
    weight = split.weight.T if split.transposed else split.weight
    whole = torch.linalg.norm(weight.detach(), dim=1)
    for role, value in magnitudes.items():
        whole[torch.tensor(split.layout.rows(role), device=whole.device)] = value
    return whole


def _head_modules(policy: Policy) -> list[str]:
    """Return the outermost modules whose every parameter belongs to the head."""
    head = {name for name, label in policy.labels.items() if label.role == "head"}
    whole: list[str] = []
    for name, module in policy.model.named_modules():
        inside = [f"{name}.{n}" for n, _ in module.named_parameters()] if name else []
        covered = any(name.startswith(f"{outer}.") for outer in whole)
        if inside and not covered and set(inside) <= head:
            whole.append(name)
    return whole
