"""Names inside a store: which are ours, so that nothing else is read, removed or written."""

import re
from pathlib import PurePosixPath

KEY = re.compile(r"[0-9a-f]{32}")
FOLDER = re.compile(r"[0-9a-f]{12}")
# what a killed computation leaves in tmp/: a stage beside its place, one that was replaced, an
# archive that was being read
TEMPORARY = re.compile(r"(?:[0-9a-f]{32}|gone|import)-[0-9a-f]{8}")


def is_key(name: str) -> bool:
    """Say whether a name is the key of a stage.

    >>> is_key("0" * 32), is_key("../x")
    (True, False)
    """
    return KEY.fullmatch(name) is not None


def checked_key(name: object) -> str:
    """Return the key of a stage.

    Raises:
        ValueError: It is none.
    """
    if not isinstance(name, str) or not is_key(name):
        raise ValueError(f"{name!r} is no key of a stage")
    return name


def checked_folder(name: object) -> str:
    """Return the name of a run's or a sweep's folder.

    Raises:
        ValueError: It is none.
    """
    if not isinstance(name, str) or FOLDER.fullmatch(name) is None:
        raise ValueError(f"{name!r} is no name of a run or sweep")
    return name


def checked_file(name: object) -> str:
    """Return the name of a file of a stage: below the stage's folder, in plain characters.

    Raises:
        ValueError: It leads elsewhere, or is no name.

    >>> checked_file("answers.parquet")
    'answers.parquet'
    >>> checked_file("../answers.parquet")
    Traceback (most recent call last):
    ...
    ValueError: '../answers.parquet' is no name of a stage's file
    """
    if isinstance(name, str) and name and "\\" not in name and name.isprintable():
        parts = PurePosixPath(name).parts
        drive = ":" in parts[0]
        if not name.startswith("/") and not drive and not {"..", "."} & set(name.split("/")):
            return name
    raise ValueError(f"{name!r} is no name of a stage's file")
