"""The two figures of `roles`: the heat maps of stage 1, the differences of stage 2."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from w2sg.figures import new_figure
from w2sg.figures.canvas import PALETTE
from w2sg.studies.attention.roles import CELL, RATIOS, ROLES, Arm, base_rates, trains_v

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from w2sg.gain import Comparison


def draw_choice(table: "pd.DataFrame", chosen: Mapping[str, Arm]) -> "Figure":
    """Return a heat map of held-out accuracy for each set of roles, the chosen cell framed.

    Args:
        table: What the sweep of stage 1 returned.
        chosen: What `choose` returned.
    """
    from matplotlib.patches import Rectangle

    found = {Arm(*(row[key] for key in CELL)): row["student"] for row in table.to_dict("records")}
    values = np.array(list(found.values()))
    low, high = np.nanmin(values), np.nanmax(values)
    figure, axes = new_figure(2, 4, width=11.0, height=6.0)
    for panel, roles in zip(axes, ROLES, strict=True):
        ratios = RATIOS if trains_v(roles) else (1.0,)
        rates = base_rates(roles)
        grid = np.array([[found[Arm(roles, lr, ratio)] for ratio in ratios] for lr in rates])
        panel.grid(visible=False)
        panel.imshow(grid, vmin=low, vmax=high, cmap="viridis", origin="lower", aspect="auto")
        for (i, j), value in np.ndenumerate(grid):
            colour = "black" if value > (low + high) / 2 else "white"
            text = "–" if np.isnan(value) else f"{100 * value:.0f}"
            panel.text(j, i, text, ha="center", va="center", color=colour, fontsize=8)
        best = chosen[roles]
        corner = (ratios.index(best.ratio) - 0.47, rates.index(best.lr) - 0.47)
        panel.add_patch(Rectangle(corner, 0.94, 0.94, fill=False, ec=PALETTE[1], lw=2.5))
        panel.set_xticks(range(len(ratios)), [f"{ratio:g}" for ratio in ratios])
        panel.set_yticks(range(len(rates)), [f"{lr:g}" for lr in rates])
        panel.set_title(roles)
    for panel in axes[4:]:
        panel.set_xlabel("η_V/η_Q")
    for panel in axes[::4]:
        panel.set_ylabel("base rate")
    return figure


def draw_comparison(found: Mapping[str, "Comparison"]) -> "Figure":
    """Return the differences of stage 2 from their reference, one panel for each set and labels.

    Args:
        found: Set and labels → the same arms against the same reference.
    """
    first = next(iter(found.values()))
    names = [d.name for d in first.differences]
    figure, axes = new_figure(1, len(found), width=10.5, height=1.4 + 0.27 * len(names))
    for panel, (where, comparison) in zip(axes, found.items(), strict=True):
        panel.axvline(0.0, color="0.35", lw=1, ls="--")
        for row, d in enumerate(comparison.differences):
            colour = PALETTE[0] if d.decided else "0.55"
            panel.plot([100 * d.low, 100 * d.high], [row, row], color=colour, lw=2)
            face = colour if d.decided else "white"
            panel.plot(100 * d.difference, row, "o", color=colour, mfc=face, ms=5)
        panel.set_ylim(len(names) - 0.5, -0.5)
        panel.set_yticks(range(len(names)), labels=names if panel is axes[0] else [])
        panel.grid(axis="y", visible=False)
        panel.set_title(where, fontsize=9)
    figure.supxlabel(f"points of accuracy over {first.reference}", fontsize=9)
    return figure
