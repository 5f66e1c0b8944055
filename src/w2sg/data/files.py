"""Files as plain frames: one reader per format, whole or in chunks."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from w2sg.data.paths import existing, file_kind, formats, suggest
from w2sg.data.text_files import TextFile, Unreadable, text_lines

ROWS = "give a file with the names of its columns and a row for each text"


@dataclass(frozen=True)
class Raw:
    """A frame as it stands in its source, with the class names that the source itself knows.

    Args:
        frame: The columns as read.
        class_names: Column → names of its classes, from Parquet metadata or `ClassLabel`.
        split: The name of the column that the source's own splits were written to, if it has any.
        provenance: What was read, JSON-able.
        notes: What a reader must know about the rows, in sentences.
        absent: Column → rows that lack it, though others of the source have it.
    """

    frame: pd.DataFrame
    class_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    split: str | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    absent: Mapping[str, int] = field(default_factory=dict)


def read_file(path: str | Path, *, argument: str = "path") -> Raw:
    """Read a CSV, TSV, JSON Lines or Parquet file.

    Values stay as they are written: in CSV and TSV every cell is a string, so a text "NA" or
    "007" survives.

    Args:
        path: The file; its suffix says the format.
        argument: How the user knows this argument; it opens the error text.

    Raises:
        ValueError: Missing, unreadable, empty, not UTF-8, of another format, or a line that is not
            one row as the first line says.
    """
    where = _file(path, argument)
    kind = file_kind(where, argument)
    start = f"{argument}={str(where)!r}"
    notes, absent, names = (), {}, {}
    try:
        if kind == "parquet":
            table = pq.read_table(where)
            frame = table.to_pandas(ignore_metadata=True)  # an index that pandas wrote is a column
            names = _class_names(table.schema)
        else:
            text = TextFile(where, kind)
            frame = pd.concat(list(text.chunks(50_000)), ignore_index=True)
            notes = tuple(f"{start}: {note}" for note in text.notes)
            absent = text.absent
    except Exception as error:  # pyarrow raises from many families for one cause
        raise _explained(error, start) from error
    if frame.empty:
        raise ValueError(f"{start} holds no rows; {ROWS}")
    frame.columns = [str(one) for one in frame.columns]
    return Raw(frame, names, None, {"kind": kind, "name": where.name}, notes, absent)


def read_chunks(path: str | Path, *, chunk: int, argument: str = "path") -> Iterator[pd.DataFrame]:
    """Yield the rows of a file in frames of at most ``chunk`` rows, never all at once.

    Raises:
        ValueError: As `read_file`.
    """
    where = _file(path, argument)
    kind = file_kind(where, argument)
    start = f"{argument}={str(where)!r}"
    n_rows = 0
    frames = _batches(where, chunk) if kind == "parquet" else TextFile(where, kind).chunks(chunk)
    while True:
        try:
            frame = next(frames, None)
        except Exception as error:
            raise _explained(error, start) from error
        if frame is None:
            break
        n_rows += len(frame)
        if len(frame):
            yield frame
    if not n_rows:
        raise ValueError(f"{start} holds no rows; {ROWS}")


def read_lines(path: str | Path, *, argument: str = "path") -> list[str]:
    """Return the lines of a plain text that are not blank.

    Raises:
        ValueError: Missing, unreadable or not UTF-8.
    """
    where = _file(path, argument)
    try:
        return text_lines(where)
    except (Unreadable, OSError) as error:
        raise _explained(error, f"{argument}={str(where)!r}") from error


def bundled_path(name: str, *, known: tuple[str, ...], argument: str = "bundled") -> Path:
    """Return where a data set of the package lies.

    Raises:
        ValueError: No such data set is in the package.
    """
    if name not in known:
        raise ValueError(f"{argument}={name!r} is not in the package; {suggest(name, known)}")
    return Path(str(package_files("w2sg.data") / "bundled" / f"{name}.parquet"))


def _file(path: str | Path, argument: str) -> Path:
    where = existing(path, argument)
    if where.is_dir():
        raise ValueError(f"{argument}={str(path)!r} is a folder; give a {formats()} file")
    return where


def _batches(where: Path, size: int) -> Iterator[pd.DataFrame]:
    with pq.ParquetFile(where) as file:
        for batch in file.iter_batches(batch_size=size):
            yield batch.to_pandas(ignore_metadata=True)


def _explained(error: Exception, start: str) -> ValueError:
    if isinstance(error, Unreadable):
        return ValueError(f"{start} {error}")
    if isinstance(error, OSError) and not isinstance(error, pa.ArrowException):
        return ValueError(f"{start} cannot be read: {error.strerror or error}")
    first_line = (str(error).splitlines() or [type(error).__name__])[0]
    return ValueError(
        f"{start} cannot be read: {first_line}; write it again, or give it the ending of what it is"
    )


def _class_names(schema: pa.Schema) -> dict[str, tuple[str, ...]]:
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
