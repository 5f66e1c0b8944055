"""The splits that a source brings: none of its test rows is ever learned from in silence."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from w2sg.runs.plan import data_calls
from w2sg.spec import SpecError, load, to_toml
from w2sg.stages import labelled_data

N = 300
TEXT = np.array([f"comment number {i} about thing {i * 7 % 101}" for i in range(N)])
Y = np.array(["ham" if i // 2 % 2 else "spam" for i in range(N)])
THIRD = np.arange(N) % 3 == 0
SIZES = {"n_labelled": 40, "n_unlabelled": 60, "n_test": 50}


@pytest.fixture
def parts(tmp_path):
    """Parts of a table with these columns, and the texts that were learned from."""

    def build(splits, column="split", labels=Y, **data):
        frame = pd.DataFrame({"text": TEXT, "label": labels, column: splits})
        frame.to_csv(tmp_path / "a.csv", index=False)
        return divided(path=str(tmp_path / "a.csv"), **data)

    return build


def divided(**data):
    spec = load({"data": {**SIZES, **data}})
    made = labelled_data.make(labelled_data.read(spec.data), spec.data, seed=0)
    return made, {*made.labelled.texts, *made.unlabelled.texts}


def splits(*names):
    """The first name for a third of the rows, the others in turn for the rest."""
    values = np.array([names[1:][i % (len(names) - 1)] for i in range(N)], dtype=object)
    values[THIRD] = names[0]
    return values


@pytest.mark.parametrize("name", ["test", "Test", "TEST", " test "])
def test_the_name_is_compared_without_case(parts, name):
    made, learned = parts(splits(name, "train", "Train"))
    assert made.report.test_from == "split"
    assert set(made.test.texts) <= set(TEXT[THIRD])
    assert not learned & set(TEXT[THIRD])


@pytest.mark.parametrize(
    ("names", "suggested"),
    [
        (("validation", "train"), "validation"),
        (("Testing", "train"), "Testing"),
        (("held-out", "dev", "train"), "held-out"),
        (("eval", "train"), "eval"),
        (("test_matched", "train"), "test_matched"),
        (("A", "B"), "A"),
        (("1", "0"), "1"),
        (("train", ""), "train"),
    ],
)
def test_splits_without_a_test_split_are_refused_with_what_there_is(parts, names, suggested):
    """The remedy is followed: a field that exists, with a value that works."""
    with pytest.raises(ValueError, match=r"data\.split: no row is of the split 'test'") as error:
        parts(splits(*names))
    said = str(error.value)
    assert all(repr(name) in said for name in names if name)
    assert f'set data.test_split = "{suggested}"' in said
    made, learned = parts(splits(*names), test_split=suggested)
    chosen = set(TEXT[splits(*names) == suggested])
    assert set(made.test.texts) <= chosen
    assert not learned & chosen
    assert 'data.split = ""' in said
    made, _ = parts(splits(*names), split="")
    assert made.report.test_from == "hash"


def test_a_column_of_one_value_says_nothing(parts):
    assert parts(["train"] * N)[0].report.test_from == "hash"
    assert parts([""] * N)[0].report.test_from == "hash"
    with pytest.raises(ValueError, match=r"all 300 rows are in the split 'Test', and none is left"):
        parts(["Test"] * N)


@pytest.mark.parametrize("column", ["Split", "SPLIT"])
def test_the_column_may_be_written_in_another_case(parts, column):
    made, learned = parts(splits("test", "train"), column)
    assert not learned & set(TEXT[THIRD])
    assert f"data.split: the column {column!r} is read as the column of splits" in made.report.notes


@pytest.mark.parametrize("column", ["partition", "subset", "fold"])
def test_another_column_that_plainly_holds_splits_is_not_passed_over(parts, column):
    with pytest.raises(ValueError, match=f'data.split = "{column}"') as error:
        parts(splits("Test", "train"), column)
    assert "'train' (200 rows), 'Test' (100 rows)" in str(error.value)
    _, learned = parts(splits("Test", "train"), column, split=column)
    assert not learned & set(TEXT[THIRD])
    assert parts(splits("Test", "train"), column, split="")[0].report.test_from == "hash"
    assert parts(splits("good", "bad"), column)[0].report.test_from == "hash"


def test_a_column_that_was_named_must_be_there(parts):
    """Catches a misspelled name that is taken for no splits at all."""
    with pytest.raises(ValueError, match=r"data\.split='fold' is not a column"):
        parts(splits("test", "train"), split="fold")


def test_rows_of_other_test_splits_are_never_learned_from(parts):
    made, learned = parts(splits("test", "train", "test-hard"))
    hard = set(TEXT[splits("test", "train", "test-hard") == "test-hard"])
    assert not learned & hard
    assert made.report.dropped["row of another test split"] == 100
    made, learned = parts(splits("test", "train", "dev"), test_split="dev")
    assert not learned & set(TEXT[THIRD])


def test_which_splits_are_learned_from_is_said(parts):
    made, _ = parts(splits("test", "train", "validation"))
    said = "'train' (100 rows), 'validation' (100 rows)"
    assert any(said in note for note in made.report.notes)
    assert list(parts(splits("test", "Train"))[0].report.notes) == []


def test_a_test_file_beside_splits(parts, tmp_path):
    """The rows of the split named test are not learned from, though they are not tested on."""
    other = pd.DataFrame({"text": [f"other {i}" for i in range(N)], "label": Y})
    other.to_csv(tmp_path / "t.csv", index=False)
    made, learned = parts(splits("test", "train"), test=str(tmp_path / "t.csv"))
    assert made.report.test_from == "file"
    assert not learned & set(TEXT[THIRD])
    assert made.report.dropped["row of another test split"] == 100
    with pytest.raises(ValueError, match=r"data.test_split = 'dev' and data.test both say"):
        parts(splits("dev", "train"), test=str(tmp_path / "t.csv"), test_split="dev")


def test_test_rows_of_an_unlabelled_file_are_not_learned_from(parts, tmp_path):
    other = pd.DataFrame(
        {"text": [f"other {i}" for i in range(N)], "split": splits("Test", "train")}
    )
    other.to_csv(tmp_path / "u.csv", index=False)
    _, learned = parts(["train"] * N, unlabelled=str(tmp_path / "u.csv"))
    assert not learned & set(other["text"][THIRD])


def test_a_split_to_test_on_needs_splits(parts):
    with pytest.raises(
        ValueError, match=r"data.test_split = 'dev' names a split, but the data have"
    ):
        parts([""] * N, test_split="dev")
    with pytest.raises(ValueError, match=r"data.test_split = 'dev' names a split"):
        divided(bundled="vader_tweets", test_split="dev")
    with pytest.raises(SpecError, match=r"data.test_split = '': must be a text"):
        load({"data": {"bundled": "qnli", "test_split": ""}})
    spec = load({"data": {"bundled": "qnli", "test_split": "validation"}})
    assert 'test_split = "validation"' in to_toml(spec)


def glue(folder, layout):
    """Labels of the test split are kept back: -1 in every row."""
    frame = pd.DataFrame({"sentence": TEXT, "label": (Y == "ham").astype(int)})
    held = {
        "train": frame[:150],
        "validation": frame[150:220],
        "test": frame[220:].assign(label=-1),
    }
    if layout == "column":
        rows = pd.concat([part.assign(split=name) for name, part in held.items()])
        table = pa.Table.from_pandas(rows, preserve_index=False)
        named = table.replace_schema_metadata({"label_names": '["unacceptable", "acceptable"]'})
        pq.write_table(named, folder / "a.parquet")
        return str(folder / "a.parquet")
    if layout == "folder of files":
        for name, part in held.items():
            table = pa.Table.from_pandas(part, preserve_index=False)
            named = table.replace_schema_metadata({"label_names": '["unacceptable", "acceptable"]'})
            pq.write_table(named, folder / f"{name}-00000-of-00001.parquet")
        return str(folder)
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {
            "sentence": datasets.Value("string"),
            "label": datasets.ClassLabel(names=["unacceptable", "acceptable"]),
        }
    )
    datasets.DatasetDict(
        {
            name: datasets.Dataset.from_pandas(part, features=features, preserve_index=False)
            for name, part in held.items()
        }
    ).save_to_disk(folder / "set")
    return str(folder / "set")


@pytest.mark.parametrize("layout", ["column", "folder of files", "saved data set"])
def test_the_form_of_glue(tmp_path, layout):
    source = {"path": glue(tmp_path, layout), "text": "sentence"}
    with pytest.raises(ValueError, match="the test split has no labelled row") as error:
        divided(**source)
    assert "'train' (150 rows), 'validation' (70 rows)" in str(error.value)
    assert 'set data.test_split = "validation"' in str(error.value)
    made, learned = divided(**source, test_split="Validation")
    assert made.label_names == ("unacceptable", "acceptable")
    assert set(made.test.texts) <= set(TEXT[150:220])
    assert learned <= set(TEXT[:150])
    made, learned = divided(**source, split="")
    assert made.report.test_from == "hash"


def test_splits_of_a_data_set_beside_a_column_of_that_name(tmp_path):
    """Catches splits of a folder that give way to a column, so that test rows are trained on."""
    frame = pd.DataFrame({"text": TEXT, "label": Y, "split": "banana"})
    frame[:200].to_csv(tmp_path / "train.csv", index=False)
    frame[200:].to_csv(tmp_path / "test.csv", index=False)
    made, learned = divided(path=str(tmp_path))
    assert set(made.test.texts) <= set(TEXT[200:])
    assert learned <= set(TEXT[:200])


def test_a_folder_of_several_splits_is_no_test_file(tmp_path):
    frame = pd.DataFrame({"text": TEXT, "label": Y})
    (tmp_path / "set").mkdir()
    for name in ("train", "test"):
        frame.to_csv(tmp_path / "set" / f"{name}.csv", index=False)
    frame.to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(ValueError, match=r"data\.test=.* is a folder with several splits"):
        divided(path=str(tmp_path / "a.csv"), test=str(tmp_path / "set"))


def test_the_split_to_test_on_enters_the_identity_of_the_parts():
    """Catches parts served from the store under another split; the default adds nothing."""
    keys = [
        data_calls(load({"data": {"path": "a.csv", **more}}), {"main": "x"})[0].key
        for more in ({}, {"test_split": "test"}, {"test_split": "dev"})
    ]
    assert keys[0] == keys[1] != keys[2]
