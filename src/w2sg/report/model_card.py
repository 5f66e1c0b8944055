"""The card that is saved beside a model: Markdown with a YAML header, as model hubs read it."""

import json
import re
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from w2sg.report.answer import answer
from w2sg.report.collect import TEACHERS, PageData, collect
from w2sg.report.numbers import in_percent, in_points, plain
from w2sg.report.texts import visible
from w2sg.spec import Spec, to_toml

HUB_ID = r"[\w-][\w.-]*/[\w.-]+"

if TYPE_CHECKING:
    from w2sg.runs.execute import Outcome


def model_card(outcome: "Outcome", *, seed: int | None = None) -> str:
    """Return the card of the student of a run.

    Args:
        outcome: The run as it lies in its store.
        seed: Which of the run's students is saved, the first if not given.

    Raises:
        ValueError: The run has no such seed.
    """
    page = collect(outcome)
    chosen = page.seeds[0] if seed is None else seed
    if chosen not in page.seeds:
        raise ValueError(f"seed must be one of {list(page.seeds)}, got {chosen}")
    return f"---\n{_header(page, chosen)}---\n\n{_body(page, chosen)}"


def _header(page: PageData, seed: int) -> str:
    """YAML; every text of the data or the spec is written as JSON, which is YAML too."""
    value = page.student.by_seed["accuracy"][page.seeds.index(seed)]
    lines = [
        "library_name: transformers",
        "pipeline_tag: text-classification",
        "tags:",
        "- weak-to-strong",
        "- w2sg",
    ]
    if (base := _hub_id(page)) is not None:
        lines += [f"base_model: {json.dumps(base)}"]
    lines += [
        "model-index:",
        f"- name: {json.dumps(f'student of {page.source}')}",
        "  results:",
        "  - task:",
        "      type: text-classification",
        "    dataset:",
        f"      name: {json.dumps(page.source)}",
        f"      type: {json.dumps(page.source)}",
        "    metrics:",
        "    - type: accuracy",
        f"      value: {value:.6g}",
        f"      name: {json.dumps(f'accuracy on {page.n_test} test rows, seed {seed}')}",
    ]
    return "\n".join(lines) + "\n"


def _body(page: PageData, seed: int) -> str:
    told, spec, toml = answer(page), page.spec, to_toml(_without_folders(page.spec))
    rows = page.parts["rows"]
    table = [
        "| model | accuracy | against the teacher |",
        "|---|---:|---:|",
        *(
            f"| {arm.title}: {arm.meaning} | {in_percent(arm.accuracy)} | "
            f"{'–' if arm.against_teacher is None else in_points(arm.against_teacher)} |"
            for arm in page.arms
        ),
    ]
    student = page.student
    by_seed = ", ".join(
        f"seed {one} {plain(100 * value, 1)}\u202f%"
        for one, value in zip(page.seeds, student.by_seed["accuracy"], strict=True)
    )
    paragraphs = [
        f"# Student on {_text(page.source)}",
        f"**{told.headline}** {told.gain} {told.certainty}",
        *(f"> **Before you believe it.** {_text(warning)}" for warning in told.warnings),
        f"This is the student of seed {seed} ({by_seed}). It is a sequence-classification model "
        f"that chooses among {_listed(page.label_names)}.",
        "## How it was made",
        f"The teacher is {TEACHERS[spec.teacher.kind]}; {rows['labelled']:,} rows have true "
        f"labels, and it labelled {rows['unlabelled']:,} others. The student, "
        f"{_text(_model(page))} with policy `{_code(spec.student.policy)}` and loss "
        f"`{_code(_loss(page))}`, is {student.meaning}. It was evaluated on {page.n_test:,} test "
        "rows that no training saw.",
        "## Results",
        "\n".join(table),
        f"{told.pgr} {told.best} {told.worth} {told.break_even}",
        "## What is not known",
        "\n".join(f"- {_text(sentence)}" for sentence in told.unknown),
        "## The whole specification",
        f"{_fence(toml)}toml\n{toml}{_fence(toml)}",
    ]
    return "\n\n".join(paragraphs) + "\n"


def _hub_id(page: PageData) -> str | None:
    """The id of the pre-trained model, unless it is a folder or an object of the user's."""
    from w2sg.models.sources import PACKAGED

    model = page.spec.student.model
    if not isinstance(model, str):
        return None
    if model in PACKAGED:
        return f"sentence-transformers/{model}"
    return model if re.fullmatch(HUB_ID, model) and not Path(model).is_dir() else None


def _model(page: PageData) -> str:
    model = _without_folders(page.spec).student.model
    return model if isinstance(model, str) else model.name or "a Python object"


def _loss(page: PageData) -> str:
    loss = page.spec.student.loss
    return loss if isinstance(loss, str) else loss.name or "a Python object"


def _without_folders(spec: Spec) -> Spec:
    """The spec with bare names for files: a card is published, its author's folders are not."""
    data = {name: _name(getattr(spec.data, name)) for name in ("path", "unlabelled", "test")}
    teacher = {"model": _name(spec.teacher.model)}
    student = {"model": _name(spec.student.model)}
    run = {"store": _name(spec.run.store)}
    return spec.model_copy(
        update={
            "data": spec.data.model_copy(update=data),
            "teacher": spec.teacher.model_copy(update=teacher),
            "student": spec.student.model_copy(update=student),
            "run": spec.run.model_copy(update=run),
        }
    )


def _name(value: Any) -> Any:
    """The last part of each path; a hub id, an object and nothing stay what they are."""
    if isinstance(value, tuple):
        return tuple(map(_name, value))
    if not isinstance(value, str) or re.fullmatch(HUB_ID, value):
        return value
    return re.split(r"[/\\]", value.rstrip("/\\"))[-1]


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"“{_text(name)}”" for name in names)


def _text(value: Any) -> str:
    """A text of the data as plain text in Markdown: no markup, no HTML, one line."""
    return re.sub(r"([\\`*_{}\[\]()#+!|~$^-])", r"\\\1", escape(visible(value), quote=False))


def _code(value: str) -> str:
    return re.sub(r"[`\s]+", " ", value)


def _fence(text: str) -> str:
    """A fence longer than any run of backticks inside."""
    return "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
