"""`w2sg compare`: what one swept key changes, paired by seed and item, the others averaged out."""

import json
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.table import Table

from w2sg.cli.output import terminal
from w2sg.cli.sweep import cells_tables


def compare(
    spec: Path,
    *,
    by: str | None = None,
    against: str | None = None,
    where: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    set: Annotated[tuple[str, ...], Parameter(name=["--set"], negative=())] = (),
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Compare the students of a sweep: all cells, or the values of one swept key.

    Parameters
    ----------
    spec
        The sweep's TOML file, or its folder.
    by
        A swept key, such as student.loss; its values are compared with each other, paired by seed
        and test item, averaged over the other keys.
    against
        The value that the others are compared with; the first by default.
    where
        Only cells with this value of a swept key, as in --where variant=trec; may be repeated.
    set
        As the sweep was run with.
    out
        Also write the rows as CSV to this file.
    as_json
        Print JSON instead of tables.
    """
    if against is not None and by is None:
        raise ValueError(f"--against {against!r} would change nothing without --by")
    import pandas as pd

    from w2sg.comparisons import by_axis, restricted
    from w2sg.spec import parse_overrides
    from w2sg.sweeps import open_sweep

    result = restricted(open_sweep(spec, parse_overrides(set)), where)
    frame = result.table()
    if by is None:
        rows = pd.DataFrame(frame)
        compared = None
    else:
        compared = by_axis(result, by, against)
        rows = pd.DataFrame(compared.comparison.table())
    if out is not None:
        rows.to_csv(out, index=False)
    if as_json:
        values = rows.astype(object).where(rows.notna(), None).to_dict("records")
        print(json.dumps(values, indent=2, allow_nan=False))
        return 0 if result.finished else 1
    console = terminal()
    if compared is None:
        for table in cells_tables(tuple(result.record.axes), frame):
            console.print(table)
    else:
        found = compared.comparison
        console.print(
            f"Students by {by}, averaged over {compared.n_cells} cell"
            f"{'s' * (compared.n_cells > 1)} each, paired by seed and test item; "
            f"{found.reference} has {found.reference_score:.1%}.",
        )
        table = Table(by or "", "accuracy", f"minus {found.reference}", "interval", "p (Holm)")
        table.add_column("", overflow="fold")
        for d in found.differences:
            table.add_row(
                d.name,
                f"{d.score:.1%}",
                f"{100 * d.difference:+.1f}",
                f"{100 * d.low:+.1f} to {100 * d.high:+.1f}",
                f"{d.p_adjusted:.3f}",
                "differs" if d.decided else "cannot be told apart",
            )
        console.print(table)
        for note in compared.notes:
            console.print(note, style="dim")
    unfinished = sum(m is None for m in result.evaluations())
    if unfinished:
        console.print(f"{unfinished} cells have no result; `w2sg status` says why")
    return 1 if unfinished else 0
