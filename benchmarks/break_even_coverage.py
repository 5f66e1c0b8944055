"""How often the break-even's interval holds the truth, by seeds and spread of the trainings.

`python benchmarks/break_even_coverage.py [TRIALS]`: data are drawn from a known learning curve on
which the student is worth 300 labels; every training is off by a normal number of points. Items
have difficulties that all models share. A test runs a few of the cells.
"""

import sys
from collections.abc import Iterator

import numpy as np

from w2sg.gain.break_even import Curve, break_even

SIZES = np.array([60, 120, 240, 480, 960])
ANCHORS = (100, 800)  # labels of the fine-tuned models
WORTH = 300.0
SHIFT = 0.05  # fine-tuned above frozen
ITEMS = 800
PREVIEW_SEEDS = 3


def accuracy(labels: float) -> float:
    """Return the accuracy on frozen features at a number of labels."""
    return 0.55 + 0.2 * float(np.log10(labels / 50))


def covers(rng: np.random.Generator, n_seeds: int, spread: float) -> bool:
    """Say whether one experiment's 95 % interval holds the truth."""
    difficulty = 0.3 * (0.5 - rng.random(ITEMS))  # no accuracy is cut at 0 or 1

    def answers(level: float) -> np.ndarray:
        return (rng.random(ITEMS) < np.clip(level + difficulty, 0, 1)).astype(float)

    def trainings(labels: float) -> np.ndarray:
        levels = accuracy(labels) + SHIFT + spread * rng.standard_normal(n_seeds)
        return np.array([answers(level) for level in levels])

    frozen = [[answers(accuracy(size)) for size in SIZES] for _ in range(PREVIEW_SEEDS)]
    answer = break_even(
        Curve(SIZES, np.array(frozen)),
        {n: trainings(n) for n in ANCHORS},
        trainings(WORTH),
        n_replicates=1000,
    )
    return (answer.low or 0.0) <= WORTH <= (answer.high or np.inf)


def coverage(trials: int, n_seeds: int, spread: float, *, seed: int = 7) -> float:
    """Return the share of experiments whose interval holds the truth."""
    rng = np.random.default_rng([seed, n_seeds, round(1000 * spread)])
    return float(np.mean([covers(rng, n_seeds, spread) for _ in range(trials)]))


def rows(trials: int) -> Iterator[str]:
    """Yield a table."""
    yield "seeds  spread of trainings, points  coverage"
    for n_seeds in (1, 2, 3, 5, 10):
        for spread in (0.0, 0.017, 0.037):
            share = coverage(trials, n_seeds, spread)
            yield f"{n_seeds:5}  {100 * spread:27.1f}  {share:8.3f}"


if __name__ == "__main__":
    for line in rows(int(sys.argv[1]) if len(sys.argv) > 1 else 1000):
        print(line, flush=True)
