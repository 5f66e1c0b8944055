"""Packages whose names are imported when they are first asked for."""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazily(
    package: str, homes: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` of a package that loads a module when it is asked for.

    A name that a module of the package has as well, such as a function ``ledger`` in
    ``ledger.py``, must be imported eagerly: importing that module would put it in the place of
    the function.

    Args:
        package: ``__name__`` of the package.
        homes: Module → names that it holds, separated by spaces; a module without a dot before
            it belongs to the package.

    >>> get, _ = lazily("w2sg.gain", {"estimate": "Estimate"})
    >>> get("Estimate").__module__
    'w2sg.gain.estimate'
    >>> get("Guess")
    Traceback (most recent call last):
    ...
    AttributeError: module 'w2sg.gain' has no attribute 'Guess'
    """
    home_of = {
        name: module if "." in module else f"{package}.{module}"
        for module, names in homes.items()
        for name in names.split()
    }

    def get(name: str) -> Any:
        if name not in home_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(home_of[name]), name)
        setattr(sys.modules[package], name, value)  # asked once
        return value

    def names() -> list[str]:
        return sorted({*home_of, *sys.modules[package].__all__})

    return get, names
