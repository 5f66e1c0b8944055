"""The store: one folder per key with a manifest and its payload, written whole or not at all."""

import contextlib
import errno
import hashlib
import json
import os
import shutil
import time
import traceback
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from w2sg._paths import expanded
from w2sg.runs.atomic import checksum, sync, write_atomically, write_json
from w2sg.runs.names import FOLDER, checked_file, checked_key, is_key

STORE_VERSION = 1
# what safetensors, torch and others say in place of an OSError
FULL = ("no space left on device", "disk quota exceeded", "failed writing file")
MANIFEST = "manifest.json"
STARTED = "started.json"  # of a run: the stages that it will need, until it is finished
MARKER = ".w2sg-store"  # says that a folder is a store
OURS = ("stages", "runs", "sweeps", "partial", "work", "tmp", "locks")


class StoreError(RuntimeError):
    """The store cannot be used: it is read-only, full, or of another version."""


class Busy(RuntimeError):
    """Another process is computing this key."""


@dataclass(frozen=True)
class Manifest:
    """What is stored under a key: where it came from, what it holds, how it went.

    Attributes:
        key: SHA-256 over the canonical JSON of `body`, first 32 hex digits.
        body: Stage, stage version, full spec of the stage and keys of its inputs.
        status: ``"done"`` or ``"failed"``.
        facts: Small results, as JSON.
        files: File name → checksum and size.
        needs: Role → key of the stages that it read.
        environment: Versions and machine.
        started: Seconds since the epoch.
        seconds: How long the stage took.
        error: Traceback of a failed stage.
    """

    key: str
    body: dict[str, Any]
    status: Literal["done", "failed"]
    facts: dict[str, Any] = field(default_factory=dict)
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    needs: dict[str, str] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    started: float = 0.0
    seconds: float = 0.0
    error: str | None = None
    store_version: int = STORE_VERSION


def canonical(value: Any) -> str:
    """Return the one JSON text of a value: sorted keys, no spaces, no NaN.

    >>> canonical({"b": 1, "a": [1.0, None]})
    '{"a":[1.0,null],"b":1}'
    """
    return json.dumps(
        value, sort_keys=True, allow_nan=False, ensure_ascii=False, separators=(",", ":")
    )


def digest(value: Any) -> str:
    """Return the first 32 hex digits of SHA-256 over the canonical JSON of a value.

    >>> digest({"stage": "weak_teacher"}) == digest({"stage": "weak_teacher"})
    True
    """
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:32]


