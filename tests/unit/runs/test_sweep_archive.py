"""Archives, provenance and garbage of a sweep's store, on small stages made by hand."""

import json
import zipfile

import pytest

from w2sg.runs.archive import export, read_archive
from w2sg.runs.provenance import find_key, garbage, inputs_of, remove, users_of
from w2sg.runs.store import Manifest, Store, digest, write_json
from w2sg.runs.sweep_record import read_record

SWEEP, RUN = "5" * 12, "a" * 12


@pytest.fixture
def made(tmp_path):
    """A store with one sweep of one cell: data, training with weights, evaluation."""
    store = Store(tmp_path / "store")
    keys = {}

    def put(stage, needs, files):
        body = {"stage": stage, "version": 1, "spec": {}, "inputs": needs}
        key = digest(body)
        keys[stage] = key
        store.write(
            Manifest(key, body, "done", needs=needs),
            lambda folder: [
                (folder / name).write_text(text, encoding="utf-8") for name, text in files.items()
            ],
        )
        return key

    data = put("labelled_data", {}, {"parts.parquet": "private texts"})
    student = put("strong_student", {"data": data}, {"weights.safetensors": "w" * 99, "curve": "c"})
    put("evaluation", {"student/0": student}, {"scores.parquet": "scores"})
    put("orphan", {}, {"x": "x" * 1000})
    cell = {
        "settings": {"student.loss": "ce"},
        "run": RUN,
        "roles": {"student/0": student, "evaluation": keys["evaluation"]},
        "data": {"0": data},
        "n_naive": 1,
    }
    folder = store.root / "sweeps" / SWEEP
    folder.mkdir(parents=True)
    write_json(
        folder / "sweep.json",
        {
            "version": 1,
            "axes": {"student.loss": ["ce"]},
            "cells": [cell],
            "labels": {},
            "n_naive": 1,
            "n_trainings": 1,
        },
    )
    return store, folder, keys


def test_an_archive_leaves_weights_and_texts_at_home(made, tmp_path):
    # catches private texts in an archive, and a stage without weights that poses as whole
    store, folder, keys = made
    found = export(folder, store, tmp_path / "a.zip")
    assert (found.whole, found.partial, found.missing) == (1, 2, 0)
    names = zipfile.ZipFile(tmp_path / "a.zip").namelist()
    assert not [name for name in names if "parts" in name or "weights" in name]
    assert not [name for name in names if keys["orphan"] in name]
    other = Store(tmp_path / "other")
    assert read_archive(tmp_path / "a.zip", other) == found
    assert other.read(keys["evaluation"])[0] == store.read(keys["evaluation"])[0]
    assert other.read(keys["strong_student"]) == (None, None)
    assert find_key(other, keys["strong_student"][:8]).body["stage"] == "strong_student"
    assert read_record(other.root / "sweeps" / SWEEP) == read_record(folder)
    again = export(other.root / "sweeps" / SWEEP, other, tmp_path / "b.zip")
    assert again == found


def test_everything_is_whole(made, tmp_path):
    store, folder, keys = made
    assert export(folder, store, tmp_path / "a.zip", everything=True).whole == 3
    other = Store(tmp_path / "other")
    read_archive(tmp_path / "a.zip", other)
    assert other.read(keys["strong_student"])[0].status == "done"


@pytest.mark.parametrize("damage", ["payload", "manifest", "name", "label", "no zip"])
def test_a_changed_archive_is_refused_and_nothing_enters(made, tmp_path, damage):
    store, folder, _ = made
    export(folder, store, tmp_path / "a.zip")
    path = tmp_path / "bad.zip"
    with zipfile.ZipFile(tmp_path / "a.zip") as good, zipfile.ZipFile(path, "w") as bad:
        for name in good.namelist():
            text = good.read(name)
            if damage == "payload" and name.endswith("scores.parquet"):
                text = b"Scores"
            if damage == "manifest" and "manifest" in name:
                text = text.replace(b'"done"', b'"gone"')
            if damage == "label" and name == "archive.json":
                continue
            bad.writestr(name, text)
        if damage == "name":
            bad.writestr("stages/../../evil", "x")
    if damage == "no zip":
        path.write_bytes(b"not a zip at all")
    with pytest.raises(ValueError, match="archive"):
        read_archive(path, Store(tmp_path / "other"))
    assert not list((tmp_path / "other").glob("stages/*"))
    assert not (tmp_path / "evil").exists()


def test_a_damaged_stage_is_not_exported(made, tmp_path):
    store, folder, keys = made
    (store.folder(keys["evaluation"]) / "scores.parquet").write_text("other!", encoding="utf-8")
    with pytest.raises(ValueError, match="has changed"):
        export(folder, store, tmp_path / "a.zip")
    assert not list(tmp_path.glob("*.zip")) + list(tmp_path.glob(".*zip*"))


def test_garbage_is_what_no_record_names(made):
    # catches a collection that follows roles and forgets the data, and one that ignores records
    store, folder, keys = made
    (store.root / "tmp").mkdir(exist_ok=True)
    half, foreign = f"{keys['orphan']}-0123abcd", "photos of last summer"
    (store.root / "tmp" / half).mkdir()
    (store.root / "tmp" / foreign).mkdir()
    (store.root / "work" / keys["orphan"]).mkdir(parents=True)
    found = garbage(store)
    assert set(found.stages) == {keys["orphan"]}
    assert {path.name for path in found.leftovers} == {half, keys["orphan"]}
    assert found.kept == 3
    assert store.read(keys["orphan"])[0] is not None, "looking removes nothing"
    remove(store, found)
    assert garbage(store).stages == {}
    assert [path.name for path in (store.root / "tmp").iterdir()] == [foreign]
    for stage in ("labelled_data", "strong_student", "evaluation"):
        assert store.read(keys[stage])[0] is not None
    (folder / "sweep.json").unlink()
    assert len(garbage(store).stages) == 3


