"""`w2sg predict`: label new rows with a student of a run, a stretch of the file at a time."""

from pathlib import Path
from typing import Annotated

import numpy as np
from cyclopts import Parameter

CHUNK = 4096
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what makes a cell a formula


def predict(
    result: Path,
    rows: Path,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    arm: str | None = None,
    text: str | None = None,
    text_pair: str | None = None,
) -> int:
    """Label the rows of a file with the best student; any number of rows, in bounded memory.

    The output has the row number, the label, its probability and the probability of every class;
    rows with blank text have empty cells. In a CSV, class names that a spreadsheet would take for
    a formula (= + - @) start with an apostrophe.

    Parameters
    ----------
    result
        The folder that `w2sg run` printed.
    rows
        A CSV, TSV, JSONL or Parquet file.
    out
        Where to write: .parquet or .csv.
    arm
        Which student; the most accurate by default.
    text
        Column of the texts, as in the run by default.
    text_pair
        Column of the second texts, as in the run by default.
    """
    import pandas as pd
    from rich.progress import Progress

    from w2sg._extras import require
    from w2sg._paths import input_files, refuse_overwriting
    from w2sg.api import open_result
    from w2sg.cli.output import terminal
    from w2sg.data.sources import BUNDLED, iterate_rows
    from w2sg.models.backbone import encode, longest
    from w2sg.train.finetune import predict as ask

    require("train", "labelling rows with a student")
    if out.suffix not in (".parquet", ".csv"):
        raise ValueError(f"--out {str(out)!r}: the ending must be .parquet or .csv")
    refuse_overwriting(out, {"the file of rows": rows})
    stored = open_result(result)
    spec = stored.spec
    refuse_overwriting(
        out, {"the store": stored.outcome.store.root, **input_files(spec.model_dump())}
    )
    own = BUNDLED.get(spec.data.bundled or "", spec.data.model_dump())
    pair = own.get("text_pair")
    if text_pair is not None and pair is None:
        raise ValueError(
            f"--text-pair {text_pair!r}: the student was trained on single texts; leave it out"
        )
    reading = {
        "text": text or str(own["text"]),
        "text_pair": text_pair or pair,
        "chunk": CHUNK,
        "argument": "ROWS",
        "words": {"text": "--text", "text_pair": "--text-pair"},
    }
    # a line that cannot be read is refused before the model is asked about those above it
    total = n_texts = 0
    for chunk in iterate_rows(rows, **reading):
        total, n_texts = total + chunk.n_read, n_texts + len(chunk.rows)
    if not n_texts:
        raise ValueError(
            f"--text {reading['text']!r}: every one of the {total:,} rows is blank; name the "
            "column that holds the texts"
        )
    classifier = stored.classifier(arm=arm)
    names = list(stored.facts["label_names"])
    precision = stored.outcome.of_role(f"student/{spec.run.seeds[0]}").manifest.body["spec"]
    n_rows = n_blank = n_truncated = 0
    console = terminal(stderr=True)
    with _Writer(out) as writer, Progress(console=console, transient=True) as bar:
        task = bar.add_task("labelling", total=total)
        for chunk in iterate_rows(rows, **reading):
            encoded = encode(
                classifier.tokenizer,
                chunk.rows.texts,
                chunk.rows.pairs,
                max_length=spec.student.max_length,
            )
            p = ask(classifier, encoded, precision=precision["precision"])
            frame = pd.DataFrame({"row": np.arange(n_rows, n_rows + chunk.n_read)}).set_index("row")
            frame["label"] = pd.Series(
                [names[k] for k in p.argmax(axis=1)], index=chunk.row_numbers, dtype="str"
            )
            frame["probability"] = pd.Series(p.max(axis=1), index=chunk.row_numbers)
            for k, name in enumerate(names):
                frame[f"p_{name}"] = pd.Series(p[:, k], index=chunk.row_numbers)
            writer.write(frame.reset_index())
            n_rows += chunk.n_read
            n_blank += chunk.n_read - len(chunk.rows)
            n_truncated += encoded.n_truncated
            bar.update(task, completed=n_rows, description=f"labelled {n_rows:,} rows")
    blank = f", {n_blank:,} of them blank and left empty" if n_blank else ""
    limit = longest(classifier.tokenizer, spec.student.max_length)
    cut = f", {n_truncated:,} cut to {limit} tokens" if n_truncated else ""
    print(f"{n_rows:,} rows{blank}{cut} → {out}")
    return 0


def _cell(text: str) -> str:
    """A text as a CSV cell that no spreadsheet takes for a formula: those get an apostrophe."""
    return f"'{text}" if text.startswith(FORMULA) else text


class _Writer:
    """Writes tables one after another beside the target, and moves the file when it is whole."""

    def __init__(self, path: Path) -> None:
        self.path, self.beside = path, path.with_name(f".{path.name}.part")
        self.parquet = None

    def __enter__(self) -> "_Writer":
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.beside.unlink(missing_ok=True)
        return self

    def write(self, frame) -> None:  # noqa: ANN001
        if self.path.suffix == ".csv":
            first = not self.beside.exists()
            frame["label"] = frame["label"].map(_cell, na_action="ignore")
            frame.columns = [_cell(name) for name in frame.columns]
            frame.to_csv(self.beside, mode="a", header=first, index=False)
            return
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.Table.from_pandas(frame, preserve_index=False)
        if self.parquet is None:
            self.parquet = pq.ParquetWriter(self.beside, table.schema)
        self.parquet.write_table(table.cast(self.parquet.schema))

    def __exit__(self, kind, error, trace) -> None:  # noqa: ANN001
        if self.parquet is not None:
            self.parquet.close()
        if kind is None and self.beside.exists():
            self.beside.replace(self.path)
        else:
            self.beside.unlink(missing_ok=True)
