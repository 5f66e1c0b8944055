"""`w2sg predict`: label new rows with a student of a run, a stretch of the file at a time."""

from pathlib import Path
from typing import Annotated

import numpy as np
from cyclopts import Parameter

CHUNK = 4096


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
    rows with blank text have empty cells.

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
    from w2sg.api import open_result
    from w2sg.cli.output import terminal
    from w2sg.data.sources import BUNDLED, iterate_rows
    from w2sg.models.backbone import encode
    from w2sg.train.finetune import predict as ask

    require("train", "labelling rows with a student")
    stored = open_result(result)
    if out.suffix not in (".parquet", ".csv"):
        raise ValueError(f"--out {str(out)!r}: the ending must be .parquet or .csv")
    spec = stored.spec
    classifier = stored.classifier(arm=arm)
    names = list(stored.facts["label_names"])
    own = BUNDLED.get(spec.data.bundled or "", spec.data.model_dump())
    chunks = iterate_rows(
        rows,
        text=text or str(own["text"]),
        text_pair=text_pair or own.get("text_pair"),
        chunk=CHUNK,
    )
    precision = stored.outcome.of_role(f"student/{spec.run.seeds[0]}").manifest.body["spec"]
    n_rows = n_blank = n_truncated = 0
    console = terminal(stderr=True)
    with _Writer(out) as writer, Progress(console=console, transient=True) as bar:
        task = bar.add_task("labelling", total=None)
        for chunk in chunks:
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
            bar.update(task, description=f"labelled {n_rows:,} rows")
    blank = f", {n_blank:,} of them blank and left empty" if n_blank else ""
    cut = f", {n_truncated:,} cut to {spec.student.max_length} tokens" if n_truncated else ""
    print(f"{n_rows:,} rows{blank}{cut} → {out}")
    return 0


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
