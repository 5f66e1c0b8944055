"""`w2sg plan`: seeds, test items and hours that a comparison of two methods needs."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from w2sg.cli.options import whole_number

if TYPE_CHECKING:
    from w2sg._arrays import FloatArray
    from w2sg.gain import Plan


def plan(
    target: float,
    *,
    sd: float | None = None,
    reference: Path | None = None,
    method: Path | None = None,
    power: float = 0.8,
    level: float = 0.95,
    paired: bool = True,
    gap: float | None = None,
    n_items: str | None = None,
    item_sd: float = 0.0,
    hours_per_run: float | None = None,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Seeds and test items needed to see a difference between two methods, and their hours.

    Give either --sd or a pilot, --reference and --method: files of per-item scores with one row
    per seed and one column per test item, .npy or .csv.

    Args:
        target: Difference to detect, in score; in PGR where --gap is given.
        sd: Standard deviation between seeds: of the difference, or of one method with --no-paired.
        reference: Scores of the reference in a pilot.
        method: Scores of the other method in the same pilot.
        power: Chance of seeing the target.
        level: Coverage of the interval that must exclude zero.
        paired: Whether both methods share split and teacher seed by seed.
        gap: Gap ceiling − teacher, for a target in PGR.
        n_items: Sizes of the test set, such as "500,1000,2000".
        item_sd: Standard deviation of the per-item difference over test items, with --sd.
        hours_per_run: Measured hours of one training of one method.
        as_json: Print JSON instead of the table.
    """
    from w2sg.gain import plan as make_plan

    try:
        if (reference is None) != (method is None):
            raise ValueError("a pilot needs both --reference and --method")
        pilot = None
        if reference is not None and method is not None:
            pilot = (_read("--reference", reference), _read("--method", method))
        made = make_plan(
            target, pilot, sd, power=power, level=level, paired=paired, gap=gap,
            n_items=None if n_items is None else _sizes(n_items), item_sd=item_sd,
            hours_per_run=hours_per_run,
        )  # fmt: skip
    except (ValueError, OSError) as error:
        print(f"w2sg plan: {error}", file=sys.stderr)
        return 2
    if as_json:
        print(json.dumps(asdict(made), indent=2, allow_nan=False))
    else:
        _print(made)
    return 0


def _sizes(text: str) -> tuple[int, ...]:
    try:
        return tuple(whole_number(part.strip()) for part in text.split(","))
    except ValueError:
        raise ValueError(
            f"--n-items must be whole numbers with commas such as 500,1000, got {text!r}"
        ) from None


def _read(option: str, path: Path) -> "FloatArray":
    import numpy as np

    if path.suffix == ".npy":
        try:
            return np.load(path, allow_pickle=False)
        except (ValueError, EOFError):  # NumPy's own text advises to unpickle it
            raise ValueError(
                f"{option}: {path} is no array of numbers as np.save writes it"
            ) from None
    if path.suffix == ".csv":
        return np.loadtxt(path, delimiter=",", ndmin=2)
    raise ValueError(f"{option} must be a .npy or .csv file, got {path}")


def _print(made: "Plan") -> None:
    from rich.table import Table

    from w2sg.cli.output import terminal

    console = terminal()
    kind = "paired by seed and item" if made.paired else "not paired by seed"
    console.print(f"To see a difference of {made.target:.4g} with power {made.power:g}, {kind}:")
    table = Table()
    for column in ("test items", "seeds per method", "power", "hours, both methods"):
        table.add_column(column, justify="right")
    for option in made.options:
        table.add_row(
            "as given" if option.n_items is None else f"{option.n_items:,}",
            "no number is enough" if option.n_seeds is None else f"{option.n_seeds:,}",
            _number(option.power, ".3f"),
            _number(option.hours, ",.1f"),
        )
    console.print(table)
    if made.smallest_test_set is not None:
        console.print(f"Below {made.smallest_test_set:,} test items no number of seeds is enough.")
    reached = [o for o in made.options if o.n_seeds is not None and o.n_items is not None]
    if made.components is not None and reached:
        best = reached[0]
        shares = made.components.shares(best.n_seeds or 1, best.n_items or 1)
        parts = ", ".join(f"{name} {100 * share:.0f} %" for name, share in shares.items())
        console.print(f"Variance of the paired difference there, {best.n_items:,} items: {parts}.")


def _number(value: Any, form: str) -> str:
    return "" if value is None else format(value, form)
