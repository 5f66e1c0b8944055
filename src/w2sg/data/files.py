"""Files and data-set folders as plain frames: one reader per format, whole or in chunks."""

import json
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib.resources import files as package_files
from pathlib import Path
from typing import IO, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

SUFFIXES = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}
CSV = {
    "dtype": str,
    "na_filter": False,  # "NA" and "null" are words
    "skip_blank_lines": False,  # a blank row is dropped later, and counted
    "index_col": False,  # a row longer than the header must not push its first cell aside
    "encoding": "utf-8",
}
# what a text file begins with when it is none
MARKS = {
    b"PAR1": "is a Parquet file; give it the ending .parquet",
    b"PK\x03\x04": "is a zip archive or a spreadsheet; save its table as CSV",
    b"\x1f\x8b": "is compressed; unpack it with gunzip",
    b"\xff\xfe": "is not UTF-8 but UTF-16; convert it with: iconv -f UTF-16 -t UTF-8",
    b"\xfe\xff": "is not UTF-8 but UTF-16; convert it with: iconv -f UTF-16 -t UTF-8",
}
QUOTES = "put cells that hold a separator, a line break or a quote mark between quotes"
ROWS = "give a file with the names of its columns and a row for each text"


@dataclass(frozen=True)
class Raw:
    """A frame as it stands in its source, with the class names that the source itself knows.

    Args:
        frame: The columns as read.
        class_names: Column → names of its classes, from Parquet metadata or `ClassLabel`.
        split: The name of the column that the source's own splits were written to, if it has any.
        provenance: What was read, JSON-able.
    """

    frame: pd.DataFrame
    class_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    split: str | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)


def read_path(path: str | Path, *, argument: str = "path") -> Raw:
    """Read a CSV, TSV, JSON Lines or Parquet file, or a data-set folder.

    Values stay as they are written: in CSV and TSV every cell is a string, so a text "NA" or
    "007" survives.

    Args:
        path: The file; its suffix says the format. A folder is read by `read_hub`.
        argument: How the user knows this argument; it opens the error text.

    Raises:
        ValueError: Missing, unreadable, empty, not UTF-8, or of another format.
    """
    where = _existing(path, argument)
    if where.is_dir():
        return read_hub(str(where), argument=argument)
    kind = _format(where, argument)
    try:
        if kind == "parquet":
            table = pq.read_table(where)
            frame = table.to_pandas()
            names = _parquet_names(table.schema)
        else:
            frame = pd.concat(list(_text_chunks(where, kind, 50_000)), ignore_index=True)
            names = {}
    except Exception as error:
        raise _read_error(error, where, argument) from error
    if frame.empty:
        raise ValueError(f"{argument}={str(path)!r} holds no rows; {ROWS}")
    return Raw(frame, names, provenance={"kind": kind, "name": where.name})


def read_chunks(path: str | Path, *, chunk: int, argument: str = "path") -> Iterator[pd.DataFrame]:
    """Yield the rows of a file in frames of at most ``chunk`` rows, never all at once.

    Raises:
        ValueError: As `read_path`; data-set folders are not streamed.
    """
    where = _existing(path, argument)
    if where.is_dir():
        raise ValueError(f"{argument}={str(path)!r} is a folder; give a {_formats()} file")
    kind = _format(where, argument)
    n_rows = 0
    try:
        for frame in _chunks(where, kind, chunk):
            n_rows += len(frame)
            if len(frame):
                yield frame
    except (UnicodeError, pa.ArrowException, pd.errors.ParserError, OSError, _BadLine) as error:
        raise _read_error(error, where, argument) from error
    except pd.errors.EmptyDataError:
        n_rows = 0
    if not n_rows:
        raise ValueError(f"{argument}={str(path)!r} holds no rows; {ROWS}")


