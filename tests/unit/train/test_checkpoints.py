"""Damaged checkpoints: each kind is said, dropped, and ends in the bits of an undisturbed run."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from shared_trainings import TARGETS, TEXTS

from w2sg import losses
from w2sg.models.backbone import encode, load_classifier
from w2sg.train.checkpoints import COMPLETE, Checkpoints
from w2sg.train.finetune import finetune
from w2sg.train.policies import apply
from w2sg.train.ranks import Ranks
from w2sg.train.schedule import HeldOut, Schedule

SCHEDULE = Schedule(
    epochs=2,
    batch_size=8,
    micro_batch_size=4,
    warmup=0.25,
    weight_decay=0.01,
    max_grad_norm=1.0,
    precision="float32",
    patience=50,  # so that there are best weights to save
    checkpoint_seconds=0.0,
)
FILES = (
    "model.safetensors",
    "optimizer.pt",
    "scheduler.pt",
    "rng_state.pth",
    "trainer_state.json",
    "training_args.bin",
    "best.safetensors",
    COMPLETE,
)


def train(model, folder, *, loss="ce", stop=None, **changed):
    """Weights and record of a training with dropout, interrupted at a step if asked."""

    def progress(done, total, loss):
        if done == stop:
            raise KeyboardInterrupt

    classifier = load_classifier(str(model), ("no", "yes"), seed=1)
    encoded = encode(classifier.tokenizer, TEXTS, max_length=32)
    training = finetune(
        classifier,
        apply(classifier.model, "full", 1.0, 1e-3, 1e-3),
        encoded,
        TARGETS,
        loss=losses.get(loss),
        schedule=replace(SCHEDULE, **changed),
        seed=5,
        folder=folder,
        held_out=HeldOut(encoded.take(np.arange(6)), TARGETS[:6]),
        progress=progress,
    )
    return classifier.model.state_dict(), training


@pytest.fixture(scope="module")
def straight(tiny_model, tmp_path_factory):
    """The weights and curve of a training that nothing disturbed."""
    return train(tiny_model, tmp_path_factory.mktemp("straight"))


@pytest.fixture(scope="module")
def stopped(tiny_model, tmp_path_factory):
    """The folder of a training stopped at its sixth step, with the checkpoints 5 and 4."""
    folder = tmp_path_factory.mktemp("stopped")
    with pytest.raises(KeyboardInterrupt):
        train(tiny_model, folder, stop=6)
    assert sorted(p.name for p in folder.glob("checkpoint-*")) == ["checkpoint-4", "checkpoint-5"]
    return folder


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


DAMAGE = {
    "flipped": flip,
    "cut": cut,
    "empty": lambda path: path.write_bytes(b""),
    "missing": lambda path: path.unlink(),
    "folder": lambda path: (path.unlink(), path.mkdir()),
}


def goes_on(tiny_model, folder, straight, step, *words):
    """Resume, and check from where, what was said, and every bit of the end."""
    found, training = train(tiny_model, folder)
    assert training.resumed_from == step
    assert len(training.dropped) == len(words)
    for sentence, word in zip(training.dropped, words, strict=True):
        assert word in sentence
    expected, undisturbed = straight
    assert [name for name in expected if not torch.equal(expected[name], found[name])] == []
    assert training.curve == undisturbed.curve
    assert training.best_step == undisturbed.best_step


@pytest.mark.parametrize("kind", DAMAGE)
@pytest.mark.parametrize("name", FILES)
def test_one_file_is_damaged(tiny_model, tmp_path, straight, stopped, name, kind):
    """A flipped bit in weights, optimizer or random streams loads without a word: the end differs.

    A cut file raises in the Trainer, at every start anew.
    """
    folder = shutil.copytree(stopped, tmp_path / "work")
    DAMAGE[kind](folder / "checkpoint-5" / name)
    # without its mark a checkpoint was never whole: it is taken for one cut while it was written
    words = () if (name, kind) == (COMPLETE, "missing") else ("checkpoint-5",)
    goes_on(tiny_model, folder, straight, 4, *words)


def test_both_are_damaged(tiny_model, tmp_path, straight, stopped):
    folder = shutil.copytree(stopped, tmp_path / "work")
    flip(folder / "checkpoint-5" / "optimizer.pt")
    (folder / "checkpoint-4" / "rng_state.pth").unlink()
    words = ("checkpoint-5 holds optimizer.pt, which has changed", "checkpoint-4 lacks rng_state")
    goes_on(tiny_model, folder, straight, 0, *words)


def foreign_file(folder):
    (folder / "checkpoint-5" / "pytorch_model.bin").write_bytes(b"of somebody else")


def older_file(folder):
    shutil.copy(folder / "checkpoint-4" / "optimizer.pt", folder / "checkpoint-5" / "optimizer.pt")


def renamed(folder):
    shutil.rmtree(folder / "checkpoint-5")
    shutil.copytree(folder / "checkpoint-4", folder / "checkpoint-5")


def of_another_training(folder):
    record = json.loads((folder / "checkpoint-5" / COMPLETE).read_text(encoding="utf-8"))
    record["training"] = "0" * 64
    (folder / "checkpoint-5" / COMPLETE).write_text(json.dumps(record), encoding="utf-8")


def other_shape(folder):
    (folder / "checkpoint-5" / COMPLETE).write_text("[1, 2]", encoding="utf-8")


def a_file_in_its_place(folder):
    shutil.rmtree(folder / "checkpoint-5")
    (folder / "checkpoint-5").write_text("", encoding="utf-8")


WHOLE = (foreign_file, older_file, renamed, of_another_training, other_shape, a_file_in_its_place)


@pytest.mark.parametrize("damage", WHOLE, ids=lambda one: one.__name__)
def test_files_that_do_not_belong_together(tiny_model, tmp_path, straight, stopped, damage):
    """Each loads or half loads: only digests and the identity of the training tell."""
    folder = shutil.copytree(stopped, tmp_path / "work")
    damage(folder)
    goes_on(tiny_model, folder, straight, 4, "checkpoint-5")


def test_strange_names_do_not_block(tiny_model, tmp_path, straight, stopped):
    folder = shutil.copytree(stopped, tmp_path / "work")
    for name in ("checkpoint-5 (copy)", "checkpoint-abc", "checkpoint-"):
        (folder / name).mkdir()
    goes_on(tiny_model, folder, straight, 5)


def test_a_checkpoint_of_other_targets_or_settings(tiny_model, tmp_path, stopped):
    """The folder of a stage is named by its key; a copied folder is not caught by that."""
    folder = shutil.copytree(stopped, tmp_path / "work")
    _, training = train(tiny_model, folder, loss="reverse_ce")
    assert training.resumed_from == 0
    assert len(training.dropped) == 2
    assert "belongs to another training" in training.dropped[0]
    _, training = train(tiny_model, folder, warmup=0.1)
    assert training.resumed_from == 0


def test_one_of_before_is_kept_while_the_next_is_written(tmp_path):
    """Else a crash of the disk in the only checkpoint costs the whole training."""
    for step in (1, 2, 3):
        (tmp_path / f"checkpoint-{step}").mkdir()
        (tmp_path / f"checkpoint-{step}" / "weights").write_text(str(step), encoding="utf-8")
        state = type("State", (), {"global_step": step})
        Checkpoints(tmp_path, 0.0, Ranks(), "mine").on_save(None, state)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["checkpoint-2", "checkpoint-3"]
    again = Checkpoints(tmp_path, 0.0, Ranks(), "mine")
    assert again.last() == tmp_path / "checkpoint-3"
    assert again.dropped == []
