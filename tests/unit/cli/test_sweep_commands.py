"""The commands of a sweep as a user calls them: output, files, exit status."""

import io
import json

import pandas as pd
import pytest
from rich.console import Console
from safetensors import SafetensorError
from tiny import tables
from transformers import Trainer

from w2sg.cli import app
from w2sg.cli.errors import explained
from w2sg.cli.sweep import cells_tables
from w2sg.runs.store import Store
from w2sg.spec import load, to_toml
from w2sg.sweep_results import NUMBERS


def call(*words):
    told = [str(word) for word in words]
    return explained(lambda: app(told, exit_on_error=False, result_action="return_value"))


@pytest.fixture(scope="module")
def spec(word_csv, tiny_model, tmp_path_factory):
    """A sweep of two cells and two seeds, run once by the command."""
    folder = tmp_path_factory.mktemp("sweep-commands")
    run = {"references": ["strong_on_labelled"], "seeds": [0, 1]}
    text = to_toml(load(tables(word_csv, tiny_model, folder / "store", run=run)))
    (folder / "sweep.toml").write_text(
        text + '\n[grid]\n"student.loss" = ["ce", "reverse_ce"]\n', encoding="utf-8"
    )
    return folder / "sweep.toml"


def test_the_whole_way_of_a_sweep(spec, capsys, tmp_path):
    # plan, run, status, compare, report, show, export, import, gc: each does what it says
    assert call("sweep", spec, "--dry-run") == 0
    said = capsys.readouterr().out
    assert "8 trainings instead of 12" in said  # 2 cells x 2 seeds x 3, of which 4 are shared
    assert "No time of a similar stage is stored" in said
    assert not (spec.parent / "store").exists()

    assert call("sweep", spec, "--workers", "1") == 0
    said = capsys.readouterr().out
    assert "reverse_ce" in said
    assert "report" in said

    assert call("sweep", spec, "--dry-run", "--detect", "5") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "pilot: two stored students, 2 seeds" in said

    assert call("status", spec) == 0
    assert capsys.readouterr().out.count("finished") == 2
    assert call("compare", spec, "--by", "student.loss", "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["method"] == "reverse_ce"
    assert call("compare", spec, "--where", "student.loss=ce") == 0
    said = capsys.readouterr().out
    assert "reverse_ce" not in said
    assert "Gain in risk = misfit + residual, nats of cross-entropy" in " ".join(said.split())
    assert call("compare", spec, "-o", tmp_path / "cells.csv") == 0
    assert (
        (tmp_path / "cells.csv")
        .read_text(encoding="utf-8")
        .startswith("student.loss,teacher,student")
    )
    capsys.readouterr()
    assert call("report", spec, "--out", tmp_path / "page.html") == 0
    assert "<svg" in (tmp_path / "page.html").read_text(encoding="utf-8")

    (key,) = [
        path.name
        for path in (spec.parent / "store" / "stages").iterdir()
        if "first" not in path.name
        and '"evaluation"' in (path / "manifest.json").read_text(encoding="utf-8")
    ][:1]
    capsys.readouterr()
    assert call("show", key[:10], "--store", spec.parent / "store") == 0
    said = capsys.readouterr().out
    for words in ("evaluation, version", "torch", "student/0", "sweeps/", "done"):
        assert words in said

    assert call("export", spec, "-o", tmp_path / "sweep.zip") == 0
    assert call("import", tmp_path / "sweep.zip", "--store", tmp_path / "other") == 0
    folder = capsys.readouterr().out.strip().splitlines()[-1]
    assert call("compare", folder, "--by", "student.loss", "--json") == 0
    assert json.loads(capsys.readouterr().out) == [row]
    assert call("status", folder) == 0

    assert call("gc", spec.parent / "store") == 0
    assert "Nothing to remove" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("sweep", "{spec}", "--launcher", "cloud"), "must be one of local, ray, slurm"),
        (("sweep", "nowhere.toml"), "does not exist"),
        (("sweep", "{spec}", "--set", "student.loss=ce"), "would undo"),
        (("compare", "{spec}", "--by", "student.lr"), "the sweep varies student.loss"),
        (("compare", "{spec}", "--by", "student.loss", "--against", "x"), "the values of"),
        (("compare", "{spec}", "--where", "student.loss"), "write KEY=VALUE"),
        (("compare", "{spec}", "--where", "student.lr=1"), "write KEY=VALUE"),
        (("compare", "{spec}", "--where", "student.loss=x"), "the values of student.loss are ce"),
        (("compare", "{spec}", "--set", "run.seeds=[5]"), "holds no sweep"),
        (("export", "{spec}", "-o", "a.tar"), "must be .zip"),
        (("import", "{spec}"), "cannot be read"),
        (("show", "zz", "--store", "{store}"), "at least its first"),
        (("gc", "nowhere"), "is not there"),
    ],
)
def test_refusals_are_one_message_and_status_two(spec, words, said, capsys):
    # catches a traceback for what is the user's mistake
    if not (spec.parent / "store").exists():  # another process may have run the tests above
        assert call("sweep", spec, "--workers", "1") == 0
        capsys.readouterr()
    assert call(*(word.format(spec=spec, store=spec.parent / "store") for word in words)) == 2
    told = capsys.readouterr().err
    assert told.startswith("w2sg: ")
    assert said in " ".join(told.split())


