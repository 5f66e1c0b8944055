"""What a strict table refuses, in sentences that name the field and the next step."""

import difflib
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
    "string_too_short": "a text that is not empty",
    "bool_type": "true or false",
    "is_instance_of": "an object given in Python",
}
OF_SWEEPS = ("grid", "variants")


class SpecError(ValueError):
    """A spec that cannot be run; the text names field, value, what is allowed and the next step."""


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
        return f"{field} = {value!r}: unknown field; {hint}"
    if kind == "value_error" and not parents:  # of a whole table, which says all
        return str(errors[0]["ctx"]["error"])
    if kind == "missing":
        return f"{field}: missing; add it to the spec" + (
            ", as in: [data] path = 'reviews.csv'" if field == "data" else ""
        )
    allowed = [_allowed(error) for error in errors]
    near = [hint for error in errors if (hint := _nearest(error))]
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"{field} = {value!r}: must be {' or '.join(dict.fromkeys(allowed))}{hint}"


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
