"""Every format gives the same table; labels, ids and empty cells mean what the user meant."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from w2sg.data.sources import BUNDLED, from_frame, iterate_rows, read_table

ROWS = pd.DataFrame(
    {
        "body": ["good film", "NA", 'she said "no",\nthen left', "<b>fine</b>", "über"],
        "stars": ["up", "down", "", "up", "down"],
        "score": [0.9, 0.2, 0.5, 0.7, 0.1],
    }
)


def write(frame, path):
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    elif path.suffix == ".jsonl":
        frame.to_json(path, orient="records", lines=True, force_ascii=False)
    else:
        frame.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")
    return path


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
def test_every_format_gives_the_same_table(tmp_path, suffix):
    """A reader that turns "NA" into a missing value, or splits the quoted text, fails in CSV."""
    path = write(ROWS, tmp_path / f"rows.{suffix}")
    table = read_table(path=path, text="body", label="stars")
    reference = read_table(
        path=write(ROWS, tmp_path / "reference.parquet"), text="body", label="stars"
    )
    assert table.frame["text"].tolist() == ROWS["body"].tolist()
    assert table.frame["label"].tolist() == [1, 0, -1, 1, 0]
    assert table.label_names == ("down", "up")
    assert table.n_labelled == 4
    assert table.fingerprint == reference.fingerprint


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.csv", "text,label\nx,0\ny,1\n"), ("a.jsonl", '{"text": "x", "label": 0}\n' * 2)],
)
def test_byte_order_mark_is_not_part_of_the_content(tmp_path, name, content):
    """Spreadsheets write one: the first column would be '\\ufefftext', the first line no JSON."""
    (tmp_path / name).write_text(content, encoding="utf-8-sig")
    assert len(read_table(path=tmp_path / name, label="label")) == 2


@pytest.mark.parametrize(
    ("values", "names", "numbers"),
    [
        (["b", "a", "b"], ("a", "b"), [1, 0, 1]),
        (["1.0", "", "0.0"], ("0", "1"), [1, -1, 0]),
        (["1.0", "1.5", "2"], ("2", "1.0", "1.5"), [1, 2, 0]),
        (["1", "1.0", "0"], ("0", "1"), [1, 1, 0]),  # two tables under each other
        ([10, 2, 10], ("2", "10"), [1, 0, 1]),  # by value, not by spelling
        ([1.0, None, 0.0], ("0", "1"), [1, -1, 0]),  # a hole turns integers into floats
        ([True, False, True], ("False", "True"), [1, 0, 1]),
        ([" a", "a ", "b"], ("a", "b"), [0, 0, 1]),
    ],
)
def test_labels_of_every_kind(tmp_path, values, names, numbers):
    frame = pd.DataFrame({"text": ["x", "y", "z"], "label": values})
    table = read_table(path=write(frame, tmp_path / "a.parquet"), label="label")
    assert table.label_names == names
    assert table.frame["label"].tolist() == numbers


def test_integers_and_strings_of_integers_are_the_same_classes(tmp_path):
    """The test file may be a CSV beside a Parquet file: '1' and 1 are one class."""
    frame = pd.DataFrame({"text": ["x", "y"], "label": [1, 0]})
    tables = [
        read_table(path=write(frame, tmp_path / name), label="label")
        for name in ("a.csv", "a.jsonl", "a.parquet")
    ]
    assert len({table.fingerprint for table in tables}) == 1


def test_class_names_of_a_parquet_file_are_used(tmp_path):
    """Sorting the names instead would swap the classes of anything not in alphabetical order."""
    frame = pa.table({"text": ["x", "y"], "label": [0, 1]})
    named = frame.replace_schema_metadata({"label_names": json.dumps(["yes", "no"])})
    pq.write_table(named, tmp_path / "a.parquet")
    table = read_table(path=tmp_path / "a.parquet", label="label")
    assert table.label_names == ("yes", "no")
    assert table.frame["label"].tolist() == [0, 1]


def test_classes_that_are_called_by_numbers_keep_their_numbers():
    """Star ratings: class number 1 is called "2", and reading it as the class "1" is off by one."""
    frame = pd.DataFrame({"text": ["x", "y", "z"], "number": [0, 1, -1], "name": ["1", "2", ""]})
    names = ("1", "2", "3")
    for column in ("number", "name"):
        table = from_frame(frame, label=column, class_names={column: names})
        assert table.frame["label"].tolist() == [0, 1, -1]
    with pytest.raises(ValueError, match="holds '3', which is none of the classes"):
        from_frame(frame.assign(number=3), label="number", class_names={"number": names})


def test_ids_hash_the_content_and_number_the_copies(tmp_path):
    frame = pd.DataFrame({"text": ["x", "y", "x"]})
    table = read_table(path=write(frame, tmp_path / "a.csv"))
    first, other, copy = table.frame["id"]
    assert copy == f"{first}-2"
    assert other != first
    backwards = read_table(path=write(frame[::-1], tmp_path / "b.csv"))
    assert set(backwards.frame["id"]) == set(table.frame["id"])
    assert backwards.fingerprint == table.fingerprint
    paired = pd.DataFrame({"text": ["x", "x"], "second": ["y", "z"]})
    table = read_table(path=write(paired, tmp_path / "c.csv"), text_pair="second")
    assert not table.frame["id"].str.contains("-").any()


def test_kept_columns_are_found_by_id(tmp_path):
    frame = ROWS.assign(key=["e", "d", "c", "b", "a"])
    for name in ("a.csv", "a.jsonl", "a.parquet"):  # one text in every format
        path = write(frame, tmp_path / name)
        table = read_table(path=path, text="body", id="key", keep=["score", "stars"])
        assert table.extra.loc["a", "score"] == "0.1"
        assert table.extra.loc["d", "stars"] == "down"
    changed = write(frame.assign(score=0.3), tmp_path / "b.parquet")
    other = read_table(path=changed, text="body", id="key", keep=["score", "stars"])
    assert other.fingerprint != table.fingerprint  # another teacher's column is other data


def test_rows_without_a_group_stand_alone(tmp_path):
    """Empty cells read as one group would tie all of them together."""
    frame = pd.DataFrame({"text": ["x", "y", "z", "u"], "who": ["a", "", "", "a"]})
    table = read_table(path=write(frame, tmp_path / "a.csv"), group="who")
    assert table.frame["group"].nunique() == 3


@pytest.mark.parametrize("layout", ["save_to_disk", "several splits", "folder of files"])
def test_data_set_folders(tmp_path, monkeypatch, layout):
    datasets = pytest.importorskip("datasets")
    for name in ("HF_DATASETS_CACHE", "HF_MODULES_CACHE"):  # not into the home of who tests
        monkeypatch.setattr(datasets.config, name, str(tmp_path / name))
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["z", "a"])}
    )
    rows = {"text": ["one", "two", "three"], "label": [0, 1, -1]}
    part = datasets.Dataset.from_dict(rows, features=features)
    folder = tmp_path / "set"
    if layout == "save_to_disk":
        part.save_to_disk(folder)
    elif layout == "several splits":
        datasets.DatasetDict({"train": part, "test": part}).save_to_disk(folder)
    else:
        folder.mkdir()
        part.to_parquet(folder / "train.parquet")
    for argument in ("path", "hub"):
        table = read_table(**{argument: str(folder)}, label="label")
        assert table.label_names == ("z", "a")
        assert table.frame["label"].tolist()[:3] == [0, 1, -1]
        if layout == "several splits":
            assert table.frame["split"].tolist() == ["train"] * 3 + ["test"] * 3


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_sets_are_large_enough_for_the_demo(name):
    table = read_table(bundled=name)
    assert len(table) >= 3500
    assert table.n_blank == 0
    assert table.n_labelled == len(table)
    assert len(table.label_names) == 2


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_streaming_gives_every_row_once_with_its_place(tmp_path, suffix):
    """Row numbers counted per chunk, or after blank rows are gone, would label the wrong rows."""
    texts = [f"text {i}" if i % 7 else "  " for i in range(50)]
    path = write(pd.DataFrame({"text": texts}), tmp_path / f"rows.{suffix}")
    chunks = list(iterate_rows(path, text="text", chunk=8))
    numbers = np.concatenate([chunk.row_numbers for chunk in chunks])
    assert numbers.tolist() == [i for i in range(50) if i % 7]
    assert [t for chunk in chunks for t in chunk.rows.texts] == [texts[i] for i in numbers]
    assert [i for chunk in chunks for i in chunk.rows.ids] == [str(i) for i in numbers]
    assert sum(chunk.n_read for chunk in chunks) == 50
    assert max(chunk.n_read for chunk in chunks) <= 8


def test_streaming_refuses_an_id_from_an_earlier_chunk(tmp_path):
    frame = pd.DataFrame({"text": ["x"] * 6, "key": ["a", "b", "c", "d", "a", "e"]})
    path = write(frame, tmp_path / "a.csv")
    with pytest.raises(ValueError, match="'a' occurs more than once"):
        list(iterate_rows(path, text="text", id="key", chunk=2))
