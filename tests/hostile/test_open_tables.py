"""Files that are not one record per row, or not what they seem: refused by line, at every door."""

import os
import socket
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from w2sg.cli import app
from w2sg.cli.attention.scan import run_scan
from w2sg.cli.errors import explained
from w2sg.data.sources import from_frame, iterate_rows, read_table
from w2sg.data.text_files import TextFile
from w2sg.spec import load
from w2sg.stages import labelled_data

N = 60
TEXT = [f"comment number {i} about thing {i * 7 % 101}" for i in range(N)]
Y = ["ham" if i % 2 else "spam" for i in range(N)]
ROWS = [f"{x},{y}" for x, y in zip(TEXT, Y, strict=True)]


def main_table(path, **data):
    """The table that a run reads."""
    return labelled_data.read(load({"data": {"path": str(path), **data}}).data).main


def write(path, lines, end="\n"):
    path.write_bytes((end.join(lines) + end).encode())
    return path


# ---- lines that are no rows

BROKEN = {
    "fewer cells": (["text,label", *ROWS[:10], "half a row"], "line 12 has fewer cells (1)"),
    "more cells": (["text,label", *ROWS[:4], "a,b,c"], "line 6 has more cells (3)"),
    "a row cut in the middle": (["text,label,x", "a,b,c", "d,e"], "line 3 has fewer cells (2)"),
    "a lone carriage return": (["text,label", "one\rtwo,ham"], "line 2 holds a carriage return"),
    "line ends of old Macs": (["text,label\rone,ham\rtwo,spam"], "line 1 holds a carriage return"),
    "the header again": (["text,label", *ROWS[:5], "text,label", *ROWS[5:]], "line 7 repeats the"),
    "a quote mark never closed": (
        ["text,label", *ROWS[:3], '"he said,ham', *ROWS[3:]],
        "the quote mark that line 5 opens is never closed",
    ),
    "a quote mark not doubled": (
        ["text,label", '"he said "no" and left",ham'],
        "line 2 has a quote mark inside a cell between quotes",
    ),
    "quote marks after a backslash": (
        ["text,label", r'"he said \"no\"",ham'],
        "line 2 has a quote",
    ),
    "a NUL byte": (["text,label", ROWS[0], "te\0xt,ham"], "line 3 holds a NUL byte"),
    "no names of columns": (["", "text,label", *ROWS], "line 1 is blank"),
    "a byte that is no UTF-8": (["text,label", *ROWS[:7], "caf\udce9,ham"], "byte 0xe9 in line 9"),
}


@pytest.mark.parametrize("case", BROKEN)
@pytest.mark.parametrize("kind", ["csv", "tsv"])
def test_lines_that_are_no_row_are_refused_by_their_number(tmp_path, case, kind):
    lines, message = BROKEN[case]
    if kind == "tsv":
        lines = [line.replace(",", "\t") for line in lines]
        if "quote mark" in case:
            lines.append("short")  # else each line is a row, quote marks and all
    path = tmp_path / f"a.{kind}"
    path.write_bytes(("\n".join(lines) + "\n").encode(errors="surrogateescape"))
    for read in (main_table, lambda path: list(iterate_rows(path, text="text", chunk=4))):
        with pytest.raises(ValueError, match="path=") as error:
            read(path)
        assert message in str(error.value)


BROKEN_OBJECTS = {
    "no object": ('["x", "ham"]', "line 4 is not an object"),
    "a number": ("3", "line 4 is not an object"),
    "cut": ('{"text": "x", "lab', "line 4 is not JSON"),
    "two objects": ('{"text": "x"} {"text": "y"}', "line 4 is not JSON"),
    "a lone carriage return": ('{"text": "x"}\r{"text": "y"}', "line 4 is not JSON"),
    "a key twice": ('{"text": "x", "label": "ham", "label": "spam"}', "line 4 names 'label' twice"),
    "the names of the columns": ('{"text": "text", "label": "label"}', "line 4 holds the names"),
    "nested deeply": ("[" * 200_000, "line 4 is nested too deeply"),
    "a long number": ('{"text": ' + "1" * 5000 + "}", "line 4 holds a number"),
    "a NUL byte": ('{"text": "a\0b"}', "line 4 holds a NUL byte"),
}


