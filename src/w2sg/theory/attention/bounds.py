"""Theorem 1: a bound on the generalization gap that counts parameters."""

import math
from dataclasses import dataclass
from typing import Protocol

from w2sg._arrays import as_floats, as_whole

RANKS = (
    "It ranks choices by their number of parameters alone, so by it fewer always wins: V before "
    "Q and V, and a smaller rank before a larger one."
)


class Counted(Protocol):
    """Anything that knows its number of trainable parameters, such as a policy."""

    @property
    def trainable(self) -> int:
        """Number of trainable parameters."""
        ...


@dataclass(frozen=True)
class Bound:
    """A bound on |E gap|, with the sentence that belongs beside it.

    Attributes:
        value: The bound, in units of the loss.
        parameters: Number of tuned numbers P.
        bits: Bits per tuned number q.
        n: Number of fine-tuning examples N.
        subgaussian: Sub-Gaussian constant R of the loss.
        ln2: Whether bits are converted to nats, as they must be.
    """

    value: float
    parameters: int
    bits: float
    n: int
    subgaussian: float
    ln2: bool

    def __float__(self) -> float:
        """Return the value."""
        return self.value

    @property
    def vacuous(self) -> bool:
        """Whether a loss confined to an interval of width 2R could not exceed it anyway."""
        return self.value >= 2 * self.subgaussian

    def __str__(self) -> str:
        """Return the number with what it does and does not say."""
        text = f"gap at most {self.value:.4g} (P = {self.parameters:,}, N = {self.n:,}). {RANKS}"
        if self.vacuous:
            need = samples_needed(self.parameters, self.bits, self.subgaussian, ln2=self.ln2)
            text += (
                f" It is vacuous here: a loss in an interval of width {2 * self.subgaussian:g} "
                f"has no larger gap anyway; from N = {need:,} on it says something."
            )
        return text


def generalization_bound(
    parameters: int, bits: float, n: int, subgaussian: float, ln2: bool = True
) -> Bound:
    """Return the bound of Theorem 1 for any number of tuned parameters.

    ``|E gap| ≤ R √(2 q P ln 2 / N)``, from Xu and Raginsky's ``R √(2 I / N)`` with the mutual
    information at most the entropy of the update, q P bits. For LoRA of rank r on Q and V of
    shape d_in × d_out, ``P = 2 r Σ (d_in + d_out)`` gives the paper's ``√(4 R² q r Σ(…) / N)``.

    Args:
        parameters: Number of tuned parameters P, head included, at least 1.
        bits: Bits per tuned parameter q, positive; 16 for bfloat16.
        n: Number of fine-tuning examples N, at least 1.
        subgaussian: Sub-Gaussian constant R of the loss, positive; 1/2 for a loss in [0, 1].
        ln2: ``False`` drops ln 2 as the paper does, which is valid but 1.2011 times looser.

    Raises:
        ValueError: An argument is out of range.

    Source: arXiv 2410.02247, Theorem 1 (from the paper); the form with ln 2 is derived.

    >>> bound = generalization_bound(294_912, 16, 392_702, 0.5)
    >>> round(bound.value, 3), bound.vacuous
    (2.041, True)
    >>> round(generalization_bound(294_912, 16, 392_702, 0.5, ln2=False).value, 3)
    2.451
    """
    parameters, n = as_whole("parameters", parameters, low=1), as_whole("n", n, low=1)
    _positive(bits=bits, subgaussian=subgaussian)
    nats = bits * parameters * (math.log(2) if ln2 else 1.0)
    value = subgaussian * math.sqrt(2 * nats / n)
    return Bound(value, parameters, bits, n, subgaussian, ln2)


def bound_for(
    selection: Counted,
    n: int,
    *,
    bits: float = 16.0,
    subgaussian: float = 0.5,
    ln2: bool = True,
) -> Bound:
    """Return the bound for what a choice of roles trains, the task head included.

    Args:
        selection: Anything with ``.trainable``, such as a policy or
            ``w2sg.train.attention.summary(model, "qv")``.
        n: Number of fine-tuning examples, at least 1.
        bits: Bits per tuned parameter, positive.
        subgaussian: Sub-Gaussian constant of the loss, positive.
        ln2: Whether bits are converted to nats.

    >>> from types import SimpleNamespace
    >>> print(bound_for(SimpleNamespace(trainable=10), n=10_000))
    gap at most 0.07447 (P = 10, N = 10,000). It ranks choices by ...
    """
    return generalization_bound(selection.trainable, bits, n, subgaussian, ln2)


def bound_ratio(first: Counted | int, second: Counted | int) -> float:
    """Return the ratio of two bounds at the same N, q and R: ``√(P₁ / P₂)``.

    Args:
        first: A number of parameters, or anything with ``.trainable``.
        second: The same, for the denominator.

    Source: derived; √(2/3) for Q, V against Q, K, V without a head.

    >>> round(bound_ratio(2, 3), 4), round(bound_ratio(13_312, 18_432), 5)
    (0.8165, 0.84984)
    """
    above, below = (
        as_whole(name, getattr(count, "trainable", count), low=1)
        for name, count in (("first", first), ("second", second))
    )
    return math.sqrt(above / below)


def samples_needed(
    parameters: int,
    bits: float,
    subgaussian: float,
    target: float | None = None,
    *,
    ln2: bool = True,
) -> int:
    """Return the smallest N at which the bound is at most a target: ``⌈2 R² q P ln 2 / target²⌉``.

    Args:
        parameters: Number of tuned parameters, at least 1.
        bits: Bits per tuned parameter, positive.
        subgaussian: Sub-Gaussian constant of the loss, positive.
        target: The gap allowed, positive; the width 2R of the loss's range if ``None``, where the
            bound starts to say something.
        ln2: Whether bits are converted to nats.

    >>> samples_needed(294_912, 16, 0.5)
    1635340
    """
    parameters = as_whole("parameters", parameters, low=1)
    _positive(bits=bits, subgaussian=subgaussian)
    target = 2 * subgaussian if target is None else target
    _positive(target=target)
    nats = bits * parameters * (math.log(2) if ln2 else 1.0)
    return math.ceil(2 * subgaussian**2 * nats / target**2)


def _positive(**values: float) -> None:
    for name, value in values.items():
        as_floats(name, value, low=0.0, open_low=True, ndim=0)
