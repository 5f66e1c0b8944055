"""A sweep against a loop in which every cell trains all it needs, by count and by time.

3 teachers x 4 losses x 2 policies x 2 seeds, 500 labels, 1,000 texts, 1 epoch, references ceiling,
strong-on-labelled and self-training. The loop is measured on a random sixth of the cells, each in
a store of its own, and scaled.

Run: python benchmarks/sweep_sharing.py [MODEL [DATA.parquet]]; a tiny random model by default.
"""

import random
import sys
import tempfile
import time
from pathlib import Path

from w2sg.runs.execute import execute
from w2sg.spec import load
from w2sg.sweeps import run_sweep

GRID = {
    "student.loss": ["ce", "reverse_ce", "symmetric:1:1", "squared"],
    "student.policy": ["qv", "head"],
}
VARIANTS = [
    {"name": "2 folds", "teacher.folds": 2},
    {"name": "3 folds", "teacher.folds": 3},
    {"name": "cross-fitted", "teacher.folds": 2, "teacher.cross_fit": 3},
]


def tables(root, model, data):
    """The run that every cell changes."""
    return {
        "data": {"path": str(data), "n_labelled": 500, "n_unlabelled": 1000, "n_test": 500},
        "teacher": {"kind": "tfidf"},
        "student": {"model": str(model), "epochs": 1, "max_length": 64},
        "run": {
            "seeds": [0, 1],
            "preview": False,
            "references": ["ceiling", "strong_on_labelled", "self_training"],
            "store": str(root / "store"),
        },
    }


def main():
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        model = sys.argv[1] if len(sys.argv) > 1 else tiny_model(root)
        data = sys.argv[2] if len(sys.argv) > 2 else words(root)
        base = tables(root, model, data)
        started = time.perf_counter()
        result = run_sweep({**base, "grid": GRID, "variants": VARIANTS})
        sweep_seconds = time.perf_counter() - started
        cells = result.record.cells
        some = random.Random(0).sample(range(len(cells)), len(cells) // 6)
        loop = []
        for number in some:
            settings = {k: v for k, v in cells[number].settings.items() if k != "variant"}
            alone = load(base, {**settings, "run.store": str(root / f"loop-{number}")})
            started = time.perf_counter()
            execute(alone)
            loop.append(time.perf_counter() - started)
        naive_seconds = sum(loop) * len(cells) / len(some)
    record = result.record
    print(f"{'':24}{'sweep':>10}{'loop':>10}{'ratio':>8}")
    count = record.n_trainings / record.n_naive
    print(f"{'trainings':24}{record.n_trainings:10}{record.n_naive:10}{count:8.2f}")
    ratio = sweep_seconds / naive_seconds
    print(f"{'seconds':24}{sweep_seconds:10.1f}{naive_seconds:10.1f}{ratio:8.2f}")
    print(f"The loop's time is that of {len(some)} of {len(cells)} cells, scaled.")


def tiny_model(root):
    """A random model of two layers."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from tiny import save_bert

    return save_bert(root / "model")


def words(root):
    """Texts whose classes differ in their words."""
    from w2sg.data.synthetic import word_table

    path = root / "words.parquet"
    word_table(2200, n_words=60, words_per_text=8).frame.to_parquet(path)
    return path


if __name__ == "__main__":
    main()
