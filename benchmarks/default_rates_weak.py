"""The second table in docs/defaults.md: gain of the student over its teacher against its rate.

python benchmarks/default_rates_weak.py FOLDER [POLICY [RATE ...]] reads the shared data, keeps its
store in FOLDER (and goes on from it), and uses train rows only, of sets that no page shows.
"""

import os
import sys
from pathlib import Path

import pandas as pd

import w2sg

SHARED = Path(os.environ.get("W2SG_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))
SETS = ("ag_news", "trec", "tweet_emotion", "tweet_hate", "tweet_irony", "tweet_offensive")
RATES = {"qv": (1e-4, 3e-4, 1e-3), "full": (3e-5, 1e-4, 3e-4)}


def train_rows(name: str, folder: Path) -> Path:
    """Write the train rows of a set to a file of their own, so that no test row can be drawn."""
    rows = pd.read_parquet(SHARED / "text" / f"{name}.parquet")
    path = folder / f"{name}.parquet"
    rows.loc[rows.split == "train", ["text", "label"]].to_parquet(path)
    return path


def gains(folder: Path, policy: str, rates: tuple[float, ...]) -> pd.DataFrame:
    """Return the sweep's table: a row for each set and rate."""
    folder.mkdir(parents=True, exist_ok=True)
    sets = {name: str(train_rows(name, folder)) for name in SETS}
    return w2sg.sweep(
        {
            "data": {"path": "", "n_labelled": 500, "n_unlabelled": 1500, "n_test": 800},
            "teacher": {"kind": "tfidf"},
            "student": {"policy": policy, "lr_head": 3e-3, "epochs": 2, "max_length": 64},
            "run": {
                "seeds": [0, 1, 2],
                "references": [],
                "preview": False,
                "store": str(folder / "store"),
            },
            "grid": {"student.lr": list(rates)},
            "variants": [{"name": name, "data.path": path} for name, path in sets.items()],
        },
        workers=2,
    )


if __name__ == "__main__":
    if len(sys.argv) < 2:
        print("usage: default_rates_weak.py FOLDER [POLICY [RATE ...]]; see docs/defaults.md")
        raise SystemExit(0)
    policy = sys.argv[2] if len(sys.argv) > 2 else "qv"
    rates = tuple(map(float, sys.argv[3:])) or RATES[policy]
    table = gains(Path(sys.argv[1]), policy, rates)
    wide = table.pivot(index="student.lr", columns="variant", values="gain")
    wide["mean"] = wide.mean(axis=1)
    print((100 * wide).round(1).to_string())
