"""How closely a student follows its teacher, on stored answers: epochs, entropy, ensembles.

Two statements of the seeds of this field: not fitting the teacher too closely helps, and lowering
the student's entropy helps. The sweep behind it varies epochs × entropy weight × members of the
teacher; nothing is trained here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.special import entr

from w2sg._arrays import FloatArray
from w2sg.figures import new_figure
from w2sg.figures.canvas import PALETTE
from w2sg.gain import Comparison, compare
from w2sg.studies.study import Claim, Study
from w2sg.theory.bregman import negentropy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SMALLEST = 1e-12
MARKERS = "osD^v"


@dataclass(frozen=True)
class Cell:
    """One setting and what its teachers and students say of the test items.

    Attributes:
        epochs: Of the student.
        loss: Of the student.
        members: Of the teacher.
        teacher: Probabilities (seeds, items, K).
        student: Probabilities (seeds, items, K), of the teacher of the same seed.
    """

    epochs: float
    loss: str
    members: int
    teacher: Float[ndarray, "seeds items k"]
    student: Float[ndarray, "seeds items k"]


def teacher_fit(truth: Int[ndarray, " items"], cells: Sequence[Cell]) -> Study:
    r"""Draw gain against agreement, entropy and distance to the mean teacher, and test the claims.

    The mean teacher of a seed is its teacher with the most members; the distance to it is
    KL(student‖mean teacher). Claims are about accuracy, paired by seed and item, averaged over the
    other settings, intervals over seeds and items; the whole list of epochs shares one error rate.

    Args:
        truth: Class numbers.
        cells: A full grid of epochs × loss × members; the first loss is compared with the others.

    Raises:
        ValueError: Not a full grid, or fewer than two values of epochs, losses or members.
    """
    axes: dict[str, Any] = {
        "epochs": sorted({cell.epochs for cell in cells}),
        "loss": list(dict.fromkeys(cell.loss for cell in cells)),
        "members": sorted({cell.members for cell in cells}),
    }
    short = [name for name, values in axes.items() if len(values) < 2]
    if short or len(cells) != np.prod([len(values) for values in axes.values()]):
        raise ValueError(
            f"cells must be a full grid with two values of each of {', '.join(axes)}, got "
            f"{len(cells)} cells with { ({name: len(v) for name, v in axes.items()}) }"
        )
    mean = {cell.members: cell.teacher for cell in cells}[axes["members"][-1]]
    rows = [_measured(truth, cell, mean) for cell in cells]
    arrays = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    right = {id(cell): (cell.student.argmax(-1) == truth).astype(float) for cell in cells}

    def compared(axis: str, reference: object) -> Comparison:
        groups: dict[str, list[FloatArray]] = {}
        for cell in cells:
            groups.setdefault(str(getattr(cell, axis)), []).append(right[id(cell)])
        scores = {name: np.mean(values, axis=0) for name, values in groups.items()}
        return compare(scores, str(reference))

    longest = axes["epochs"][-1]
    claims = (
        _fit_claim(arrays, axes["epochs"]),
        *_claims(
            compared("epochs", longest),
            f"Stopping before {longest:g} epochs is more accurate",
        ),
        *_claims(
            compared("loss", axes["loss"][0]),
            "A student pushed to lower entropy is more accurate",
        ),
        *_claims(
            compared("members", axes["members"][0]),
            "The student of an ensemble of teachers is more accurate",
        ),
    )
    return Study(arrays, _figure(cells, arrays, axes["loss"], axes["members"]), claims)


def _measured(truth: Int[ndarray, " items"], cell: Cell, mean: FloatArray) -> dict[str, float]:
    student, teacher = np.maximum(cell.student, SMALLEST), np.maximum(cell.teacher, SMALLEST)
    said, told = cell.student.argmax(-1), cell.teacher.argmax(-1)
    at = np.arange(len(truth))
    nll = [-np.log(p[:, at, truth]).mean() for p in (teacher, student)]
    return {
        "epochs": cell.epochs,
        "members": float(cell.members),
        "teacher_accuracy": float((told == truth).mean()),
        "student_accuracy": float((said == truth).mean()),
        "gain": float((said == truth).mean() - (told == truth).mean()),
        "risk_gain": float(nll[0] - nll[1]),
        "agreement": float((said == told).mean()),
        "misfit": float(negentropy.gap(student, teacher).mean()),
        "entropy": float(entr(student).sum(-1).mean()),
        "distance": float(negentropy.gap(student, np.maximum(mean, SMALLEST)).mean()),
    }


def _fit_claim(arrays: Mapping[str, FloatArray], epochs: list[float]) -> Claim:
    by = [arrays["agreement"][arrays["epochs"] == value].mean() for value in epochs]
    return Claim(
        "More epochs follow the teacher more closely",
        "agreement " + ", ".join(f"{a:.3f} ({e:g})" for a, e in zip(by, epochs, strict=True)),
        bool((np.diff(by) > 0).all()),
    )


def _claims(found: Comparison, statement: str) -> list[Claim]:
    claims = []
    for d in found.differences:
        spans = f"{100 * d.difference:+.1f} [{100 * d.low:+.1f}, {100 * d.high:+.1f}] points"
        holds = d.decided and d.difference > 0
        told = "" if d.decided else ", not distinguishable"
        claims.append(
            Claim(f"{statement}: {d.name} against {found.reference}", spans + told, bool(holds))
        )
    return claims


def _figure(
    cells: Sequence[Cell], arrays: Mapping[str, FloatArray], losses: list[str], members: list[int]
) -> "Figure":
    figure, panels = new_figure(1, 3, width=10.5, height=4.2)
    names = {
        "agreement": "agreement with the teacher",
        "entropy": "student's entropy, nats",
        "distance": "distance to the mean teacher, nats",
    }
    for axes, (name, label) in zip(panels, names.items(), strict=True):
        for i, loss in enumerate(losses):
            for j, count in enumerate(members):
                rows = [k for k, c in enumerate(cells) if (c.loss, c.members) == (loss, count)]
                rows.sort(key=lambda k: cells[k].epochs)
                x, y = arrays[name][rows], 100 * arrays["gain"][rows]
                title = f"{loss}, {count} teacher{'s' * (count > 1)}"
                line = f"{MARKERS[i]}{'-' if i == 0 else '--'}"
                axes.plot(x, y, line, color=PALETTE[j], ms=5, label=title)
                for k, px, py in zip(rows, x, y, strict=True):
                    note = f"{cells[k].epochs:g}"
                    axes.annotate(note, (px, py), xytext=(4, 3), textcoords="offset points", size=7)
        axes.axhline(0, color="0.35", linewidth=0.8)
        axes.set_xlabel(label)
        axes.locator_params(axis="x", nbins=5)
    panels[0].set_ylabel("student − teacher, points of accuracy")
    lines, titles = panels[0].get_legend_handles_labels()
    figure.legend(lines, titles, loc="outside lower center", ncols=3, fontsize=8)
    figure.suptitle("Numbers at the points: epochs", fontsize=9)
    return figure
