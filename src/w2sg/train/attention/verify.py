"""The map of a model's projections beside what their gradients say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from w2sg.train.attention.find import find_attention
from w2sg.train.attention.layout import Attention, Projection
from w2sg.train.attention.probe import probe_labels, runs


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
    return [Check(m, runs(mapped[m]), runs(probed[m])) for m in watched]


def _probeable(site: Attention) -> Sequence[Projection]:
    chosen = [group[-1] for role, group in site.roles.items() if role in ("q", "k", "v")]
    return [p for p in {p.module: p for p in chosen}.values() if p.splittable]
