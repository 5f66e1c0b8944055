"""The frozen, strict description of a run: every field, its allowed values, its visible default."""

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    model_validator,
)

from w2sg import arms
from w2sg._paths import expanded

SPEC_VERSION = 1


class SpecError(ValueError):
    """A spec that cannot be run; the text names field, value, what is allowed and the next step."""


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
    if value == "" or isinstance(value, bool | int | float | Mapping):
        raise ValueError("must be a name, or an object given in Python")
    return value if value is None or isinstance(value, str | Named) else Named(value)


def _unwrap(value: Any) -> Any:
    return value.identity if isinstance(value, Named) else value


def _none_if_empty(value: Any) -> Any:
    return None if value == "" else value


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _texts(value: Any) -> Any:
    """Values of a column, which a spec may write as numbers or booleans too."""
    values = value if isinstance(value, list | tuple) else [value]
    if value is None or not all(isinstance(one, str | int | float) for one in values):
        return _tuple(value)
    return tuple(str(one) for one in values)


def _one_or_several(value: Any) -> Any:
    """A list of one is that one, so that both have one identity."""
    return value[0] if isinstance(value, list | tuple) and len(value) == 1 else _tuple(value)


def _is_reference(name: str) -> str:
    # asked when a spec is read, so that an arm added to the table is allowed
    if name not in arms.references():
        near = difflib.get_close_matches(name, arms.references(), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"must be one of {', '.join(arms.references())}{hint}")
    return name


Reference = Annotated[str, AfterValidator(_is_reference)]
NameOrObject = Annotated[str | Named, BeforeValidator(_wrap), PlainSerializer(_unwrap)]
Several = Annotated[tuple[NameOrObject, ...], BeforeValidator(_tuple), Field(min_length=1)]
Text = Annotated[str, Field(min_length=1)]
Values = Annotated[tuple[str, ...], BeforeValidator(_texts)]
Models = Annotated[tuple[Text, ...], Field(min_length=2)]
Seed = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0.0, le=10.0)]


class _Table(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, arbitrary_types_allowed=True, allow_inf_nan=False
    )


class DataSpec(_Table):
    """Where the rows come from and how many go into each part."""

    path: Text | None = None
    bundled: Text | None = None
    hub: Text | None = None
    hub_config: Text | None = None
    text: Text = "text"
    text_pair: Text | None = None
    label: Text = "label"
    no_label: Values | None = None
    id: Text | None = None
    group: Text | None = None
    split: Annotated[str | None, BeforeValidator(_none_if_empty)] = "split"
    test_split: Text = "test"
    unlabelled: Text | None = None
    test: Text | None = None
    n_labelled: Count = 500
    n_unlabelled: Positive = 2000
    n_test: Positive = 1000
    split_seed: Seed = 0
    duplicates: Literal["report", "drop"] = "report"

    @model_validator(mode="after")
    def _one_source(self) -> "DataSpec":
        given = [name for name in ("path", "bundled", "hub") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"data needs exactly one of path, bundled, hub; got {', '.join(given) or 'none'}"
            )
        return self


