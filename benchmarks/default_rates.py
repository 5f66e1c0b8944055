"""One cell of the table in docs/defaults.md: SET POLICY RATE HEAD_RATE [EPOCHS]."""

import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from w2sg import losses
from w2sg.data.examples import Labelled, Unlabelled
from w2sg.models.backbone import resolve_precision
from w2sg.stages.strong_student import Settings, train

SHARED = Path(os.environ.get("W2SG_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))
N = 1000


def cell(
    name: str, policy: str, lr: float, lr_head: float, epochs: float = 2.0
) -> tuple[float, float]:
    """Return accuracy and log loss on rows that the training did not see."""
    rows = pd.read_parquet(SHARED / "text" / f"{name}.parquet").sample(frac=1, random_state=0)
    rows = rows[rows.split == "train"]
    names = tuple(str(k) for k in range(int(rows.label.max()) + 1))
    ids = [f"row {i}" for i in range(len(rows))]
    labelled = Labelled(tuple(ids[:N]), tuple(rows.text[:N]), rows.label[:N].to_numpy(), names)
    asked = Unlabelled(tuple(ids[N : 2 * N]), tuple(rows.text[N : 2 * N]))
    settings = Settings(
        model="all-MiniLM-L6-v2",
        layers=None,
        policy=policy,
        method="full",
        epochs=epochs,
        lr=lr,
        lr_head=lr_head,
        ratio=1.0,
        batch_size=32,
        micro_batch_size=32,
        max_length=128,
        weight_decay=0.01,
        warmup=0.1,
        max_grad_norm=1.0,
        precision=resolve_precision("auto"),
        patience=0,
        held_out=0.1,
    )
    with tempfile.TemporaryDirectory() as folder:
        student = train(
            (labelled,),
            asked,
            settings=settings,
            loss=losses.get("ce"),
            seed=0,
            folder=Path(folder),
        )
    p, truth = student.test_probabilities, rows.label[N : 2 * N].to_numpy()
    hits = float((p.argmax(axis=1) == truth).mean())
    return hits, float(-np.log(p[np.arange(len(p)), truth]).mean())


if __name__ == "__main__":
    if len(sys.argv) < 5:
        print("usage: default_rates.py SET POLICY RATE HEAD_RATE [EPOCHS]; see docs/defaults.md")
        raise SystemExit(0)
    accuracy, log_loss = cell(sys.argv[1], sys.argv[2], *map(float, sys.argv[3:]))
    print(*sys.argv[1:], f"accuracy {accuracy:.3f} log loss {log_loss:.3f}")