def test_nothing_is_removed_while_a_stage_is_computed(made):
    store, _, keys = made
    with store.lock(keys["orphan"]), pytest.raises(ValueError, match="is being computed"):
        remove(Store(store.root), garbage(store))
    assert store.read(keys["orphan"])[0] is not None


def test_an_unreadable_record_stops_the_collection(made):
    # catches everything thrown away because a record could not be read
    store, folder, _ = made
    (folder / "sweep.json").write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match="cannot be read"):
        garbage(store)


def test_a_number_is_traced_up_and_down(made):
    store, _, keys = made
    evaluation = find_key(store, keys["evaluation"][:6])
    assert inputs_of(store, evaluation) == {
        "student/0": f"{keys['strong_student']}  strong_student"
    }
    assert users_of(store, keys["labelled_data"]) == [(f"sweeps/{SWEEP}", "data/0")]


@pytest.mark.parametrize(
    ("start", "words"), [("ab", "at least"), ("../..", "digits"), ("f" * 32, "no stage")]
)
def test_a_wrong_key_is_refused(made, start, words):
    with pytest.raises(ValueError, match=words):
        find_key(made[0], start)


def changed(path, target, edit):
    """Write an archive again, its members put through `edit`: name, bytes → name, bytes or None."""
    with zipfile.ZipFile(path) as good, zipfile.ZipFile(target, "w") as bad:
        for name in good.namelist():
            member = edit(name, good.read(name))
            if member is not None:
                bad.writestr(*member)
    return target


def test_a_manifest_cannot_name_a_file_outside_its_stage(made, tmp_path):
    """Catches an import that lets the next export carry files of the machine away."""
    store, folder, keys = made
    (tmp_path / "secret").write_text("mine", encoding="utf-8")
    manifest = store.folder(keys["evaluation"]) / "manifest.json"
    fields = json.loads(manifest.read_text(encoding="utf-8"))
    fields.pop("sha256")
    fields["files"] = {"../../../secret": {"sha256": "0" * 64, "bytes": 4}}
    write_json(manifest, {**fields, "sha256": digest(fields)})
    value, damage = store.read(keys["evaluation"])
    assert value is None
    assert "no name of a stage's file" in damage
    with pytest.raises(ValueError, match="no name of a stage's file"):
        export(folder, store, tmp_path / "a.zip", everything=True)


@pytest.mark.parametrize(
    "name",
    [
        "runs/../evil", f"runs/{RUN}/evil.py", f"sweeps/{SWEEP}/x.html", "stages/short/a",
        "models/m/config.json", f"stages/{'0' * 32}/..\\..\\evil", "/etc/passwd", "C:/x",
    ],
)  # fmt: skip
def test_a_member_that_is_not_ours_is_refused(made, tmp_path, name):
    store, folder, _ = made
    export(folder, store, tmp_path / "a.zip")
    bad = changed(tmp_path / "a.zip", tmp_path / "bad.zip", lambda *member: member)
    with zipfile.ZipFile(bad, "a") as archive:
        archive.writestr(name, "x")
    with pytest.raises(ValueError, match="not ours"):
        read_archive(bad, Store(tmp_path / "other"))
    assert not list((tmp_path / "other").rglob("evil*"))


def test_a_file_that_no_manifest_lists_and_a_page_do_not_enter(made, tmp_path):
    store, folder, keys = made
    export(folder, store, tmp_path / "a.zip")
    page = changed(tmp_path / "a.zip", tmp_path / "page.zip", lambda *member: member)
    with zipfile.ZipFile(page, "a") as archive:
        archive.writestr(f"sweeps/{SWEEP}/report.html", "<script>evil</script>")
    other = Store(tmp_path / "other")
    read_archive(page, other)
    assert not (other.root / "sweeps" / SWEEP / "report.html").exists()
    with zipfile.ZipFile(page, "a") as archive:
        archive.writestr(f"stages/{keys['evaluation']}/extra.bin", "x")
    with pytest.raises(ValueError, match="is in no manifest"):
        read_archive(page, Store(tmp_path / "third"))
    assert not list((tmp_path / "third").glob("stages/*"))


def test_a_bomb_is_refused_before_it_is_unpacked(made, tmp_path):
    store, folder, keys = made
    export(folder, store, tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip", "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"stages/{keys['evaluation']}/zeros", b"0" * 40_000_000)
        small = archive.getinfo(f"stages/{keys['evaluation']}/zeros").compress_size
        assert small < 100_000
    with pytest.raises(ValueError, match=r"is in no manifest|unpacks to"):
        read_archive(tmp_path / "a.zip", Store(tmp_path / "other"))


def test_what_explains_a_kept_run_and_what_a_stopped_run_needs_are_spared(made):
    store, _, keys = made
    body = {"stage": "explanation", "version": 1, "spec": {}, "inputs": {}}
    store.write(Manifest(digest(body), body, "done", needs={"e": keys["evaluation"]}))
    folder = store.root / "runs" / RUN
    folder.mkdir(parents=True)
    started = {"roles": {"student/0": keys["orphan"]}, "data": {}}
    (folder / "started.json").write_text(json.dumps(started), encoding="utf-8")
    (store.root / "work" / keys["orphan"]).mkdir(parents=True)
    found = garbage(store)
    assert found.stages == {}
    assert found.leftovers == ()
