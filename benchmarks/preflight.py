"""What a forecast costs beyond its features: parts of 10,000 rows of 384, in units of one fit.

python benchmarks/preflight.py
"""

import time
from itertools import pairwise

import numpy as np

from w2sg.forecast import Evidence, Record, fit_arms, measure_spaces, rehearse
from w2sg.forecast.observed import observe
from w2sg.forecast.overlay import lay_over
from w2sg.forecast.prediction import predict

ROWS, WIDTH, LABELS = 10_000, 384, 500


def evidence() -> Evidence:
    """Return features, a noisy column and 500 labels."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, WIDTH)) * np.logspace(0, -2, WIDTH)
    labels = (x[:, :5].sum(axis=1) + 0.5 * rng.normal(size=ROWS) > 0).astype(int)
    told = np.where(rng.random(ROWS) < 0.25, 1 - labels, labels)
    weak = rng.normal(size=(ROWS, 128))
    return Evidence(labels[:LABELS], x, np.eye(2)[told], weak=weak)


def main() -> None:
    """Time each part and print the table."""
    given = evidence()
    n = given.n
    marks = [("", time.perf_counter())]

    def mark(name: str) -> None:
        marks.append((name, time.perf_counter()))

    ways = fit_arms(given.strong[:n], given.truth, given.strong[n:], given.teacher[n:])
    mark("every way once, all labels")
    rehearsal = rehearse(given)
    mark("rehearsal, 5 folds, 3 × 4 sizes")
    spaces = measure_spaces(given, rehearsal.held_out)
    mark("dimensions and overlap")
    lay_over(given, rehearsal, spaces)
    mark("theory")
    predict(observe(given, rehearsal, ways), Record())
    mark("prediction")
    taken = [(name, at - before) for (_, before), (name, at) in pairwise(marks)]
    unit = taken[0][1]
    print(f"{ROWS:,} rows of {WIDTH} features, {LABELS} labels")
    for name, seconds in taken:
        print(f"{name:34s} {seconds:7.2f} s {seconds / unit:7.2f} ×")
    print(f"{'together':34s} {sum(s for _, s in taken):7.2f} s")


if __name__ == "__main__":
    main()
