"""What Python users call to run many runs: `sweep`, its table, and a sweep that is stored."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from w2sg._arguments import (
    as_flag,
    as_names,
    as_number,
    as_path,
    as_whole,
    check_callable,
    check_workers,
)
from w2sg._extras import require
from w2sg.api import keep
from w2sg.runs import together
from w2sg.runs.checks import refuse_unusable
from w2sg.runs.cost import Advice, Cost, advise, estimate, rows_of
from w2sg.runs.execute import Event, Execution, Outcome, RunFailed, Watch
from w2sg.runs.identity import refuse_unknown, run_id
from w2sg.runs.launch import Launcher, Task
from w2sg.runs.machine import visible_gpus
from w2sg.runs.payloads import Artifact
from w2sg.runs.requested import with_stored_model
from w2sg.runs.scheduler import Scheduler
from w2sg.runs.store import Manifest, Store, explained, read_manifest
from w2sg.runs.sweep import DataOf, SweepPlan, plan_sweep, read_data
from w2sg.runs.sweep_record import read_record, stored, sweep_folder, write_record
from w2sg.runs.sweep_spec import SweepSpec, load_sweep, shown
from w2sg.spec import SpecError
from w2sg.sweep_results import SweepResult
from w2sg.train.loggers import check as check_loggers

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Prepared:
    """A sweep that is planned and not begun.

    Attributes:
        spec: What is swept.
        plan: Its calls, equal ones merged.
        data: What each cell reads.
        facts: Key of divided data → what dividing them found.
    """

    spec: SweepSpec
    plan: SweepPlan
    data: tuple[DataOf, ...]
    facts: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class DryRun:
    """What a sweep would do.

    Attributes:
        prepared: The planned sweep.
        states: Key → ``"cached"``, ``"failed"``, ``"damaged"`` or ``"new"``.
        cost: Of what is not cached.
        advice: Seeds for the target difference, where a pilot is stored.
    """

    prepared: Prepared
    states: Mapping[str, str]
    cost: Cost
    advice: Advice | None


def sweep(
    spec: str | Path | Mapping[str, Any] | SweepSpec,
    overrides: Mapping[str, Any] | None = None,
    *,
    workers: int = 1,
    launcher: Launcher | None = None,
    retry_failed: bool = False,
    watch: Watch | None = None,
    loggers: tuple[str, ...] = (),
    processes_per_training: int = 1,
) -> "pd.DataFrame":
    """Run a sweep and return a tidy table, one row per cell.

    What is stored is loaded; equal stages of several cells are computed once. A stage that fails
    is recorded, the others go on, and its cells are NaN in the table, with a warning.

    Args:
        spec: Path of a TOML file or a mapping: the tables of a run, ``grid`` and ``variants``.
        overrides: Dotted fields of every cell.
        workers: Processes on this machine; 1 computes in this one.
        launcher: Computes the stages elsewhere, such as ``w2sg.runs.launch.ray.Ray()``.
        retry_failed: Compute stages again that failed before.
        watch: Called with every event.
        loggers: Names of loggers that trainings report to: tensorboard, wandb, mlflow, trackio.
        processes_per_training: How many share a training, one GPU each where there are any.

    Returns:
        A column for each swept key, then ``teacher, student, ceiling``, then ``gain, pgr,
        student_entropy, misfit, residual, risk_gain``, each with ``…_low`` and ``…_high``, and the
        ``divergence`` that the last four are measured in; ``attrs["reasons"]`` says row by row why
        numbers are missing.

    Raises:
        SpecError: The spec is wrong.
        ValueError: The data cannot be used.
        StoreError: The store cannot be written; finished stages are kept.
    """
    result = run_sweep(
        spec,
        overrides,
        workers=workers,
        launcher=launcher,
        retry_failed=retry_failed,
        watch=watch,
        loggers=loggers,
        processes_per_training=processes_per_training,
    )
    table = result.table()
    missing = [m is None for m in result.evaluations()]
    if any(missing):
        why = next(reason for reason, gone in zip(result.reasons(), missing, strict=True) if gone)
        warnings.warn(
            f"{sum(missing)} of {len(missing)} cells have no result ({why}); "
            "retry_failed=True computes what failed again",
            stacklevel=2,
        )
    return table


def run_sweep(
    spec: str | Path | Mapping[str, Any] | SweepSpec,
    overrides: Mapping[str, Any] | None = None,
    *,
    workers: int = 1,
    launcher: Launcher | None = None,
    retry_failed: bool = False,
    watch: Watch | None = None,
    loggers: tuple[str, ...] = (),
    processes_per_training: int = 1,
    stage_timeout: float | None = None,
    checkpoint_seconds: float = 300.0,
    planned: Callable[[Prepared], None] | None = None,
) -> SweepResult:
    """Run a sweep and return it as it lies in the store; see `sweep`.

    Args:
        spec: As in `sweep`, or a validated sweep.
        overrides: Dotted fields of every cell.
        workers: Processes on this machine.
        launcher: Computes the stages elsewhere.
        retry_failed: Compute stages again that failed before.
        watch: Called with every event.
        loggers: Names of loggers.
        processes_per_training: How many share a training.
        stage_timeout: Most seconds of one stage.
        checkpoint_seconds: Time between two checkpoints of a training.
        planned: Called when the plan is made, before anything is computed.
    """
    check_workers(workers, launcher)
    as_whole("processes_per_training", processes_per_training, low=1)
    as_flag("retry_failed", retry_failed)
    as_number("checkpoint_seconds", checkpoint_seconds, zero=True)
    if stage_timeout is not None:
        as_number("stage_timeout", stage_timeout, zero=True)
    for name, function in (("watch", watch), ("planned", planned)):
        check_callable(name, function)
    loggers = as_names("loggers", loggers)
    require("train", "a sweep")
    check_loggers(loggers)
    together.refuse_outer_launch()
    if launcher is None:  # elsewhere there may be more of them than here
        together.refuse_few_gpus(processes_per_training)
    told = watch or (lambda _: None)
    checked = checked_sweep(spec, overrides)
    prepared = prepare(checked, watch=told, write=True)
    together.refuse_small_batches(prepared.plan.calls.values(), processes_per_training)
    if launcher is None:  # where stages are computed elsewhere, the models may be there alone
        refuse_unusable_cells(prepared)
    folder = sweep_folder(checked)
    runs = [run_id(cell.spec) for cell in checked.cells]
    with explained(checked.store):
        record = write_record(folder, checked, prepared.plan, runs)
    if planned is not None:
        planned(prepared)
    progress = Scheduler(
        prepared.plan.calls,
        Task(
            call=next(iter(prepared.plan.calls.values())),
            store=str(checked.store.resolve()),
            retry_failed=retry_failed,
            loggers=loggers,
            limit_seconds=stage_timeout,
            checkpoint_seconds=checkpoint_seconds,
            processes=processes_per_training,
        ),
        launcher or on_this_machine(workers, processes_per_training),
        told,
        done=set(prepared.facts),
    ).run()
    result = SweepResult(record, folder, Store(checked.store), progress)
    with explained(checked.store):
        _keep_runs(result, prepared)
        result.report(folder / "report.html")
    return result


def refuse_unusable_cells(prepared: Prepared) -> None:
    """Load and try every model and classifier of a sweep that is to be computed here.

    Args:
        prepared: The sweep, its data divided and stored.

    Raises:
        ValueError: One of them cannot be used; the text names the cell and the field.
    """
    store = Store(prepared.spec.store)

    def load(key: str) -> Artifact:
        return Artifact(read_manifest(store.folder(key)), store.folder(key))

    seen: set[Any] = set()
    for one in prepared.plan.cells:
        student = str(one.cell.spec.student.model)
        try:
            refuse_unusable(one.plan.calls.values(), load, store, student, seen)
        except ValueError as error:
            cell = f"[{one.cell.name}] " if one.cell.settings else ""
            raise ValueError(f"{cell}{error}") from error


def dry_run(
    spec: str | Path | Mapping[str, Any] | SweepSpec,
    overrides: Mapping[str, Any] | None = None,
    *,
    target: float = 0.01,
) -> DryRun:
    """Plan a sweep and compute nothing but the division of its data; nothing is written.

    Args:
        spec: As in `sweep`, or a validated sweep.
        overrides: Dotted fields of every cell.
        target: Difference in accuracy between two cells that the advised seeds should show.
    """
    as_number("target", target)
    checked = checked_sweep(spec, overrides)
    require("train", "the plan of a sweep")
    prepared = prepare(checked, watch=lambda _: None, write=False)
    store = Store(checked.store)
    states = {}
    for key in prepared.plan.calls:
        manifest, damage = store.read(key)
        if manifest is not None:
            states[key] = "cached" if manifest.status == "done" else "failed"
        else:
            states[key] = "new" if damage is None else "damaged"
    calls = [call for key, call in prepared.plan.calls.items() if states[key] != "cached"]
    cost = estimate(calls, store.manifests(), rows_of(prepared.facts))
    return DryRun(prepared, states, cost, advise(prepared.plan, store, target=target))


def open_sweep(spec: str | Path, overrides: Mapping[str, Any] | None = None) -> SweepResult:
    """Return a stored sweep, finished or not; nothing is computed.

    Args:
        spec: The sweep's TOML file, or its folder in a store.
        overrides: As the sweep was run with.

    Raises:
        ValueError: There is no such sweep in the store, or overrides are given for a folder.
    """
    folder = as_path("spec", spec)
    if not folder.is_dir():
        folder = sweep_folder(load_sweep(spec, overrides, stored=True))
    elif overrides:
        raise ValueError(
            f"{next(iter(overrides))} is set for the folder of a sweep, which is stored as it was "
            "run; leave it out, or give the sweep's TOML file"
        )
    return SweepResult(read_record(folder), folder, Store(folder.parent.parent))


def checked_sweep(
    spec: str | Path | Mapping[str, Any] | SweepSpec, overrides: Mapping[str, Any] | None = None
) -> SweepSpec:
    """Return a validated sweep, models given as objects saved beside the results.

    Raises:
        SpecError: The spec is wrong, or it is validated and there are overrides.
    """
    if isinstance(spec, SweepSpec):
        if overrides:
            raise SpecError("overrides are for a file or a mapping; this sweep is validated")
        return spec
    checked = load_sweep(spec, overrides)
    cells = tuple(replace(cell, spec=with_stored_model(cell.spec)) for cell in checked.cells)
    return replace(checked, cells=cells)


def prepare(spec: SweepSpec, *, watch: Watch, write: bool, retry_failed: bool = True) -> Prepared:
    """Divide the data and plan every cell.

    Args:
        spec: The sweep.
        watch: Called with every event.
        write: Whether the divided data are stored.
    """
    from w2sg.models.backbone import resolve_precision
    from w2sg.runs.compute import compute
    from w2sg.runs.context import Context

    for cell in spec.cells:
        refuse_unknown(cell.spec)
    store = Store(spec.store)
    data = read_data(spec)
    facts: dict[str, Mapping[str, Any]] = {}
    for cell, given in zip(spec.cells, data, strict=True):
        run = Execution(store, watch, tables=given.tables, data=cell.spec.data)
        varied = [f"{k}={shown(v)}" for k, v in cell.settings.items() if k.startswith("data.")]
        for plain in given.calls.values():
            label = f"{plain.label} [{', '.join(varied)}]" if varied else plain.label
            call = replace(plain, label=label)
            if call.key in facts:
                continue
            manifest, _ = store.read(call.key)
            if manifest is not None and manifest.status == "done":
                watch(Event("cached", call, manifest=manifest))
                facts[call.key] = manifest.facts
            elif write:
                facts[call.key] = _divided(run, call).facts
            else:
                context = Context(
                    load=_nothing_to_load,
                    tables=given.tables,
                    data=cell.spec.data,
                    work_folder=store.work_folder(call.key),
                    progress=lambda *_: None,
                )
                facts[call.key], _ = compute(call, context)
    plan = plan_sweep(spec, data, facts.__getitem__, resolve_precision("auto"))
    return Prepared(spec, plan, tuple(data), facts)


def on_this_machine(workers: int, processes_per_training: int = 1) -> Launcher:
    """Return what computes on this machine: in this process, or in so many others.

    Args:
        workers: How many.
        processes_per_training: GPUs that each of them gets, where there are any.
    """
    from w2sg.runs.launch.in_process import InProcess
    from w2sg.runs.launch.processes import Processes

    if workers == 1:
        return InProcess()
    gpus, share = visible_gpus(), processes_per_training
    whole = len(gpus) - len(gpus) % share
    return Processes(
        workers, gpus=tuple(",".join(gpus[i : i + share]) for i in range(0, whole, share))
    )


def _nothing_to_load(key: str) -> Any:
    raise KeyError(f"dividing the data needs no stage, and asked for {key}")


def _divided(run: Execution, call: Any) -> Manifest:
    try:
        return run.ensure(call)
    except RunFailed as failure:
        if isinstance(failure.__cause__, ValueError):  # wrong data are input, not a failed stage
            raise ValueError(str(failure.__cause__)) from failure
        raise


def _keep_runs(result: SweepResult, prepared: Prepared) -> None:
    """Write the run folder of every finished cell, so that each can be reported and asked."""
    for one, evaluation in zip(prepared.plan.cells, result.evaluations(), strict=True):
        if evaluation is None:
            continue
        keys = dict.fromkeys([*one.data.values(), *one.plan.roles.values()])
        manifests = {key: stored(result.store, key) for key in keys}
        keep(
            Outcome(
                spec=one.cell.spec,
                plan=one.plan,
                data=one.data,
                manifests={key: m for key, m in manifests.items() if m is not None},
                store=result.store,
                computed=(),
            )
        )
