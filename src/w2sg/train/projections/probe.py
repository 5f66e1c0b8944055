"""Which outputs of a projection are queries, keys or values, told from gradients."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from w2sg.train.projections.find import find_attention
from w2sg.train.projections.sites import Attention, Layout, Projection

TOKENS = 5


@dataclass(frozen=True)
class Check:
    """The map of one projection beside what the gradients say.

    Attributes:
        module: Full name of the module.
        mapped: ``(role, outputs)`` runs according to the map.
        probed: The same according to the probe.
    """

    module: str
    mapped: tuple[tuple[str, int], ...]
    probed: tuple[tuple[str, int], ...]

    @property
    def agrees(self) -> bool:
        """Whether map and probe are equal, output by output."""
        return self.mapped == self.probed


@dataclass
class _Trace:
    """The outputs of the watched modules in one forward call, first call of each only."""

    outputs: dict[str, Tensor] = field(default_factory=dict)
    results: dict[str, Tensor] = field(default_factory=dict)


def verify_layouts(model: nn.Module, inputs: Mapping[str, Any] | None = None) -> list[Check]:
    """Return map and probe of every projection of Q, K and V that can be probed.

    Not probed are weights that K and V share, the first factor of low-rank queries, and
    projections that belong to no module of their own.

    Args:
        model: A transformers model with real or random weights.
        inputs: Keyword arguments of one forward call: at least three tokens, no padding, one
            example; made from the configuration if ``None``.

    Raises:
        ValueError: No inputs can be made, or the gradients do not tell the roles apart.

    >>> from transformers import GPT2Config, GPT2Model
    >>> small = GPT2Config(n_embd=8, n_layer=1, n_head=2, vocab_size=10, n_positions=8)
    >>> verify_layouts(GPT2Model(small).double())[0].probed
    (('q', 8), ('k', 8), ('v', 8))
    """
    sites = find_attention(model, inputs)
    watched: dict[str, str] = {}
    mapped: dict[str, tuple[str, ...]] = {}
    for site in sites:
        for p in _probeable(site):
            watched[p.module] = site.name
            labels = p.layout.labels if p.layout else (p.role,) * p.n_out
            mapped[p.module] = labels
    probed = probe_labels(model, watched, inputs)
    return [Check(m, _runs(mapped[m]), _runs(probed[m])) for m in watched]


def probe_layout(model: nn.Module, module: str, inputs: Mapping[str, Any] | None = None) -> Layout:
    """Return how the outputs of one fused projection are divided, from gradients alone.

    Args:
        model: A transformers model with real or random weights.
        module: Full name of the fused projection; its parent is the attention module.
        inputs: As for ``verify_layouts``.

    Raises:
        ValueError: The roles cannot be told apart, or follow no regular layout.
    """
    labels = probe_labels(model, {module: module.rpartition(".")[0]}, inputs)[module]
    layout = Layout.from_labels(labels)
    if layout is None or {"q", "k", "v"} - {role for role, _ in layout.parts}:
        raise ValueError(
            f"{module}: the gradients give the roles {_runs(labels)[:8]}, which is no regular "
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
        inputs: As for ``verify_layouts``.

    Raises:
        ValueError: An output has no gradient, or a module was not reached.

    Source: derived; the reading of (1) needs a softmax without a sink.
    """
    kwargs = dict(inputs) if inputs is not None else _made_inputs(model)
    plain = _run(model, watched, kwargs, same=False)
    same = _run(model, watched, kwargs, same=True)
    seen = {
        module: _gradients(module, attention, plain, same, sorted(kwargs))
        for module, attention in watched.items()
    }
    scale: dict[str, float] = {}
    for module, attention in watched.items():
        largest = float(seen[module].alone.max())
        scale[attention] = max(scale.get(attention, 0.0), largest)
    return {m: _labels(m, seen[m], scale[attention]) for m, attention in watched.items()}


@dataclass(frozen=True)
class _Gradients:
    """Largest gradient of each output: own loss; last token's loss at the first token; same y."""

    own: Tensor
    across: Tensor
    alone: Tensor
    tokens: int