def read_hub(name: str, *, argument: str = "hub") -> Raw:
    """Read a data set with `datasets`: a hub id, or a local folder.

    Args:
        name: ``org/name``, ``org/name:configuration``, a `save_to_disk` folder, or a folder of
            data files as the hub would hold it.
        argument: How the user knows this argument; it opens the error text.

    Returns:
        All splits under each other, with a column ``split`` if there are several.

    Raises:
        ValueError: `datasets` is not installed, or cannot read this.
    """
    try:
        import datasets
    except ImportError:
        raise ValueError(
            f"{argument}={name!r} needs the package `datasets`: pip install 'w2sg[hub]'"
        ) from None
    folder = Path(name).expanduser()
    try:
        if folder.is_dir():
            saved = any((folder / mark).exists() for mark in ("dataset_dict.json", "state.json"))
            loaded = (
                datasets.load_from_disk(str(folder))
                if saved
                else datasets.load_dataset(str(folder.resolve()))
            )
            shown = folder.name
        else:
            identifier, _, configuration = name.partition(":")
            loaded = datasets.load_dataset(identifier, configuration or None)
            shown = name
    except Exception as error:  # `datasets` raises from many families for one cause
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        if "trust_remote_code" in str(error):  # never advised, whatever `datasets` says
            reason = "it needs Python code of its own, which w2sg does not run"
        raise ValueError(
            f"{argument}={name!r} is neither a folder nor a data set that `datasets` can load: "
            f"{reason}"
        ) from error
    parts = dict(loaded) if isinstance(loaded, dict) else {"": loaded}
    frames, names = [], {}
    for split, part in parts.items():
        frame = pd.DataFrame(part.with_format(None).to_pandas())
        _name_classes(frame, part.features, parts.values(), datasets.ClassLabel)
        if len(parts) > 1 and "split" not in frame:
            frame["split"] = str(split)
        frames.append(frame)
        for column, feature in part.features.items():
            if isinstance(feature, datasets.ClassLabel):
                names.setdefault(column, tuple(feature.names))
    frame = pd.concat(frames, ignore_index=True)
    if frame.empty:
        raise ValueError(f"{argument}={name!r} holds no rows")
    split_column = "split" if len(parts) > 1 else None
    return Raw(frame, names, split_column, {"kind": "datasets", "name": shown})


def _name_classes(frame: pd.DataFrame, features: Any, splits: Iterable[Any], kind: type) -> None:
    """Write class names for class numbers where another split numbers its classes otherwise."""
    for column, feature in features.items():
        others = [split.features.get(column) for split in splits]
        if isinstance(feature, kind) and any(
            getattr(other, "names", None) != feature.names for other in others
        ):
            named: Any = dict(enumerate(feature.names))
            frame[column] = frame[column].map(named).astype(object)


def bundled_path(name: str, *, known: tuple[str, ...]) -> Path:
    """Return where a data set of the package lies.

    Raises:
        ValueError: No such data set is in the package.
    """
    if name not in known:
        raise ValueError(f"bundled={name!r} is not in the package; {suggest(name, known)}")
    return Path(str(package_files("w2sg.data") / "bundled" / f"{name}.parquet"))


def suggest(name: str, known: tuple[str, ...] | list[str]) -> str:
    """Return what to write instead of an unknown name: all names, and the nearest.

    >>> suggest("txet", ["text", "label"])
    "there are 'text', 'label'; did you mean 'text'?"
    """
    shown = ", ".join(repr(one) for one in known[:30]) + (", …" if len(known) > 30 else "")
    lower = {one.lower(): one for one in known}
    near = get_close_matches(name.lower(), lower, n=1, cutoff=0.5)
    return f"there are {shown}" + (f"; did you mean {lower[near[0]]!r}?" if near else "")


class _BadLine(ValueError):
    """A line of a text file that cannot be read."""


def _existing(path: str | Path, argument: str) -> Path:
    where = Path(path).expanduser()
    try:
        if where.exists():
            return where
        beside = [one.name for one in where.parent.iterdir()] if where.parent.is_dir() else []
    except OSError as error:
        raise ValueError(f"{argument}={str(path)!r} cannot be read: {error.strerror}") from error
    near = get_close_matches(where.name, beside, n=1)
    hint = "" if where.is_absolute() else f"; paths start in {str(Path.cwd())!r}"
    if near:
        hint = f"; did you mean {str(where.parent / near[0])!r}?"
    raise ValueError(f"{argument}={str(path)!r} does not exist{hint}")


def _format(where: Path, argument: str) -> str:
    suffix = where.suffix.lower()
    if suffix not in SUFFIXES:
        ending = f"ends in {suffix!r}" if suffix else "has no ending"
        raise ValueError(f"{argument}={str(where)!r} {ending}; w2sg reads {_formats()}")
    return SUFFIXES[suffix]


