"""Paths as users give them: the home folder meant by ~, and no output over an input."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


def expanded(path: str | os.PathLike[str], what: str = "path") -> Path:
    """Return a path with ``~`` replaced by the home folder.

    Args:
        path: As given.
        what: How the user knows it; it opens the error text.

    Raises:
        ValueError: It is empty, or holds a NUL character.

    >>> expanded("a/b").as_posix()
    'a/b'
    """
    text = os.fspath(path)
    if not text:
        raise ValueError(f"{what} is empty; give the path of a file or folder")
    if "\0" in text:
        raise ValueError(f"{what} = {text!r} holds a NUL character, which no path can")
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise ValueError(f"{what} = {text!r}: there is no such home folder") from None


def same_file(one: Path, other: Path) -> bool:
    """Say whether two paths lead to one file, whatever links lie between."""
    try:
        if one.exists() and other.exists():
            return one.samefile(other)
        return one.resolve() == other.resolve()
    except OSError:
        return False


def refuse_overwriting(
    out: Path, inputs: Mapping[str, str | os.PathLike[str] | None], option: str = "--out"
) -> None:
    """Raise where an output would replace a file that the same command reads.

    Args:
        out: What would be written: a file, or a folder that files are put into.
        inputs: What each input is called → its path; folders count with all that is in them.
        option: How the user knows the output.

    Raises:
        ValueError: It is one of the inputs, or lies in an input's folder.
    """
    target = out.resolve()
    for name, given in inputs.items():
        if given is None:
            continue
        source = expanded(given, name)
        inside = source.is_dir() and target.is_relative_to(source.resolve())
        if same_file(out, source) or inside:
            raise ValueError(
                f"{option} = {str(out)!r} is {name} itself, which would be replaced; choose "
                "another place"
            )


def input_files(fields: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return the files that a spec reads, by field: data and local models.

    Args:
        fields: The tables of a spec, as `model_dump` gives them.
    """
    files: dict[str, str] = {}
    for table, names in (
        ("data", ("path", "unlabelled", "test")),
        ("teacher", ("model",)),
        ("student", ("model",)),
    ):
        for name in names:
            value = fields.get(table, {}).get(name)
            each: Iterable[Any] = value if isinstance(value, list | tuple) else (value,)
            for one in each:
                if isinstance(one, str) and Path(one).exists():
                    files[f"{table}.{name} = {one!r}"] = one
    return files
