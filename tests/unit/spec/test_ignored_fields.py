"""Fields that are set and would change nothing are refused, or said where the arms decide it."""

import pytest

from w2sg.runs.sweep_spec import load_sweep
from w2sg.spec import SpecError, SpecNote, load, note_unused, to_toml

DATA = {"data": {"path": "a.csv"}}


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ({"teacher": {"column": "p"}}, "teacher.column = 'p' would change nothing: a teacher of "
         "kind 'tfidf' does not read it; leave it out, or set teacher.kind = 'column'"),
        ({"teacher": {"layers": 2}}, "set teacher.kind = 'finetune' or 'probe'"),
        ({"teacher": {"epochs": 3}}, "teacher.epochs = 3.0 would change nothing"),
        ({"teacher": {"lr": 1e-3}}, "teacher.lr = 0.001 would change nothing"),
        ({"teacher": {"policy": "qv"}}, "teacher.policy = 'qv' would change nothing"),
        ({"teacher": {"estimator": "LogisticRegression"}}, "set teacher.kind = 'sklearn'"),
        ({"teacher": {"model": "m"}}, "teacher.model = 'm' would change nothing"),
        ({"teacher": {"kind": "probe", "folds": 3}}, "teacher.folds = 3 would change nothing"),
        ({"teacher": {"kind": "finetune", "epochs": 1, "folds": 3}}, "which teacher.epochs says"),
        ({"teacher": {"kind": "finetune", "policy": "head", "lr": 1e-3}}, "a rate of its own"),
        ({"teacher": {"combine": "primal"}}, "there is one teacher"),
        ({"teacher": {"bootstrap": False}}, "with teacher.members = 1"),
        ({"teacher": {"labels": "hard", "temperature": 2.0}}, "teacher.temperature = 2.0"),
        ({"student": {"policy": "head", "ratio": 2}}, "student.ratio = 2.0 would change nothing"),
        ({"student": {"policy": "qk", "ratio": 2}}, "does not train W_v"),
        ({"student": {"policy": "head", "lr": 1e-3}}, "set student.lr_head instead"),
        ({"student": {"policy": "full", "method": "lora"}}, "student.method = 'lora'"),
        ({"student": {"policy": "head", "method": "ia3"}}, "student.method = 'ia3'"),
        ({"student": {"held_out": 0.2}}, "student.early_stopping is 0"),
        ({"data": {"path": "a.csv", "hub_config": "x"}}, "there is no data.hub"),
        ({"data": {"bundled": "qnli", "text": "body"}}, "data.text = 'body' would change nothing"),
        ({"data": {"bundled": "qnli", "split": ""}}, "data.split = None would change nothing"),
        ({"data": {"bundled": "qnli", "test": "t.csv", "split": "x"}}, "data.split = 'x'"),
    ],
)  # fmt: skip
def test_each_is_refused_and_opens_again_where_it_is_stored(tables, said, tmp_path):
    """A result of before today must open: what is refused here may lie beside it."""
    with pytest.raises(SpecError) as refused:
        load({**DATA, **tables})
    assert said in str(refused.value)
    path = tmp_path / "spec.toml"
    path.write_text(to_toml(load({**DATA, **tables}, stored=True)), encoding="utf-8")
    load(path, stored=True)


@pytest.mark.parametrize(
    "tables",
    [
        {"teacher": {"kind": "finetune", "epochs": 1, "lr": 1e-3, "policy": "qv", "layers": 2}},
        {"teacher": {"kind": "finetune", "folds": 3}},  # they choose the epochs
        {"teacher": {"kind": "probe", "model": ["a", "b"], "combine": "primal"}},
        {"teacher": {"members": 3, "combine": "primal"}},
        {"teacher": {"kind": "sklearn", "estimator": "A", "members": 2, "bootstrap": False}},
        {"teacher": {"labels": "hard", "shrink": 0.5}},
        {"student": {"policy": "full", "ratio": 2}},
        {"student": {"policy": "v", "ratio": 2}},
        {"student": {"policy": "head", "lr_head": 1e-3}},
        {"student": {"early_stopping": 1, "held_out": 0.2}},
        {"data": {"bundled": "qnli", "test": "t.csv", "text": "body"}},
    ],
)
def test_what_is_read_is_not_refused(tables):
    spec = load({**DATA, **tables})
    for table, fields in tables.items():
        for name, value in fields.items():
            kept = getattr(getattr(spec, table), name)
            assert (list(kept) if isinstance(value, list) else kept) == value, (table, name)


def test_all_are_told_at_once():
    with pytest.raises(SpecError) as refused:
        load(DATA, {"teacher.layers": 2, "student.policy": "head", "student.ratio": 2})
    assert [line.split(" ")[0] for line in str(refused.value).splitlines()] == [
        "teacher.layers",
        "student.ratio",
    ]


def test_a_sweep_may_share_what_only_some_cells_read():
    """The rate of a grid over policies; an axis that a cell ignores would be the same run twice."""
    grid = {"student.policy": ["qv", "head"]}
    load_sweep({**DATA, "student": {"lr": 1e-3}, "grid": grid})
    with pytest.raises(SpecError, match=r"cell .*policy=head.*student.ratio = 4.*\[\[variants\]\]"):
        load_sweep({**DATA, "grid": {**grid, "student.ratio": [1, 4]}})
    with pytest.raises(SpecError, match=r"teacher.layers = 2 would change nothing"):
        load_sweep({**DATA, "teacher": {"layers": 2}, "grid": grid})
    load_sweep({**DATA, "teacher": {"layers": 2}, "grid": grid}, stored=True)


def test_what_the_arms_leave_unused_is_said():
    with pytest.warns(SpecNote, match=r"student.min_steps = 5 changes nothing here"):
        note_unused(load(DATA, {"student.min_steps": 5, "run.references": ["ceiling"]}))
    column = {"teacher": {"kind": "column", "column": "p"}}
    with pytest.warns(SpecNote, match=r"mixed need labelled rows, and data.n_labelled = 0"):
        note_unused(load({**DATA, **column}, {"data.n_labelled": 0, "run.references": ["mixed"]}))


def test_nothing_is_said_where_all_is_used(recwarn):
    note_unused(load(DATA, {"student.min_steps": 5}))
    column = {"kind": "column", "column": "p"}
    note_unused(load({**DATA, "teacher": column}, {"data.n_labelled": 0}))  # all that there can be
    note_unused(load(DATA, {"student.min_steps": 5, "run.references": [], "student.labelled":
                            "mixed"}))  # fmt: skip
    assert not recwarn.list
