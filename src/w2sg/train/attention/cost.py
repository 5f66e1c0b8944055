"""What a choice of roles costs: parameters, bytes of training state, floating-point operations."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

from torch import nn

from w2sg.train.attention.layout import Attention, Projection
from w2sg.train.attention.select import Selection, select

METHODS = ("full", "lora", "rslora", "dora", "pissa", "olora", "ia3")
OPTIMIZERS = ("adamw", "adamw_8bit", "sgd")
# bitsandbytes keeps small tensors in float32, and two scales of four bytes per block of the rest.
SMALL_8BIT, BLOCK_8BIT = 4096, 256


@dataclass(frozen=True)
class RoleCount:
    """The parameters of one role in one attention layer.

    Attributes:
        stack: Name of the stack of layers.
        layer: Position in it.
        kind: ``self``, ``cross`` or ``global``.
        role: The role.
        parameters: Weights and biases of the role.
        trainable: How many numbers train there: those parameters, an adapter's, or none.
        dead: How many of the trainable numbers cannot change the layer's output.
    """

    stack: str
    layer: int
    kind: str
    role: str
    parameters: int
    trainable: int
    dead: int


@dataclass(frozen=True)
class Summary:
    """What trains under a choice of roles.

    Attributes:
        roles: The roles.
        method: ``full`` or an adapter's name.
        total: Parameters of the model, shared ones once, without adapters.
        trainable: Numbers that train, adapters and the head included, each once.
        head: Parameters of the task head.
        rows: One count per role and layer.
    """

    roles: tuple[str, ...]
    method: str
    total: int
    trainable: int
    head: int
    rows: tuple[RoleCount, ...]

    @property
    def by_role(self) -> dict[str, int]:
        """Trainable numbers per role, over all layers."""
        sums: dict[str, int] = {}
        for row in self.rows:
            sums[row.role] = sums.get(row.role, 0) + row.trainable
        return sums

    @property
    def by_layer(self) -> dict[tuple[str, int, str], int]:
        """Trainable numbers per ``(stack, layer, kind)``, over the roles."""
        sums: dict[tuple[str, int, str], int] = {}
        for row in self.rows:
            key = (row.stack, row.layer, row.kind)
            sums[key] = sums.get(key, 0) + row.trainable
        return sums

    @property
    def dead(self) -> int:
        """Trainable numbers without effect: key biases where nothing else depends on the key."""
        return sum(row.dead for row in self.rows)


@dataclass(frozen=True)
class Memory:
    """Bytes that stay allocated in training, activations not included.

    Attributes:
        weights: Of all parameters, adapters included.
        gradients: Of the trainable ones.
        optimizer: Of the optimizer's state.
    """

    weights: int
    gradients: int
    optimizer: int

    @property
    def total(self) -> int:
        """The sum of the three."""
        return self.weights + self.gradients + self.optimizer


@dataclass(frozen=True)
class Flops:
    """Floating-point operations of one training step, per token.

    Attributes:
        forward: Of the forward pass.
        to_inputs: Of the gradients with respect to activations.
        to_weights: Of the gradients with respect to trainable weights.
    """

    forward: int
    to_inputs: int
    to_weights: int

    @property
    def total(self) -> int:
        """The sum of the three."""
        return self.forward + self.to_inputs + self.to_weights


def summary(
    model: nn.Module,
    roles: str | Iterable[str] = "qv",
    *,
    layers: Collection[int] | None = None,
    kinds: Collection[str] | None = None,
    head: Collection[str] | None = None,
    shared_kv: str = "error",
    method: str = "full",
    rank: int | Mapping[str, int] = 8,
) -> Summary:
    """Return how many parameters a choice of roles trains, without changing the model.

    Full: weights and biases of the role. LoRA of rank r on a projection with ``n_in`` inputs and
    ``n_out`` outputs: ``r (n_in + n_out)``; DoRA adds ``n_out``; IA³ has ``n_out`` alone.

    Args:
        model: A model without adapters, on any device; the meta device will do.
        roles: As for ``policies.apply``, and so are the next four.
        layers: Positions in each stack.
        kinds: Of ``self``, ``cross`` and ``global``.
        head: Prefixes of the head's parameter names.
        shared_kv: For layers whose keys serve as values.
        method: ``"full"`` or an adapter's name.
        rank: Rank of the adapters, one or one per role.

    Source: exact counts; section 2.6 of the note for the dead key biases (derived).

    >>> from transformers import BertConfig, BertForSequenceClassification
    >>> small = BertConfig(hidden_size=8, num_hidden_layers=2, num_attention_heads=2,
    ...                    intermediate_size=8, vocab_size=10)
    >>> counts = summary(BertForSequenceClassification(small), "qv")
    >>> counts.trainable == 2 * 2 * (8 * 8 + 8) + counts.head
    True
    """
    _known("method", method, METHODS)
    picked = select(model, roles, layers=layers, kinds=kinds, head=head, shared_kv=shared_kv)
    sizes = {n: p.numel() for n, p in model.named_parameters()}
    total = sum(sizes.values())
    tail = sum(sizes[n] for n in picked.head)
    everything = picked.roles == ("full",)
    chosen = {(s.name, s.kind, p.role, p.weight) for s, p in picked.chosen}
    rows = tuple(
        _row(
            site, p, everything or (site.name, site.kind, p.role, p.weight) in chosen, method, rank
        )
        for site in picked.sites
        for group in site.roles.values()
        for p in group
    )
    trainable = total if everything else tail + sum(row.trainable for row in rows)
    return Summary(picked.roles, method, total, trainable, tail, rows)


def memory_estimate(
    model: nn.Module,
    roles: str | Iterable[str] = "qv",
    *,
    optimizer: str = "adamw",
    method: str = "full",
    rank: int | Mapping[str, int] = 8,
    **choice: Any,
) -> Memory:
    """Return the bytes of weights, gradients and optimizer state, each in the weights' precision.

    AdamW keeps two numbers per trainable one. Its 8-bit form keeps two bytes and 8 bytes per
    block of 256, but full float32 for tensors under 4,096 numbers. Plain SGD keeps nothing.

    Args:
        model: A model without adapters, on any device; the meta device will do.
        roles: As for ``summary``, and so is ``choice``.
        optimizer: ``"adamw"``, ``"adamw_8bit"`` or ``"sgd"``.
        method: ``"full"`` or an adapter's name.
        rank: Rank of the adapters, one or one per role.
        **choice: ``layers``, ``kinds``, ``head`` or ``shared_kv``.

    Source: derived; the 8-bit rule as in bitsandbytes 0.50.

    >>> from transformers import BertConfig, BertForSequenceClassification
    >>> small = BertConfig(hidden_size=8, num_hidden_layers=2, num_attention_heads=2,
    ...                    intermediate_size=8, vocab_size=10)
    >>> memory_estimate(BertForSequenceClassification(small), "qv").optimizer
    2448
    """
    _known("optimizer", optimizer, OPTIMIZERS)
    _known("method", method, METHODS)
    picked = select(model, roles, **choice)
    named = dict(model.named_parameters())
    weights = sum(p.numel() * p.element_size() for p in named.values())
    tensors = list(_tensors(picked, named, method, rank))
    gradients = sum(n * width for n, width in tensors)
    added = 0 if method == "full" else gradients - sum(
        named[n].numel() * named[n].element_size() for n in picked.head
    )  # fmt: skip
    state = sum(_state_bytes(n, width, optimizer) for n, width in tensors)
    return Memory(weights + added, gradients, state)


def flops_estimate(
    model: nn.Module,
    roles: str | Iterable[str] = "qv",
    *,
    tokens: int = 128,
    method: str = "full",
    rank: int | Mapping[str, int] = 8,
    **choice: Any,
) -> Flops:
    """Return the operations of one training step per token, multiplications and additions apart.

    A linear layer with P weights takes 2P forward, 2P for the gradient of its input where
    something below it trains, 2P for the gradient of its weights where they train; attention
    scores and their use take 4·T·H·d_h forward and twice that backward. Embeddings, norms and
    activations count nothing.

    Args:
        model: A model without adapters, on any device. Layers used several times (ALBERT) and
            experts used for some tokens only are counted once, as if each served every token.
        roles: As for ``summary``, and so is ``choice``.
        tokens: Tokens per example, T, at least 1.
        method: ``"full"`` or an adapter's name.
        rank: Rank of the adapters, one or one per role.
        **choice: ``layers``, ``kinds``, ``head`` or ``shared_kv``.

    Source: derived.

    >>> from transformers import BertConfig, BertForSequenceClassification
    >>> small = BertConfig(hidden_size=8, num_hidden_layers=2, num_attention_heads=2,
    ...                    intermediate_size=8, vocab_size=10)
    >>> model = BertForSequenceClassification(small)
    >>> flops_estimate(model, "qv").total < flops_estimate(model, "full").total
    True
    """
    if tokens < 1:
        raise ValueError(f"tokens must be at least 1, got {tokens}")
    _known("method", method, METHODS)
    picked = select(model, roles, **choice)
    linear = _linear_weights(model)
    order = {name: i for i, name in enumerate(linear)}
    cut = _lowest(picked, order)
    size = sum(linear.values())
    above = sum(n for name, n in linear.items() if order[name] > cut)
    # Each pair of products (scores, and their use) has two input gradients of the same size.
    pairs = [(s, 4 * tokens * s.heads * s.head_dim) for s in picked.sites]
    scores = sum(n for _, n in pairs)
    scores_back = sum(2 * n for s, n in pairs if _position(s, order) >= cut)
    if picked.roles == ("full",):
        trained, added = size, 0
    else:
        tail = sum(n for name, n in linear.items() if f"{name}.weight" in picked.head)
        body = sum(p.n_in * p.n_out for _, p in picked.chosen) if method == "full" else 0
        trained = tail + body
        added = (
            0
            if method in ("full", "ia3")
            else sum(_rank(rank, p.role) * (p.n_in + p.n_out) for _, p in picked.chosen)
        )
    return Flops(
        forward=2 * (size + added) + scores,
        to_inputs=2 * (above + added) + scores_back,
        to_weights=2 * (trained + added),
    )


def _row(
    site: Attention,
    p: Projection,
    trains: bool,
    method: str,
    rank: int | Mapping[str, int],
) -> RoleCount:
    trainable = _trainable(p, method, rank) if trains else 0
    dead = p.role == "k" and site.key_bias_is_dead and p.bias is not None and method == "full"
    return RoleCount(
        site.stack,
        site.layer,
        site.kind,
        p.role,
        p.parameters,
        trainable,
        p.n_out if dead and trains else 0,
    )


def _trainable(p: Projection, method: str, rank: int | Mapping[str, int]) -> int:
    if method == "full":
        return p.parameters
    if method == "ia3":
        return p.n_out
    return _rank(rank, p.role) * (p.n_in + p.n_out) + p.n_out * (method == "dora")


def _tensors(
    picked: Selection, named: Mapping[str, nn.Parameter], method: str, rank: int | Mapping[str, int]
) -> Iterable[tuple[int, int]]:
    """Yield the size and the bytes per number of each trainable tensor."""
    if picked.roles == ("full",):
        yield from ((p.numel(), p.element_size()) for p in named.values())
        return
    yield from ((named[n].numel(), named[n].element_size()) for n in picked.head)
    for _, p in picked.chosen:
        width = named[p.weight].element_size()
        if method == "full":
            yield p.n_in * p.n_out, width
        elif method != "ia3":
            yield _rank(rank, p.role) * p.n_in, width
            yield _rank(rank, p.role) * p.n_out, width
        if method in ("dora", "ia3") or (method == "full" and p.bias is not None):
            yield p.n_out, width


def _state_bytes(numbers: int, width: int, optimizer: str) -> int:
    if optimizer == "sgd":
        return 0
    if optimizer == "adamw_8bit":
        if numbers < SMALL_8BIT:
            return 8 * numbers
        return 2 * numbers + 8 * ceil(numbers / BLOCK_8BIT)
    return 2 * width * numbers


def _linear_weights(model: nn.Module) -> dict[str, int]:
    modules: dict[str, Any] = dict(model.named_modules())
    return {
        name: module.weight.numel()
        for name, module in modules.items()
        if isinstance(module, nn.Linear) or type(module).__name__ == "Conv1D"
    }


def _lowest(picked: Selection, order: Mapping[str, int]) -> int:
    """Return the position of the last layer below which no gradient has to go."""
    if picked.roles == ("full",):
        return -1
    if not picked.chosen:
        return min(order[m] for m in {n.rpartition(".")[0] for n in picked.head} if m in order)
    return min(_position(site, order) for site, _ in picked.chosen)


def _position(site: Attention, order: Mapping[str, int]) -> int:
    inner = (p.module for role, group in site.roles.items() if role != "o" for p in group)
    return max((order.get(module, -1) for module in inner), default=-1)


def _rank(rank: int | Mapping[str, int], role: str) -> int:
    return rank[role] if isinstance(rank, Mapping) else rank


def _known(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")
