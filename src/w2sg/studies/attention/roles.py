"""Which projections to tune, and at which rates: the two stages of the comparison, as sweeps.

Stage 1 tries every set of roles at three base rates, and at four ratios η_V/η_Q where V is
trained, and `choose` picks one cell for each set on held-out labels. Stage 2 trains the chosen
cells with fresh seeds, beside equal rates for Q and V and for the whole model, on pseudo-labels
and on true labels. Only stage 2 compares. ``benchmarks/attention_roles.py`` runs both.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from w2sg._arrays import FloatArray
from w2sg.gain import compare
from w2sg.gain.comparison import holm

if TYPE_CHECKING:
    import pandas as pd

ROLES = ("q", "k", "v", "qk", "qv", "kv", "qkv", "full")
RATIOS = (1.0, 2.0, 4.0, 8.0)
HEAD_RATE = 3e-3  # of every cell, so that the head explains no difference
CHOICE_SEEDS = (0, 1)
FRESH_SEEDS = (10, 11, 12, 13, 14)
MARGIN = 0.01  # "as well as" allows one point of accuracy
CELL = ["student.policy", "student.lr", "student.ratio"]


@dataclass(frozen=True, order=True)
class Arm:
    """One set of roles at one pair of rates.

    ``ratio`` multiplies W_v's rate only; in ``full`` every other weight trains at ``lr``.

    Attributes:
        roles: Letters of q, k, v, or ``full``.
        lr: η_Q, and the rate of everything but W_v and the head.
        ratio: η_V/η_Q.
    """

    roles: str
    lr: float
    ratio: float = 1.0

    @property
    def name(self) -> str:
        """Roles, base rate and ratio, such as ``"qv 0.001 x4"``."""
        return f"{self.roles} {self.lr:g}" + (f" x{self.ratio:g}" if trains_v(self.roles) else "")

    @property
    def variant(self) -> dict[str, Any]:
        """The arm as a variant of a sweep."""
        return {
            "name": self.name,
            **dict(zip(CELL, (self.roles, self.lr, self.ratio), strict=True)),
        }


@dataclass(frozen=True)
class Claim:
    """A statement on the difference between two arms.

    Attributes:
        statement: What is claimed.
        better: The arm that should be ahead.
        other: The arm that it is compared with.
        margin: How far ``better`` may be behind for the claim to hold.
    """

    statement: str
    better: Arm
    other: Arm
    margin: float = 0.0


@dataclass(frozen=True)
class Verdict:
    """A claim on one set and one kind of labels.

    Attributes:
        claim: What is claimed.
        where: Set and labels.
        difference: Accuracy of ``better`` minus that of ``other``, paired.
        low: Lower end of its 95 % interval.
        high: Upper end.
        p_adjusted: Against no difference, after Holm over the claims of this set and labels.
        verdict: ``holds``, ``fails`` or ``not distinguishable``.
    """

    claim: Claim
    where: str
    difference: float
    low: float
    high: float
    p_adjusted: float
    verdict: str


def trains_v(roles: str) -> bool:
    """Say whether W_v is among the roles, so that the ratio matters."""
    return "v" in roles or roles == "full"


def base_rates(roles: str) -> tuple[float, float, float]:
    """Return the three base rates of a set of roles.

    Each set has its own, because three common ones would put Q, K and the whole model at a
    border: alone, Q and K want larger steps, and the whole model smaller ones.

    >>> base_rates("full"), base_rates("qv"), base_rates("k")
    ((0.0001, 0.0003, 0.001), (0.0003, 0.001, 0.003), (0.001, 0.003, 0.01))
    """
    if roles == "full":
        return 1e-4, 3e-4, 1e-3
    return (3e-4, 1e-3, 3e-3) if "v" in roles else (1e-3, 3e-3, 1e-2)


def candidates() -> tuple[Arm, ...]:
    """Return the cells of stage 1.

    >>> len(candidates())  # 5 sets with V at 3 rates and 4 ratios, 3 without at 3 rates
    69
    """
    return tuple(
        Arm(roles, lr, ratio)
        for roles in ROLES
        for lr in base_rates(roles)
        for ratio in (RATIOS if trains_v(roles) else (1.0,))
    )


def choose(table: "pd.DataFrame", among: Callable[[Arm], bool] = lambda _: True) -> dict[str, Arm]:
    """Return the best cell of each set of roles, by a rule that is fixed beforehand.

    The highest held-out accuracy, mean over seeds; of equal ones the smallest ratio, then the
    smallest base rate.

    Args:
        table: What the sweep of stage 1 returned.
        among: Cells that may be chosen, such as equal rates only.

    Raises:
        ValueError: A set of roles has no finished cell; single ones may have diverged.
    """
    found = {Arm(*(row[key] for key in CELL)): row["student"] for row in table.to_dict("records")}
    allowed = [arm for arm in found if among(arm)]
    best: dict[str, Arm] = {}
    for roles in ROLES:
        finished = [a for a in allowed if a.roles == roles and not np.isnan(found[a])]
        if finished:
            best[roles] = min(finished, key=lambda a: (-found[a], a.ratio, a.lr))
        elif any(arm.roles == roles for arm in allowed):
            raise ValueError(f"table has no finished cell of {roles!r} to choose from")
    return best


def comparison_arms(table: "pd.DataFrame") -> dict[str, Arm]:
    """Return the arms of stage 2 by what they stand for, chosen on the table of stage 1.

    Args:
        table: What the sweep of stage 1 returned.

    Returns:
        Each set of roles at its chosen cell under its own name; ``"qv equal"`` and ``"qv larger
        V"``, the best cells of Q and V with a ratio of 1 and above 1; ``"qv 0.001"`` and the like,
        equal rates at all base rates. Several names may stand for one arm.
    """
    arms = choose(table)
    arms["qv equal"] = choose(table, lambda arm: arm.ratio == 1)["qv"]
    arms["qv larger V"] = choose(table, lambda arm: arm.roles == "qv" and arm.ratio > 1)["qv"]
    for roles in ("qv", "full"):
        arms |= {f"{roles} {lr:g}": Arm(roles, lr) for lr in base_rates(roles)}
    return arms


def claims(arms: Mapping[str, Arm]) -> tuple[Claim, ...]:
    """Return the paper's claims, and what they are controlled with, as pairs of arms.

    Args:
        arms: What `comparison_arms` returned.
    """
    smallest = arms[f"qv {base_rates('qv')[0]:g}"]
    faster = arms["qv larger V"]
    return (
        Claim("W_v alone does better than W_k alone", arms["v"], arms["k"]),
        Claim("W_v alone does better than W_q alone", arms["v"], arms["q"]),
        Claim("Q+V does as well as Q+K+V", arms["qv"], arms["qkv"], MARGIN),
        Claim("Q+V does better than K+V: Q is special", arms["qv"], arms["kv"]),
        Claim("Q+V does better than V alone", arms["qv"], arms["v"]),
        Claim("Q+V does as well as the whole model", arms["qv"], arms["full"], MARGIN),
        Claim("a larger rate for V beats the smallest equal rate", faster, smallest),
        Claim("a larger rate for V beats the best equal rate", faster, arms["qv equal"]),
    )


def verdicts(
    stated: Iterable[Claim], correct: Mapping[str, Mapping[Arm, FloatArray]], *, seed: int = 0
) -> list[Verdict]:
    """Judge claims, paired by seed and item, with Holm's correction within each set and labels.

    A claim holds where the 95 % interval of the difference is above −margin and, without a
    margin, the adjusted p is below 0.05 too; it fails where the interval is below −margin, with
    the same condition. Anything else is not distinguishable.

    Args:
        stated: The claims.
        correct: Set and labels → arm → what it got right, (seeds, items).
        seed: Of the resampling.

    >>> rng = np.random.default_rng(0)
    >>> v, k = Arm("v", 1e-3), Arm("k", 1e-3)
    >>> skill = rng.random((5, 400))
    >>> [found] = verdicts([Claim("V", v, k)], {"set": {v: skill < 0.8, k: skill < 0.7}})
    >>> found.verdict
    'holds'
    """
    stated = list(stated)
    found = []
    for where, arms in correct.items():
        differences = [
            compare(
                {"better": arms[claim.better], "other": arms[claim.other]}, "other", seed=seed
            ).differences[0]
            for claim in stated
        ]
        adjusted = holm([d.p_value for d in differences])
        found += [
            Verdict(claim, where, d.difference, d.low, d.high, float(p), _word(claim.margin, d, p))
            for claim, d, p in zip(stated, differences, adjusted, strict=True)
        ]
    return found


def _word(margin: float, found: Any, p_adjusted: float) -> str:
    decided = margin > 0 or p_adjusted < 0.05
    if found.low > -margin and decided:
        return "holds"
    return "fails" if found.high < -margin and decided else "not distinguishable"


def choice_sweep(data: Mapping[str, Any], store: str | Path) -> dict[str, Any]:
    """Return the sweep of stage 1.

    Args:
        data: The data table of its runs; its test part is the held-out labels.
        store: Where results are kept.
    """
    return _sweep(data, store, candidates(), CHOICE_SEEDS, ())


def comparison_sweep(
    data: Mapping[str, Any],
    arms: Iterable[Arm],
    store: str | Path,
    seeds: Sequence[int] = FRESH_SEEDS,
) -> dict[str, Any]:
    """Return the sweep of stage 2; its ceilings are the same arms on true labels.

    Args:
        data: The data table of its runs.
        arms: What is compared.
        store: Where results are kept.
        seeds: Fresh ones.
    """
    return _sweep(data, store, tuple(dict.fromkeys(arms)), seeds, ("ceiling",))


def _sweep(
    data: Mapping[str, Any],
    store: str | Path,
    arms: Sequence[Arm],
    seeds: Sequence[int],
    references: Sequence[str],
) -> dict[str, Any]:
    return {
        "data": dict(data),
        "teacher": {"kind": "tfidf"},
        "student": {"epochs": 2, "max_length": 64, "lr_head": HEAD_RATE},
        "run": {
            "seeds": list(seeds),
            "references": list(references),
            "preview": False,
            "store": str(store),
        },
        "variants": [arm.variant for arm in arms],
    }
