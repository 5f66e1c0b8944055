"""A spec as TOML: read from a file, from `--set` options, and written with every default."""

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from w2sg.spec.refusals import TOO_DEEP, SpecError, shortened

if TYPE_CHECKING:
    from w2sg.spec.run import Spec


def read_toml(path: str | Path, what: str = "spec") -> dict[str, Any]:
    """Return the tables of a TOML file.

    Args:
        path: Of the file.
        what: What it is, for the messages.

    Raises:
        SpecError: The file is not there, cannot be read or is not TOML.
    """
    file = Path(path)
    try:
        if not str(path):
            why = "is empty; give the path of a TOML file"
        elif file.is_dir():
            why = "is a folder; give the path of a TOML file"
        elif file.exists() and not file.is_file():  # reading it may never end
            why = "is a pipe or a device; give the path of a TOML file"
        else:
            return _parsed(file.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        why = "does not exist; give the path of a TOML file"
    except tomllib.TOMLDecodeError as error:
        why = f"is not TOML: {error}"
    except UnicodeDecodeError as error:
        why = f"cannot be read: byte {error.start} is not UTF-8; save the file as UTF-8"
    except RecursionError:
        raise SpecError(TOO_DEEP.format(what=f"{what} {str(path)!r}")) from None
    except OSError as error:
        why = f"cannot be read: {error.strerror or error}"
    except ValueError:  # what Python says of a null character
        why = "is no path of a file; give the path of a TOML file"
    raise SpecError(f"{what} {shortened(str(path))} {why}")


def _parsed(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except ValueError:  # numbers of more than 4,300 digits
        raise tomllib.TOMLDecodeError("a number has too many digits") from None


def parse_overrides(settings: list[str] | tuple[str, ...]) -> dict[str, Any]:
    """Return ``{"student.epochs": 1}`` from ``["student.epochs=1"]``, values read as TOML.

    A value that is not TOML stands for itself as text, so ``student.loss=reverse_ce`` works.

    Raises:
        SpecError: A setting has no ``=`` or no dotted name, holds more than one value, is nested
            too deeply, or sets a field again.

    >>> parse_overrides(["student.epochs=1", "student.loss=ce", "run.seeds=[0, 1]"])
    {'student.epochs': 1, 'student.loss': 'ce', 'run.seeds': [0, 1]}
    """
    values: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or "." not in name or not all(map(str.strip, name.split("."))):
            raise SpecError(f"--set {setting!r}: write table.field=value, as in student.epochs=1")
        name = ".".join(part.strip() for part in name.split("."))
        if name in values:
            raise SpecError(f"--set {setting!r}: {name} is set twice; keep one of them")
        values[name] = _value(setting, text)
    return values


def _value(setting: str, text: str) -> Any:
    try:
        read = _parsed(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text.strip()
    except RecursionError:
        raise SpecError(f"--set {setting[:40]!r}…: the value is nested too deeply") from None
    if set(read) != {"value"}:
        raise SpecError(
            f"--set {setting!r}: more than one value; give each field a --set of its own"
        )
    return read["value"]


def to_toml(spec: "Spec") -> str:
    """Return the spec as TOML with every default written out; `load` of it gives the same spec.

    Fields without a value stand as comments, so that they are visible too. Python objects appear
    by name and version; such a spec can be read, and shown, but not run again.

    >>> from w2sg.spec import load
    >>> "epochs = 2.0" in to_toml(load({"data": {"bundled": "demo"}}))
    True
    """
    lines = [f"version = {spec.version}"]
    for table, values in spec.model_dump(mode="json").items():
        if isinstance(values, dict):
            lines += ["", f"[{table}]"]
            fields = type(spec).model_fields[table].annotation.model_fields  # pyright: ignore
            lines += [_assignment(n, value, fields[n].default) for n, value in values.items()]
    return "\n".join(lines) + "\n"


def _assignment(name: str, value: Any, default: Any) -> str:
    if value is None:
        return f"# {name} is not set" if default is None else f'{name} = ""'
    return f"{name} = {_toml(value)}"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    if isinstance(value, dict):
        parts = [f"{key} = {_toml(part)}" for key, part in value.items() if part is not None]
        return f"{{ {', '.join(parts)} }}"
    escaped = "".join(
        f"\\u{ord(c):04x}" if ord(c) < 32 or ord(c) == 127 else f"\\{c}" if c in '"\\' else c
        for c in str(value)
    )
    return f'"{escaped}"'
