"""Data that cannot be used: each is refused with the argument, the value and the next step."""

import json

import numpy as np
import pandas as pd
import pytest

from w2sg.data.sources import iterate_rows, read_table
from w2sg.data.splits import divide

SIZES = {"n_labelled": 10, "n_unlabelled": 20, "n_test": 10}


def save(path, rows):
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def rows(n=60, **columns):
    start = {"text": [f"text {i}" for i in range(n)], "label": ["a", "b"] * (n // 2)}
    return {**start, **columns}


def test_missing_file_names_the_nearest(tmp_path):
    save(tmp_path / "reviews.csv", rows())
    with pytest.raises(ValueError, match=r"path='.*review.csv' does not exist.*reviews\.csv'"):
        read_table(path=tmp_path / "review.csv")
    with pytest.raises(ValueError, match=r"unlabelled='.*' does not exist"):
        read_table(path=tmp_path / "nowhere" / "x.csv", argument="unlabelled")


def test_unreadable_files(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"PAR1 this is not parquet")
    (tmp_path / "a.jsonl").write_text('{"text": "x"}\n{"text": \n', encoding="utf-8")
    (tmp_path / "list.jsonl").write_text('["x"]\n', encoding="utf-8")
    (tmp_path / "a.csv").write_text('text,label\nx,1\n"never closed,2\n', encoding="utf-8")
    (tmp_path / "a.xlsx").write_text("x", encoding="utf-8")
    for name, message in (
        ("a.parquet", "cannot be read"),
        ("a.jsonl", "line 2 is not JSON"),
        ("list.jsonl", "line 1 is not an object"),
        ("a.csv", "cannot be read: .*EOF inside string"),
        ("a.xlsx", "ends in '.xlsx' and is a spreadsheet; .*; w2sg reads .csv"),
    ):
        with pytest.raises(ValueError, match=f"path='.*{name}'.*{message}"):
            read_table(path=tmp_path / name)
        with pytest.raises(ValueError, match=message):
            list(iterate_rows(tmp_path / name, text="text"))
    (tmp_path / "folder").mkdir()
    with pytest.raises(ValueError, match="is a folder without a data file"):
        read_table(path=tmp_path / "folder")


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
def test_empty_files(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    if suffix == "parquet":
        pd.DataFrame({"text": []}).to_parquet(path)
    else:
        path.write_text("", encoding="utf-8")
    with pytest.raises(ValueError, match=r"is empty|holds no rows"):
        read_table(path=path)
    with pytest.raises(ValueError, match=r"is empty|holds no rows"):
        list(iterate_rows(path, text="text"))


def test_header_without_rows(tmp_path):
    (tmp_path / "a.csv").write_text("text,label\n", encoding="utf-8")
    with pytest.raises(ValueError, match="holds no rows"):
        read_table(path=tmp_path / "a.csv")


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl"])
@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_not_utf8(tmp_path, suffix, encoding):
    """Reading it as Latin-1 instead would train on mojibake without a word."""
    lines = ["text\tlabel".replace("\t", "," if suffix == "csv" else "\t"), "naïve,1", "über,0"]
    if suffix == "jsonl":
        lines = [json.dumps({"text": "naïve"}, ensure_ascii=False)]
    (tmp_path / f"a.{suffix}").write_text("\n".join(lines), encoding=encoding)
    for read in (read_table, lambda path: list(iterate_rows(path, text="text"))):
        with pytest.raises(ValueError, match=r"is not UTF-8 .*iconv"):
            read(path=tmp_path / f"a.{suffix}")


def test_wrong_columns_name_the_nearest(tmp_path):
    path = save(tmp_path / "a.csv", rows(Body=["x"] * 60))
    for argument in ("text_pair", "label", "id", "group", "split"):
        with pytest.raises(
            ValueError, match=f"{argument}='body' is not a column of path=.*mean 'Body'"
        ):
            read_table(path=path, **{argument: "body"})
    with pytest.raises(
        ValueError, match=r"text='txt' is not a column of .*; there are 'text', 'label'"
    ):
        read_table(path=path, text="txt")
    with pytest.raises(ValueError, match="keep='body'"):
        read_table(path=path, keep=["body"])
    with pytest.raises(ValueError, match=r"bundled='vader_tweet'.*mean 'vader_tweets'"):
        read_table(bundled="vader_tweet")


def test_exactly_one_source():
    with pytest.raises(ValueError, match="exactly one of path, bundled and hub, got none"):
        read_table()
    with pytest.raises(ValueError, match="exactly one of path, bundled and hub"):
        read_table(bundled="qnli", path="x.csv")


def test_ids_must_be_unique_and_there(tmp_path):
    path = save(tmp_path / "a.csv", rows(key=["k1", "k1", *(f"k{i}" for i in range(2, 60))]))
    with pytest.raises(ValueError, match=r"id='key': 'k1' occurs more than once \(1 repeats\)"):
        read_table(path=path, id="key")
    path = save(tmp_path / "b.csv", rows(key=["", *(f"k{i}" for i in range(59))]))
    with pytest.raises(ValueError, match="id='key' is empty in row 0"):
        read_table(path=path, id="key")


def test_labels_that_are_not_classes(tmp_path):
    save(tmp_path / "a.csv", rows(label=[f"{i} stars" for i in range(60)]))
    with pytest.raises(ValueError, match="60 distinct values in 60 rows"):
        read_table(path=tmp_path / "a.csv", label="label")
    pd.DataFrame(rows(label=np.linspace(0, 1, 60))).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(ValueError, match="labels are strings, whole numbers or booleans"):
        read_table(path=tmp_path / "a.parquet", label="label")


def test_blank_texts_are_dropped_and_counted(tmp_path):
    """In a file of one column a blank line is a row too, and its number must not be lost."""
    save(tmp_path / "a.csv", rows(text=["", "  ", "\t", *(f"text {i}" for i in range(57))]))
    table = read_table(path=tmp_path / "a.csv", label="label")
    assert (table.n_read, table.n_blank, len(table)) == (60, 3, 57)
    pd.DataFrame({"text": [None, "x", float("nan")]}).to_parquet(tmp_path / "a.parquet")
    assert read_table(path=tmp_path / "a.parquet").n_blank == 2
    paired = save(tmp_path / "b.csv", rows(second=["", *["x"] * 59]))
    assert read_table(path=paired, text_pair="second").n_blank == 1
    (tmp_path / "c.csv").write_text("text\nx\n\n  \ny\n", encoding="utf-8")
    assert read_table(path=tmp_path / "c.csv").n_blank == 2
    with pytest.raises(ValueError, match="every one of the 60 rows is blank"):
        read_table(path=save(tmp_path / "d.csv", rows(text=[" "] * 60)))


def test_markup_is_ordinary_text(tmp_path):
    given = ["<script>alert('x')</script>", "<b>bold</b> & co", "{{ 7 * 7 }}"]
    path = save(tmp_path / "a.csv", {"text": given, "label": ["a", "b", "a"]})
    assert read_table(path=path, label="label").frame["text"].tolist() == given


def table_of(path, **columns):
    return read_table(path=save(path, rows(**columns)), label="label")


def test_one_class_only(tmp_path):
    with pytest.raises(ValueError, match=r"one class only, \['a'\]"):
        divide(table_of(tmp_path / "a.csv", label=["a"] * 60), **SIZES, seed=0)


def test_no_label_at_all(tmp_path):
    with pytest.raises(ValueError, match="no labelled row"):
        divide(read_table(path=save(tmp_path / "a.csv", rows())), **SIZES, seed=0)
    with pytest.raises(ValueError, match="no labelled row"):
        divide(table_of(tmp_path / "b.csv", label=[""] * 60), **SIZES, seed=0)


def test_test_labels_that_training_never_sees(tmp_path):
    data = table_of(tmp_path / "a.csv")
    test = table_of(tmp_path / "t.csv", label=["a", "c"] * 30, text=[f"t{i}" for i in range(60)])
    with pytest.raises(ValueError, match="label 'c' of the test file is none of the classes"):
        divide(data, **SIZES, seed=0, test=test)
    split = ["test"] * 20 + ["train"] * 40
    labels = ["c"] * 20 + ["a", "b"] * 20
    path = save(tmp_path / "b.csv", rows(label=labels, split=split))
    with pytest.raises(ValueError, match="test rows hold 10 of class 'c', which no row to learn"):
        divide(read_table(path=path, label="label", split="split"), **SIZES, seed=0)
    plain = read_table(path=save(tmp_path / "p.csv", {"text": ["x", "y"]}))
    with pytest.raises(ValueError, match="read without a label column"):
        divide(data, **SIZES, seed=0, test=plain)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"n_test": 61}, "n_test=61 is more than there are: 60 labelled rows in the data"),
        ({"n_labelled": 51}, "n_labelled=51 is more than there are: 50 labelled rows left"),
        ({"n_unlabelled": 41}, "n_unlabelled=41 is more than there are: 40 rows left beside 10"),
        ({"n_labelled": 1}, "n_labelled=1 is fewer than the 2 classes"),
        ({"n_labelled": -1}, "n_labelled must be a whole number of at least 0, got -1"),
        ({"n_test": 2.5}, "n_test must be a whole number of at least 2, got 2.5"),
        ({"n_unlabelled": True}, "n_unlabelled must be a whole number"),
        ({"n_test": None}, "n_test is needed"),
        ({"n_test": 1}, "n_test must be a whole number of at least 2, got 1"),
        ({"n_test": float("nan")}, "n_test must be a whole number of at least 2, got nan"),
        ({"n_labelled": 50, "n_unlabelled": None}, "there are no rows left beside 10 test and 50"),
        ({"duplicates": "keep"}, "duplicates must be 'report' or 'drop', got 'keep'"),
    ],
)
def test_impossible_sizes(tmp_path, sizes, message):
    with pytest.raises(ValueError, match=message):
        divide(table_of(tmp_path / "a.csv"), **{**SIZES, **sizes}, seed=0)


