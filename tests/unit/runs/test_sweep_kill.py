"""A sweep survives SIGKILL at any moment, and ends in the bits of an undisturbed one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tiny import tables

from w2sg.runs.store import Store
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

    (tmp_path / "spec.json").write_text(json.dumps(spec("killed")))
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
    assert any(resumed), "no kill came in the middle of a training: the test saw too little"
