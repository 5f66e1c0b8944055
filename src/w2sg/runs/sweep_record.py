"""What a store remembers of a sweep, and how far its cells are, read from the stages themselves."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from w2sg.runs.names import checked_folder, checked_key
from w2sg.runs.store import (
    Manifest,
    Store,
    StoreError,
    digest,
    read_json,
    read_manifest,
    write_atomically,
)
from w2sg.runs.sweep import SweepPlan
from w2sg.runs.sweep_spec import SweepSpec, shown

RECORD = "sweep.json"
RECORD_VERSION = 1
PARTIAL = "partial"  # stages that came in an archive without their weights


@dataclass(frozen=True)
class CellRecord:
    """One cell of a sweep as it is remembered.

    Attributes:
        settings: Swept key → value, as text where JSON has no such value.
        run: Name of its folder among the runs of the store.
        roles: Role → key.
        data: Seed → key of the divided data.
        n_naive: Trainings of a loop over its seeds without sharing.
    """

    settings: Mapping[str, Any]
    run: str
    roles: Mapping[str, str]
    data: Mapping[str, str]
    n_naive: int

    @property
    def name(self) -> str:
        """The settings in one line."""
        return ", ".join(f"{key}={value}" for key, value in self.settings.items())

    @property
    def keys(self) -> tuple[str, ...]:
        """Every stage that the cell needs."""
        return tuple(dict.fromkeys([*self.data.values(), *self.roles.values()]))


@dataclass(frozen=True)
class SweepRecord:
    """A sweep as its store remembers it.

    Attributes:
        axes: Swept key of the grid → its values.
        cells: In the order of the spec.
        labels: Key → what the stage is called.
        n_naive: Trainings of a loop in which every cell trains all it needs.
        n_trainings: Trainings of the merged graph.
    """

    axes: Mapping[str, tuple[Any, ...]]
    cells: tuple[CellRecord, ...]
    labels: Mapping[str, str]
    n_naive: int
    n_trainings: int

    @property
    def columns(self) -> tuple[str, ...]:
        """Every swept key."""
        return tuple(dict.fromkeys(key for cell in self.cells for key in cell.settings))

    @property
    def keys(self) -> tuple[str, ...]:
        """Every stage of the sweep, once."""
        return tuple(dict.fromkeys(key for cell in self.cells for key in cell.keys))


def sweep_folder(spec: SweepSpec) -> Path:
    """Return where the record and the page of a sweep are; the store's place is not in the name."""
    bodies = []
    for cell in spec.cells:
        fields = cell.spec.model_dump(mode="json")
        fields["run"].pop("store")
        settings = {key: shown(value) for key, value in cell.settings.items()}
        bodies.append([settings, fields])
    return spec.store / "sweeps" / digest(bodies)[:12]


def write_record(folder: Path, spec: SweepSpec, plan: SweepPlan, runs: list[str]) -> SweepRecord:
    """Remember a planned sweep; its results are the stages that it names.

    Args:
        folder: Of the sweep.
        spec: What is swept.
        plan: Its calls.
        runs: Names of the cells' run folders.
    """
    record = {
        "version": RECORD_VERSION,
        "axes": {key: [plain(v) for v in values] for key, values in spec.axes.items()},
        "cells": [
            {
                "settings": {key: plain(v) for key, v in one.cell.settings.items()},
                "run": run,
                "roles": dict(one.plan.roles),
                "data": {str(seed): key for seed, key in one.data.items()},
                "n_naive": one.plan.n_naive,
            }
            for one, run in zip(plan.cells, runs, strict=True)
        ],
        "labels": {key: call.label for key, call in plan.calls.items()},
        "n_naive": plan.n_naive,
        "n_trainings": plan.n_trainings,
    }
    write_atomically(folder / RECORD, json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    return read_record(folder)


def read_record(folder: Path) -> SweepRecord:
    """Return what a store remembers of a sweep.

    Raises:
        ValueError: There is no sweep.
    """
    try:
        fields = read_json(folder / RECORD)
        if (version := fields.get("version")) != RECORD_VERSION:
            raise ValueError(
                f"it has version {version!r}, this w2sg reads {RECORD_VERSION}: update w2sg"
            )
        return SweepRecord(
            axes={key: tuple(values) for key, values in fields["axes"].items()},
            cells=tuple(_cell(cell) for cell in fields["cells"]),
            labels=fields["labels"],
            n_naive=fields["n_naive"],
            n_trainings=fields["n_trainings"],
        )
    except (FileNotFoundError, NotADirectoryError):
        raise ValueError(
            f"{str(folder)!r} holds no sweep; `w2sg sweep SPEC` plans and runs one"
        ) from None
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(
            f"the record of the sweep in {str(folder)!r} cannot be read ({error}); run the sweep "
            "again: finished stages are found"
        ) from None


def _cell(fields: dict[str, Any]) -> CellRecord:
    cell = CellRecord(**fields)
    checked_folder(cell.run)
    for key in cell.keys:
        checked_key(key)
    return cell


def stored(store: Store, key: str) -> Manifest | None:
    """Return a manifest without reading its payload; also of a stage that came without weights."""
    for folder in (store.folder(key), store.root / PARTIAL / key):
        try:
            return read_manifest(folder)
        except (OSError, ValueError, StoreError):
            continue
    return None


def plain(value: Any) -> Any:
    """Return a value as JSON has it, a Python object as its name."""
    return value if isinstance(value, str | int | float | bool) else shown(value)
