"""The page of a sweep: table, forest plot, curves over numbers, heat map; nothing beside itself."""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np

from w2sg.figures import new_figure
from w2sg.figures.canvas import PALETTE
from w2sg.figures.forest import forest_plot
from w2sg.figures.value_map import value_map
from w2sg.gain.verdict import VERB, Verdict, verdict, worded
from w2sg.report.drawing import NARROW, WIDE, Drawing, arm_colour, drawn
from w2sg.report.numbers import plain
from w2sg.report.page import page_of
from w2sg.report.sweep_laws import CellErrors, lay_over, mark_sizes
from w2sg.runs.sweep_record import SweepRecord

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

Frame = Any  # pandas: its stubs lose the type in groupby and in conditions on columns
LARGEST_FOREST = 120  # rows; a longer table is read better than a figure
LONGEST_NAME = 60
LETTER, LINE = 0.085, 0.19  # inches that a name and a legend take, at most


def render_sweep(
    record: SweepRecord, table: "pd.DataFrame", errors: Sequence[CellErrors | None] = ()
) -> str:
    """Return the page of a sweep as HTML; equal results give equal bytes.

    Args:
        record: What was planned.
        table: One row per cell, as `w2sg.sweeps.SweepResult.table` gives it, with its reasons.
        errors: Squared errors of each cell, for the laws of learning curves.
    """
    drawings = [_forest(record, table), *_curves(record, table, errors), _heat_map(record, table)]
    return page_of(
        "sweep.html",
        record=record,
        answer=answer(record, table),
        rows=[_row(record, values) for values in table.to_dict("records")],
        reasons=_reasons(record, table),
        drawings=[drawing for drawing in drawings if drawing is not None],
        csv_link=f"data:text/csv;charset=utf-8,{quote(table.to_csv(index=False))}",
    )


def answer(record: SweepRecord, table: Frame) -> list[str]:
    """Return what the sweep found, in sentences; no winner is named that chance could have made."""
    finished = table[table["gain"].notna()]
    if finished.empty:
        return ["No cell is finished yet."]
    answers: Counter[Verdict] = Counter(
        verdict(low, high)
        for low, high in zip(finished["gain_low"], finished["gain_high"], strict=True)
    )
    if len(answers) == 1:
        clause = worded(next(iter(answers)), "The student")
        lines = [f"{clause} in all {len(finished)} finished cells"]
    else:
        parts = [f"{worded(one, '').strip()} in {answers[one]}" for one in VERB if one in answers]
        lines = [f"Of {len(finished)} cells, the student " + " and ".join(parts)]
    best = finished.loc[finished["gain"].idxmax()]
    name = record.cells[int(finished["gain"].idxmax())].name
    lines.append(
        f"The highest difference to the teacher, {_points(best['gain'])} "
        f"[{_points(best['gain_low'])}, {_points(best['gain_high'])}] points, was at {name}. It is "
        f"the highest of {len(finished)}, so part of it is luck: the command w2sg compare with "
        "--by tests one key at a time, paired by seed and item."
    )
    if len(finished) < len(table):
        lines.append(f"{len(table) - len(finished)} cells have no result; see below.")
    return lines


def _row(record: SweepRecord, values: dict) -> list[str]:
    cells = [str(values[name]) for name in record.columns]
    cells += [_percent(values[name]) for name in ("teacher", "student", "ceiling")]
    gain = [values[name] for name in ("gain", "gain_low", "gain_high")]
    pgr = [values[name] for name in ("pgr", "pgr_low", "pgr_high")]
    return [*cells, _with_interval(gain, _points), _with_interval(pgr, plain)]


def _reasons(record: SweepRecord, table: Frame) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for cell, reason in zip(record.cells, table.attrs["reasons"], strict=True):
        if reason:
            found.setdefault(reason, []).append(cell.name)
    return found


def _forest(record: SweepRecord, table: Frame) -> Drawing | None:
    shown = table[table["gain"].notna()]
    if shown.empty or len(shown) > LARGEST_FOREST:
        return None
    names = [_clipped(" · ".join(map(str, row))) for row in shown[[*record.columns]].to_numpy()]
    columns = [[100 * float(v) for v in shown[n]] for n in ("gain", "gain_low", "gain_high")]
    decided = (shown["gain_low"] > 0) | (shown["gain_high"] < 0)
    longest = max(map(len, names))

    def draw(width: float) -> "Figure":
        narrow = width == NARROW
        figure = forest_plot(
            names,
            *columns,
            marked=list(decided),
            axis_label="student − teacher, points",
            form="+.1f",
            narrow=narrow,
        )
        if narrow:
            figure.set_size_inches(max(NARROW, LETTER * (longest + 24)), figure.get_figheight())
        else:
            figure.set_size_inches(max(WIDE, 6.2 + LETTER * longest), figure.get_figheight())
        return figure

    csv = shown[[*record.columns, "gain", "gain_low", "gain_high"]].to_csv(index=False)
    says = f"Student minus teacher by {', '.join(record.columns)}"
    return drawn("gains", says, draw, csv=csv)


