"""Fields that are set and would change nothing: refused, so that nobody waits for their effect."""

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from w2sg.spec.refusals import SpecError, SpecNote, shortened

if TYPE_CHECKING:
    from w2sg.spec.run import DataSpec, Spec, StudentSpec, TeacherSpec

MODELS = ("finetune", "probe")
READERS = {  # field of the teacher → the kinds that read it
    "estimator": ("sklearn",),
    "model": MODELS,
    "layers": MODELS,
    "column": ("column",),
    "policy": ("finetune",),
    "epochs": ("finetune",),
    "lr": ("finetune",),
    "folds": ("tfidf", "sklearn", "finetune"),
}


def ignored_fields(spec: "Spec") -> dict[str, str]:
    """Return each field that the other fields make meaningless, with a sentence that says so.

    The sentence names the field, its value, what makes it meaningless, and what to do instead.
    """
    tables = _of_data(spec.data), _of_teacher(spec.teacher), _of_student(spec.student)
    return {field: sentence for table in tables for field, sentence in table}


def refuse_ignored(spec: "Spec") -> None:
    """Refuse a spec with fields that would change nothing.

    Raises:
        SpecError: What `ignored_fields` says of each.
    """
    if found := ignored_fields(spec):
        raise SpecError("\n".join(found.values()))


def note_unused(spec: "Spec") -> None:
    """Warn of what the arms of a run leave unused: it is kept for runs that ask for more of them.

    Warns:
        SpecNote: `student.min_steps` without a training on the labelled part alone, or references
            that need labelled rows where there are none.
    """
    student, references = spec.student, spec.run.references
    asked = [name for name in references if name != "ceiling"]
    if _is_set(student, "min_steps") and student.labelled == "none" and not asked:
        why = "it is for trainings on the labelled part alone, and run.references asks for none"
        warnings.warn(
            f"student.min_steps = {student.min_steps} changes nothing here: {why}", SpecNote, 3
        )
    if spec.data.n_labelled == 0 and asked and _is_set(spec.run, "references"):
        warnings.warn(
            f"run.references: {', '.join(asked)} need labelled rows, and data.n_labelled = 0; "
            "left out",
            SpecNote,
            3,
        )


def _of_data(data: "DataSpec") -> Iterator[tuple[str, str]]:
    if data.hub is None and data.hub_config is not None:
        yield _sentence("data.hub_config", data.hub_config, "there is no data.hub", "leave it out")
    if data.bundled is None:
        return
    of_files = "" if data.unlabelled is None and data.test is None else "id group text label"
    for name in ("text", "text_pair", "label", "id", "group", "split"):
        if _is_set(data, name) and name not in of_files:
            why = f"data.bundled = {data.bundled!r} knows its own columns"
            yield _sentence(f"data.{name}", getattr(data, name), why, "leave it out")


def _of_teacher(teacher: "TeacherSpec") -> Iterator[tuple[str, str]]:
    def ignored(name: str, why: str, instead: str = "leave it out") -> tuple[str, str]:
        return _sentence(f"teacher.{name}", getattr(teacher, name), why, instead)

    kind = teacher.kind
    for name, kinds in READERS.items():
        if _is_set(teacher, name) and kind not in kinds:
            instead = f"leave it out, or set teacher.kind = {' or '.join(map(repr, kinds))}"
            yield ignored(name, f"a teacher of kind {kind!r} does not read it", instead)
    if kind == "finetune" and teacher.epochs != "auto" and _is_set(teacher, "folds"):
        yield ignored(
            "folds",
            "they choose the number of epochs, which teacher.epochs says",
            'leave it out, or set teacher.epochs = "auto"',
        )
    if kind == "finetune" and teacher.policy == "head" and teacher.lr != "auto":
        yield ignored("lr", "teacher.policy = 'head' trains the head alone, at a rate of its own")
    several = teacher.members > 1 or any(
        isinstance(value, tuple) for value in (teacher.estimator, teacher.model)
    )
    if not several and _is_set(teacher, "combine"):
        instead = "leave it out, or set teacher.members"
        yield ignored("combine", "there is one teacher, and nothing to combine", instead)
    if teacher.members == 1 and _is_set(teacher, "bootstrap"):
        why = "with teacher.members = 1 the teacher sees all labelled rows as they are"
        yield ignored("bootstrap", why, "leave it out, or set teacher.members")
    if teacher.labels == "hard" and _is_set(teacher, "temperature"):
        why = "teacher.labels = 'hard' keeps the likeliest class at any temperature"
        yield ignored("temperature", why, "leave it out, or set teacher.labels = 'soft'")


def _of_student(student: "StudentSpec") -> Iterator[tuple[str, str]]:
    def ignored(name: str, why: str, instead: str = "leave it out") -> tuple[str, str]:
        return _sentence(f"student.{name}", getattr(student, name), why, instead)

    policy = f"student.policy = {student.policy!r}"
    if student.policy in ("full", "head") and student.method != "full":
        why = f"{policy} trains no adapters, which sit on roles of attention"
        yield ignored("method", why, "leave it out, or set student.policy = 'qv'")
    if student.policy != "full" and "v" not in student.policy and _is_set(student, "ratio"):
        why = f"it multiplies the rate of W_v, and {policy} does not train W_v"
        yield ignored("ratio", why, "leave it out, or set student.policy = 'qv'")
    if student.policy == "head" and student.lr != "auto":
        why = f"{policy} trains the head alone, whose rate is student.lr_head"
        yield ignored("lr", why, "set student.lr_head instead")
    if not student.early_stopping and _is_set(student, "held_out"):
        why = "rows are held out for early stopping, and student.early_stopping is 0"
        yield ignored("held_out", why, "leave it out, or set student.early_stopping")


def _is_set(table: Any, name: str) -> bool:
    field = type(table).model_fields[name]
    return getattr(table, name) != field.get_default(call_default_factory=True)


def _sentence(field: str, value: Any, why: str, instead: str) -> tuple[str, str]:
    return field, f"{field} = {shortened(value)} would change nothing: {why}; {instead}"
