"""Written whole or not at all, checked when read, one process a key."""

import errno
import json
import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest
from filelock import FileLock
from subprocesses import SOURCES

from w2sg.runs.execute import Execution, RunFailed
from w2sg.runs.graph import Call
from w2sg.runs.store import MANIFEST, Manifest, Store, StoreError, digest, failed, read_manifest

BODY = {"stage": "x", "version": 1, "spec": {"a": 1}, "inputs": {}}
KEY = digest(BODY)


def manifest(**fields):
    return Manifest(key=KEY, body=BODY, status="done", **fields)


def payload(folder):
    (folder / "a.bin").write_bytes(b"payload" * 100)
    (folder / "deep").mkdir()
    (folder / "deep" / "b.txt").write_text("text", encoding="utf-8")


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "store")
    made.write(manifest(facts={"accuracy": 0.8125, "by_seed": {0: (1, 2)}}), payload)
    return made


def test_round_trip(store):
    """Integer keys and tuples become text and lists in JSON; the checksum must survive that."""
    found, damage = store.read(KEY)
    assert damage is None
    assert found.facts == {"accuracy": 0.8125, "by_seed": {"0": [1, 2]}}
    assert sorted(found.files) == ["a.bin", "deep/b.txt"]
    assert store.read("0" * 32) == (None, None)
    assert [m.key for m in store.manifests()] == [KEY]
    assert not list((store.root / "tmp").iterdir())


@pytest.mark.parametrize("keep", [0, 1, 0.5, -2])
def test_cut_manifest(store, keep):
    path = store.folder(KEY) / MANIFEST
    whole = path.read_text(encoding="utf-8")
    path.write_text(whole[: int(keep * len(whole)) if 0 < keep < 1 else keep], encoding="utf-8")
    found, damage = store.read(KEY)
    assert found is None
    assert KEY in damage
    assert list(store.manifests()) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [("0.8125", "0.9125"), ('"bytes"', '"bytfs"'), ('"sha256"', '"sha255"'), ('"a": 1', '"a": 2'),
     ('"done"', '"dome"')],
)  # fmt: skip
def test_flipped_byte_in_the_manifest(store, old, new):
    """Checksums of the payload alone leave the accuracy that stands in the manifest unguarded."""
    path = store.folder(KEY) / MANIFEST
    assert old in path.read_text(encoding="utf-8")
    path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    found, damage = store.read(KEY)
    assert found is None
    assert "manifest" in damage


@pytest.mark.parametrize(
    "text", ["[]", "null", "{}", '{"store_version": "9"}', "\xff", "[" * 100_000]
)
def test_manifest_that_is_something_else(store, text):
    (store.folder(KEY) / MANIFEST).write_text(text, encoding="latin-1")
    assert store.read(KEY)[0] is None
    assert store.read(KEY)[1]


def test_flipped_byte_and_missing_file_in_the_payload(store):
    path = store.folder(KEY) / "a.bin"
    whole = path.read_bytes()
    path.write_bytes(whole[:50] + bytes([whole[50] ^ 1]) + whole[51:])
    assert store.read(KEY) == (None, f"{KEY}: a.bin has changed since it was written")
    path.write_bytes(whole)
    assert store.read(KEY)[0] is not None
    path.unlink()
    assert store.read(KEY) == (None, f"{KEY}: a.bin is missing")


def test_artifact_of_another_key_is_not_served(store):
    store.folder(KEY).rename(store.folder("f" * 32))
    assert "does not belong" in store.read("f" * 32)[1]


def execution(store, monkeypatch, compute, seen=None):
    monkeypatch.setattr("w2sg.runs.execute.together.compute", compute)
    events = seen if seen is not None else []
    return Execution(store, events.append, tables=None, data=None)


CALL = Call("x", BODY, label="stage x")


def test_damage_is_computed_again_and_reported(store, monkeypatch):
    (store.folder(KEY) / "a.bin").write_bytes(b"")
    seen = []
    run = execution(store, monkeypatch, lambda call, context: ({"n": 2}, payload), seen)
    assert run.ensure(CALL).facts == {"n": 2}
    assert [e.state for e in seen][-3:] == ["damaged", "started", "done"]
    assert "a.bin has changed" in seen[0].what
    assert "computing it again" in seen[0].what
    assert store.read(KEY)[0].facts == {"n": 2}


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_full_or_read_only_disk(store, monkeypatch, number):
    """What was stored stays, nothing half appears, and the message says what to do."""

    def save(folder):
        (folder / "half").write_text("half", encoding="utf-8")
        raise OSError(number, os.strerror(number))

    other = Call("x", {**BODY, "version": 2}, label="other")
    run = execution(store, monkeypatch, lambda call, context: ({}, save))
    with pytest.raises(StoreError, match=r"run\.store = .*cannot be written.*--set run\.store="):
        run.ensure(other)
    assert store.read(other.key) == (None, None)
    assert store.read(KEY)[0] is not None
    assert not list((store.root / "tmp").iterdir())


def test_lock_on_a_read_only_folder(store, monkeypatch):
    """The lock is the first thing that is written."""

    def refuse(self, *args, **kwargs):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(FileLock, "acquire", refuse)
    with pytest.raises(StoreError, match="Read-only file system"), store.lock(KEY):
        pass


