"""Checks of what Python users pass to a call: the argument, its value and what is allowed."""

import math
import os
from numbers import Integral, Real
from pathlib import Path
from typing import Any


def as_path(name: str, value: Any) -> Path:
    """Return an argument that names a file or a folder.

    Raises:
        ValueError: It is no path, empty, or has a null character.

    >>> as_path("folder", 5)
    Traceback (most recent call last):
    ...
    ValueError: folder must be the path of a file or folder, got 5
    """
    text = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if not isinstance(text, str) or not text or "\0" in text:
        raise ValueError(f"{name} must be the path of a file or folder, got {value!r}")
    return Path(text)


def as_whole(name: str, value: Any, *, low: int) -> int:
    """Return an argument that is a whole number of at least `low`.

    Raises:
        ValueError: It is a text, a fraction, true or false, or too small.

    >>> as_whole("workers", "2", low=1)
    Traceback (most recent call last):
    ...
    ValueError: workers must be a whole number of at least 1, got '2'
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < low:
        raise ValueError(f"{name} must be a whole number of at least {low}, got {value!r}")
    return int(value)


def as_number(name: str, value: Any, *, zero: bool = False) -> float:
    """Return an argument that is a finite number, positive unless `zero` is allowed.

    Raises:
        ValueError: It is no number, negative, infinite or nan, or 0 where that is not allowed.
    """
    bad = isinstance(value, bool) or not isinstance(value, Real)
    if bad or not math.isfinite(value) or value < 0 or (value == 0 and not zero):
        least = "of 0 or more" if zero else "above 0"
        raise ValueError(f"{name} must be a finite number {least}, got {value!r}")
    return float(value)


def as_flag(name: str, value: Any) -> bool:
    """Return an argument that is true or false.

    Raises:
        ValueError: It is anything else.
    """
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be True or False, got {value!r}")
    return value


def as_names(name: str, value: Any) -> tuple[str, ...]:
    """Return an argument that is a list of names.

    Raises:
        ValueError: It is one text, whose letters would be taken for names, or holds anything else.

    >>> as_names("loggers", "wandb")
    Traceback (most recent call last):
    ...
    ValueError: loggers must be a list of names, as in ['wandb'], got 'wandb'
    """
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
        example = [value] if isinstance(value, str) else ["tensorboard"]
        raise ValueError(f"{name} must be a list of names, as in {example}, got {value!r}")
    return tuple(value)


def check_callable(name: str, value: Any) -> None:
    """Refuse what cannot be called with an event; ``None`` is nothing to call.

    Raises:
        ValueError: It is not callable.
    """
    if value is not None and not callable(value):
        raise ValueError(f"{name} must be a function of one event, or None, got {value!r}")


def check_workers(workers: Any, launcher: Any) -> None:
    """Refuse workers that are no number, and those beside a launcher, which does not ask them.

    Raises:
        ValueError: Workers or launcher are something else, or both are given.
    """
    as_whole("workers", workers, low=1)
    if launcher is None:
        return
    if not hasattr(launcher, "slots"):
        raise ValueError(
            "launcher must be an object that computes stages, such as w2sg.runs.launch.ray.Ray(), "
            f"got {launcher!r}"
        )
    if workers != 1:
        raise ValueError(
            f"workers = {workers} would change nothing: {type(launcher).__name__} computes the "
            "stages elsewhere; leave out one of workers and launcher"
        )
