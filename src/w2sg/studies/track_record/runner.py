"""Run the cells: the forecast, then the outcome, one file each; and the table of both."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2sg import arms
from w2sg._arrays import FloatArray
from w2sg._seeds import child_seed
from w2sg.forecast.arm_heads import fit_arms
from w2sg.forecast.evidence import Evidence
from w2sg.forecast.observed import observe
from w2sg.forecast.rehearsal import rehearse
from w2sg.heads.ridge import RidgePath, as_labels
from w2sg.studies.track_record.cells import LISTS, Cell, Rows, cell_list, rows_of

LEAST_PER_CLASS = 10
DIGITS = 6  # of everything but times, which must show what came first


def run_record(
    data_folder: str | Path,
    out_folder: str | Path,
    *,
    names: tuple[str, ...] = (),
    tell: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Run the frozen-feature cells that have no outcome yet and return the table.

    ``out_folder`` gets ``forecasts/CELL.json`` before and ``outcomes/CELL.json`` after each
    outcome; a cell with both is not run again, so an interrupted record goes on.

    Args:
        data_folder: Where ``text/NAME.parquet`` is.
        out_folder: Where features, forecasts and outcomes go.
        names: Cells to run; all if empty.
        tell: Called with a line per cell.

    Raises:
        ValueError: A name is no cell.
    """
    data_folder, out = Path(data_folder), Path(out_folder)
    cells = cell_list().cells
    if unknown := set(names) - {cell.name for cell in cells}:
        raise ValueError(f"names must be cells of the list, got {sorted(unknown)}")
    for data in dict.fromkeys(cell.data for cell in cells):
        wanted = [c for c in cells if c.data == data and (not names or c.name in names)]
        missing = [c for c in wanted if not (out / "outcomes" / f"{c.name}.json").exists()]
        if not missing:
            continue
        rows = rows_of(data, data_folder, out / "features")
        for cell in missing:
            started = time.time()
            run_cell(cell, rows, out)
            tell(f"{cell.name}: {time.time() - started:.0f} s")
    return table(out)


def run_cell(cell: Cell, rows: Rows, out: Path) -> None:
    """Write the forecast of a cell, then its outcome.

    Args:
        cell: The experiment.
        rows: Rows and features of its data set.
        out: Where the two files go.
    """
    seeds = cell_list().seeds
    started = time.time()
    evidence = divided(cell, rows, seeds[0])[0]
    rehearsal = rehearse(evidence)
    n = evidence.n
    ways = fit_arms(evidence.strong[:n], evidence.truth, evidence.strong[n:], evidence.teacher[n:])
    observed = observe(evidence, rehearsal, ways)
    known = {"cell": asdict(cell), "observed": asdict(observed), "written": time.time()}
    write_json(out / "forecasts" / f"{cell.name}.json", known | {"seconds": time.time() - started})
    begun = time.time()
    found = [outcome(cell, rows, seed) for seed in seeds]
    hits = {arm: np.stack([each[arm] for each in found]) for arm in found[0]}
    write_json(out / "outcomes" / f"{cell.name}.json", outcome_facts(hits, begun))


def outcome_facts(hits: dict[str, NDArray[np.bool_]], begun: float) -> dict[str, Any]:
    """Return what the record keeps of an outcome.

    Args:
        hits: Arm → whether each test row was right, (seeds, rows): teacher, every way, ceiling.
        begun: When the outcome was begun, seconds since the epoch.
    """
    mean = {arm: float(right.mean()) for arm, right in hits.items()}
    gains = hits["student"].mean(axis=1) - hits["teacher"].mean(axis=1)
    best = max(arms.ways(), key=lambda way: mean[way])
    away = {}
    for way in arms.ways():
        difference = (hits[best].astype(float) - hits[way]).mean(axis=0)
        away[way] = float(difference.std() / np.sqrt(len(difference)))
    return {
        "accuracy": mean,
        "gain_sd": float(gains.std(ddof=1)),
        "best_gap_sd": away,
        "begun": begun,
        "seconds": time.time() - begun,
    }