def test_failure_is_recorded_and_tried_again(store, monkeypatch):
    other = Call("x", {**BODY, "version": 3}, label="other")

    def explode(call, context):
        raise ZeroDivisionError("of all things")

    seen = []
    run = execution(store, monkeypatch, explode, seen)
    with pytest.raises(RunFailed, match="other: ZeroDivisionError: of all things"):
        run.ensure(other)
    found, _ = store.read(other.key)
    assert found.status == "failed"
    assert "explode" in found.error
    assert [e.state for e in seen] == ["started", "failed"]
    again = execution(store, monkeypatch, lambda call, context: ({"n": 1}, None))
    assert again.ensure(other).status == "done"


def test_failure_while_saving_is_a_failure_of_the_stage(store, monkeypatch):
    """Such as a tensor file that cannot be made: its error is not an OSError."""
    other = Call("x", {**BODY, "version": 4}, label="other")

    def save(folder):
        raise RuntimeError("cannot be serialised")

    run = execution(store, monkeypatch, lambda call, context: ({}, save))
    with pytest.raises(RunFailed, match="cannot be serialised"):
        run.ensure(other)
    assert store.read(other.key)[0].status == "failed"


def test_a_failure_takes_along_only_what_needs_it(store, monkeypatch):
    calls = [Call("x", {**BODY, "version": v}, label=f"call {v}") for v in (10, 11)]
    needs = Call("x", {**BODY, "version": 12}, needs={"input": calls[0].key}, label="needs 10")

    def compute(call, context):
        if call.body["version"] == 10:
            raise ValueError("no")
        return {}, None

    run = execution(store, monkeypatch, compute)
    with pytest.raises(RunFailed, match=rf"^call 10: no\n +`w2sg show {calls[0].key[:12]} "):
        run.ensure_all([*calls, needs])
    assert calls[1].key in run.manifests
    assert needs.key not in run.manifests
    assert store.read(needs.key) == (None, None)


PATIENCE = 600  # seconds; only a failure takes them, and a busy machine is none
SCRIPT = """
import sys, time
from pathlib import Path
import w2sg.runs.execute as e
from w2sg.runs.graph import Call
from w2sg.runs.store import Store
body = {"stage": "x", "version": 1, "spec": {"a": 2}, "inputs": {}}
root = Path(sys.argv[1])

def compute(call, context):
    with (root / "computed").open("a") as file:
        file.write("once\\n")
    (root / "inside").touch()
    while not (root / "go").exists():
        time.sleep(0.01)
    def save(folder):
        (folder / "a.bin").write_bytes(b"x" * 1000)
        if len(sys.argv) > 2:
            (root / "half").touch()
            time.sleep(60)
    return {"n": 1}, save

e.together.compute = compute
run = e.Execution(Store(root / "store"), lambda event: None, tables=None, data=None)
assert run.ensure(Call("x", body)).facts == {"n": 1}
"""


def start(root, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(SOURCES)}
    command = [sys.executable, "-c", textwrap.dedent(SCRIPT), str(root), *arguments]
    return subprocess.Popen(command, env=environment)


def wait_for(path, process):
    until = time.monotonic() + PATIENCE
    while not path.exists():
        assert process.poll() is None, "the process ended early"
        assert time.monotonic() < until
        time.sleep(0.01)


def test_two_processes_compute_a_key_once(tmp_path):
    one = start(tmp_path)
    wait_for(tmp_path / "inside", one)
    two = start(tmp_path)
    (tmp_path / "go").touch()
    assert one.wait(PATIENCE) == 0
    assert two.wait(PATIENCE) == 0
    assert (tmp_path / "computed").read_text(encoding="utf-8") == "once\n"


def test_kill_during_the_write_leaves_nothing_half(tmp_path):
    (tmp_path / "go").touch()
    process = start(tmp_path, "slow")
    wait_for(tmp_path / "half", process)
    process.send_signal(signal.SIGKILL)
    process.wait(PATIENCE)
    store = Store(tmp_path / "store")
    key = digest({**BODY, "spec": {"a": 2}})
    assert store.read(key) == (None, None)
    assert list(store.manifests()) == []
    assert len(list((store.root / "tmp").iterdir())) == 1
    assert start(tmp_path).wait(PATIENCE) == 0  # the lock of a dead process is free
    assert store.read(key)[0].facts == {"n": 1}
    assert not list((store.root / "tmp").iterdir())  # and what it left is gone


def test_failed_manifest_keeps_the_traceback():
    try:
        raise KeyError("k")
    except KeyError as error:
        made = failed(KEY, BODY, error, time.time())
    assert made.error.endswith("KeyError: 'k'\n")
    assert json.dumps(vars(made))


def test_read_manifest_of_another_version(store):
    path = store.folder(KEY) / MANIFEST
    fields = {**json.loads(path.read_text(encoding="utf-8")), "store_version": 2}
    path.write_text(json.dumps(fields), encoding="utf-8")
    with pytest.raises(StoreError, match=r"by a newer w2sg \(store version 2, this one reads 1"):
        read_manifest(store.folder(KEY))
    with pytest.raises(StoreError, match=r"Nothing was removed"):
        store.read(KEY)
    assert path.is_file()  # an older w2sg must not compute it again over the newer one's
    fields["store_version"] = 0
    path.write_text(json.dumps(fields), encoding="utf-8")
    with pytest.raises(ValueError, match=r"store version 0, this w2sg reads 1"):
        read_manifest(store.folder(KEY))
