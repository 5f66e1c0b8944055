"""Split fused projections of a model into one linear layer per role, and put them back."""

from collections.abc import Iterable
from typing import Any

from torch import nn

from w2sg.train.attention.find import find_attention
from w2sg.train.attention.fused import SplitProjection
from w2sg.train.attention.layout import Layout


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


def _replace(model: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, leaf = name.rpartition(".")
    setattr(model.get_submodule(parent), leaf, module)