@pytest.mark.parametrize("case", BROKEN_OBJECTS)
def test_lines_that_are_no_object_are_refused_by_their_number(tmp_path, case):
    line, message = BROKEN_OBJECTS[case]
    good = ['{"text": "a", "label": "ham"}', '{"text": "b", "label": "spam"}', ""]
    path = write(tmp_path / "a.jsonl", [*good, line])
    for read in (main_table, lambda path: list(iterate_rows(path, text="text"))):
        with pytest.raises(ValueError, match=message):
            read(path)


def test_rows_that_are_right_stay_right(tmp_path):
    """Catches a check that refuses line breaks in quotes, blank lines, or Windows line ends."""
    lines = ["text,label", '"one, ""two""\nthree\r",ham', "", "   ", 'said "no",spam', "é,ham"]
    for end in ("\n", "\r\n"):
        table = main_table(write(tmp_path / "a.csv", lines, end))
        assert table.frame["text"].tolist() == ['one, "two"\nthree\r', 'said "no"', "é"]
        assert (table.n_read, table.n_blank) == (5, 2)
    long = "x" * 300_000  # the csv module stops at 131,072 characters unless it is told
    assert (
        main_table(write(tmp_path / "b.csv", ["text,label", f"{long},a"])).frame["text"][0] == long
    )


def test_rows_are_counted_where_they_cross_a_chunk(tmp_path):
    rows = [f"row {i},{'ab'[i % 2]}" for i in range(23)]
    path = write(tmp_path / "a.csv", ["text,label", *rows])
    frames = list(TextFile(path, "csv").chunks(5))
    assert [len(frame) for frame in frames] == [5, 5, 5, 5, 3]
    assert pd.concat(frames)["text"].tolist() == [f"row {i}" for i in range(23)]


# ---- quote marks


def test_a_tsv_with_quote_marks_as_ordinary_characters(tmp_path):
    """As in GLUE: a mark at the start of a cell swallowed all lines to the next, in silence."""
    texts = list(TEXT)
    texts[3], texts[20], texts[21] = '"Hello, he said', 'quoth "the" raven"', '"fine"'
    lines = ["label\ttext", *(f"{y}\t{x}" for x, y in zip(texts, Y, strict=True))]
    table = main_table(write(tmp_path / "a.tsv", lines))
    assert table.frame["text"].tolist() == texts
    assert any("quote marks are read as ordinary characters" in note for note in table.notes)
    streamed = [
        x for chunk in iterate_rows(tmp_path / "a.tsv", text="text") for x in chunk.rows.texts
    ]
    assert streamed == texts


def test_a_tsv_with_quoted_cells_is_read_as_it_was_written(tmp_path):
    texts = ["a\tb", 'she said "no"', "two\nlines", "plain"]
    pd.DataFrame({"text": texts, "label": list("xyxy")}).to_csv(
        tmp_path / "a.tsv", sep="\t", index=False
    )
    table = main_table(tmp_path / "a.tsv")
    assert table.frame["text"].tolist() == texts
    assert table.notes == ()


def test_quote_marks_that_swallow_rows(tmp_path):
    """One cell would hold eight rows: refused in TSV; in CSV a text may look so, and it is said."""
    lines = list(ROWS)
    lines[10], lines[17] = '"size five,ham', 'size 5",spam'
    table = main_table(write(tmp_path / "a.csv", ["text,label", *lines]))
    assert table.n_read == N - 7
    assert any("(first in line 12); a quote mark may not be closed" in note for note in table.notes)
    tabs = [line.replace(",", "\t") for line in ["text,label", *lines, '"a\nb",ham']]
    with pytest.raises(ValueError, match="line 12 opens a quote mark that is closed in line 19"):
        main_table(write(tmp_path / "a.tsv", tabs))


def test_a_poem_is_no_row(tmp_path):
    texts = ["Roses, red\nviolets, blue", "Dear all, hi\nbye"]
    pd.DataFrame({"text": texts, "label": ["a", "b"]}).to_csv(tmp_path / "a.csv", index=False)
    table = main_table(tmp_path / "a.csv")
    assert table.frame["text"].tolist() == texts
    assert table.notes == ()


# ---- keys that some objects lack


def test_objects_without_a_key_are_counted_and_said(tmp_path):
    lines = [f'{{"text": "{x}", "label": "{y}"}}' for x, y in zip(TEXT, Y, strict=True)]
    lines[5] = '{"text": "x", "lable": "ham"}'
    lines[6] = '{"txt": "x", "label": "ham"}'
    table = main_table(write(tmp_path / "a.jsonl", lines))
    assert (table.n_read, table.n_blank) == (N, 1)
    assert any("1 of 60 rows of data.path=" in n and "without a label" in n for n in table.notes)
    assert any("'text' at all (data.text) and are read as blank" in note for note in table.notes)
    chunks = iterate_rows(tmp_path / "a.jsonl", text="text", chunk=1)
    assert sum(chunk.n_read - len(chunk.rows) for chunk in chunks) == 1


