"""A table as colours: one rectangle per pair of settings, its value written in it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from w2sg._arrays import FloatArray
from w2sg.figures.canvas import new_figure, signed

if TYPE_CHECKING:
    from matplotlib.figure import Figure


LETTER = 0.085  # inches
LIGHT, DARK = "#fefefe", "#101010"  # letters on cells, whatever the page around them looks like


def value_map(
    rows: Sequence[str],
    columns: Sequence[str],
    values: FloatArray,
    *,
    row_label: str = "",
    column_label: str = "",
    title: str = "",
    form: str = "+.1f",
) -> "Figure":
    """Return a figure of signed values, red above zero and blue below; NaN stays blank.

    Args:
        rows: Names of the rows, the first at the top.
        columns: Names of the columns.
        values: Shape (rows, columns).
        row_label: What the rows vary.
        column_label: What the columns vary.
        title: Title of the figure.
        form: How a value is written.

    Raises:
        ValueError: The shape does not fit the names, or no value is finite.

    >>> figure = value_map(["ce"], ["qv", "full"], np.array([[1.0, np.nan]]))
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['+1.0']
    """
    if values.shape != (len(rows), len(columns)) or not np.isfinite(values).any():
        raise ValueError(
            f"values must have shape ({len(rows)}, {len(columns)}) and a finite entry, "
            f"got shape {values.shape}"
        )
    longest, widest = (max(map(len, names)) for names in (rows, columns))
    turned = widest > 9  # letters that fit above each other's column
    width = 1.4 + LETTER * longest + 0.95 * len(columns)
    height = 1.4 + 0.45 * len(rows) + (LETTER * widest if turned else 0.0)
    figure, (axes,) = new_figure(width=width, height=height)
    size = max(float(np.nanmax(np.abs(values))), 1e-12)
    axes.grid(visible=False)
    # rectangles rather than an image, which browsers blur when they scale it
    axes.pcolormesh(np.ma.masked_invalid(values), cmap="RdBu_r", vmin=-size, vmax=size)
    axes.invert_yaxis()
    for i, j in zip(*np.nonzero(np.isfinite(values)), strict=True):
        dark = abs(values[i, j]) > 0.6 * size
        axes.text(
            j + 0.5, i + 0.5, signed(float(values[i, j]), form), ha="center", va="center",
            color=LIGHT if dark else DARK, fontsize=9,
        )  # fmt: skip
    axes.set_xticks(
        np.arange(len(columns)) + 0.5, labels=list(columns), rotation=90 if turned else 0
    )
    axes.set_yticks(np.arange(len(rows)) + 0.5, labels=list(rows))
    axes.set_xlabel(column_label)
    axes.set_ylabel(row_label)
    if title:
        axes.set_title(title, loc="left")
    return figure
