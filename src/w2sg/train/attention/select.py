"""A choice of roles, layers and head, as parameters of one model."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from torch import nn

from w2sg.train.attention.find import find_attention
from w2sg.train.attention.layout import ROLES, Attention, Projection

WHOLE = ("full", "head")


@dataclass(frozen=True)
class Selection:
    """What a choice of roles means in one model.

    Attributes:
        roles: The roles chosen, or ``("full",)`` or ``("head",)``.
        sites: Every attention layer of the model.
        chosen: The ``(site, projection)`` pairs that train.
        head: Names of the parameters of the task head.
    """

    roles: tuple[str, ...]
    sites: tuple[Attention, ...]
    chosen: tuple[tuple[Attention, Projection], ...]
    head: tuple[str, ...]

    @property
    def partly_fused(self) -> list[str]:
        """Fused modules of which only some roles train."""
        taken: dict[str, set[str]] = {}
        for _, p in self.chosen:
            if p.layout is not None:
                taken.setdefault(p.module, set()).add(p.role)
        layouts = {p.module: p.layout for _, p in self.chosen if p.layout is not None}
        return [m for m, roles in taken.items() if roles != {r for r, _ in layouts[m].parts}]

    @property
    def fused(self) -> list[str]:
        """Fused modules of which some role trains."""
        return list(dict.fromkeys(p.module for _, p in self.chosen if p.layout is not None))


def parse_roles(roles: str | Iterable[str]) -> tuple[str, ...]:
    """Return roles as a tuple: ``"qv"`` and ``["q", "v"]`` mean the same.

    >>> parse_roles("kv"), parse_roles("full"), parse_roles(["q", "gate"])
    (('k', 'v'), ('full',), ('q', 'gate'))
    """
    allowed = f"'full', 'head', or any of {', '.join(ROLES)}, such as 'qv'"
    if not isinstance(roles, Iterable):
        raise ValueError(f"roles must be {allowed}, got {roles!r}")
    if isinstance(roles, str):
        # "kv" is K and V; weights that serve as both are chosen by the list ["kv"]
        names = (roles,) if roles in (*WHOLE, "gate") else tuple(roles)
    else:
        names = tuple(roles)
    if not names:
        raise ValueError(f"roles must be {allowed}, got none")
    unknown = [n for n in names if n not in (*ROLES, *WHOLE)]
    if unknown or (len(names) > 1 and set(names) & set(WHOLE)):
        raise ValueError(f"roles must be {allowed}, got {roles!r}")
    if len(set(names)) < len(names):
        raise ValueError(f"roles must name each role once, got {roles!r}")
    return names


def select(
    model: nn.Module,
    roles: str | Iterable[str] = "qv",
    *,
    layers: Collection[int] | None = None,
    kinds: Collection[str] | None = None,
    head: Collection[str] | None = None,
    shared_kv: str = "error",
) -> Selection:
    """Return which projections and which head parameters a choice of roles means.

    Args:
        model: A model as ``find_attention`` accepts it.
        roles: Letters of q, k, v, o; an iterable of roles (``gate`` and ``kv`` too); ``"full"``
            for every parameter; ``"head"`` for the task head alone.
        layers: Positions in each stack, from 0; all if ``None``.
        kinds: Of ``self``, ``cross`` and ``global``; all if ``None``.
        head: Prefixes of parameter names that make up the task head, found by itself if ``None``;
            ``()`` for no head.
        shared_kv: What to do with a layer whose keys serve as values too, when only one of K and V
            is chosen: ``"error"``, ``"skip"`` the layer's shared weights, or ``"train"`` them.

    Raises:
        ValueError: A name is unknown, or nothing would train; the text lists what exists.
    """
    names = parse_roles(roles)
    if shared_kv not in ("error", "skip", "train"):
        raise ValueError(f"shared_kv must be 'error', 'skip' or 'train', got {shared_kv!r}")
    sites = find_attention(model)
    tail = _head(model, sites, head)
    if names == ("head",) and head is not None and not tail:
        raise ValueError(
            f"head={head!r} leaves roles='head' nothing to train; modules are {_top(model)}"
        )
    if names == ("head",) and not tail:
        raise ValueError(
            f"{type(model).__name__} has no task head that can be told from its body; name its "
            f"parameters with head=[…]; modules are {_top(model)}"
        )
    if names[0] in WHOLE:
        if layers is not None or kinds is not None:
            raise ValueError(f"layers and kinds choose attention layers; roles is {names[0]!r}")
        return Selection(names, tuple(sites), (), tail)
    picked = _layers(sites, layers, kinds)
    chosen = [(s, p) for s in picked for p in _wanted(s, names, shared_kv)]
    found = {p.role for _, p in chosen}
    absent = [n for n in names if n not in found and not (n in "kv" and "kv" in found)]
    if absent:
        exist = sorted({role for s in picked for role in s.roles})
        raise ValueError(
            f"no attention layer of {type(model).__name__} has the role {absent[0]!r}; "
            f"{len(picked)} layers are selected, with the roles {exist}"
        )
    return Selection(names, tuple(sites), tuple(chosen), tail)


def head_parameters(model: nn.Module, sites: list[Attention]) -> list[str]:
    """Return the names of the parameters of the task head, in order.

    The head is every layer that a class such as ``BertForSequenceClassification``, or a module
    wrapped around a transformers model, adds to the body. A language-model head belongs to the
    pre-trained weights and does not count, nor does a parameter shared with the body.

    Args:
        model: A transformers model, or a module that holds one.
        sites: What ``find_attention`` found in it.

    Returns:
        Names; empty for a bare encoder, a language model, and a module without a transformers
        model in it, whose head only its author knows.
    """
    from transformers import PreTrainedModel

    owner = next(((n, m) for n, m in model.named_modules() if isinstance(m, PreTrainedModel)), None)
    if owner is None:
        return []
    roots = _body(*owner, sites)
    body = {
        id(p)
        for name, p in model.named_parameters(remove_duplicate=False)
        if any(not root or name.startswith(f"{root}.") for root in roots)
    }
    return [name for name, p in model.named_parameters() if id(p) not in body]


def _body(name: str, owner: Any, sites: list[Attention]) -> list[str]:
    """Return the full names of the modules that make up the pre-trained body."""
    prefix = f"{name}." if name else ""
    if owner.get_output_embeddings() is not None:
        return [name]
    base = owner.base_model
    if base is not owner:
        return [next(f"{prefix}{n}" for n, m in owner.named_modules() if m is base)]
    if "For" not in type(owner).__name__:
        return [name]
    # Some classes keep the body under another name than their base class declares.
    children = [f"{prefix}{n}" for n, _ in owner.named_children()]
    return [c for c in children if any(s.name == c or s.name.startswith(f"{c}.") for s in sites)]


def _wanted(site: Attention, names: tuple[str, ...], shared_kv: str) -> Iterable[Projection]:
    for name in names:
        yield from site.roles.get(name, ())
    if "kv" not in site.roles or "kv" in names or not set(names) & {"k", "v"}:
        return
    both = {"k", "v"} <= set(names)
    stranded = "v" not in site.roles and not both
    if stranded and shared_kv == "error":
        raise ValueError(
            f"the keys of {site.name} serve as values too, so K and V cannot train apart there; "
            "pass shared_kv='train' or 'skip', or leave the layer out with layers=…"
        )
    if both or (stranded and shared_kv == "train"):
        yield from site.roles["kv"]


def _layers(
    sites: list[Attention], layers: Collection[int] | None, kinds: Collection[str] | None
) -> list[Attention]:
    if not sites:
        raise ValueError("the model has no attention layer that is recognised; use roles='full'")
    exist = sorted({s.layer for s in sites})
    if layers is not None and (bad := sorted(set(layers) - set(exist))):
        raise ValueError(f"layers {bad} do not exist; the model has layers {exist}")
    names = sorted({s.kind for s in sites})
    if kinds is not None and (bad := sorted(set(kinds) - set(names))):
        raise ValueError(f"kinds {bad} do not exist; the model has {names}")
    picked = [
        s
        for s in sites
        if (layers is None or s.layer in layers) and (kinds is None or s.kind in kinds)
    ]
    if not picked:
        raise ValueError(f"layers and kinds leave nothing; the model has {names} in layers {exist}")
    return picked


def _head(
    model: nn.Module, sites: list[Attention], head: Collection[str] | None
) -> tuple[str, ...]:
    if head is None:
        return tuple(head_parameters(model, sites))
    prefixes = (head,) if isinstance(head, str) else tuple(head)
    names = [n for n, _ in model.named_parameters()]
    for prefix in prefixes:
        if not any(n == prefix or n.startswith(f"{prefix}.") for n in names):
            raise ValueError(f"head {prefix!r} matches no parameter; modules are {_top(model)}")
    return tuple(n for n in names if any(n == p or n.startswith(f"{p}.") for p in prefixes))


def _top(model: nn.Module) -> str:
    return ", ".join(
        repr(n) for n, m in model.named_children() if any(True for _ in m.parameters())
    )
