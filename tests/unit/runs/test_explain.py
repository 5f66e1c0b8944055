"""`Result.explain` and `w2sg explain` on tiny runs: every kind of teacher, stored, in words."""

import json
import re
from dataclasses import replace
from io import StringIO

import numpy as np
import pandas as pd
import pytest

import w2sg
from w2sg.cli.errors import explained
from w2sg.cli.explain import explain as command
from w2sg.cli.explain import show
from w2sg.cli.report import report
from w2sg.models.features import pooled_features

NAMES = [
    "re-regularised teacher", "isotropic penalty", "untrained student", "no discrepancy",
    "full discrepancy", "mean teacher",
]  # fmt: skip


@pytest.fixture(scope="module")
def spec(tmp_path_factory, word_csv, tiny_model):
    store = tmp_path_factory.mktemp("store")
    return {
        "data": {"path": str(word_csv), "n_labelled": 60, "n_unlabelled": 100, "n_test": 60},
        "student": {"model": str(tiny_model), "policy": "head", "epochs": 1},
        "run": {"seeds": [0, 1], "store": str(store), "references": ["ceiling"]},
    }


@pytest.fixture(scope="module")
def result(spec):
    return w2sg.run(spec)


@pytest.fixture(scope="module")
def found(result):
    return result.explain()


def test_every_control_is_made_and_named(found):
    assert [c.name for c in found.controls] == NAMES
    assert all(c.gain.reason is None for c in found.controls)
    assert found.n_seeds == 2
    assert found.n_items == 60
    for c in found.controls:  # a change is the difference of two gains over the same rows
        assert c.change.estimate == pytest.approx(c.gain.estimate - found.gain.estimate)
        assert c.gain.estimate == pytest.approx(c.student - c.teacher)


def test_reference_is_the_teacher_of_the_run(result, found):
    # catches rows paired by position across seeds, and a teacher fitted anew in other ways
    told = result.table()["accuracy"]["teacher"]
    assert found.teacher == pytest.approx(told)
    assert found.control("untrained student").teacher == pytest.approx(told)


def test_second_call_reads_the_store(result, found):
    events = []
    again = w2sg.open_result(result.folder).explain(watch=lambda e: events.append(e.state))
    assert again == found
    assert set(events) == {"cached"}


def test_untrained_features_are_another_network(tiny_model):
    # catches random weights drawn from the global stream, or the trained ones loaded after all
    texts = ["a short text", "that is quite a bit longer"]
    trained = pooled_features(str(tiny_model), texts)
    random = [pooled_features(str(tiny_model), texts, untrained=s) for s in (1, 1, 2)]
    np.testing.assert_array_equal(random[0], random[1])
    assert np.abs(random[0] - random[2]).max() > 1e-3
    assert np.abs(random[0] - trained).max() > 1e-3
    assert random[0].shape == trained.shape


def test_without_untrained_features_one_control_is_withheld(result):
    found = result.explain(untrained=False)
    reasons = {c.name: c.gain.reason for c in found.controls if c.gain.reason}
    assert list(reasons) == ["untrained student"]


def test_given_labels_withhold_what_needs_a_teacher(spec, tmp_path):
    frame = pd.read_csv(spec["data"]["path"], dtype=str)
    rng = np.random.default_rng(0)
    other = frame["label"].map({"good": "bad", "bad": "good"})
    frame["crowd"] = np.where(rng.random(len(frame)) < 0.2, other, frame["label"])
    frame.to_csv(tmp_path / "crowd.csv", index=False)
    made = w2sg.run(
        {
            **spec,
            "data": {**spec["data"], "path": str(tmp_path / "crowd.csv")},
            "teacher": {"kind": "column", "column": "crowd"},
        }
    )
    withheld = [c.name for c in made.explain().controls if c.gain.reason]
    assert withheld == ["re-regularised teacher", "no discrepancy", "mean teacher"]


@pytest.mark.parametrize(
    "teacher",
    [
        {"kind": "probe", "layers": 1},
        {"kind": "finetune", "layers": 1, "epochs": 1, "policy": "head"},
        {"kind": "sklearn", "estimator": "ComplementNB"},
        {"kind": "tfidf", "cross_fit": 2, "labels": "hard"},
    ],
)
def test_other_teachers(spec, tiny_model, teacher):
    if "layers" in teacher:
        teacher = {**teacher, "model": str(tiny_model)}
    run = {**spec["run"], "seeds": [0], "preview": False}
    found = w2sg.run({**spec, "teacher": teacher, "run": run}).explain(untrained=False)
    withheld = {c.name for c in found.controls if c.gain.reason}
    expected = {"untrained student"}
    if teacher["kind"] == "sklearn":
        expected.add("re-regularised teacher")
    assert withheld == expected
    stands_in = teacher["kind"] == "finetune" or "cross_fit" in teacher
    assert (found.note is not None) == stands_in


def test_command_prints_and_writes(result, found, tmp_path, capsys):
    page, rows = tmp_path / "why.html", tmp_path / "why.csv"
    assert explained(lambda: command(result.folder, out=page)) == 0
    printed = capsys.readouterr().out
    assert "do not add up" in printed
    assert all(name in printed for name in NAMES)
    text = page.read_text(encoding="utf-8")
    assert text.count("<script") == 1
    assert "://" not in re.sub(r"http://www\.w3\.org/", "", text)
    assert explained(lambda: command(result.folder, out=rows)) == 0
    assert list(pd.read_csv(rows)["control"]) == ["as it was", *NAMES]
    capsys.readouterr()
    assert explained(lambda: command(result.folder, as_json=True)) == 0
    assert json.loads(capsys.readouterr().out)["n_items"] == 60


def test_a_report_made_afterwards_shows_the_controls(result, found, tmp_path):
    """Catches an explanation that only the command knows, and a page that only a run can make."""
    reopened = w2sg.open_result(result.folder)
    assert found == reopened.explanation
    page = tmp_path / "report.html"
    assert explained(lambda: report(result.folder, out=page)) == 0
    page = page.read_text()
    assert "Why did it gain?" in page
    assert all(f'<th scope="row">{name}</th>' in page for name in NAMES)
    (result.folder / "explanation.json").unlink()
    assert "Why did it gain?" not in result.report(tmp_path / "report.html").read_text()


def test_stars_stay_beside_their_change(found, result):
    """Catches a table in which a narrow terminal breaks a change from its star."""
    from rich.console import Console

    changed = [replace(c, differs=True) for c in found.controls]
    console = Console(width=80, record=True, file=StringIO())
    show(replace(found, controls=tuple(changed)), result.gain, console)
    rows = [line for line in console.export_text().splitlines() if line.rstrip().endswith("*")]
    assert len(rows) == len(NAMES)
    assert all("]" in row for row in rows)


def test_bad_input_is_refused_with_status_2(result, tmp_path, capsys):
    assert explained(lambda: command(tmp_path)) == 2
    assert "holds no finished run" in capsys.readouterr().err
    assert explained(lambda: command(result.folder, out=tmp_path / "why.txt")) == 2
    assert "must end in .csv or .html" in capsys.readouterr().err
