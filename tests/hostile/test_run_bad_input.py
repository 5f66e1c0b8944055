"""Bad input through the whole main job: the message, the exit status, and what is kept."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from subprocesses import SOURCES
from tiny import save_bert, tables

import w2sg
from w2sg.cli import app
from w2sg.cli.errors import explained
from w2sg.runs.store import Store, StoreError
from w2sg.spec import load, to_toml


@pytest.fixture(autouse=True)
def page(monkeypatch):
    """The page is another module's business."""
    monkeypatch.setattr("w2sg.report.render", lambda *_: "<html></html>", raising=False)
    monkeypatch.setattr("w2sg.report.model_card", lambda *_, **__: "# card", raising=False)


@pytest.fixture
def made(word_csv, tiny_model, tmp_path):
    return tables(word_csv, tiny_model, tmp_path / "store", run={"references": []})


def command(*arguments):
    """Exit status of a command, run in this process."""
    try:
        return explained(lambda: app([str(one) for one in arguments]))
    except SystemExit as end:
        return end.code


def with_rows(made, tmp_path, change, name="bad.csv"):
    frame = pd.read_csv(made["data"]["path"], dtype=str, keep_default_na=False)
    frame = change(frame)
    frame.to_csv(tmp_path / name, index=False)
    return {**made, "data": {**made["data"], "path": str(tmp_path / name)}}


def other_first(frame, column, value):
    frame.loc[frame.index[0], column] = value
    return frame


