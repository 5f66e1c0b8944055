"""The weak teacher: fitted to the labelled part, asked for probabilities on other texts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from w2sg import soft_labels
from w2sg._arrays import FloatArray
from w2sg._seeds import child_seed
from w2sg.data.examples import Labelled, Unlabelled
from w2sg.stages.given_answers import read_answers

VERSION = 3
COLUMN_VERSION = 2  # of how columns of given answers are read, which no other kind depends on
Predict = Callable[[Unlabelled], FloatArray]


@dataclass(frozen=True)
class Teacher:
    """A fitted teacher.

    Attributes:
        predict: Texts → class probabilities, shape (n, K).
        facts: What fitting it showed, such as its cross-validated accuracy.
    """

    predict: Predict
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TeacherPredictions:
    """What a teacher says, by id.

    Attributes:
        ids: Rows of the unlabelled and the test part.
        probabilities: Shape (n, K), as the teacher gave them.
        held_out: Probabilities of the labelled rows by teachers that did not see them, (n_l, K),
            where cross-fitting was asked for.
        facts: What fitting showed.
    """

    ids: tuple[str, ...]
    probabilities: FloatArray
    held_out: FloatArray | None
    facts: Mapping[str, Any]


class Fit(Protocol):
    """What fits a teacher to labelled rows: tuned anew, or like a teacher of the same kind."""

    def __call__(self, labelled: Labelled, /, *, seed: int, like: Teacher | None = None) -> Teacher:
        """Return the fitted teacher."""
        ...


def tfidf(labelled: Labelled, *, folds: int, seed: int, like: Teacher | None = None) -> Teacher:
    """Return TF-IDF + logistic regression, tuned by cross-validation or as `like`."""
    from w2sg.models.baselines import fit_tfidf

    model = fit_tfidf(
        labelled.texts,
        labelled.labels,
        labelled.pairs,
        n_classes=len(labelled.label_names),
        folds=folds,
        seed=child_seed(seed, "folds"),
        penalty=None if like is None else like.facts["penalty"],
    )
    facts = {"cv_accuracy": model.cv_accuracy, "penalty": model.penalty}
    return Teacher(lambda rows: model.predict_proba(rows.texts, rows.pairs), facts)


def sklearn(
    labelled: Labelled, *, estimator: Any, folds: int, seed: int, like: Teacher | None = None
) -> Teacher:
    """Return a scikit-learn classifier, given as an object or by the name of its class.

    Args:
        labelled: What it learns from.
        estimator: The classifier.
        folds: Of the cross-validation.
        seed: Of the folds, and of the classifier where it has a `random_state`.
        like: A teacher of the same kind, where the rows are a bootstrap sample: copies of a row
            stay in one fold, and the accuracy is not measured again.
    """
    from w2sg.models.estimators import fit_estimator

    model = fit_estimator(
        estimator,
        labelled.texts,
        labelled.labels,
        labelled.pairs,
        label_names=labelled.label_names,
        folds=folds,
        seed=child_seed(seed, "folds"),
        groups=None if like is None else labelled.groups,
    )
    facts = {
        "cv_accuracy": model.cv_accuracy,
        "estimator": model.name,
        "probabilities": model.probabilities,
    }
    return Teacher(lambda rows: model.predict_proba(rows.texts, rows.pairs), facts)


def probe(
    labelled: Labelled,
    *,
    features_of: Callable[[Any], NDArray[Any]],
    seed: int,
    like: Teacher | None = None,
) -> Teacher:
    """Return a logistic head on frozen features, its penalty tuned by cross-validation.

    Args:
        labelled: What the head learns from.
        features_of: Rows → features, shape (n, d).
        seed: Of the folds.
        like: A teacher of the same kind, whose penalty is kept.
    """
    from w2sg.heads.head import fit_head

    head: Any = fit_head(
        features_of(labelled),
        labelled.labels,
        penalty=None if like is None else like.facts["penalty"],
        n_classes=len(labelled.label_names),
        seed=child_seed(seed, "folds"),
    )
    facts = {"penalty": float(head.penalty)}
    if like is None:
        facts["cv_nll"] = float(np.min(head.candidate_losses))
    return Teacher(lambda rows: head.predict_proba(features_of(rows)), facts)


def column(
    given: pd.DataFrame,
    label_names: tuple[str, ...],
    columns: tuple[str, ...],
    classes: tuple[str, ...] | None = None,
) -> Teacher:
    """Return a teacher that reads labels or probabilities which the user already has.

    Args:
        given: The columns, indexed by id.
        label_names: The K classes.
        columns: One column of labels, or of probabilities of one of two classes; or K columns of
            probabilities, called after their classes.
        classes: What the values stand for, where names and values do not say it.

    Raises:
        ValueError: See `w2sg.stages.given_answers`; when asked, if a row has no answer.
    """
    answers = read_answers(given, label_names, columns, classes)
    row_of = {name: i for i, name in enumerate(given.index)}

    def predict(rows: Unlabelled) -> FloatArray:
        missing = [name for name in rows.ids if name not in row_of]
        if missing:
            raise ValueError(f"teacher.column: id {missing[0]!r} has no row to read from")
        told = answers.probabilities[[row_of[name] for name in rows.ids]]
        empty = np.isnan(told).any(axis=1)
        if empty.any():
            first = rows.ids[int(np.argmax(empty))]
            raise ValueError(
                f"teacher.column: id {first!r} has no value ({int(empty.sum())} rows are empty); "
                "give every unlabelled and test row a label, or leave those rows out"
            )
        return told

    facts = {"columns": list(columns), "reading": answers.reading, "notes": list(answers.notes)}
    return Teacher(predict, facts)


def ensemble(
    fits: Sequence[Fit],
    *,
    members: int,
    combine: Literal["dual", "primal"],
    bootstrap: bool,
    tuned: bool,
) -> Fit:
    """Return what fits several teachers and asks them together, in place of one.

    Their mean approximates the posterior-mean teacher. Each member has its own seed and, where a
    kind has several members and `bootstrap` is set, its own sample of the labelled rows, drawn with
    replacement within each class, so that no class is lost.

    Args:
        fits: Each fits one kind of teacher.
        members: How many of each kind; at least 2 teachers in all.
        combine: ``"dual"`` is the normalised geometric mean of their probabilities, ``"primal"``
            the arithmetic one.
        bootstrap: Whether the members see different rows.
        tuned: Whether a teacher of all rows is tuned first and its tuning kept: copies of a row on
            both sides of a cross-validation would choose too small a penalty.

    Raises:
        ValueError: When asked, if all members give the same answers, or under ``"dual"`` exclude
            every class of a row between them.
    """

    def fitted(labelled: Labelled, /, *, seed: int, like: Teacher | None = None) -> Teacher:
        told: list[Teacher] = []
        each: list[Mapping[str, Any]] = []  # what fitting each kind showed
        for fit in fits:
            whole = fit(labelled, seed=seed) if tuned or members == 1 else None
            first = len(told)
            if members == 1 and whole is not None:
                told.append(whole)
                each.append(whole.facts)
                continue
            for k in range(members):
                rows = labelled
                if bootstrap:
                    rows = copied(labelled, drawn_again(labelled.labels, seed, k))
                told.append(fit(rows, seed=child_seed(seed, "member", k), like=whole))
            each.append(told[first].facts if whole is None else whole.facts)
        facts = {"each": [dict(one) for one in each]} if len(each) > 1 else each[0]
        facts = {**facts, "members": len(told), **_dropped(told)}
        return Teacher(lambda rows: _together([t.predict(rows) for t in told], combine), facts)

    return fitted


def drawn_again(labels: NDArray[np.int64], seed: int, member: int) -> NDArray[np.int64]:
    """Return the positions of a bootstrap sample, as many of each class as there are.

    A class of several rows keeps at least two different ones, so that it can be calibrated.

    >>> labels = np.array([0, 1, 0, 1, 1])
    >>> labels[drawn_again(labels, 0, 0)].tolist()
    [0, 1, 0, 1, 1]
    """
    rng = np.random.default_rng(child_seed(seed, "bootstrap", member))
    drawn = np.empty(len(labels), dtype=np.int64)
    _, first = np.unique(labels, return_index=True)
    for k in labels[np.sort(first)]:  # not by number, which is the order of the classes' names
        rows = np.flatnonzero(labels == k)
        sample = rng.choice(rows, len(rows))
        while len(rows) > 1 and len(set(sample)) == 1:
            sample = rng.choice(rows, len(rows))
        drawn[rows] = sample
    return drawn


def copied(labelled: Labelled, positions: NDArray[np.int64]) -> Labelled:
    """Return the rows at these positions, which may repeat; the copies of a row are one group."""
    pairs, groups = labelled.pairs, labelled.groups or labelled.ids
    return Labelled(
        ids=tuple(f"{number}:{labelled.ids[i]}" for number, i in enumerate(positions)),
        texts=tuple(labelled.texts[i] for i in positions),
        labels=labelled.labels[positions],
        label_names=labelled.label_names,
        pairs=None if pairs is None else tuple(pairs[i] for i in positions),
        groups=tuple(groups[i] for i in positions),
    )


def predictions(
    fit: Fit,
    labelled: Labelled,
    unlabelled: Unlabelled,
    test: Unlabelled,
    *,
    cross_fit: int,
    seed: int,
) -> TeacherPredictions:
    """Return what the teacher says of the unlabelled and the test part.

    With cross-fitting, as many teachers as folds are fitted, each without one fold; the others
    are asked together (mean of probabilities), and each labelled row by the one that did not see
    it, which measures the teacher's calibration on labels that it was not fitted to.

    Args:
        fit: Fits one teacher, or an ensemble.
        labelled: What the teacher learns from.
        unlabelled: What it labels for the student.
        test: What it is evaluated on, without labels.
        cross_fit: Number of folds, 0 for one teacher on all labelled rows.
        seed: Of the folds and of the teachers.
    """
    ids = (*unlabelled.ids, *test.ids)
    if not cross_fit:
        teacher = fit(labelled, seed=seed)
        both = np.vstack([teacher.predict(unlabelled), teacher.predict(test)])
        return TeacherPredictions(ids, both, None, teacher.facts)
    from sklearn.model_selection import StratifiedKFold

    splits = StratifiedKFold(cross_fit, shuffle=True, random_state=child_seed(seed, "cross_fit"))
    held_out = np.empty((len(labelled), len(labelled.label_names)))
    total = np.zeros((len(ids), len(labelled.label_names)))
    fitted: list[Teacher] = []
    names = np.array(labelled.ids, dtype=object)
    for train, rest in splits.split(names, labelled.labels):
        teacher = fit(labelled.take(names[train]), seed=seed)
        held_out[rest] = teacher.predict(labelled.take(names[rest]).unlabelled())
        total += np.vstack([teacher.predict(unlabelled), teacher.predict(test)])
        fitted.append(teacher)
    accuracy = float(soft_labels.hit_share(held_out, labelled.labels).mean())
    facts = {**fitted[-1].facts, "cross_fitted_accuracy": accuracy, "cross_fit": cross_fit}
    facts |= _dropped(fitted)
    return TeacherPredictions(ids, total / cross_fit, held_out, facts)


def _dropped(fitted: Sequence[Teacher]) -> dict[str, list[str]]:
    """What was wrong with checkpoints of any of them; nothing where none was trained by steps."""
    known = [t.facts["checkpoints_dropped"] for t in fitted if "checkpoints_dropped" in t.facts]
    return {"checkpoints_dropped": [what for one in known for what in one]} if known else {}


def _together(told: list[FloatArray], combine: str) -> FloatArray:
    if all(np.array_equal(told[0], other) for other in told[1:]):
        raise ValueError(
            f"teacher.members = {len(told)}: all members give the same answers, so the ensemble is "
            "one teacher; set teacher.members = 1, or take a teacher with randomness of its own"
        )
    try:
        return soft_labels.ensemble(np.stack(told), how=combine)
    except ValueError as error:
        raise ValueError(
            f'teacher.combine = "{combine}": {error}; a teacher that gives probabilities of '
            'exactly 0 needs teacher.combine = "primal"'
        ) from None
