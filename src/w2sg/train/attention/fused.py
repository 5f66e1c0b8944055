"""Fused projections: how known ones are divided among Q, K and V, and one layer per role."""

from typing import Any

import torch
from torch import Tensor, nn

from w2sg.train.attention.layout import Layout

FUSED = ("c_attn", "query_key_value", "Wqkv", "qkv_proj", "in_proj", "qkv", "to_qkv")
# Classes whose outputs are [Q, K, V], with fewer key and value heads where queries are grouped.
IN_BLOCKS = {
    "DbrxAttention",
    "DecisionTransformerGPT2Attention",
    "GPT2Attention",
    "ImageGPTAttention",
    "ModernBertAttention",
    "MptAttention",
    "MultiheadAttention",
    "Phi3Attention",
    "Phi4MultimodalAttention",
}
# Classes whose outputs are q, k, v of the first head, then of the second, and so on.
BY_HEAD = {"BloomAttention", "DisentangledSelfAttention", "GPTNeoXAttention", "PersimmonAttention"}
CODEGEN_BLOCKS = 4


def fused_layout(attention: Any, leaf: str, width: int, heads: int, head_dim: int) -> Layout | None:
    """Return how a fused projection of a known class is divided; ``None`` for an unknown class.

    Args:
        attention: The module that owns the projection.
        leaf: The projection's name inside it.
        width: Number of outputs.
        heads: Number of query heads.
        head_dim: Width of one head.

    Source: transformers' modelling code, each entry checked by the gradient probe.
    """
    name = type(attention).__name__
    d = head_dim
    q = heads * d
    if leaf == "c_attn" and getattr(attention, "is_cross_attention", False):
        return Layout(1, (("k", width // 2), ("v", width // 2)))
    if name == "FalconAttention":
        if attention.new_decoder_architecture:
            groups = attention.num_kv_heads
            return Layout(groups, (("q", q // groups), ("k", d), ("v", d)))
        name = "IN_BLOCKS" if attention.multi_query else "BY_HEAD"
    elif name == "GPTBigCodeAttention":
        name = "IN_BLOCKS" if attention.multi_query else "BY_HEAD"
    elif name == "CodeGenAttention":
        part = width // (3 * CODEGEN_BLOCKS)
        return Layout(CODEGEN_BLOCKS, (("q", part), ("v", part), ("k", part)))
    if name == "BY_HEAD" or name in BY_HEAD:
        return Layout(heads, (("q", d), ("k", d), ("v", d)))
    if name == "IN_BLOCKS" or name in IN_BLOCKS:
        kv = (width - q) // 2
        return Layout(1, (("q", q), ("k", kv), ("v", kv)))
    return None


class SplitProjection(nn.Module):
    """Linear layers ``q_proj``, ``k_proj``, … whose outputs together are the fused layer's.

    The parts own the parameters, so that a frozen part needs no gradient, no optimizer state and
    suffers no weight decay. The state dict keeps the fused layer's names and orientation.
    """

    def __init__(self, fused: Any, layout: Layout) -> None:
        """Take the weights out of ``fused``, which stays inside, empty, for ``refused``."""
        super().__init__()
        self.layout = layout
        self.transposed = type(fused).__name__ == "Conv1D"
        weight = fused.weight.T if self.transposed else fused.weight
        self.layout_in = weight.shape[1]
        self.has_bias = fused.bias is not None
        for role, _ in layout.parts:
            rows = torch.tensor(layout.rows(role), device=weight.device)
            with torch.device("meta"):
                part = nn.Linear(weight.shape[1], len(rows), bias=self.has_bias)
            part.weight = _part(weight.detach()[rows], fused.weight)
            if self.has_bias:
                part.bias = _part(fused.bias.detach()[rows], fused.bias)
            self.add_module(f"{role}_proj", part)
        for name in ("weight", "bias"):
            if getattr(fused, name) is not None:
                setattr(fused, name, None)
        self._fused = [fused]  # in a list, so that it is no child of this module
        self.register_state_dict_post_hook(_fuse_names)
        self.register_load_state_dict_pre_hook(_split_names)

    def forward(self, x: Tensor) -> Tensor:
        """Return the fused layer's output."""
        groups = self.layout.groups
        parts = [getattr(self, f"{role}_proj")(x) for role, _ in self.layout.parts]
        if groups == 1:
            return torch.cat(parts, -1)
        return torch.cat([part.unflatten(-1, (groups, -1)) for part in parts], -1).flatten(-2)

    @property
    def weight(self) -> Tensor:
        """The fused weight, assembled; in the original orientation."""
        return self.assemble("weight")

    @property
    def bias(self) -> Tensor | None:
        """The fused bias, assembled."""
        return self.assemble("bias") if self.has_bias else None

    def assemble(self, name: str) -> Tensor:
        """Return the fused ``weight`` or ``bias`` of the layers under any adapters."""
        parts = {role: getattr(self.part(role), name) for role, _ in self.layout.parts}
        whole = join_rows(parts, self.layout)
        return whole.T.contiguous() if self.transposed and name == "weight" else whole

    def refused(self) -> nn.Module:
        """Return the original layer with the current weights."""
        if adapted := [role for role, _ in self.layout.parts if self._adapted(role)]:
            raise ValueError(
                f"the parts {adapted} carry adapters; publish those with export_fused_lora or "
                "merge them (policy.state_dict()) before refuse(model)"
            )
        fused = self._fused[0]
        trains = any(p.requires_grad for p in self.parameters())
        fused.weight = nn.Parameter(self.weight.detach(), requires_grad=trains)
        if self.has_bias:
            assert self.bias is not None
            fused.bias = nn.Parameter(self.bias.detach(), requires_grad=trains)
        fused.train(self.training)
        return fused

    def part(self, role: str) -> Any:
        """Return the linear layer of a role, under any adapter."""
        part = getattr(self, f"{role}_proj")
        while hasattr(part, "base_layer"):
            part = part.base_layer
        return part

    def key(self, prefix: str, role: str, name: str) -> str:
        """Return the state-dict key of a part's ``weight`` or ``bias`` before it is fused."""
        return f"{prefix}{role}_proj{'.base_layer' * self._adapted(role)}.{name}"

    def _adapted(self, role: str) -> bool:
        return self.part(role) is not getattr(self, f"{role}_proj")


def join_rows(parts: dict[str, Tensor], layout: Layout) -> Tensor:
    """Return the fused tensor whose outputs (axis 0) are those of the parts, interleaved.

    >>> join_rows({"q": torch.tensor([1.0, 3.0]), "k": torch.tensor([2.0, 4.0])},
    ...           Layout(2, (("q", 1), ("k", 1))))
    tensor([1., 2., 3., 4.])
    """
    blocks = [parts[role].unflatten(0, (layout.groups, -1)) for role, _ in layout.parts]
    return torch.cat(blocks, 1).flatten(0, 1)


def _part(rows: Tensor, original: nn.Parameter) -> nn.Parameter:
    return nn.Parameter(rows.contiguous(), requires_grad=original.requires_grad)


def _fuse_names(module: Any, state: dict, prefix: str, metadata: Any) -> None:
    for name in ("weight", "bias"):
        keys = {r: module.key(prefix, r, name) for r, _ in module.layout.parts}
        if not all(key in state for key in keys.values()):
            continue
        whole = join_rows({role: state.pop(key) for role, key in keys.items()}, module.layout)
        turned = module.transposed and name == "weight"
        state[prefix + name] = whole.T.contiguous() if turned else whole


def _split_names(module: Any, state: dict, prefix: str, *_: Any) -> None:
    for name in ("weight", "bias"):
        whole = state.pop(prefix + name, None)
        if whole is None:
            continue
        whole = whole.T if module.transposed and name == "weight" else whole
        for role, _size in module.layout.parts:
            rows = torch.tensor(module.layout.rows(role), device=whole.device)
            state[module.key(prefix, role, name)] = whole[rows]