# ---- Parquet


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), "dictionary", "fixed"])
def test_bytes_in_parquet_are_the_text_that_they_are(tmp_path, kind):
    """Catches "b'…'" in texts, ids, groups, splits and class names."""

    def column(values):
        encoded = [value.encode() for value in values]
        if kind == "dictionary":
            return pa.array(encoded, pa.binary()).dictionary_encode()
        if kind == "fixed":
            width = max(map(len, encoded))
            return pa.array([e.ljust(width) for e in encoded], pa.binary(width))
        return pa.array(encoded, kind)

    ids = [f"r{i}é" for i in range(N)]
    held = {"text": TEXT, "label": Y, "id": ids, "who": TEXT, "split": ["train", "test"] * (N // 2)}
    table = pa.table({name: column(values) for name, values in held.items()})
    table = table.append_column("image", pa.array([b"\xff\xfe"] * N))  # asked for by nobody
    pq.write_table(table, tmp_path / "a.parquet")
    read = main_table(tmp_path / "a.parquet", id="id", group="who")
    assert read.label_names == ("ham", "spam")
    for name, values in (("text", TEXT), ("id", ids), ("group", TEXT), ("split", held["split"])):
        assert [value.rstrip() for value in read.frame[name]] == values
    chunk = next(iterate_rows(tmp_path / "a.parquet", text="text", id="id"))
    assert [text.rstrip() for text in chunk.rows.texts] == TEXT
    for read_image in (
        lambda: main_table(tmp_path / "a.parquet", text="image"),
        lambda: list(iterate_rows(tmp_path / "a.parquet", text="image")),
    ):
        with pytest.raises(ValueError, match=r"text='image' holds bytes in row 0 .* not UTF-8"):
            read_image()


def test_bytes_in_a_frame_of_python():
    frame = pd.DataFrame(
        {"text": [b"one", "two", bytearray(b"three")], "label": [[b"a"], b"b", "a"]}
    )
    table = from_frame(frame, label="label")
    assert table.frame["text"].tolist() == ["one", "two", "three"]
    assert table.label_names == ("a", "b")


@pytest.mark.parametrize("names", ["id", ["id", "other"], None])
def test_an_index_that_pandas_wrote_into_parquet_is_a_column(tmp_path, names):
    frame = pd.DataFrame({"text": TEXT, "label": Y, "id": [f"r{i}" for i in range(N)], "other": 1})
    if names is None:
        frame.index = pd.Index(frame.pop("id").to_numpy())
    else:
        frame = frame.set_index(names)
    frame.to_parquet(tmp_path / "a.parquet")
    name = "__index_level_0__" if names is None else "id"
    assert main_table(tmp_path / "a.parquet", id=name).frame["id"].tolist()[:2] == ["r0", "r1"]
    chunk = next(iterate_rows(tmp_path / "a.parquet", text="text", id=name))
    assert chunk.rows.ids[:2] == ("r0", "r1")


def test_a_first_line_among_the_rows_of_other_formats(tmp_path):
    """A CSV put under another and then converted: the header would be a class of one row."""
    frame = pd.DataFrame({"text": [*TEXT, "text"], "label": [*Y, "label"], "more": range(N + 1)})
    frame.to_parquet(tmp_path / "a.parquet")
    (tmp_path / "set").mkdir()
    frame.to_parquet(tmp_path / "set" / "train.parquet")
    for path in (tmp_path / "a.parquet", tmp_path / "set"):
        with pytest.raises(ValueError, match=r"row 60 of data\.path=.* holds the names of the"):
            main_table(path)
    with pytest.raises(ValueError, match="row 60 holds the names"):
        from_frame(frame, label="label")


# ---- files that are something else

OTHER = {
    "a.csv": (b"PAR1" + b"\xff" * 40, "is a Parquet file"),
    "b.csv": (b"\x1f\x8b\x08" + b"\xff" * 40, "is compressed; unpack it with gunzip"),
    "c.csv": (b"PK\x03\x04", "is a zip archive or a spreadsheet"),
    "d.csv": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "is an old spreadsheet"),
    "e.csv": (b"<!DOCTYPE html><html>", "is a web page"),
    "f.csv": (b'{"text": "x", "label": "a"}\n', "is JSON"),
    "g.csv": (b"\x80\x04\x95", "is a pickle"),
    "h.csv": ("text,label\nä,b\n".encode("utf-16-le"), "holds a NUL byte"),
    "i.jsonl": (b"text,label\nx,a\n", "line 1 is not JSON"),
    "j.jsonl": (b"BZh91AY&SY", "unpack it with bunzip2"),
    "k.parquet": (b"text,label\nx,a\n", "is not a Parquet file"),
    "l.parquet": (b"version https://git-lfs.github.com/spec/v1\n", "is a pointer of Git LFS"),
    "m.parquet": (b"PAR1 and then nothing", "cannot be read"),
    "n.csv": (b"", "is empty"),
    "o.parquet": (b"", "cannot be read"),
    "p.csv": (b"\xef\xbb\xbf", "is empty"),
    "q.csv.gz": (b"", "ends in '.gz' and is compressed"),
    "r.xlsx": (b"", "ends in '.xlsx' and is a spreadsheet"),
    "s.json": (b"", "ends in '.json' and is JSON; write one object a line"),
    "t.pkl": (b"", "ends in '.pkl' and is a pickle"),
    "u": (b"", "has no ending"),
}


@pytest.mark.parametrize("name", OTHER)
def test_a_file_is_named_for_what_it_is(tmp_path, name):
    content, message = OTHER[name]
    (tmp_path / name).write_bytes(content)
    for read in (main_table, lambda path: list(iterate_rows(path, text="text"))):
        with pytest.raises(ValueError, match="path=") as error:
            read(tmp_path / name)
        assert message in str(error.value)


@pytest.fixture
def never_ending(tmp_path, monkeypatch):
    """A pipe, a device, a socket, a link to a pipe: nothing that can be read twice."""
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "link.csv").symlink_to(tmp_path / "pipe.csv")
    (tmp_path / "zero.csv").symlink_to("/dev/zero")
    listening = socket.socket(socket.AF_UNIX)
    monkeypatch.chdir(tmp_path)  # the name of a socket is short
    listening.bind("sock.csv")
    yield {
        "pipe.csv": "a named pipe",
        "link.csv": "a named pipe",
        "zero.csv": "a device",
        "sock.csv": "a socket",
    }
    listening.close()


