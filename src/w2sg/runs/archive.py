"""A sweep as one file: specs, manifests and per-item predictions, checked when read.

An archive comes from somebody else. Every name in it is checked before anything is extracted,
sizes are bounded, only files that a manifest lists or a record names enter the store, and either
all of it enters or nothing. The page is drawn anew, so no markup of an archive is ever opened.
"""

import json
import shutil
import uuid
import zipfile
from dataclasses import dataclass
from pathlib import Path

from w2sg.runs.names import checked_file, checked_folder, checked_key
from w2sg.runs.store import MANIFEST, Store, StoreError, checksum, digest, read_json, read_manifest
from w2sg.runs.sweep_record import PARTIAL, RECORD, SweepRecord, read_record, stored
from w2sg.spec import load

ARCHIVE_VERSION = 1
# what is large or holds the texts themselves; the numbers of a sweep do not need it
LEFT_OUT = ("weights.safetensors", "features.npy", "parts.parquet", "given.parquet")
LABEL = "archive.json"
OF_RUNS = ("spec.toml", "result.json")
PAGE = "report.html"  # earlier archives hold one; it is not taken over
MOST_BYTES = 64 * 2**30  # of one archive when unpacked
MOST_FILES = 1_000_000
MOST_RECORD = 256 * 2**20  # bytes of a manifest, a record or a spec
MOST_RATIO = 2000  # unpacked against packed: far beyond what numbers compress to


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


