"""The controls beside the experiment itself: changes of the gain with intervals, and sentences."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2sg._arrays import FloatArray
from w2sg._seeds import child_seed
from w2sg.diagnostics.controls import arms
from w2sg.diagnostics.controls.arms import Arms, Make, Student, Withheld
from w2sg.diagnostics.controls.experiment import FrozenSeed, check_seeds
from w2sg.gain import Estimate, compare, gain

REFERENCE = "as it was"
_ESTIMATES = ("gain", "change", "squared_change")


@dataclass(frozen=True)
class Control:
    """One thing changed, everything else held fixed.

    Attributes:
        name: What it is called.
        changed: What was changed, as a clause.
        held: What was held fixed.
        teacher: Accuracy of its teacher, ``None`` where the control is withheld.
        student: Accuracy of its student.
        gain: Student − teacher under the control.
        change: That gain − the gain as it was, paired by seed and row.
        squared_change: The same in squared error of the probabilities, where more is better.
        differs: Whether the change is decided after Holm's correction over all controls.
        meaning: One plain sentence.
    """

    name: str
    changed: str
    held: str
    teacher: float | None
    student: float | None
    gain: Estimate
    change: Estimate
    squared_change: Estimate
    differs: bool
    meaning: str


@dataclass(frozen=True)
class Explanation:
    """The experiment on frozen features and its controls.

    Each control changes one thing. Two of them may undo the same part of the gain, so that changes
    do not add up and are no shares.

    Attributes:
        teacher: Accuracy of the teacher.
        student: Accuracy of the student, a ridge head on frozen features.
        gain: Student − teacher.
        controls: In a fixed order; those that cannot be made carry the reason.
        level: Nominal coverage of the intervals.
        n_seeds: Seeds.
        n_items: Test rows.
        note: What stands for the teacher of the run, where it is not the teacher itself.
    """

    teacher: float
    student: float
    gain: Estimate
    controls: tuple[Control, ...]
    level: float
    n_seeds: int
    n_items: int
    note: str | None = None

    @classmethod
    def of_json(cls, fields: dict[str, Any]) -> "Explanation":
        """Return what ``asdict`` took apart."""
        controls = tuple(
            Control(**{**row, **{name: Estimate(**row[name]) for name in _ESTIMATES}})
            for row in fields["controls"]
        )
        return cls(**{**fields, "gain": Estimate(**fields["gain"]), "controls": controls})

    def control(self, name: str) -> Control:
        """Return a control by its name.

        Raises:
            ValueError: There is none of that name.
        """
        for found in self.controls:
            if found.name == name:
                return found
        names = ", ".join(control.name for control in self.controls)
        raise ValueError(f"name must be one of {names}, got {name!r}")

    def table(self) -> list[dict[str, Any]]:
        """Return one flat row for the experiment and each control, ready for pandas or csv."""
        first = {
            "control": REFERENCE,
            "teacher": self.teacher,
            "student": self.student,
            **_ends("gain", self.gain),
        }
        return [first] + [
            {
                "control": c.name,
                "teacher": c.teacher,
                "student": c.student,
                **_ends("gain", c.gain),
                **_ends("change", c.change),
                **_ends("squared_change", c.squared_change),
                "differs": c.differs if c.gain.reason is None else None,
                "withheld": c.gain.reason,
                "changed": c.changed,
                "held": c.held,
                "meaning": c.meaning,
            }
            for c in self.controls
        ]

    def __str__(self) -> str:
        """Return the sentences, one a line."""
        lines = [f"On frozen features the student gains {_points(self.gain)} points."]
        return "\n".join([*lines, *(control.meaning for control in self.controls)])


@dataclass(frozen=True)
class _Wording:
    """What a control changes, holds and means when the gain falls, stays or rises."""

    make: Make
    changed: str
    held: str
    falls: str
    stays: str
    rises: str


CONTROLS: dict[str, _Wording] = {
    "re-regularised teacher": _Wording(
        arms.best_penalty,
        "the teacher has the penalty that suits the truth best",
        "features, rows and the student's fit",
        "a better penalty of the teacher does what the student did",
        "the student does not merely make up for the teacher's penalty",
        "a teacher of the right penalty leaves the student more to add",
    ),
    "isotropic penalty": _Wording(
        arms.isotropic_penalty,
        "the student's penalty weighs every direction of its features alike",
        "teacher, pseudo-labels, rows and features",
        "the student needs a penalty that is lighter on the directions in which the features vary",
        "the form of the student's penalty makes no difference that these rows can tell",
        "the features' own scale holds the student back",
    ),
    "untrained student": _Wording(
        arms.untrained_student,
        "the student is the same network with random weights",
        "teacher, pseudo-labels, rows, architecture and fit",
        "the student needs what pre-training put into the features",
        "pre-training is not what the student needs: a random network does as well",
        "the pre-trained features are worse for this task than random ones",
    ),
    "no discrepancy": _Wording(
        arms.no_discrepancy,
        "the student has the teacher's features beside its own",
        "teacher, pseudo-labels, rows and the student's own features",
        "the student does better where it cannot express all errors of its teacher",
        "being able to express the teacher's errors does the student no harm here",
        "the teacher's features tell the student something that it lacked",
    ),
    "full discrepancy": _Wording(
        arms.full_discrepancy,
        "the teacher's errors fall on random rows of the same class",
        "the teacher's accuracy and kinds of error, rows, features, fit and the student's shares "
        "of answers",
        "what the labels tell within a class helps the student more than their errors harm it",
        "the teacher's errors already are to the student as good as random",
        "the student copies errors: its features tell where the teacher is wrong",
    ),
    "mean teacher": _Wording(
        arms.mean_teacher,
        "the teacher is the mean of teachers fitted to resampled labels",
        "labels, rows, features and the student's fit",
        "averaging teachers does what the student did: it removes accidents of the labels",
        "the gain is not the removal of accidents of the teacher's labels",
        "a steadier teacher leaves the student more to add",
    ),
}


def explain(seeds: Sequence[FrozenSeed], *, level: float = 0.95, seed: int = 0) -> Explanation:
    r"""Compare the experiment on frozen features with matched controls.

    As it was, the student is a ridge head on frozen strong features, fitted to the pseudo-labels
    with the penalty of least leave-one-out error. A control changes one thing and fits the student
    in the same way. For control c the change is the mean over seeds s and test rows i of
    (S_c − T_c)_{si} − (S − T)_{si}, with T and S whether teacher and student are right; its
    interval resamples seeds and rows, crossed (``w2sg.gain.compare``).

    * *re-regularised teacher*: the penalty of least squared error among those given, chosen on one
      half of the test rows and judged on the other (mechanisms note, Results 3 and 9: a ridge
      student cannot beat the best penalised teacher where inputs are isotropic);
    * *isotropic penalty*: λ wᵀΣw in place of λ wᵀw, Σ the shrunk covariance of the features, so
      that no direction of the student's functions is favoured (Results 19–21);
    * *untrained student*: a network of the same shape with random weights;
    * *no discrepancy* and *full discrepancy*, both in sample space: the student also has the
      teacher's features, so that d_{s∧w} = d_w; or the pseudo-labels of each true class are
      dealt out anew among its rows, so that no feature tells where the errors are, the student
      answering each class as often as before (discrepancy note, sections 2.1 and 3.2);
    * *mean teacher*: the mean of teachers fitted to resampled labels, near the posterior mean.

    Args:
        seeds: The experiment, one entry a seed, all with the same test rows.
        level: Coverage of the intervals, and 1 − the family-wise error rate of ``differs``.
        seed: Of halves, dealings and resampling.

    Returns:
        The experiment and all controls.

    Raises:
        ValueError: No seeds, or seeds that do not fit each other.

    Status: the mechanisms are from the notes; the controls on measured features are derived here.

    >>> from w2sg.diagnostics.controls import FrozenSeed, OnRows
    >>> rng = np.random.default_rng(0)
    >>> x, wrong = rng.normal(size=(700, 5)), rng.random(700) < 0.3
    >>> truth = (x[:, 0] > 0).astype(int)
    >>> told = np.eye(2)[np.where(wrong, 1 - truth, truth)]
    >>> given = FrozenSeed(
    ...     truth[400:], OnRows(x[:400], x[400:]), OnRows(told[:400], told[400:]), truth[:400]
    ... )
    >>> found = explain([given])
    >>> found.gain.estimate > 0.2, found.control("full discrepancy").differs
    (True, False)
    """
    check_seeds(seeds)
    truth = seeds[0].truth
    students = [Student(given.strong) for given in seeds]
    roots = [child_seed(seed, "controls", i) for i in range(len(seeds))]
    made: dict[str, list[Arms]] = {}
    reasons: dict[str, str] = {}
    first = [arms.as_it_was(*args) for args in zip(seeds, students, roots, strict=True)]
    for name, wording in CONTROLS.items():
        try:
            made[name] = [wording.make(*args) for args in zip(seeds, students, roots, strict=True)]
        except Withheld as withheld:
            reasons[name] = str(withheld)
    gains = {name: _gains(found, truth) for name, found in {REFERENCE: first, **made}.items()}
    squared = {
        name: np.stack([each.squared_gain(truth) for each in found])
        for name, found in {REFERENCE: first, **made}.items()
    }
    decided = {}
    if made:
        compared = compare(gains, REFERENCE, level, seed=seed)
        decided = {d.name: d.decided for d in compared.differences}
    was = _estimate(gains[REFERENCE], level, seed)
    controls = []
    for name, wording in CONTROLS.items():
        if name in reasons:
            controls.append(_withheld(name, wording, reasons[name], was))
            continue
        accuracy = _accuracies(made[name], truth)
        now = _estimate(gains[name], level, seed)
        change = gain(gains[REFERENCE], gains[name], level, seed=seed)
        controls.append(
            Control(
                name,
                wording.changed,
                wording.held,
                *accuracy,
                now,
                change,
                gain(squared[REFERENCE], squared[name], level, seed=seed),
                decided[name],
                _meaning(wording, was, now, change, decided[name]),
            )
        )
    return Explanation(
        *_accuracies(first, truth), was, tuple(controls), level, len(seeds), len(truth)
    )


def _gains(found: list[Arms], truth: NDArray[np.int64]) -> FloatArray:
    pairs = [each.hits(truth) for each in found]
    return np.stack([student - teacher for teacher, student in pairs])


def _accuracies(found: list[Arms], truth: NDArray[np.int64]) -> tuple[float, float]:
    hits = np.array([each.hits(truth) for each in found])
    return float(hits[:, 0].mean()), float(hits[:, 1].mean())


def _estimate(values: FloatArray, level: float, seed: int) -> Estimate:
    return gain(np.zeros_like(values), values, level, seed=seed)


def _withheld(name: str, wording: _Wording, reason: str, was: Estimate) -> Control:
    none = Estimate(None, None, None, reason, was.level, was.method, None, was.n_seeds, was.n_items)
    return Control(
        name, wording.changed, wording.held, None, None, none, none, none, False,
        f"{name[0].upper()}{name[1:]}: withheld, {reason}.",
    )  # fmt: skip


def _meaning(
    wording: _Wording, was: Estimate, now: Estimate, change: Estimate, decided: bool
) -> str:
    moved, low, high = (end or 0.0 for end in (change.estimate, change.low, change.high))
    means = wording.falls if moved < 0 else wording.rises
    if not decided and (low > 0 or high < 0):
        means = f"{means}, if this control is taken alone; among all it is not decided"
    elif not decided and was.low is not None and was.low > 0:
        means = wording.stays
    elif not decided:
        means = "there is no clear gain to explain, and this makes none"
    return (
        f"When {wording.changed}, the gain goes from {_signed(was.estimate)} to "
        f"{_signed(now.estimate)} points (change {_points(change)}): {means}."
    )


def _points(value: Estimate) -> str:
    ends = f"[{_signed(value.low)}, {_signed(value.high)}]"
    return f"{_signed(value.estimate)} {ends}"


def _signed(value: float | None) -> str:
    return f"{round(100 * (value or 0.0), 1) + 0.0:+.1f}"  # no minus before zero


def _ends(name: str, value: Estimate) -> dict[str, float | None]:
    return {name: value.estimate, f"{name}_low": value.low, f"{name}_high": value.high}
