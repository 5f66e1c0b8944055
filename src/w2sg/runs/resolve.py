"""What a spec leaves open, decided: references that can be trained, seeds, rates, machine."""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from w2sg import arms
from w2sg.spec import Named, Spec, TeacherSpec
from w2sg.stages import strong_student
from w2sg.stages.strong_student import Settings

FIRST_ANSWER_SEEDS = 3
MOST_STEPS = 10_000_000  # of one training; their order is planned before the first


def references(spec: Spec, facts: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the references that can be trained in every seed.

    An arm that learns from hidden labels needs those of all unlabelled rows, one that uses true
    labels needs the labelled part.
    """
    known = list(facts)
    full = all(found["n_hidden"] == found["rows"]["unlabelled"] for found in known)
    labelled = all(found["rows"]["labelled"] for found in known)

    def there(name: str) -> bool:
        arm = arms.TABLE[name]
        return (full or "hidden" not in arm.sources) and (labelled or not arm.uses_true_labels)

    return tuple(name for name in spec.run.references if there(name))


def teacher_columns(teacher: TeacherSpec) -> tuple[str, ...]:
    """Return the columns that a teacher of kind "column" reads."""
    if teacher.kind != "column" or teacher.column is None:
        return ()
    return (teacher.column,) if isinstance(teacher.column, str) else teacher.column


def estimators(teacher: TeacherSpec) -> tuple[str | Named, ...]:
    """Return the scikit-learn classifiers of a teacher, one or several that are asked together."""
    given = teacher.estimator
    if given is None:
        return ()
    return given if isinstance(given, tuple) else (given,)


def models(teacher: TeacherSpec) -> tuple[str, ...]:
    """Return the models of a teacher, one or several that are asked together; none by its kind."""
    if teacher.kind not in ("probe", "finetune"):
        return ()
    return teacher.model if isinstance(teacher.model, tuple) else (teacher.model,)


def first_answer_seeds(spec: Spec) -> tuple[int, ...]:
    """Return the seeds of the first answer on frozen features: three where that is cheap.

    A teacher that must be fine-tuned is trained for the seeds of the run alone.
    """
    if not spec.run.preview:
        return ()
    seeds = list(spec.run.seeds)
    if spec.teacher.kind == "finetune":
        return tuple(seeds[:FIRST_ANSWER_SEEDS])
    extra = (seed for seed in range(len(seeds) + FIRST_ANSWER_SEEDS) if seed not in seeds)
    while len(seeds) < FIRST_ANSWER_SEEDS:
        seeds.append(next(extra))
    return tuple(seeds[:FIRST_ANSWER_SEEDS])


def settings_of(spec: Spec, precision: str) -> Settings:
    """Return the student's settings with every "auto" resolved."""
    s = spec.student
    lr, lr_head = strong_student.default_rates(s.policy)
    return Settings(
        model=str(s.model),
        layers=None,
        policy=s.policy,
        method=s.method,
        epochs=s.epochs,
        lr=lr if s.lr == "auto" else s.lr,
        lr_head=lr_head if s.lr_head == "auto" else s.lr_head,
        ratio=s.ratio,
        batch_size=s.batch_size,
        micro_batch_size=s.micro_batch_size,
        max_length=s.max_length,
        weight_decay=s.weight_decay,
        warmup=s.warmup,
        max_grad_norm=s.max_grad_norm,
        precision=precision if s.precision == "auto" else s.precision,
        patience=s.early_stopping,
        held_out=s.held_out,
    )


def refuse_endless(field: str, value: float, epochs: float, rows: int, batch_size: int) -> None:
    """Refuse a training that would take more optimizer steps than anyone waits for.

    Args:
        field: What the spec calls its length.
        value: What the spec says.
        epochs: Passes over the rows.
        rows: What it learns from.
        batch_size: Rows of a step.

    Raises:
        ValueError: There are too many steps.
    """
    steps = epochs * max(1.0, rows / batch_size)
    if steps > MOST_STEPS:
        raise ValueError(
            f"{field} = {value:,} are {steps:,.0f} optimizer steps on {rows:,} rows with "
            f"student.batch_size = {batch_size}; at most {MOST_STEPS:,}: lower {field}"
        )


@cache
def training_environment() -> dict[str, str]:
    """Return what of the machine enters the identity of a training."""
    import torch
    import transformers

    return {
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "device": "cuda" if torch.cuda.is_available() else "cpu",
        "attention": "sdpa",
    }
