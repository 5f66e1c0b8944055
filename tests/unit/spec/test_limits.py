"""Sizes that would never end, and values that Python alone would let pass, by their fields."""

import os
from pathlib import Path

import pytest

from w2sg.runs.sweep_spec import load_sweep
from w2sg.spec import Spec, SpecError, load, parse_overrides, to_toml
from w2sg.train.attention.select import parse_roles
from w2sg.train.policies.adapters import METHODS

DATA = {"data": {"path": "a.csv"}}


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("student.epochs", 1e308, "student.epochs = 1e+308: must be at most 10,000"),
        ("teacher.members", 10**7, "teacher.members = 10000000: must be at most 1,000"),
        ("teacher.folds", 10**6, "teacher.folds = 1000000: must be at most 1,000"),
        ("teacher.cross_fit", 400, "teacher.cross_fit = 400 needs two labelled rows for each fold"),
        ("student.batch_size", 10**9, "student.batch_size = 1000000000: must be at most 1,000,000"),
        ("student.micro_batch_size", 10**30, "student.micro_batch_size"),
        ("student.min_steps", 10**9, "student.min_steps = 1000000000: must be at most 1,000,000"),
        ("student.max_length", 10**9, "student.max_length"),
        ("student.ratio", 1e300, "student.ratio = 1e+300: must be at most 1,000,000"),
        ("student.weight_decay", 1e300, "student.weight_decay"),
        ("teacher.temperature", 1e300, "teacher.temperature"),
        ("data.n_test", 10**30, "must be at most 1,000,000,000"),
        ("data.n_unlabelled", 10**10, "must be at most 1,000,000,000"),
        ("data.n_test", 1, "data.n_test = 1: must be greater than or equal to 2"),
        ("run.seeds", list(range(2000)), "must be at most 1,000 entries"),
        ("run.level", 0.999, "run.level = 0.999: must be at most 0.995: an interval needs 10 of"),
        ("run.level", 0.99999999999, "run.level = 0.99999999999: must be at most 0.995"),
        ("student.method", "lorra", "did you mean 'lora'?"),
        ("student.policy", "qq", "student.policy = 'qq': must be 'full', 'head', or letters of"),
        ("teacher.policy", "zz", "teacher.policy = 'zz': must be 'full', 'head', or letters of"),
        ("data.path", "a\0b", "data.path = 'a\\x00b': must be a text without null characters"),
        ("student.model", "a\0b", "must be a text without null characters"),
        ("run.store", "a\0b", "must be a text without null characters"),
    ],
)  # fmt: skip
def test_refused_by_name(field, value, said):
    with pytest.raises(SpecError) as refused:
        load(DATA, {field: value})
    assert said in str(refused.value)


def test_a_stored_spec_that_exceeds_them_can_be_opened(tmp_path):
    """Catches a bound that shuts a finished result of another version."""
    huge = {"student.epochs": 1e6, "run.level": 0.999, "teacher.members": 5000}
    path = tmp_path / "spec.toml"
    path.write_text(to_toml(load(DATA, huge, stored=True)), encoding="utf-8")
    assert load(path, stored=True).student.epochs == 1e6
    with pytest.raises(SpecError, match="at most"):
        load(path)


def test_a_sweep_of_too_many_cells():
    epochs = [1 + i / 1000 for i in range(1000)]
    grid = {"student.epochs": epochs, "data.split_seed": list(range(1000))}
    with pytest.raises(SpecError, match=r"1,000,000 cells.*at most 10,000"):
        load_sweep({**DATA, "grid": grid})


def test_methods_and_policies_are_those_that_training_knows():
    """Catches a method that is added to the training and not to the spec, or the other way."""
    fields = Spec.model_fields["student"].annotation.model_fields
    assert fields["method"].annotation.__args__ == ("full", *METHODS)
    for policy in ("full", "head", "gate", "q", "k", "v", "o", "qkvo", "vq"):
        parse_roles(load(DATA, {"student.policy": policy}).student.policy)


def test_paths_of_python_are_texts():
    spec = load({"data": {"path": Path("a.csv")}, "student": {"model": Path("m")}})
    assert (spec.data.path, spec.student.model) == ("a.csv", "m")


@pytest.mark.parametrize("spec", [None, 5, [], b"x", True, object(), 1.5])
def test_what_is_no_spec(spec):
    with pytest.raises(SpecError, match="spec must be the path of a TOML file, or a mapping"):
        load(spec)
    with pytest.raises(SpecError, match="spec must be the path of a TOML file, or a mapping"):
        load_sweep(spec)


@pytest.mark.parametrize("overrides", ["student.epochs=1", ["student.epochs=1"], 5, True])
def test_what_are_no_overrides(overrides):
    with pytest.raises(SpecError, match="overrides must be a mapping of dotted fields"):
        load(DATA, overrides)
    with pytest.raises(SpecError, match="overrides must be a mapping of dotted fields"):
        load_sweep({**DATA, "grid": {"student.loss": ["ce", "squared"]}}, overrides)