def test_what_may_never_end_is_refused_and_not_waited_for(tmp_path, never_ending):
    for name, what in never_ending.items():
        for field in ("path", "unlabelled", "test"):
            fine = write(tmp_path / "fine.csv", ["text,label", *ROWS])
            data = {"path": str(fine), field: str(tmp_path / name)}
            with pytest.raises(ValueError, match=f"data.{field}=.*{name}.* is {what}, not a file"):
                labelled_data.read(load({"data": data}).data)
        with pytest.raises(ValueError, match=f"is {what}, not a file"):
            list(iterate_rows(tmp_path / name, text="text"))
    with pytest.raises(ValueError, match="not a file"):
        main_table(tmp_path)  # a folder that holds them


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("a\0b.csv", "holds a NUL character"),
        ("~nobody-here/a.csv", "home of a user who is not known"),
        ("x" * 5000 + ".csv", "cannot be read: File name too long"),
        ("a\udfff.csv", "does not exist"),
        ("/dev/null/a.csv", "does not exist"),
    ],
)
def test_paths_that_cannot_be(path, message):
    for read in (read_table, lambda path: list(iterate_rows(path, text="text"))):
        with pytest.raises(ValueError, match="path=") as error:
            read(path=path)
        assert message in str(error.value)


def test_a_link_to_nothing_and_a_file_that_may_not_be_read(tmp_path):
    (tmp_path / "a.csv").symlink_to("gone.csv")
    with pytest.raises(ValueError, match=r"is a link to 'gone\.csv', which does not exist"):
        main_table(tmp_path / "a.csv")
    if os.geteuid():
        write(tmp_path / "b.csv", ROWS).chmod(0)
        with pytest.raises(ValueError, match="cannot be read: Permission denied"):
            main_table(tmp_path / "b.csv")


# ---- folders