class Store:
    """Artifacts by key under one folder, shared by any number of processes.

    Args:
        root: The folder; created on first write.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = expanded(root, "run.store")

    def exists(self) -> bool:
        """Say whether the folder is a store, also one that was made before stores had a marker."""
        if (self.root / MARKER).is_file():
            return True
        stages = any(is_key(path.parent.name) for path in self.root.glob(f"stages/*/{MANIFEST}"))
        locks = any(is_key(path.stem) for path in self.root.glob("locks/*.lock"))
        records = (*self.root.glob("runs/*/result.json"), *self.root.glob("sweeps/*/sweep.json"))
        return stages or locks or any(FOLDER.fullmatch(path.parent.name) for path in records)

    def require(self) -> None:
        """Refuse a folder that is no store, before anything in it is read or removed.

        Raises:
            ValueError: It is not there, or is some other folder.
        """
        if not self.root.is_dir():
            raise ValueError(f"store {str(self.root)!r} is not there; `w2sg run` makes it")
        if not self.exists():
            raise ValueError(
                f"{str(self.root)!r} is no store of w2sg; give the folder that run.store names"
            )

    def prepare(self) -> None:
        """Make the folder a store, or refuse one whose files it would mix with its own.

        Raises:
            StoreError: The folder cannot be written, or holds folders of our names that are not
                ours.
        """
        if (self.root / MARKER).is_file():
            return
        if not self.exists():
            foreign = [name for name in OURS if (self.root / name).exists()]
            if foreign:
                raise StoreError(
                    f"run.store = {str(self.root)!r} is a folder of something else: its "
                    f"{foreign[0]!r} is not of w2sg; choose another folder with "
                    "--set run.store=PATH"
                )
        with explained(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            write_atomically(self.root / MARKER, f'{{"store_version": {STORE_VERSION}}}\n')

    def folder(self, key: str) -> Path:
        """Return where a key's manifest and payload are, or would be."""
        return self.root / "stages" / key

    def work_folder(self, key: str) -> Path:
        """Return where a stage keeps checkpoints while it runs; gone when it is done."""
        return self.root / "work" / key

    def read(self, key: str) -> tuple[Manifest | None, str | None]:
        """Return the manifest of a key if all its bytes are right, else the reason why not.

        Returns:
            ``(manifest, None)`` when the artifact is whole, ``(None, None)`` when there is none,
            ``(None, reason)`` when it is damaged and must be computed again.

        Raises:
            StoreError: A newer w2sg wrote it; it is not damaged and must not be replaced.
        """
        folder = self.folder(key)
        if not folder.exists():
            return None, None
        try:
            manifest = read_manifest(folder)
        except (OSError, ValueError) as error:
            return None, f"{key}: the manifest cannot be read ({error})"
        if manifest.key != key or digest(manifest.body) != key:
            return None, f"{key}: the manifest does not belong to this key"
        for name, entry in manifest.files.items():
            path = folder / name
            if not path.exists():
                return None, f"{key}: {name} is missing"
            if path.stat().st_size != entry["bytes"] or checksum(path) != entry["sha256"]:
                return None, f"{key}: {name} has changed since it was written"
        return manifest, None

    def manifests(self) -> Iterator[Manifest]:
        """Yield every readable manifest, without checking payloads."""
        with contextlib.suppress(FileNotFoundError):
            for entry in sorted(os.scandir(self.root / "stages"), key=lambda entry: entry.name):
                with contextlib.suppress(OSError, ValueError, StoreError):
                    yield read_manifest(Path(entry.path))

    def unreadable(self) -> Iterator[tuple[str, str]]:
        """Yield the name of every stage whose manifest cannot be read, and why."""
        with contextlib.suppress(FileNotFoundError):
            for entry in sorted(os.scandir(self.root / "stages"), key=lambda entry: entry.name):
                try:
                    read_manifest(Path(entry.path))
                except (OSError, ValueError, StoreError) as error:
                    yield entry.name, str(error)

    @contextlib.contextmanager
    def lock(self, key: str, *, wait: bool = True) -> Iterator[None]:
        """Hold a key, so that of several processes one computes it and the others wait for it.

        Raises:
            Busy: Another process holds it, and `wait` is off.
        """
        self.prepare()
        folder = self.root / "locks"
        lock = FileLock(folder / f"{key}.lock")
        with explained(self.root):
            folder.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire(blocking=wait)
            except Timeout:
                raise Busy(key) from None
        try:
            yield
        finally:
            lock.release()

    def write(
        self,
        manifest: Manifest,
        save: Callable[[Path], None] | None = None,
    ) -> Manifest:
        """Write payload and manifest beside their place, force them to disk, then rename.

        The caller holds the key's lock, so what a killed process left beside is removed first.

        Args:
            manifest: Without `files`; they are filled in from what `save` writes.
            save: Writes the payload into the folder it is given.

        Raises:
            StoreError: The disk is full or the folder is read-only; nothing stored before is lost.
        """
        target = self.folder(manifest.key)
        beside = self.root / "tmp" / f"{manifest.key}-{uuid.uuid4().hex[:8]}"
        with explained(self.root):
            try:
                for left_over in beside.parent.glob(f"{manifest.key}-*"):
                    shutil.rmtree(left_over, ignore_errors=True)
                beside.mkdir(parents=True)
                if save is not None:
                    save(beside)
                files = {
                    path.relative_to(beside).as_posix(): {
                        "sha256": checksum(path),
                        "bytes": path.stat().st_size,
                    }
                    for path in sorted(beside.rglob("*"))
                    if path.is_file()
                }
                whole = Manifest(**{**vars(manifest), "files": files})
                write_json(beside / MANIFEST, {**vars(whole), "sha256": _own_digest(vars(whole))})
                mode = (beside / MANIFEST).stat().st_mode
                for path in beside.rglob("*"):
                    if path.is_file():  # safetensors keeps others of a shared store from reading
                        path.chmod(mode)
                    sync(path)
                sync(beside)
                self.discard(manifest.key)
                target.parent.mkdir(parents=True, exist_ok=True)
                beside.rename(target)
                sync(target.parent)
            finally:
                shutil.rmtree(beside, ignore_errors=True)
        if manifest.status == "done":  # a time-out goes on from its checkpoint when it is retried
            shutil.rmtree(self.work_folder(manifest.key), ignore_errors=True)
        return whole

    def discard(self, key: str) -> None:
        """Remove a key's artifact in one step, so that no reader sees half of it."""
        folder = self.folder(key)
        if folder.exists():
            aside = self.root / "tmp" / f"gone-{uuid.uuid4().hex[:8]}"
            aside.parent.mkdir(parents=True, exist_ok=True)
            folder.rename(aside)
            shutil.rmtree(aside, ignore_errors=True)


