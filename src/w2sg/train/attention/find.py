"""Where W_q, W_k and W_v are, in any architecture."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from torch import nn

from w2sg.train.attention.fused import FUSED, SplitProjection, fused_layout
from w2sg.train.attention.layout import Attention, Layout, Projection

SEPARATE = (
    ("query", "key", "value", "self"),
    ("query_global", "key_global", "value_global", "global"),
    ("query_proj", "key_proj", "value_proj", "self"),
    ("q_proj", "k_proj", "v_proj", "self"),
    ("q_lin", "k_lin", "v_lin", "self"),
    ("to_q", "to_k", "to_v", "self"),
    ("linear_q", "linear_k", "linear_v", "self"),
    ("wq", "wk", "wv", "self"),
    ("q", "k", "v", "self"),
)
OUTPUT = ("o_proj", "out_proj", "c_proj", "dense", "out_lin", "Wo", "attn_out", "to_out", "o")
CROSS = re.compile(r"cross|enc_?dec|encoder_attn|multihead_attn", re.IGNORECASE)
NUMBER = re.compile(r"(?:^|\.)(\d+)(?=\.|$)")
ROTARY = re.compile(r"Rotary|RoPE|Ro[pP]e(?![a-z])")
HEADS = ("num_attention_heads", "num_heads", "n_heads", "n_head", "heads")
HEAD_DIM = ("head_dim", "attention_head_size", "head_size", "key_value_proj_dim")

ProbeFused = Callable[[nn.Module, str, str], Layout]


def find_attention(model: nn.Module, inputs: Mapping[str, Any] | None = None) -> list[Attention]:
    """Return one record per attention layer, in the order of the model's modules.

    Names of modules decide for separate projections, a table for fused ones; a fused projection
    that the table does not know is probed by gradients, which runs the model once or twice.

    Args:
        model: A torch module, on any device; the meta device will do where nothing is probed.
        inputs: Keyword arguments of one forward call for the probe, at least three tokens long
            and without padding; made from the model's configuration if ``None``.

    Returns:
        The layers; empty if the model has none. A model may be found again after
        ``split_fused`` and after PEFT has added adapters.

    Raises:
        ValueError: The roles inside a projection cannot be told apart; the text names it.

    Source: the layouts of transformers' modelling code, confirmed by the probe (derived).

    >>> from transformers import BertConfig, BertModel
    >>> small = BertConfig(hidden_size=8, num_hidden_layers=2, num_attention_heads=2,
    ...                    intermediate_size=8, vocab_size=10)
    >>> sites = find_attention(BertModel(small))
    >>> [(s.layer, s.heads, s.roles["v"][0].weight) for s in sites][0]
    (0, 2, 'encoder.layer.0.attention.self.value.weight')
    """

    def probe(attention: nn.Module, name: str, leaf: str) -> Layout:
        from w2sg.train.attention.probe import probe_layout  # few models need it

        return probe_layout(model, f"{name}.{leaf}" if name else leaf, inputs)

    modules = dict(model.named_modules())
    found = [
        site
        for name, module in modules.items()
        if not _inside_split(modules, name)
        for site in _sites(modules, name, module, probe)
    ]
    return _numbered(found)


def _inside_split(modules: dict[str, nn.Module], name: str) -> bool:
    parent = name.rpartition(".")[0]
    return isinstance(modules[name], SplitProjection) or isinstance(
        modules.get(parent), SplitProjection
    )


def _sites(
    modules: dict[str, nn.Module], name: str, module: nn.Module, probe: ProbeFused
) -> Iterable[Attention]:
    children = dict(module.named_children())
    for q, k, v, kind in SEPARATE:
        if not _is_projection(children.get(q)) or not any(x in children for x in (k, v)):
            continue
        roles = {
            part: group
            for role, leaf in (("q", q), ("k", k), ("v", v))
            if _is_projection(children.get(leaf))
            for part, group in _roles(role, _join(name, leaf), children[leaf]).items()
        }
        if "v" not in roles:  # the keys serve as values too
            roles = {"q": roles["q"], "kv": (_whole("kv", _join(name, k), children[k]),)}
        yield _site(modules, name, module, roles, kind)
    if _is_projection(children.get("kv_b_proj")):
        yield _site(modules, name, module, _latent(name, module, children), "self")
    if _is_shared_reader(module, children):
        roles = {"q": (_whole("q", _join(name, "q_proj"), children["q_proj"]),)}
        yield _site(modules, name, module, roles, "self")
    if isinstance(module, nn.MultiheadAttention) and module.in_proj_weight is not None:
        yield _site(modules, name, module, _packed(name, module), "self")
    for leaf in FUSED:
        if leaf in children and _is_attention(module, children):
            yield _fused(modules, name, module, leaf, probe)


def _fused(
    modules: dict[str, nn.Module], name: str, module: nn.Module, leaf: str, probe: ProbeFused
) -> Attention:
    child = dict(module.named_children())[leaf]
    full = _join(name, leaf)
    if isinstance(child, SplitProjection):
        roles = _roles("", full, child)
    else:
        heads, head_dim = _heads(modules, name, module, None)
        width = _shape(child)[1]
        layout = fused_layout(module, leaf, width, heads, head_dim) or probe(module, name, leaf)
        roles = dict(_shared(full, child, layout))
    q_attn = dict(module.named_children()).get("q_attn")
    if q_attn is not None and "q" not in roles:
        roles = {"q": (_whole("q", _join(name, "q_attn"), q_attn),), **roles}
    if hasattr(module, "q_bias"):  # DeBERTa adds these after the bias-free projection
        roles = {
            role: tuple(_with_bias(p, _join(name, f"{role}_bias"), module) for p in group)
            for role, group in roles.items()
        }
    return _site(modules, name, module, roles, "self")


def _roles(role: str, full: str, child: nn.Module) -> dict[str, tuple[Projection, ...]]:
    if not isinstance(child, SplitProjection):
        return {role: (_whole(role, full, child),)}
    parts = {part.removesuffix("_proj"): part for part, _ in child.named_children()}
    return {
        role: (_whole(role, f"{full}.{part}", child.get_submodule(part)),)
        for role, part in parts.items()
    }


def _with_bias(projection: Projection, bias: str, module: nn.Module) -> Projection:
    leaf = bias.rpartition(".")[2]
    if getattr(module, leaf, None) is None:
        return projection
    return Projection(**{**projection.__dict__, "bias": bias})


def _shared(
    full: str, child: nn.Module, layout: Layout, splittable: bool = True
) -> Iterable[tuple[str, tuple[Projection, ...]]]:
    whole = _whole("", full, child)
    if layout.width != whole.n_out:
        raise ValueError(
            f"{full} has {whole.n_out} outputs, its layout {layout} describes {layout.width}; "
            "this architecture needs a layout of its own"
        )
    for role, _ in layout.parts:
        yield (
            role,
            (
                Projection(
                    role,
                    full,
                    whole.weight,
                    whole.bias,
                    whole.output_axis,
                    whole.n_in,
                    layout.count(role),
                    layout,
                    splittable,
                ),
            ),
        )


def _packed(name: str, module: nn.MultiheadAttention) -> dict[str, tuple[Projection, ...]]:
    d = module.embed_dim
    layout = Layout(1, (("q", d), ("k", d), ("v", d)))
    bias = None if module.in_proj_bias is None else _join(name, "in_proj_bias")
    weight = _join(name, "in_proj_weight")
    return {
        role: (Projection(role, name, weight, bias, 0, d, d, layout, splittable=False),)
        for role in "qkv"
    }


def _latent(
    name: str, module: Any, children: dict[str, nn.Module]
) -> dict[str, tuple[Projection, ...]]:
    queries = [leaf for leaf in ("q_a_proj", "q_b_proj", "q_proj") if leaf in children]
    child, full = children["kv_b_proj"], _join(name, "kv_b_proj")
    if isinstance(child, SplitProjection):
        values = _roles("", full, child)
    else:
        keys = _shape(child)[1] // module.num_heads - module.v_head_dim
        layout = Layout(module.num_heads, (("k", keys), ("v", module.v_head_dim)))
        values = dict(_shared(full, child, layout))
    shared = [leaf for leaf in ("kv_a_proj_with_mqa", "kv_a_proj") if leaf in children]
    return {
        "q": tuple(_whole("q", _join(name, leaf), children[leaf]) for leaf in queries),
        **values,
        "kv": tuple(_whole("kv", _join(name, leaf), children[leaf]) for leaf in shared),
    }


def _site(
    modules: dict[str, nn.Module],
    name: str,
    module: nn.Module,
    roles: dict[str, tuple[Projection, ...]],
    kind: str,
) -> Attention:
    output = _output(modules, name)
    heads, head_dim = _heads(modules, name, module, roles["q"][-1].n_out if "q" in roles else None)
    if output is not None:
        roles = {**roles, "o": (output,)}
        queries = roles["q"][0] if "q" in roles else None
        if queries and queries.layout is None and queries.n_out == 2 * output.n_in:
            head_dim = queries.n_out // heads // 2
            gated = Layout(heads, (("q", head_dim), ("gate", head_dim)))
            roles = {**roles, **dict(_shared(queries.module, modules[queries.module], gated))}
    keys = roles.get("k") or roles.get("kv")
    kv_heads = max(1, keys[0].n_out // head_dim) if keys else heads
    cross = getattr(module, "is_cross_attention", False) or CROSS.search(name)
    return Attention(
        name=name,
        stack="",
        layer=-1,
        kind="cross" if cross and kind == "self" else kind,
        heads=heads,
        kv_heads=min(heads, kv_heads),
        head_dim=head_dim,
        rotary=_rotary(modules, name, module),
        relative="Disentangled" in type(module).__name__,
        roles=roles,
    )


def _output(modules: dict[str, nn.Module], name: str) -> Projection | None:
    parent = name.rpartition(".")[0]
    candidates = [_join(name, leaf) for leaf in OUTPUT] + [_join(parent, "output.dense")]
    for full in candidates:
        if _is_projection(modules.get(full)):
            return _whole("o", full, modules[full])
    return None


def _heads(
    modules: dict[str, nn.Module], name: str, module: nn.Module, q_out: int | None
) -> tuple[int, int]:
    config = _config(modules, name)
    heads = _first(module, HEADS) or _first(config, HEADS) or 1
    total = q_out if q_out is not None else getattr(config, "hidden_size", heads)
    head_dim = _first(module, HEAD_DIM) or _first(config, ("head_dim",)) or total // heads
    return heads, head_dim


def _first(owner: Any, names: tuple[str, ...]) -> int | None:
    """Return the first attribute that is a positive whole number."""
    values = (getattr(owner, name, None) for name in names)
    return next((v for v in values if type(v) is int and v > 0), None)


def _config(modules: dict[str, nn.Module], name: str) -> Any:
    while True:
        config = getattr(modules[name], "config", None)
        if config is not None:
            return config
        if not name:
            return None
        name = name.rpartition(".")[0]


def _rotary(modules: dict[str, nn.Module], name: str, module: nn.Module) -> bool:
    config = _config(modules, name)
    if getattr(config, "alibi", False):
        return False
    if getattr(module, "rotary_dim", None) or getattr(config, "position_embedding_type", "") == (
        "rotary"
    ):
        return True
    # The stack of layers this one belongs to: an image tower beside a text tower keeps its own.
    while name and not hasattr(modules[name], "config_class"):
        name = name.rpartition(".")[0]
    stack = modules[name]
    return any(ROTARY.search(type(m).__name__) for m in stack.modules())


def _numbered(found: list[Attention]) -> list[Attention]:
    stacks: dict[tuple[str, str], list[Attention]] = {}
    for site in found:
        stacks.setdefault((_stack(site.name), site.kind), []).append(site)
    numbers = {}
    for (stack, kind), sites in stacks.items():
        named = [int(m.group(1)) if (m := NUMBER.search(s.name)) else -1 for s in sites]
        unique = len(set(named)) == len(named) and -1 not in named
        for position, (site, own) in enumerate(zip(sites, named, strict=True)):
            numbers[site.name, kind] = (stack, own if unique else position)
    return [
        Attention(**{**site.__dict__, "stack": stack, "layer": layer})
        for site in found
        for stack, layer in [numbers[site.name, site.kind]]
    ]


def _stack(name: str) -> str:
    return name[: m.start()] if (m := NUMBER.search(name)) else name


def _join(parent: str, leaf: str) -> str:
    return f"{parent}.{leaf}" if parent else leaf


def _core(module: Any) -> tuple[Any, str]:
    """Return the module under PEFT's wrappers, and the suffix its name has gained."""
    suffix = ""
    while hasattr(module, "base_layer"):
        module, suffix = module.base_layer, f"{suffix}.base_layer"
    return module, suffix


