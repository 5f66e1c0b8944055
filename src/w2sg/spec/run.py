"""The tables of a run: data, teacher, student, run; `load` validates them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from w2sg import arms
from w2sg.spec.fields import (
    STORED,
    Batch,
    Epochs,
    Folds,
    Models,
    Named,
    NameOrObject,
    PathText,
    Policy,
    Rate,
    Reference,
    Rows,
    Seed,
    Several,
    Steps,
    Text,
    Values,
    as_tuple,
    at_most,
    none_if_empty,
    one_or_several,
)
from w2sg.spec.ignored import refuse_ignored
from w2sg.spec.refusals import TOO_DEEP, SpecError, refuse_other_types, sentences
from w2sg.spec.toml import read_toml

SPEC_VERSION = 1


class _Table(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, arbitrary_types_allowed=True, allow_inf_nan=False
    )


class DataSpec(_Table):
    """Where the rows come from and how many go into each part."""

    path: PathText | None = None
    bundled: Text | None = None
    hub: Text | None = None
    hub_config: Text | None = None
    text: Text = "text"
    text_pair: Text | None = None
    label: Text = "label"
    no_label: Values | None = None
    id: Text | None = None
    group: Text | None = None
    split: Annotated[str | None, BeforeValidator(none_if_empty)] = "split"
    test_split: Text = "test"
    unlabelled: PathText | None = None
    test: PathText | None = None
    n_labelled: Annotated[Rows, Field(ge=0)] = 500
    n_unlabelled: Annotated[Rows, Field(ge=1)] = 2000
    n_test: Annotated[Rows, Field(ge=2)] = 1000  # of one row there is no interval
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
        BeforeValidator(one_or_several),
    ] = None
    model: Annotated[
        Models | PathText, Field(union_mode="left_to_right"), BeforeValidator(one_or_several)
    ] = "all-MiniLM-L6-v2"
    layers: Annotated[int, Field(ge=1), at_most(10_000)] | None = None
    column: Annotated[str | tuple[str, ...], BeforeValidator(as_tuple)] | None = None
    classes: Annotated[Values, Field(min_length=1)] | None = None
    policy: Policy = "full"
    epochs: Epochs | Literal["auto"] = "auto"
    lr: Rate | Literal["auto"] = "auto"
    folds: Annotated[Folds, Field(ge=2)] = 5
    labels: Literal["soft", "hard"] = "soft"
    temperature: Annotated[float, Field(gt=0.0), at_most(10**6)] = 1.0
    shrink: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    cross_fit: Annotated[Folds, Field(ge=0)] = 0
    members: Annotated[int, Field(ge=1), at_most(1000)] = 1
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
    policy: Policy = "qv"
    method: Literal["full", "lora", "rslora", "dora", "pissa", "olora", "ia3"] = "full"
    loss: NameOrObject = "ce"
    labelled: Literal["none", "after", "mixed"] = "none"
    epochs: Epochs = 2.0
    min_steps: Steps = 120
    lr: Rate | Literal["auto"] = "auto"
    lr_head: Rate | Literal["auto"] = "auto"
    ratio: Annotated[float, Field(gt=0.0), at_most(10**6)] = 1.0
    batch_size: Batch = 32
    micro_batch_size: Batch = 32
    max_length: Annotated[int, Field(ge=8), at_most(10**6)] = 256
    weight_decay: Annotated[float, Field(ge=0.0), at_most(100)] = 0.01
    warmup: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1
    max_grad_norm: Annotated[float, Field(gt=0.0)] = 1.0
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    early_stopping: Steps = 0
    held_out: Annotated[float, Field(gt=0.0, lt=0.5)] = 0.1


class RunSpec(_Table):
    """Which seeds and references, and where results are kept."""

    seeds: Annotated[tuple[Seed, ...], BeforeValidator(as_tuple), at_most(1000)] = (0, 1, 2)
    references: Annotated[tuple[Reference, ...], BeforeValidator(as_tuple)] = Field(
        default_factory=arms.references
    )
    preview: bool = True
    level: Annotated[
        float,
        Field(gt=0.5, lt=1.0),
        at_most(0.995, "an interval needs 10 of its 4,000 bootstrap samples in each tail"),
    ] = 0.95
    store: PathText = ".w2sg"

    @model_validator(mode="after")
    def _seeds_differ(self) -> "RunSpec":
        if not self.seeds:
            raise ValueError("run.seeds is empty; give at least one seed, such as [0]")
        for name in ("seeds", "references"):
            values = getattr(self, name)
            if len(set(values)) != len(values):
                raise ValueError(f"run.{name} has repeated entries: {list(values)}")
        return self


def _spec_version(value: Any) -> Any:
    if type(value) is not int:  # true is 1 to Python, and 1.0 too
        raise ValueError(f"must be {SPEC_VERSION}")
    return value


class Spec(_Table):
    """A whole run: data, teacher, student, run."""

    data: DataSpec
    teacher: TeacherSpec = TeacherSpec()
    student: StudentSpec = StudentSpec()
    run: RunSpec = RunSpec()
    version: Annotated[Literal[1], BeforeValidator(_spec_version)] = SPEC_VERSION

    @model_validator(mode="after")
    def _folds_fit(self, info: ValidationInfo) -> "Spec":
        folds, n = self.teacher.cross_fit, self.data.n_labelled
        if folds > n // 2 and n and not (info.context or {}).get("stored"):
            raise ValueError(
                f"teacher.cross_fit = {folds} needs two labelled rows for each fold, but "
                f"data.n_labelled = {n}; set it to at most {n // 2}, or 0 for off"
            )
        return self

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
    source: str | Path | Mapping[str, Any],
    overrides: Mapping[str, Any] | None = None,
    *,
    stored: bool = False,
) -> Spec:
    """Return a validated spec from a TOML file or a mapping, with dotted overrides on top.

    Args:
        source: Path of a TOML file, or a mapping of the same tables.
        overrides: ``{"student.epochs": 1}``; validated like the rest.
        stored: Whether the spec only reopens what was run before: then fields that change nothing
            and sizes that would be refused today are taken as they are.

    Raises:
        SpecError: The file cannot be read or parsed, or a field is unknown, missing, of the wrong
            type, out of range, or would change nothing.

    >>> load({"data": {"bundled": "demo"}}, {"student.epochs": 1}).student.epochs
    1.0
    >>> load({"data": {"bundled": "demo"}, "student": {"epoch": 1}})
    Traceback (most recent call last):
    ...
    w2sg.spec.refusals.SpecError: student.epoch = 1: unknown field; did you mean 'epochs'?
    """
    spec = validated(source, overrides, stored=stored)
    if not stored:
        refuse_ignored(spec)
    return spec


def validated(
    source: str | Path | Mapping[str, Any],
    overrides: Mapping[str, Any] | None = None,
    *,
    stored: bool = False,
) -> Spec:
    """Return a spec as `load` does, fields that change nothing included."""
    refuse_other_types(source, overrides)
    try:
        tables = _copy(read_toml(source) if isinstance(source, str | Path) else source)
        for dotted, value in (overrides or {}).items():
            _override(tables, dotted, _copy(value) if isinstance(value, Mapping) else value)
        return Spec.model_validate(tables, context=STORED if stored else None)
    except ValidationError as error:
        raise SpecError("\n".join(sentences(error, Spec))) from None
    except RecursionError:
        raise SpecError(TOO_DEEP.format(what="the spec")) from None


def _override(tables: dict[str, Any], dotted: str, value: Any) -> None:
    *parents, last = dotted.split(".")
    table = tables
    for depth, part in enumerate(parents):
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise SpecError(f"{'.'.join(parents[: depth + 1])} is not a table; see {dotted!r}")
    table[last] = value


def _copy(tables: Mapping[str, Any]) -> dict[str, Any]:
    return {k: _copy(v) if isinstance(v, Mapping) else v for k, v in tables.items()}