def export(folder: Path, store: Store, path: Path, *, everything: bool = False) -> Contents:
    """Write a sweep as a zip file beside its place, then move it there.

    Args:
        folder: Of the sweep.
        store: Where its stages are.
        path: The archive.
        everything: Also weights, features and texts.

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
            label = {"w2sg_archive": ARCHIVE_VERSION, "sweep": folder.name, **counts}
            archive.writestr(LABEL, json.dumps(label))
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return Contents(folder.name, **counts)


def read_archive(path: Path, store: Store) -> Contents:
    """Put the stages and records of an archive into a store; what is there stays as it is.

    Raises:
        ValueError: The file is no archive of this version, holds a name that is not ours, is
            larger than it says, or something in it has changed. Then nothing enters the store.
    """
    beside = store.root / "tmp" / f"import-{uuid.uuid4().hex[:8]}"
    try:
        with zipfile.ZipFile(path) as archive:
            contents = _label(archive, path)
            _refuse_foreign(archive, path)
            store.prepare()
            beside.mkdir(parents=True)
            for member in archive.infolist():
                if not member.filename.endswith(("/", f"/{PAGE}")):
                    archive.extract(member, beside)
        _check_all(beside, contents, path)
        _move_in(beside, store)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, OSError, RuntimeError) as error:
        if isinstance(error, StoreError):
            raise
        raise ValueError(
            f"archive {str(path)!r} cannot be read: {getattr(error, 'strerror', None) or error}"
        ) from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return contents


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
        if not (source / name).resolve().is_relative_to(store.root.resolve()):
            raise ValueError(f"{key}: {name} is a link to another place; it is not exported")
        archive.write(source / name, f"{kind}/{key}/{name}")
    return "whole" if kind == "stages" else "partial"


def _add_records(archive: zipfile.ZipFile, store: Store, folder: Path, record: SweepRecord) -> None:
    archive.write(folder / RECORD, f"sweeps/{folder.name}/{RECORD}")
    for cell in record.cells:
        for name in OF_RUNS:
            path = store.root / "runs" / cell.run / name
            if path.is_file() and not path.is_symlink():
                archive.write(path, f"runs/{cell.run}/{name}")


def _label(archive: zipfile.ZipFile, path: Path) -> Contents:
    try:
        if archive.getinfo(LABEL).file_size > MOST_RECORD:
            raise ValueError("its label is too large")
        label = json.loads(archive.read(LABEL))
        version = label["w2sg_archive"]
    except (KeyError, TypeError, ValueError, RecursionError):
        raise ValueError(
            f"{str(path)!r} is no archive of a sweep; `w2sg export` writes one"
        ) from None
    if version != ARCHIVE_VERSION:
        raise ValueError(
            f"archive {str(path)!r} has version {version!r}, this w2sg reads {ARCHIVE_VERSION}"
        )
    try:
        counts = {name: int(label[name]) for name in ("whole", "partial", "missing")}
        return Contents(checked_folder(label["sweep"]), **counts)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"archive {str(path)!r}: its label cannot be read ({error})") from None


def _refuse_foreign(archive: zipfile.ZipFile, path: Path) -> None:
    """Check names and sizes as the archive states them, before a byte is written."""
    members = archive.infolist()
    if len(members) > MOST_FILES or sum(m.file_size for m in members) > MOST_BYTES:
        raise ValueError(
            f"archive {str(path)!r} unpacks to more than {MOST_BYTES / 2**30:.0f} GiB or "
            f"{MOST_FILES:,} files"
        )
    names = [member.filename for member in members]
    if len(set(names)) < len(names):
        raise ValueError(f"archive {str(path)!r} holds one name twice")
    for member in members:
        name, kind = member.filename, member.external_attr >> 28
        try:
            if kind not in (0, 0x4, 0x8):
                raise ValueError("it is a link or a device")
            _checked_member(name)
        except ValueError as error:
            raise ValueError(
                f"archive {str(path)!r} holds the name {name!r}, which is not ours ({error})"
            ) from None
        record = name.endswith((".json", ".toml"))
        packed = max(member.compress_size, 1)
        if (record and member.file_size > MOST_RECORD) or member.file_size > MOST_RATIO * packed:
            raise ValueError(f"archive {str(path)!r}: {name} unpacks to {member.file_size:,} bytes")


def _checked_member(name: str) -> None:
    if name == LABEL:
        return
    top, _, rest = name.partition("/")
    folder, _, file = rest.partition("/")
    allowed = {"runs": OF_RUNS, "sweeps": (RECORD, PAGE)}
    if top in ("stages", PARTIAL):
        checked_key(folder)
        if file:
            checked_file(file)
    elif top in allowed:
        checked_folder(folder)
        if file and file not in allowed[top]:
            raise ValueError("no record has this name")
    else:
        raise ValueError("it lies in no folder of a store")


def _check_all(beside: Path, contents: Contents, path: Path) -> None:
    for kind in ("stages", PARTIAL):
        for folder in sorted((beside / kind).glob("*")):
            _check(folder, path, whole=kind == "stages")
    sweeps = sorted((beside / "sweeps").glob("*"))
    if [folder.name for folder in sweeps] != [contents.sweep]:
        raise ValueError(f"archive {str(path)!r} does not hold the sweep that it names")
    record = read_record(sweeps[0])
    cells = {cell.run for cell in record.cells}
    for folder in sorted((beside / "runs").glob("*")):
        if folder.name not in cells:
            raise ValueError(f"archive {str(path)!r}: run {folder.name} is none of the sweep's")
        if (folder / "result.json").is_file():
            read_json(folder / "result.json")
        if (folder / "spec.toml").is_file():
            load(folder / "spec.toml", stored=True)
    keys = set(record.keys)
    for kind in ("stages", PARTIAL):
        for folder in (beside / kind).glob("*"):
            if folder.name not in keys:
                raise ValueError(
                    f"archive {str(path)!r}: stage {folder.name} is none of the sweep's"
                )


def _move_in(beside: Path, store: Store) -> None:
    """Rename everything into place; what has moved goes away again if something cannot."""
    moved: list[Path] = []
    try:
        for kind in ("stages", PARTIAL, "runs", "sweeps"):
            for folder in sorted((beside / kind).glob("*")):
                target = store.root / kind / folder.name
                if not target.exists():
                    target.parent.mkdir(parents=True, exist_ok=True)
                    folder.rename(target)
                    moved.append(target)
    except BaseException:
        for target in moved:
            shutil.rmtree(target, ignore_errors=True)
        raise


def _check(folder: Path, path: Path, *, whole: bool) -> None:
    try:
        manifest = read_manifest(folder)
    except (OSError, ValueError) as error:
        raise ValueError(f"archive {str(path)!r}: manifest of {folder.name}: {error}") from None
    if manifest.key != folder.name or digest(manifest.body) != folder.name:
        raise ValueError(f"archive {str(path)!r}: {folder.name} holds another stage")
    there = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    if unlisted := there - {MANIFEST, *manifest.files}:
        raise ValueError(
            f"archive {str(path)!r}: {sorted(unlisted)[0]} of {folder.name} is in no manifest"
        )
    for name, entry in manifest.files.items():
        if (whole and name not in there) or (
            name in there and checksum(folder / name) != entry["sha256"]
        ):
            raise ValueError(f"archive {str(path)!r}: {name} of {folder.name} has changed")
