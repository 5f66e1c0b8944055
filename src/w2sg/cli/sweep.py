"""`w2sg sweep`: many runs as one plan, and what it will cost before it begins."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from w2sg._arguments import as_number
from w2sg.cli.options import within
from w2sg.cli.output import terminal
from w2sg.cli.sweep_progress import LiveSweep, clock

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from w2sg.runs.launch import Launcher
    from w2sg.sweep_results import SweepResult
    from w2sg.sweeps import DryRun

LAUNCHERS = ("local", "ray", "slurm")
READERS = {  # option → the launchers that read it
    "workers": ("local",),
    "address": ("ray",),
    "partition": ("slurm",),
    "gpus_per_training": ("ray", "slurm"),
    "cpus_per_training": ("ray", "slurm"),
    "memory_per_training": ("ray", "slurm"),
    "hours_per_job": ("slurm",),
}
SHOWN = 3  # stages that failed alike
UNITS = {"kl": "nats of cross-entropy", "squared": "squared error"}


def sweep(
    spec: Path,
    *,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    workers: int | None = None,
    launcher: str = "local",
    address: str | None = None,
    partition: str | None = None,
    processes_per_training: int = 1,
    gpus_per_training: float | None = None,
    cpus_per_training: float | None = None,
    memory_per_training: float | None = None,
    hours_per_job: float | None = None,
    retry_failed: Annotated[bool, Parameter(negative="")] = False,
    stage_timeout: float | None = None,
    checkpoint_minutes: float = 5.0,
    detect: float | None = None,
    set: Annotated[tuple[str, ...], Parameter(name=["--set"], negative=())] = (),
    log_to: Annotated[tuple[str, ...], Parameter(name=["--log-to"], negative=())] = (),
) -> int:
    """Run every cell of a sweep; what is stored is found, what cells share is computed once.

    Parameters
    ----------
    spec
        A TOML file: the tables of a run, [grid] and [[variants]].
    dry_run
        Show the plan, what is cached, estimated hours and advised seeds; compute nothing.
    workers
        Stages at once on this machine; by default one per GPU, or one for every four cores.
    launcher
        local, ray or slurm.
    address
        Of a Ray cluster: auto, or host:port.
    partition
        Of Slurm.
    processes_per_training
        Processes that share each training, one GPU each; torchrun starts them.
    gpus_per_training
        GPUs of one training, with Ray and Slurm; fractions allowed with Ray.
    cpus_per_training
        Cores of one training, with Ray and Slurm; by default one for each process.
    memory_per_training
        GB of one training, with Ray and Slurm.
    hours_per_job
        Longest Slurm job, 4 by default; a longer training goes on from its checkpoint in the next.
    retry_failed
        Compute stages again that failed before.
    stage_timeout
        Most hours of one stage.
    checkpoint_minutes
        Time between two checkpoints of a training.
    detect
        With --dry-run: difference between two cells, in points of accuracy, for the advised
        seeds; 1 by default.
    set
        Any field of every cell, as in --set student.epochs=1; may be repeated.
    log_to
        tensorboard, wandb, mlflow or trackio; may be repeated.
    """
    from w2sg import sweeps
    from w2sg.spec import SpecError, parse_overrides

    if launcher not in LAUNCHERS:
        raise SpecError(f"--launcher {launcher!r}: must be one of {', '.join(LAUNCHERS)}")
    given = {
        "workers": workers,
        "address": address,
        "partition": partition,
        "gpus_per_training": gpus_per_training,
        "cpus_per_training": cpus_per_training,
        "memory_per_training": memory_per_training,
        "hours_per_job": hours_per_job,
    }
    _check_options(given, launcher)
    as_number("--checkpoint-minutes", checkpoint_minutes, zero=True)
    if stage_timeout is not None:
        as_number("--stage-timeout", stage_timeout)
    within("--processes-per-training", processes_per_training, 1, 1024)
    if detect is not None and not dry_run:
        raise SpecError(f"--detect {detect:g} would change nothing without --dry-run")
    console = terminal()
    overrides = parse_overrides(set)
    n_workers = default_workers(processes_per_training) if workers is None else workers
    cpus = processes_per_training if cpus_per_training is None else cpus_per_training
    gpus = gpus_per_training or 0.0
    if 0 < gpus < processes_per_training > 1:
        raise SpecError(
            f"--gpus-per-training {gpus:g}: each of --processes-per-training "
            f"{processes_per_training} needs a GPU of its own"
        )
    if dry_run:
        target = (1.0 if detect is None else detect) / 100
        show_plan(sweeps.dry_run(spec, overrides, target=target), n_workers, console)
        return 0
    checked = sweeps.checked_sweep(spec, overrides)
    memory = None if memory_per_training is None else int(memory_per_training * 1e9)
    elsewhere: Launcher | None = None
    if launcher == "ray":
        from w2sg.runs.launch.ray import Ray, Share

        share = Share(cpus, gpus, memory)
        elsewhere = Ray(address=address, training=share)
    elif launcher == "slurm":
        from w2sg.runs.launch.slurm import Slurm

        elsewhere = Slurm(
            checked.store / "slurm",
            partition=partition,
            cpus=max(1, round(cpus)),
            gpus=round(gpus),
            memory=memory,
            hours=4.0 if hours_per_job is None else hours_per_job,
        )
    with LiveSweep(console, checked.store) as live:
        result = sweeps.run_sweep(
            checked,
            workers=n_workers if elsewhere is None else 1,
            launcher=elsewhere,
            retry_failed=retry_failed,
            watch=live.watch,
            loggers=log_to,
            processes_per_training=processes_per_training,
            stage_timeout=None if stage_timeout is None else 3600 * stage_timeout,
            checkpoint_seconds=60 * checkpoint_minutes,
            planned=live.planned,
        )
    show(result, console)
    return 0 if result.finished else 1


def _check_options(given: "Mapping[str, Any]", launcher: str) -> None:
    """Refuse options that the launcher does not read, and sizes that it cannot have."""
    for name, value in given.items():
        if value is None:
            continue
        option = "--" + name.replace("_", "-")
        if launcher not in READERS[name]:
            others = " or ".join(f"--launcher {one}" for one in READERS[name])
            raise ValueError(
                f"{option} {value} would change nothing with --launcher {launcher}: it is for "
                f"{others}; leave it out"
            )
        if isinstance(value, str):
            continue
        if name == "workers":
            within(option, value, 1, 1024)
        as_number(option, value, zero=name == "gpus_per_training")
        if launcher == "slurm" and name in ("gpus_per_training", "cpus_per_training"):
            within(option, value, 0, 1024)
            if value != round(value):
                raise ValueError(f"{option} {value:g}: Slurm gives whole ones; fractions need Ray")


def default_workers(processes: int = 1) -> int:
    """Return one worker for each GPU, or for every four cores, that each process has."""
    from w2sg.runs.machine import cores, visible_gpus

    return max(1, (len(visible_gpus()) or cores() // 4) // max(1, processes))


def show_plan(found: "DryRun", workers: int, console: Console) -> None:
    """Print what a sweep would do."""
    plan, cost = found.prepared.plan, found.cost
    spec = found.prepared.spec
    seeds = spec.cells[0].spec.run.seeds
    table = Table("stage", "in the plan", "cached", "to compute", "estimated time")
    for column in table.columns[1:]:
        column.justify = "right"
    for stage in dict.fromkeys(call.stage for call in plan.calls.values()):
        keys = [key for key, call in plan.calls.items() if call.stage == stage]
        left = [key for key in keys if found.states[key] != "cached"]
        known = [cost.seconds[key] for key in left if key in cost.seconds]
        takes = clock(sum(known)) if known or not left else "no stored time"
        table.add_row(stage, str(len(keys)), str(len(keys) - len(left)), str(len(left)), takes)
    console.print(f"{len(spec.cells)} cells × {len(seeds)} seeds → {spec.store}")
    console.print(table)
    saved = plan.n_naive - plan.n_trainings
    console.print(
        f"{plan.n_trainings} trainings instead of {plan.n_naive} in a loop without sharing: "
        f"{saved} saved ({saved / max(1, plan.n_naive):.0%})."
    )
    if cost.seconds:
        console.print(
            f"Estimated {clock(3600 * cost.hours(workers))} with {workers} "
            f"worker{'s' * (workers > 1)}, from the times of similar stages in this store."
        )
    if cost.unknown:
        kinds = ", ".join(f"{n} {stage}" for stage, n in cost.unknown.items())
        console.print(f"No time of a similar stage is stored for {kinds}; they are not counted.")
    broken = [k for k, state in found.states.items() if state in ("failed", "damaged")]
    for key in broken:
        label = plan.calls[key].label
        console.print(f"{found.states[key]}: {label}")
    _show_advice(found, len(seeds), console)


def show(result: "SweepResult", console: Console) -> None:
    """Print the table of a sweep, what failed and why, and where it all is."""
    frame = result.table()
    console.print()
    for table in cells_tables(tuple(result.record.axes), frame):
        console.print(table)
    reasons: dict[str, list[str]] = {}
    for cell, reason in zip(result.record.cells, frame.attrs["reasons"], strict=True):
        if reason:
            reasons.setdefault(reason, []).append(cell.name)
    for reason, cells in reasons.items():
        who = cells[0] if len(cells) == 1 else f"{len(cells)} cells"
        console.print(f"  {who}: {reason}", style="dim")
    failures = result.failures()
    if failures:
        number = f"{len(failures)} stage{'s' * (len(failures) > 1)} failed"
        console.print(
            f"{number}; `w2sg sweep … --retry-failed` repeats what failed, "
            f"`w2sg show KEY --store {result.store.root}` prints a traceback:",
        )
        alike: dict[tuple[str, ...], list[str]] = {}
        for key, manifest in failures.items():
            what = manifest.facts["failure"]
            told = (f"{what['kind']}: {what['what']}", what["advice"])
            alike.setdefault(told, []).append(f"{key[:12]} {result.record.labels.get(key, '')}")
        for (what, advice), stages in alike.items():
            for line in stages[:SHOWN]:
                console.print(f"  {line}")
            if len(stages) > SHOWN:
                console.print(f"  and {len(stages) - SHOWN} more, all of them")
            console.print(f"    {what}")
            if advice:
                console.print(f"    {advice}")
    console.print(f"sweep   {result.folder}", soft_wrap=True)
    console.print(f"report  {result.folder / 'report.html'}", soft_wrap=True)


def cells_tables(columns: tuple[str, ...], frame: "pd.DataFrame") -> tuple[Table, Table]:
    """Return the tables of all cells for the terminal: accuracies, and the ledger of each."""
    met = list(dict.fromkeys(frame["divergence"].dropna()))
    unit = f", {UNITS[met[0]]} per test row" if len(met) == 1 else ""
    accuracies = Table(title="Accuracy on the test part", title_justify="left", box=SIMPLE_HEAD)
    ledger = Table(
        title=f"Gain in risk = misfit + residual{unit}",
        title_justify="left",
        box=SIMPLE_HEAD,
    )
    for name in short_names(columns):
        accuracies.add_column(name, overflow="fold")
        ledger.add_column(name, overflow="fold")
    for name in ("teacher", "student", "ceiling", "student − teacher", "PGR"):
        accuracies.add_column(name, justify="right", no_wrap=True)
    for name in ("student's entropy", "misfit", "residual", "gain in risk"):
        ledger.add_column(name, justify="right")
    if len(met) > 1:
        ledger.add_column("per test row")
    for row in frame.to_dict("records"):
        named = [str(row[name]) for name in columns]
        accuracies.add_row(
            *named,
            *(percent(row[name]) for name in ("teacher", "student", "ceiling")),
            interval(row, "gain", 100, "+.1f"),
            interval(row, "pgr", 1, ".2f"),
        )
        ledger.add_row(
            *named,
            *(interval(row, name, 1, ".3f") for name in ("student_entropy", "misfit")),
            *(interval(row, name, 1, "+.3f") for name in ("residual", "risk_gain")),
            *([UNITS.get(row["divergence"], "")] if len(met) > 1 else []),
        )
    return accuracies, ledger


def short_names(columns: tuple[str, ...]) -> list[str]:
    """Return the last parts of swept keys, where they tell the keys apart.

    >>> short_names(("student.loss", "student.policy"))
    ['loss', 'policy']
    >>> short_names(("student.policy", "teacher.policy"))
    ['student.policy', 'teacher.policy']
    """
    short = [name.rsplit(".", 1)[-1] for name in columns]
    return [s if short.count(s) == 1 else name for s, name in zip(short, columns, strict=True)]


def percent(value: float) -> str:
    """Return an accuracy, or nothing where there is none."""
    return "" if value != value else f"{value:.1%}"


def interval(row: dict, name: str, scale: float, form: str) -> str:
    """Return an estimate with its interval, or that it is withheld."""
    values = [row[name], row[f"{name}_low"], row[f"{name}_high"]]
    if any(value != value for value in values):
        return "–"
    estimate, low, high = (format(scale * value, form) for value in values)
    return f"{estimate} [{low}, {high}]"


def _show_advice(found: "DryRun", n_seeds: int, console: Console) -> None:
    advice = found.advice
    if advice is None:
        console.print("Seeds: no evaluation of two seeds is stored yet, so none are advised.")
        return
    points = f"{100 * advice.target:g} points"
    if advice.n_seeds is None:
        console.print(
            f"Seeds: no number is enough to see {points} on {advice.n_items:,} test items "
            f"(pilot: {advice.pilot})."
        )
        return
    console.print(
        f"Seeds: {advice.n_seeds} to see a difference of {points} between two cells with power "
        f"0.8 on {advice.n_items:,} test items; the spec has {n_seeds} (pilot: {advice.pilot})."
    )