def _is_projection(module: Any) -> bool:
    if module is None or isinstance(module, SplitProjection):
        return isinstance(module, SplitProjection)
    core, _ = _core(module)
    weight = getattr(core, "weight", None)
    return weight is not None and (weight.ndim == 2 or hasattr(core, "in_features"))


def _is_attention(module: nn.Module, children: dict[str, nn.Module]) -> bool:
    # State-space layers also have an `in_proj`; only attention has DeBERTa's companions.
    if "in_proj" in children:
        return "Attention" in type(module).__name__
    return "attn" in type(module).__name__.lower() or "attention" in type(module).__name__.lower()


def _is_shared_reader(module: nn.Module, children: dict[str, nn.Module]) -> bool:
    own = {"q_proj", "o_proj"} <= set(children)
    others = {"k_proj", "v_proj", "kv_b_proj", "qkv_proj"} & set(children)
    return own and not others and "Attention" in type(module).__name__


def _shape(module: Any) -> tuple[int, int]:
    core, _ = _core(module)
    if isinstance(core, SplitProjection):
        return core.layout_in, core.layout.width
    if hasattr(core, "in_features"):
        return core.in_features, core.out_features
    return (core.weight.shape[0], core.weight.shape[1]) if _axis(core) else core.weight.shape[::-1]


def _axis(core: Any) -> int:
    return 1 if type(core).__name__ == "Conv1D" else 0


def _whole(role: str, full: str, module: Any) -> Projection:
    core, suffix = _core(module)
    n_in, n_out = _shape(module)
    bias = None if getattr(core, "bias", None) is None else f"{full}{suffix}.bias"
    return Projection(role, full, f"{full}{suffix}.weight", bias, _axis(core), n_in, n_out)
