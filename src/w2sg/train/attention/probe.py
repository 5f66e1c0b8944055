"""Which outputs of a projection are queries, keys or values, told from gradients."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from w2sg.train.attention.layout import Layout

TOKENS = 5
DRAWS = 3


@dataclass(frozen=True)
class _Call:
    """One call of an attention module: a copy of it in float64, and its arguments likewise."""

    module: nn.Module
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


@dataclass(frozen=True)
class _Gradients:
    """Largest gradient of each output: own loss; last token's loss at the first token; same y."""

    own: Tensor
    across: Tensor
    alone: Tensor


def probe_layout(model: nn.Module, module: str, inputs: Mapping[str, Any] | None = None) -> Layout:
    """Return how the outputs of one fused projection are divided, from gradients alone.

    Args:
        model: A transformers model with real or random weights.
        module: Full name of the fused projection; its parent is the attention module.
        inputs: Keyword arguments of one forward call: at least three tokens, no padding, one
            example; made from the configuration if ``None``.

    Raises:
        ValueError: The roles cannot be told apart, or follow no regular layout.
    """
    if any(p.is_meta for p in model.get_submodule(module).parameters()):
        raise ValueError(
            f"{module} has a layout that is not known by name, and the meta device has no "
            "gradients to tell it by; find it once in a small model of the same class"
        )
    labels = probe_labels(model, {module: module.rpartition(".")[0]}, inputs)[module]
    layout = Layout.from_labels(labels)
    if layout is None or {"q", "k", "v"} - {role for role, _ in layout.parts}:
        raise ValueError(
            f"{module}: the gradients give the roles {runs(labels)[:8]}, which is no regular "
            "layout of q, k and v; this architecture is not supported"
        )
    return layout


def probe_labels(
    model: nn.Module, watched: Mapping[str, str], inputs: Mapping[str, Any] | None = None
) -> dict[str, tuple[str, ...]]:
    """Return the role of each output of the watched projections.

    Let y be a projection's outputs, a the output of its attention layer. (1) With y the same at
    every token, softmax weights do not matter: only V (and a gate) has ∂a/∂y ≠ 0. (2) The loss at
    the last token reaches y at the first token through K and V alone. Hence V = (1) and (2),
    gate = (1) only, K = (2) only, Q = neither, if it has any gradient at all.

    Args:
        model: A transformers model.
        watched: Full name of each projection, and of its attention module.
        inputs: As for ``probe_layout``.

    Raises:
        ValueError: An output has no gradient, or a module was not reached.

    Source: derived; the reading of (1) needs a softmax without a sink.
    """
    kwargs = dict(inputs) if inputs is not None else _made_inputs(model)
    calls = _recorded_calls(model, set(watched.values()), kwargs)
    labels: dict[str, tuple[str, ...]] = {}
    for attention in dict.fromkeys(watched.values()):
        if attention not in calls:
            raise ValueError(
                f"{attention} was not reached by the inputs {sorted(kwargs)}; pass others as "
                "inputs={...}"
            )
        leaves = {
            module: module.removeprefix(f"{attention}.")
            for module, owner in watched.items()
            if owner == attention
        }
        seen = _gradients(calls[attention], list(leaves.values()))
        scale = max(float(s.alone.max()) for s in seen.values())
        labels.update({m: _labels(m, seen[leaf], scale) for m, leaf in leaves.items()})
    return {module: labels[module] for module in watched}


def _labels(module: str, seen: _Gradients, scale: float) -> tuple[str, ...]:
    if not (seen.own > 0).all():
        dead = int((seen.own <= 0).sum())
        raise ValueError(
            f"{module}: {dead} of {len(seen.own)} outputs have no gradient, so their role cannot "
            "be told; random weights of standard deviation 0.1 avoid this"
        )
    # Some softmaxes run in float32 whatever the weights are; their round-off is far below this.
    valued = seen.alone > 100 * torch.finfo(torch.float32).eps * scale
    names = {(True, True): "v", (True, False): "gate", (False, True): "k", (False, False): "q"}
    reached = seen.across > 0
    return tuple(names[bool(v), bool(r)] for v, r in zip(valued, reached, strict=True))


def _gradients(call: _Call, leaves: list[str]) -> dict[str, _Gradients]:
    plain, output = _cut(call, leaves, token=None)
    own = _by_output(_grad(output, plain, draw=0, at_last=False))
    across = _grad(output, plain, draw=0, at_last=True)
    first = _by_output({leaf: g.select(_token_axis(g), 0) for leaf, g in across.items()})
    # Several draws, so that no value is taken for zero because one draw happened to be small.
    alone: dict[str, Tensor] = {}
    for draw in range(DRAWS):
        same, output = _cut(call, leaves, token=draw)
        for leaf, found in _by_output(_grad(output, same, draw=draw, at_last=False)).items():
            alone[leaf] = torch.maximum(alone.get(leaf, found), found)
    return {leaf: _Gradients(own[leaf], first[leaf], alone[leaf]) for leaf in leaves}


def _grad(a: Tensor, outputs: dict[str, Tensor], *, draw: int, at_last: bool) -> dict[str, Tensor]:
    weights = _loss_weights(a, draw)
    if at_last:
        axis = _token_axis(a)
        last = torch.arange(a.shape[axis], device=a.device) == a.shape[axis] - 1
        weights = weights * last.reshape([-1 if i == axis else 1 for i in range(a.ndim)])
    found = torch.autograd.grad((a * weights).sum(), list(outputs.values()), retain_graph=True)
    return dict(zip(outputs, found, strict=True))


