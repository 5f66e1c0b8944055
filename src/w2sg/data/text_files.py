"""CSV, TSV and JSON Lines, record by record: what is not one record per row is refused by line."""

import csv
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

SEPARATORS = {"csv": ",", "tsv": "\t"}
QUOTED = re.compile(r'"([^"]|"")*"')
QUOTES = "put cells that hold a separator, a line break or a quote mark between quotes"


class Unreadable(ValueError):
    """A file that cannot be read; the text continues a sentence that begins with its name."""


class TextFile:
    """A CSV, TSV or JSON Lines file.

    Attributes:
        notes: What a reader must know about the rows, in sentences that continue one about the
            file; complete once all rows have been read.
        absent: Key → rows of a JSON Lines file that lack it though others have it; complete once
            all rows have been read.
    """

    def __init__(self, where: Path, kind: str) -> None:
        self.where, self.kind = where, kind
        self.notes: list[str] = []
        self.absent: dict[str, int] = {}

    def chunks(self, size: int) -> Iterator[pd.DataFrame]:
        """Yield the rows in frames of at most ``size``; CSV and TSV cells as they are written.

        Raises:
            Unreadable: Empty, not UTF-8, or a line that is not what its format says.
            OSError: The file cannot be opened.
        """
        yield from self._objects(size) if self.kind == "jsonl" else self._records(size)

    def _records(self, size: int) -> Iterator[pd.DataFrame]:
        separator = SEPARATORS[self.kind]
        literal = self.kind == "tsv" and _quotes_are_ordinary(self.where)
        if literal:
            self.notes.append(
                "quote marks are read as ordinary characters: every line has as many cells as the "
                "first, and some begin with a quote mark that is not closed"
            )
        lines: list[str] = []  # of the record that is being read
        reader = csv.reader(
            _kept(_lines(self.where), lines),
            delimiter=separator,
            quoting=csv.QUOTE_NONE if literal else csv.QUOTE_MINIMAL,
            strict=True,
        )
        header, _ = _next_record(reader, lines)
        if header is None:
            raise Unreadable("is empty; give a file with the names of its columns and its rows")
        if not any(name.strip() for name in header):
            raise Unreadable("cannot be read: line 1 is blank; the first line names the columns")
        rows: list[list[str]] = []
        suspicious: list[int] = []
        while True:
            row, line = _next_record(reader, lines)
            if row is None:
                break
            if len(row) != len(header):
                row = _blank_or_refused(row, len(header), line)
            elif row == header:
                raise Unreadable(
                    f"cannot be read: line {line} repeats the first line; the file looks like "
                    "several under each other: delete that line"
                )
            if len(lines) > 1 and _look_like_rows(lines, separator, len(header)):
                suspicious.append(line)
                if self.kind == "tsv":
                    raise Unreadable(
                        f"cannot be read: line {line} opens a quote mark that is closed in line "
                        f"{line + len(lines) - 1}, and each line between has the cells of a row of "
                        "its own; write a quote mark that belongs to a text twice and the cell "
                        "between quotes, or, if one text holds these lines, save the table as "
                        "JSON Lines or Parquet"
                    )
            rows.append(row)
            if len(rows) == size:
                yield _frame(rows, header)
                rows = []
        yield _frame(rows, header)
        if suspicious:
            self.notes.append(
                f"{len(suspicious)} cells between quotes hold line breaks and what looks like rows "
                f"of their own (first in line {suspicious[0]}); a quote mark may not be closed"
            )

    def _objects(self, size: int) -> Iterator[pd.DataFrame]:
        rows: list[dict[str, Any]] = []
        present: Counter[str] = Counter()
        n_rows = 0
        for number, line in enumerate(_lines(self.where), start=1):
            if not line.strip():
                continue
            row = _object(line, number)
            present.update(row.keys())
            n_rows += 1
            rows.append(row)
            if len(rows) == size:
                yield _frame_of_objects(rows, present)
                rows = []
        yield _frame_of_objects(rows, present)
        self.absent = {key: n_rows - n for key, n in present.items() if n < n_rows}


def text_lines(where: Path) -> list[str]:
    """Return the lines of a plain text that are not blank, without line ends.

    Raises:
        Unreadable: Not UTF-8.
        OSError: The file cannot be opened.
    """
    return [line.rstrip("\r\n") for line in _lines(where) if line.strip()]


def _lines(where: Path) -> Iterator[str]:
    r"""Yield the lines as UTF-8 with their ends; a line ends in ``\n`` alone."""
    with where.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if b"\0" in line:
                raise Unreadable(
                    f"cannot be read: line {number} holds a NUL byte; the file is damaged, or "
                    "UTF-16 (convert it with: iconv -f UTF-16LE -t UTF-8)"
                )
            try:
                text = line.decode()
            except UnicodeDecodeError as error:
                raise Unreadable(
                    f"is not UTF-8 (byte 0x{line[error.start]:02x} in line {number}); convert it, "
                    "for example with: iconv -f LATIN1 -t UTF-8"
                ) from None
            if number == 1 and not (text := text.removeprefix("\ufeff")):
                return
            yield text


