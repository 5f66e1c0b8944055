"""Sweeps and runs survive SIGKILL at any moment, and end in the bits of undisturbed ones."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from kill_harness import interrupted
from tiny import tables

from w2sg.runs.execute import execute
from w2sg.runs.store import Store
from w2sg.spec import load, to_toml
from w2sg.sweeps import run_sweep

TESTS = Path(__file__).parents[2]


def payloads(root):
    """Stage key → name and checksum of every file, all read and checked."""
    store = Store(root)
    found = {}
    for folder in (root / "stages").iterdir():
        manifest, damage = store.read(folder.name)
        assert damage is None, damage
        assert manifest.status == "done"
        found[manifest.key] = {name: entry["sha256"] for name, entry in manifest.files.items()}
    return found


@pytest.mark.parametrize(
    ("n_kills", "workers", "seconds"),
    [(12, 1, 1.5), pytest.param(100, 2, 20.0, marks=pytest.mark.slow)],
)
def test_killed_and_finished_is_undisturbed(
    word_csv, tiny_model, tmp_path, monkeypatch, n_kills, workers, seconds
):
    # catches half-written artifacts, a lock that outlives its process, and a resumed training
    # that sees other batches, other dropout or another learning rate
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(TESTS.parent / "src"), str(TESTS)]))
    student = {"epochs": 6, "lr": 5e-3}
    run = {"references": ["strong_on_labelled", "student_then_labels"]}

    def spec(name):
        made = tables(word_csv, tiny_model, tmp_path / name, student=student, run=run)
        return {**made, "grid": {"student.loss": ["ce", "reverse_ce"]}}

    (tmp_path / "spec.json").write_text(json.dumps(spec("killed")), encoding="utf-8")
    arguments = [str(tmp_path / "spec.json"), str(n_kills), str(workers), str(seconds)]
    done = subprocess.run(
        [sys.executable, str(TESTS / "kill_harness.py"), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["status"] == 0, done.stderr[-2000:]
    assert told["parent"] + told["worker"] >= n_kills
    undisturbed = run_sweep(spec("undisturbed"))
    assert undisturbed.finished
    found = payloads(tmp_path / "killed")
    assert found == payloads(tmp_path / "undisturbed")
    assert not list((tmp_path / "killed" / "work").glob("*"))
    resumed = [
        manifest.facts["resumed_from"]
        for manifest in Store(tmp_path / "killed").manifests()
        if manifest.body["stage"] == "strong_student"
    ]
    assert any(resumed), "the training that was killed did not go on from its checkpoint"


def test_a_run_killed_in_a_training_goes_on(word_csv, tiny_model, tmp_path, monkeypatch):
    """`w2sg run`, killed once a checkpoint lies there, and called again: the same bits.

    Dropout is on. A second call that trains from the start, from the checkpoint with other random
    streams, or that answers with the first weights, differs.
    """
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(TESTS.parent / "src"), str(TESTS)]))
    student = {"epochs": 25, "lr": 1e-3}
    run = {"references": []}

    def spec(name):
        return load(tables(word_csv, tiny_model, tmp_path / name, student=student, run=run))

    (tmp_path / "spec.toml").write_text(to_toml(spec("killed")), encoding="utf-8")
    command = [sys.executable, "-m", "w2sg", "run", str(tmp_path / "spec.toml")]
    often = [*command, "--checkpoint-minutes", "0.001"]
    store = tmp_path / "killed"
    while not interrupted(store):  # again where the training was over before the kill reached it
        shutil.rmtree(store, ignore_errors=True)
        with (tmp_path / "told.txt").open("w") as told:
            process = subprocess.Popen(often, stdout=told, stderr=told)
        while process.poll() is None and not interrupted(store):
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        assert process.wait() in (0, -signal.SIGKILL), (tmp_path / "told.txt").read_text(
            encoding="utf-8"
        )
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    execute(spec("undisturbed"))
    assert payloads(tmp_path / "killed") == payloads(tmp_path / "undisturbed")
    found = Store(tmp_path / "killed").manifests()
    (resumed,) = [m.facts["resumed_from"] for m in found if m.body["stage"] == "strong_student"]
    assert resumed > 0
