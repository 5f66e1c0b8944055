"""Where a stored result comes from, who uses it, and what nothing uses any more."""

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from w2sg.runs.names import KEY, TEMPORARY, checked_key, is_key
from w2sg.runs.store import STARTED, Busy, Manifest, Store, read_json
from w2sg.runs.sweep_record import PARTIAL, RECORD, stored

LEAST_DIGITS = 4


@dataclass(frozen=True)
class Garbage:
    """What no run and no sweep of a store refers to.

    Attributes:
        stages: Keys of stages, with their stage name and bytes.
        leftovers: Folders of computations that were killed or never retried.
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
    for manifest in store.manifests():  # what explains a run is kept with it, and what it read
        if manifest.body["stage"] == "explanation" and used & set(manifest.needs.values()):
            used |= {manifest.key, *manifest.needs.values()}
    stages: dict[str, tuple[str, int]] = {}
    kept = 0
    for folder in _ours(store.root / "stages", KEY):
        if folder.name in used:
            kept += 1
            continue
        manifest = stored(store, folder.name)
        stage = "unreadable" if manifest is None else manifest.body["stage"]
        stages[folder.name] = stage, _size(folder)
    left = [p for p in _ours(store.root / PARTIAL, KEY) if p.name not in used]
    left += [p for p in _ours(store.root / "work", KEY) if p.name not in used]
    left += _ours(store.root / "tmp", TEMPORARY)
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
    for path in sorted((store.root / "locks").glob("*.lock")):
        if not is_key(path.stem):
            continue
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
        yield path, _pairs(path, [_read(path)])
    for path in sorted(store.root.glob(f"runs/*/{STARTED}")):
        if not (path.parent / "result.json").is_file():  # stopped: it goes on from these
            yield path, _pairs(path, [_read(path)])
    for path in sorted(store.root.glob("runs/*/forecast.json")):
        if (key := _read(path).get("key")) is not None:
            yield path, [("forecast", checked_key(key))]
    for path in sorted(store.root.glob(f"sweeps/*/{RECORD}")):
        yield path, _pairs(path, _read(path).get("cells"))


def _pairs(path: Path, each: Any) -> list[tuple[str, str]]:
    """The roles and data of records, with (role, key) pairs."""
    try:
        pairs = [(str(role), key) for one in each for role, key in one["roles"].items()]
        pairs += [(f"data/{seed}", key) for one in each for seed, key in one["data"].items()]
        return [(role, checked_key(key)) for role, key in pairs]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise _unreadable(path, error) from None


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_json(path)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> ValueError:
    return ValueError(
        f"the record {str(path)!r} cannot be read ({error}); run its spec again or remove its "
        "folder"
    )


def _ours(folder: Path, pattern: re.Pattern[str]) -> list[Path]:
    """Entries of a folder whose names w2sg makes; whatever else lies there is left alone."""
    with contextlib.suppress(FileNotFoundError):
        paths = sorted(Path(entry.path) for entry in os.scandir(folder))
        return [path for path in paths if pattern.fullmatch(path.name)]
    return []


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(p.stat().st_size for p in path.rglob("*") if p.is_file())


def _escaped(start: str) -> str:
    if not all(c in "0123456789abcdef" for c in start):
        raise ValueError(f"key {start!r}: keys are made of the digits 0-9 and a-f")
    return start
