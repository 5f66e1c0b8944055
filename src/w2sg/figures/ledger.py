"""Gain against misfit: each run a point, the diagonal where all of the departure was gain."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from w2sg._arrays import as_floats
from w2sg.figures.canvas import BLUE, MUTED, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def gain_against_misfit(
    misfit: ArrayLike,
    gap: ArrayLike,
    *,
    labels: Sequence[str] | None = None,
    misfit_interval: ArrayLike | None = None,
    gap_interval: ArrayLike | None = None,
    unit: str = "nats",
    seeds: ArrayLike | None = None,
    size: tuple[float, float] = (6.0, 4.6),
    colours: tuple[str, str] = (BLUE, MUTED),
) -> "Figure":
    """Draw the ledgers of several runs.

    Points on the diagonal have residual 0; below it, part of the departure from the teacher was
    loss; below the horizontal line the student is worse than its teacher.

    Args:
        misfit: (runs,) E D(f_s, f_w).
        gap: (runs,) teacher risk − student risk.
        labels: A name beside each point.
        misfit_interval: (runs, 2) low and high.
        gap_interval: (runs, 2) low and high.
        unit: Of both axes.
        seeds: (m, 2) misfit and gain of single seeds, drawn small.
        size: Width and height in inches.
        colours: Of the points, and of lines and seeds.

    Raises:
        ValueError: Arrays of different lengths.

    >>> figure = gain_against_misfit([0.1, 0.2], [0.1, 0.15], labels=["ce", "reverse_ce"])
    >>> len(figure.axes[0].texts)
    2
    """
    x, y = as_floats("misfit", misfit, ndim=1), as_floats("gap", gap, ndim=1)
    if x.shape != y.shape or (labels is not None and len(labels) != len(x)):
        raise ValueError(
            f"misfit, gap and labels must have one length, got {len(x)}, {len(y)}"
            + (f" and {len(labels)}" if labels is not None else "")
        )
    figure, (axes,) = new_figure(width=size[0], height=size[1])
    point, muted = colours
    spreads = []
    for name, middle, interval in (
        ("misfit_interval", x, misfit_interval),
        ("gap_interval", y, gap_interval),
    ):
        if interval is None:
            spreads.append(None)
            continue
        ends = as_floats(name, interval, ndim=2)
        if ends.shape != (len(x), 2):
            raise ValueError(f"{name} must have shape ({len(x)}, 2), got {ends.shape}")
        spreads.append(np.clip(np.stack([middle - ends[:, 0], ends[:, 1] - middle]), 0, None))
    end = max(float(np.max(x, initial=0)), float(np.max(y, initial=0)), 1e-9) * 1.15
    axes.plot([0, end], [0, end], color=muted, lw=1, ls="--", label="gain = misfit (residual 0)")
    axes.axhline(0, color=muted, lw=0.8)
    if seeds is not None:
        axes.plot(*as_floats("seeds", seeds, ndim=2).T, "o", ms=2.6, color=muted, label="seeds")
    axes.errorbar(x, y, yerr=spreads[1], xerr=spreads[0], fmt="o", ms=5, lw=1.2, color=point)
    for name, left, up in zip(labels or (), x, y, strict=False):
        axes.annotate(name, (left, up), xytext=(5, 5), textcoords="offset points", fontsize=9)
    axes.set(
        xlabel=f"misfit: student from teacher ({unit})",
        ylabel=f"gain in risk ({unit})",
    )
    axes.set_xlim(left=0)
    axes.legend(loc="best")
    return figure
