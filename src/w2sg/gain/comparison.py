"""Which of several methods differ from a reference, paired by seed and item, all errors counted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from w2sg._arrays import FloatArray, as_floats
from w2sg.figures.forest import forest_plot
from w2sg.gain.interval import check_interval
from w2sg.gain.resample import crossed_replicates
from w2sg.gain.scores import stack_scores

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COMPARISON_REPLICATES = 10_000


@dataclass(frozen=True)
class Difference:
    """One method against the reference.

    Attributes:
        name: The method.
        score: Its mean score.
        difference: Its score minus that of the reference, paired.
        low: Lower end of the interval of the difference.
        high: Upper end of the interval.
        p_value: Two-sided, of the difference alone.
        p_adjusted: After Holm, over all methods of the comparison.
        decided: Whether ``p_adjusted`` is below 1 − level.
    """

    name: str
    score: float
    difference: float
    low: float
    high: float
    p_value: float
    p_adjusted: float
    decided: bool


@dataclass(frozen=True)
class Comparison:
    """Several methods against one reference.

    Attributes:
        reference: Name of the reference.
        reference_score: Its mean score.
        level: Nominal coverage of each interval and 1 − the family-wise error rate.
        differences: One entry per method, in the order given.
        note: What the intervals leave out (one training per method), or ``None``.
    """

    reference: str
    reference_score: float
    level: float
    differences: tuple[Difference, ...]
    note: str | None

    def table(self) -> list[dict[str, str | float | bool]]:
        """Return one flat row per method, ready for pandas, csv or a page."""
        return [
            {
                "method": d.name,
                "score": d.score,
                "difference": d.difference,
                "low": d.low,
                "high": d.high,
                "p": d.p_value,
                "p_holm": d.p_adjusted,
                "differs": d.decided,
            }
            for d in self.differences
        ]

    def forest(self) -> "Figure":
        """Return the forest plot; filled points are those that differ after Holm."""
        rows = self.table()
        return forest_plot(
            [str(row["method"]) for row in rows],
            *([float(row[key]) for row in rows] for key in ("difference", "low", "high")),
            marked=[bool(row["differs"]) for row in rows],
            axis_label=f"score minus that of {self.reference}",
            title=f"{100 * self.level:.4g} % intervals, paired by seed and item",
        )

    def __str__(self) -> str:
        """Return the table as text."""
        width = max(len(d.name) for d in self.differences)
        lines = [f"{'reference':{width}}  {self.reference}, score {self.reference_score:.4f}"]
        lines += [
            f"{d.name:{width}}  {d.difference:+.4f} "
            f"[{d.low:+.4f}, {d.high:+.4f}]  p {d.p_value:.4f}  "
            f"Holm {d.p_adjusted:.4f}{'  differs' if d.decided else ''}"
            for d in self.differences
        ]
        return "\n".join(lines)


def compare(
    runs: Mapping[str, ArrayLike],
    reference: str,
    level: float = 0.95,
    groups: ArrayLike | None = None,
    seed: int = 0,
    *,
    n_replicates: int = COMPARISON_REPLICATES,
) -> Comparison:
    """Compare methods with a reference, paired by seed and item, with Holm's correction.

    For each method the mean of X_si − R_si over seeds s and items i, with the interval of
    ``gain``. The p-value is twice the smaller share of replicates on either side of zero (one
    replicate added, so that it is never zero). Holm (1979): with p₍₁₎ ≤ … ≤ p₍ₘ₎ the adjusted
    p₍ₖ₎ is the largest of (m − j + 1) p₍ⱼ₎ over j ≤ k; the chance of one false "differs" among
    all methods is at most 1 − level, whatever their dependence. The intervals are not widened for
    the number of methods.

    Args:
        runs: Name of each method → per-item scores (seeds, items), higher is better; row s of
            every method has the same split and teacher.
        reference: Name of the method that the others are compared with.
        level: Coverage of the intervals, and 1 − the family-wise error rate.
        groups: One label per item; items with one label move together.
        seed: Seed of the resampling.
        n_replicates: Number of resamples; the smallest p-value is 2/(n_replicates + 1).

    Raises:
        ValueError: An unknown reference, nothing to compare, arrays that do not fit, or too few
            replicates for any difference to be decided.

    >>> rng = np.random.default_rng(0)
    >>> skill = rng.random((5, 500))
    >>> runs = {"ce": skill < 0.7, "reverse": skill < 0.75, "noise": rng.random((5, 500)) < 0.7}
    >>> [(d.name, d.decided) for d in compare(runs, "ce").differences]
    [('reverse', True), ('noise', False)]
    """
    check_interval(level, "auto", n_replicates)
    if reference not in runs:
        raise ValueError(f"reference must be one of {', '.join(runs)}, got {reference!r}")
    names = [name for name in runs if name != reference]
    if not names:
        raise ValueError(f"runs must hold a method besides the reference {reference!r}")
    if 2 * len(names) / (n_replicates + 1) >= 1 - level:
        raise ValueError(
            f"n_replicates must be above {2 * len(names) / (1 - level):.0f} to decide "
            f"{len(names)} comparisons at level {level:g}, got {n_replicates}"
        )
    scores = stack_scores({reference: runs[reference], **{n: runs[n] for n in names}}, groups)
    rows: list[tuple[str, float, float, float, float]] = []
    for column, name in enumerate(names, start=1):
        paired = scores.values[..., column : column + 1] - scores.values[..., :1]
        draws = crossed_replicates(paired, seed, n_replicates).draws[:, 0]
        low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
        side = int(min((draws <= 0).sum(), (draws >= 0).sum()))
        p = min(1.0, 2 * (side + 1) / (n_replicates + 1))
        rows.append((name, float(paired.mean()), float(low), float(high), p))
    adjusted = holm([row[-1] for row in rows])
    means = scores.values.mean(axis=(0, 1))
    differences = tuple(
        Difference(name, float(mean), value, low, high, p, float(q), bool(q < 1 - level))
        for (name, value, low, high, p), mean, q in zip(rows, means[1:], adjusted, strict=True)
    )
    return Comparison(reference, float(means[0]), level, differences, scores.note)


def holm(p_values: ArrayLike) -> FloatArray:
    """Return p-values adjusted by Holm's step-down rule, in the order given.

    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    p = as_floats("p_values", p_values, low=0.0, high=1.0, ndim=1)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted
