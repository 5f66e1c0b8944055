"""A sweep as one file: specs, manifests, per-item predictions and the page, checked when read."""

import json
import shutil
import uuid
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from w2sg.runs.store import MANIFEST, Store, checksum, digest, read_manifest
from w2sg.runs.sweep_record import PARTIAL, RECORD, SweepRecord, read_record, stored

ARCHIVE_VERSION = 1
# what is large or holds the texts themselves; the numbers of a sweep do not need it
LEFT_OUT = ("weights.safetensors", "features.npy", "parts.parquet", "given.parquet")
LABEL = "archive.json"


@dataclass(frozen=True)
class Contents:
    """What an archive holds.

    Attributes:
        sweep: Name of the sweep's folder.
        whole: Stages with all their files.
        partial: Stages without weights, features or texts.
        missing: Stages of the sweep that are not finished, not in the archive.
    """

    sweep: str
    whole: int
    partial: int
    missing: int


def export(
    folder: Path, store: Store, path: Path, *, everything: bool = False, page: str | None = None
) -> Contents:
    """Write a sweep as a zip file beside its place, then move it there.

    Args:
        folder: Of the sweep.
        store: Where its stages are.
        path: The archive.
        everything: Also weights, features and texts.
        page: The page of the sweep.

    Raises:
        ValueError: A stage is damaged.
    """
    record = read_record(folder)
    beside = path.with_name(f".{path.name}-{uuid.uuid4().hex[:8]}")
    counts = {"whole": 0, "partial": 0, "missing": 0}
    try:
        with zipfile.ZipFile(beside, "w", zipfile.ZIP_DEFLATED) as archive:
            for key in record.keys:
                counts[_add_stage(archive, store, key, everything)] += 1
            _add_records(archive, store, folder, record)
            if page is not None:
                archive.writestr(f"sweeps/{folder.name}/report.html", page)
            label = {"w2sg_archive": ARCHIVE_VERSION, "sweep": folder.name, **counts}
            archive.writestr(LABEL, json.dumps(label))
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return Contents(folder.name, **counts)


def read_archive(path: Path, store: Store) -> Contents:
    """Put the stages and records of an archive into a store; what is there stays as it is.

    Every file is checked against its manifest, and every manifest against its key, before
    anything enters the store.

    Raises:
        ValueError: The file is no archive of this version, or something in it has changed.
    """
    beside = store.root / "tmp" / f"import-{uuid.uuid4().hex[:8]}"
    try:
        with zipfile.ZipFile(path) as archive:
            label = _label(archive, path)
            for name in archive.namelist():
                _refuse_outside(name, path)
            beside.mkdir(parents=True)
            archive.extractall(beside)
        for kind in ("stages", PARTIAL):
            for folder in sorted((beside / kind).glob("*")):
                _check(folder, path, whole=kind == "stages")
        for kind in ("stages", PARTIAL, "runs", "sweeps"):
            for folder in sorted((beside / kind).glob("*")):
                target = store.root / kind / folder.name
                if not target.exists():
                    target.parent.mkdir(parents=True, exist_ok=True)
                    folder.rename(target)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, OSError) as error:
        raise ValueError(
            f"archive {str(path)!r} cannot be read: {getattr(error, 'strerror', None) or error}"
        ) from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return Contents(**{k: label[k] for k in ("sweep", "whole", "partial", "missing")})


def _add_stage(archive: zipfile.ZipFile, store: Store, key: str, everything: bool) -> str:
    manifest, damage = store.read(key)
    if damage is not None:
        raise ValueError(f"{damage}; run the sweep again, which repairs it, and export then")
    source, kind = store.folder(key), "stages"
    if manifest is None:
        manifest = stored(store, key)
        if manifest is None:
            return "missing"
        source, kind = store.root / PARTIAL / key, PARTIAL
    names = [name for name in manifest.files if (source / name).is_file()]
    if not everything:
        names = [name for name in names if name not in LEFT_OUT]
    if len(names) < len(manifest.files):
        kind = PARTIAL
    for name in (MANIFEST, *names):
        archive.write(source / name, f"{kind}/{key}/{name}")
    return "whole" if kind == "stages" else "partial"


def _add_records(archive: zipfile.ZipFile, store: Store, folder: Path, record: SweepRecord) -> None:
    archive.write(folder / RECORD, f"sweeps/{folder.name}/{RECORD}")
    for cell in record.cells:
        for name in ("spec.toml", "result.json"):
            path = store.root / "runs" / cell.run / name
            if path.is_file():
                archive.write(path, f"runs/{cell.run}/{name}")


def _label(archive: zipfile.ZipFile, path: Path) -> dict:
    try:
        label = json.loads(archive.read(LABEL))
        version = label["w2sg_archive"]
    except (KeyError, TypeError, json.JSONDecodeError):
        raise ValueError(
            f"{str(path)!r} is no archive of a sweep; `w2sg export` writes one"
        ) from None
    if version != ARCHIVE_VERSION:
        raise ValueError(
            f"archive {str(path)!r} has version {version!r}, this w2sg reads {ARCHIVE_VERSION}"
        )
    return label


def _refuse_outside(name: str, path: Path) -> None:
    parts = PurePosixPath(name).parts
    kinds = ("stages", PARTIAL, "runs", "sweeps")
    if name == LABEL:
        return
    if name.startswith("/") or ".." in parts or "\\" in name or parts[0] not in kinds:
        raise ValueError(f"archive {str(path)!r} holds the name {name!r}, which is not ours")


def _check(folder: Path, path: Path, *, whole: bool) -> None:
    try:
        manifest = read_manifest(folder)
    except ValueError as error:
        raise ValueError(f"archive {str(path)!r}: manifest of {folder.name}: {error}") from None
    if manifest.key != folder.name or digest(manifest.body) != folder.name:
        raise ValueError(f"archive {str(path)!r}: {folder.name} holds another stage")
    for name, entry in manifest.files.items():
        there = (folder / name).is_file()
        if (whole and not there) or (there and checksum(folder / name) != entry["sha256"]):
            raise ValueError(f"archive {str(path)!r}: {name} of {folder.name} has changed")