class TeacherSpec(_Table):
    """The weak teacher: what it is, and what kind of labels it gives."""

    kind: Literal["tfidf", "sklearn", "finetune", "probe", "column"] = "tfidf"
    estimator: Annotated[
        Several | NameOrObject | None,
        Field(union_mode="left_to_right"),
        BeforeValidator(_one_or_several),
    ] = None
    model: Annotated[
        Models | Text, Field(union_mode="left_to_right"), BeforeValidator(_one_or_several)
    ] = "all-MiniLM-L6-v2"
    layers: Positive | None = None
    column: Annotated[str | tuple[str, ...], BeforeValidator(_tuple)] | None = None
    classes: Annotated[Values, Field(min_length=1)] | None = None
    policy: str = "full"
    epochs: Annotated[float, Field(gt=0.0)] | Literal["auto"] = "auto"
    lr: Rate | Literal["auto"] = "auto"
    folds: Annotated[int, Field(ge=2)] = 5
    labels: Literal["soft", "hard"] = "soft"
    temperature: Annotated[float, Field(gt=0.0)] = 1.0
    shrink: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    cross_fit: Annotated[int, Field(ge=0)] = 0
    members: Positive = 1
    combine: Literal["dual", "primal"] = "dual"
    bootstrap: bool = True

    @model_validator(mode="after")
    def _fields_of_kind(self) -> "TeacherSpec":
        if self.kind == "column" and not self.column:
            raise ValueError(
                "teacher.kind = 'column' needs teacher.column: the name of a column of labels, or "
                "one column of probabilities per class"
            )
        if self.classes is not None and self.kind != "column":
            raise ValueError(
                "teacher.classes says what the values of teacher.column stand for; a teacher of "
                f"kind {self.kind!r} reads no column"
            )
        # a list of names or objects is a tuple by now
        empty = isinstance(self.estimator, Named) and isinstance(self.estimator.value, list | tuple)
        if self.kind == "sklearn" and (self.estimator is None or empty):
            raise ValueError(
                "teacher.kind = 'sklearn' needs teacher.estimator: a classifier object in Python, "
                "or the name of a scikit-learn class such as 'ComplementNB', or a list of them"
            )
        if self.cross_fit == 1:
            raise ValueError("teacher.cross_fit must be 0 (off) or at least 2 folds, got 1")
        if self.cross_fit and self.kind == "column":
            raise ValueError("teacher.cross_fit is for teachers that are trained; a column is not")
        if self.members > 1 and self.kind == "column":
            raise ValueError(
                f"teacher.members = {self.members} is for teachers that are trained; a column is "
                "not: merge several columns with w2sg.losses.ensemble first"
            )
        if isinstance(self.model, tuple):
            self._models_can_differ(self.model)
        if self.members > 1 and not self.bootstrap and self.kind in ("tfidf", "probe"):
            raise ValueError(
                f"teacher.bootstrap = false gives {self.members} equal teachers of kind "
                f"{self.kind!r}, which has no randomness of its own; leave teacher.bootstrap = true"
            )
        return self

    def _models_can_differ(self, models: tuple[str, ...]) -> None:
        if self.kind not in ("finetune", "probe"):
            raise ValueError(
                f"teacher.model is a list, but a teacher of kind {self.kind!r} has no model; set "
                "teacher.kind = 'finetune' or 'probe', or give one model"
            )
        twice = next((name for name in models if models.count(name) > 1), None)
        if twice is not None:
            raise ValueError(
                f"teacher.model names {twice!r} twice; name each model once, and set "
                "teacher.members for several teachers of each"
            )


class StudentSpec(_Table):
    """The strong student: which model, which weights move, how, on what.

    `min_steps` is for trainings on the labelled part alone, which is small: a reference that is
    starved of optimizer steps would flatter the student.
    """

    model: NameOrObject = "all-MiniLM-L6-v2"
    policy: str = "qv"
    method: str = "full"
    loss: NameOrObject = "ce"
    labelled: Literal["none", "after", "mixed"] = "none"
    epochs: Annotated[float, Field(gt=0.0)] = 2.0
    min_steps: Count = 120
    lr: Rate | Literal["auto"] = "auto"
    lr_head: Rate | Literal["auto"] = "auto"
    ratio: Annotated[float, Field(gt=0.0)] = 1.0
    batch_size: Positive = 32
    micro_batch_size: Positive = 32
    max_length: Annotated[int, Field(ge=8)] = 256
    weight_decay: Annotated[float, Field(ge=0.0)] = 0.01
    warmup: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1
    max_grad_norm: Annotated[float, Field(gt=0.0)] = 1.0
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    early_stopping: Count = 0
    held_out: Annotated[float, Field(gt=0.0, lt=0.5)] = 0.1


class RunSpec(_Table):
    """Which seeds and references, and where results are kept."""

    seeds: Annotated[tuple[Seed, ...], BeforeValidator(_tuple)] = (0, 1, 2)
    references: Annotated[tuple[Reference, ...], BeforeValidator(_tuple)] = Field(
        default_factory=arms.references
    )
    preview: bool = True
    level: Annotated[float, Field(gt=0.5, le=0.995)] = 0.95
    store: Text = ".w2sg"

    @model_validator(mode="after")
    def _seeds_differ(self) -> "RunSpec":
        if not self.seeds:
            raise ValueError("run.seeds is empty; give at least one seed, such as [0]")
        for name in ("seeds", "references"):
            values = getattr(self, name)
            if len(set(values)) != len(values):
                raise ValueError(f"run.{name} has repeated entries: {list(values)}")
        return self


class Spec(_Table):
    """A whole run: data, teacher, student, run."""

    data: DataSpec
    teacher: TeacherSpec = TeacherSpec()
    student: StudentSpec = StudentSpec()
    run: RunSpec = RunSpec()
    version: Literal[1] = SPEC_VERSION

    @model_validator(mode="after")
    def _labels_are_there(self) -> "Spec":
        if self.data.n_labelled == 0:
            if self.teacher.kind != "column":
                raise ValueError(
                    f"data.n_labelled = 0 leaves a teacher of kind {self.teacher.kind!r} nothing "
                    "to learn from; give it labelled rows, or teacher.kind = 'column'"
                )
            if self.student.labelled != "none":
                raise ValueError(
                    f"student.labelled = {self.student.labelled!r} needs labelled rows, but "
                    "data.n_labelled = 0; set student.labelled = 'none'"
                )
        return self


