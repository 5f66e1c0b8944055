"""How much faster V may learn than Q, read from one model and one batch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import exp, log, sqrt
from typing import Any

import torch
from torch import Tensor, nn

from w2sg.train.attention import Attention, Projection, find_attention

RULES = ("sqrt_head_dim", "gradient", "feature")
RELATIVE_STEP = 1e-3


@dataclass(frozen=True)
class SuggestedRatio:
    """A proposal for η_V / η_Q; a start for a grid that contains 1, not a result.

    Attributes:
        ratio: The proposal, the geometric mean over layers.
        rule: The rule it follows.
        by_layer: The same per attention layer that has both Q and V.
    """

    ratio: float
    rule: str
    by_layer: tuple[float, ...]

    def __float__(self) -> float:
        """Return the ratio."""
        return self.ratio


def suggest_ratio(
    model: nn.Module,
    batch: Mapping[str, Any] | None = None,
    rule: str = "sqrt_head_dim",
    *,
    loss: Callable[[Any], Tensor] | None = None,
    prefactor: float = 0.25,
) -> SuggestedRatio:
    """Return a ratio of V's learning rate to Q's, by one of three rules that can disagree.

    * ``sqrt_head_dim``: ``prefactor · √d_h``. An Adam step on W_q or W_k changes the head's output
      by Θ(η n √d_h), one on W_v by Θ(η n), so equal changes need η_V/η_Q = Θ(√d_h). The prefactor
      is a heuristic: 0.23 was measured on Gaussian heads.
    * ``gradient``: ``‖∂L/∂W_q‖₁ / ‖∂L/∂W_v‖₁``. To first order an Adam step of size η lowers the
      loss by η times that norm; the ratio makes the two decreases equal. It is often below 1.
    * ``feature``: the change of the layer's output by a small Adam step on W_q over that by the
      same step on W_v, measured on the batch; the ratio makes the two changes equal.

    Args:
        model: A model without adapters; its weights, mode and gradients stay as they are.
        batch: Keywords of one forward call, labels included; not needed for the first rule.
        rule: ``"sqrt_head_dim"``, ``"gradient"`` or ``"feature"``.
        loss: Takes the model's output to a scalar; its ``.loss`` if ``None``.
        prefactor: Factor of the first rule, positive.

    Raises:
        ValueError: The rule is unknown, a batch or a loss is missing, or no layer has Q and V.

    Source: derived (section 2.5 of the note); the paper's Theorem 2 has another order.

    >>> from transformers import BertConfig, BertModel
    >>> small = BertConfig(hidden_size=128, num_hidden_layers=1, num_attention_heads=2,
    ...                    intermediate_size=8, vocab_size=10)
    >>> suggest_ratio(BertModel(small)).ratio
    2.0
    """
    if rule not in RULES:
        raise ValueError(f"rule must be one of {', '.join(RULES)}, got {rule!r}")
    sites = [s for s in find_attention(model) if "q" in s.roles and "v" in s.roles]
    if not sites:
        raise ValueError("no attention layer has a W_q and a W_v of its own")
    if rule == "sqrt_head_dim":
        if not prefactor > 0:
            raise ValueError(f"prefactor must be positive, got {prefactor}")
        ratios = [prefactor * sqrt(site.head_dim) for site in sites]
        return _suggested(rule, ratios)
    if batch is None:
        raise ValueError(f"rule {rule!r} measures on a batch; pass batch={{...}} with labels")
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    try:
        gradients = _gradients(model, batch, sites, loss)
        if rule == "gradient":
            ratios = [_norm(gradients, s, "q") / _norm(gradients, s, "v") for s in sites]
        else:
            ratios = [_feature(model, batch, site, gradients) for site in sites]
    finally:
        for module, mode in modes:
            module.training = mode
    return _suggested(rule, ratios)


def _suggested(rule: str, ratios: Sequence[float]) -> SuggestedRatio:
    if not all(0 < r < float("inf") for r in ratios):
        raise ValueError(
            f"rule {rule!r} gives {list(ratios)}: Q or V has no gradient on this batch; use a "
            "batch with several tokens and labels that the model does not already fit"
        )
    mean = exp(sum(log(r) for r in ratios) / len(ratios))
    return SuggestedRatio(mean, rule, tuple(ratios))


def _gradients(
    model: nn.Module,
    batch: Mapping[str, Any],
    sites: Sequence[Attention],
    loss: Callable[[Any], Tensor] | None,
) -> dict[str, Tensor]:
    named = dict(model.named_parameters(remove_duplicate=False))
    names = list(dict.fromkeys(p.weight for s in sites for r in "qv" for p in s.roles[r]))
    frozen = [named[n] for n in names if not named[n].requires_grad]
    for parameter in frozen:
        parameter.requires_grad_(True)
    try:
        with torch.enable_grad():
            output = model(**batch)
            value = loss(output) if loss is not None else getattr(output, "loss", None)
            if value is None:
                raise ValueError(
                    "the model's output has no loss; put labels into batch, or pass loss=…"
                )
            found = torch.autograd.grad(value, [named[n] for n in names])
    finally:
        for parameter in frozen:
            parameter.requires_grad_(False)
    return dict(zip(names, found, strict=True))


def _norm(gradients: Mapping[str, Tensor], site: Attention, role: str) -> float:
    parts = (_rows(gradients[p.weight], p) for p in site.roles[role])
    return sum(float(part.abs().sum()) for part in parts)


def _feature(
    model: nn.Module, batch: Mapping[str, Any], site: Attention, gradients: Mapping[str, Tensor]
) -> float:
    named = dict(model.named_parameters(remove_duplicate=False))
    weights = [_rows(named[p.weight].detach(), p) for r in "qv" for p in site.roles[r]]
    step = RELATIVE_STEP * float(torch.cat([w.flatten() for w in weights]).std())
    before = _heads_output(model, batch, site)
    change = {}
    for role in "qv":
        kept = {p.weight: named[p.weight].detach().clone() for p in site.roles[role]}
        with torch.no_grad():
            for p in site.roles[role]:
                rows = torch.zeros_like(kept[p.weight])
                _assign(rows, p, _rows(gradients[p.weight], p).sign())
                named[p.weight].sub_(step * rows)
        try:
            change[role] = float((_heads_output(model, batch, site) - before).double().norm())
        finally:
            with torch.no_grad():
                for name, value in kept.items():
                    named[name].copy_(value)
    return change["q"] / change["v"] if change["v"] else float("inf")


def _heads_output(model: nn.Module, batch: Mapping[str, Any], site: Attention) -> Tensor:
    """Return what the heads of one layer hand to W_o, or the layer's output if W_o is unknown."""
    caught: list[Tensor] = []

    def before_output(module: nn.Module, args: tuple[Any, ...]) -> None:
        caught.append(args[0])

    def after_layer(module: nn.Module, args: Any, output: Any) -> None:
        caught.append(output if isinstance(output, Tensor) else output[0])

    if "o" in site.roles:
        target = model.get_submodule(site.roles["o"][0].module)
        handle = target.register_forward_pre_hook(before_output)
    else:
        handle = model.get_submodule(site.name).register_forward_hook(after_layer)
    try:
        with torch.no_grad():
            model(**batch)
    finally:
        handle.remove()
    return caught[0]


def _rows(weight: Tensor, p: Projection) -> Tensor:
    rows = p.rows
    index = rows if isinstance(rows, slice) else list(rows)
    return weight[index] if p.output_axis == 0 else weight[:, index]


def _assign(weight: Tensor, p: Projection, value: Tensor) -> None:
    rows = p.rows
    index = rows if isinstance(rows, slice) else list(rows)
    if p.output_axis == 0:
        weight[index] = value
    else:
        weight[:, index] = value
