"""Every field of a spec is refused where it is ignored, and changes a key where it is not.

The plans are the real ones; nothing but the division of the data is computed. A field that a new
kind or policy ignores fails here, whoever adds it.
"""

import pandas as pd
import pytest
from tiny import save_bert, tables

from w2sg.runs.sweep_spec import Cell, SweepSpec
from w2sg.spec import SpecError, StudentSpec, TeacherSpec, load
from w2sg.sweeps import prepare

TEACHERS = {
    "tfidf": {"kind": "tfidf"},
    "tfidf, several": {"kind": "tfidf", "members": 3},
    "sklearn": {"kind": "sklearn", "estimator": "ComplementNB"},
    "probe": {"kind": "probe", "model": "MODEL"},
    "finetune": {"kind": "finetune", "model": "MODEL"},
    "finetune, epochs given": {"kind": "finetune", "model": "MODEL", "epochs": 1},
    "finetune, head": {"kind": "finetune", "model": "MODEL", "policy": "head"},
    "column": {"kind": "column", "column": "given"},
}
STUDENTS = {
    "full": {"policy": "full"},
    "qv": {"policy": "qv"},
    "qk": {"policy": "qk"},
    "head": {"policy": "head"},
    "lora": {"policy": "qv", "method": "lora"},
    "stopped early": {"policy": "qv", "early_stopping": 2},
    "mixed": {"policy": "qv", "labelled": "mixed"},
}
VALUES = {
    "estimator": "MultinomialNB", "model": "OTHER", "layers": 1, "column": "other",
    "policy": "qkv", "epochs": 3, "lr": 2e-3, "lr_head": 2e-2, "folds": 3, "labels": "hard",
    "temperature": 2.0, "shrink": 0.5, "cross_fit": 2, "members": 2, "combine": "primal",
    "bootstrap": False, "method": "ia3", "loss": "reverse_ce", "labelled": "after", "min_steps": 99,
    "ratio": 2.0, "batch_size": 8, "micro_batch_size": 8, "max_length": 9, "weight_decay": 0.5,
    "warmup": 0.5, "max_grad_norm": 2.0, "precision": "bfloat16", "early_stopping": 3,
    "held_out": 0.3,
}  # fmt: skip
# which of several classes a column means is the business of the labels, not of a plan
UNTRIED = {"kind", "classes"}


@pytest.fixture(scope="module")
def keys(word_csv, tiny_model, tmp_path_factory):
    """A spec → the keys of all its stages."""
    folder = tmp_path_factory.mktemp("silent")
    frame = pd.read_csv(word_csv, dtype=str)
    frame.assign(given=frame["label"], other=frame["label"]).to_csv(folder / "a.csv", index=False)
    run = {"references": ["strong_on_labelled"]}
    made = tables(folder / "a.csv", tiny_model, folder / "store", run=run)
    data, run = made["data"], made["run"]
    models = {"MODEL": str(tiny_model), "OTHER": str(save_bert(folder / "other", seed=1))}

    def keys(teacher, student):
        named = [{k: models.get(v, v) for k, v in t.items()} for t in (teacher, student)]
        start = {"model": str(tiny_model), "precision": "float32"}
        spec = load(
            {"data": data, "teacher": named[0], "student": {**start, **named[1]}, "run": run}
        )
        plan = prepare(SweepSpec((Cell({}, spec),), {}), watch=lambda _: None, write=True).plan
        return set(plan.calls)

    return keys


def assert_told(field, before, keys, teacher, student):
    """The field is refused by its name, or something is computed that was not before."""
    said = ""
    try:
        after = keys(teacher, student)
    except SpecError as refused:
        after, said = before, str(refused)
    assert field in said or after != before, f"{field} changes nothing, and nobody says so: {said}"


@pytest.mark.parametrize("name", TEACHERS)
def test_of_teachers(keys, name):
    teacher, student = TEACHERS[name], {"policy": "qv"}
    before = keys(teacher, student)
    for field in set(TeacherSpec.model_fields) - UNTRIED:
        assert_told(f"teacher.{field}", before, keys, {**teacher, field: VALUES[field]}, student)


@pytest.mark.parametrize("name", STUDENTS)
def test_of_students(keys, name):
    teacher, student = TEACHERS["tfidf"], STUDENTS[name]
    before = keys(teacher, student)
    for field in set(StudentSpec.model_fields) - UNTRIED:
        assert_told(f"student.{field}", before, keys, teacher, {**student, field: VALUES[field]})
