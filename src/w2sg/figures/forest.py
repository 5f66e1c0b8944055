"""Forest plot: one line per estimate, its interval, and the value that means no difference."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from w2sg.figures.canvas import PALETTE, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def forest_plot(
    names: Sequence[str],
    estimates: Sequence[float],
    lows: Sequence[float],
    highs: Sequence[float],
    *,
    marked: Sequence[bool] | None = None,
    neutral: float = 0.0,
    axis_label: str = "difference",
    title: str = "",
    form: str = "+.3f",
) -> "Figure":
    """Return a figure with one row per estimate, the first at the top.

    Args:
        names: Name of each row.
        estimates: Where its point stands.
        lows: Left end of its interval.
        highs: Right end of its interval.
        marked: Rows with a filled point and full colour (what was decided); all if ``None``.
        neutral: Where the line of no difference stands.
        axis_label: Quantity and unit of the horizontal axis.
        title: Title of the figure.
        form: How a value is written.

    Raises:
        ValueError: Columns of different lengths, or no row.

    >>> figure = forest_plot(["reverse"], [0.02], [0.01], [0.03])
    >>> [text.get_text() for text in figure.axes[0].get_yticklabels()]
    ['reverse']
    """
    marked = [True] * len(names) if marked is None else marked
    lengths = {len(column) for column in (names, estimates, lows, highs, marked)}
    if lengths == {0} or len(lengths) != 1:
        raise ValueError(
            f"names, estimates, lows, highs and marked must have one common length of at least 1, "
            f"got {sorted(lengths)}"
        )
    figure, (axes,) = new_figure(height=1.2 + 0.32 * len(names))
    axes.axvline(neutral, color="0.35", linewidth=1, linestyle="--")
    for row, (value, low, high, on) in enumerate(zip(estimates, lows, highs, marked, strict=True)):
        colour = PALETTE[0] if on else "0.55"
        axes.plot([low, high], [row, row], color=colour, linewidth=2, solid_capstyle="butt")
        face = colour if on else "white"
        axes.plot(value, row, "o", color=colour, markerfacecolor=face, markersize=6)
        axes.annotate(
            f"{value:{form}} [{low:{form}}, {high:{form}}]",
            (1.02, row),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=8.5,
        )
    axes.set_yticks(range(len(names)), labels=list(names))
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(axis_label)
    if title:
        axes.set_title(title, loc="left")
    return figure
