"""Figures of a forecast: what is predicted, the rehearsal's curves, the theory over them."""

from typing import TYPE_CHECKING, Any

from w2sg import arms as table
from w2sg.figures import new_figure
from w2sg.report.drawing import NARROW, Drawing, arm_colour, drawn

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CURVES = ("teacher", "strong_on_labelled", "student")  # arms that the rehearsal has curves of
STUDENT = arm_colour("student")


def predicted(facts: dict[str, Any]) -> Drawing:
    """Draw predicted accuracies with their intervals.

    Args:
        facts: The forecast.
    """
    accuracy = facts["prediction"]["accuracy"]
    arms = table.in_order(accuracy)[::-1]

    def draw(width: float) -> "Figure":
        figure, (axes,) = new_figure(width=width, height=0.9 + 0.42 * len(arms))
        for y, arm in enumerate(arms):
            value, colour = accuracy[arm], arm_colour(arm)
            axes.plot([100 * value["low"], 100 * value["high"]], [y, y], color=colour, lw=2.2)
            axes.plot(100 * value["estimate"], y, "o", color=colour)
            axes.annotate(
                f"{100 * value['estimate']:.1f}",
                (100 * value["estimate"], y),
                xytext=(0, 6),
                textcoords="offset points",
                ha="center",
                fontsize=8.5,
            )
        axes.set_yticks(range(len(arms)), [_name(arm, width) for arm in arms])
        axes.set_ylim(-0.6, len(arms) - 0.3)
        axes.grid(axis="y", visible=False)
        axes.set_xlabel("forecast accuracy, %, with 90 % interval")
        return figure

    values = "; ".join(
        f"{table.TABLE[arm].title} {100 * accuracy[arm]['estimate']:.1f}" for arm in arms[::-1]
    )
    return drawn("predicted", f"Forecast accuracy in percent: {values}.", draw)


def curves(facts: dict[str, Any]) -> Drawing:
    """Draw held-out accuracy against labels and against unlabelled rows.

    Args:
        facts: The forecast.
    """
    rehearsal = facts["rehearsal"]
    n, big = rehearsal["n_sizes"], rehearsal["N_sizes"]
    student = rehearsal["student"]
    by_labels = {
        "teacher": rehearsal["teacher"],
        "strong_on_labelled": rehearsal["strong"],
        "student": [row[-1] for row in student],
    }

    def draw(width: float) -> "Figure":
        narrow = width == NARROW
        shape = (2, 1) if narrow else (1, 2)
        figure, (left, right) = new_figure(*shape, width=width, height=6.4 if narrow else 3.4)
        right.sharey(left)  # alone, a row or two of the held-out labels would look like a trend
        for arm, values in by_labels.items():
            left.plot(
                n, [100 * v for v in values], "o-", color=arm_colour(arm), label=_name(arm, width)
            )
        for i, size in enumerate(n):
            right.plot(
                big,
                [100 * v for v in student[i]],
                "o-",
                color=STUDENT,
                alpha=0.35 + 0.65 * (i + 1) / len(n),
                label=f"student, {size:,} labels",
            )
        _finish(left, "labels n", "held-out accuracy, %", n)
        _finish(right, "unlabelled rows N", "held-out accuracy, %" if narrow else "", big)
        return figure

    says = "Held-out accuracy against the number of labels, and of unlabelled rows."
    return drawn("curves", says, draw)


def theory(facts: dict[str, Any]) -> Drawing | None:
    """Draw squared errors measured and expected; nothing if theory has no number.

    Args:
        facts: The forecast.
    """
    overlay = facts["overlay"]
    known = [row for row in overlay["residuals"] if row["theory"] is not None]
    if not known and overlay["penalty_theory"] is None:
        return None

    def draw(width: float) -> "Figure":
        narrow = width == NARROW
        shape = (3, 1) if narrow else (1, 3)
        figure, panels = new_figure(*shape, width=width, height=9.0 if narrow else 3.4)
        _errors(panels[0], panels[1], facts, width)
        _penalties(panels[2], facts)
        for axes in panels:
            if axes.get_legend_handles_labels()[0]:
                axes.legend(fontsize=8)
        return figure

    says = "Squared error measured and expected, by labels, unlabelled rows and penalty."
    return drawn("theory", says, draw)


def _errors(left: "Axes", middle: "Axes", facts: dict[str, Any], width: float) -> None:
    """Squared error by labels and by unlabelled rows, dots measured and dashes expected."""
    rows, rehearsal = facts["overlay"]["residuals"], facts["rehearsal"]
    last_n, last_big = rehearsal["n_sizes"][-1], rehearsal["N_sizes"][-1]
    for arm in CURVES:
        line = [r for r in rows if r["what"] == arm and r["N"] in (None, last_big)]
        _pair(left, [r["n"] for r in line], line, arm_colour(arm), _name(arm, width))
    line = [r for r in rows if r["what"] == "student" and r["n"] == last_n]
    _pair(middle, [r["N"] for r in line], line, STUDENT, f"student, {last_n:,} labels")
    for axes, label in ((left, "labels n"), (middle, "unlabelled rows N")):
        axes.set_ylim(0, 1.6 * max(r["measured"] for r in rows))
        axes.set_xlabel(label)
    left.set_ylabel("squared error")


def _penalties(axes: "Axes", facts: dict[str, Any]) -> None:
    """The student's error over its penalty, with the theory's risk where there is one."""
    overlay, rehearsal = facts["overlay"], facts["rehearsal"]
    errors = rehearsal["penalty_error"]
    axes.plot(rehearsal["penalties"], errors, "o", color=STUDENT, label="rehearsal")
    if overlay["penalty_theory"] is not None:
        # an excess risk of one class column has neither the scale nor the floor of the error
        risk = overlay["penalty_theory"]
        spread = (max(risk) - min(risk)) or 1.0
        scale = (max(errors) - min(errors)) / spread
        rescaled = [min(errors) + scale * (value - min(risk)) for value in risk]
        axes.plot(overlay["penalties"], rescaled, color=STUDENT, ls="--", label="theory, rescaled")
    axes.set_xscale("log")
    axes.set_xlabel("penalty / mean feature variance")


def _pair(
    axes: "Axes", sizes: list[float], rows: list[dict[str, Any]], colour: str, name: str
) -> None:
    if not rows:
        return
    axes.plot(sizes, [r["measured"] for r in rows], "o", color=colour, label=name)
    known = [(x, r["theory"]) for x, r in zip(sizes, rows, strict=True) if r["theory"] is not None]
    axes.plot([x for x, _ in known], [y for _, y in known], "--", color=colour)


def _finish(axes: "Axes", x: str, y: str, sizes: list[int]) -> None:
    axes.set_xscale("log")
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.minorticks_off()
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.legend(fontsize=8)


def _name(arm: str, width: float) -> str:
    return table.TABLE[arm].short if width == NARROW else table.TABLE[arm].title
