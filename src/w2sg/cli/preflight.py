"""`w2sg preflight`: will it help, how sure is that, and what to do instead."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from w2sg import arms

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from w2sg.runs.preflight import Preflight
    from w2sg.studies.track_record import Assessment


def preflight(
    spec: Path | None = None,
    *,
    set: Annotated[tuple[str, ...], Parameter(name=["--set"], negative=())] = (),
    record: Annotated[bool, Parameter(name="--record", negative="")] = False,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Forecast a run from frozen features and the few labels, before any training.

    Parameters
    ----------
    spec
        A TOML file, the same that `w2sg run` takes.
    set
        Any field, as in --set data.n_labelled=200; may be repeated.
    record
        Show how earlier forecasts did, instead of making one.
    as_json
        Print JSON instead of tables.
    """
    from w2sg.spec import SpecError, parse_overrides

    if record:
        if spec is not None or set:
            raise SpecError("--record shows earlier forecasts; leave out the spec and --set")
        return _show_record(as_json)
    overrides = parse_overrides(set)
    if spec is None and not overrides:
        raise SpecError("give a spec, as in `w2sg preflight spec.toml`, or --record")
    from w2sg.api import preflight as forecast
    from w2sg.api import preflight_folder
    from w2sg.cli.output import terminal
    from w2sg.cli.progress import Live

    console = terminal(stderr=as_json)
    with Live(console) as live:
        found = forecast({"data": {}} if spec is None else spec, overrides, watch=live.watch)
    if as_json:
        import json

        print(json.dumps(found.facts, indent=1, allow_nan=False))
        return 0
    show(found, console)
    console.print(f"page    {preflight_folder(found.spec) / 'preflight.html'}", soft_wrap=True)
    return 0


def show(found: "Preflight", console: "Console") -> None:
    """Print the verdict and what it rests on."""
    from rich.table import Table

    from w2sg.report.forecast_page import way_rows

    facts = found.facts
    console.print(found.verdict, style="bold")
    table = Table(title="What a run would show, 90 % prediction intervals", title_justify="left")
    for name in ("", "accuracy, %", "over teacher, points"):
        table.add_column(name, justify="left" if not name else "right")
    predicted = facts["prediction"]
    table.add_row("teacher", _told(predicted["accuracy"]["teacher"]), "")
    for row in way_rows(facts):
        table.add_row(row["name"], _told(row["accuracy"]), _told(row["gain"]))
    table.add_row("ceiling", _told(predicted["accuracy"]["ceiling"]), "")
    console.print(table)
    if not predicted["calibrated"]:
        console.print("The intervals count sampling alone: there is no track record to widen them.")
    gap, spaces, advice = facts["gap"], facts["spaces"], facts["advice"]
    console.print(f"gap     strong model on your labels − teacher, held out: {_told(gap)} points")
    dims = f"strong {spaces['strong']['effective']:.0f}"
    if spaces["weak"] is not None:
        dims += f", weak {spaces['weak']['effective']:.0f}"
    if spaces["overlap"] is not None:
        dims += (
            f", shared {spaces['overlap']:.1f} "
            f"[{spaces['overlap_low']:.1f}, {spaces['overlap_high']:.1f}]"
        )
    console.print(f"spaces  effective dimensions: {dims}")
    failing = [a["name"] for a in facts["overlay"]["assumptions"] if a["holds"] is False]
    console.print(f"theory  fails: {'; '.join(failing) if failing else 'nothing'}")
    settings = ", ".join(f"{s['name']} {s['value']}" for s in advice["settings"])
    console.print(f"advice  {settings}")
    console.print(f"        {advice['worth']}")
    console.print(f"seeds   {advice['seeds_reason']}")
    if advice["hours"] is not None:
        console.print(f"hours   {advice['hours']:.2f}: {advice['hours_reason']}")


def _told(value: dict[str, Any]) -> str:
    if value["estimate"] is None:
        return "withheld"
    ends = (value[name] for name in ("estimate", "low", "high"))
    return "{:.1f} [{:.1f}, {:.1f}]".format(*(100 * end for end in ends))


def _show_record(as_json: bool) -> int:
    import json
    from dataclasses import asdict

    from w2sg.cli.output import terminal
    from w2sg.forecast.record import packaged_record
    from w2sg.studies.track_record import assess
    from w2sg.studies.track_record.cells import LISTS

    record = packaged_record()
    if not record.cells:
        raise ValueError("this w2sg comes without a track record; see docs/how-to/preflight.md")
    there = {cell.kind for cell in record.cells}
    found = {kind: assess(record, kind=kind) for kind in LISTS if kind in there}
    if as_json:
        told = {kind: asdict(assessment) for kind, assessment in found.items()}
        print(json.dumps(told, indent=1, allow_nan=False))
        return 0
    console = terminal()
    for assessment in found.values():
        console.print(_record_table(assessment))
        for line in assessment.lines():
            console.print(line)
    return 0


def _record_table(found: "Assessment") -> "Table":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    title = "Every forecast made without its family of data (* outside its interval)"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, show_edge=False, padding=0)
    for name in ("cell", "forecast", "interval", "gain", "best way", "lost"):
        words = name in ("cell", "best way")
        table.add_column(name, justify="left" if words else "right", no_wrap=True)
    for row in found.cells:
        missed = " " if row.low <= row.gain <= row.high else "*"
        table.add_row(
            row.name,
            f"{100 * row.predicted_gain:+.1f}",
            f"{100 * row.low:+.1f} – {100 * row.high:+.1f}",
            f"{100 * row.gain:+.1f}{missed}",
            arms.TABLE[row.way].short,
            f"{100 * row.regret:.1f}",
        )
    return table
