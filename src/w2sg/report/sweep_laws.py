"""Learning-curve laws over the curves of a sweep: drawn where they apply, else a sentence why not.

The laws are exact for least squares on fixed Gaussian features, so they can hold where the strong
model keeps its features and only its head is trained. They speak of squared errors: of the Brier
score, and not of accuracy.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from w2sg._arrays import FloatArray
from w2sg.arms import TABLE
from w2sg.diagnostics import noise_and_floor, overlap_from_curves, split_from_curve
from w2sg.figures import new_figure
from w2sg.report.drawing import NARROW, arm_colour
from w2sg.theory.discrepancy import kappa

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

UNLABELLED, LABELLED = "data.n_unlabelled", "data.n_labelled"
MOST_TICKS = 8
STRAIGHT = 0.9  # least share of the variance that a law explains where its line is drawn
ARMS = {UNLABELLED: ("student", "ceiling"), LABELLED: ("teacher", "student", "strong_on_labelled")}


@dataclass(frozen=True)
class CellErrors:
    """What the laws need of a finished cell.

    Attributes:
        policy: Which weights of the strong model moved.
        n_unlabelled: Pseudo-labelled rows.
        brier: Arm → Brier score on the test part.
    """

    policy: str
    n_unlabelled: int
    brier: Mapping[str, float]


@dataclass(frozen=True)
class Laws:
    """What the laws say along one axis.

    Attributes:
        draw: Width → measured Brier scores with the lines that fit; ``None`` where no law applies.
        notes: What was fitted, and why lines are missing.
        rows: The numbers drawn: setting, size, arm, measured, law.
    """

    draw: "Callable[[float], Figure] | None"
    notes: tuple[str, ...]
    rows: tuple[tuple[str, float, str, float, float | None], ...] = ()


@dataclass(frozen=True)
class _Line:
    arm: str
    values: FloatArray
    told: str


def lay_over(
    axis: str, sizes: Sequence[Any], settings: Sequence[str], cells: Sequence[CellErrors | None]
) -> Laws:
    r"""Fit the learning-curve laws along a swept axis.

    With κ(d, N) = d/(N − d − 1): over unlabelled rows the ceiling's error is v(1 + κ(d, N)), which
    gives the dimension d that the regression feels, and the student's A + B κ(d, N). Over labelled
    rows the errors of the teacher and of the strong model on the labels are v(1 + κ(d, n)), and
    the student's is affine in the teacher's.

    Args:
        axis: The swept key.
        sizes: Its value in each cell.
        settings: The other swept values of each cell, as one text.
        cells: What each cell found, ``None`` if unfinished.

    Source: section 2.4 and 3.4 of the theory notes, derived.

    >>> lay_over("student.lr", [1e-3, 1e-4], ["", ""], [None, None]).notes[0]
    'No theory line: the learning-curve laws are about numbers of rows, and not about student.lr.'
    """
    if axis not in ARMS:
        why = f"the learning-curve laws are about numbers of rows, and not about {axis}"
        return Laws(None, (f"No theory line: {why}.",))
    notes: dict[str, list[str]] = {}
    found: list[tuple[str, FloatArray, Mapping[str, FloatArray], list[_Line]]] = []
    for setting in dict.fromkeys(settings):
        chosen = [
            (float(size), cell)
            for size, own, cell in zip(sizes, settings, cells, strict=True)
            if own == setting and cell is not None
        ]
        chosen.sort(key=lambda pair: pair[0])
        if why := _does_not_apply([cell for _, cell in chosen]):
            notes.setdefault(f"no theory line: {why}.", []).append(setting)
            continue
        x = np.array([size for size, _ in chosen])
        measured = {
            arm: np.array([cell.brier[arm] for _, cell in chosen])
            for arm in ARMS[axis]
            if all(arm in cell.brier for _, cell in chosen)
        }
        n_unlabelled = min(cell.n_unlabelled for _, cell in chosen)
        fit = _over_unlabelled if axis == UNLABELLED else _over_labelled
        lines, told = fit(x, measured, n_unlabelled)
        notes.setdefault(" ".join(told), []).append(setting)
        if lines:
            found.append((setting, x, measured, lines))
    return Laws(partial(_drawn, axis, found) if found else None, _sentences(notes), _rows(found))


def _sentences(notes: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """One for all settings of which the same is to be said."""
    return tuple(
        f"At {'; '.join(settings)}: {note}" if any(settings) else f"{note[0].upper()}{note[1:]}"
        for note, settings in notes.items()
    )


def _does_not_apply(cells: list[CellErrors]) -> str | None:
    if moved := {cell.policy for cell in cells} - {"head"}:
        return (
            f"the laws are about frozen features, and student.policy = {sorted(moved)[0]} moves "
            "them; with student.policy = head they are drawn"
        )
    if len(cells) < 3:
        return f"it takes three sizes, and {len(cells)} are finished"
    return None


def _over_unlabelled(
    x: FloatArray, measured: Mapping[str, FloatArray], n_unlabelled: int
) -> tuple[list[_Line], list[str]]:
    del n_unlabelled
    if "ceiling" not in measured:
        return [], ["no theory line: the ceiling is missing, whose curve tells the dimension."]
    ceiling, told, d = _supervised("ceiling", x, measured["ceiling"], "N")
    if d is None:
        return [], [told]
    try:
        split = split_from_curve(x, measured["student"], d)
    except ValueError as error:
        return [], [f"no theory line: {error}."]
    law = f"student A + B κ(d, N), A = {split.floor:.3f}, B = {split.price:.3f}"
    student, also = _judged(
        "student", split.floor + split.price * np.asarray(kappa(d, x)), law, split.r2
    )
    return [*ceiling, *student], [told, also]


def _over_labelled(
    x: FloatArray, measured: Mapping[str, FloatArray], n_unlabelled: int
) -> tuple[list[_Line], list[str]]:
    lines, notes = [], []
    d_s = None
    for arm in ("strong_on_labelled", "teacher"):
        if arm in measured:
            line, told, d = _supervised(arm, x, measured[arm], "n")
            lines, notes = [*lines, *line], [*notes, told]
            d_s = d if arm == "strong_on_labelled" else d_s
    if d_s is None:
        return lines, [
            *notes,
            "no line for the student: the dimension of its features is unknown without a curve of "
            "the strong model on the labels alone (run.references).",
        ]
    try:
        fit = overlap_from_curves(measured["teacher"], measured["student"], d_s, n_unlabelled)
    except ValueError as error:
        return lines, [*notes, f"no line for the student: {error}."]
    law = f"student affine in the teacher's error, slope {fit.slope:.2f}"
    student, told = _judged("student", fit.offset + fit.slope * measured["teacher"], law, fit.r2)
    return [*lines, *student], [*notes, told]


def _supervised(
    arm: str, x: FloatArray, errors: FloatArray, symbol: str
) -> tuple[list[_Line], str, float | None]:
    name = TABLE[arm].phrase.removeprefix("the ")
    try:
        fit = noise_and_floor(x, errors)
    except ValueError as error:
        return [], f"no theory line for the {name}: {error}.", None
    law = f"{name} v(1 + κ(d, {symbol})), v = {fit.floor:.3f}, d = {fit.dimension:.0f}"
    values = fit.floor * (1 + np.asarray(kappa(fit.dimension, x)))
    lines, told = _judged(arm, values, law, fit.r2)
    return lines, told, fit.dimension if lines else None


def _judged(arm: str, values: FloatArray, law: str, r2: float) -> tuple[list[_Line], str]:
    if r2 >= STRAIGHT and np.isfinite(values).all():
        return [_Line(arm, values, law)], f"{law}; R² {r2:.2f} over {len(values)} sizes."
    return [], f"no theory line: {law} explains the points badly (R² {max(r2, 0.0):.2f})."


def _drawn(axis: str, found: list[Any], width: float) -> "Figure":
    columns = 1 if width == NARROW else min(2, len(found))
    rows = -(-len(found) // columns)
    figure, panels = new_figure(rows, columns, width=width, height=0.4 + 3.2 * rows)
    for empty in panels[len(found) :]:
        empty.set_visible(False)
    panels = panels[: len(found)]
    for number, (axes, drawn) in enumerate(zip(panels, found, strict=True)):
        setting, x, measured, lines = drawn
        for arm, errors in measured.items():
            axes.plot(x, errors, "o", color=arm_colour(arm), label=TABLE[arm].title)
        for line in lines:
            axes.plot(x, line.values, "--", color=arm_colour(line.arm), label=f"{line.arm}, law")
        mark_sizes(axes, x)
        axes.set_xlabel(axis)
        axes.set_ylabel("Brier score")
        axes.set_title(setting, fontsize=10)
        if number == 0:
            axes.legend(fontsize=8)
    return figure


def mark_sizes(axes: "Axes", values: Any) -> None:
    """Put the ticks at the swept values, on a logarithmic axis where they span a factor of four."""
    sizes = sorted({float(value) for value in values})
    if sizes[0] > 0 and sizes[-1] / sizes[0] >= 4:
        axes.set_xscale("log")
    if len(sizes) <= MOST_TICKS:
        axes.set_xticks(sizes, labels=[f"{size:,g}" for size in sizes])
        axes.set_xticks([], minor=True)


def _rows(found: list[Any]) -> tuple[tuple[str, float, str, float, float | None], ...]:
    rows = []
    for setting, x, measured, lines in found:
        law = {line.arm: line.values for line in lines}
        for arm, errors in measured.items():
            theory = law.get(arm, [None] * len(x))
            rows += [
                (setting, size, arm, float(error), None if value is None else float(value))
                for size, error, value in zip(x, errors, theory, strict=True)
            ]
    return tuple(rows)