def test_ids_that_collide_between_files(tmp_path):
    keys = [f"k{i}" for i in range(60)]
    one = read_table(path=save(tmp_path / "a.csv", rows(key=keys)), label="label", id="key")
    with pytest.raises(ValueError, match=r"id 'k0' occurs in two files \(60 such ids\)"):
        divide(one, **SIZES, seed=0, test=one)


def test_pairs_and_single_texts_do_not_mix(tmp_path):
    path = save(tmp_path / "b.csv", rows(second=["x"] * 60))
    paired = read_table(path=path, label="label", text_pair="second")
    with pytest.raises(ValueError, match="both be single texts or both pairs"):
        divide(table_of(tmp_path / "a.csv"), **SIZES, seed=0, test=paired)


def test_cells_beyond_the_header_are_not_pushed_aside(tmp_path):
    """Catches pandas taking the first cells for row names: the labels would become the texts."""
    for name, content in (
        ("more.csv", "text,label\n" + "".join(f"text {i},{'ab'[i % 2]},\n" for i in range(60))),
        ("some.csv", "text,label\ngood,a\nfine, but long,b\n"),
    ):
        (tmp_path / name).write_text(content)
        with pytest.raises(ValueError, match=r"cannot be read: .*between quotes"):
            read_table(path=tmp_path / name, label="label")
        with pytest.raises(ValueError, match=r"cannot be read: .*between quotes"):
            list(iterate_rows(tmp_path / name, text="text"))