def _curves(
    record: SweepRecord, table: Frame, errors: Sequence[CellErrors | None]
) -> list[Drawing]:
    """One figure for every swept number: accuracy against it, a line for each other setting.

    A second one, with theory, where the laws of learning curves apply.
    """
    found = []
    told = list(errors) or [None] * len(table)
    for axis in record.columns:
        values = table[axis]
        numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
        if not numbers or values.nunique() < 2 or table["student"].isna().all():
            continue
        others = [name for name in record.columns if name != axis]
        groups = dict(list(table.groupby(others, sort=False))) if others else {(): table}
        named = {
            setting: _clipped(", ".join(map(str, np.atleast_1d(np.array(setting, dtype=object)))))
            for setting in groups
        }
        draw = partial(_curve, axis, table, groups, named)
        title = f"Student against {axis}; bands: the gain's interval above the teacher"
        csv = table[[*record.columns, "teacher", "student", "ceiling", "gain_low", "gain_high"]]
        name = f"curve-{axis.replace('.', '-')}"
        settings = [", ".join(map(str, row)) for row in table[others].to_numpy()]
        laws = lay_over(axis, list(values), settings, told)
        notes = () if laws.draw else laws.notes
        found.append(drawn(name, title, draw, csv=csv.to_csv(index=False), notes=notes))
        if laws.draw:
            numbers = table.__class__(laws.rows, columns=["setting", axis, "arm", "brier", "law"])
            title = f"Squared error against {axis}, with the laws of learning curves"
            lines = numbers.to_csv(index=False)
            found.append(drawn(f"{name}-laws", title, laws.draw, csv=lines, notes=laws.notes))
    return found


def _curve(
    axis: str, table: Frame, groups: dict[Any, Frame], named: dict[Any, str], width: float
) -> "Figure":
    """Accuracy against one swept number; the legend stands beside the axes, on phones below."""
    narrow, rows_of_legend = width == NARROW, len(groups) + 2
    letters = LETTER * max(len("teacher, mean"), *map(len, named.values()))
    figure, (axes,) = new_figure(
        width=max(NARROW, 1.0 + letters) if narrow else max(WIDE, 5.5 + letters),
        height=3.4 + LINE * rows_of_legend if narrow else max(4.2, 1.0 + LINE * rows_of_legend),
    )
    for number, (setting, rows) in enumerate(groups.items()):
        colour = PALETTE[number % len(PALETTE)]
        rows = rows[rows["student"].notna()].sort_values(axis)
        axes.plot(
            rows[axis], 100 * rows["student"], "o-", color=colour, label=named[setting] or "student"
        )
        axes.fill_between(
            rows[axis],
            100 * (rows["teacher"] + rows["gain_low"]),
            100 * (rows["teacher"] + rows["gain_high"]),
            color=colour,
            alpha=0.12,
            linewidth=0,
        )
    for arm, line in (("teacher", "--"), ("ceiling", ":")):
        mean = table.groupby(axis)[arm].mean()
        if mean.notna().any():
            colour, label = arm_colour(arm), f"{arm}, mean"
            axes.plot(mean.index, 100 * mean, line, color=colour, label=label)
    mark_sizes(axes, table[axis])
    axes.set_xlabel(axis)
    axes.set_ylabel("accuracy, %")
    if narrow:
        axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(0.0, -0.16))
    else:
        axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.01, 0.5))
    return figure


def _heat_map(record: SweepRecord, table: Frame) -> Drawing | None:
    axes = [name for name, values in record.axes.items() if len(values) > 1]
    if len(axes) < 2 or table["gain"].isna().all():
        return None
    down, across = axes[:2]
    shown = table.assign(
        **{name: table[name].astype(str) for name in (down, across)}, gain=100 * table["gain"]
    )
    grid = shown.pivot_table(index=down, columns=across, values="gain", sort=False, dropna=False)

    def draw(_: float) -> "Figure":
        return value_map(
            [_clipped(str(name)) for name in grid.index],
            [_clipped(str(name)) for name in grid.columns],
            grid.to_numpy(dtype=np.float64),
            row_label=down,
            column_label=across,
        )

    rest = "" if len(axes) == 2 else ", averaged over the other keys"
    title = f"Student minus teacher in points, by {down} and {across}{rest}"
    return drawn("gain-map", title, draw, csv=grid.to_csv())


def _clipped(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def _percent(value: float) -> str:
    return "" if np.isnan(value) else f"{100 * value:.1f} %"


def _points(value: float) -> str:
    return f"{100 * value:+.1f}".replace("-", "−")


def _with_interval(values: Sequence[float], write: Callable[[float], str]) -> str:
    if np.isnan(values).any():
        return "withheld"
    estimate, low, high = (write(value) for value in values)
    return f"{estimate} [{low}, {high}]"
