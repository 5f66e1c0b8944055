"""Losses from logits, one value per example; `get` finds one by the name a spec writes.

Beside them what changes the labels that they are given: `shrink`, `smooth`, `harden`, `flip`,
`temperature` and `ensemble`, on arrays.
"""

from typing import TYPE_CHECKING

from w2sg._lazy import lazily

if TYPE_CHECKING:
    from w2sg.losses.adaptive import bootstrap, cace, confidence, confidence_quantile, gce, product
    from w2sg.losses.divergences import Generator, bregman, mahalanobis, squared, squared_error
    from w2sg.losses.entropies import ce, entropy, forward_kl, reverse_ce, reverse_kl, symmetric
    from w2sg.losses.loss import Context, Loss, check_targets, weighted_sum
    from w2sg.losses.registry import get, names
    from w2sg.soft_labels import ensemble, flip, harden, shrink, smooth, temperature

__all__ = [
    "Context",
    "Generator",
    "Loss",
    "bootstrap",
    "bregman",
    "cace",
    "ce",
    "check_targets",
    "confidence",
    "confidence_quantile",
    "ensemble",
    "entropy",
    "flip",
    "forward_kl",
    "gce",
    "get",
    "harden",
    "mahalanobis",
    "names",
    "product",
    "reverse_ce",
    "reverse_kl",
    "shrink",
    "smooth",
    "squared",
    "squared_error",
    "symmetric",
    "temperature",
    "weighted_sum",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "adaptive": "bootstrap cace confidence confidence_quantile gce product",
        "divergences": "Generator bregman mahalanobis squared squared_error",
        "entropies": "ce entropy forward_kl reverse_ce reverse_kl symmetric",
        "loss": "Context Loss check_targets weighted_sum",
        "registry": "get names",
        "w2sg.soft_labels": "ensemble flip harden shrink smooth temperature",
    },
)