def _kept(lines: Iterator[str], into: list[str]) -> Iterator[str]:
    for line in lines:
        into.append(line)
        yield line


def _next_record(reader: Any, lines: list[str]) -> tuple[list[str] | None, int]:
    """Return the cells of the next record, nothing at the end, and the line it begins in."""
    lines.clear()
    line = reader.line_num + 1
    limit = csv.field_size_limit(2**31 - 1)  # of the process; a text may be a book
    try:
        return next(reader, None), line
    except csv.Error as error:
        raise Unreadable(f"cannot be read: {_said(str(error), line, reader.line_num)}") from None
    finally:
        csv.field_size_limit(limit)


def _said(error: str, first: int, last: int) -> str:
    if "new-line character" in error:
        return (
            f"line {last} holds a carriage return without a line feed, so that it is not clear "
            "where rows end; convert it, for example with: tr '\\r' '\\n', or put the cell between "
            "quotes"
        )
    if "unexpected end" in error:
        return (
            f"the quote mark that line {first} opens is never closed (EOF inside string); {QUOTES}"
        )
    where = f"line {last}" + (f", in a cell that begins in line {first}," if last > first else "")
    return f"{where} has a quote mark inside a cell between quotes; write it twice, or {QUOTES}"


def _blank_or_refused(row: list[str], n_columns: int, line: int) -> list[str]:
    """Return a blank line as a row of empty cells; any other has too few cells, or too many."""
    if not any(cell.strip() for cell in row) and len(row) < 2:
        return [""] * n_columns
    more = len(row) > n_columns
    advice = QUOTES if more else "give an empty cell its separator, or leave the row out"
    raise Unreadable(
        f"cannot be read: line {line} has {'more' if more else 'fewer'} cells ({len(row)}) than "
        f"its first line names ({n_columns}); {advice}"
    )


def _look_like_rows(lines: list[str], separator: str, n_columns: int) -> bool:
    """Whether each line of one record could be a row: a quote mark may have swallowed some."""
    return n_columns > 1 and all(
        line.count(separator) == n_columns - 1 and f"{separator} " not in line for line in lines
    )


def _quotes_are_ordinary(where: Path) -> bool:
    """Whether a TSV is a row a line, while quote marks as CSV has them make no sense in it."""
    n_columns, unquoted = None, False
    for line in _lines(where):
        if not line.strip():
            continue
        cells = line.rstrip("\r\n").split("\t")
        n_columns = n_columns or len(cells)
        if len(cells) != n_columns:
            return False
        unquoted = unquoted or (
            '"' in line and any(c.startswith('"') and not QUOTED.fullmatch(c) for c in cells)
        )
    return unquoted and not _is_quoted(where)


def _is_quoted(where: Path) -> bool:
    reader = csv.reader(_lines(where), delimiter="\t", strict=True)
    try:
        while _next_record(reader, [])[0] is not None:
            pass
    except Unreadable:
        return False
    return True


def _frame(rows: list[list[str]], header: list[str]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=range(len(header)), dtype=str)
    frame.columns = header  # pandas would number equal ones
    return frame


def _object(line: str, number: int) -> dict[str, Any]:
    start = f"cannot be read: line {number}"
    try:
        row = json.loads(line, object_pairs_hook=_without_repeats)
    except json.JSONDecodeError as error:
        raise Unreadable(
            f"{start} is not JSON ({error.msg}); write one object a line, or give the file the "
            "ending of what it is"
        ) from None
    except _Repeated as error:
        raise Unreadable(f"{start} names {error.args[0]!r} twice; name each key once") from None
    except RecursionError:
        raise Unreadable(f"{start} is nested too deeply; write one flat object a line") from None
    except ValueError as error:  # a number of thousands of digits
        raise Unreadable(f"{start} holds a number that cannot be read: {error}") from None
    if not isinstance(row, dict):
        raise Unreadable(f'{start} is not an object; write one a line, as in {{"text": …}}')
    if "\\ud" in line.lower() and _has_half_characters(row):
        raise Unreadable(f"{start} holds one half of a \\ud… pair, which is no character")
    if row and all(value == key for key, value in row.items()):
        raise Unreadable(
            f"{start} holds the names of the columns in place of values; delete that line"
        )
    return row


class _Repeated(ValueError):
    """A key that one object names twice."""


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        raise _Repeated(next(key for key, n in counts.items() if n > 1))
    return row


def _has_half_characters(row: dict[str, Any]) -> bool:
    try:
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def _frame_of_objects(rows: list[dict[str, Any]], columns: Iterable[str]) -> pd.DataFrame:
    # dtype object keeps 1, true, "1" and null apart; a later look at the whole column decides
    return pd.DataFrame(
        {key: pd.Series([row.get(key) for row in rows], dtype=object) for key in columns}
    )
