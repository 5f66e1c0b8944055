"""What a strict table refuses, in sentences that name the field and the next step."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

# what pydantic says of Python, in the words of a spec
SAID = {
    "tuple_type": "a list, as in [0, 1]",
    "model_type": "a table of fields",
    "model_attributes_type": "a table of fields",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a smaller number",
    "float_type": "a number",
    "string_type": "a text",
    "string_unicode": "a text of valid characters",
    "string_too_short": "a text that is not empty",
    "too_short": "a longer list",
    "bool_type": "true or false",
    "is_instance_of": "an object given in Python",
}
OF_SWEEPS = ("grid", "variants")
LONGEST = 200  # characters of a value that a message shows
TOO_DEEP = (
    "{what} cannot be read: tables or lists are nested too deeply; a spec is tables of fields"
)


class SpecError(ValueError):
    """A spec that cannot be run; the text names field, value, what is allowed and the next step."""


class SpecNote(UserWarning):
    """Something of a spec that can be run has no effect; the text says what and why."""


def refuse_other_types(source: Any, overrides: Any) -> None:
    """Refuse arguments that are no spec and no overrides.

    Raises:
        SpecError: The spec is neither a path nor a mapping, or overrides are no mapping of dotted
            names.
    """
    if not isinstance(source, str | Path | Mapping):
        raise SpecError(
            f"spec must be the path of a TOML file, or a mapping of its tables such as "
            f"{{'data': {{'path': 'reviews.csv'}}}}; got {shortened(source)}"
        )
    if overrides is None:
        return
    if not isinstance(overrides, Mapping):
        raise SpecError(
            "overrides must be a mapping of dotted fields such as {'student.epochs': 1}; got "
            f"{shortened(overrides)}"
        )
    for name in overrides:
        if not isinstance(name, str) or not all(part.strip() for part in name.split(".")):
            raise SpecError(f"overrides: {name!r} is no field; write names as in 'student.epochs'")


def shortened(value: Any) -> str:
    """Return a value for a message, its middle left out where it is long.

    >>> len(shortened("x" * 10_000))
    200
    """
    try:
        text = repr(value)
    except RecursionError:
        return "a value that is nested too deeply"
    half = LONGEST // 2
    return text if len(text) <= LONGEST else f"{text[:half]}…{text[1 - half :]}"


def sentences(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """Return a sentence per field that was refused: the value, what is allowed, the nearest name.

    Args:
        error: What the validation raised.
        model: The tables that were asked for.
    """
    by_field: dict[str, list[Any]] = {}
    for item in error.errors():
        path = [str(part) for part in item["loc"] if not _is_branch(part)]
        by_field.setdefault(".".join(path), []).append(item)
    return [_sentence(field, items, model) for field, items in by_field.items()]


def _sentence(field: str, errors: list[Any], model: type[BaseModel]) -> str:
    kind, value = errors[0]["type"], errors[0].get("input")
    *parents, name = field.split(".")
    if kind == "extra_forbidden":
        known = _fields(parents, model)
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"allowed: {', '.join(known)}"
        if not parents and name in OF_SWEEPS:
            return f"[{name}]: is for sweeps; run this spec with `w2sg sweep`"
        if not parents and isinstance(value, dict):
            return f"[{name}]: unknown table; {hint}"
        return f"{field} = {shortened(value)}: unknown field; {hint}"
    if kind == "invalid_key":
        where = ".".join(parents) or "spec"
        return f"{where}: the names of fields must be texts, got {shortened(value)}"
    # of a whole table, which says all
    if kind == "value_error" and not parents and (not field or isinstance(value, dict)):
        return str(errors[0]["ctx"]["error"])
    if kind == "missing":
        return f"{field}: missing; add it to the spec" + (
            ", as in: [data] path = 'reviews.csv'" if field == "data" else ""
        )
    allowed = [_allowed(error) for error in errors]
    near = [hint for error in errors if (hint := _nearest(error))]
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"{field} = {shortened(value)}: must be {' or '.join(dict.fromkeys(allowed))}{hint}"


def _allowed(error: Any) -> str:
    if error["type"] == "value_error":
        return str(error["ctx"]["error"]).removeprefix("must be ")
    said: str = error["msg"].removeprefix("Input should be ")
    return SAID.get(str(error["type"]), said)


def _nearest(error: Any) -> str | None:
    if error["type"] != "literal_error" or not isinstance(error["input"], str):
        return None
    allowed = error["ctx"]["expected"].replace("'", "").replace(" or ", ", ").split(", ")
    return next(iter(difflib.get_close_matches(error["input"], allowed, n=1)), None)


def _is_branch(part: Any) -> bool:
    # pydantic names the branch of a union ("literal['auto']", "float") as if it were a field
    return isinstance(part, str) and (
        "[" in part or part.startswith("constrained-") or part in {"str", "int", "float"}
    )


def _fields(path: list[str], model: Any) -> list[str]:
    for part in path:
        model = model.model_fields[part].annotation
    return list(model.model_fields)
