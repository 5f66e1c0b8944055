"""Where data lie: what a path may name, and what a file is that is not what its ending says."""

import stat
from difflib import get_close_matches
from pathlib import Path

SUFFIXES = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_PACKED = "is compressed; unpack it first"
_SHEET = "is a spreadsheet; save its table as CSV"
_PICKLE = "is a pickle, which can run any code and is never opened; write the table as Parquet"
# what a user may bring that has another ending
ENDINGS = {
    **dict.fromkeys((".xlsx", ".xls", ".xlsm", ".xlsb", ".ods", ".numbers"), _SHEET),
    **dict.fromkeys((".gz", ".bz2", ".xz", ".zst", ".zip", ".tar", ".tgz", ".7z", ".rar"), _PACKED),
    **dict.fromkeys((".pkl", ".pickle", ".pt", ".pth", ".joblib"), _PICKLE),
    ".json": "is JSON; write one object a line and let its name end in .jsonl",
    ".txt": "is plain text; name the column in the first line and give it the ending .csv or .tsv",
    ".arrow": "is a part of a saved data set; give the folder that save_to_disk wrote",
    ".feather": "is a Feather file; write the table as Parquet",
    ".db": "is a database; export the table as CSV",
    ".sqlite": "is a database; export the table as CSV",
}
# what a file begins with when it is another thing than its ending says
_UTF16 = "is not UTF-8 but UTF-16; convert it with: iconv -f UTF-16 -t UTF-8"
_HTML = "is a web page; a download may have ended at a login or an error page"
MARKS = {
    b"PAR1": "is a Parquet file; give it the ending .parquet",
    b"PK\x03\x04": "is a zip archive or a spreadsheet; save its table as CSV",
    b"\xd0\xcf\x11\xe0": "is an old spreadsheet; save its table as CSV",
    b"\x1f\x8b": "is compressed; unpack it with gunzip",
    b"BZh9": "is compressed; unpack it with bunzip2",
    b"\xfd7zXZ": "is compressed; unpack it with unxz",
    b"\x28\xb5\x2f\xfd": "is compressed; unpack it with unzstd",
    b"7z\xbc\xaf": "is a 7z archive; unpack it first",
    b"%PDF": "is a PDF; save its table as CSV",
    b"SQLite format 3": "is a database; export the table as CSV",
    b"ARROW1": "is an Arrow file; write the table as Parquet",
    b"\x80\x04": _PICKLE,
    b"\x80\x05": _PICKLE,
    b"\x93NUMPY": "is an array of NumPy; write a table with the texts",
    b"version https://git-lfs": "is a pointer of Git LFS and not the file; fetch it: git lfs pull",
    b"<!DOCTYPE": _HTML,
    b"<!doctype": _HTML,
    b"<html": _HTML,
    b"\xff\xfe": _UTF16,
    b"\xfe\xff": _UTF16,
}
KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


def existing(path: str | Path, argument: str) -> Path:
    """Return the path of a file or folder that is there.

    Args:
        path: As the user gave it; ``~`` is their home.
        argument: How the user knows it; it opens the error text.

    Raises:
        ValueError: There is nothing, it cannot be reached, or it is neither file nor folder: a
            pipe or a device may never end, and data are read more than once.
    """
    start = f"{argument}={str(path)!r}"
    if "\0" in str(path):
        raise ValueError(f"{start} holds a NUL character, which no path can")
    try:
        where = Path(path).expanduser()
        if where.exists():
            _check_kind(where.stat().st_mode, start)
            return where
        beside = [one.name for one in where.parent.iterdir()] if where.parent.is_dir() else []
    except OSError as error:
        raise ValueError(f"{start} cannot be read: {error.strerror}") from error
    except RuntimeError:
        raise ValueError(f"{start} begins with the home of a user who is not known here") from None
    if where.is_symlink():
        raise ValueError(f"{start} is a link to {str(where.readlink())!r}, which does not exist")
    near = get_close_matches(where.name, beside, n=1)
    hint = "" if where.is_absolute() else f"; paths start in {str(Path.cwd())!r}"
    if near:
        hint = f"; did you mean {str(where.parent / near[0])!r}?"
    raise ValueError(f"{start} does not exist{hint}")


def file_kind(where: Path, argument: str) -> str:
    """Return the format of a file by its ending: csv, tsv, jsonl or parquet.

    Raises:
        ValueError: Another ending, or a content that another ending belongs to.
    """
    start, suffix = f"{argument}={str(where)!r}", where.suffix.lower()
    if suffix not in SUFFIXES:
        what = ENDINGS.get(suffix)
        ending = f"ends in {suffix!r}" if suffix else "has no ending"
        raise ValueError(
            f"{start} {ending}{f' and {what}' if what else ''}; w2sg reads {formats()}"
        )
    kind = SUFFIXES[suffix]
    try:
        with where.open("rb") as file:
            first = file.read(64)
    except OSError as error:
        raise ValueError(f"{start} cannot be read: {error.strerror}") from error
    for mark, what in MARKS.items():
        if first.lstrip().startswith(mark) and not (mark == b"PAR1" and kind == "parquet"):
            raise ValueError(f"{start} {what}")
    if kind == "parquet" and first and not first.startswith(b"PAR1"):
        raise ValueError(f"{start} is not a Parquet file; give it the ending of what it is")
    if kind in ("csv", "tsv") and first.removeprefix(b"\xef\xbb\xbf").startswith((b'{"', b'[{"')):
        raise ValueError(f"{start} is JSON; write one object a line and end its name in .jsonl")
    return kind


def check_regular(folder: Path, argument: str) -> None:
    """Refuse a folder that holds a pipe, a device or a socket: reading it may never end."""
    try:
        for one in folder.rglob("*"):
            if one.exists():
                _check_kind(one.stat().st_mode, f"{argument}={str(one)!r}")
    except OSError as error:
        raise ValueError(f"{argument}={str(folder)!r} cannot be read: {error.strerror}") from error


def formats() -> str:
    """Return the endings of the files that can be read, as a sentence lists them."""
    return ", ".join(SUFFIXES)


def suggest(name: str, known: tuple[str, ...] | list[str]) -> str:
    """Return what to write instead of an unknown name: all names, and the nearest.

    >>> suggest("txet", ["text", "label"])
    "there are 'text', 'label'; did you mean 'text'?"
    """
    shown = ", ".join(repr(one) for one in known[:30]) + (", …" if len(known) > 30 else "")
    lower = {one.lower(): one for one in known}
    near = get_close_matches(name.lower(), lower, n=1, cutoff=0.5)
    return f"there are {shown}" + (f"; did you mean {lower[near[0]]!r}?" if near else "")


def _check_kind(mode: int, start: str) -> None:
    kind = KINDS.get(stat.S_IFMT(mode))
    if kind is not None:
        raise ValueError(
            f"{start} is {kind}, not a file: data are read more than once, and it may never end; "
            "write the rows to a file first"
        )
