"""The task head: what a class adds to its pre-trained body."""

from typing import Any

from torch import nn

from w2sg.train.projections.sites import Attention


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
