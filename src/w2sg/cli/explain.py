"""`w2sg explain`: why a finished run gained, by matched controls on frozen features."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

if TYPE_CHECKING:
    from rich.console import Console

    from w2sg.diagnostics.controls import Explanation
    from w2sg.gain import Estimate


def explain(
    result: Path,
    *,
    untrained: Annotated[bool, Parameter(negative="--no-untrained")] = True,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Ask why a run gained: change one thing at a time on frozen features, nothing is fine-tuned.

    Parameters
    ----------
    result
        The folder that `w2sg run` printed.
    untrained
        Also make features of an untrained network of the student's shape; --no-untrained saves
        the time of one forward pass over all texts.
    out
        Write the table to this .csv, or the page to this .html.
    as_json
        Print JSON instead of the table.
    """
    from w2sg.api import open_result
    from w2sg.cli.output import terminal
    from w2sg.cli.progress import Live

    if out is not None and out.suffix not in (".csv", ".html"):
        raise ValueError(f"--out must end in .csv or .html, got {out.name!r}")
    opened = open_result(result)
    console = terminal(stderr=as_json)
    with Live(console) as live:
        found = opened.explain(untrained=untrained, watch=live.watch)
    if out is not None and out.suffix == ".csv":
        import pandas as pd

        pd.DataFrame(found.table()).to_csv(out, index=False)
    elif out is not None:
        from w2sg.report.explanation_page import render_explanation

        out.write_text(render_explanation(found, opened.spec, opened.gain), encoding="utf-8")
    if as_json:
        import json
        from dataclasses import asdict

        print(json.dumps(asdict(found), indent=1, allow_nan=False))
        return 0
    show(found, opened.gain, console)
    if out is not None:
        console.print(f"wrote {out}", soft_wrap=True)
    return 0


def show(found: "Explanation", trained: "Estimate", console: "Console") -> None:
    """Print the table and one sentence a control."""
    from rich import box
    from rich.table import Table

    title = f"One thing changed at a time, on frozen features ({100 * found.level:.4g} % intervals)"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for name in ("", "teacher", "student", "gain, points", "change"):
        table.add_column(name, justify="right" if name else "left", no_wrap=name == "change")
    accuracy = (f"{100 * value:.1f}" for value in (found.teacher, found.student))
    table.add_row("as it was", *accuracy, _told(found.gain), "")
    for control in found.controls:
        if control.teacher is None or control.student is None:
            table.add_row(control.name, "", "", "withheld", "")
            continue
        accuracy = (f"{100 * value:.1f}" for value in (control.teacher, control.student))
        change = _told(control.change) + (" *" if control.differs else "  ")
        table.add_row(control.name, *accuracy, _told(control.gain), change)
    console.print(table)
    console.print("* decided after Holm's correction. Changes overlap: they do not add up.")
    for control in found.controls:
        console.print(f"{control.name}: {control.meaning}")
    if found.note:
        console.print(f"Here {found.note}.")
    console.print(
        f"The trained student gained {_told(trained)} points; the controls speak of heads on "
        "frozen features."
    )


def _told(value: "Estimate") -> str:
    ends = (value.estimate, value.low, value.high)
    middle, low, high = (round(100 * (end or 0.0), 1) + 0.0 for end in ends)
    return f"{middle:+.1f} [{low:.1f}, {high:.1f}]"
