"""`w2sg gc`: remove what no run and no sweep of a store refers to."""

from collections import Counter
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from w2sg.cli.output import terminal


def gc(
    store: Path = Path(".w2sg"),
    *,
    yes: Annotated[bool, Parameter(name=["--yes", "-y"], negative="")] = False,
) -> int:
    """Show what no run and no sweep refers to, ask, and remove it.

    To forget a run or a sweep, remove its folder under runs/ or sweeps/ first. Do not use it while
    a run is under way in the same store: what it has not finished is not referred to yet.

    Parameters
    ----------
    store
        The folder of results.
    yes
        Do not ask.
    """
    from w2sg.runs.provenance import garbage, refuse_busy, remove
    from w2sg.runs.store import Store

    held = Store(store)
    held.require()
    refuse_busy(held)
    found = garbage(held)
    console = terminal()
    if not found.stages and not found.leftovers:
        console.print(f"Nothing to remove; {found.kept} stages are in use.")
        return 0
    sizes: Counter[str] = Counter()
    numbers: Counter[str] = Counter()
    for stage, size in found.stages.values():
        sizes[stage] += size
        numbers[stage] += 1
    for stage, number in sorted(numbers.items()):
        console.print(f"{number:6} {stage:16} {sizes[stage] / 1e6:10.1f} MB")
    for key, (stage, size) in found.stages.items():
        line = f"       {held.folder(key)} {stage} {size / 1e6:.1f} MB"
        console.print(line, style="dim", markup=False, soft_wrap=True)
    for path in found.leftovers:
        console.print(f"       {path}", style="dim", markup=False, soft_wrap=True)
    if found.leftovers:
        mb = found.leftover_bytes / 1e6
        console.print(f"{len(found.leftovers):6} leftovers of killed computations {mb:.1f} MB")
    console.print(f"{found.n_bytes / 1e6:.1f} MB in all; {found.kept} stages stay.")
    if not yes and not _agreed(console):
        console.print("Nothing was removed.")
        return 0
    remove(held, found)
    console.print(f"Removed {len(found.stages)} stages.")
    return 0


def _agreed(console: Console) -> bool:
    import sys

    if not sys.stdin.isatty():
        console.print("Add --yes to remove it.")
        return False
    return console.input("Remove? [y/N] ").strip().lower() in ("y", "yes")
