"""Types of fields: names and Python objects, lists, seeds, counts and rates."""

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, ValidationInfo

from w2sg import arms
from w2sg._paths import expanded

STORED = {"stored": True}  # context of a validation that only reopens what was run before


@dataclass(frozen=True)
class Named:
    """A Python object together with what stands for it in the identity of a result.

    Args:
        value: A scikit-learn classifier, a loss or a model folder object.
        name: What the object is called in specs and reports.
        version: Changes whenever the object would give other numbers. Without name and version
            nothing that depends on the object is cached.

    >>> Named([1], name="mine", version="1").identity
    {'name': 'mine', 'version': '1'}
    """

    value: Any
    name: str | None = None
    version: str | None = None

    def __post_init__(self) -> None:
        """Refuse names that would lead elsewhere where they are part of a path."""
        for what, text in (("name", self.name), ("version", self.version)):
            if text is not None and (
                not isinstance(text, str)
                or not text.strip()
                or text in (".", "..")
                or not text.isprintable()
                or any(mark in text for mark in "/\\")
            ):
                raise ValueError(
                    f"Named {what} = {text!r}: give printable characters without / and \\"
                )

    @property
    def identity(self) -> dict[str, str | None]:
        """What enters the key: the name and the version, never the object itself."""
        return {"name": self.name, "version": self.version}


def _wrap(value: Any) -> Any:
    if isinstance(value, Mapping) and set(value) <= {"name", "version"}:
        return Named(None, **value)  # as a written spec shows an object that Python was given
    if value is None or value == "" or isinstance(value, bool | int | float | Mapping):
        raise ValueError("must be a name, or an object given in Python")
    value = _home(_path_as_text(value))
    if isinstance(value, str):
        _without_null(value)
    return value if isinstance(value, str | Named) else Named(value)


def _unwrap(value: Any) -> Any:
    return value.identity if isinstance(value, Named) else value


def _path_as_text(value: Any) -> Any:
    return str(value) if isinstance(value, os.PathLike) else value


def none_if_empty(value: Any) -> Any:
    """An empty text is how TOML says that there is none."""
    return None if value == "" else value


def as_tuple(value: Any) -> Any:
    """A list as the frozen spec keeps it."""
    return tuple(value) if isinstance(value, list) else value


def as_texts(value: Any) -> Any:
    """Values of a column, which a spec may write as numbers or booleans too."""
    values = value if isinstance(value, list | tuple) else [value]
    if value is None or not all(isinstance(one, str | int | float) for one in values):
        return as_tuple(value)
    return tuple(str(one) for one in values)


def one_or_several(value: Any) -> Any:
    """A list of one is that one, so that both have one identity."""
    return value[0] if isinstance(value, list | tuple) and len(value) == 1 else as_tuple(value)


def at_most(limit: float, why: str = "") -> AfterValidator:
    """An upper bound on what is to be run; a stored result that exceeds it can still be opened."""

    def check(value: Any, info: ValidationInfo) -> Any:
        size = len(value) if isinstance(value, tuple) else value
        if size > limit and not (info.context or {}).get("stored"):
            of = " entries" if isinstance(value, tuple) else ""
            raise ValueError(f"must be at most {limit:,}{of}{why and f': {why}'}")
        return value

    return AfterValidator(check)


def _without_null(value: str) -> str:
    if "\0" in value:
        raise ValueError("must be a text without null characters")
    return value


def _policy(value: str) -> str:
    if value in ("full", "head", "gate"):
        return value
    if not value or not set(value) <= set("qkvo") or len(set(value)) < len(value):
        raise ValueError(
            "must be 'full', 'head', or letters of q, k, v, o, each once, such as 'qv'"
        )
    return value


def _reference(name: str) -> str:
    # asked when a spec is read, so that an arm added to the table is allowed
    if name not in arms.references():
        near = difflib.get_close_matches(name, arms.references(), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"must be one of {', '.join(arms.references())}{hint}")
    return name


def _home(value: Any) -> Any:
    """The home folder in place of ``~``; a hub id never starts with it."""
    value = _path_as_text(value)
    return str(expanded(value)) if isinstance(value, str) and value.startswith("~") else value


Reference = Annotated[str, AfterValidator(_reference)]
Values = Annotated[tuple[str, ...], BeforeValidator(as_texts)]
NameOrObject = Annotated[str | Named, BeforeValidator(_wrap), PlainSerializer(_unwrap)]
Several = Annotated[
    tuple[NameOrObject, ...], BeforeValidator(as_tuple), Field(min_length=1), at_most(100)
]
Text = Annotated[
    str, Field(min_length=1), AfterValidator(_without_null), BeforeValidator(_path_as_text)
]
PathText = Annotated[Text, BeforeValidator(_home)]  # applied before the checks of a text
Models = Annotated[tuple[PathText, ...], Field(min_length=2), at_most(100)]
Policy = Annotated[str, AfterValidator(_policy)]
Seed = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Rows = Annotated[int, at_most(10**9)]
Steps = Annotated[int, Field(ge=0), at_most(10**6)]
Batch = Annotated[int, Field(ge=1), at_most(10**6)]
Folds = Annotated[int, at_most(1000)]
Epochs = Annotated[float, Field(gt=0.0), at_most(10_000)]
Rate = Annotated[float, Field(gt=0.0, le=10.0)]
