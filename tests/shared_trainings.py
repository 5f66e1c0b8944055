"""Trainings shared by the processes that start this: ``torchrun … shared_trainings.py MODELS OUT``.

MODELS holds one model without dropout and one with it; the first process writes what came of each
case to OUT: the loss of each step, and the weights.
"""

import json
import sys
from dataclasses import replace
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


CASES = {
    "mean": {"loss": "ce"},
    "logits of the batch": {"loss": "confidence:0.5:warmup=0.5"},
    "quantile of the batch": {"loss": "cace:quantile=0.5"},
    "unequal shares": {"loss": "ce", "batch_size": 7, "micro_batch_size": 7},
    "early stopping": {"loss": "confidence", "patience": 50},
}
WITH_DROPOUT = {"loss": "confidence", "model": "dropout", "patience": 50}


def train(models, folder, *, loss, model="still", patience=0, stop_after=0, **batches):
    """Eight rows in micro-batches of three; the last batch has three rows for four shares."""
    classifier = load_classifier(str(models / model), ("no", "yes"), seed=1)
    policy = apply(classifier.model, "full", 1.0, 1e-3, 1e-3)
    encoded = encode(classifier.tokenizer, TEXTS, max_length=32)
    function = losses.get(loss)
    schedule = Schedule(
        epochs=2,
        **{"batch_size": 8, "micro_batch_size": 3, **batches},
        warmup=0.25,
        weight_decay=0.01,
        max_grad_norm=1.0,
        precision="float32",
        patience=patience,
        checkpoint_seconds=0.0,
    )
    training = finetune(
        classifier,
        policy,
        encoded,
        TARGETS,
        loss=stopping(function, stop_after) if stop_after else function,
        schedule=schedule,
        seed=5,
        folder=folder,
        held_out=HeldOut(encoded.take(np.arange(7)), TARGETS[:7]) if patience else None,
    )
    return classifier.model.state_dict(), training


def stopping(loss, calls):
    """A loss that is interrupted, in all processes at the same moment."""
    left = iter(range(calls))

    def function(logits, targets, context):
        if next(left, None) is None:
            raise KeyboardInterrupt
        return loss.function(logits, targets, context)

    return replace(loss, function=function)


def main(models, out):
    work = out / "work"
    for number, (case, how) in enumerate(CASES.items()):
        write(out, case, train(models, work / str(number), **how))
    write(out, "whole", train(models, work / "whole", **WITH_DROPOUT))
    try:
        train(models, work / "cut", **WITH_DROPOUT, stop_after=15)
    except KeyboardInterrupt:
        write(out, "resumed", train(models, work / "cut", **WITH_DROPOUT))


def write(out, case, found):
    weights, training = found
    if ranks.here().first:
        save_file(weights, out / f"{case}.safetensors")
        told = {"curve": training.curve, "processes": training.processes}
        told["resumed_from"] = training.resumed_from
        (out / f"{case}.json").write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    from torch import distributed

    distributed.init_process_group("gloo")
    main(Path(sys.argv[1]), Path(sys.argv[2]))
