"""`w2sg.preflight` on a tiny random model: stored once, shown as a page, beside the outcome."""

import json
import re

import numpy as np
import pandas as pd
import pytest

import w2sg
from w2sg.cli.errors import explained
from w2sg.runs.payloads import read_probabilities


@pytest.fixture(scope="module")
def spec(tmp_path_factory, word_csv, tiny_model):
    store = tmp_path_factory.mktemp("store")
    return {
        "data": {
            "path": str(word_csv),
            "n_labelled": 60,
            "n_unlabelled": 100,
            "n_test": 60,
        },
        "student": {"model": str(tiny_model), "policy": "head", "epochs": 1},
        "run": {"seeds": [0], "store": str(store), "references": ["strong_on_labelled"]},
    }


@pytest.fixture(scope="module")
def found(spec):
    return w2sg.preflight(spec)


def test_verdict_and_page(spec, found):
    assert re.match(r"(train|do not train|cannot tell): \w", found.verdict)
    folder = next((found.folder.parents[1] / "runs").iterdir())
    page = (folder / "preflight.html").read_text(encoding="utf-8")
    assert "://" not in re.sub(r"http://www\.w3\.org/", "", page)
    assert page.count("<script") == 1  # the page's own, allowed by its digest
    stored = json.loads((folder / "forecast.json").read_text(encoding="utf-8"))
    assert stored["verdict"] == found.facts["verdict"]


def test_second_call_computes_nothing(spec, found):
    # catches an identity that holds something of the moment
    events = []
    again = w2sg.preflight(spec, watch=lambda event: events.append(event.state))
    assert again.manifest == found.manifest
    assert set(events) == {"cached"}


@pytest.mark.parametrize(
    "teacher",
    [{}, {"cross_fit": 3}, {"members": 2, "labels": "hard"}, {"kind": "probe", "layers": 1}],
)
def test_run_and_preflight_share_one_teacher(spec, tiny_model, tmp_path, teacher):
    """Catches a teacher that is fitted twice, and a rehearsal on other labels than the run's."""
    if "layers" in teacher:
        teacher = {**teacher, "model": str(tiny_model)}
    run = {**spec["run"], "store": str(tmp_path), "preview": False, "references": []}
    tables = {**spec, "teacher": teacher, "run": run}
    found = w2sg.preflight(tables)
    states = {}
    result = w2sg.run(tables, watch=lambda e: states.setdefault(e.call.label, e.state))
    assert states["teacher, seed 0"] == "cached"
    assert states.get("frozen features, teacher's, seed 0", "cached") == "cached"
    told = result.outcome.of_role("pseudo_labels of teacher/0")
    ids, pseudo = read_probabilities(told, "pseudo_labels")
    assert len(ids) == found.facts["rows"]["unlabelled"]
    spaces, share = (
        found.facts["spaces"],
        np.bincount(pseudo.argmax(axis=1), minlength=2) / len(ids),
    )
    assert spaces["shares"] == pytest.approx(share.tolist(), rel=1e-12)
    assert spaces["confidence"] == pytest.approx(pseudo.max(axis=1).mean(), rel=1e-9)
    again = []
    w2sg.preflight(tables, watch=lambda event: again.append(event.state))
    assert set(again) == {"cached"}


def test_test_labels_play_no_part(spec, found, tmp_path):
    # catches a forecast that looks at the rows it is about
    frame = pd.read_csv(spec["data"]["path"], dtype=str)
    parts = pd.read_parquet(
        next(p for p in found.folder.parent.glob("*/parts.parquet") if p.is_file())
    )
    tested = set(parts[parts["part"] == "test"]["text"])
    flip = frame["text"].isin(tested)
    assert flip.sum() == 60
    other = frame["label"].map({"good": "bad", "bad": "good"})
    frame["label"] = np.where(flip, other, frame["label"])
    path = tmp_path / "flipped.csv"
    frame.to_csv(path, index=False)
    run = {**spec["run"], "store": str(tmp_path / "store")}
    again = w2sg.preflight({**spec, "data": {**spec["data"], "path": str(path)}, "run": run})
    assert again.facts["observed"] == found.facts["observed"]


def test_given_column_is_asked_about_labelled_rows_too(spec, tmp_path):
    frame = pd.read_csv(spec["data"]["path"], dtype=str)
    rng = np.random.default_rng(0)
    other = frame["label"].map({"good": "bad", "bad": "good"})
    frame["crowd"] = np.where(rng.random(len(frame)) < 0.2, other, frame["label"])
    path = tmp_path / "crowd.csv"
    frame.to_csv(path, index=False)
    told = w2sg.preflight(
        {
            **spec,
            "data": {**spec["data"], "path": str(path)},
            "teacher": {"kind": "column", "column": "crowd"},
        }
    )
    assert abs(told.facts["observed"]["teacher"][-1] - 0.8) < 4 * np.sqrt(0.16 / 60)
    assert told.facts["spaces"]["weak"] is None


def test_report_shows_forecast_beside_outcome(spec, found):
    result = w2sg.run(spec)
    page = (result.folder / "report.html").read_text(encoding="utf-8")
    assert "Forecast beside outcome" in page
    assert "Before any training" in page


def test_too_few_labels_are_refused_with_status_2(spec, tmp_path, capsys):
    from w2sg.cli.preflight import preflight
    from w2sg.spec import load, to_toml

    path = tmp_path / "spec.toml"
    path.write_text(to_toml(load(spec)), encoding="utf-8")
    status = explained(lambda: preflight(path, set=("data.n_labelled=12",)))
    assert status == 2
    assert re.search(r"class '\w+' has \d labels", capsys.readouterr().err)


def test_record_fits_a_terminal_of_80_columns(monkeypatch, capsys):
    """Catches names cut until cells cannot be told apart, and rows of several lines."""
    from w2sg.cli.preflight import preflight
    from w2sg.forecast.record import packaged_record

    monkeypatch.setenv("COLUMNS", "80")
    assert preflight(record=True) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    for cell in packaged_record().cells:
        row = next(line for line in lines if line.strip().startswith(f"{cell.name} "))
        assert re.search(r"[-+]\d+\.\d – [-+]\d+\.\d .* \d+\.\d$", row.rstrip())
