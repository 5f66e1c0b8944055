"""Adding seeds until the answer is clear, without raising the chance of a false one."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from w2sg._arrays import FloatArray, as_floats
from w2sg._seeds import child_seed
from w2sg.gain.estimate import Estimate
from w2sg.gain.measures import gain

RULE_REPLICATES = 20_000


@dataclass(frozen=True)
class Decision:
    """What to do after a look.

    Attributes:
        stop: Whether to stop.
        difference: The difference at the level of this look.
        sentence: The decision in words.
    """

    stop: bool
    difference: Estimate
    sentence: str


@dataclass(frozen=True)
class StoppingRule:
    """Look after fixed numbers of seeds; stop at the first clear difference.

    Attributes:
        looks: Numbers of seeds after which to look, rising.
        level: 1 − the chance of ever declaring a difference that is not there.
        look_level: Coverage that each look must use for that.
        error_rate: The chance found in fresh simulated experiments without a difference.
        error_rate_se: Standard error of ``error_rate``.
    """

    looks: tuple[int, ...]
    level: float
    look_level: float
    error_rate: float
    error_rate_se: float

    def decide(
        self,
        reference: ArrayLike,
        method: ArrayLike,
        groups: ArrayLike | None = None,
        seed: int = 0,
    ) -> Decision:
        """Return whether to stop after these seeds.

        Args:
            reference: Per-item scores so far (seeds, items).
            method: Scores of the other method, paired by seed and item.
            groups: One label per item.
            seed: Seed of the resampling.

        Raises:
            ValueError: A number of seeds at which the rule does not look.
        """
        n_seeds = len(np.atleast_2d(np.asarray(reference)))
        if n_seeds not in self.looks:
            raise ValueError(
                f"the rule looks after {', '.join(map(str, self.looks))} seeds, got {n_seeds}: "
                "another look would raise the chance of a false difference"
            )
        found = gain(reference, method, self.look_level, groups, seed, n_replicates=RULE_REPLICATES)
        if found.low is not None and found.high is not None and found.low * found.high > 0:
            return Decision(True, found, f"stop: the methods differ by {found}")
        later = [look for look in self.looks if look > n_seeds]
        if later:
            return Decision(False, found, f"go on to {later[0]} seeds: {found} holds zero")
        return Decision(True, found, f"stop: no difference seen with {n_seeds} seeds, {found}")

    def seeds_used(self, effect: float, n_simulations: int = 20_000, seed: int = 1) -> float:
        """Return the mean number of seeds spent on a true difference.

        Args:
            effect: True difference in standard deviations of one seed's paired difference.
            n_simulations: Number of simulated experiments.
            seed: Seed of the simulation.
        """
        p = _p_values(self.looks, effect, n_simulations, child_seed(seed, "gain", "stopping"))
        clear = p < 1 - self.look_level
        clear[:, -1] = True
        return float(np.asarray(self.looks)[clear.argmax(axis=1)].mean())


def stopping_rule(
    looks: tuple[int, ...] = (4, 6, 8, 12),
    level: float = 0.95,
    *,
    n_simulations: int = 100_000,
    seed: int = 0,
) -> StoppingRule:
    """Return the level that every look must use so that all looks together keep one error rate.

    The same nominal level at every look (Pocock 1977), calibrated for t tests on few seeds: it is
    the (1 − level) quantile of the smallest p-value over looks in simulated experiments without
    a difference; ``error_rate`` comes from as many fresh ones. Test items that all looks share
    make looks more alike, so the rule errs on the safe side where items matter.

    Args:
        looks: Numbers of seeds after which to look, rising, the first at least 2.
        level: 1 − the chance of ever declaring a difference that is not there.
        n_simulations: Simulated experiments for each of the two steps.
        seed: Seed of the simulation.

    Raises:
        ValueError: Looks that do not rise or start below 2; a level outside (0, 1).

    >>> rule = stopping_rule((4, 8), n_simulations=20_000)
    >>> 0.95 < rule.look_level < 0.98
    True
    """
    as_floats("level", level, low=0.0, high=1.0, open_low=True, open_high=True, ndim=0)
    if len(looks) == 0 or looks[0] < 2 or any(b <= a for a, b in pairwise(looks)):
        raise ValueError(f"looks must rise from at least 2 seeds, got {looks}")
    calibration, fresh = (
        _p_values(looks, 0.0, n_simulations, child_seed(seed, "gain", name)).min(axis=1)
        for name in ("calibration", "check")
    )
    threshold = float(np.quantile(calibration, 1 - level))
    rate = float((fresh < threshold).mean())
    error = (rate * (1 - rate) / n_simulations) ** 0.5
    return StoppingRule(tuple(looks), level, 1 - threshold, rate, error)


def _p_values(looks: tuple[int, ...], effect: float, n: int, seed: int) -> FloatArray:
    """Return the two-sided p-value of every look in n experiments (n, looks)."""
    runs = np.random.default_rng(seed).standard_normal((n, looks[-1])) + effect
    columns = []
    for look in looks:
        t = runs[:, :look].mean(axis=1) / (runs[:, :look].std(axis=1, ddof=1) / look**0.5)
        columns.append(2 * stats.t.sf(np.abs(t), look - 1))
    return np.stack(columns, axis=1)