def _gradients(
    module: str, attention: str, plain: _Trace, same: _Trace, given: list[str]
) -> _Gradients:
    if module not in plain.outputs or attention not in plain.results:
        raise ValueError(f"{module} was not reached by the inputs {given}; pass others as inputs=…")

    def gradient(trace: _Trace, *, at_last: bool) -> Tensor:
        y, a = trace.outputs[module], trace.results[attention]
        noise = _loss_weights(a)
        if at_last:
            axis = _token_axis(a)
            last = torch.arange(a.shape[axis], device=a.device) == a.shape[axis] - 1
            noise = noise * last.reshape([-1 if i == axis else 1 for i in range(a.ndim)])
        return torch.autograd.grad((a * noise).sum(), y, retain_graph=True)[0].abs()

    def by_output(found: Tensor) -> Tensor:
        return found.flatten(0, -2).amax(0) if found.ndim > 1 else found

    across = gradient(plain, at_last=True)
    first = across.select(_token_axis(across), 0)
    return _Gradients(
        by_output(gradient(plain, at_last=False)),
        by_output(first),
        by_output(gradient(same, at_last=False)),
        across.shape[_token_axis(across)],
    )


def _loss_weights(a: Tensor) -> Tensor:
    """Return weights of an output, positive over tokens, so that they cannot cancel in a sum."""
    generator = torch.Generator().manual_seed(0)
    axis = _token_axis(a)
    over_tokens = 0.5 + torch.rand(a.shape[axis], generator=generator)
    features = 0.5 + torch.rand(a.shape[-1], generator=generator)
    features *= torch.randint(0, 2, features.shape, generator=generator) * 2 - 1
    shape = [-1 if i == axis else 1 for i in range(a.ndim)]
    return (over_tokens.reshape(shape) * features).expand(a.shape).to(a)


def _labels(module: str, seen: _Gradients, scale: float) -> tuple[str, ...]:
    if not (seen.own > 0).all():
        dead = int((seen.own <= 0).sum())
        raise ValueError(
            f"{module}: {dead} of {len(seen.own)} outputs have no gradient, so their role cannot "
            "be told; random weights of standard deviation 0.1 in float64 avoid this"
        )
    # Some softmaxes run in float32 whatever the weights are. What their round-off leaves of Q's
    # and K's gradient is small beside that of V, and beside their own with differing tokens.
    precision = max(torch.finfo(seen.own.dtype).eps, torch.finfo(torch.float32).eps)
    floor = min(100 * precision, precision**0.5)
    valued = (seen.alone > floor * scale) & (seen.alone > 0.01 / seen.tokens * seen.own)
    names = {(True, True): "v", (True, False): "gate", (False, True): "k", (False, False): "q"}
    reached = seen.across > 0
    return tuple(names[bool(v), bool(r)] for v, r in zip(valued, reached, strict=True))


def _run(
    model: nn.Module, watched: Mapping[str, str], kwargs: Mapping[str, Any], *, same: bool
) -> _Trace:
    trace = _Trace()

    def cut(name: str) -> Any:
        def hook(module: nn.Module, args: Any, output: Tensor) -> Tensor | None:
            if name in trace.outputs:
                return None
            y = output.detach()
            if same:
                axis = _token_axis(y)
                y = y.narrow(axis, 0, 1).expand_as(y)
            trace.outputs[name] = y.clone().requires_grad_(True)
            return trace.outputs[name]

        return hook

    def keep(name: str) -> Any:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            first = output if isinstance(output, Tensor) else output[0]
            trace.results.setdefault(name, first)

        return hook

    handles = [model.get_submodule(n).register_forward_hook(cut(n)) for n in watched]
    handles += [
        model.get_submodule(n).register_forward_hook(keep(n)) for n in set(watched.values())
    ]
    try:
        with _evaluating(model), torch.enable_grad():
            _body(model)(**kwargs)
    finally:
        for handle in handles:
            handle.remove()
    return trace


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


def _probeable(site: Attention) -> Sequence[Projection]:
    chosen = [group[-1] for role, group in site.roles.items() if role in ("q", "k", "v")]
    return [p for p in {p.module: p for p in chosen}.values() if p.splittable]


def _token_axis(x: Tensor) -> int:
    axis = x.ndim - 2
    return axis if x.shape[axis] > 1 or axis == 0 else 0


def _runs(labels: Sequence[str]) -> tuple[tuple[str, int], ...]:
    runs: list[tuple[str, int]] = []
    for label in labels:
        if runs and runs[-1][0] == label:
            runs[-1] = (label, runs[-1][1] + 1)
        else:
            runs.append((label, 1))
    return tuple(runs)
