"""Cells whose outcome is a fine-tuning: `preflight` writes the forecast, then the run is run."""

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from w2sg import arms
from w2sg._seeds import child_seed
from w2sg.studies.track_record.cells import Cell, CellList, cell_list, first_rows
from w2sg.studies.track_record.runner import outcome_facts, table, write_json

if TYPE_CHECKING:
    import pandas as pd


def run_fine_tuned(
    data_folder: str | Path,
    out_folder: str | Path,
    *,
    names: tuple[str, ...] = (),
    tell: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Run the fine-tuned cells that have no outcome yet and return the table of all cells.

    ``out_folder`` gets ``forecasts/CELL.json`` before and ``outcomes/CELL.json`` after each run,
    and the store that preflight and run share; an interrupted record goes on.

    Args:
        data_folder: Where ``text/NAME.parquet`` is.
        out_folder: Where data files, store, forecasts and outcomes go.
        names: Cells to run; all if empty.
        tell: Called with a line per cell.

    Raises:
        ValueError: A name is no cell.
    """
    folder, out = Path(data_folder), Path(out_folder)
    listed = cell_list("fine_tuned")
    if unknown := set(names) - {cell.name for cell in listed.cells}:
        raise ValueError(f"names must be cells of the list, got {sorted(unknown)}")
    for cell in listed.cells:
        wanted = not names or cell.name in names
        if not wanted or (out / "outcomes" / f"{cell.name}.json").exists():
            continue
        started = time.time()
        frame = told_rows(cell, first_rows([cell], folder))
        path = out / "data" / f"{cell.name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        frame.to_parquet(path, index=False)
        run_cell(cell, spec_of(cell, listed, path, out / "store"), out)
        tell(f"{cell.name}: {time.time() - started:.0f} s")
    return table(out)


def told_rows(cell: Cell, frame: "pd.DataFrame") -> "pd.DataFrame":
    """Return the rows with a column ``told`` of which the cell's share is flipped, if it has one.

    Args:
        cell: The experiment.
        frame: Its rows, with class numbers in ``label``.
    """
    if cell.teacher["kind"] != "column":
        return frame
    rng = np.random.default_rng(child_seed(0, cell.name, "flips"))
    labels = frame["label"].to_numpy()
    k = int(labels.max()) + 1
    other = (labels + rng.integers(1, k, len(labels))) % k
    flips = rng.random(len(labels)) < cell.teacher["flip"]
    return frame.assign(told=np.where(flips, other, labels))


def spec_of(cell: Cell, listed: CellList, path: Path, store: Path) -> dict[str, Any]:
    """Return the tables of the spec that forecast and run share; rates are the default ones."""
    kind = cell.teacher["kind"]
    teacher: dict[str, Any] = {"kind": kind}
    if kind == "column":
        teacher["column"] = "told"
    if kind == "probe":
        teacher |= {"model": listed.student, "layers": cell.teacher["layers"]}
    sizes = {name: getattr(cell, name) for name in ("n_labelled", "n_unlabelled", "n_test")}
    student = {"model": listed.student, "max_length": listed.max_tokens}
    student |= {"epochs": listed.epochs, "min_steps": listed.min_steps}
    return {
        "data": {"path": str(path), **sizes},
        "teacher": teacher,
        "student": student,
        "run": {"seeds": list(listed.seeds), "preview": False, "store": str(store)},
    }


def run_cell(cell: Cell, tables: dict[str, Any], out: Path) -> None:
    """Write the forecast of a cell, then its outcome.

    Args:
        cell: The experiment.
        tables: Its spec.
        out: Where the two files go.
    """
    import pandas as pd

    from w2sg.runs.execute import execute
    from w2sg.runs.preflight import preflight
    from w2sg.spec import load

    spec = load(tables)
    forecast = preflight(spec)
    before = {
        "cell": asdict(cell),
        "observed": forecast.facts["observed"],
        "written": forecast.manifest.started + forecast.manifest.seconds,
        "seconds": forecast.manifest.seconds,
    }
    write_json(out / "forecasts" / f"{cell.name}.json", before)
    begun = time.time()
    found = execute(spec)
    scores = pd.read_parquet(found.of_role("evaluation").folder / "scores.parquet")
    hits = {
        arm: scores[scores["arm"] == arm]
        .pivot(index="seed", columns="id", values="correct")
        .to_numpy(dtype=bool)
        for arm in ("teacher", *arms.ways(), "ceiling")
    }
    write_json(out / "outcomes" / f"{cell.name}.json", outcome_facts(hits, begun))
