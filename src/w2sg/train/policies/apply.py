"""Prepare a model so that the chosen roles train, each at its own rate."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from w2sg._arrays import as_floats
from w2sg.train.attention.find import find_attention
from w2sg.train.attention.select import Selection, select
from w2sg.train.policies.adapters import METHODS, add_adapters, merged_state_dict
from w2sg.train.policies.audit import Audit, Snapshot
from w2sg.train.policies.groups import (
    PUBLISHED,
    Label,
    Rates,
    label_parameters,
    make_optimizer,
    param_groups,
)


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


def apply(
    model: nn.Module,
    roles: str | Iterable[str] = "qv",
    ratio: float = 1.0,
    lr: float = 1e-4,
    lr_head: float | None = None,
    method: str = "full",
    *,
    layers: Collection[int] | None = None,
    kinds: Collection[str] | None = None,
    head: Collection[str] | None = None,
    shared_kv: str = "error",
    rank: int | Mapping[str, int] = 8,
    alpha: float | Mapping[str, float] | None = None,
    loraplus_ratio: float = 1.0,
    adapter_options: Mapping[str, Any] | None = None,
    decouple_weight_decay: bool = False,
    paper_exact: bool | str = False,
) -> Policy:
    """Freeze all but the chosen roles and the task head, in place; set the rates.

    ``η_V = ratio · η_Q``; every other role trains at ``lr``, the head at ``lr_head``. Fused
    projections are split where their roles must train apart. The model's outputs and its
    train or eval mode stay as they are.

    Args:
        model: A transformers model, or a module that holds one.
        roles: Letters of q, k, v, o (``"qv"``); an iterable of roles; ``"full"`` for every
            parameter; ``"head"`` for the task head alone.
        ratio: η_V / η_Q, positive; it multiplies V's rate only.
        lr: Learning rate of Q, positive; the default is that of the paper's Table 2.
        lr_head: Learning rate of the task head, that of ``lr`` if ``None``.
        method: ``"full"`` (the weights and biases themselves), or an adapter of PEFT:
            ``"lora"``, ``"rslora"``, ``"dora"``, ``"pissa"``, ``"olora"``, ``"ia3"``.
        layers: Positions in each stack, from 0; all if ``None``.
        kinds: Of ``self``, ``cross`` and ``global``; all if ``None``.
        head: Prefixes of parameter names that make up the task head, found by itself if ``None``;
            ``()`` for none.
        shared_kv: For layers whose keys serve as values: ``"error"``, ``"skip"`` or ``"train"``.
        rank: Rank of the adapters, one or one per role.
        alpha: Numerator of the adapters' scale alpha/rank, one or one per role; the rank itself
            if ``None``.
        loraplus_ratio: Rate of an adapter's B over that of its A (LoRA+), positive.
        adapter_options: Further keywords of PEFT's configuration, such as ``lora_dropout``.
        decouple_weight_decay: Whether a larger rate leaves the decay per step unchanged.
        paper_exact: Group as the published code does: ``"v1"``, ``"ijcai"``, or ``True`` for the
            latter. Then the head ignores ``lr_head``.

    Returns:
        The prepared policy.

    Raises:
        ValueError: A rate is not positive, a name is unknown, or nothing would train; the text
            lists what exists.

    Source: arXiv 2410.02247, section 5 (the recipe); grouping of the published code as read
    there; everything else derived.

    >>> from transformers import BertConfig, BertForSequenceClassification
    >>> small = BertConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
    ...                    intermediate_size=8, vocab_size=10)
    >>> policy = apply(BertForSequenceClassification(small), "qv", ratio=4, lr=1e-4, lr_head=1e-3)
    >>> {group["name"]: group["lr"] for group in policy.param_groups()}
    {'q.weight': 0.0001, 'q.bias': 0.0001, 'v.weight': 0.0004, 'v.bias': 0.0004,
     'head.weight': 0.001, 'head.bias': 0.001}
    """
    rates = _rates(ratio, lr, lr_head, loraplus_ratio, decouple_weight_decay, paper_exact)
    if method != "full" and method not in METHODS:
        raise ValueError(f"method must be 'full' or one of {', '.join(METHODS)}, got {method!r}")
    if any(hasattr(m, "base_layer") for m in model.modules()):
        raise ValueError(
            "the model already carries adapters; merge them, or apply the policy to a fresh model"
        )
    choice: dict[str, Any] = {"layers": layers, "kinds": kinds, "head": head}
    picked = select(model, roles, **choice, shared_kv=shared_kv)
    if method != "full" and not picked.chosen:
        raise ValueError(
            f"method {method!r} needs roles of attention, such as 'qv'; got {picked.roles[0]!r}"
        )
    if method == "full":
        _refuse_quantised(model)
    names = tuple(model.state_dict())
    modes = {name: module.training for name, module in model.named_modules()}
    if parts := _to_split(picked, method, ratio):
        from w2sg.train.attention.split import split_fused  # few models have fused projections

        split_fused(model, parts)
        picked = select(model, roles, **choice, shared_kv=shared_kv)
    for parameter in model.parameters():
        parameter.requires_grad_(picked.roles == ("full",))
    if method != "full":
        add_adapters(
            model, picked, method=method, rank=rank, alpha=alpha, options=adapter_options or {}
        )
    _unfreeze(model, picked, weights=method == "full")
    _restore_modes(model, modes)
    labels = label_parameters(model, find_attention(model), picked.head)
    return Policy(
        model=model,
        roles=picked.roles,
        method=method,
        rates=rates,
        labels=labels,
        original_names=names,
        snapshot=Snapshot(model, labels),
    )


def _rates(
    ratio: float,
    lr: float,
    lr_head: float | None,
    loraplus_ratio: float,
    decouple_weight_decay: bool,
    paper_exact: bool | str,
) -> Rates:
    lr_head = lr if lr_head is None else lr_head
    values = {"ratio": ratio, "lr": lr, "lr_head": lr_head, "loraplus_ratio": loraplus_ratio}
    checked = {
        name: float(as_floats(name, value, low=0.0, open_low=True, ndim=0))
        for name, value in values.items()
    }
    published = {True: "ijcai", False: None}.get(paper_exact, paper_exact)  # pyright: ignore
    if published is not None and published not in PUBLISHED:
        raise ValueError(
            f"paper_exact must be True, False, or one of {', '.join(PUBLISHED)}, "
            f"got {paper_exact!r}"
        )
    return Rates(**checked, decouple_weight_decay=decouple_weight_decay, paper_exact=published)


def _to_split(picked: Selection, method: str, ratio: float) -> list[str]:
    """Return the fused modules whose roles must become parameters of their own."""
    if method != "full":
        return picked.fused
    if ratio == 1.0 or picked.roles == ("head",):
        return picked.partly_fused
    if picked.roles == ("full",):
        beside_v = [p for site in picked.sites for p in site.roles.get("v", ())]
    else:
        beside_v = [p for _, p in picked.chosen if p.role == "v"]
    fused = [p.module for p in beside_v if p.layout is not None]
    return list(dict.fromkeys([*picked.partly_fused, *fused]))


def _unfreeze(model: nn.Module, picked: Selection, *, weights: bool) -> None:
    named = dict(model.named_parameters(remove_duplicate=False))
    for name in picked.head:
        named[name].requires_grad_(True)
    for _, projection in picked.chosen if weights else ():
        named[projection.weight].requires_grad_(True)
        if projection.bias is not None:
            named[projection.bias].requires_grad_(True)


def _refuse_quantised(model: nn.Module) -> None:
    for name, parameter in model.named_parameters():
        if not parameter.is_floating_point():
            raise ValueError(
                f"{name} is stored as {parameter.dtype}, which cannot be trained in full; use "
                "method='lora', or load the model in float32 or bfloat16"
            )


def _restore_modes(model: nn.Module, modes: Mapping[str, bool]) -> None:
    for name, module in model.named_modules():
        while name not in modes:
            name = name.rpartition(".")[0]
        module.training = modes[name]
