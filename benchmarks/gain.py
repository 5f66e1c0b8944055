"""Interval of PGR, 2,000 replicates of 10 seeds × 2,000 items: ours against a loop over resamples.

Run: python benchmarks/gain.py
"""

import time

import numpy as np

from w2sg.gain import pgr

REPLICATES = 2000


def looped(teacher, student, ceiling):
    """What a user would write: draw rows and columns, index, average, one replicate at a time."""
    rng = np.random.default_rng(0)
    n_seeds, n_items = teacher.shape
    ratios = []
    for _ in range(REPLICATES):
        picked = np.ix_(rng.integers(n_seeds, size=n_seeds), rng.integers(n_items, size=n_items))
        t, s, c = (x[picked].mean() for x in (teacher, student, ceiling))
        ratios.append((s - t) / (c - t))
    return np.quantile(ratios, [0.025, 0.975])


def main():
    """Time both and print a small table."""
    rng = np.random.default_rng(0)
    scores = [(rng.random((10, 2000)) < p).astype(float) for p in (0.7, 0.8, 0.9)]
    seconds = {}
    for name, call in (
        ("w2sg.gain.pgr", lambda: pgr(*scores, n_replicates=REPLICATES)),
        ("loop", lambda: looped(*scores)),
    ):
        times = []
        for _ in range(3):
            start = time.perf_counter()
            call()
            times.append(time.perf_counter() - start)
        seconds[name] = min(times)
    for name, value in seconds.items():
        print(f"{name:14} {value:7.3f} s  {seconds['loop'] / value:5.1f} × the loop's speed")


if __name__ == "__main__":
    main()
