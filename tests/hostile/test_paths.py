"""Files of the user: never replaced by what they are made from, never removed, never elsewhere."""

import json
import os
import shutil
from pathlib import Path

import pandas as pd
import pytest
from tiny import tables

import w2sg
from w2sg._paths import expanded, refuse_overwriting
from w2sg.cli import app
from w2sg.cli.errors import explained


@pytest.fixture(scope="module")
def result(word_csv, tiny_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("paths")
    own = shutil.copy(word_csv, folder / "own.csv")
    run = {"references": []}
    return w2sg.run(tables(own, tiny_model, folder / "store", run=run))


def command(*arguments):
    try:
        return explained(lambda: app([str(one) for one in arguments]))
    except SystemExit as end:
        return end.code


@pytest.mark.parametrize("way", ["itself", "relative", "symbolic link", "hard link"])
def test_predict_does_not_replace_its_rows(result, tmp_path, monkeypatch, capsys, way):
    rows = tmp_path / "me.csv"
    pd.DataFrame({"text": ["w1 w2", "w3"]}).to_csv(rows, index=False)
    before = rows.read_bytes()
    out = rows
    monkeypatch.chdir(tmp_path)
    if way == "relative":
        out = Path("x/../me.csv")
        (tmp_path / "x").mkdir()
    elif way != "itself":
        out = tmp_path / "link.csv"
        (os.symlink if way == "symbolic link" else os.link)(rows, out)
    assert command("predict", result.folder, rows, "-o", out) == 2
    assert "would be replaced" in capsys.readouterr().err
    assert rows.read_bytes() == before


def test_predict_and_report_do_not_replace_what_the_result_stands_on(result, tmp_path, capsys):
    rows = tmp_path / "me.csv"
    pd.DataFrame({"text": ["w1 w2"]}).to_csv(rows, index=False)
    data = Path(result.spec.data.path)
    before = data.read_bytes()
    assert command("predict", result.folder, rows, "-o", data) == 2
    assert command("report", result.folder, "--out", data) == 2
    assert command("report", result.folder, "--out", result.folder / "result.json") == 2
    scores = result.outcome.of_role("evaluation").folder / "scores.parquet"
    assert command("report", result.folder, "--out", scores) == 2
    assert data.read_bytes() == before
    assert w2sg.open_result(result.folder).facts == result.facts
    assert "replaced" in capsys.readouterr().err


def test_save_writes_a_new_folder_or_over_a_model_and_nothing_else(result, tmp_path):
    with pytest.raises(ValueError, match="must be the path of a file or folder"):
        result.save("")
    file = tmp_path / "thesis.docx"
    file.write_text("years of work", encoding="utf-8")
    with pytest.raises(ValueError, match="is a file"):
        result.save(file)
    with pytest.raises(ValueError, match="holds other files and no model"):
        result.save(tmp_path)
    with pytest.raises(ValueError, match="which would be replaced"):
        result.save(result.spec.student.model)
    assert file.read_text(encoding="utf-8") == "years of work"
    saved = result.save(tmp_path / "model")
    assert result.save(saved) == saved  # the same model again


def test_gc_leaves_a_folder_that_is_no_store_alone(tmp_path, capsys):
    """Catches the removal of a user's own tmp/, work/ and stages/."""
    for name in ("tmp", "work", "stages/mine", "partial", "runs/x"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "photo.jpg").write_text("x", encoding="utf-8")
    for words in (
        ("gc", tmp_path, "--yes"),
        ("status", tmp_path),
        ("show", "abcd", "--store", tmp_path),
    ):
        assert command(*words) == 2
        assert "is no store of w2sg" in capsys.readouterr().err
    assert len(list(tmp_path.rglob("photo.jpg"))) == 5


def test_a_run_does_not_mix_its_folders_with_others(word_csv, tiny_model, tmp_path):
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages" / "photo.jpg").write_text("x", encoding="utf-8")
    with pytest.raises(RuntimeError, match="a folder of something else"):
        w2sg.run(tables(word_csv, tiny_model, tmp_path, run={"references": []}))


def test_an_old_store_without_a_marker_is_one(result, capsys):
    marker = result.outcome.store.root / ".w2sg-store"
    marker.unlink()
    assert command("status", result.outcome.store.root) == 0
    assert command("gc", result.outcome.store.root) == 0
    marker.write_text('{"store_version": 1}\n', encoding="utf-8")


def test_status_says_what_it_cannot_read(result, capsys):
    folder = result.outcome.store.folder("0" * 32)
    folder.mkdir()
    (folder / "manifest.json").write_text("[]", encoding="utf-8")
    try:
        assert command("status", result.outcome.store.root) == 1
        assert "cannot be read 00000000" in capsys.readouterr().out
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize("damage", ["[]", '{"version": 2}', "[" * 50_000, '{"version": 1}'])
def test_a_damaged_or_newer_result_is_one_sentence(result, capsys, damage):
    path = result.folder / "result.json"
    before = path.read_bytes()
    path.write_text(damage, encoding="utf-8")
    try:
        with pytest.raises(ValueError, match="cannot be read"):
            w2sg.open_result(result.folder)
        assert command("report", result.folder) == 2
        assert path.read_text(encoding="utf-8") == damage
    finally:
        path.write_bytes(before)


def test_home_is_meant_by_a_tilde_everywhere(word_csv, tiny_model, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    shutil.copy(word_csv, tmp_path / "own.csv")
    shutil.copytree(tiny_model, tmp_path / "model")
    spec = tables("~/own.csv", "~/model", "~/store", run={"references": []})
    result = w2sg.run(spec)
    assert result.folder.is_relative_to(tmp_path / "store")
    assert not (tmp_path / "~").exists()
    assert result.report("~/page.html") == tmp_path / "page.html"
    assert w2sg.open_result(str(result.folder).replace(str(tmp_path), "~")).facts == result.facts
    assert result.save("~/saved") == tmp_path / "saved"


def test_names_that_lead_elsewhere_are_refused():
    for name in ("../../x", "a/b", "..", "", "x\\y", "a\nb"):
        with pytest.raises(ValueError, match="Named name"):
            w2sg.Named([1], name=name)
    with pytest.raises(ValueError, match="Named version"):
        w2sg.Named([1], name="x", version="../1")


def test_an_output_in_an_input_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="--out"):
        refuse_overwriting(tmp_path / "a" / "b.csv", {"data": tmp_path})
    refuse_overwriting(tmp_path / "b.csv", {"data": tmp_path / "a.csv", "none": None})
    with pytest.raises(ValueError, match="NUL"):
        expanded("a\0b", "data.path")


def test_a_stopped_run_is_known_to_gc_until_it_is_finished(result):
    started = result.folder / "started.json"
    assert not started.exists()
    assert json.loads((result.folder / "result.json").read_text())["version"] == 1


def test_a_class_called_like_a_formula_is_no_formula_in_a_csv():
    from w2sg.cli.predict import _cell

    assert _cell("=HYPERLINK(1)") == "'=HYPERLINK(1)"
    assert [_cell(name) for name in ("-1", "@x", "ham")] == ["'-1", "'@x", "ham"]
