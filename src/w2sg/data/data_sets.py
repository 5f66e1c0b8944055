"""Data sets of several files or splits: folders, what `datasets` saved, the Hugging Face hub."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from w2sg.data.files import Raw, read_file
from w2sg.data.paths import SUFFIXES, check_regular, existing, formats

SAVED = ("dataset_dict.json", "state.json")  # what `save_to_disk` writes
SPLIT_WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev"), "validation"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
}


def read_path(path: str | Path, *, argument: str = "path") -> Raw:
    """Read a CSV, TSV, JSON Lines or Parquet file, or a data-set folder.

    Args:
        path: The file; its suffix says the format. A folder is what `save_to_disk` wrote, or
            holds such files, each called after its split where there are several.
        argument: How the user knows this argument; it opens the error text.

    Returns:
        All splits of a folder under each other, with a column for the split if there are several.

    Raises:
        ValueError: As `read_file`; a folder without a data file, or with files that do not fit
            together.
    """
    where = existing(path, argument)
    if not where.is_dir():
        return read_file(where, argument=argument)
    check_regular(where, argument)
    if any((where / mark).exists() for mark in SAVED):
        return _loaded(str(where), argument, saved=True)
    files = sorted(
        one
        for one in where.rglob("*")
        if one.is_file()
        and one.suffix.lower() in SUFFIXES
        and not any(part.startswith((".", "_")) for part in one.relative_to(where).parts)
    )
    if not files:
        raise ValueError(_no_data(where, f"{argument}={str(path)!r}"))
    if _has_configurations(where):
        for one in files:
            read_file(one, argument=argument)  # `datasets` fills up short rows in silence
        return _loaded(str(where.resolve()), argument)
    parts: dict[str, list[Raw]] = {}
    for one in files:
        parts.setdefault(_split_of(one, where), []).append(read_file(one, argument=argument))
    if "" in parts and len(parts) > 1:
        alone = next(str(one.relative_to(where)) for one in files if not _split_of(one, where))
        raise ValueError(
            f"{argument}={str(path)!r} holds {alone!r}, whose name says no split, beside files "
            f"called after {sorted(set(parts) - {''})}; call each file after its split (train, "
            "validation, test), or give one file"
        )
    _check_columns(files, [raw for each in parts.values() for raw in each], argument)
    return _joined(parts, {"kind": "folder", "name": where.name})


def read_hub(name: str, *, argument: str = "hub") -> Raw:
    """Read a data set of the hub with `datasets`, or a local folder as `read_path` does.

    Args:
        name: ``org/name``, ``org/name:configuration``, or a folder.
        argument: How the user knows this argument; it opens the error text.

    Returns:
        All splits under each other, with a column for the split if there are several.

    Raises:
        ValueError: `datasets` is not installed, or cannot read this.
    """
    if "\0" not in name and Path(name).is_dir():
        return read_path(name, argument=argument)
    return _loaded(name, argument)


def _loaded(name: str, argument: str, *, saved: bool = False) -> Raw:
    start = f"{argument}={name!r}"
    try:
        import datasets
    except ImportError:
        raise ValueError(f"{start} needs the package `datasets`: pip install 'w2sg[hub]'") from None
    folder = Path(name).is_dir()
    try:
        if saved:
            loaded: Any = datasets.load_from_disk(name)
        elif folder:
            loaded = datasets.load_dataset(name)
        else:
            identifier, _, configuration = name.partition(":")
            loaded = datasets.load_dataset(identifier, configuration or None)
    except Exception as error:  # `datasets` raises from many families for one cause
        raise ValueError(f"{start} {_why_not_loaded(error, folder=folder)}") from error
    splits = dict(loaded) if isinstance(loaded, dict) else {"": loaded}
    parts = {
        str(split): [
            Raw(
                pd.DataFrame(part.with_format(None).to_pandas()),
                {
                    column: tuple(feature.names)
                    for column, feature in part.features.items()
                    if isinstance(feature, datasets.ClassLabel)
                },
            )
        ]
        for split, part in splits.items()
    }
    if not any(len(raw.frame) for each in parts.values() for raw in each):
        raise ValueError(f"{start} holds no rows")
    return _joined(parts, {"kind": "datasets", "name": Path(name).name if folder else name})


def _why_not_loaded(error: Exception, *, folder: bool) -> str:
    said = str(error)
    if "trust_remote_code" in said or "scripts are no longer supported" in said:
        return (
            "is read by a program of its own, which w2sg never runs; give a version of it in "
            "Parquet, or a file"
        )
    if "Config name is missing" in said or "BuilderConfig" in said:
        known = re.search(r"\[(.*?)\]", said)
        return f"has several configurations: set data.hub_config to one of {known and known[0]}"
    reason = (said.splitlines() or [type(error).__name__])[0]
    what = "cannot be read as a data set" if folder else "is neither a folder nor a data set"
    return f"{what}: `datasets` says: {reason}"


def _joined(parts: Mapping[str, Sequence[Raw]], provenance: Mapping[str, Any]) -> Raw:
    """Return all splits under each other; class numbers mean one thing in all of them."""
    raws = [raw for each in parts.values() for raw in each]
    columns = {column for raw in raws for column in raw.frame.columns}
    split = None
    if len(parts) > 1:
        split = "split" if "split" not in columns else "split of the data set"
    frames, names = [], {}
    for name, each in parts.items():
        for raw in each:
            frame = _with_names(raw, raws)
            frames.append(frame if split is None else frame.assign(**{split: name}))
            names = {**raw.class_names, **names}
    absent = {
        column: sum(
            raw.absent.get(column, 0) if column in raw.frame else len(raw.frame) for raw in raws
        )
        for column in sorted(columns)
    }
    return Raw(
        pd.concat(frames, ignore_index=True),
        names,
        split,
        provenance,
        tuple(note for raw in raws for note in raw.notes),
        {column: n for column, n in absent.items() if n},
    )


def _with_names(raw: Raw, others: Sequence[Raw]) -> pd.DataFrame:
    """Write class names for class numbers where another part numbers its classes otherwise."""
    frame = raw.frame
    for column, names in raw.class_names.items():
        if column in frame and any(other.class_names.get(column) != names for other in others):
            named: Any = dict(enumerate(names))
            frame = frame.assign(**{column: frame[column].map(named).astype(object)})
    return frame


def _no_data(where: Path, start: str) -> str:
    held = sorted(one.name for one in where.iterdir())
    shown = ", ".join(map(repr, held[:5])) + (", …" if len(held) > 5 else "")
    return (
        f"{start} is a folder without a data file ({formats()}): it holds {shown or 'nothing'}; "
        "give a file, a folder of such files, or one that `save_to_disk` of `datasets` wrote"
    )


def _has_configurations(where: Path) -> bool:
    """Whether the card of a data set says which files belong together."""
    card = where / "README.md"
    return (
        card.is_file()
        and re.search(
            r"^configs:", card.read_text(encoding="utf-8", errors="replace"), re.MULTILINE
        )
        is not None
    )


def _split_of(file: Path, folder: Path) -> str:
    """Return the split that the name of a file says, or else the folders that it lies in."""
    inside = file.relative_to(folder)
    for name in (inside.stem, *reversed(inside.parts[:-1])):
        for word in re.split(r"[\W_\d]+", name.lower()):
            if word in SPLIT_WORDS:
                return SPLIT_WORDS[word]
    return ""


def _check_columns(files: Sequence[Path], raws: Sequence[Raw], argument: str) -> None:
    """Refuse files of which none has all columns of the others: they are no parts of one table."""
    columns = {column for raw in raws for column in raw.frame.columns}
    widest = max(raws, key=lambda raw: len(set(raw.frame.columns)))
    if lacking := columns - set(widest.frame.columns):
        other = next(raw for raw in raws if lacking & set(raw.frame.columns))
        raise ValueError(
            f"{argument}: {widest.provenance['name']!r} and {other.provenance['name']!r} have "
            f"other columns, {sorted(widest.frame.columns)} and {sorted(other.frame.columns)}; "
            f"give one of the {len(files)} files, or put each table into a folder of its own"
        )
