"""Strict: every wrong field is named, with its value, what is allowed and the nearest name."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2sg.spec import Named, SpecError, load, parse_overrides, to_toml

LEAST = {"data": {"bundled": "qnli"}}


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("student.epoch", 1, "student.epoch = 1: unknown field; did you mean 'epochs'?"),
        ("studnet.epochs", 1, "[studnet]: unknown table; did you mean 'student'?"),
        ("run.xyzzy", 1, "run.xyzzy = 1: unknown field; allowed: seeds, references"),
        ("student.epochs", "two", "student.epochs = 'two': must be a number"),
        ("student.epochs", 0, "student.epochs = 0: must be greater than 0"),
        ("student.batch_size", 1.5, "student.batch_size = 1.5: must be a whole number"),
        ("student.batch_size", True, "student.batch_size = True: must be a whole number"),
        ("student.lr", "atuo", "student.lr = 'atuo': must be a number or 'auto'; did you "
         "mean 'auto'?"),
        ("student.lr", -1.0, "student.lr = -1.0: must be greater than 0"),
        ("student.lr", float("nan"), "student.lr = nan: must be a finite number"),
        ("student.labelled", "mixd", "student.labelled = 'mixd': must be 'none', 'after' or "
         "'mixed'; did you mean 'mixed'?"),
        ("teacher.kind", "tf-idf", "did you mean 'tfidf'?"),
        ("teacher.members", 0, "teacher.members = 0: must be greater than or equal to 1"),
        ("teacher.combine", "geometric", "teacher.combine = 'geometric': must be 'dual' or"),
        ("teacher.shrink", 0.0, "teacher.shrink = 0.0: must be greater than 0"),
        ("teacher.shrink", 1.1, "teacher.shrink = 1.1: must be less than or equal to 1"),
        ("teacher", {"members": 3, "bootstrap": False}, "gives 3 equal teachers of kind 'tfidf'"),
        ("teacher", {"kind": "column", "column": "p", "members": 2},
         "teacher.members = 2 is for teachers that are trained; a column is not"),
        ("teacher", {"kind": "sklearn", "estimator": []}, "needs teacher.estimator"),
        ("teacher.model", ["a", "b"], "teacher.model is a list, but a teacher of kind 'tfidf'"),
        ("teacher", {"kind": "probe", "model": ["a", "b", "a"]}, "teacher.model names 'a' twice"),
        ("teacher", {"kind": "probe", "model": []}, "teacher.model"),
        ("teacher", {"kind": "finetune", "model": ["a", 3]}, "teacher.model"),
        ("teacher.kind", 3, "teacher.kind = 3: must be 'tfidf', 'sklearn'"),
        ("teacher.kind", "column", "needs teacher.column"),
        ("teacher.kind", "sklearn", "needs teacher.estimator"),
        ("teacher.classes", ["a"], "teacher.classes says what the values of teacher.column stand"),
        ("teacher", {"kind": "column", "column": "p", "classes": []}, "teacher.classes = []: must"),
        ("data.no_label", {"a": 1}, "data.no_label = {'a': 1}: must be a list"),
        ("data.no_label", [["NA"]], "data.no_label.0 = ['NA']: must be a text"),
        ("teacher.cross_fit", 1, "teacher.cross_fit must be 0 (off) or at least 2 folds, got 1"),
        ("run.seeds", [], "run.seeds is empty"),
        ("run.seeds", [1, 1], "run.seeds has repeated entries: [1, 1]"),
        ("run.seeds", [0.5], "run.seeds.0 = 0.5: must be a whole number"),
        ("run.references", ["celing"], "run.references.0 = 'celing'"),
        ("run.level", 1.0, "run.level = 1.0: must be less than 1"),
        ("data.path", "x.csv", "data needs exactly one of path, bundled, hub; got path, bundled"),
        ("data.n_test", 0, "data.n_test = 0: must be greater than or equal to 2"),
        ("version", 2, "version = 2: must be 1"),
        ("version", True, "version = True: must be 1"),
        ("version", 1.0, "version = 1.0: must be 1"),
        ("student.loss", 5, "student.loss = 5: must be a name, or an object given in Python"),
        ("student.model", "", "student.model = '': must be a name, or an object given in Python"),
        ("teacher", {"kind": "sklearn", "estimator": [5]}, "teacher.estimator = 5: must be"),
        ("data.path", "", "data.path = '': must be a text that is not empty"),
        ("run.seeds", 1, "run.seeds = 1: must be a list, as in [0, 1]"),
        ("run.seeds", [2**63], f"run.seeds.0 = {2**63}: must be less than"),
        ("student", 3, "student = 3: must be a table of fields"),
        ("grid.student", [1], "[grid]: is for sweeps; run this spec with `w2sg sweep`"),
    ],
)  # fmt: skip
def test_each_wrong_field_has_its_sentence(field, value, message):
    for tables, overrides in ((LEAST, {field: value}), (nested(field, value), None)):
        with pytest.raises(SpecError) as error:
            load(tables, overrides)
        assert message in str(error.value)
        assert "pydantic" not in str(error.value)


def nested(field, value):
    *parents, last = field.split(".")
    tables = {"data": dict(LEAST["data"])}
    table = tables
    for parent in parents:
        table = table.setdefault(parent, {})
    table[last] = value
    return tables


def test_all_mistakes_are_told_at_once():
    with pytest.raises(SpecError) as error:
        load({"data": {"bundled": "qnli"}, "student": {"epoch": 1, "lr": -1.0}, "run": {"x": 1}})
    assert len(str(error.value).splitlines()) == 3
    with pytest.raises(SpecError, match="data: missing"):
        load({})
    with pytest.raises(SpecError, match="got none"):
        load({"data": {}})


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(SpecError, match=r"spec .*no\.toml' does not exist"):
        load(tmp_path / "no.toml")
    (tmp_path / "bad.toml").write_text("[data\n", encoding="utf-8")
    with pytest.raises(SpecError, match="is not TOML"):
        load(tmp_path / "bad.toml")
    (tmp_path / "latin.toml").write_bytes(b'[data]\npath = "\xe9.csv"\n')
    with pytest.raises(SpecError, match="cannot be read"):
        load(tmp_path / "latin.toml")
    with pytest.raises(SpecError, match="is a folder; give the path of a TOML file"):
        load(tmp_path)


def test_several_estimators_are_written_and_read():
    """Catches a list taken for one object, and one that TOML cannot hold."""
    given = ["ComplementNB", Named([1], name="mine", version="2")]
    teacher = {"kind": "sklearn", "estimator": given}
    made = load({"data": {"bundled": "demo"}, "teacher": teacher})
    assert isinstance(made.teacher.estimator, tuple)
    again = load(tomllib.loads(to_toml(made))).teacher.estimator
    assert again == ("ComplementNB", Named(None, name="mine", version="2"))


def test_a_list_of_one_is_that_one():
    """Catches a second identity for the same teacher, and an ensemble of one."""
    for teacher in ({"kind": "sklearn", "estimator": ["ComplementNB"]},
                    {"kind": "probe", "model": ["a"]}):  # fmt: skip
        (field,) = set(teacher) - {"kind"}
        alone = {**teacher, field: teacher[field][0]}
        data = {"data": {"bundled": "demo"}}
        assert load({**data, "teacher": teacher}) == load({**data, "teacher": alone})


def test_several_models_are_written_and_read():
    """Catches a list that TOML cannot hold, or that comes back as a text."""
    made = load({"data": {"bundled": "demo"}, "teacher": {"kind": "probe", "model": ["a", "b"]}})
    assert made.teacher.model == ("a", "b")
    assert load(tomllib.loads(to_toml(made))) == made


def test_values_of_a_column_may_be_written_as_they_stand_there():
    """Catches -1 refused as no text, and an empty list taken for none."""
    for written, values in (([-1, "NA"], ("-1", "NA")), (-1, ("-1",)), ("NA", ("NA",)), ([], ())):
        made = load({"data": {"bundled": "demo", "no_label": written}})
        assert made.data.no_label == values
        assert load(tomllib.loads(to_toml(made))) == made
    assert load({"data": {"bundled": "demo"}}).data.no_label is None


def test_frozen_and_the_source_untouched():
    tables = {"data": {"bundled": "qnli"}, "student": {"epochs": 3}}
    spec = load(tables, {"student.epochs": 1})
    assert (spec.student.epochs, tables["student"]["epochs"]) == (1.0, 3)
    with pytest.raises(ValueError, match="frozen"):
        spec.student.epochs = 2  # pyright: ignore


def test_overrides():
    given = ["student.lr=1e-4", "run.seeds=[3, 4]", "student.loss=symmetric:1:0.1",
             "run.preview=false", "data.text = body", 'data.label="a=b"']  # fmt: skip
    spec = load({"data": {"path": "a.csv"}}, parse_overrides(given))
    assert spec.student.lr == 1e-4
    assert spec.run.seeds == (3, 4)
    assert spec.student.loss == "symmetric:1:0.1"
    assert spec.run.preview is False
    assert (spec.data.text, spec.data.label) == ("body", "a=b")
    for wrong in ("student.epochs", "epochs=1"):
        with pytest.raises(SpecError, match=r"write table\.field=value"):
            parse_overrides([wrong])
    with pytest.raises(SpecError, match=r"data\.bundled is not a table"):
        load(LEAST, {"data.bundled.x": 1})


NUMBER = st.floats(1e-9, 9.0, exclude_min=True)
WORD = st.text(min_size=1).filter(
    lambda text: not any(c == "\0" or "\ud800" <= c <= "\udfff" for c in text)
)
SEED = st.integers(-(2**63), 2**63 - 1)
SPECS = st.fixed_dictionaries(
    {
        "data": st.fixed_dictionaries(
            {"path": WORD},
            optional={
                "text": WORD, "group": st.none() | WORD, "split": st.none() | WORD,
                "no_label": st.none() | st.lists(WORD),
                "split_seed": SEED, "n_labelled": st.integers(1, 10**9),
                "duplicates": st.sampled_from(["report", "drop"]),
            },
        ),
        "teacher": st.fixed_dictionaries(
            {},
            optional={
                "kind": st.just("column"), "temperature": NUMBER, "shrink": st.floats(0.1, 1.0),
            },
        ).map(lambda t: {**t, "column": ["p", 'q"\\\n']} if "kind" in t else t),
        "student": st.fixed_dictionaries(
            {},
            optional={
                "model": WORD, "loss": WORD, "epochs": NUMBER, "lr_head": NUMBER | st.just("auto"),
                "warmup": st.floats(0, 0.99), "early_stopping": st.integers(0, 9),
            },
        ),
        "run": st.fixed_dictionaries(
            {},
            optional={
                "seeds": st.lists(SEED, min_size=1, unique=True),
                "references": st.lists(st.sampled_from(["ceiling", "mixed"]), unique=True),
                "preview": st.booleans(), "store": WORD,
            },
        ),
    }
)  # fmt: skip


@given(SPECS)
def test_written_and_read_again_is_the_same(tmp_path_factory, tables):
    """Every default is on the page; quotes, control characters and large numbers survive."""
    path = tmp_path_factory.getbasetemp() / "spec.toml"
    spec = load(tables)
    path.write_text(to_toml(spec), encoding="utf-8")
    assert load(path) == spec
    for name, field in type(spec.student).model_fields.items():
        assert f"\n{name} = " in to_toml(spec) or field.default is None


def test_objects():
    estimator = object()
    spec = load({**LEAST, "teacher": {"kind": "sklearn", "estimator": estimator}})
    assert spec.teacher.estimator == Named(estimator)
    mine = Named(estimator, name="mine", version="2")
    spec = load({**LEAST, "teacher": {"kind": "sklearn", "estimator": mine}})
    assert spec.teacher.estimator is mine
    assert spec.model_dump(mode="json")["teacher"]["estimator"] == {"name": "mine", "version": "2"}


def test_a_written_object_can_be_read_but_not_run(tmp_path):
    """A result of a Python object must open again; running it as if it were "ce" must not."""
    path = tmp_path / "spec.toml"
    for named in (Named(len, name='my "loss"', version="2"), Named(len)):
        path.write_text(to_toml(load({**LEAST, "student": {"loss": named}})), encoding="utf-8")
        again = load(path).student.loss
        assert (again.value, again.identity) == (None, named.identity)
