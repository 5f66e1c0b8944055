"""What is known about one attention layer: which rows of which parameter play which role."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby

ROLES = ("q", "k", "v", "o", "gate", "kv")


@dataclass(frozen=True)
class Layout:
    """How the outputs of one projection are divided among roles.

    The outputs are ``groups`` equal stretches; each stretch holds the ``parts`` in order.
    ``[Q, K, V]`` is one group; "per head q, k, v" has as many groups as heads.

    Attributes:
        groups: Number of equal stretches, at least 1.
        parts: ``(role, outputs per group)`` in order.

    >>> Layout(2, (("q", 1), ("k", 2))).labels
    ('q', 'k', 'k', 'q', 'k', 'k')
    """

    groups: int
    parts: tuple[tuple[str, int], ...]

    @property
    def width(self) -> int:
        """Number of outputs in all."""
        return self.groups * sum(size for _, size in self.parts)

    @property
    def labels(self) -> tuple[str, ...]:
        """The role of each output, in order."""
        return tuple(role for role, size in self.parts for _ in range(size)) * self.groups

    def rows(self, role: str) -> tuple[int, ...]:
        """Return the indices of the outputs that belong to a role.

        >>> Layout(2, (("q", 1), ("k", 2))).rows("k")
        (1, 2, 4, 5)
        """
        return tuple(i for i, label in enumerate(self.labels) if label == role)

    def count(self, role: str) -> int:
        """Return how many outputs belong to a role."""
        return self.groups * sum(size for name, size in self.parts if name == role)

    @classmethod
    def from_labels(cls, labels: tuple[str, ...]) -> "Layout | None":
        """Return the layout with most groups that spells these labels; ``None`` if there is none.

        A layout holds each role once per group, so ``q k q`` has none.

        >>> Layout.from_labels(("q", "v", "q", "v"))
        Layout(groups=2, parts=(('q', 1), ('v', 1)))
        """
        n = len(labels)
        for period in range(1, n + 1):
            if n % period or labels != labels[:period] * (n // period):
                continue
            parts = tuple((role, len(list(run))) for role, run in groupby(labels[:period]))
            if len({role for role, _ in parts}) == len(parts):
                return cls(n // period, parts)
            return None
        return None


@dataclass(frozen=True)
class Projection:
    """The parameters of one role in one attention layer.

    Attributes:
        role: ``q``, ``k``, ``v``, ``o``, ``gate`` (an output gate computed beside Q) or ``kv``
            (weights that K and V share).
        module: Full name of the module that holds the weight.
        weight: Full name of the weight.
        bias: Full name of the bias, or ``None``.
        output_axis: The axis of the weight that counts outputs: 0 as in ``nn.Linear``, 1 as in
            GPT-2's ``Conv1D``.
        n_in: Number of inputs.
        n_out: Number of outputs of this role.
        layout: How the module's outputs are shared with other roles; ``None`` if they are not.
        splittable: Whether the weight belongs to a module of its own, which can be replaced.
    """

    role: str
    module: str
    weight: str
    bias: str | None
    output_axis: int
    n_in: int
    n_out: int
    layout: Layout | None = None
    splittable: bool = True

    @property
    def rows(self) -> slice | tuple[int, ...]:
        """Where this role sits along the output axis: a slice where it is one stretch."""
        if self.layout is None:
            return slice(0, self.n_out)
        rows = self.layout.rows(self.role)
        if rows and rows[-1] - rows[0] + 1 == len(rows):
            return slice(rows[0], rows[-1] + 1)
        return rows

    @property
    def parameters(self) -> int:
        """Number of weights and biases of this role."""
        return self.n_out * (self.n_in + (self.bias is not None))


@dataclass(frozen=True)
class Attention:
    """One attention layer of a model.

    Attributes:
        name: Full name of the module that holds the projections.
        stack: Name of the stack of layers it belongs to, ``encoder`` or ``decoder.block``.
        layer: Position in that stack, from 0.
        kind: ``self``, ``cross``, or ``global`` (the second set of projections in Longformer).
        heads: Number of query heads.
        kv_heads: Number of key and value heads; fewer than ``heads`` under grouped queries.
        head_dim: Width of one head.
        rotary: Whether positions enter by rotating queries and keys.
        relative: Whether positions enter the scores through products with keys (DeBERTa).
        roles: The projections of each role; Q has two in low-rank (multi-head latent) attention.
    """

    name: str
    stack: str
    layer: int
    kind: str
    heads: int
    kv_heads: int
    head_dim: int
    rotary: bool
    relative: bool
    roles: Mapping[str, tuple[Projection, ...]]

    @property
    def fused(self) -> bool:
        """Whether some module serves more than one role."""
        return any(p.layout is not None for group in self.roles.values() for p in group)

    @property
    def key_bias_is_dead(self) -> bool:
        """Whether a key bias leaves the layer's output unchanged.

        A constant added to every key shifts a row of the scores by a constant, which the softmax
        removes, unless positions rotate the key or multiply it.
        """
        return not (self.rotary or self.relative)
