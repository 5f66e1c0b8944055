"""Preflight of 10,000 texts against the run that it forecasts: seconds of both, and their ratio.

python benchmarks/preflight_share.py [--texts 10000] [--tokens 25] [--threads 2] [--student-only]

One seed of the run is timed, with all default references, and counted three times. With
`--student-only` the run trains the student alone, which is the hardest comparison.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

SEEDS, LABELS = 3, 500


def texts_of(count: int, tokens: int, folder: Path) -> Path:
    """Write distinct texts of about so many tokens, made of runs of words of the bundled tweets."""
    from w2sg.data.sources import read_table

    frame = read_table(bundled="vader_tweets").frame
    frame = frame[frame["label"] >= 0]
    rng = np.random.default_rng(0)
    rows = []
    by_class = [frame["text"][frame["label"] == k].tolist() for k in (0, 1)]
    for i in range(count):
        k = int(rng.integers(2))
        words: list[str] = []
        while len(words) < 0.8 * tokens:  # a word is about 1.25 tokens
            words += str(rng.choice(by_class[k])).split()
        rows.append((" ".join(words[: round(0.8 * tokens)]) + f" {i}", k))
    path = folder / "texts.csv"
    pd.DataFrame(rows, columns=["text", "label"]).to_csv(path, index=False)
    return path


def main() -> None:
    """Time preflight, then one seed of the run in another store, and print the ratio."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--texts", type=int, default=10_000)
    parser.add_argument("--tokens", type=int, default=25)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--student-only", action="store_true")
    asked = parser.parse_args()
    import torch

    import w2sg

    torch.set_num_threads(asked.threads)
    labels, test = min(LABELS, asked.texts // 5), asked.texts // 10
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spec: dict[str, Any] = {
            "data": {
                "path": str(texts_of(asked.texts, asked.tokens, folder)),
                "n_labelled": labels,
                "n_test": test,
                "n_unlabelled": asked.texts - labels - test,
            },
            "run": {"seeds": [0], "preview": False},
        }
        if asked.student_only:
            spec["run"]["references"] = []
        spent = {}
        for what, call in (("preflight", w2sg.preflight), ("run", w2sg.run)):
            started = time.perf_counter()
            call(spec, {"run.store": str(folder / what)})
            spent[what] = time.perf_counter() - started
    run = SEEDS * spent["run"]
    print(f"{asked.texts:,} texts of about {asked.tokens} tokens, {asked.threads} threads")
    print(f"preflight                      {spent['preflight']:8.1f} s")
    print(f"run, one seed                  {spent['run']:8.1f} s")
    print(f"run, {SEEDS} seeds (times {SEEDS})         {run:8.1f} s")
    print(f"preflight / run                {spent['preflight'] / run:8.3f}")


if __name__ == "__main__":
    main()