def _formats() -> str:
    return ", ".join(SUFFIXES)


def _chunks(where: Path, kind: str, chunk: int) -> Iterator[pd.DataFrame]:
    if kind != "parquet":
        yield from _text_chunks(where, kind, chunk)
        return
    with pq.ParquetFile(where) as file:
        for batch in file.iter_batches(batch_size=chunk):
            yield batch.to_pandas()


def _text_chunks(where: Path, kind: str, chunk: int) -> Iterator[pd.DataFrame]:
    if kind == "jsonl":
        with where.open(encoding="utf-8-sig") as file:
            yield from _json_chunks(file, chunk)
        return
    how: dict[str, Any] = {"sep": "," if kind == "csv" else "\t", **CSV}
    names = pd.read_csv(where, header=None, nrows=1, **how).iloc[0].tolist()
    reader: Any = pd.read_csv(where, chunksize=chunk, **how)
    with reader as frames:
        while (frame := _next_frame(frames)) is not None:
            frame.columns = names  # pandas would number equal ones
            yield frame


def _next_frame(frames: Iterator[pd.DataFrame]) -> pd.DataFrame | None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            return next(frames, None)
        except pd.errors.ParserWarning:
            raise _BadLine(f"its rows have more cells than its first line; {QUOTES}") from None


def _json_chunks(file: IO[str], chunk: int) -> Iterator[pd.DataFrame]:
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise _BadLine(f"line {number} is not JSON ({error.msg})") from None
        if not isinstance(row, dict):
            raise _BadLine(f"line {number} is not an object, one per line")
        if "\\ud" in line.lower() and _has_half_characters(row):
            raise _BadLine(f"line {number} holds one half of a \\ud… pair, which is no character")
        rows.append(row)
        if len(rows) == chunk:
            yield _objects(rows)
            rows = []
    yield _objects(rows)


def _has_half_characters(row: dict[str, Any]) -> bool:
    try:
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def _objects(rows: list[dict[str, Any]]) -> pd.DataFrame:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    # dtype object keeps 1, true, "1" and null apart; a later look at the whole column decides
    return pd.DataFrame(
        {key: pd.Series([row.get(key) for row in rows], dtype=object) for key in columns}
    )


def _read_error(error: Exception, where: Path, argument: str) -> ValueError:
    start = f"{argument}={str(where)!r}"
    if isinstance(error, OSError) and not isinstance(error, pa.ArrowException):
        return ValueError(f"{start} cannot be read: {error.strerror or error}")
    with where.open("rb") as file:
        first = file.read(4)
    for mark, what in MARKS.items():
        if first.startswith(mark) and SUFFIXES[where.suffix.lower()] != "parquet":
            return ValueError(f"{start} {what}")
    if isinstance(error, UnicodeError):
        detail = f"at byte {error.start} " if isinstance(error, UnicodeDecodeError) else ""
        return ValueError(
            f"{start} is not UTF-8 {detail}(of the piece being read); convert it, "
            "for example with: iconv -f LATIN1 -t UTF-8"
        )
    if isinstance(error, pd.errors.EmptyDataError):
        return ValueError(f"{start} is empty; {ROWS}")
    first_line = (str(error).splitlines() or [type(error).__name__])[0]
    if isinstance(error, pd.errors.ParserError):
        first_line = f"{first_line.removeprefix('Error tokenizing data. C error: ')}; {QUOTES}"
    if isinstance(error, pa.ArrowException):
        first_line += "; write it again, or give it the ending of what it is"
    return ValueError(f"{start} cannot be read: {first_line}")


def _parquet_names(schema: pa.Schema) -> dict[str, tuple[str, ...]]:
    """Class names of a Parquet file: our key ``label_names``, or the features of `datasets`."""
    metadata = schema.metadata or {}
    names: dict[str, tuple[str, ...]] = {}
    if own := metadata.get(b"label_names"):
        listed = json.loads(own)
        if listed:
            names["label"] = tuple(str(one) for one in listed)
    if foreign := metadata.get(b"huggingface"):
        features = json.loads(foreign).get("info", {}).get("features", {})
        for column, feature in features.items():
            if isinstance(feature, dict) and feature.get("_type") == "ClassLabel":
                names[column] = tuple(feature["names"])
    return names