def test_a_folder_is_its_files_and_their_splits(tmp_path):
    """ "NA" and "007" stay texts, and class numbers mean one thing; `datasets` is not needed."""
    folder = tmp_path / "set"
    (folder / "data").mkdir(parents=True)
    (folder / ".cache").mkdir()
    write(folder / ".cache" / "other.csv", ["nothing"])
    write(folder / "data" / "train-00000-of-00001.csv", ["text,label", "NA,007", "b,x", *ROWS])
    write(folder / "data" / "test.jsonl", ['{"text": "c", "label": "x"}'])
    (folder / "README.md").write_text("# card", encoding="utf-8")
    for argument in ("path", "hub"):
        table = read_table(**{argument: str(folder)}, label="label")
        assert table.frame["text"].tolist() == ["c", "NA", "b", *TEXT]
        assert table.frame["split"].tolist() == ["test", *["train"] * (N + 2)]
        assert "007" in table.label_names


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "is a folder without a data file .* it holds nothing"),
        ({"a.xlsx": "", "b.txt": ""}, r"without a data file .* it holds 'a\.xlsx', 'b\.txt'"),
        (
            {"train.csv": "text,label\nx,a\n", "sample_submission.csv": "id,label\n1,a\n"},
            "'sample_submission.csv', whose name says no split, beside .*'train'",
        ),
        (
            {"a.csv": "text,label\nx,a\n", "b.csv": "who,when\nx,a\n"},
            "have other columns",
        ),
        ({"train.csv": "text,label\nx,a\ny\n"}, "train.csv' cannot be read: line 3 has fewer"),
        ({"train.csv": "text,label\nx\n", "README.md": "---\nconfigs:\n---\n"}, "line 2 has fewer"),
    ],
)
def test_folders_that_are_no_data_set(tmp_path, files, message):
    for name, content in files.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    for source in ("path", "hub"):
        with pytest.raises(ValueError, match=f"(?s)data.{source}.*{message}") as error:
            labelled_data.read(load({"data": {source: str(tmp_path)}}).data)
        assert "task.toml" not in str(error.value)


# ---- one column for two things

TWICE = [
    ({"label": "text"}, "data.text and data.label both name the column 'text'"),
    ({"text_pair": "text"}, "data.text and data.text_pair"),
    ({"id": "text"}, "data.text and data.id"),
    ({"id": "label"}, "data.label and data.id"),
    ({"group": "label"}, "data.label and data.group"),
    ({"split": "label"}, "data.label and data.split"),
    ({"id": "key", "group": "key"}, "data.id and data.group"),
]


@pytest.mark.parametrize(("columns", "message"), TWICE)
def test_one_column_for_two_things_is_refused(tmp_path, columns, message):
    frame = pd.DataFrame({"text": TEXT, "label": Y, "key": range(N)})
    frame.to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(ValueError, match=message):
        main_table(tmp_path / "a.csv", **columns)


def test_a_text_may_be_its_own_group(tmp_path):
    frame = pd.DataFrame({"text": TEXT, "label": Y, "second": TEXT[::-1]})
    frame.to_csv(tmp_path / "a.csv", index=False)
    for group in ("text", "second"):
        assert len(main_table(tmp_path / "a.csv", text_pair="second", group=group)) == N
    with pytest.raises(ValueError, match="text and text_pair both name"):
        list(iterate_rows(tmp_path / "a.csv", text="text", text_pair="text"))


def test_columns_of_a_packaged_set_that_nothing_reads_are_refused():
    with pytest.raises(ValueError, match=r"data.text = 'body' would change nothing: data.b"):
        labelled_data.read(load({"data": {"bundled": "qnli", "text": "body"}}).data)
    with pytest.raises(ValueError, match=r"data.hub_config = 'x' would change nothing"):
        labelled_data.read(load({"data": {"bundled": "qnli", "hub_config": "x"}}).data)


# ---- every door


def doors(monkeypatch, tmp_path):
    """Every command that reads a table, up to where it has read it."""

    def stored(_):
        outcome = SimpleNamespace(store=SimpleNamespace(root=tmp_path / "store"))
        return SimpleNamespace(
            spec=load({"data": {"path": "x.csv"}}), classifier=None, outcome=outcome
        )

    monkeypatch.setattr("w2sg.api.open_result", stored)
    (tmp_path / "spec.toml").write_text("", encoding="utf-8")
    models = ["--model-s", "x", "--model-w", "y"]

    def command(*arguments):
        def run(path, capsys):
            words = [str(path) if one is None else str(one) for one in arguments]
            try:
                status = explained(lambda: app(words))
            except SystemExit as end:
                status = end.code
            assert status == 2
            return capsys.readouterr().err

        return run

    def spec(name):
        def run(path, capsys):
            toml = f"[data]\npath = '{path}'\n[run]\nstore = '{tmp_path / 'store'}'\n"
            toml += "[grid]\n'student.epochs' = [1.0, 2.0]\n" if name == "sweep" else ""
            (tmp_path / "spec.toml").write_text(toml, encoding="utf-8")
            more = ["--dry-run"] if name == "sweep" else []
            return command(name, tmp_path / "spec.toml", *more)(path, capsys)

        return run

    def scan(path, capsys):
        with pytest.raises(ValueError, match="--ratio-scan=") as error:
            run_scan("nowhere", path, "1e-4", "1e-4", 1, 40, 1, quiet=True)
        return str(error.value)

    return {
        "run": spec("run"),
        "preflight": spec("preflight"),
        "sweep": spec("sweep"),
        "predict": command("predict", tmp_path, None, "-o", tmp_path / "out.csv"),
        "diagnose": command("diagnose", *models, "--data", None),
        "attention": scan,
    }


