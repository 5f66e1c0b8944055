"""`w2sg status`: what a store holds, what failed and why."""

from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table


def status(store: Path = Path(".w2sg"), *, failures: int = 10) -> int:
    """Show what is stored and what failed; exit status 1 if anything did.

    Parameters
    ----------
    store
        The folder of results.
    failures
        Most failures to show.
    """
    from w2sg.runs.store import Store

    if not store.is_dir():
        raise ValueError(f"store {str(store)!r} is not there; `w2sg run` makes it")
    manifests = list(Store(store).manifests())
    console = Console(highlight=False)
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
    runs = sorted((store / "runs").glob("*/result.json"))
    for path in runs:
        console.print(f"run {path.parent}", markup=False, soft_wrap=True)
    failed = [m for m in manifests if m.status == "failed"]
    for manifest in sorted(failed, key=lambda m: -m.started)[:failures]:
        reason = (manifest.error or "").strip().split("\n")[-1]
        console.print(f"failed {manifest.body['stage']} {manifest.key}: {reason}", markup=False)
    return 1 if failed else 0
