"""Heat maps with boundaries: a signed quantity over two axes, and lines that belong to it."""

from typing import TYPE_CHECKING

import numpy as np

from w2sg._arrays import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.contour import QuadContourSet


def signed_map(
    axes: "Axes", x: FloatArray, y: FloatArray, values: FloatArray, *, levels: FloatArray
) -> "QuadContourSet":
    """Fill contours of a signed quantity, blue below zero and red above.

    Args:
        axes: Where to draw.
        x: Horizontal coordinates (B,).
        y: Vertical coordinates (A,).
        values: Heights (A, B); beyond the levels they take the colour of the nearest.
        levels: Increasing levels; the colours are symmetric around 0.

    >>> from w2sg.figures import new_figure
    >>> _, (axes,) = new_figure()
    >>> grid = np.linspace(-1, 1, 5)
    >>> filled = signed_map(axes, grid, grid, np.outer(grid, grid), levels=grid)
    >>> len(filled.levels)
    5
    """
    from matplotlib.colors import TwoSlopeNorm

    size = float(np.abs(levels).max())
    axes.grid(visible=False)
    return axes.contourf(
        x, y, values, levels=levels, cmap="RdBu_r", extend="both",
        norm=TwoSlopeNorm(0.0, -size, size),
    )  # fmt: skip


def boundary(axes: "Axes", x: FloatArray, y: FloatArray, values: FloatArray, label: str) -> None:
    """Draw where a quantity changes sign as a solid line with a name in the legend.

    >>> from w2sg.figures import new_figure
    >>> _, (axes,) = new_figure()
    >>> grid = np.linspace(-1, 1, 5)
    >>> boundary(axes, grid, grid, np.add.outer(grid, grid), "even")
    >>> axes.get_legend_handles_labels()[1]
    ['even']
    """
    axes.contour(x, y, values, levels=[0.0], colors="black", linewidths=1.8)
    axes.plot([], [], color="black", lw=1.8, label=label)


def level_lines(
    axes: "Axes", x: FloatArray, y: FloatArray, values: FloatArray, levels: FloatArray, label: str
) -> None:
    """Draw dashed contours over a map, to compare a second source of the same quantity.

    >>> from w2sg.figures import new_figure
    >>> _, (axes,) = new_figure()
    >>> grid = np.linspace(-1, 1, 5)
    >>> level_lines(axes, grid, grid, np.outer(grid, grid), np.array([0.5]), "theory")
    """
    colour = "#9b111e"
    axes.contour(x, y, values, levels=levels, colors=colour, linestyles="dashed", linewidths=0.9)
    axes.plot([], [], color=colour, ls="--", lw=0.9, label=label)
