"""Figures of a forecast: what is predicted, the rehearsal's curves, the theory over them."""

from typing import TYPE_CHECKING, Any

from w2sg import arms as table
from w2sg.figures import new_figure, to_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TEACHER, STRONG, STUDENT, CEILING = "#4f5d75", "#1b6ca8", "#d1495b", "#2e8b57"
COLOURS = {"teacher": TEACHER, "student": STUDENT, "ceiling": CEILING}


def predicted(facts: dict[str, Any]) -> str:
    """Return predicted accuracies with their intervals, as SVG.

    Args:
        facts: The forecast.
    """
    accuracy = facts["prediction"]["accuracy"]
    arms = table.in_order(accuracy)[::-1]
    figure, (axes,) = new_figure(width=6.4, height=3.4)
    for y, arm in enumerate(arms):
        value, colour = accuracy[arm], COLOURS.get(arm, STRONG)
        axes.plot([100 * value["low"], 100 * value["high"]], [y, y], color=colour, lw=2)
        axes.plot(100 * value["estimate"], y, "o", color=colour)
        axes.annotate(
            f"{100 * value['estimate']:.1f}",
            (100 * value["estimate"], y),
            xytext=(0, 6),
            textcoords="offset points",
            ha="center",
            fontsize=8.5,
        )
    axes.set_yticks(range(len(arms)), [table.TABLE[arm].title for arm in arms])
    axes.set_ylim(-0.6, len(arms) - 0.3)
    axes.set_xlabel("forecast accuracy, %, with 90 % interval")
    return to_svg(figure)


def curves(facts: dict[str, Any]) -> str:
    """Return held-out accuracy against labels and against unlabelled rows, as SVG.

    Args:
        facts: The forecast.
    """
    found = facts["rehearsal"]
    figure, (left, right) = new_figure(1, 2, width=8.4, height=3.4)
    right.sharey(left)  # alone, a row or two of the held-out labels would look like a trend
    n, big = found["n_sizes"], found["N_sizes"]
    student = found["student"]
    for name, values, colour in (
        ("teacher", found["teacher"], TEACHER),
        ("strong, labels alone", found["strong"], STRONG),
        ("student", [row[-1] for row in student], STUDENT),
    ):
        left.plot(n, [100 * v for v in values], "o-", color=colour, label=name)
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
    _finish(right, "unlabelled rows N", "", big)
    return to_svg(figure)


def theory(facts: dict[str, Any]) -> str | None:
    """Return squared errors measured and expected, as SVG; nothing if theory has no number.

    Args:
        facts: The forecast.
    """
    overlay, found = facts["overlay"], facts["rehearsal"]
    known = [row for row in overlay["residuals"] if row["theory"] is not None]
    if not known and overlay["penalty_theory"] is None:
        return None
    figure, (left, middle, right) = new_figure(1, 3, width=10.2, height=3.4)
    last_n, last_big = found["n_sizes"][-1], found["N_sizes"][-1]
    rows = overlay["residuals"]
    for what, colour, name in (
        ("teacher", TEACHER, "teacher"),
        ("strong_on_labelled", STRONG, "strong, labels alone"),
        ("student", STUDENT, "student"),
    ):
        line = [r for r in rows if r["what"] == what and r["N"] in (None, last_big)]
        _pair(left, [r["n"] for r in line], line, colour, name)
    line = [r for r in rows if r["what"] == "student" and r["n"] == last_n]
    _pair(middle, [r["N"] for r in line], line, STUDENT, f"student, {last_n:,} labels")
    right.plot(found["penalties"], found["penalty_error"], "o", color=STUDENT, label="rehearsal")
    if overlay["penalty_theory"] is not None:
        # an excess risk of one class column has neither the scale nor the floor of the error
        risk, seen = overlay["penalty_theory"], found["penalty_error"]
        spread = (max(risk) - min(risk)) or 1.0
        scale = (max(seen) - min(seen)) / spread
        drawn = [min(seen) + scale * (value - min(risk)) for value in risk]
        right.plot(overlay["penalties"], drawn, color=STUDENT, ls="--", label="theory, rescaled")
    right.set_xscale("log")
    for axes in (left, middle):
        seen = [r["measured"] for r in rows]
        axes.set_ylim(0, 1.6 * max(seen))
    left.set_xlabel("labels n")
    middle.set_xlabel("unlabelled rows N")
    right.set_xlabel("penalty / mean feature variance")
    left.set_ylabel("squared error")
    for axes in (left, middle, right):
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=8)
    return to_svg(figure)


def _pair(
    axes: "Axes", sizes: list[float], rows: list[dict[str, Any]], colour: str, name: str
) -> None:
    if not rows:
        return
    axes.plot(sizes, [r["measured"] for r in rows], "o", color=colour, label=name)
    told = [(x, r["theory"]) for x, r in zip(sizes, rows, strict=True) if r["theory"] is not None]
    axes.plot([x for x, _ in told], [y for _, y in told], "--", color=colour)


def _finish(axes: "Axes", x: str, y: str, sizes: list[int]) -> None:
    axes.set_xscale("log")
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.minorticks_off()
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.legend(fontsize=8)