def _by_output(gradients: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        leaf: (g.flatten(0, -2).abs().amax(0) if g.ndim > 1 else g.abs())
        for leaf, g in gradients.items()
    }


def _loss_weights(a: Tensor, draw: int) -> Tensor:
    """Return weights of an output, positive over tokens, so that they cannot cancel in a sum."""
    generator = torch.Generator().manual_seed(draw)
    axis = _token_axis(a)
    over_tokens = 0.5 + torch.rand(a.shape[axis], generator=generator)
    features = 0.5 + torch.rand(a.shape[-1], generator=generator)
    features *= torch.randint(0, 2, features.shape, generator=generator) * 2 - 1
    shape = [-1 if i == axis else 1 for i in range(a.ndim)]
    return (over_tokens.reshape(shape) * features).expand(a.shape).to(a)


def _cut(call: _Call, leaves: list[str], *, token: int | None) -> tuple[dict[str, Tensor], Tensor]:
    """Return the projections' outputs as fresh variables, and the layer's output they lead to.

    With a token, the outputs are those of that token everywhere.
    """
    cut: dict[str, Tensor] = {}

    def hook_of(leaf: str) -> Any:
        def hook(module: nn.Module, args: Any, output: Tensor) -> Tensor | None:
            if leaf in cut:  # DeBERTa's projections serve relative positions in further calls
                return None
            y = output.detach()
            if token is not None:
                axis = _token_axis(y)
                y = y.narrow(axis, token % y.shape[axis], 1).expand_as(y)
            cut[leaf] = y.clone().requires_grad_(True)
            return cut[leaf]

        return hook

    handles = [call.module.get_submodule(n).register_forward_hook(hook_of(n)) for n in leaves]
    try:
        with torch.enable_grad():
            output = call.module(*call.args, **call.kwargs)
    finally:
        for handle in handles:
            handle.remove()
    return {leaf: cut[leaf] for leaf in leaves}, _tensor(output)


def _recorded_calls(
    model: nn.Module, attentions: set[str], kwargs: Mapping[str, Any]
) -> dict[str, _Call]:
    """Return the first call of each attention module in one forward call of the model."""
    calls: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {}

    def hook_of(name: str) -> Any:
        def hook(module: nn.Module, args: tuple[Any, ...], given: dict[str, Any]) -> None:
            calls.setdefault(name, (_in_double(args), _in_double(given)))

        return hook

    handles = [
        model.get_submodule(name).register_forward_pre_hook(hook_of(name), with_kwargs=True)
        for name in attentions
    ]
    try:
        with _evaluating(model), torch.no_grad():
            _body(model)(**kwargs)
    finally:
        for handle in handles:
            handle.remove()
    return {
        name: _Call(copy.deepcopy(model.get_submodule(name)).double().eval(), *call)
        for name, call in calls.items()
    }


def _in_double(value: Any) -> Any:
    """Return arguments with floating tensors in float64 and without a cache of earlier keys."""
    if isinstance(value, Tensor):
        return value.detach().double() if value.is_floating_point() else value
    if isinstance(value, dict):
        return {k: None if "past" in k else _in_double(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(_in_double(v) for v in value)
    return value


def _tensor(output: Any) -> Tensor:
    return output if isinstance(output, Tensor) else output[0]


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def _body(model: nn.Module) -> nn.Module:
    from transformers import PreTrainedModel

    owner = next((m for m in model.modules() if isinstance(m, PreTrainedModel)), None)
    return owner.base_model if owner is not None else model


def _made_inputs(model: nn.Module) -> dict[str, Any]:
    """Return one example without padding for the body of a transformers model."""
    body: Any = _body(model)
    config = getattr(body, "config", None)
    if config is None:
        raise ValueError(
            f"inputs cannot be made for {type(model).__name__}, which has no configuration; pass "
            "inputs={...} of one forward call"
        )
    device = next(model.parameters()).device
    dtype = next(p.dtype for p in model.parameters() if p.is_floating_point())
    text, image = (getattr(config, f"{kind}_config", None) for kind in ("text", "vision"))
    made: dict[str, Any] = {}
    wanted = getattr(body, "main_input_name", "input_ids")
    if wanted == "input_ids" or (text is not None and image is not None):
        size = getattr(text or config, "vocab_size", 8)
        special = {getattr(text or config, f"{n}_token_id", None) for n in ("pad", "bos", "eos")}
        plain = [i for i in range(size) if i not in special][:TOKENS]
        made["input_ids"] = torch.tensor([plain], device=device)
        if getattr(config, "is_encoder_decoder", False):
            made["decoder_input_ids"] = made["input_ids"].flip(1)
    if wanted == "pixel_values" or (text is not None and image is not None):
        side = (image or config).image_size
        sides = (side, side) if isinstance(side, int) else tuple(side)
        shape = (1, getattr(image or config, "num_channels", 3), *sides)
        noise = torch.randn(shape, generator=torch.Generator().manual_seed(1))
        made["pixel_values"] = noise.to(device, dtype)
    if not made:
        raise ValueError(
            f"inputs named {wanted!r} cannot be made for {type(body).__name__}; pass inputs={{...}}"
        )
    return made


def _token_axis(x: Tensor) -> int:
    axis = x.ndim - 2
    return axis if x.shape[axis] > 1 or axis == 0 else 0


def runs(labels: Sequence[str]) -> tuple[tuple[str, int], ...]:
    """Return labels as (label, how many in a row).

    >>> runs("qqk")
    (('q', 2), ('k', 1))
    """
    found: list[tuple[str, int]] = []
    for label in labels:
        if found and found[-1][0] == label:
            found[-1] = (label, found[-1][1] + 1)
        else:
            found.append((label, 1))
    return tuple(found)
