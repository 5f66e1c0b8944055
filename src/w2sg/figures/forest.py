"""Forest plot: one line per estimate, its interval, and the value that means no difference."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from w2sg.figures.canvas import BLUE, MUTED, new_figure, signed

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
    narrow: bool = False,
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
        narrow: For phones: names and values stand above their line instead of beside it.

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
    width, height = (4.1, 1.0 + 0.55 * len(names)) if narrow else (6.4, 1.2 + 0.32 * len(names))
    figure, (axes,) = new_figure(width=width, height=height)
    axes.axvline(neutral, color=MUTED, linewidth=1, linestyle="--")
    for row, (value, low, high, on) in enumerate(zip(estimates, lows, highs, marked, strict=True)):
        colour = BLUE if on else MUTED
        axes.plot([low, high], [row, row], color=colour, linewidth=2, solid_capstyle="butt")
        axes.plot(value, row, "o", color=colour, markersize=6, fillstyle="full" if on else "none")
        numbers = f"{signed(value, form)} [{signed(low, form)}, {signed(high, form)}]"
        if narrow:
            axes.annotate(
                f"{names[row]}  {numbers}",
                (0.0, row - 0.3),
                xycoords=("axes fraction", "data"),
                va="center",
                fontsize=8.5,
            )
        else:
            axes.annotate(
                numbers,
                (1.02, row),
                xycoords=("axes fraction", "data"),
                va="center",
                fontsize=8.5,
            )
    if narrow:
        axes.set_yticks([])
    else:
        axes.set_yticks(range(len(names)), labels=list(names))
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(axis_label)
    if title:
        axes.set_title(title, loc="left")
    return figure
