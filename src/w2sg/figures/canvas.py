"""A figure in the house style, and its bytes as SVG that are the same on every run."""

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED = "#1c1e22", "#7b818b"
BLUE, ORANGE, GREEN, PURPLE = "#2563a8", "#c2410c", "#2e7d5b", "#7b4fa3"
MUSTARD, TEAL, ROSE, BROWN = "#94690a", "#0f7b83", "#b03a6b", "#7a4a2b"
# lines that belong to no arm; a page knows these colours and turns them for dark screens
PALETTE = (BLUE, ORANGE, GREEN, PURPLE, MUSTARD, TEAL, ROSE, BROWN)
STYLE: dict[Any, Any] = {
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.constrained_layout.use": True,
    "font.family": "sans-serif",
    "font.size": 10.0,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "svg.fonttype": "path",
    "svg.hashsalt": "w2sg",
}


def new_figure(
    rows: int = 1, columns: int = 1, *, width: float = 6.4, height: float = 4.0
) -> "tuple[Figure, list[Axes]]":
    """Return a figure that belongs to no window, and its axes row by row.

    Args:
        rows: Number of rows of axes.
        columns: Number of columns of axes.
        width: Width of the whole figure in inches.
        height: Height of the whole figure in inches.

    >>> figure, axes = new_figure(1, 2)
    >>> len(axes)
    2
    """
    import matplotlib as mpl
    from cycler import cycler
    from matplotlib.figure import Figure

    with mpl.rc_context({**STYLE, "axes.prop_cycle": cycler(color=PALETTE)}):
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False)
    return figure, list(axes.flat)


def to_svg(figure: "Figure") -> str:
    """Return the figure as SVG text without date, creator or document type.

    The text starts at ``<svg`` so that it can stand inside a page, and two calls give the same
    bytes.

    >>> figure, _ = new_figure()
    >>> to_svg(figure)[:4]
    '<svg'
    """
    import matplotlib as mpl

    buffer = io.StringIO()
    with mpl.rc_context(STYLE):
        figure.savefig(
            buffer,
            format="svg",
            metadata={"Date": None, "Creator": None, "Format": None, "Type": None},
        )
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def signed(value: float, form: str = "+.1f") -> str:
    """Return a number with a true minus sign, as the axes write it.

    >>> signed(-1.25, "+.1f"), signed(2.0)
    ('−1.2', '+2.0')
    """
    return format(value, form).replace("-", "−")
