"""What the three commands share: lists of numbers in, tables and files out."""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from w2sg._arrays import FloatArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def numbers(option: str, text: str, *, points: int = 25) -> FloatArray:
    """Return "0.1", "0.1,0.5" or the logarithmic range "0.01:1" as an array.

    >>> numbers("--lam-t", "0.1,0.5")
    array([0.1, 0.5])
    """
    try:
        if ":" not in text:
            return np.array([float(part) for part in text.split(",")])
        low, high = (float(part) for part in text.split(":"))
    except ValueError:
        raise ValueError(
            f"{option} must be a number, a list such as 0.5,1.5 or a range such as 0.01:1, "
            f"got {text!r}"
        ) from None
    if not 0 < low < high:
        raise ValueError(f"{option} must run from a number above 0 to a larger one, got {text!r}")
    return np.geomspace(low, high, points)


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
    """Print a table wide enough that no number is cut short."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, box=SIMPLE_HEAD)
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    console = Console()
    needed = console.measure(table, options=console.options.update(max_width=1000)).maximum
    Console(width=max(console.width, needed)).print(table)


def deliver(
    command: str,
    record: dict[str, Any],
    draw: Callable[[dict[str, Any]], "Figure"],
    out: Path | None,
    as_json: bool,
) -> int:
    """Print JSON if asked, write figure and JSON where the user says, return the exit status."""
    text = json.dumps(plain(record), indent=2, allow_nan=False)
    if as_json:
        print(text)
    if out is None:
        return 0
    from w2sg.figures import to_svg

    figure = draw(record)
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / f"{command}.svg").write_text(to_svg(figure), encoding="utf-8")
        figure.savefig(out / f"{command}.png", dpi=120)
        (out / f"{command}.json").write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        print(f"w2sg theory {command}: cannot write to --out: {error}", file=sys.stderr)
        return 2
    if not as_json:
        print(f"wrote {command}.svg, {command}.png and {command}.json to {out}")
    return 0
