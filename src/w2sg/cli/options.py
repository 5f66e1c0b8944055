"""Options of commands: numbers read as written, and nothing that is given and has no effect."""

import inspect
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from cyclopts import convert

WHOLE = re.compile(r"[+-]?[0-9]+")
SMALLEST = 1e-100  # squares of what is smaller, or larger than its inverse, are no numbers
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


def strict(type_: Any, tokens: Sequence[Any]) -> Any:
    """Return what an option's words stand for, as the converter of every parameter.

    Cyclopts alone rounds 80.6 where a whole number is asked for, and takes 0x10, 1_000 and nan.

    Args:
        type_: What the parameter wants.
        tokens: Its words on the command line.

    Raises:
        ValueError: A word is not the number that is asked for.
    """
    if type_ is int:
        return whole_number(tokens[0].value)
    if type_ is float:
        return number(tokens[0].value)
    return convert(type_, tokens)


def number(word: str) -> float:
    """Return a finite number as it is written in other programs too.

    Raises:
        ValueError: It is anything else, such as ``nan``, ``inf`` or ``1_000``, or so large or small
            that formulas overflow.

    >>> number("1e-4")
    0.0001
    """
    if not NUMBER.fullmatch(word) or not math.isfinite(value := float(word)):
        raise ValueError(f"must be a number, got {word[:100]!r}")
    if value and not SMALLEST < abs(value) < 1 / SMALLEST:
        raise ValueError(f"must be 0 or of a size from 1e-100 to 1e100, got {word[:100]!r}")
    return value


def whole_number(word: str) -> int:
    """Return a whole number in digits.

    Raises:
        ValueError: It is anything else.

    >>> whole_number("80.6")
    Traceback (most recent call last):
    ...
    ValueError: must be a whole number, got '80.6'
    """
    if not WHOLE.fullmatch(word) or len(word) > 100:
        raise ValueError(f"must be a whole number, got {word[:100]!r}")
    return int(word)


def within(option: str, value: float, low: float, high: float) -> None:
    """Refuse a number that is too small, or so large that the command would not end.

    Raises:
        ValueError: It is outside.

    >>> within("--draws", -1, 0, 100)
    Traceback (most recent call last):
    ...
    ValueError: --draws must be from 0 to 100, got -1
    """
    if not low <= value <= high:
        raise ValueError(f"{option} must be from {low:,} to {high:,}, got {value}")


def refuse_unused(
    command: Callable[..., Any], values: Mapping[str, Any], names: Iterable[str], why: str
) -> None:
    """Refuse options that were given and that the other options leave without effect.

    Args:
        command: The function of the command, for the defaults of its options.
        values: Name of the parameter → what it is.
        names: The parameters without effect.
        why: What makes them so, and what to do, as in ``"without --simulate"``.

    Raises:
        ValueError: One of them is not its default.
    """
    for name in names:
        if values[name] != inspect.signature(command).parameters[name].default:
            option = "--" + name.replace("_", "-")
            raise ValueError(f"{option} {values[name]} would change nothing {why}")