@pytest.mark.parametrize("door", ["run", "preflight", "sweep", "predict", "diagnose", "attention"])
def test_every_command_reads_tables_alike(monkeypatch, tmp_path, capsys, door):
    """Catches a command with a reader of its own, which fills up rows or waits for a pipe."""
    read = doors(monkeypatch, tmp_path)[door]
    os.mkfifo(tmp_path / "pipe.csv")
    for name, content, message in (
        ("short.csv", "text,label\na,ham\nb\n", "line 3 has fewer cells (1)"),
        ("again.csv", "text,label\na,ham\ntext,label\n", "line 3 repeats the first line"),
        ("dup.jsonl", '{"text": "a", "text": "b"}\n', "line 1 names 'text' twice"),
        ("empty.csv", "", "is empty"),
        ("pipe.csv", None, "is a named pipe"),
        ("gone.csv", None, "does not exist"),
    ):
        path = tmp_path / name
        if content is not None:
            path.write_text(content, encoding="utf-8")
        told = read(path, capsys)
        assert message in told
        assert "Traceback" not in told
    assert not (tmp_path / "out.csv").exists()


def test_plain_texts_end_at_line_feeds_alone(tmp_path):
    """Catches `splitlines`, which ends a text at a form feed or a Unicode line separator too."""
    from w2sg.cli.diagnose import _texts

    texts = ["one\u2028still one", "two\x0cstill two", "three\x85still", "é"]
    write(tmp_path / "a.txt", [*texts, ""], "\r\n")
    assert _texts(tmp_path / "a.txt", "text", 10, 0) == texts
    (tmp_path / "a.txt").write_bytes(b"one\ncaf\xe9\n")
    with pytest.raises(ValueError, match=r"--data=.* is not UTF-8 .byte 0xe9 in line 2"):
        _texts(tmp_path / "a.txt", "text", 10, 0)
    frame = pd.DataFrame({"text": [*TEXT, "NA", " "]})
    frame.to_csv(tmp_path / "a.csv", index=False)
    assert _texts(tmp_path / "a.csv", "text", 100, 0) == [*TEXT, "NA"]


def test_sizes_that_cannot_be_met_say_what_was_left_out(tmp_path):
    frame = pd.DataFrame({"text": TEXT, "label": Y, "who": np.repeat(range(6), 10)})
    frame.to_csv(tmp_path / "a.csv", index=False)
    sizes = {"n_labelled": 10, "n_unlabelled": 40, "n_test": 15}
    spec = load({"data": {"path": str(tmp_path / "a.csv"), "group": "who", **sizes}})
    with pytest.raises(
        ValueError, match=r"data\.n_unlabelled=40 .* rows \(group of the test part\)"
    ):
        labelled_data.make(labelled_data.read(spec.data), spec.data, seed=0)


def divided(data):
    spec = load({"data": data})
    return labelled_data.make(labelled_data.read(spec.data), spec.data, seed=0)


def test_a_test_part_of_one_item_gives_no_interval(tmp_path):
    """Catches the refusal that came after all trainings."""
    frame = pd.DataFrame({"text": TEXT, "label": Y, "who": np.repeat(range(6), 10)})
    frame.to_csv(tmp_path / "a.csv", index=False)
    sizes = {"path": str(tmp_path / "a.csv"), "n_labelled": 10, "n_unlabelled": 20}
    for more, message in (
        ({"n_test": 1}, "data.n_test = 1: must be greater than or equal to 2"),
        ({"n_test": 8, "group": "who"}, "there are 8 test rows of one group .data.group."),
    ):
        with pytest.raises(ValueError, match=message):
            divided({**sizes, **more})
