"""Crossed bootstrap of seeds and test items: joint replicates of the mean scores of all models.

Model of the scores of one or several models: X_si = μ + a_s + b_i + e_si, with a_s the run (all
its random choices), b_i the test item and e_si their interaction. The mean over S seeds and n
items has variance σ_a²/S + σ_b²/n + σ_e²/(Sn). Two things go wrong when rows and columns are
simply drawn with replacement (the "pigeonhole" bootstrap; Owen 2007): the seed part comes out
(S − 1)/S too small with too thin tails (S = 2 has three different values), and the interaction is
counted about three times. So each part is resampled with the law that fits its size:

* the seed means A_s = X̄_s − X̄ carry σ_a²/S + σ_e²/(Sn). They get Student multipliers,
  √((S−1)/χ²_{S−1}) Σ_s g_s A_s / √(S(S−1)) with g_s standard normal, so that a statistic that is
  all seeds has exactly a t interval with S − 1 degrees of freedom;
* the item means B_i = X̄_i − X̄ carry σ_b²/n + σ_e²/(Sn). The interaction, which the seed part
  has already, is taken out of them (a matrix for several models, negative parts cut to zero), and
  they are drawn with replacement: multinomial counts, √(n/(n−1)) for the lost degree of freedom.
  Where all seeds have exactly the same mean, as two runs of counts often do, the seed part has
  nothing, and the interaction stays with the items.

One draw of seeds and items serves all models, so that the anchors move with the student. The
sum of a Student and a near-normal part is the fiducial law of Behrens and Fisher, which covers a
little more than its level when the parts are alike (status: derived here; checked by
``w2sg.studies.coverage``).
"""

from dataclasses import dataclass

import numpy as np

from w2sg._arrays import FloatArray
from w2sg._seeds import child_seed

CHUNK_CELLS = 1_000_000
N_REPLICATES = 4000


@dataclass(frozen=True)
class Replicates:
    """Mean scores of the models, and what resampling does to them.

    Attributes:
        means: Mean score of each model (models,).
        draws: Replicates of the means (replicates, models).
        seed_influence: Contribution of each seed to the error of the means (seeds, models).
        item_influence: Contribution of each item (items, models).
    """

    means: FloatArray
    draws: FloatArray
    seed_influence: FloatArray
    item_influence: FloatArray


def crossed_replicates(
    values: FloatArray, seed: int, n_replicates: int = N_REPLICATES, *, runs: str | None = None
) -> Replicates:
    """Resample seeds and items, crossed, and return joint replicates of the models' means.

    Args:
        values: Scores (seeds, items, models).
        seed: Root of the random streams; same seed, same shape: same draws for all models.
        n_replicates: Number of replicates.
        runs: Name of the runs where they are others than those of a second call that shares the
            items: equal names draw equal seeds.

    >>> replicates = crossed_replicates(np.array([[[1.0], [0.0]], [[1.0], [0.0]]]), 0)
    >>> replicates.draws.shape, replicates.seed_influence.tolist()
    ((4000, 1), [[0.0], [0.0]])
    """
    n_seeds, n_items, _ = values.shape
    means = values.mean(axis=(0, 1))
    by_seed = values.mean(axis=1) - means
    by_item = _without_interaction(values, by_seed, values.mean(axis=0) - means)
    draws = means + np.zeros((n_replicates, 1))
    if n_seeds > 1:
        of_runs = ("seeds",) if runs is None else ("seeds", runs)
        rng = np.random.default_rng(child_seed(seed, "gain", *of_runs))
        normal = rng.standard_normal((n_replicates, n_seeds))
        draws += _student(rng, n_replicates, n_seeds) * normal @ by_seed / n_seeds**0.5
    rng = np.random.default_rng(child_seed(seed, "gain", "items"))
    tails = _student(rng, n_replicates, n_items) * n_items**0.5
    draws += tails * _resampled_means(rng, by_item, n_replicates)
    return Replicates(
        means,
        draws,
        by_seed / max(n_seeds * (n_seeds - 1), 1) ** 0.5,
        by_item / (n_items * (n_items - 1)) ** 0.5,
    )


def _student(rng: np.random.Generator, n_replicates: int, size: int) -> FloatArray:
    """Return 1/√χ²_k with k = size − 1, which turns a normal into a Student over √k."""
    return 1 / np.sqrt(rng.chisquare(size - 1, (n_replicates, 1)))


def _resampled_means(
    rng: np.random.Generator, by_item: FloatArray, n_replicates: int
) -> FloatArray:
    n_items = len(by_item)
    step = max(1, CHUNK_CELLS // n_items)
    parts = []
    for start in range(0, n_replicates, step):
        picks = rng.integers(n_items, size=(min(step, n_replicates - start), n_items))
        rows = np.arange(len(picks))[:, None] * n_items
        counts = np.bincount((picks + rows).ravel(), minlength=picks.size)
        parts.append(counts.reshape(picks.shape).astype(np.float64) @ by_item / n_items)
    return np.concatenate(parts)


def _without_interaction(
    values: FloatArray, by_seed: FloatArray, by_item: FloatArray
) -> FloatArray:
    """Shrink item effects until their covariance is that of b_i alone, in every direction.

    With C the covariance of the B_i and E that of the interaction within them, the map
    C^{½} (I − C^{-½} E C^{-½})₊^{½} C^{-½} takes C to C − E, with negative parts cut to zero.
    """
    n_seeds, n_items, n_models = values.shape
    tied = np.abs(by_seed).max() <= 1e-12 * np.abs(values).max()
    if n_seeds == 1 or tied:
        return by_item
    means = values.mean(axis=(0, 1))
    rest = (values - means - by_seed[:, None, :] - by_item).reshape(-1, n_models)
    interaction = rest.T @ rest / ((n_seeds - 1) * (n_items - 1) * n_seeds)
    size, axes = np.linalg.eigh(by_item.T @ by_item / (n_items - 1))
    real = size > 1e-12 * max(size[-1], np.finfo(np.float64).tiny)
    axes, size = axes[:, real], np.sqrt(size[real])
    inner, turn = np.linalg.eigh((axes.T @ interaction @ axes) / np.outer(size, size))
    root = turn * np.sqrt(np.clip(1 - inner, 0, None)) @ turn.T
    return by_item @ (axes / size) @ root @ (axes * size).T