REFUSED = {
    "missing file": ({"data.path": "nowhere.csv"}, "data.path='nowhere.csv' does not exist"),
    "wrong column": (
        {"data.text": "txet"},
        "data.text='txet' is not a column of .*; there are .*mean 'text'",
    ),
    "too few rows": ({"data.n_labelled": 5000}, "n_labelled=5000 is more than there are: 190"),
    "unknown model": ({"student.model": "/no/where"}, "model '/no/where' is not known"),
    "unknown loss": ({"student.loss": "revrse_ce"}, "reverse_ce"),
    "unknown policy": ({"student.policy": "qz"}, "student.policy = .qz.: must be"),
    "unknown column of labels": (
        {"teacher.kind": "column", "teacher.column": "labl", "teacher.folds": 5},
        "teacher.column='labl' is not a column of data.path=.*mean 'label'",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_settings(made, case, capsys, tmp_path):
    """One line, no traceback, exit status 2, and nothing has been trained."""
    overrides, message = REFUSED[case]
    path = tmp_path / "spec.toml"
    path.write_text(to_toml(load(made)), encoding="utf-8")
    settings = [f"--set={name}={value}" for name, value in overrides.items()]
    assert command("run", path, *settings) == 2
    told = capsys.readouterr().err
    assert "Traceback" not in told
    assert re.search(message, told), told
    stages = {m.body["stage"] for m in Store(made["run"]["store"]).manifests()}
    assert stages <= (set() if case in ("unknown loss", "unknown policy") else {"labelled_data"})


CHANGES = {
    "one class only": (lambda f: f.assign(label="good"), "one class only, \\['good'\\]"),
    "duplicate ids": (lambda f: other_first(f, "id", f["id"].iloc[1]), "occurs more than once"),
    "empty file": (lambda f: f[:0], "holds no rows"),
}


@pytest.mark.parametrize("case", CHANGES)
def test_refused_files(made, tmp_path, case):
    change, message = CHANGES[case]
    with pytest.raises(ValueError, match=message):
        w2sg.run(with_rows(made, tmp_path, change))


def test_not_utf8_and_unseen_labels(made, tmp_path):
    latin = tmp_path / "latin.csv"
    latin.write_bytes("id,text,label\n1,naïve,0\n".encode("latin-1"))
    with pytest.raises(ValueError, match="is not UTF-8"):
        w2sg.run(made, {"data.path": str(latin)})
    pd.DataFrame(
        {"id": [f"t{i}" for i in range(60)], "text": [f"w{i}" for i in range(60)], "label": "new"}
    ).to_csv(tmp_path / "test.csv", index=False)
    with pytest.raises(ValueError, match="label 'new' of the test file is none of the classes"):
        w2sg.run(made, {"data.test": str(tmp_path / "test.csv")})


@pytest.mark.parametrize(
    ("value", "message"),
    [("nan", "none of the classes|has no value"), ("1.5", "has probability 1.5"), ("", "no value"),
     ("great", "says 'great', which is none of the classes")],
)  # fmt: skip
def test_bad_values_of_a_column_teacher(made, tmp_path, value, message):
    bad = with_rows(made, tmp_path, lambda f: f.assign(p=value))
    with pytest.raises(ValueError, match=message):
        w2sg.run(bad, {"teacher": {"kind": "column", "column": "p"}})
    assert not [m for m in Store(made["run"]["store"]).manifests() if m.status == "done"]


def test_model_without_a_tokenizer(made, tmp_path):
    bare = save_bert(tmp_path / "bare", tokenizer=False)
    with pytest.raises((ValueError, RuntimeError), match=r"no tokenizer that can be loaded"):
        w2sg.run(made, {"student.model": str(bare)})


def test_one_cause_is_told_once_with_where_its_traceback_is(made, tmp_path, capsys, monkeypatch):
    """Catches three references that repeat one sentence, and a traceback nobody can find."""
    from w2sg.runs import compute

    def fail(*_, **__):
        raise ValueError("the weights melted")

    monkeypatch.setattr(compute.strong_student, "train", fail)
    path = tmp_path / "spec.toml"
    path.write_text(to_toml(load(made, {"run.references": ["ceiling", "strong_on_labelled"]})))
    assert command("run", path) == 1
    told = capsys.readouterr().err
    assert told.count("the weights melted") == 1
    assert "student, seed 0; strong_on_labelled, seed 0; ceiling, seed 0: the weights" in told
    show = re.search(r"`w2sg show (\w+) --store (.+)` prints the traceback", told)
    assert command("show", show[1], "--store", show[2]) == 0
    assert "Traceback" in capsys.readouterr().out


def test_a_number_is_no_loss(made):
    """Catches an AttributeError after the teacher was trained."""
    with pytest.raises(ValueError, match=r"student.loss must be a name or a w2sg.losses.Loss"):
        w2sg.run(made, {"student.loss": w2sg.Named(len, name="mine", version="1")})
    assert not list(Store(made["run"]["store"]).manifests())


def test_store_that_cannot_be_written(made, tmp_path, capsys):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(StoreError, match="cannot be written"):
        w2sg.run(made, {"run.store": str(tmp_path / "file" / "store")})
    assert command("run", "--data", made["data"]["path"], "--store", tmp_path / "file" / "s") == 1
    assert "cannot be written" in capsys.readouterr().err


def test_disk_that_fills_up_keeps_finished_stages(made, monkeypatch):
    import errno

    from w2sg.runs import compute

    before = compute.write_probabilities

    def full(path, ids, values):
        if path.name == "pseudo_labels.parquet":
            raise OSError(errno.ENOSPC, "No space left on device")
        before(path, ids, values)

    monkeypatch.setattr(compute, "write_probabilities", full)
    with pytest.raises(StoreError, match=r"No space left on device.*Finished stages are kept"):
        w2sg.run(made)
    stages = sorted(m.body["stage"] for m in Store(made["run"]["store"]).manifests())
    assert stages == ["labelled_data", "weak_teacher"]


def test_handled_and_reported(made, tmp_path):
    """Blank and very long texts, markup, control characters: the run goes on and counts them."""
    script = "<script>alert('x')</script> {{ 7 * 7 }} \x1b[31m"

    def change(frame):
        frame.loc[frame.index[:3], "text"] = ["", "   ", "\t"]
        frame.loc[frame.index[3:60], "text"] = [f"{script} {i} " + "w1 " * 99 for i in range(57)]
        return frame

    result = w2sg.run(with_rows(made, tmp_path, change))
    data = result.outcome.artifact(result.outcome.data[0])
    assert data.facts["report"]["blank"] == {"data": 3}
    student = result.outcome.of_role("student/0").facts
    assert student["n_truncated"] > 0
    assert student["n_truncated_test"] > 0
    texts = pd.read_parquet(data.folder / "parts.parquet")["text"]
    assert texts.str.contains("<script>alert('x')</script> {{ 7 * 7 }} \x1b[31m", regex=False).any()
    assert (result.folder / "spec.toml").is_file()
    assert (result.folder / "report.html").is_file()
    assert result.gain.estimate is not None


def test_damage_is_repaired_and_told(made):
    """A cut manifest and a flipped byte: computed again, the user is told, the numbers are back."""
    first = w2sg.run(made)
    store, roles = first.outcome.store, first.outcome.plan.roles
    manifest = store.folder(roles["teacher/0"]) / "manifest.json"
    manifest.write_text(manifest.read_text(encoding="utf-8")[:100], encoding="utf-8")
    payload = store.folder(roles["student/0"]) / "weights.safetensors"
    content = bytearray(payload.read_bytes())
    content[-1] ^= 1
    payload.write_bytes(content)
    with pytest.raises(ValueError, match="is not whole"):
        w2sg.open_result(first.folder)
    seen = []
    again = w2sg.run(made, watch=seen.append)
    told = {e.call.stage for e in seen if e.state == "damaged"}
    assert told == {"weak_teacher", "strong_student"}
    assert set(again.outcome.computed) == {roles["teacher/0"], roles["student/0"]}
    assert again.facts == first.facts
    assert w2sg.open_result(first.folder).facts == first.facts


def test_interruption_keeps_what_is_finished_and_the_next_run_goes_on(made):
    def stop(event):
        if event.call.label.startswith("student") and event.state == "progress":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        w2sg.run(made, watch=stop)
    assert explained(lambda: w2sg.run(made, watch=stop)) == 130
    kept = {m.body["stage"] for m in Store(made["run"]["store"]).manifests()}
    assert kept == {"labelled_data", "weak_teacher", "pseudo_labels"}
    seen = []
    result = w2sg.run(made, watch=seen.append)
    assert {e.call.stage for e in seen if e.state == "cached"} == kept
    stages = [result.outcome.manifests[k].body["stage"] for k in result.outcome.computed]
    assert stages == ["strong_student", "evaluation"]


def test_ctrl_c_at_the_keyboard(made, tmp_path):
    """The signal, in a process of its own: one line, exit status 130, no traceback."""
    path = tmp_path / "spec.toml"
    path.write_text(to_toml(load(made, {"student.epochs": 5000.0})), encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-m", "w2sg", "run", str(path)],
        env={**os.environ, "PYTHONPATH": str(SOURCES), "HF_HUB_OFFLINE": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    store = Store(made["run"]["store"])
    until = time.monotonic() + 600  # a busy machine is no failure
    while not any(m.body["stage"] == "pseudo_labels" for m in store.manifests()):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < until
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=600)
    assert process.returncode == 130
    assert "stopped; finished stages are kept" in told
    assert "Traceback" not in told
    assert any(m.body["stage"] == "pseudo_labels" for m in store.manifests())


def test_commands_on_things_that_are_not_there(tmp_path, capsys):
    for arguments, message in (
        (("report", tmp_path), "holds no finished run"),
        (("predict", tmp_path, "x.csv", "-o", "y.csv"), "holds no finished run"),
        (("status", tmp_path / "none"), "is not there"),
        (("run",), "give a spec"),
        (("run", tmp_path / "no.toml"), "does not exist"),
        (("run", "--data", "x.csv", "--seeds", "a"), "write whole numbers"),
    ):
        assert command(*arguments) == 2
        assert message in capsys.readouterr().err


def test_a_spec_that_is_validated_takes_no_overrides(made):
    with pytest.raises(ValueError, match="overrides are for a file or a mapping"):
        w2sg.run(load(made), {"student.epochs": 1})


def test_no_true_labels_to_learn_from(made, tmp_path):
    """A column teacher needs none; what they would have shown is said to be unknown, not zero."""

    def unlabel(frame):
        frame["told"] = frame["label"].where(frame.index % 4 != 0, "good")
        frame.loc[frame.index[: len(frame) // 2], "label"] = ""
        return frame

    spec = with_rows(made, tmp_path, unlabel)
    spec |= {
        "data": {**spec["data"], "n_labelled": 0},
        "teacher": {"kind": "column", "column": "told"},
        "run": {**spec["run"], "references": ["ceiling", "strong_on_labelled", "mixed"]},
    }
    result = w2sg.run({**spec, "run": {**spec["run"], "preview": True}})
    assert set(result.table().index) == {"teacher", "student"}
    assert result.gain.low is not None
    assert result.facts["break_even"] is None
    with pytest.raises(ValueError, match=r"n_labelled = 0 leaves a teacher of kind 'tfidf'"):
        load(spec, {"teacher.kind": "tfidf"})
    with pytest.raises(ValueError, match=r"student.labelled = 'after' needs labelled rows"):
        load(spec, {"student.labelled": "after"})


def test_a_damaged_checkpoint_is_told_and_costs_no_bit(made):
    """A flipped bit in the optimizer's moments loads without a word and ends in other weights."""

    def stop(event):
        if event.call.label.startswith("student") and event.done == 3:
            raise KeyboardInterrupt

    expected = w2sg.run(made, {"run.store": made["run"]["store"] + "-undisturbed"})
    with pytest.raises(KeyboardInterrupt):
        w2sg.run(made, watch=stop, checkpoint_seconds=0.0)
    (work,) = (p for p in Path(made["run"]["store"], "work").glob("*") if list(p.glob("check*")))
    newest = max(work.glob("checkpoint-*"))
    content = bytearray((newest / "optimizer.pt").read_bytes())
    content[len(content) // 2] ^= 1
    (newest / "optimizer.pt").write_bytes(content)
    seen = []
    result = w2sg.run(made, watch=seen.append)
    told = [event.what for event in seen if event.state == "damaged"]
    assert len(told) == 1
    assert f"{newest.name} holds optimizer.pt, which has changed" in told[0]
    assert result.facts == expected.facts
    student = result.outcome.of_role("student/0").facts
    assert len(student["checkpoints_dropped"]) == 1
