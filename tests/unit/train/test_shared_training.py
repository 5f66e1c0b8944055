"""Two processes that share a training do what one does; so do they after an interruption."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from shared_trainings import CASES, train
from tiny import save_bert

from w2sg.train.batches import plan

TESTS = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    save_bert(folder / "still", dropout=0.0)
    save_bert(folder / "dropout", dropout=0.1)
    return folder


@pytest.fixture(scope="module")
def by_two(models, tmp_path_factory):
    """The folder in which two gloo processes under torchrun wrote what came of each case."""
    out = tmp_path_factory.mktemp("two")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"),
            *(str(TESTS / "shared_trainings.py"), str(models), str(out)),
        ],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(TESTS.parent / "src"), str(TESTS)]),
            "OMP_NUM_THREADS": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return out


def read(folder, case):
    told = json.loads((folder / f"{case}.json").read_text(encoding="utf-8"))
    return told, load_file(folder / f"{case}.safetensors")


@pytest.mark.parametrize("case", CASES)
def test_two_processes_take_the_steps_of_one(models, by_two, tmp_path, case):
    """A mean of means over unequal shares, a quantile or a majority class of half a batch, a loss
    that is scaled by the number of processes twice or not at all, a row of padding that counts:
    each moves the losses by far more than round-off."""
    weights, training = train(models, tmp_path, **CASES[case])
    told, shared = read(by_two, case)
    assert (training.processes, told["processes"]) == (1, 2)
    for name in ("loss", "held_out_loss", "learning_rate"):
        alone = [row.get(name, 0.0) for row in training.curve]
        together = [row.get(name, 0.0) for row in told["curve"]]
        np.testing.assert_allclose(together, alone, rtol=0, atol=1e-5)
    assert np.ptp([row["loss"] for row in training.curve]) > 0.1
    for name, values in weights.items():
        # a key's bias shifts all scores of a query alike: its gradient is nothing but round-off,
        # which Adam scales up to full steps, so it is the learning rate that bounds it
        loose = name.endswith("attention.self.key.bias")
        np.testing.assert_allclose(shared[name], values, rtol=0, atol=1e-2 if loose else 1e-5)


def test_resumed_together_in_the_same_bits(by_two):
    """Dropout on. Processes that resume from one stream of random numbers, from different steps
    or without the best weights so far end in other bits."""
    whole, expected = read(by_two, "whole")
    resumed, found = read(by_two, "resumed")
    assert whole["resumed_from"] == 0 < resumed["resumed_from"]
    assert resumed["curve"] == whole["curve"]
    assert [name for name in expected if not torch.equal(expected[name], found[name])] == []


@pytest.mark.parametrize(("n", "batch", "micro", "processes"), [(43, 8, 8, 2), (9, 8, 3, 4)])
def test_shares_of_a_batch_are_the_batch(n, batch, micro, processes):
    """The rows of each step are those of one process, in order, and weigh one in all."""
    sizes = {"batch_size": batch, "micro_batch_size": micro, "epochs": 2, "seed": 1}
    lengths = np.random.default_rng(0).integers(3, 30, n)
    alone, shared = plan(lengths, **sizes), plan(lengths, **sizes, processes=processes)
    for one, other in zip(alone.steps, shared.steps, strict=True):
        assert np.array_equal(np.concatenate(one), np.concatenate(other))
        assert len(other) % processes == 0
    items = shared.micro_batches
    assert all(len(rows) for rows, _ in items)
    total = sum(len(rows) * weight for rows, weight in items)
    assert np.isclose(total, len(shared.steps))
