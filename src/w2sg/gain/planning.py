"""How many seeds and test items it takes to see a difference, and what that costs."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from w2sg._arrays import as_floats
from w2sg.gain.components import Components, variance_components

MOST_SEEDS = 10_000
QUADRATURE = 400


@dataclass(frozen=True)
class Option:
    """One size of test set and the seeds that it asks for.

    Attributes:
        n_items: Test items; ``None`` where only a spread between seeds was given.
        n_seeds: Seeds per method; ``None`` where no number of seeds is enough.
        power: Chance to see the target with them.
        hours: Both methods, all seeds; ``None`` where no time was given.
    """

    n_items: int | None
    n_seeds: int | None
    power: float | None
    hours: float | None


@dataclass(frozen=True)
class Plan:
    """What it takes to detect a difference between two methods.

    Attributes:
        target: The difference to detect, in units of the score.
        paired: Whether row s of both methods shares split and teacher.
        level: Coverage of the interval that must exclude zero.
        power: Chance that was asked for.
        options: One entry per size of test set.
        components: Variances of the difference from the pilot, or ``None``.
        smallest_test_set: With fewer items no number of seeds is enough; ``None`` if unknown.
    """

    target: float
    paired: bool
    level: float
    power: float
    options: tuple[Option, ...]
    components: Components | None
    smallest_test_set: int | None


@dataclass(frozen=True)
class _Spread:
    """Variance of the mean difference: (run + interaction/n)/S + items/n."""

    run: float
    interaction: float
    items: float
    arms: int

    def power(self, target: float, n_seeds: int, n_items: int | None, level: float) -> float:
        """Chance that the interval of ``gain`` excludes zero, for normal run means.

        The half-width is √(t² V̂ + z² W) with V̂ the estimated variance of the seed part
        (k = arms·(S − 1) degrees of freedom, V̂ = V χ²_k/k) and W that of the items. Given V̂ the
        mean is normal with variance V + W; the average over χ²_k is taken over its quantiles.
        """
        per_item = 0.0 if n_items is None else 1 / n_items
        seeds = (self.run + self.interaction * per_item) / n_seeds
        items = self.items * per_item
        df = self.arms * (n_seeds - 1)
        middle = (np.arange(QUADRATURE) + 0.5) / QUADRATURE
        estimated = seeds * stats.chi2.ppf(middle, df) / df
        tail = (1 + level) / 2
        half = np.sqrt(stats.t.ppf(tail, df) ** 2 * estimated + stats.norm.ppf(tail) ** 2 * items)
        error = np.sqrt(seeds + items)
        if error == 0:
            return 1.0
        above = stats.norm.sf((half - target) / error) + stats.norm.cdf((-half - target) / error)
        return float(np.mean(above))

    def seeds(self, target: float, n_items: int | None, level: float, power: float) -> int | None:
        """Smallest number of seeds with the power asked for."""
        low, high = 1, 2
        while self.power(target, high, n_items, level) < power:
            low, high = high, 2 * high
            if high > MOST_SEEDS:
                return None
        while high - low > 1:
            middle = (low + high) // 2
            if self.power(target, middle, n_items, level) < power:
                low = middle
            else:
                high = middle
        return high


def plan(
    target: float,
    pilot: tuple[ArrayLike, ArrayLike] | None = None,
    sd: float | None = None,
    *,
    power: float = 0.8,
    level: float = 0.95,
    paired: bool = True,
    gap: float | None = None,
    n_items: int | tuple[int, ...] | None = None,
    item_sd: float = 0.0,
    hours_per_run: float | None = None,
    groups: ArrayLike | None = None,
) -> Plan:
    """Return the seeds and test items needed to detect a difference between two methods.

    Give a pilot (per-item scores of both methods from a few runs) or the spread that such a pilot
    had. The difference counts as seen when the interval of ``gain`` or ``compare`` excludes zero.

    Args:
        target: Difference to detect, in units of the score; in units of PGR where ``gap`` is given.
        pilot: Scores of the reference and of the method, each (seeds, items), at least 2 seeds.
        sd: Standard deviation between seeds in place of a pilot: of the difference if ``paired``,
            of one method if not.
        power: Chance of seeing the target, in (0, 1).
        level: Coverage of the interval.
        paired: Whether both methods share split and teacher seed by seed. Test items are shared
            in any case.
        gap: Gap ceiling − teacher, where ``target`` and ``sd`` are in units of PGR; its own
            uncertainty is not counted.
        n_items: Sizes of the test set to plan for; by default ½, 1, 2 and 4 times the pilot's.
        item_sd: Standard deviation over test items of the per-item difference, with ``sd`` and
            ``n_items``; 0 takes the test set as given.
        hours_per_run: Measured hours of one training of one method.
        groups: One label per item of the pilot.

    Returns:
        The plan, one option per size of test set.

    Raises:
        ValueError: Neither or both of ``pilot`` and ``sd``; numbers out of range.

    Derived here; for many seeds and one source it is the textbook 2·(z_{α/2} + z_β)² sd²/target².

    >>> plan(0.05, sd=0.10, paired=False).options[0].n_seeds
    64
    >>> plan(0.05, sd=0.058).options[0].n_seeds
    13
    """
    for name, share in (("power", power), ("level", level)):
        as_floats(name, share, low=0.0, high=1.0, open_low=True, open_high=True, ndim=0)
    as_floats("target", target, low=0.0, open_low=True, ndim=0)
    if (pilot is None) == (sd is None):
        raise ValueError("plan needs exactly one of pilot (per-item scores) and sd (a number)")
    scale = 1.0 if gap is None else float(as_floats("gap", gap, low=0.0, open_low=True, ndim=0))
    if pilot is None:
        as_floats("sd", sd, low=0.0, open_low=True, ndim=0)
        as_floats("item_sd", item_sd, low=0.0, ndim=0)
        components = None
        arms = 1 if paired else 2
        spread = _Spread(arms * (scale * float(sd or 0)) ** 2, 0.0, item_sd**2, arms)
        sizes: tuple[int | None, ...] = (None,) if n_items is None else _sizes(n_items)
        if item_sd and n_items is None:
            raise ValueError("n_items must be given with item_sd: how many test items are there?")
    else:
        components, spread = _from_pilot(pilot, paired, groups)
        n = components.n_items
        sizes = (
            tuple(sorted({max(2, n // 2), n, 2 * n, 4 * n})) if n_items is None else _sizes(n_items)
        )
    goal = scale * target
    options = tuple(_option(spread, goal, size, level, power, hours_per_run) for size in sizes)
    needed = (stats.norm.ppf((1 + level) / 2) + stats.norm.ppf(power)) ** 2 * spread.items
    smallest = int(np.ceil(needed / goal**2)) if spread.items else None
    return Plan(goal, paired, level, power, options, components, smallest)


def _option(
    spread: _Spread,
    goal: float,
    size: int | None,
    level: float,
    power: float,
    hours_per_run: float | None,
) -> Option:
    seeds = spread.seeds(goal, size, level, power)
    if seeds is None:
        return Option(size, None, None, None)
    hours = None
    if hours_per_run is not None:
        as_floats("hours_per_run", hours_per_run, low=0.0, ndim=0)
        hours = 2 * seeds * hours_per_run
    return Option(size, seeds, spread.power(goal, seeds, size, level), hours)


def _from_pilot(
    pilot: tuple[ArrayLike, ArrayLike], paired: bool, groups: ArrayLike | None
) -> tuple[Components, _Spread]:
    reference = as_floats("pilot[0]", pilot[0], ndim=2)
    method = as_floats("pilot[1]", pilot[1], ndim=2)
    if reference.shape != method.shape:
        raise ValueError(
            f"pilot must hold two arrays of one shape (seeds, items), got {reference.shape} and "
            f"{method.shape}"
        )
    difference = variance_components(method - reference, groups=groups)
    if paired:
        return difference, _Spread(difference.run, difference.interaction, difference.items, 1)
    each = [variance_components(x, groups=groups) for x in (reference, method)]
    run, interaction = sum(c.run for c in each), sum(c.interaction for c in each)
    return difference, _Spread(run, interaction, difference.items, 2)


def _sizes(n_items: Any) -> tuple[int, ...]:
    sizes = as_floats("n_items", n_items, low=2).ravel()
    return tuple(int(size) for size in sizes)
