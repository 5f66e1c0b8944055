"""The figures of a page: collected data in, SVG text out, one width for desks, one for phones."""

import math
from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from w2sg.arms import TABLE
from w2sg.figures import gain_against_misfit, new_figure
from w2sg.figures.canvas import BLUE, MUTED, ORANGE
from w2sg.gain.break_even import BreakEven
from w2sg.report.collect import PageData
from w2sg.report.drawing import NARROW, WIDE, Drawing, arm_colour, drawn
from w2sg.report.numbers import triple
from w2sg.report.trainings import Training

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_POINTS = 120  # of a training curve, so that a page of long trainings stays small


def arms(page: PageData) -> Drawing:
    """Draw the accuracy of every arm with its interval, and each seed as a small dot."""

    def draw(width: float) -> "Figure":
        figure, (axes,) = new_figure(width=width, height=0.9 + 0.46 * len(page.arms))
        for y, arm in enumerate(page.arms):
            colour, told = arm_colour(arm.name), triple(arm.accuracy)
            if told is None:
                continue
            middle, low, high = told
            axes.plot([100 * low, 100 * high], [y, y], color=colour, linewidth=2.2)
            seeds = arm.by_seed["accuracy"] if len(page.seeds) > 1 else ()
            axes.plot(
                [100 * one for one in seeds],
                [y + 0.26] * len(seeds),
                linestyle="none",
                marker="o",
                markersize=2.6,
                color=MUTED,
            )
            axes.plot([100 * middle], [y], marker="o", markersize=7, color=colour)
        axes.axvline(100 * page.majority[1], color=MUTED, linewidth=1.0, linestyle=(0, (4, 3)))
        axes.text(
            100 * page.majority[1],
            -0.72,
            "most frequent class",
            color=MUTED,
            fontsize=8,
            ha="center",
            va="bottom",
        )
        axes.set_yticks(range(len(page.arms)), [_short(arm.name, width) for arm in page.arms])
        axes.set_ylim(len(page.arms) - 0.4, -0.75)
        axes.grid(axis="y", visible=False)
        axes.set_xlabel("accuracy on the test part, %")
        return figure

    told = "; ".join(f"{arm.title} {arm.accuracy}" for arm in page.arms)
    return drawn("arms", f"Accuracy and interval of every model: {told}.", draw)


def break_even(page: PageData) -> Drawing | None:
    """Draw the learning curve on true labels, and where it reaches the student's accuracy."""
    worth = page.break_even
    if worth is None:
        return None

    def draw(width: float) -> "Figure":
        figure, (axes,) = new_figure(width=width, height=3.3)
        _learning_curve(axes, worth)
        axes.legend(
            loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=1 + (width > 6), frameon=False
        )
        return figure

    return drawn("break-even", f"Learning curve on true labels. {worth.sentence}", draw)


def departure(page: PageData) -> Drawing | None:
    """Draw the gain in risk against the student's misfit, each seed as a small dot."""
    found = page.ledger
    misfit, gap = triple(found.misfit), triple(found.gap)
    if misfit is None or gap is None:
        return None

    def draw(width: float) -> "Figure":
        figure = gain_against_misfit(
            misfit[:1],
            gap[:1],
            misfit_interval=[misfit[1:]],
            gap_interval=[gap[1:]],
            unit=found.unit,
            seeds=found.seeds if len(found.seeds) > 1 else None,
            size=(width, 3.3),
            colours=(ORANGE, MUTED),
        )
        figure.axes[0].legend(frameon=False)
        return figure

    says = f"Gain in risk {found.gap} against misfit {found.misfit}, {found.unit}."
    return drawn("departure", says, draw)


def training_curves(page: PageData) -> Drawing | None:
    """Draw the training loss of every fine-tuning, one panel per arm, one line per seed."""
    names = list(dict.fromkeys(one.arm for one in page.trainings if one.steps))
    if not names:
        return None

    from matplotlib.ticker import MaxNLocator

    def draw(width: float) -> "Figure":
        columns = min(3 if width > 6 else 2, len(names))
        rows = math.ceil(len(names) / columns)
        figure, panels = new_figure(rows, columns, width=width, height=0.5 + 1.75 * rows)
        for panel, name in zip(panels, names, strict=False):
            for one in page.trainings:
                if one.arm == name:
                    _loss_curve(panel, one)
            panel.set_title(_short(name, NARROW), fontsize=9, loc="left")
            panel.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        for panel in panels[len(names) :]:
            panel.set_visible(False)
        for i, panel in enumerate(panels[: len(names)]):
            if i % columns == 0:
                panel.set_ylabel("loss")
            if i + columns >= len(names):
                panel.set_xlabel("step")
        _same_range(panels[: len(names)])
        return figure

    return drawn("training", f"Training loss by optimizer step of {', '.join(names)}.", draw)


def thinned(
    steps: Sequence[int], losses: Sequence[float], most: int
) -> tuple[list[float], list[float]]:
    """Return a curve of at most so many points, each the mean of equally many steps.

    >>> thinned([1, 2, 3, 4, 5], [5.0, 3.0, 2.0, 2.0, 1.0], 3)
    ([1.5, 3.5, 5.0], [4.0, 2.0, 1.0])
    """
    width = max(1, math.ceil(len(steps) / most))
    starts = range(0, len(steps), width)
    return (
        [fmean(steps[i : i + width]) for i in starts],
        [fmean(losses[i : i + width]) for i in starts],
    )


def _learning_curve(axes: "Axes", worth: BreakEven) -> None:
    from matplotlib.ticker import NullLocator

    low, high = _band(worth)
    if low < high:
        axes.axvspan(low, high, color=ORANGE, alpha=0.12, linewidth=0, label="interval")
    frozen, refined = ([100 * v for v in values] for values in (worth.frozen, worth.refined))
    axes.plot(worth.sizes, frozen, "o--", color=MUTED, markersize=3.5, label="on frozen features")
    axes.plot(worth.sizes, refined, "o-", color=BLUE, markersize=5, label="moved to fine-tuned")
    axes.axhline(100 * worth.student, color=ORANGE, linewidth=1.2, label="student")
    if worth.labels is not None:
        axes.plot([worth.labels], [100 * worth.student], "D", color=ORANGE, markersize=7)
    axes.set_xscale("log")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(worth.sizes, [f"{size:,}" for size in worth.sizes])
    axes.set_xlabel("true labels")
    axes.set_ylabel("accuracy, %")


def _band(worth: BreakEven) -> tuple[float, float]:
    """Return the ends of the interval within the measured sizes; equal where it is all outside."""
    if worth.labels is not None:
        return worth.low or worth.smallest, worth.high or worth.largest
    if worth.student > worth.refined[-1]:
        return worth.low or worth.largest, worth.largest
    return worth.smallest, worth.high or worth.smallest


def _loss_curve(axes: "Axes", one: Training) -> None:
    steps, losses = thinned(one.steps, one.losses, MOST_POINTS)
    axes.plot(steps, losses, color=arm_colour(one.arm), linewidth=1.1, alpha=0.85)


def _same_range(panels: "Sequence[Axes]") -> None:
    low = min(panel.get_ylim()[0] for panel in panels)
    high = max(panel.get_ylim()[1] for panel in panels)
    for panel in panels:
        panel.set_ylim(low, high)


def _short(name: str, width: float) -> str:
    arm = TABLE[name]
    return arm.short if width < WIDE else arm.title
