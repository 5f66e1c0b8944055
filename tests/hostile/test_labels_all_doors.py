"""Labels and given answers through every command: refused with status 2 before anything is made,
or said on the terminal and on the page."""

import re

import numpy as np
import pandas as pd
import pytest
from tiny import tables

import w2sg
from w2sg.cli import app
from w2sg.cli.errors import explained
from w2sg.runs.store import Store
from w2sg.spec import load, to_toml


@pytest.fixture
def made(word_csv, tiny_model, tmp_path):
    return tables(word_csv, tiny_model, tmp_path / "store", run={"references": []})


def command(*arguments):
    try:
        return explained(lambda: app([str(one) for one in arguments]))
    except SystemExit as end:
        return end.code


def written(made, tmp_path, change, **teacher):
    """A spec file of the run whose rows are changed."""
    frame = pd.read_csv(made["data"]["path"], dtype=str, keep_default_na=False)
    change(frame).to_csv(tmp_path / "rows.csv", index=False)
    data = {**made["data"], "path": str(tmp_path / "rows.csv")}
    path = tmp_path / "spec.toml"
    path.write_text(to_toml(load({**made, "data": data, "teacher": teacher or made["teacher"]})))
    return path


def done(made):
    return {m.body["stage"] for m in Store(made["run"]["store"]).manifests() if m.status == "done"}


REFUSED = {
    "no label as a class": (
        lambda f: f.assign(label=np.where(np.arange(len(f)) % 3 == 0, "-1", f["label"])),
        {},
        r"data\.label='label' .* holds '-1' in 80 of 240 rows.*data\.no_label = \[\"-1\"\]",
    ),
    "codes of unknown classes": (
        lambda f: f.assign(llm=(f["label"] == "bad").astype(int)),
        {"kind": "column", "column": "llm"},
        r"teacher\.column='llm' holds '0', '1', and neither.*teacher\.classes = \[\"good\"\]",
    ),
    "class names in several columns": (
        lambda f: f.assign(ann=f["label"], bob=f["label"]),
        {"kind": "column", "column": ["ann", "bob"]},
        r"teacher\.column names 2 columns \('ann', 'bob'\), but 'ann' holds class names",
    ),
    "an answer that is empty": (
        lambda f: f.assign(llm=np.where(np.arange(len(f)) % 2, f["label"], "")),
        {"kind": "column", "column": "llm"},
        r"teacher\.column: id '.*' has no value",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("door", ["run", "preflight", "sweep", "sweep --dry-run"])
def test_refused_before_anything_is_made(made, tmp_path, capsys, case, door):
    change, teacher, message = REFUSED[case]
    path = written(made, tmp_path, change, **teacher)
    name, *options = door.split()
    if name == "sweep":
        path.write_text(path.read_text() + '[grid]\n"student.epochs" = [1.0, 2.0]\n')
    assert command(name, path, *options) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert re.search(message, told), told
    assert "Traceback" not in told
    assert not done(made)


def contradictory(frame):
    """Twenty texts that stand there twice with both labels, and two spellings of one class."""
    frame = frame.assign(id=[f"r{i}" for i in range(len(frame))])
    copies = frame[:40].assign(id=[f"c{i}" for i in range(40)])
    copies["label"] = copies["label"].map({"good": "bad", "bad": "good"})
    both = pd.concat([frame, copies], ignore_index=True)
    rest = np.arange(len(both)) % 7 == 0
    return both.assign(label=np.where(rest & (both["label"] == "bad"), "Bad", both["label"]))


def test_said_on_the_terminal_and_on_the_page(made, tmp_path, capsys):
    path = written(made, tmp_path, contradictory)
    assert command("run", path, "--set=data.n_test=100") == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "note: data.label: classes that differ in case" in told
    assert re.search(r"note: [\d,]+ rows? of the .* part ha\w+ a text that stands there", told)
    assert command("run", path, "--set=data.n_test=100") == 0
    assert "note: data.label:" in capsys.readouterr().out  # a run that is stored says it again
    result = w2sg.run(path, {"data.n_test": 100})
    page = (result.folder / "report.html").read_text(encoding="utf-8")
    warnings = page.split("Before you believe it")[1].split("</section>")[0]
    assert "classes that differ in case" in warnings
    assert "no model can be right on all of them" in warnings
    assert "Rows of one text with several labels" in page
    assert any("differ in case" in note for note in result.notes)


def test_rounded_answers_are_said_and_shown_on_the_teacher_card(made, tmp_path, capsys):
    def answers(frame):
        p = np.where(frame["label"] == "good", 0.66, 0.33)
        return frame.assign(p_good=p, p_bad=(0.99 - p).round(2))

    path = written(made, tmp_path, answers, kind="column", column=["p_good", "p_bad"])
    assert command("run", path) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "note: teacher.column: columns by class: 'p_good' is 'good', 'p_bad' is 'bad'" in told
    assert "differ from 1 by up to 0.01 (they are rounded to 2 decimals)" in told
    result = w2sg.run(path)
    card = (result.folder / "report.html").read_text(encoding="utf-8").split("Teacher card")[1]
    assert "is &#39;good&#39;" in card
    assert "rounded to 2 decimals" in card
    assert result.table().loc["teacher", "accuracy"] == 1.0


def test_a_sweep_says_it_once(made, tmp_path, capsys):
    path = written(made, tmp_path, contradictory)
    path.write_text(path.read_text() + '[grid]\n"student.epochs" = [1.0, 2.0]\n')
    assert command("sweep", path) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert told.count("note: data.label: classes that differ in case") == 1


def test_a_forecast_carries_the_notes(word_csv, tiny_model, tmp_path):
    from w2sg.api import preflight_folder

    made = tables(
        word_csv, tiny_model, tmp_path / "store",
        data={"n_labelled": 120, "n_unlabelled": 60, "n_test": 30},
    )  # fmt: skip
    path = written(made, tmp_path, lambda f: contradictory(f).replace({"Bad": "bad"}))
    found = w2sg.preflight(path)
    assert any("no model can be right" in note for note in found.facts["notes"])
    page = (preflight_folder(found.spec) / "preflight.html").read_text(encoding="utf-8")
    assert "no model can be right" in page


def test_a_forecast_needs_the_labeller_on_labelled_rows(word_csv, tiny_model, tmp_path):
    """The run itself does not: the labeller was asked about unlabelled and test rows alone."""
    frame = pd.read_csv(word_csv, dtype=str)
    named = {"unlabelled": "u.csv", "test": "t.csv"}
    frame[:120].to_csv(tmp_path / "l.csv", index=False)
    frame[120:180].assign(llm=frame["label"]).to_csv(tmp_path / "u.csv", index=False)
    frame[180:].assign(llm=frame["label"]).to_csv(tmp_path / "t.csv", index=False)
    data = {"n_labelled": 100, "n_unlabelled": 60, "n_test": 60}
    data |= {name: str(tmp_path / file) for name, file in named.items()}
    made = tables(
        tmp_path / "l.csv", tiny_model, tmp_path / "store", data=data, run={"references": []}
    )
    made["teacher"] = {"kind": "column", "column": "llm"}
    assert w2sg.run(made).table().loc["teacher", "accuracy"] == 1.0
    with pytest.raises(ValueError, match=r"100 of 100 have no value in 'llm'; ask"):
        w2sg.preflight(made)
