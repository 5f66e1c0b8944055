"""Where the spread of a score comes from: each source of randomness of a run, and test items."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import nnls

from w2sg._arrays import FloatArray
from w2sg.gain.scores import stack_scores


@dataclass(frozen=True)
class Components:
    """Variances of one score X = μ + Σ_k a_k + b_item + e.

    Attributes:
        sources: Variance of each source of randomness of a run (split, teacher, …).
        items: Variance σ_b² between test items, the same for every run.
        interaction: Variance σ_e² of what one item does in one run only.
        n_runs: Number of runs they were estimated from.
        n_items: Number of test items, or groups of items.
    """

    sources: dict[str, float]
    items: float
    interaction: float
    n_runs: int
    n_items: int

    @property
    def run(self) -> float:
        """The variance between runs, all sources together."""
        return sum(self.sources.values())

    def shares(self, n_seeds: int, n_items: int) -> dict[str, float]:
        """Return the share of each source in the variance of a mean over fresh seeds and items.

        Args:
            n_seeds: Runs, each with every source drawn anew.
            n_items: Test items, the same in all runs.

        >>> Components({"student": 1.0}, 2.0, 0.0, 5, 100).shares(1, 2)
        {'student': 0.5, 'test items': 0.5, 'item × run': 0.0}
        """
        parts = {name: value / n_seeds for name, value in self.sources.items()}
        parts["test items"] = self.items / n_items
        parts["item × run"] = self.interaction / (n_seeds * n_items)
        total = sum(parts.values())
        return {name: value / total if total else 0.0 for name, value in parts.items()}


def variance_components(
    scores: ArrayLike,
    sources: Mapping[str, ArrayLike] | None = None,
    groups: ArrayLike | None = None,
) -> Components:
    """Split the variance of a score into the sources of randomness of a run and the test items.

    σ_e² is the mean square of what is left after run means and item means, σ_b² the variance of
    item means less σ_e²/S. For run means r, ½(r_i − r_j)² has the expectation
    Σ_k σ_k² 1[source k differs between i and j] + σ_e²/n for every pair of runs; least squares
    over all pairs, without negative variances, gives the σ_k². Any design will do, crossed,
    nested or one source at a time, as long as each source varies apart from the others.

    Args:
        scores: Per-item scores (runs, items), at least two of each.
        sources: Name of each source → its seed in every run (runs,); without it all runs differ
            in everything and there is one source, ``"run"``.
        groups: One label per item; items with one label count as one.

    Raises:
        ValueError: One run, a source that never varies, sources that cannot be told apart.

    Moment estimates, Searle, Casella and McCulloch 1992, section 5.2 (for pairs: derived here).

    >>> rng = np.random.default_rng(0)
    >>> teacher, order = rng.normal(size=20), 0.1 * rng.normal(size=20)
    >>> level = np.arange(20)
    >>> scores = (teacher[:, None] + order).ravel()[:, None] + np.zeros(50)
    >>> sources = {"teacher": np.repeat(level, 20), "order": np.tile(level, 20)}
    >>> {k: round(v, 2) for k, v in variance_components(scores, sources).sources.items()}
    {'teacher': 0.76, 'order': 0.01}
    """
    values = stack_scores({"scores": scores}, groups).values[..., 0]
    n_runs, n_items = values.shape
    if n_runs < 2:
        raise ValueError(f"scores must have at least 2 runs to compare, got {n_runs}")
    mean = values.mean()
    by_run, by_item = values.mean(axis=1) - mean, values.mean(axis=0) - mean
    rest = values - mean - by_run[:, None] - by_item
    interaction = float((rest**2).sum() / ((n_runs - 1) * (n_items - 1)))
    items = float((by_item**2).sum() / (n_items - 1)) - interaction / n_runs
    differs, names = _pairs(sources, n_runs)
    first, second = np.triu_indices(n_runs, 1)
    halves = (by_run[first] - by_run[second]) ** 2 / 2 - interaction / n_items
    found, _ = nnls(differs, halves)
    spread = {name: float(v) for name, v in zip(names, found, strict=True)}
    return Components(spread, max(items, 0.0), interaction, n_runs, n_items)


def _pairs(sources: Mapping[str, ArrayLike] | None, n_runs: int) -> tuple[FloatArray, list[str]]:
    """Return which sources differ in each pair of runs (pairs, sources)."""
    sources = {"run": np.arange(n_runs)} if sources is None else sources
    if not sources:
        raise ValueError("sources must name at least one source of randomness, got none")
    first, second = np.triu_indices(n_runs, 1)
    columns = []
    for name, levels in sources.items():
        level = np.asarray(levels)
        if level.shape != (n_runs,):
            raise ValueError(
                f"sources[{name!r}] must have one seed per run, shape ({n_runs},), got "
                f"{level.shape}"
            )
        columns.append((level[first] != level[second]).astype(np.float64))
        if not columns[-1].any():
            raise ValueError(
                f"sources[{name!r}] must vary between runs, all have {level[0]!r}: leave it out "
                "or add runs that differ in it"
            )
    differs = np.stack(columns, axis=1)
    if np.linalg.matrix_rank(differs) < len(columns):
        raise ValueError(
            f"sources {', '.join(sources)} cannot be told apart: some vary only together; add "
            "runs that change one and keep the others"
        )
    return differs, list(sources)
