"""Which role every parameter of a prepared model plays, and how it is parameterised."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from w2sg.train.projections import Attention

ADAPTERS = {
    "lora_A": "A",
    "lora_B": "B",
    "lora_magnitude_vector": "magnitude",
    "ia3_l": "scale",
}


@dataclass(frozen=True)
class Label:
    """The place of one parameter in a policy.

    Attributes:
        role: ``q``, ``k``, ``v``, ``o``, ``gate``, ``kv``, ``fused`` (several roles at once),
            ``head`` or ``rest``.
        part: ``weight``, ``bias`` (or any other vector), or ``A``, ``B``, ``magnitude``,
            ``scale`` of an adapter.
    """

    role: str
    part: str

    @property
    def decays(self) -> bool:
        """Whether weight decay applies: to matrices, not to biases, norms and magnitudes."""
        return self.part in ("weight", "A", "B")


def label_parameters(
    model: nn.Module, sites: list[Attention], head: tuple[str, ...]
) -> dict[str, Label]:
    """Return the label of each parameter, by its present name.

    Args:
        model: The model, with splits and adapters in place.
        sites: What ``find_attention`` finds in it now.
        head: Names of the parameters of the task head.
    """
    modules: dict[str, str] = {}
    biases: dict[str, str] = {}
    for site in sites:
        for role, group in site.roles.items():
            for p in group:
                modules[p.module] = role if modules.get(p.module, role) == role else "fused"
                if p.bias and not p.bias.startswith(f"{p.module}."):
                    biases[p.bias] = role  # DeBERTa's q_bias and v_bias stand beside the module
    tail = set(head)
    return {
        name: Label(_role(name, tail, modules, biases), _part(name, p))
        for name, p in model.named_parameters()
    }


def _role(name: str, head: set[str], modules: Mapping[str, str], biases: Mapping[str, str]) -> str:
    if name in head:
        return "head"
    if name in biases:
        return biases[name]
    parent = name
    while parent:
        parent = parent.rpartition(".")[0]
        if parent in modules:
            return modules[parent]
    return "rest"


def _part(name: str, parameter: nn.Parameter) -> str:
    for key, part in ADAPTERS.items():
        if f".{key}." in name:
            return part
    return "weight" if parameter.ndim >= 2 else "bias"
