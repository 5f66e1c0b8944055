"""The few numbers of a rehearsal that a forecast of accuracies is made from."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from w2sg import arms, soft_labels
from w2sg._arrays import FloatArray
from w2sg.forecast.arm_heads import FittedArms
from w2sg.forecast.evidence import Evidence
from w2sg.forecast.rehearsal import Rehearsal
from w2sg.forecast.spaces import misfit


@dataclass(frozen=True)
class Contest:
    """A way against the teacher.

    Attributes:
        differs: Share of the unlabelled rows on which they choose different classes.
        rows: Held-out labelled rows on which they do.
        net: Of these, rows that the way gets right minus rows that the teacher gets right.
    """

    differs: float
    rows: int
    net: float


@dataclass(frozen=True)
class Observed:
    """What was measured before training; enough to make the forecast again.

    Attributes:
        n: Labels.
        N: Unlabelled rows.
        n_test: Test rows of the run to come.
        n_sizes: Numbers of labels of the curves.
        teacher: Held-out accuracy of the teacher by number of labels.
        strong: The same of the strong model on the labels alone.
        contests: Way → its contest with the teacher.
        misfit: Mean squared difference of student and teacher on unlabelled rows.
    """

    n: int
    N: int
    n_test: int
    n_sizes: tuple[int, ...]
    teacher: tuple[float, ...]
    strong: tuple[float, ...]
    contests: dict[str, Contest]
    misfit: float

    @classmethod
    def of_json(cls, fields: dict[str, Any]) -> "Observed":
        """Return what ``asdict`` took apart."""
        contests = {way: Contest(**values) for way, values in fields["contests"].items()}
        lists = {name: tuple(fields[name]) for name in ("n_sizes", "teacher", "strong")}
        return cls(**{**fields, **lists, "contests": contests})


def observe(evidence: Evidence, rehearsal: Rehearsal, ways: FittedArms) -> Observed:
    """Return the numbers of a rehearsal and of the ways fitted to all labels.

    Args:
        evidence: What is known.
        rehearsal: The experiment held out label by label.
        ways: The ways fitted with all labels and the teacher of the run.
    """
    told = evidence.teacher[evidence.n :]
    first = soft_labels.answers(told)
    contests = {}
    for way in arms.ways():
        there = rehearsal.differs[way]
        net = rehearsal.hits[way][there].sum() - rehearsal.hits["teacher"][there].sum()
        share = float((soft_labels.answers(ways.on_unlabelled[way]) != first).mean())
        contests[way] = Contest(share, int(there.sum()), float(net))
    return Observed(
        n=evidence.n,
        N=evidence.N,
        n_test=evidence.n_test,
        n_sizes=tuple(int(size) for size in rehearsal.n_sizes),
        teacher=tuple(float(value) for value in rehearsal.teacher.mean(axis=1)),
        strong=tuple(float(value) for value in rehearsal.strong.mean(axis=1)),
        contests=contests,
        misfit=misfit(ways.on_unlabelled["student"], told),
    )


@dataclass(frozen=True)
class RootCurve:
    """Accuracy against a number of rows m, level − fall/√m, never falling with m.

    Attributes:
        level: Its limit.
        fall: What 1/√m costs, at least 0.
    """

    level: float
    fall: float

    def at(self, m: float) -> float:
        """Return the accuracy at m rows, within [0, 1]."""
        return float(np.clip(self.level - self.fall / np.sqrt(m), 0.0, 1.0))


def root_curve(sizes: FloatArray, accuracy: Float[np.ndarray, " s"] | FloatArray) -> RootCurve:
    """Fit level − fall/√m by least squares; a curve that falls is taken as flat at its last point.

    Args:
        sizes: Numbers of rows, above 0.
        accuracy: Accuracy at each.

    >>> curve = root_curve(np.array([100.0, 400.0]), np.array([0.7, 0.8]))
    >>> round(curve.level, 6), round(curve.at(1600), 6)
    (0.9, 0.85)
    """
    x, y = 1 / np.sqrt(np.asarray(sizes, dtype=np.float64)), np.asarray(accuracy, dtype=np.float64)
    spread = float(np.square(x - x.mean()).sum())
    fall = 0.0 if spread == 0 else -float((x - x.mean()) @ (y - y.mean())) / spread
    if fall <= 0:
        return RootCurve(float(y[-1]), 0.0)
    return RootCurve(float(y.mean() + fall * x.mean()), fall)
