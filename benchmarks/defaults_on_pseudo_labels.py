"""Tables in docs/defaults.md: gain of the student over its teacher against one field of the spec.

python benchmarks/defaults_on_pseudo_labels.py FOLDER N_UNLABELLED EPOCHS SET[,SET]
FIELD=VALUE[,VALUE] [SEED,…], such as student.lr=1e-4,3e-4 or teacher.labels=soft,hard, reads the
shared data, keeps its store in FOLDER and goes on from it. It draws from train rows only, of sets
that no page of this project shows.
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
    folder: Path,
    n: int,
    epochs: float,
    names: list[str],
    field: str,
    values: list[float | str],
    seeds: list[int],
) -> pd.DataFrame:
    """Return the sweep's table: a row for each set and value of the field."""
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
            "grid": {field: values},
            "variants": [{"name": name, "data.path": path} for name, path in sets.items()],
        },
        workers=1,
    )


def value(text: str) -> float | str:
    """Return a number where the text is one."""
    try:
        return float(text)
    except ValueError:
        return text


if __name__ == "__main__":
    if len(sys.argv) < 6:
        print(__doc__)
        raise SystemExit(0)
    folder, n, epochs, names, varied, *rest = sys.argv[1:]
    field, _, values = varied.partition("=")
    table = gains(
        Path(folder),
        int(n),
        float(epochs),
        names.split(","),
        field,
        [value(text) for text in values.split(",")],
        [int(seed) for seed in (rest or ["0,1,2"])[0].split(",")],
    )
    shown = ["teacher", "gain", "gain_low", "gain_high"]
    print((100 * table.set_index(["variant", field])[shown]).round(1).to_string())
