"""The cells of the track record, the rows they use, and the frozen features of those rows."""

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

# rows beyond the largest cell, so that the seeds of a cell draw different ones
SPARE_ROWS = 500
PRECISION = "bfloat16"
Kind = Literal["frozen", "fine_tuned"]
LISTS: dict[Kind, str] = {"frozen": "cells.json", "fine_tuned": "fine_tuned_cells.json"}


@dataclass(frozen=True)
class Cell:
    """One experiment of the record.

    Attributes:
        name: Its name, unique.
        family: Data sets that share texts are one family.
        data: Name of the data set.
        texts: Its one or two text columns.
        teacher: ``kind`` tfidf, probe (a layer of the student's own model) or column (true labels
            of which a share is flipped).
        n_labelled: Labels that teacher and strong model may use.
        n_unlabelled: Rows that the teacher labels.
        n_test: Rows of the outcome.
        labels_expected_to_win: Whether the strong model on the labels alone was expected, before
            the run, to be the best way.
    """

    name: str
    family: str
    data: str
    texts: tuple[str, ...]
    teacher: dict[str, Any]
    n_labelled: int
    n_unlabelled: int
    n_test: int
    labels_expected_to_win: bool


@dataclass(frozen=True)
class CellList:
    """What was fixed before anything ran.

    Attributes:
        cells: The experiments.
        student: The strong model.
        max_tokens: Longer texts are cut.
        seeds: Of the outcome; the forecast knows the first alone.
        epochs: Of a fine-tuned student.
        min_steps: Least steps of a fine-tuning on the labels alone.
    """

    cells: tuple[Cell, ...]
    student: str
    max_tokens: int
    seeds: tuple[int, ...]
    epochs: int | None = None
    min_steps: int | None = None


@dataclass(frozen=True)
class Rows:
    """Rows of one data set with both feature spaces.

    Attributes:
        texts: One text a row.
        pairs: Second texts, if the task has them.
        labels: Class numbers.
        strong: Features of the student's last layer, (rows, D).
        weak: Features of its first layer.
    """

    texts: tuple[str, ...]
    pairs: tuple[str, ...] | None
    labels: NDArray[np.int64]
    strong: NDArray[np.float32]
    weak: NDArray[np.float32]


@cache
def cell_list(kind: Kind = "frozen") -> CellList:
    """Return the committed list of one kind of cells.

    Args:
        kind: ``"frozen"``, outcomes of linear heads on frozen features, or ``"fine_tuned"``.

    >>> found = cell_list()
    >>> len(found.cells) >= 30, len({cell.family for cell in found.cells}) >= 8
    (True, True)
    """
    folder = files("w2sg.studies.track_record")
    given = json.loads(folder.joinpath(LISTS[kind]).read_text(encoding="utf-8"))
    del given["version"]
    cells = tuple(Cell(**{**row, "texts": tuple(row["texts"])}) for row in given.pop("cells"))
    return CellList(cells, seeds=tuple(given.pop("seeds")), **given)


def first_rows(cells: list[Cell], folder: Path) -> "pd.DataFrame":
    """Return texts and labels of the rows that cells of one data set may use.

    Rows are the first in the order of a hash of their text, so that they do not depend on the
    order of the file; repeated texts are taken once.

    Args:
        cells: Cells of the same data set.
        folder: Where ``text/NAME.parquet`` is.
    """
    import pandas as pd

    columns = list(cells[0].texts)
    path = folder / "text" / f"{cells[0].data}.parquet"
    frame = pd.read_parquet(path, columns=[*columns, "label"])
    frame = pd.DataFrame(frame[frame["label"] >= 0]).dropna().drop_duplicates(subset=columns)
    order = [
        hashlib.sha256("\0".join(row).encode()).hexdigest()
        for row in frame[columns].itertuples(index=False)
    ]
    most = max(cell.n_labelled + cell.n_unlabelled + cell.n_test for cell in cells)
    return frame.iloc[np.argsort(order)[: most + SPARE_ROWS]]


def rows_of(data: str, folder: Path, cache_folder: Path) -> Rows:
    """Return the rows of a data set that its cells may use, features from the cache or computed.

    Args:
        data: Name of the data set.
        folder: Where ``text/NAME.parquet`` is.
        cache_folder: Where features are kept.
    """
    from w2sg.models.features import pooled_features

    known = cell_list()
    cells = [cell for cell in known.cells if cell.data == data]
    columns = list(cells[0].texts)
    frame = first_rows(cells, folder)
    texts = tuple(frame[columns[0]])
    pairs = tuple(frame[columns[1]]) if len(columns) > 1 else None
    digest = hashlib.sha256("\0".join([*texts, *(pairs or ())]).encode()).hexdigest()[:16]
    blocks = []
    for layers in (None, 1):
        file = cache_folder / f"{data}-{digest}-{layers or 'last'}-{known.max_tokens}.npy"
        if not file.exists():
            values = pooled_features(
                known.student,
                texts,
                pairs,
                layers=layers,
                max_length=known.max_tokens,
                precision=PRECISION,
            )
            cache_folder.mkdir(parents=True, exist_ok=True)
            beside = file.with_suffix(".part.npy")
            np.save(beside, values, allow_pickle=False)
            beside.replace(file)
        blocks.append(np.load(file, allow_pickle=False))
    return Rows(texts, pairs, frame["label"].to_numpy(np.int64), blocks[0], blocks[1])