def test_columns_of_one_name(tmp_path):
    """Catches the first of two columns taken in silence; one that is not asked for may repeat."""
    frame = pd.DataFrame(rows()).assign(z="other")
    frame.columns = ["text", "label", "label"]
    frame.to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(ValueError, match="label='label' is the name of 2 columns; rename"):
        read_table(path=tmp_path / "a.csv", label="label")
    assert len(read_table(path=tmp_path / "a.csv")) == 60


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (b"PAR1", "is a Parquet file; give it the ending .parquet"),
        (b"PK\x03\x04", "a zip archive or a spreadsheet; save its table as CSV"),
        (b"\x1f\x8b", "is compressed; unpack it"),
        ("text,label\n".encode("utf-16"), "but UTF-16; convert it with: iconv -f UTF-16"),
    ],
)
def test_a_file_that_is_not_what_its_name_says(tmp_path, start, message):
    """Catches the advice to convert a Parquet file from Latin 1."""
    (tmp_path / "a.csv").write_bytes(start + b"\xff\xfe\x00\x81" * 9)
    with pytest.raises(ValueError, match=message):
        read_table(path=tmp_path / "a.csv")


def test_a_header_of_another_separator(tmp_path):
    (tmp_path / "a.csv").write_text("text;label\nx;a\n")
    with pytest.raises(ValueError, match=r"cells are separated by commas in .csv and by tabs"):
        read_table(path=tmp_path / "a.csv")


def test_cells_that_are_lists_and_halves_of_characters(tmp_path):
    """Catches numpy's and the codec's own words, which name neither column nor row."""
    pd.DataFrame({"text": ["x"] * 4, "label": [[1, 2]] * 4}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(ValueError, match=r"label='label' .*holds \[1, 2\], .* \(row 0\)"):
        read_table(path=tmp_path / "a.parquet", label="label")
    whole, half = r"\ud83d\ude00", r"\ud83d"
    (tmp_path / "a.jsonl").write_text(f'{{"text": "{whole}"}}\n{{"text": "{half}"}}\n')
    with pytest.raises(ValueError, match=r"line 2 holds one half of a"):
        read_table(path=tmp_path / "a.jsonl")
