"""`w2sg report`: the page of a finished run or of a sweep, from what is stored."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def report(
    result: Path,
    *,
    out: Path | None = None,
    set: Annotated[tuple[str, ...], Parameter(name=["--set"], negative=())] = (),
) -> int:
    """Write the page of a result again; nothing is computed.

    Parameters
    ----------
    result
        The folder that `w2sg run` or `w2sg sweep` printed, or a sweep's TOML file.
    out
        Where to write the page; report.html in that folder by default.
    set
        As the sweep was run with.
    """
    from w2sg._paths import refuse_overwriting
    from w2sg.api import open_result
    from w2sg.runs.sweep_spec import is_sweep
    from w2sg.spec import parse_overrides

    if (result / "sweep.json").is_file() or is_sweep(result):
        from w2sg.sweeps import open_sweep

        swept = open_sweep(result, parse_overrides(set))
        if out is not None and result.is_file():
            refuse_overwriting(out, {"the sweep's spec": result})
        print(swept.report(out or swept.folder / "report.html"))
        return 0
    if set:
        raise ValueError(
            f"--set {set[0]} would change nothing: {str(result)!r} is no sweep, and a run stays as "
            "it was run"
        )
    stored = open_result(result)
    if out is not None:
        refuse_overwriting(
            out, {name: stored.folder / name for name in ("spec.toml", "result.json")}
        )
    print(stored.report(out or stored.folder / "report.html"))
    return 0
