"""A fused projection as one linear layer per role, and back."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from w2sg.train.projections.sites import Layout


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


def split_fused(model: nn.Module, names: Iterable[str] | None = None) -> list[str]:
    """Replace fused projections by one linear layer per role, in place and exactly.

    ``y = cat(x W_qᵀ, x W_kᵀ, x W_vᵀ)``, interleaved as the fused layer has it. Values change by
    round-off at most, because a wide product is now three narrow ones. ``state_dict`` keeps the
    original names.

    Args:
        model: A model as ``find_attention`` accepts it.
        names: Modules to split, every fused projection if ``None``.

    Returns:
        The full names of the modules that were replaced, in order.

    Raises:
        ValueError: A name is not a fused projection, or its weight is quantised, tied, or belongs
            to no module of its own.

    >>> from transformers import GPT2Config, GPT2Model
    >>> small = GPT2Config(n_embd=8, n_layer=1, n_head=2, vocab_size=10, n_positions=8)
    >>> model = GPT2Model(small)
    >>> split_fused(model)
    ['h.0.attn.c_attn']
    >>> model.state_dict()["h.0.attn.c_attn.weight"].shape
    torch.Size([8, 24])
    >>> refuse(model)
    ['h.0.attn.c_attn']
    """
    from w2sg.train.projections.find import find_attention

    layouts: dict[str, Layout] = {}
    for site in find_attention(model):
        for projection in (p for group in site.roles.values() for p in group):
            if projection.layout is None:
                continue
            if not projection.splittable and (names is None or projection.module in names):
                raise ValueError(
                    f"{projection.weight} is a parameter of {projection.module} itself, not a "
                    "layer, and cannot be split; train q, k and v together there, or leave the "
                    "layer out with layers=…"
                )
            layouts[projection.module] = projection.layout
    wanted = list(layouts) if names is None else list(names)
    if unknown := [name for name in wanted if name not in layouts]:
        raise ValueError(f"names {unknown} are not fused projections; those are {list(layouts)}")
    uses: dict[int, int] = {}
    for _, p in model.named_parameters(remove_duplicate=False):
        uses[id(p)] = uses.get(id(p), 0) + 1
    for name in wanted:
        fused: Any = model.get_submodule(name)
        if not fused.weight.is_floating_point() or fused.weight.ndim != 2:
            raise ValueError(
                f"{name} holds quantised weights ({type(fused).__name__}); load the model in "
                "float or bfloat16 to train parts of a fused projection"
            )
        if hasattr(fused, "base_layer"):
            raise ValueError(f"{name} already carries an adapter; split before adding adapters")
        if uses[id(fused.weight)] > 1:
            raise ValueError(f"{name}.weight is shared with another module and cannot be split")
    for name in wanted:
        _replace(model, name, SplitProjection(model.get_submodule(name), layouts[name]))
    return wanted


def refuse(model: nn.Module) -> list[str]:
    """Put the original fused layers back with the current weights; the inverse of ``split_fused``.

    Returns:
        The full names of the modules that were restored, in order.

    Raises:
        ValueError: A part carries an adapter.
    """
    split = [(n, m) for n, m in model.named_modules() if isinstance(m, SplitProjection)]
    restored = [(name, module.refused()) for name, module in split]
    for name, module in restored:
        _replace(model, name, module)
    return [name for name, _ in restored]


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


def _replace(model: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, leaf = name.rpartition(".")
    setattr(model.get_submodule(parent), leaf, module)


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
