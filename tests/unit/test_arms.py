"""The table of arms: derived properties, and an arm that is added in this one place."""

import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from tiny import tables

import w2sg
from w2sg import arms
from w2sg.arms import TABLE, Arm
from w2sg.cli.run import show
from w2sg.report import render
from w2sg.sweeps import open_sweep

REPOSITORY = Path(__file__).parents[2]
NEW = Arm(
    "labels_then_student",
    "Labels, then the teacher's labels",
    "Labels, then weak",
    "the strong model, trained on the few true labels and then on the teacher's labels",
    sources=("pseudo",),
    start="strong_on_labelled",
    loss="spec",
)


@pytest.fixture
def added(monkeypatch):
    monkeypatch.setitem(TABLE, NEW.name, NEW)
    return NEW


def test_what_an_arm_uses_follows_from_its_sources_and_its_start():
    """Catches a start whose labels are forgotten, and `own` labels taken for no true labels."""
    true = {name for name, arm in TABLE.items() if arm.uses_true_labels}
    weak = {name for name, arm in TABLE.items() if arm.uses_weak_labels}
    assert true == {"strong_on_labelled", "self_training", "student_then_labels", "mixed"}
    assert weak == {"student", "student_then_labels", "mixed"}
    n = {name: arm.n_trainings for name, arm in TABLE.items()}
    assert (n["teacher"], n["student"], n["mixed"], n["student_then_labels"]) == (0, 1, 2, 2)
    assert "ceiling" not in arms.competing()


def test_parents_are_trained_before_their_children(added):
    order = [arm.name for arm in arms.trained()]
    assert all(
        order.index(p) < order.index(arm.name) for arm in arms.trained() for p in arm.parents
    )


def test_the_readme_has_the_table():
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    for arm in TABLE.values():
        assert f"| {arm.title} | {arm.meaning} |" in text, arm.name


def test_an_arm_of_the_table_is_in_run_terminal_page_and_sweep(
    added, word_csv, tiny_model, tmp_path
):
    """Catches a second table of arms anywhere between the spec and the page."""
    spec = tables(word_csv, tiny_model, tmp_path, run={"references": [NEW.name], "preview": True})
    result = w2sg.run(spec)
    assert {NEW.name, "strong_on_labelled"} <= set(result.table().index)
    assert NEW.name in result.facts["best"]["order"]
    page = render(result.outcome)
    assert page.count("Labels, then the teacher&#39;s labels") >= 2
    assert NEW.meaning.replace("'", "&#39;") in page
    console = Console(file=io.StringIO(), width=120)
    show(result, console)
    assert NEW.title in console.file.getvalue()
    swept = w2sg.sweep({**spec, "grid": {"student.epochs": [1, 2]}})
    right = open_sweep(swept.attrs["folder"]).correct(0, NEW.name)
    assert right is not None
    assert np.isclose(right.mean(), result.table().loc[NEW.name, "accuracy"])


def test_a_record_that_does_not_know_an_arm_still_forecasts(added):
    from w2sg.forecast import Evidence, forecast, packaged_record

    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 6))
    truth = (x[:, 0] > 0).astype(int)
    weak = np.where(rng.random(300) < 0.2, 1 - truth, truth)
    facts = forecast(Evidence(truth[:60], x, np.eye(2)[weak]), record=packaged_record())
    assert facts.prediction.gain[NEW.name].estimate is not None
    assert facts.prediction.accuracy[NEW.name].low <= facts.prediction.accuracy[NEW.name].high


def test_a_name_that_is_no_arm_is_refused_with_the_nearest(word_csv, tiny_model, tmp_path):
    spec = tables(word_csv, tiny_model, tmp_path, run={"references": ["self_trainning"]})
    with pytest.raises(w2sg.SpecError, match=r"run\.references.*did you mean 'self_training'"):
        w2sg.run(spec)