def failed(
    key: str, body: Mapping[str, Any], error: BaseException, started: float, **extra: Any
) -> Manifest:
    """Return the manifest of a stage that raised."""
    text = "".join(traceback.format_exception(error))
    return Manifest(
        key=key,
        body=dict(body),
        status="failed",
        started=started,
        seconds=time.time() - started,
        error=text,
        **extra,
    )


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest in a folder.

    Raises:
        ValueError: It is cut or changed, or holds a name that is not ours.
        StoreError: A newer w2sg wrote it.
    """
    fields = read_json(folder / MANIFEST)
    version = fields.get("store_version")
    if type(version) is int and version > STORE_VERSION:
        raise StoreError(
            f"{folder.name} was written by a newer w2sg (store version {version}, this one reads "
            f"{STORE_VERSION}); update w2sg, or choose another run.store. Nothing was removed"
        )
    if version != STORE_VERSION:
        raise ValueError(f"store version {version!r}, this w2sg reads {STORE_VERSION}")
    if fields.pop("sha256", None) != _own_digest(fields):
        raise ValueError("it has changed since it was written")
    try:
        manifest = Manifest(**fields)
        checked_key(manifest.key)
        for key in manifest.needs.values():
            checked_key(key)
        for name, entry in manifest.files.items():
            checked_file(name)
            if not isinstance(entry["bytes"], int) or not isinstance(entry["sha256"], str):
                raise TypeError(f"{name} has no size or digest")
        if not isinstance(manifest.body["stage"], str):
            raise TypeError("its stage has no name")
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"it is no manifest: {error}") from None
    return manifest


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON object.

    Raises:
        ValueError: It is no JSON, too deeply nested, or something else than an object.
    """
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(fields, dict):
        raise ValueError(f"it holds {type(fields).__name__}, not an object")
    return fields


def _own_digest(fields: Mapping[str, Any]) -> str:
    """The digest of a manifest as it reads back: keys are text, tuples are lists."""
    return digest(json.loads(json.dumps(fields, allow_nan=False)))


def is_full(error: BaseException) -> bool:
    """Say whether an error means that there is no room on the disk, whoever raised it.

    >>> is_full(RuntimeError("I/O error: No space left on device (os error 28)"))
    True
    """
    number = error.errno if isinstance(error, OSError) else None
    return number in (errno.ENOSPC, errno.EDQUOT) or any(w in str(error).lower() for w in FULL)


@contextlib.contextmanager
def explained(root: Path, *, only_full: bool = False) -> Iterator[None]:
    """Say of what cannot be written that it is the store, and what to do.

    Args:
        root: Of the store.
        only_full: Leave alone what else an error of the system may mean: what is done inside
            reads other files too.

    Raises:
        StoreError: The disk is full or the folder read-only.
    """
    try:
        yield
    except Exception as error:
        if not is_full(error) and (only_full or not isinstance(error, OSError)):
            raise
        why = (isinstance(error, OSError) and error.strerror) or str(error)
        raise StoreError(
            f"run.store = {str(root)!r} cannot be written: {why}; free space or choose another "
            "folder with --set run.store=PATH. Finished stages are kept."
        ) from error