def load(
    source: str | Path | Mapping[str, Any], overrides: Mapping[str, Any] | None = None
) -> Spec:
    """Return a validated spec from a TOML file or a mapping, with dotted overrides on top.

    Args:
        source: Path of a TOML file, or a mapping of the same tables.
        overrides: ``{"student.epochs": 1}``; validated like the rest.

    Raises:
        SpecError: The file cannot be read or parsed, or a field is unknown, missing, of the wrong
            type or out of range.

    >>> load({"data": {"bundled": "demo"}}, {"student.epochs": 1}).student.epochs
    1.0
    >>> load({"data": {"bundled": "demo"}, "student": {"epoch": 1}})
    Traceback (most recent call last):
    ...
    w2sg.spec.SpecError: student.epoch = 1: unknown field; did you mean 'epochs'?
    """
    tables = read_toml(source) if isinstance(source, str | Path) else _copy(source)
    for dotted, value in (overrides or {}).items():
        *parents, last = dotted.split(".")
        table = tables
        for depth, part in enumerate(parents):
            table = table.setdefault(part, {})
            if not isinstance(table, dict):
                raise SpecError(f"{'.'.join(parents[: depth + 1])} is not a table; see {dotted!r}")
        table[last] = value
    _expand_home(tables)
    try:
        return Spec.model_validate(tables)
    except ValidationError as error:
        from w2sg._refusals import sentences

        raise SpecError("\n".join(sentences(error, Spec))) from None


# fields that name a file or folder; a hub id or a column never starts with ~
PATHS = {"data": ("path", "unlabelled", "test"), "teacher": ("model",), "student": ("model",),
         "run": ("store",)}  # fmt: skip


def _expand_home(tables: dict[str, Any]) -> None:
    """Put the home folder in place of ``~``, once, for all that read the spec."""
    for table, names in PATHS.items():
        fields = tables.get(table)
        if not isinstance(fields, dict):
            continue
        for name in names:
            value = fields.get(name)
            if isinstance(value, str) and value.startswith("~"):
                fields[name] = str(expanded(value, f"{table}.{name}"))
            elif isinstance(value, list):
                fields[name] = [
                    str(expanded(one)) if isinstance(one, str) and one.startswith("~") else one
                    for one in value
                ]


def read_toml(path: str | Path, what: str = "spec") -> dict[str, Any]:
    """Return the tables of a TOML file.

    Args:
        path: Of the file.
        what: What it is, for the messages.

    Raises:
        SpecError: The file is not there, cannot be read or is not TOML.
    """
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        why = "does not exist; give the path of a TOML file"
    except tomllib.TOMLDecodeError as error:
        why = f"is not TOML: {error}"
    except (OSError, UnicodeDecodeError) as error:
        why = f"cannot be read: {error}"
    raise SpecError(f"{what} {str(path)!r} {why}")


def parse_overrides(settings: list[str] | tuple[str, ...]) -> dict[str, Any]:
    """Return ``{"student.epochs": 1}`` from ``["student.epochs=1"]``, values read as TOML.

    A value that is not TOML stands for itself as text, so ``student.loss=reverse_ce`` works.

    Raises:
        SpecError: A setting has no ``=`` or no dotted name.

    >>> parse_overrides(["student.epochs=1", "student.loss=ce", "run.seeds=[0, 1]"])
    {'student.epochs': 1, 'student.loss': 'ce', 'run.seeds': [0, 1]}
    """
    values: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or "." not in name or not all(map(str.strip, name.split("."))):
            raise SpecError(f"--set {setting!r}: write table.field=value, as in student.epochs=1")
        try:
            values[name.strip()] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            values[name.strip()] = text.strip()
    return values


def to_toml(spec: Spec) -> str:
    """Return the spec as TOML with every default written out; `load` of it gives the same spec.

    Fields without a value stand as comments, so that they are visible too. Python objects appear
    by name and version; such a spec can be read, and shown, but not run again.

    >>> "epochs = 2.0" in to_toml(load({"data": {"bundled": "demo"}}))
    True
    """
    lines = [f"version = {spec.version}"]
    for table, values in spec.model_dump(mode="json").items():
        if isinstance(values, dict):
            lines += ["", f"[{table}]"]
            fields = Spec.model_fields[table].annotation.model_fields  # pyright: ignore
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


def _copy(tables: Mapping[str, Any]) -> dict[str, Any]:
    return {k: _copy(v) if isinstance(v, Mapping) else v for k, v in tables.items()}
