"""Any scikit-learn classifier as a teacher of texts: checked, fitted, its columns put in order."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from w2sg.models.baselines import check_counts, join_pairs, word_vectorizer

# where the probabilities of a classifier come from
OWN = "its own"
CALIBRATED = "a sigmoid of its decision values, fitted on the folds of the cross-validation"
ONE_HOT = "1 for the class that it predicts: it gives neither probabilities nor decision values"


@dataclass(frozen=True)
class FittedEstimator:
    """A fitted classifier of texts.

    Attributes:
        model: The scikit-learn object.
        columns: For each of its columns, the class that it means.
        n_classes: K.
        probabilities: Where its probabilities come from.
        cv_accuracy: Its cross-validated accuracy; ``None`` where it was not measured.
    """

    model: Any
    columns: tuple[int, ...]
    n_classes: int
    probabilities: Literal["its own"] | str
    cv_accuracy: float | None

    @property
    def name(self) -> str:
        """The classifier as scikit-learn writes it, without what makes features of texts."""
        from sklearn.pipeline import Pipeline

        return str(self.model[-1] if isinstance(self.model, Pipeline) else self.model)

    def predict_proba(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None
    ) -> NDArray[np.float64]:
        """Return class probabilities in the order of the data's classes, shape (n, K).

        A row for which the classifier has no vote at all gets 1/K everywhere.

        Raises:
            ValueError: What it gives is no table of probabilities.
        """
        rows = join_pairs(texts, pairs)
        if self.probabilities == ONE_HOT:
            told = np.asarray(self.model.predict(rows))
            known = list(self.model.classes_) if hasattr(self.model, "classes_") else None
            at = told if known is None else np.array([known.index(value) for value in told])
            given = np.eye(len(self.columns))[at.astype(np.int64)]
        else:
            given = np.asarray(self.model.predict_proba(rows), dtype=np.float64)
        if given.shape != (len(rows), len(self.columns)):
            raise ValueError(
                f"teacher.estimator {self.name}: probabilities of {len(rows)} texts have the shape "
                f"{given.shape}, not one column for each of {len(self.columns)} classes"
            )
        if not np.isfinite(given).all() or (given < 0).any():
            raise ValueError(
                f"teacher.estimator {self.name}: probabilities are negative or not finite"
            )
        ordered = np.zeros((len(rows), self.n_classes))
        ordered[:, list(self.columns)] = given
        ordered[ordered.sum(axis=1) == 0] = 1.0
        return ordered / ordered.sum(axis=1, keepdims=True)


def check_estimator(estimator: Any, label_names: Sequence[str] | None = None) -> Any:
    """Return the unfitted classifier that `teacher.estimator` means.

    Args:
        estimator: A classifier or pipeline object, or the name of a class of scikit-learn.
        label_names: The data's classes, where a classifier that comes fitted is to be matched.

    Raises:
        ValueError: There is no such class, it cannot work on TF-IDF, or it was fitted for classes
            that are not those of the data.
    """
    from sklearn.base import clone, is_classifier

    model = _by_name(estimator) if isinstance(estimator, str) else estimator
    try:
        fits = not isinstance(model, type) and hasattr(model, "fit") and is_classifier(model)
    except AttributeError:  # scikit-learn asks what it wraps, and that is nothing
        raise ValueError(_needs_another(type(model).__name__)) from None
    if not fits:
        raise ValueError(
            f"teacher.estimator is {model!r}: it must be a scikit-learn classifier or pipeline "
            "object"
        )
    try:
        copy = clone(model)
    except (TypeError, RuntimeError) as error:
        raise ValueError(
            f"teacher.estimator {type(model).__name__} cannot be cloned: {error}; its __init__ "
            "must keep every argument as it is given, under its own name"
        ) from None
    if not takes_texts(copy):
        _check_sparse(copy)
    if label_names is not None:
        own_classes(copy, label_names)
    return copy


def fit_estimator(
    estimator: Any,
    texts: Sequence[str],
    labels: NDArray[np.int64],
    pairs: Sequence[str] | None = None,
    *,
    label_names: Sequence[str],
    folds: int,
    seed: int,
    groups: Sequence[str] | None = None,
) -> FittedEstimator:
    """Return a scikit-learn classifier fitted to texts.

    A classifier gets TF-IDF features; a pipeline, or anything that holds a text vectorizer (as a
    grid search over a pipeline does), gets the texts. One without `predict_proba` is calibrated on
    the same folds where it has a `decision_function`, else its predicted class gets probability 1.

    Args:
        estimator: A classifier or pipeline object, cloned before use, or the name of a class of
            scikit-learn. One that comes fitted (`sklearn.frozen.FrozenEstimator`) is matched to
            the data by the names of its classes.
        texts: n texts.
        labels: Class numbers, shape (n,).
        pairs: Second texts.
        label_names: The K classes.
        folds: Folds of the cross-validation.
        seed: Of the folds, and of the classifier where it has a `random_state`.
        groups: Rows of one group stay in one fold; then the accuracy is not measured.

    Raises:
        ValueError: The name is not a scikit-learn classifier, or the object cannot be fitted.
    """
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
    from sklearn.pipeline import make_pipeline

    n_classes = len(label_names)
    counts = check_counts(labels, n_classes)
    model = check_estimator(estimator)
    seeds = {name: seed for name in model.get_params() if name.split("__")[-1] == "random_state"}
    model.set_params(**seeds)
    rows = join_pairs(texts, pairs)
    own = own_classes(model, label_names)
    targets: Any = labels if own is None else own[labels]
    n_folds = min(folds, int(counts.min()))
    cv: Any = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
    if groups is not None:
        given = np.array(groups, dtype=object)
        fewest = min(len(set(given[labels == k])) for k in range(n_classes))
        cv = StratifiedGroupKFold(min(folds, fewest), shuffle=True, random_state=seed)
        cv = list(cv.split(rows, labels, given))
    from_texts = takes_texts(model)
    probabilities = OWN
    least = counts.min() - -(-counts.min() // n_folds)  # of a class, in the folds of the accuracy
    if not hasattr(model, "predict_proba"):
        probabilities = CALIBRATED if hasattr(model, "decision_function") else ONE_HOT
    if probabilities == CALIBRATED:
        inner = cv
        if groups is None:
            n_inner = max(2, min(n_folds, int(least)))
            inner = StratifiedKFold(n_inner, shuffle=True, random_state=seed)
        model = CalibratedClassifierCV(model, cv=inner)
    if not from_texts:
        model = make_pipeline(word_vectorizer(), model)
    accuracy = None
    if groups is None and (probabilities != CALIBRATED or least >= 2):
        accuracy = _accuracy(model, rows, targets, cv)
    model.fit(rows, targets)
    values = range(n_classes) if own is None else own.tolist()
    columns = _columns(model, list(values))
    return FittedEstimator(model, columns, n_classes, probabilities, accuracy)


def takes_texts(model: Any) -> bool:
    """Say whether a classifier is fitted to texts: a pipeline, or what holds a text vectorizer."""
    from sklearn.pipeline import Pipeline

    return isinstance(model, Pipeline) or _holds_vectorizer(model)


def _holds_vectorizer(part: Any) -> bool:
    if isinstance(part, list | tuple):  # steps of a pipeline, members of a vote
        return any(map(_holds_vectorizer, part))
    if hasattr(part, "build_analyzer"):
        return True
    if isinstance(part, type) or not hasattr(part, "get_params"):
        return False
    return any(map(_holds_vectorizer, part.get_params(deep=False).values()))


def own_classes(model: Any, label_names: Sequence[str]) -> NDArray[Any] | None:
    """Return what a classifier that comes fitted calls the data's classes, in the data's order.

    Args:
        model: An unfitted classifier, or one that stays fitted when it is cloned.
        label_names: The data's classes.

    Returns:
        Its own values, shape (K,), or ``None`` for a classifier that is yet to be fitted.

    Raises:
        ValueError: It was fitted for other classes.
    """
    try:
        classes = list(model.classes_)
    except AttributeError:
        return None
    value_of = {_written(value): value for value in classes}
    if sorted(value_of) != sorted(label_names):
        raise ValueError(
            f"teacher.estimator was fitted for the classes {[str(v) for v in classes]}, and the "
            f"data have {list(label_names)}: they are matched by name; fit it to these names, or "
            "give it unfitted"
        )
    return np.array([value_of[name] for name in label_names])


def _accuracy(model: Any, rows: list[str], targets: Any, cv: Any) -> float:
    from sklearn.model_selection import cross_val_score

    raised: Any = "raise"  # which the stubs of scikit-learn do not know
    return float(np.mean(cross_val_score(model, rows, targets, cv=cv, error_score=raised)))


def _columns(model: Any, values: list[Any]) -> tuple[int, ...]:
    """For each column of the classifier, the class: by `classes_`, whose order is its own."""
    known = getattr(model, "classes_", None)
    if known is None:
        return tuple(range(len(values)))
    foreign = [value for value in known if value not in values]
    if foreign:
        raise ValueError(
            f"teacher.estimator has a class {foreign[0]!r} that it was not fitted to; known are "
            f"{values}"
        )
    return tuple(values.index(value) for value in known)


def _written(value: Any) -> str:
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value).strip()


def _check_sparse(model: Any) -> None:
    """Refuse a class of scikit-learn that says itself that it cannot take TF-IDF."""
    from sklearn.utils import get_tags

    name = type(model).__name__
    if not type(model).__module__.startswith("sklearn."):
        return  # what others write often does not say
    if not get_tags(model).input_tags.sparse:
        raise ValueError(
            f"teacher.estimator = {name!r} needs dense features, and those of texts are sparse; "
            "choose another class, such as 'ComplementNB', or give a pipeline in Python that makes "
            "dense features of texts"
        )


def _by_name(name: str) -> Any:
    import difflib

    from sklearn.utils import all_estimators

    known = dict(all_estimators("classifier"))
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "as in 'ComplementNB'"
        raise ValueError(f"teacher.estimator = {name!r} is no scikit-learn classifier; {hint}")
    try:
        return known[name]()
    except TypeError:
        raise ValueError(_needs_another(name)) from None


def _needs_another(name: str) -> str:
    return (
        f"teacher.estimator = {name!r} needs a classifier of its own to work with; give the whole "
        "as an object in Python"
    )
