"""`w2sg status`: what a store holds, what failed and why."""

from collections import Counter
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.table import Table

from w2sg.cli.options import within
from w2sg.cli.output import terminal


def status(
    store: Path = Path(".w2sg"),
    *,
    failures: int = 10,
    set: Annotated[tuple[str, ...], Parameter(name=["--set"], negative=())] = (),
) -> int:
    """Show what is stored and what failed; exit status 1 if anything did.

    Parameters
    ----------
    store
        The folder of results; or a sweep's TOML file, for the state of each of its cells.
    failures
        Most failures to show.
    set
        As the sweep was run with.
    """
    from w2sg.runs.store import Store
    from w2sg.runs.sweep_spec import is_sweep
    from w2sg.spec import read_toml

    within("--failures", failures, 0, 10**9)
    if store.is_file() and not is_sweep(store):
        read_toml(store)
        raise ValueError(
            f"{str(store)!r} is not a sweep; of single runs, `w2sg status STORE` shows the store"
        )
    if store.is_file() or (store / "sweep.json").is_file():
        return _sweep_status(store, set, failures)
    if set:
        raise ValueError(f"--set {set[0]} would change nothing: {str(store)!r} is no sweep")
    held = Store(store)
    held.require()
    manifests = list(held.manifests())
    console = terminal()
    table = Table("stage", "done", "failed", "hours", "MB")
    counts = Counter((m.body["stage"], m.status) for m in manifests)
    for stage in sorted({m.body["stage"] for m in manifests}):
        mine = [m for m in manifests if m.body["stage"] == stage]
        size = sum(entry["bytes"] for m in mine for entry in m.files.values())
        table.add_row(
            stage,
            str(counts[stage, "done"]),
            str(counts[stage, "failed"]),
            f"{sum(m.seconds for m in mine) / 3600:.2f}",
            f"{size / 1e6:.1f}",
        )
    console.print(table)
    for path in sorted((store / "sweeps").glob("*/sweep.json")):
        console.print(f"sweep {path.parent}", soft_wrap=True)
    runs = sorted((store / "runs").glob("*/result.json"))
    for path in runs:
        console.print(f"run {path.parent}", soft_wrap=True)
    failed = [m for m in manifests if m.status == "failed"]
    for manifest in sorted(failed, key=lambda m: -m.started)[:failures]:
        reason = (manifest.error or "").strip().split("\n")[-1]
        console.print(f"failed {manifest.body['stage']} {manifest.key}: {reason}")
    unreadable = list(held.unreadable())
    for name, why in unreadable:
        console.print(f"cannot be read {name}: {why}", soft_wrap=True)
    return 1 if failed or unreadable else 0


def _sweep_status(spec: Path, settings: tuple[str, ...], failures: int) -> int:
    """Show how far each cell of a sweep is."""
    from w2sg.runs.sweep_record import stored
    from w2sg.spec import parse_overrides
    from w2sg.sweeps import open_sweep

    result = open_sweep(spec, parse_overrides(settings))
    record = result.record
    found = {key: stored(result.store, key) for key in record.keys}
    table = Table("cell", "stages", "failed", "state")
    for cell, evaluation in zip(record.cells, result.evaluations(), strict=True):
        states = [None if (m := found[key]) is None else m.status for key in cell.keys]
        n_done, n_failed = states.count("done"), states.count("failed")
        state = "finished" if evaluation else "failed" if n_failed else "open"
        table.add_row(cell.name, f"{n_done}/{len(cell.keys)}", str(n_failed or ""), state)
    console = terminal()
    console.print(table)
    n_done = sum(m is not None and m.status == "done" for m in found.values())
    hours = sum(m.seconds for m in found.values() if m is not None) / 3600
    console.print(
        f"{n_done} of {len(found)} stages are stored ({hours:.2f} hours of computing); "
        f"{record.n_trainings} trainings instead of {record.n_naive} in a loop without sharing"
    )
    failed = result.failures()
    for key, manifest in list(failed.items())[:failures]:
        what = manifest.facts["failure"]
        label = record.labels.get(key, manifest.body["stage"])
        console.print(f"failed {key[:12]} {label}: {what['kind']}: {what['what']}")
    if len(failed) > failures:
        console.print(f"… and {len(failed) - failures} more; --failures shows more")
    return 1 if failed else 0
