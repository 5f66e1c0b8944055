"""Where a stored result comes from, who uses it, and what nothing uses any more."""

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from w2sg.runs.store import Busy, Manifest, Store
from w2sg.runs.sweep_record import PARTIAL, RECORD, stored

LEAST_DIGITS = 4


@dataclass(frozen=True)
class Garbage:
    """What no run and no sweep of a store refers to.

    Attributes:
        stages: Keys of stages, with their stage name and bytes.
        leftovers: Folders and files of computations that were killed or never retried.
        leftover_bytes: Their size.
        kept: Number of stages that are referred to.
    """

    stages: dict[str, tuple[str, int]]
    leftovers: tuple[Path, ...]
    leftover_bytes: int
    kept: int

    @property
    def n_bytes(self) -> int:
        """Everything that removing it frees."""
        return sum(size for _, size in self.stages.values()) + self.leftover_bytes


def find_key(store: Store, start: str) -> Manifest:
    """Return the manifest of the one key that starts so.

    Raises:
        ValueError: No key does, or several do.
    """
    if len(start) < LEAST_DIGITS:
        raise ValueError(f"key {start!r}: give at least its first {LEAST_DIGITS} digits")
    names = {
        path.name
        for folder in ("stages", PARTIAL)
        for path in (store.root / folder).glob(f"{_escaped(start)}*")
    }
    if len(names) > 1:
        some = ", ".join(sorted(names)[:5])
        raise ValueError(f"key {start!r} is the start of {len(names)} keys: {some}")
    if not names:
        raise ValueError(
            f"no stage in {str(store.root)!r} has a key that starts with {start!r}; `w2sg status` "
            "and the report show keys, --store names another folder"
        )
    (name,) = names
    manifest = stored(store, name)
    if manifest is None:
        raise ValueError(f"the manifest of {name} cannot be read; running its spec repairs it")
    return manifest


def inputs_of(store: Store, manifest: Manifest) -> dict[str, str]:
    """Return role → key and stage of everything that a stage read."""
    found = {}
    for role, key in manifest.needs.items():
        other = stored(store, key)
        found[role] = f"{key}  {other.body['stage'] if other else 'not in this store'}"
    return found


def users_of(store: Store, key: str) -> list[tuple[str, str]]:
    """Return the runs and sweeps that refer to a key, with the role that it plays there."""
    found = []
    for path, roles in _records(store):
        names = [role for role, other in roles if other == key]
        if names:
            shown = ", ".join(dict.fromkeys(names[:3])) + (" …" if len(names) > 3 else "")
            found.append((str(path.parent.relative_to(store.root)), shown))
    return found


def garbage(store: Store) -> Garbage:
    """Return what no run and no sweep of the store refers to; nothing is removed.

    Raises:
        ValueError: A record cannot be read, so it is unknown what it refers to.
    """
    used = {key for _, roles in _records(store) for _, key in roles}
    stages: dict[str, tuple[str, int]] = {}
    kept = 0
    for folder in _folders(store.root / "stages"):
        if folder.name in used:
            kept += 1
            continue
        manifest = stored(store, folder.name)
        stage = "unreadable" if manifest is None else manifest.body["stage"]
        stages[folder.name] = stage, _size(folder)
    left = [p for p in _folders(store.root / PARTIAL) if p.name not in used]
    left += [p for p in _folders(store.root / "work") if p.name not in used]
    left += _folders(store.root / "tmp")
    return Garbage(stages, tuple(left), sum(_size(p) for p in left), kept)


def remove(store: Store, found: Garbage) -> None:
    """Remove garbage.

    Raises:
        ValueError: A stage is being computed in this store.
    """
    refuse_busy(store)
    for key in found.stages:
        store.discard(key)
        (store.root / "locks" / f"{key}.lock").unlink(missing_ok=True)
    for path in found.leftovers:
        shutil.rmtree(path, ignore_errors=True)


def refuse_busy(store: Store) -> None:
    """Raise where another process is computing a stage of the store."""
    for path in _folders(store.root / "locks"):
        try:
            with store.lock(path.stem, wait=False):
                pass
        except Busy:
            raise ValueError(
                f"stage {path.stem} of {str(store.root)!r} is being computed; wait until runs and "
                "sweeps of this store have ended"
            ) from None


def _records(store: Store) -> Iterator[tuple[Path, list[tuple[str, str]]]]:
    """Yield every record of a run or sweep, with (role, key) pairs."""
    for path in sorted(store.root.glob("runs/*/result.json")):
        fields = _read(path)
        yield (
            path,
            [*fields["roles"].items(), *((f"data/{s}", k) for s, k in fields["data"].items())],
        )
    for path in sorted(store.root.glob(f"sweeps/*/{RECORD}")):
        pairs: list[tuple[str, str]] = []
        for cell in _read(path)["cells"]:
            pairs += [*cell["roles"].items()]
            pairs += [(f"data/{seed}", key) for seed, key in cell["data"].items()]
        yield path, pairs


def _read(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise ValueError(
            f"the record {str(path)!r} cannot be read ({error}); run its spec again or remove its "
            "folder"
        ) from None


def _folders(folder: Path) -> list[Path]:
    with contextlib.suppress(FileNotFoundError):
        return sorted(Path(entry.path) for entry in os.scandir(folder))
    return []


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(p.stat().st_size for p in path.rglob("*") if p.is_file())


def _escaped(start: str) -> str:
    if not all(c in "0123456789abcdef" for c in start):
        raise ValueError(f"key {start!r}: keys are made of the digits 0-9 and a-f")
    return start
