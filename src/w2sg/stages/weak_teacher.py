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

VERSION = 2
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
    from w2sg.models.baselines import fit_estimator, join_pairs

    model, accuracy = fit_estimator(
        estimator,
        labelled.texts,
        labelled.labels,
        labelled.pairs,
        n_classes=len(labelled.label_names),
        folds=folds,
        seed=child_seed(seed, "folds"),
        groups=None if like is None else labelled.groups,
    )

    def predict(rows: Unlabelled) -> FloatArray:
        given = np.asarray(model.predict_proba(join_pairs(rows.texts, rows.pairs)))
        return given / given.sum(axis=1, keepdims=True)

    return Teacher(predict, {"cv_accuracy": accuracy, "estimator": str(model[-1])})


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


def column(given: pd.DataFrame, label_names: tuple[str, ...], columns: tuple[str, ...]) -> Teacher:
    """Return a teacher that reads labels or probabilities which the user already has.

    Args:
        given: The columns, indexed by id.
        label_names: The K classes.
        columns: One column of labels, or of probabilities of the second of two classes; or K
            columns of probabilities in the order of `label_names`.

    Raises:
        ValueError: A value is missing, no class, no probability, or rows do not sum to one.
    """

    def predict(rows: Unlabelled) -> FloatArray:
        missing = [name for name in rows.ids if name not in given.index]
        if missing:
            raise ValueError(f"teacher.column: id {missing[0]!r} has no row to read from")
        return _probabilities(given.loc[list(rows.ids), list(columns)], label_names)

    return Teacher(predict, {"columns": list(columns)})


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
        facts = {**facts, "members": len(told)}
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
    for k in np.unique(labels):
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
    facts: Mapping[str, Any] = {}
    names = np.array(labelled.ids, dtype=object)
    for train, rest in splits.split(names, labelled.labels):
        teacher = fit(labelled.take(names[train]), seed=seed)
        held_out[rest] = teacher.predict(labelled.take(names[rest]).unlabelled())
        total += np.vstack([teacher.predict(unlabelled), teacher.predict(test)])
        facts = teacher.facts
    accuracy = float((held_out.argmax(axis=1) == labelled.labels).mean())
    facts = {**facts, "cross_fitted_accuracy": accuracy, "cross_fit": cross_fit}
    return TeacherPredictions(ids, total / cross_fit, held_out, facts)


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


def _probabilities(frame: pd.DataFrame, label_names: tuple[str, ...]) -> FloatArray:
    n_classes = len(label_names)
    empty = frame.isna().any(axis=1)
    if empty.any():
        raise ValueError(
            f"teacher.column: id {frame.index[empty][0]!r} has no value ({int(empty.sum())} rows "
            "are empty); give every unlabelled and test row a label, or leave those rows out"
        )
    if frame.shape[1] > 1:
        if frame.shape[1] != n_classes:
            raise ValueError(
                f"teacher.column has {frame.shape[1]} columns for the {n_classes} classes "
                f"{list(label_names)}; give one column per class, in this order"
            )
        return _checked(frame.to_numpy(dtype=np.float64), frame.index)
    values = frame.iloc[:, 0]
    class_of = {name: k for k, name in enumerate(label_names)}
    written = values.map(_written)
    if written.isin(list(class_of)).all():
        return np.eye(n_classes)[written.map(class_of).to_numpy(dtype=np.int64)]
    read: Any = pd.to_numeric(values, errors="coerce")
    numbers = np.asarray(read, dtype=np.float64)
    if np.isfinite(numbers).all() and n_classes == 2:
        return _checked(np.column_stack([1.0 - numbers, numbers]), frame.index)
    unknown = written[~written.isin(list(class_of))]
    raise ValueError(
        f"teacher.column: id {unknown.index[0]!r} says {unknown.iloc[0]!r}, which is none of the "
        f"classes {list(label_names)}; write these names, or one column of probabilities per class"
    )


def _written(value: Any) -> str:
    """A value as a class name: 1 and 1.0 are both '1'."""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value).strip()


def _checked(values: FloatArray, ids: Any) -> FloatArray:
    bad = ~np.isfinite(values) | (values < 0.0) | (values > 1.0)
    if bad.any():
        row = int(np.argmax(bad.any(axis=1)))
        value = values[row][bad[row]][-1]  # of one column given, the one that was given
        raise ValueError(
            f"teacher.column: id {ids[row]!r} has probability {value:g}; "
            "probabilities lie in [0, 1]"
        )
    off = np.abs(values.sum(axis=1) - 1.0) > 1e-3
    if off.any():
        row = int(np.argmax(off))
        raise ValueError(
            f"teacher.column: the probabilities of id {ids[row]!r} sum to "
            f"{values[row].sum():.4g}, not 1"
        )
    return values / values.sum(axis=1, keepdims=True)
