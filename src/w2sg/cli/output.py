"""What commands that print numbers share: tables that cut none short, JSON, files on request."""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import Console
    from rich.table import Table


def terminal(**options: Any) -> "Console":
    """Return a console that prints texts as they are.

    Names of users may hold ``[bold]``, ``[/]`` or ``:smile:``, which rich would take for markup;
    styles are given by ``style=`` or `rich.text.Text` instead.

    Args:
        options: Further ones of `rich.console.Console`.
    """
    from rich.console import Console

    return Console(markup=False, emoji=False, highlight=False, **options)


def plain(value: Any) -> Any:
    """Return arrays as lists, with ``None`` for what is infinite or undefined.

    >>> plain(np.array([1.0, np.nan]))
    [1.0, None]
    """
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray) and np.ndim(value) > 0:
        return [plain(item) for item in value]
    if isinstance(value, str | int | bool) or value is None:
        return value
    number = float(np.asarray(value))
    return number if np.isfinite(number) else None


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print columns of numbers under a title."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(title=title, box=SIMPLE_HEAD)
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    print_whole(table)


def print_whole(table: "Table") -> None:
    """Print a table as wide as it needs to be, so that no number is cut short."""
    console = terminal()
    needed = console.measure(table, options=console.options.update(max_width=1000)).maximum
    terminal(width=max(console.width, needed)).print(table)


def deliver(
    command: str,
    record: dict[str, Any],
    draw: Callable[[], "Figure"],
    out: Path | None,
    as_json: bool,
    *,
    png: bool = False,
) -> int:
    """Print JSON if asked, write figure and JSON where the user says, return the exit status.

    Args:
        command: Words after ``w2sg``; the last one names the files.
        record: What the command found.
        draw: Makes the figure, called only if it is to be written.
        out: Folder for the files.
        as_json: Whether standard output is the JSON.
        png: Whether the figure is written as PNG too.
    """
    text = json.dumps(plain(record), indent=2, allow_nan=False)
    if as_json:
        print(text)
    if out is None:
        return 0
    from w2sg._paths import expanded
    from w2sg.figures import to_svg

    name = command.split()[-1]
    out = expanded(out, "--out")
    if out.exists() and not out.is_dir():
        print(f"w2sg {command}: cannot write to --out: {out} is no folder", file=sys.stderr)
        return 2
    figure = draw()
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / f"{name}.svg").write_text(to_svg(figure), encoding="utf-8")
        if png:
            figure.savefig(out / f"{name}.png", dpi=120)
        (out / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        print(f"w2sg {command}: cannot write to --out: {error}", file=sys.stderr)
        return 2
    if not as_json:
        drawn = f"{name}.svg, {name}.png" if png else f"{name}.svg"
        print(f"wrote {drawn} and {name}.json to {out}")
    return 0
