"""Losses by the name that a spec writes: ``ce``, ``symmetric:1:0.1``, ``ce+0.1*entropy``."""

import difflib
import inspect
import math
import re
from collections.abc import Callable
from importlib import import_module

from w2sg.losses.loss import Loss, weighted_sum

# name → module of this package, loaded when a loss of it is asked for
LOSSES = {
    **dict.fromkeys(
        ("ce", "reverse_ce", "forward_kl", "reverse_kl", "symmetric", "entropy"), "entropies"
    ),
    **dict.fromkeys(("cace", "confidence", "bootstrap", "product", "gce"), "adaptive"),
    **dict.fromkeys(("squared", "squared_error", "bregman"), "divergences"),
}


def names() -> tuple[str, ...]:
    """Return the names that `get` knows, without their parameters.

    >>> "reverse_ce" in names()
    True
    """
    return tuple(LOSSES)


def get(name: str) -> Loss:
    """Return the loss that a spec names.

    A name is followed by its parameters, separated by colons, by position or as ``field=value``;
    several losses are added by ``+``, each with an optional ``weight*`` before it. The ``name`` of
    what is returned is canonical: two spellings of one loss give one name.

    Args:
        name: For example ``ce``, ``reverse_ce:smoothing=0.01``, ``symmetric:1:0.1``, ``cace:0.1``,
            ``cace:quantile=0.5``, ``confidence:0.5:schedule=openai``, ``bregman:itakura_saito``,
            ``ce+0.1*entropy``.

    Raises:
        ValueError: An unknown name or parameter, or a value the loss refuses.

    >>> get("symmetric:1.0:0.10").name
    'symmetric:1:0.1'
    >>> get("focal")
    Traceback (most recent call last):
    ...
    ValueError: no loss is called 'focal'; known are ce, reverse_ce, forward_kl, ...
    """
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f"a loss is named by a text such as 'ce', got {name!r}")
    parts = [_part(text.strip(), name) for text in re.split(r"(?<!\d[eE])\+", name)]
    if len(parts) == 1 and parts[0][0] == 1.0:
        return parts[0][1]
    written = "+".join(loss.name if w == 1 else f"{w:g}*{loss.name}" for w, loss in parts)
    return weighted_sum(written, parts)


def _part(text: str, whole: str) -> tuple[float, Loss]:
    weight, star, rest = text.rpartition("*")
    value = _value(weight.strip()) if star else 1.0
    if not isinstance(value, float) or not math.isfinite(value) or not value:
        raise ValueError(
            f"the weight before '*' must be a number other than 0, got {weight!r} in {whole!r}"
        )
    return value, _single(rest.strip())


def _single(text: str) -> Loss:
    head, *written = text.split(":")
    if head not in LOSSES:
        close = difflib.get_close_matches(head, LOSSES, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise ValueError(f"no loss is called {head!r}; {hint}known are {', '.join(LOSSES)}")
    module = import_module(f"w2sg.losses.{LOSSES[head]}")
    entry: Loss | Callable[..., Loss] = getattr(module, head)
    if isinstance(entry, Loss):
        if written:
            raise ValueError(f"{head} takes no parameters, got {text!r}")
        return entry
    signature = inspect.signature(entry)
    positional = [_value(item) for item in written if "=" not in item]
    named = {k: _value(v) for k, _, v in (item.partition("=") for item in written if "=" in item)}
    try:
        signature.bind(*positional, **named)
    except TypeError as error:
        fields = ", ".join(signature.parameters)
        raise ValueError(f"cannot read {text!r}: {error}; {head} takes {fields}") from None
    for field, value in signature.bind(*positional, **named).arguments.items():
        wants_text = "str" in str(signature.parameters[field].annotation)
        if wants_text != isinstance(value, str):
            raise ValueError(
                f"{field} of {head} must be a {'word' if wants_text else 'number'}, got {value!r}"
            )
    return entry(*positional, **named)


def _value(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
