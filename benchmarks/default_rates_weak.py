"""The second table in docs/defaults.md: gain of the student over its teacher against its rate.

python benchmarks/default_rates_weak.py FOLDER N_UNLABELLED EPOCHS SET[,SET] RATE[,RATE] [SEED,…]
reads the shared data, keeps its store in FOLDER and goes on from it. It draws from train rows only,
of sets that no page of this project shows.
"""

import os
import sys
from pathlib import Path

import pandas as pd

import w2sg

SHARED = Path(os.environ.get("W2SG_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))


def train_rows(name: str, folder: Path) -> Path:
    """Write the train rows of a set to a file of their own, so that no test row can be drawn."""
    rows = pd.read_parquet(SHARED / "text" / f"{name}.parquet")
    path = folder / f"{name}.parquet"
    rows.loc[rows.split == "train", ["text", "label"]].to_parquet(path)
    return path


def gains(
    folder: Path, n: int, epochs: float, names: list[str], rates: list[float], seeds: list[int]
) -> pd.DataFrame:
    """Return the sweep's table: a row for each set and rate."""
    folder.mkdir(parents=True, exist_ok=True)
    sets = {name: str(train_rows(name, folder)) for name in names}
    return w2sg.sweep(
        {
            "data": {"path": "", "n_labelled": 500, "n_unlabelled": n, "n_test": 800},
            "teacher": {"kind": "tfidf"},
            "student": {"lr_head": 3e-3, "epochs": epochs, "max_length": 64},
            "run": {
                "seeds": seeds,
                "references": [],
                "preview": False,
                "store": str(folder / "store"),
            },
            "grid": {"student.lr": rates},
            "variants": [{"name": name, "data.path": path} for name, path in sets.items()],
        },
        workers=1,
    )


if __name__ == "__main__":
    if len(sys.argv) < 6:
        print(
            "usage: default_rates_weak.py FOLDER N EPOCHS SETS RATES [SEEDS]; see docs/defaults.md"
        )
        raise SystemExit(0)
    folder, n, epochs, names, rates, *rest = sys.argv[1:]
    table = gains(
        Path(folder),
        int(n),
        float(epochs),
        names.split(","),
        [float(rate) for rate in rates.split(",")],
        [int(seed) for seed in (rest or ["0,1,2"])[0].split(",")],
    )
    shown = ["gain", "gain_low", "gain_high"]
    print((100 * table.set_index(["variant", "student.lr"])[shown]).round(1).to_string())