def test_the_ledger_names_the_unit_of_each_row_where_they_differ():
    """Catches nats and squared errors in one column under one title."""
    row = dict.fromkeys(NUMBERS, 0.5)
    rows = [{"teacher.labels": "soft", **row, "divergence": "kl"},
            {"teacher.labels": "hard", **row, "divergence": "squared"},
            {"teacher.labels": "none", **dict.fromkeys(NUMBERS), "divergence": None}]  # fmt: skip

    def said(rows):
        console = Console(width=200, file=io.StringIO())
        console.print(cells_tables(("teacher.labels",), pd.DataFrame(rows))[1])
        return console.file.getvalue()

    both = said(rows)
    assert both.splitlines()[0].strip() == "Gain in risk = misfit + residual"
    assert "squared error" in both.split("hard")[1]
    assert "nats" in both.split("soft")[1].split("hard")[0]
    assert "nats of cross-entropy per test row" in said(rows[:1]).splitlines()[0]


def no_room_for_weights(monkeypatch):
    """The first training fits on the disk, the second does not."""
    from safetensors import torch as library

    save, saved = library.save_file, []

    def full(weights, path, *more):
        if path.name == "weights.safetensors" and saved:
            raise SafetensorError("I/O error: No space left on device (os error 28)")
        saved.append(path)
        save(weights, path, *more)

    monkeypatch.setattr(library, "save_file", full)


def no_room_for_a_checkpoint(monkeypatch):
    def full(self, folder):
        raise RuntimeError("PytorchStreamWriter failed writing file data/3: file write failed")

    monkeypatch.setattr(Trainer, "_save_optimizer_and_scheduler", full)


@pytest.mark.parametrize("fill", [no_room_for_weights, no_room_for_a_checkpoint])
def test_a_disk_that_fills_up(word_csv, tiny_model, tmp_path, monkeypatch, capsys, fill):
    """Said, status 1, nothing recorded as a failure of its stage: that would stay one when there
    is room again. What is finished stays, and the same command goes on."""
    made = tables(word_csv, tiny_model, tmp_path / "store", run={"references": []})
    grid = '[grid]\n"student.loss" = ["ce", "reverse_ce"]\n'
    (tmp_path / "sweep.toml").write_text(to_toml(load(made)) + grid, encoding="utf-8")
    words = ("sweep", tmp_path / "sweep.toml", "--workers", "1", "--checkpoint-minutes", "0")
    with monkeypatch.context() as patch:
        fill(patch)
        assert call(*words) == 1
    said = capsys.readouterr().err
    assert "store' cannot be written" in said
    assert "free space or choose another folder" in said
    kept = list(Store(tmp_path / "store").manifests())
    assert {m.status for m in kept} == {"done"}
    stages = [m.body["stage"] for m in kept]
    assert {"labelled_data", "weak_teacher", "pseudo_labels"} <= set(stages)
    assert stages.count("strong_student") == (fill is no_room_for_weights)
    assert call(*words) == 0
    after = {m.key: m.started for m in Store(tmp_path / "store").manifests()}
    assert {m.key: m.started for m in kept}.items() <= after.items()
    assert len(after) > len(kept)
