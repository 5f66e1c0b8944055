"""Types of fields: names and Python objects, lists, seeds, counts and rates."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer


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

    @property
    def identity(self) -> dict[str, str | None]:
        """What enters the key: the name and the version, never the object itself."""
        return {"name": self.name, "version": self.version}


def _wrap(value: Any) -> Any:
    if isinstance(value, Mapping) and set(value) <= {"name", "version"}:
        return Named(None, **value)  # as a written spec shows an object that Python was given
    if value == "" or isinstance(value, bool | int | float | Mapping):
        raise ValueError("must be a name, or an object given in Python")
    return value if value is None or isinstance(value, str | Named) else Named(value)


def _unwrap(value: Any) -> Any:
    return value.identity if isinstance(value, Named) else value


def none_if_empty(value: Any) -> Any:
    """An empty text is how TOML says that there is none."""
    return None if value == "" else value


def as_tuple(value: Any) -> Any:
    """A list as the frozen spec keeps it."""
    return tuple(value) if isinstance(value, list) else value


def one_or_several(value: Any) -> Any:
    """A list of one is that one, so that both have one identity."""
    return value[0] if isinstance(value, list | tuple) and len(value) == 1 else as_tuple(value)


NameOrObject = Annotated[str | Named, BeforeValidator(_wrap), PlainSerializer(_unwrap)]
Several = Annotated[tuple[NameOrObject, ...], BeforeValidator(as_tuple), Field(min_length=1)]
Text = Annotated[str, Field(min_length=1)]
Models = Annotated[tuple[Text, ...], Field(min_length=2)]
Seed = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0.0, le=10.0)]
