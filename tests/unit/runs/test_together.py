"""Runs whose trainings are shared by processes that torchrun starts: one store, one result."""

import broken_losses
import numpy as np
import pytest
from tiny import save_bert, tables

import w2sg
from w2sg import Named
from w2sg.api import run
from w2sg.losses import Loss
from w2sg.runs import together
from w2sg.runs.execute import RunFailed, execute
from w2sg.runs.payloads import read_probabilities, read_weights
from w2sg.spec import load
from w2sg.sweeps import on_this_machine, run_sweep


@pytest.fixture(scope="module")
def still_model(tmp_path_factory):
    """A model without dropout, whose training is the same however it is shared."""
    return save_bert(tmp_path_factory.mktemp("still"), dropout=0.0)


@pytest.fixture
def spec_of(word_csv, still_model, tmp_path):
    def make(store="store", **student):
        changed = {"student": {"lr": 5e-3, **student}, "run": {"references": []}}
        return tables(word_csv, still_model, tmp_path / store, **changed)

    return make


def student_of(outcome):
    artifact = outcome.of_role("student/0")
    return read_probabilities(artifact, "answers")[1], read_weights(artifact), artifact.manifest


def test_a_run_by_two_processes_is_that_of_one(spec_of, tmp_path):
    """End to end: the same keys, so that what is shared is found again, and the same answers."""
    told = []
    shared = run(spec_of(), processes_per_training=2, watch=told.append).outcome
    alone = execute(load(spec_of("alone")))
    assert shared.plan.roles == alone.plan.roles
    answers, weights, manifest = student_of(shared)
    expected, other, its = student_of(alone)
    assert (manifest.facts["processes"], its.facts["processes"]) == (2, 1)
    assert np.ptp(expected[:, 0]) > 0.05
    np.testing.assert_allclose(answers, expected, atol=1e-4)
    assert set(weights) == set(other)
    assert any(event.state == "progress" and event.loss is not None for event in told)
    assert not list((tmp_path / "store" / "work").iterdir())
    again = execute(load(spec_of()))  # by one process, on the store that two have filled
    assert again.computed == ()


@pytest.mark.slow
def test_a_process_is_killed_and_the_training_goes_on(spec_of, tmp_path, monkeypatch):
    """From the checkpoint, to the same bits; the other one must not wait for it for ever."""
    straight = run(spec_of("straight", loss="ce", epochs=2), processes_per_training=2).outcome
    monkeypatch.setenv("DIED_ONCE", str(tmp_path / "died"))
    spec = {**spec_of(loss=broken_losses.DEATH_ONCE, epochs=2), "grid": {"student.epochs": [2]}}
    result = run_sweep(spec, processes_per_training=2, checkpoint_seconds=0.0)
    assert (tmp_path / "died").exists()
    assert result.finished
    (key,) = (k for k in result.record.labels if result.record.labels[k].startswith("student"))
    found, damage = result.store.read(key)
    assert damage is None
    assert found.facts["resumed_from"] > 0
    *_, manifest = student_of(straight)
    for name in ("answers.parquet", "weights.safetensors", "curve.parquet"):
        assert found.files[name]["sha256"] == manifest.files[name]["sha256"]


@pytest.mark.slow
def test_what_a_process_raises_is_what_failed(spec_of):
    with pytest.raises(RunFailed, match="no such thing"):
        run(spec_of(loss=broken_losses.ERROR), processes_per_training=2)
    outcome = execute(load(spec_of(loss="ce")))
    (failed,) = [m for m in outcome.store.manifests() if m.status == "failed"]
    assert "in process" in failed.error
    assert "broken_losses.py" in failed.error


def test_refused_before_anything_is_computed(spec_of, tmp_path, monkeypatch):
    sweep = {**spec_of(batch_size=2), "grid": {"student.loss": ["ce"]}}
    with pytest.raises(ValueError, match="batch_size = 2 cannot be shared by so many"):
        run(spec_of(batch_size=2), processes_per_training=3)
    with pytest.raises(ValueError, match="use --processes-per-training 2, or larger batches"):
        run_sweep(sweep, processes_per_training=3)
    with pytest.raises(
        ValueError, match="processes_per_training must be a whole number of at least"
    ):
        run(spec_of(), processes_per_training=0)
    stages = {m.body["stage"] for m in execute(load(spec_of())).manifests.values()}
    monkeypatch.setattr(together, "visible_gpus", lambda: ("0", "1"))
    with pytest.raises(ValueError, match="each process needs a GPU of its own, and there are 2"):
        run(spec_of("other"), processes_per_training=3)
    assert "strong_student" in stages
    assert not (tmp_path / "other").exists()


def test_started_by_torchrun_it_says_how_to_start_it(spec_of, monkeypatch):
    """Its processes would wait for the first one's lock, and the first one for them to join."""
    monkeypatch.setenv("WORLD_SIZE", "4")
    for start in (w2sg.run, w2sg.sweep):
        spec = spec_of() if start is w2sg.run else {**spec_of(), "grid": {"student.lr": [1e-3]}}
        with pytest.raises(ValueError, match="start it once, with --processes-per-training 4"):
            start(spec)


def test_an_object_that_cannot_be_sent_is_refused(spec_of):
    """Before torchrun is started, with the way out."""
    mine = Named(Loss("mine", lambda z, q, c: (z - q).sum(-1)), name="mine", version="1")
    with pytest.raises(RunFailed, match="or leave out --processes-per-training"):
        run(spec_of(loss=mine), processes_per_training=2)


def test_each_worker_has_gpus_for_its_processes(monkeypatch):
    monkeypatch.setattr("w2sg.sweeps.visible_gpus", lambda: tuple("01234"))
    assert on_this_machine(2, 2).gpus == ("0,1", "2,3")
    assert on_this_machine(3).gpus == tuple("01234")