def divided(
    cell: Cell, rows: Rows, seed: int
) -> tuple[Evidence, NDArray[np.int64], NDArray[np.int64], FloatArray]:
    """Return a seed's evidence, its unlabelled and test rows, and the teacher's test answers.

    Test rows are the first of the data set whatever the seed; the labelled rows keep the shares
    of the classes.

    Args:
        cell: The experiment.
        rows: Rows of its data set.
        seed: Decides labelled and unlabelled rows, and flips.
    """
    rng = np.random.default_rng(child_seed(seed, "track_record", cell.name))
    k = int(rows.labels.max()) + 1
    test = np.arange(cell.n_test)
    rest = cell.n_test + rng.permutation(len(rows.labels) - cell.n_test)
    labelled = _stratified(rest, rows.labels, cell.n_labelled, k)
    unlabelled = rest[~np.isin(rest, labelled)][: cell.n_unlabelled]
    used = np.concatenate([labelled, unlabelled])
    everything = np.concatenate([used, test])
    told = _teacher(cell, rows, everything, cell.n_labelled, k, rng)
    seen = np.arange(cell.n_labelled)

    def refit(chosen: NDArray[np.int64]) -> FloatArray:
        return told(chosen)[: len(used)]

    answers = told(seen)
    evidence = Evidence(
        rows.labels[labelled],
        rows.strong[used],
        answers[: len(used)],
        refit=None if cell.teacher["kind"] == "column" else refit,
        n_test=cell.n_test,
        n_seeds=len(cell_list().seeds),
    )
    return evidence, unlabelled, test, answers[len(used) :]


def outcome(cell: Cell, rows: Rows, seed: int) -> dict[str, NDArray[np.bool_]]:
    """Return arm → whether each test row was right: teacher, every way, ceiling."""
    evidence, unlabelled, test, told = divided(cell, rows, seed)
    n = evidence.n
    ways = fit_arms(
        evidence.strong[:n],
        evidence.truth,
        evidence.strong[n:],
        evidence.teacher[n:],
        hidden=np.eye(evidence.n_classes)[rows.labels[unlabelled]],
    )
    scores = {"teacher": told, **ways.scores(rows.strong[test].astype(np.float64))}
    return {arm: s.argmax(axis=1) == rows.labels[test] for arm, s in scores.items()}


def table(out: Path) -> dict[str, Any]:
    """Return the record of what has both forecast and outcome, as the package stores it."""
    rows: list[dict[str, Any]] = []
    for kind in LISTS:
        for cell in cell_list(kind).cells:
            files = [out / part / f"{cell.name}.json" for part in ("forecasts", "outcomes")]
            if not all(file.exists() for file in files):
                continue
            before, after = (json.loads(file.read_text(encoding="utf-8")) for file in files)
            made = {
                "name": cell.name,
                "family": cell.family,
                "teacher": cell.teacher["kind"],
                "kind": kind,
                "observed": before["observed"],
                "accuracy": after["accuracy"],
                "gain_sd": after["gain_sd"],
                "best_gap_sd": after["best_gap_sd"],
            }
            times = {"forecast_at": before["written"], "outcome_at": after["begun"]}
            rows.append({**_rounded(made), **times})
    return {"version": 1, "cells": rows}


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return round(value, DIGITS) if isinstance(value, float) else value


def _teacher(
    cell: Cell,
    rows: Rows,
    everything: NDArray[np.int64],
    n: int,
    n_classes: int,
    rng: np.random.Generator,
) -> Callable[[NDArray[np.int64]], FloatArray]:
    """Return: positions among the labelled rows → the teacher's answers on all rows."""
    labels = rows.labels[everything]
    kind = cell.teacher["kind"]
    if kind == "column":
        other = (labels + rng.integers(1, n_classes, len(labels))) % n_classes
        flipped = np.where(rng.random(len(labels)) < cell.teacher["flip"], other, labels)
        return lambda _: np.eye(n_classes)[flipped]
    if kind == "probe":
        x = rows.weak[everything].astype(np.float64)
        return lambda seen: as_labels(
            RidgePath(x[seen]).fit(np.eye(n_classes)[labels[seen]]).scores(x)
        )
    from w2sg.models.baselines import fit_tfidf

    texts = [rows.texts[i] for i in everything]
    pairs = None if rows.pairs is None else [rows.pairs[i] for i in everything]
    penalty: list[float] = []

    def tfidf(seen: NDArray[np.int64]) -> FloatArray:
        model = fit_tfidf(
            [texts[i] for i in seen],
            labels[seen],
            None if pairs is None else [pairs[i] for i in seen],
            n_classes=n_classes,
            folds=5,
            seed=0,
            penalty=penalty[0] if penalty else None,
        )
        if len(seen) == n:
            penalty[:] = [model.penalty]
        return model.predict_proba(texts, pairs)

    return tfidf


def _stratified(
    rows: NDArray[np.int64], labels: NDArray[np.int64], count: int, n_classes: int
) -> NDArray[np.int64]:
    share = np.bincount(labels[rows], minlength=n_classes) / len(rows)
    wanted = np.maximum(np.round(share * count).astype(int), LEAST_PER_CLASS)
    wanted[wanted.argmax()] += count - wanted.sum()
    of = [rows[labels[rows] == k][: wanted[k]] for k in range(n_classes)]
    return np.concatenate(of)


def write_json(path: Path, value: Any) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".part")
    beside.write_text(json.dumps(value, indent=1, allow_nan=False), encoding="utf-8")
    beside.replace(path)
