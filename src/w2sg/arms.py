"""The arms: every way of using the data, in one table that all other places read.

An arm is one model of the comparison. The teacher is the first; every other arm is a training of
the strong model, and its row says what it learns from and which arm it goes on from. The run's
graph, the preview, the forecast, the evaluation, the terminal, the pages and the sweeps look arms
up here when they run, so a new row is a new arm everywhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from w2sg._arrays import FloatArray

Source = Literal["labelled", "pseudo", "own", "hidden"]
LABELS_OF_ITSELF = "strong_on_labelled"  # the arm whose answers are the source "own"


@dataclass(frozen=True)
class Arm:
    """One way of using the data.

    Attributes:
        name: In specs and stored results.
        title: In tables and headings; in a sentence as `phrase`.
        short: Where there is little room: figures on phones, tables of 80 columns.
        meaning: What it is trained on, as a clause.
        sources: What it learns from: the labelled part with its true labels (``labelled``), the
            unlabelled part with the teacher's labels (``pseudo``), with the labels of the strong
            model trained on the labelled part (``own``), with its hidden true labels (``hidden``).
            Two kinds of labels of one row are averaged. Empty for the teacher.
        start: The arm whose weights it goes on from.
        loss: ``spec`` for `student.loss`, ``ce`` for cross-entropy whatever the spec says.
        reference: Whether `run.references` may ask for it.
        competes: Whether a user could have it, so that it may be called the best way.
        student_labelled: The value of `student.labelled` that makes it the student of the run.
        article: What stands before the title inside a sentence.
    """

    name: str
    title: str
    short: str
    meaning: str
    sources: tuple[Source, ...] = ()
    start: str | None = None
    loss: Literal["spec", "ce"] = "ce"
    reference: bool = True
    competes: bool = True
    student_labelled: str | None = None
    article: str = "the "

    @property
    def phrase(self) -> str:
        """The title inside a sentence."""
        return self.article + self.title[:1].lower() + self.title[1:]

    @property
    def parents(self) -> tuple[str, ...]:
        """The trained arms that must exist before this one."""
        own = (LABELS_OF_ITSELF,) if "own" in self.sources else ()
        return own if self.start is None else (*own, self.start)

    @property
    def uses_true_labels(self) -> bool:
        """Whether a true label of the labelled part reaches the strong model."""
        return "labelled" in self.sources or any(TABLE[p].uses_true_labels for p in self.parents)

    @property
    def uses_weak_labels(self) -> bool:
        """Whether a label of the teacher reaches the strong model."""
        return "pseudo" in self.sources or any(TABLE[p].uses_weak_labels for p in self.parents)

    @property
    def n_trainings(self) -> int:
        """Trainings of the strong model that one seed of it takes."""
        return bool(self.sources) + sum(TABLE[name].n_trainings for name in self.parents)


TABLE: dict[str, Arm] = {
    arm.name: arm
    for arm in (
        Arm(
            "teacher",
            "Teacher",
            "Teacher",
            "the weak model that gives the labels",
            reference=False,
        ),
        Arm(
            "student",
            "Student",
            "Student",
            "the strong model, trained on the teacher's labels",
            sources=("pseudo",),
            loss="spec",
            reference=False,
            student_labelled="none",
        ),
        Arm(
            "strong_on_labelled",
            "Strong model on the labels alone",
            "Labels alone",
            "the strong model, trained on the few true labels and nothing else",
            sources=("labelled",),
        ),
        Arm(
            "self_training",
            "Self-training",
            "Self-training",
            "the strong model, trained on labels that it gave itself after the true ones",
            sources=("own",),
            article="",
        ),
        Arm(
            "student_then_labels",
            "Student, then the labels",
            "Then labels",
            "the student, trained further on the few true labels",
            sources=("labelled",),
            start="student",
            student_labelled="after",
        ),
        Arm(
            "mixed",
            "All labels mixed",
            "All mixed",
            "the strong model, trained on true, teacher's and own labels together",
            sources=("labelled", "pseudo", "own"),
            loss="spec",
            student_labelled="mixed",
            article="",
        ),
        Arm(
            "ceiling",
            "Ceiling",
            "Ceiling",
            "the strong model, trained on the true labels of the same unlabelled rows",
            sources=("hidden",),
            competes=False,
        ),
    )
}


def trained() -> tuple[Arm, ...]:
    """Return the arms that are trainings of the strong model, parents before children.

    >>> [arm.name for arm in trained()][:2]
    ['student', 'strong_on_labelled']
    """
    done: dict[str, Arm] = {}

    def add(name: str) -> None:
        for parent in TABLE[name].parents:
            add(parent)
        done.setdefault(name, TABLE[name])

    for name, arm in TABLE.items():
        if arm.sources:
            add(name)
    return tuple(done.values())


def references() -> tuple[str, ...]:
    """Return what `run.references` may ask for; the ceiling first.

    >>> references()
    ('ceiling', 'strong_on_labelled', 'self_training', 'student_then_labels', 'mixed')
    """
    names = [name for name, arm in TABLE.items() if arm.reference]
    return tuple(sorted(names, key=lambda name: TABLE[name].competes))


def competing() -> tuple[str, ...]:
    """Return the arms that may be called the best way, the simplest first, so that it wins ties.

    >>> competing()[:3]
    ('teacher', 'strong_on_labelled', 'student')
    """
    names = [name for name, arm in TABLE.items() if arm.competes]
    return tuple(sorted(names, key=lambda n: (TABLE[n].n_trainings, TABLE[n].uses_weak_labels)))


def ways() -> tuple[str, ...]:
    """Return the competing arms that train the strong model, the simplest first."""
    return tuple(name for name in competing() if TABLE[name].sources)


def in_order(names: Sequence[str]) -> list[str]:
    """Return names of arms in the order of the table; a name that it lacks comes last."""
    place = {name: i for i, name in enumerate(TABLE)}
    return sorted(names, key=lambda name: place.get(name, len(place)))


def student_of(labelled: str) -> Arm:
    """Return the arm that `student.labelled` makes the student of a run.

    >>> student_of("after").name
    'student_then_labels'
    """
    return next(arm for arm in TABLE.values() if arm.student_labelled == labelled)


def unlabelled_targets(arm: Arm, labels: Mapping[str, FloatArray]) -> FloatArray | None:
    """Return the targets of the unlabelled rows, (N, K): the mean of an arm's kinds of labels.

    Args:
        arm: Which arm.
        labels: Source → labels of the unlabelled rows as probabilities, (N, K).

    Returns:
        The mean over `arm.sources` other than the labelled part; ``None`` where it has none.

    >>> mixed = TABLE["mixed"]
    >>> unlabelled_targets(mixed, {"pseudo": np.array([[1.0, 0]]), "own": np.array([[0.5, 0.5]])})
    array([[0.75, 0.25]])
    """
    used = [labels[source] for source in arm.sources if source != "labelled"]
    return np.mean(used, axis=0) if used else None
