"""What a common writer writes is read back, whatever the texts hold, and in chunks as in one."""

import json

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from w2sg.data.text_files import TextFile, Unreadable

PIECES = st.sampled_from(
    ["a", "é", ",", ", ", "\t", '"', '""', "\n", " ", "'", "#", "\u2028", "NA"]
)
CELL = st.lists(PIECES, max_size=8).map("".join)
ROWS = st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=6)


def read(path, kind, size):
    frames = list(TextFile(path, kind).chunks(size))
    return pd.concat(frames, ignore_index=True)


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl"])
@settings(max_examples=150)
@given(rows=ROWS, size=st.integers(1, 4))
def test_what_pandas_writes_is_read_back(tmp_path_factory, kind, rows, size):
    """Catches a stricter reader that refuses, joins or splits well-formed rows."""
    frame = pd.DataFrame(rows, columns=["text", "label", "more"], dtype=object)
    path = tmp_path_factory.mktemp("rows") / f"a.{kind}"
    if kind == "jsonl":
        lines = [json.dumps(row, ensure_ascii=False) for row in frame.to_dict("records")]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
    else:
        frame.to_csv(path, index=False, sep="," if kind == "csv" else "\t", lineterminator="\n")
    refused = ""
    try:
        again = read(path, kind, size)
    except Unreadable as error:
        refused = str(error)
    if refused:  # a text of several lines that each could be a row
        assert kind == "tsv"
        assert "each line between has the cells of a row" in refused
    else:
        assert again.to_dict("list") == frame.to_dict("list")