def test_overrides_leave_the_mapping_that_they_come_from_alone():
    """Catches a dotted override written into the user's own table."""
    mine = {"labels": "hard"}
    load(DATA, {"teacher": mine, "teacher.shrink": 0.5})
    assert mine == {"labels": "hard"}


@pytest.mark.parametrize("name", [5, "", "student.", ".x", "a..b"])
def test_names_that_are_no_field(name):
    with pytest.raises(SpecError, match="is no field; write names as in"):
        load(DATA, {name: 1})


def test_keys_that_are_no_text():
    with pytest.raises(SpecError, match="data: the names of fields must be texts, got 1"):
        load({"data": {"path": "a.csv", 1: 2}})


def test_a_byte_order_mark_is_no_text(tmp_path):
    """Windows editors write one; UTF-16 is said to be what it is."""
    path = tmp_path / "spec.toml"
    text = '[data]\npath = "a.csv"\n'
    path.write_text(text, encoding="utf-8-sig")
    assert load(path).data.path == "a.csv"
    path.write_text(text, encoding="utf-16")
    with pytest.raises(SpecError, match=r"is not UTF-8; save the file as UTF-8"):
        load(path)


def test_paths_that_are_no_file(tmp_path):
    """A pipe would be waited for without end, a null character told in Python's words."""
    os.mkfifo(tmp_path / "pipe")
    for path, said in (
        (tmp_path / "pipe", "is a pipe or a device"),
        ("/dev/zero", "is a pipe or a device"),
        (tmp_path, "is a folder"),
        ("", "is empty"),
        ("a\0b", "is no path of a file"),
        ("x" * 5000, "cannot be read: File name too long"),
    ):
        with pytest.raises(SpecError, match=said) as refused:
            load(path)
        assert len(str(refused.value)) < 400


@pytest.mark.parametrize(
    "text",
    ["x = " + "[" * 3000 + "]" * 3000, "x = " + "{a=" * 3000 + "1" + "}" * 3000,
     ".".join(["data"] * 3000) + " = 1"],
)  # fmt: skip
def test_deep_nesting_is_one_line(text, tmp_path):
    path = tmp_path / "spec.toml"
    grid = '[grid]\nstudent.loss = ["ce", "squared"]\n'
    path.write_text(f"{text}\n{grid}", encoding="utf-8")
    for read in (load, load_sweep):
        with pytest.raises(SpecError, match="nested too deeply") as refused:
            read(path, {"data.path": "a.csv"})
        assert len(str(refused.value).splitlines()) == 1


def test_deep_nesting_in_python_and_in_an_override():
    deep = {}
    for _ in range(3000):
        deep = {"data": deep}
    with pytest.raises(SpecError, match="nested too deeply"):
        load(deep)
    with pytest.raises(SpecError, match="nested too deeply"):
        load(DATA, {"student.loss": deep})
    with pytest.raises(SpecError, match="the value is nested too deeply"):
        parse_overrides(["run.seeds=" + "[" * 3000 + "]" * 3000])
    several = [0]
    for _ in range(3000):
        several = [several]
    with pytest.raises(SpecError, match=r"run\.seeds"):
        load(DATA, {"run.seeds": several})


@pytest.mark.parametrize("digits", [5000])
def test_a_number_without_end(tmp_path, digits):
    path = tmp_path / "spec.toml"
    path.write_text(f"[data]\nn_test = {'9' * digits}\n", encoding="utf-8")
    with pytest.raises(SpecError, match="a number has too many digits"):
        load(path)


def test_settings_hold_one_value_each():
    for wrong, said in (
        (["student.epochs=1\nstudent.lr=2"], "more than one value"),
        (["student.epochs=1\n[student]\nlr=2"], "more than one value"),
        (["student.epochs=1", "student.epochs=2"], "student.epochs is set twice"),
        (["student.epochs=1", " student . epochs =2"], "student.epochs is set twice"),
    ):
        with pytest.raises(SpecError, match=said):
            parse_overrides(wrong)
    assert parse_overrides(["run.seeds=[0,\n1]", "data.text=a\nb"]) == {
        "run.seeds": [0, 1],
        "data.text": "a\nb",
    }


def test_names_of_variants_can_be_printed():
    for name in ("a\x1b[31mb", "a\nb", "\x07"):
        with pytest.raises(SpecError, match="characters that cannot be printed"):
            load_sweep({**DATA, "variants": [{"name": name}]})


def test_swept_values_are_shown_without_what_steers_a_terminal():
    spec = load_sweep({**DATA, "grid": {"data.text": ["a\x1b[31m", "b"]}})
    assert spec.cells[0].name == "data.text=a\\x1b[31m"
