"""Trainings shared by the processes that start this together: ``torchrun … shared_trainings.py``.

Run as ``python shared_trainings.py MODEL OUT CASE…``, by itself or by torchrun; the first process
writes the loss of each step, and the weights, of each case to OUT.
"""

import json
import sys
from pathlib import Path

import numpy as np
from safetensors.torch import save_file

from w2sg import losses
from w2sg.data.synthetic import word_table
from w2sg.models.backbone import encode, load_classifier
from w2sg.train import ranks
from w2sg.train.finetune import finetune
from w2sg.train.policies import apply
from w2sg.train.schedule import HeldOut, Schedule

TABLE = word_table(43, n_words=60, words_per_text=6, seed=3).frame
TEXTS = [" ".join(t.split()[: 2 + i % 5]) for i, t in enumerate(TABLE["text"])]
TARGETS = np.where(TABLE["label"].to_numpy()[:, None] == [0, 1], 0.9, 0.1)


def train(model, folder, loss, *, batch_size=8, micro_batch_size=3, patience=0):
    """Eight rows in micro-batches of three; the last batch has three rows for four shares."""
    classifier = load_classifier(str(model), ("no", "yes"), seed=1)
    policy = apply(classifier.model, "full", 1.0, 1e-3, 1e-3)
    encoded = encode(classifier.tokenizer, TEXTS, max_length=32)
    held_out = HeldOut(encoded.take(np.arange(7)), TARGETS[:7]) if patience else None
    training = finetune(
        classifier,
        policy,
        encoded,
        TARGETS,
        loss=losses.get(loss),
        schedule=Schedule(
            epochs=2,
            batch_size=batch_size,
            micro_batch_size=micro_batch_size,
            warmup=0.25,
            weight_decay=0.01,
            max_grad_norm=1.0,
            precision="float32",
            patience=patience,
            checkpoint_seconds=0.0,
        ),
        seed=5,
        folder=folder,
        held_out=held_out,
    )
    return classifier, training


CASES = {
    "ce": {"loss": "ce"},
    "logits of the batch": {"loss": "confidence:0.5:warmup=0.5"},
    "quantile of the batch": {"loss": "cace:quantile=0.5"},
    "unequal shares": {"loss": "ce", "batch_size": 7, "micro_batch_size": 7},
    "early stopping": {"loss": "confidence", "patience": 50},
}


def main(model, out, cases):
    together = ranks.here()
    for number, case in enumerate(cases):
        classifier, training = train(model, out / "work" / str(number), **CASES[case])
        if together.first:
            found = {"processes": training.processes, "curve": training.curve}
            (out / f"{case}.json").write_text(json.dumps(found))
            save_file(classifier.model.state_dict(), out / f"{case}.safetensors")


if __name__ == "__main__":
    import os

    if "RANK" in os.environ:
        from torch import distributed

        distributed.init_process_group("gloo")
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:] or list(CASES))
