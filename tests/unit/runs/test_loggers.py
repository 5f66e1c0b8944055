"""Loggers by name reach every training, and leave something behind."""

import sys
import types

import numpy as np
import pandas as pd
import pytest
from tiny import tables
from transformers import TrainerCallback
from transformers.integrations import integration_utils

from w2sg.api import run
from w2sg.sweeps import run_sweep
from w2sg.train import loggers
from w2sg.train.loggers import Loggers, check


@pytest.fixture
def spec(word_csv, tiny_model, tmp_path):
    teacher = {"kind": "finetune", "model": str(tiny_model), "epochs": 1.0}
    run = {"references": ["strong_on_labelled"]}
    return tables(word_csv, tiny_model, tmp_path / "store", teacher=teacher, run=run)


def test_tensorboard_shows_the_stored_curve_of_each_training(spec, tmp_path):
    """Its files lay among the checkpoints, and went with them when the training was done."""
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    outcome = run(spec, loggers=("tensorboard",)).outcome
    written = {path.name: path for path in (tmp_path / "store/logs/tensorboard").iterdir()}
    assert len(written) == 3  # teacher, student, strong model on the labels
    for role in ("student/0", "strong_on_labelled/0"):
        artifact = outcome.of_role(role)
        (name,) = [n for n in written if n.endswith(artifact.manifest.key[:8])]
        assert name.startswith(role.split("/")[0] + "-seed-0")
        told = EventAccumulator(str(written[name])).Reload().Scalars("train/loss")
        curve = pd.read_parquet(artifact.folder / "curve.parquet")
        assert [event.step for event in told] == curve["step"].tolist()
        np.testing.assert_allclose([event.value for event in told], curve["loss"], rtol=1e-6)


class Spy(TrainerCallback):
    """Stands for a package that the Trainer knows by name."""

    seen: list = []

    def on_train_begin(self, args, state, control, **_):
        self.seen.append((args.run_name, args.project))

    @staticmethod
    def fold(run):
        """What follows the label and the key: the folder of the fold."""
        return run.split("/")[0][-9:] if "/" in run else ""


def test_loggers_by_name_reach_every_training(spec, monkeypatch):
    """One that is lost on the way to a stage, or that is told no name for the run, is missed."""
    monkeypatch.setattr(loggers, "find_spec", lambda package: object())
    names = ("wandb", "mlflow", "trackio")
    for name in names:
        monkeypatch.setitem(integration_utils.INTEGRATION_TO_CALLBACK, name, Spy)
        monkeypatch.delitem(sys.modules, name, raising=False)
    result = run_sweep({**spec, "grid": {"student.lr": [1e-3, 1e-2]}}, loggers=names)
    kinds = ("teacher", "strong_on_labelled", "student")
    trained = {
        f"{label} {key[:8]}"
        for key, label in result.record.labels.items()
        if label.startswith(kinds)
    }
    assert len(trained) == 5
    assert len(Spy.seen) == 5 * len(names)
    assert len(set(Spy.seen)) == 5
    # a stage of several trainings names each after its folder
    assert {run.split("/")[0].removesuffix(Spy.fold(run)) for run, _ in Spy.seen} == trained
    assert {project for _, project in Spy.seen} == {"w2sg"}


def test_what_is_not_there_is_said_before_anything_is_computed(spec, monkeypatch, tmp_path):
    monkeypatch.setattr(loggers, "find_spec", lambda package: None)
    for name in loggers.PACKAGES:
        with pytest.raises(ValueError, match=f"pip install {name}"):
            run(spec, loggers=(name,))
    with pytest.raises(ValueError, match="did you mean 'trackio'"):
        run_sweep({**spec, "grid": {"student.lr": [1e-3]}}, loggers=("tracio",))
    assert not (tmp_path / "store").exists()
    check(())


def test_each_training_is_a_run_of_its_own_in_wandb(monkeypatch):
    """Its callback goes on in the run that the training before has opened, steps and all."""
    package = types.SimpleNamespace(run=None, finished=0)

    def finish():
        package.run = None
        package.finished += 1

    package.finish = finish
    monkeypatch.setitem(sys.modules, "wandb", package)
    monkeypatch.setenv("WANDB_PROJECT", "theirs")
    for _ in range(2):
        with Loggers(("wandb",)).one_run():
            assert package.run is None
            package.run = "opened by the callback"
    assert package.finished == 2
    package.run = "the user's own"
    with Loggers(("wandb",)).one_run():
        pass
    assert package.run == "the user's own"
