"""Users' classifiers as teachers: what they are given, what order their columns have."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import ComplementNB
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from w2sg.data.examples import Labelled
from w2sg.data.synthetic import word_table
from w2sg.models.estimators import CALIBRATED, ONE_HOT, OWN, check_estimator, fit_estimator
from w2sg.stages import weak_teacher

TABLE = word_table(260, n_classes=3, n_words=50, words_per_text=6).frame
TEXTS, LABELS = TABLE["text"].tolist(), TABLE["label"].to_numpy()
TRAIN, REST = slice(0, 160), slice(160, None)
NAMES = ("a", "b", "c")


def fit(estimator, names=NAMES, rows=TRAIN, folds=2):
    return fit_estimator(
        estimator, TEXTS[rows], LABELS[rows], label_names=names, folds=folds, seed=0
    )


def accuracy(model):
    p = model.predict_proba(TEXTS[REST])
    assert p.shape == (100, 3)
    np.testing.assert_allclose(p.sum(axis=1), 1.0)
    return (p.argmax(axis=1) == LABELS[REST]).mean()


class Nearest(ClassifierMixin, BaseEstimator):
    """Word counts against class sums; classes in the order it meets them, last one first."""

    def __init__(self, answers="probabilities"):
        self.answers = answers

    def fit(self, x, y):
        self.classes_ = np.array(list(dict.fromkeys(y[::-1].tolist())))
        self.sums_ = np.vstack([np.asarray(x[y == k].sum(axis=0)).ravel() for k in self.classes_])
        return self

    def __getattr__(self, name):
        if name == "predict_proba" and self.__dict__.get("answers") == "probabilities":
            return self._probabilities
        raise AttributeError(name)

    def _probabilities(self, x):
        scores = x @ self.sums_.T
        return scores / np.maximum(scores.sum(axis=1, keepdims=True), 1e-12)

    def predict(self, x):
        return self.classes_[self._probabilities(x).argmax(axis=1)]


ESTIMATORS = {
    "name": ("ComplementNB", OWN),
    "object": (ComplementNB(), OWN),
    "no probabilities": (LinearSVC(), CALIBRATED),
    "random": (RandomForestClassifier(10), OWN),
    "pipeline": (make_pipeline(CountVectorizer(), ComplementNB()), OWN),
    # these crashed: their vectorizer was given the TF-IDF of another one
    "pipeline without probabilities": (make_pipeline(TfidfVectorizer(), LinearSVC()), CALIBRATED),
    "pipeline of ridge": (make_pipeline(TfidfVectorizer(), RidgeClassifier()), CALIBRATED),
    "grid search over a pipeline": (
        GridSearchCV(make_pipeline(TfidfVectorizer(), LinearSVC()), {"linearsvc__C": [1]}, cv=2),
        CALIBRATED,
    ),
    "vote of pipelines": (
        VotingClassifier(
            [("one", make_pipeline(CountVectorizer(), ComplementNB()))], voting="soft"
        ),
        OWN,
    ),
    "hard vote": (VotingClassifier([("one", ComplementNB()), ("two", LinearSVC())]), ONE_HOT),
    "one against the rest": (
        OneVsRestClassifier(make_pipeline(TfidfVectorizer(), LogisticRegression())),
        OWN,
    ),
    "predicts only": (Nearest("classes"), ONE_HOT),
    "pipeline that predicts only": (make_pipeline(CountVectorizer(), Nearest("classes")), ONE_HOT),
    # its columns are in the order in which it met the classes
    "classes in its own order": (Nearest(), OWN),
    "pipeline with classes in its own order": (make_pipeline(CountVectorizer(), Nearest()), OWN),
}


@pytest.mark.parametrize("case", ESTIMATORS)
def test_estimators(case):
    estimator, source = ESTIMATORS[case]
    one = fit(estimator)
    assert accuracy(one) > 0.6
    assert one.probabilities == source
    assert 0.5 < one.cv_accuracy < 1
    p, q = (model.predict_proba(TEXTS[REST]) for model in (one, fit(estimator)))
    assert np.array_equal(p, q)  # a random_state is set
    if source == ONE_HOT:
        assert set(np.unique(p)) == {0.0, 1.0}
    if not isinstance(estimator, str):
        assert not hasattr(estimator, "classes_")  # the user's object is not fitted


def test_the_stage_says_where_probabilities_come_from():
    rows = Labelled(tuple(f"{i}" for i in range(160)), tuple(TEXTS[TRAIN]), LABELS[TRAIN], NAMES)
    estimator = make_pipeline(TfidfVectorizer(), LinearSVC())
    teacher = weak_teacher.sklearn(rows, estimator=estimator, folds=2, seed=0)
    assert teacher.facts["probabilities"] == CALIBRATED
    assert "LinearSVC" in teacher.facts["estimator"]


def test_few_rows_of_a_class():
    """Folds inside folds: with five rows of a class and five folds none was left to calibrate."""
    rows = np.concatenate([np.flatnonzero(k == LABELS)[:5] for k in range(3)])
    texts = [TEXTS[i] for i in rows]
    for estimator in (LinearSVC(), make_pipeline(TfidfVectorizer(), LinearSVC())):
        for count, known in ((5, True), (2, False)):
            chosen = np.flatnonzero(np.arange(15) % 5 < count)
            model = fit_estimator(
                estimator,
                [texts[i] for i in chosen],
                LABELS[rows][chosen],
                label_names=NAMES,
                folds=5,
                seed=0,
            )
            assert (model.cv_accuracy is not None) == known
            assert model.predict_proba(TEXTS[:3]).shape == (3, 3)


@pytest.mark.parametrize("names", [("10", "9", "8"), ("a", "b", "c"), ("c", "a", "b")])
def test_one_that_comes_fitted_is_matched_by_the_names_of_its_classes(names):
    """Scikit-learn sorts classes as texts; the data may have another order."""
    words = np.array(names)[LABELS]
    for value in (words, words.astype(int) if names[0].isdecimal() else words):
        fitted = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(
            TEXTS[TRAIN], value[TRAIN]
        )
        model = fit(FrozenEstimator(fitted), names=names)
        assert accuracy(model) > 0.6
        assert model.cv_accuracy > 0.6


def test_one_fitted_for_other_classes_is_refused():
    """Numbers under words are the classes in whatever order somebody numbered them."""
    for targets in (LABELS, np.array(["a", "b", "z"])[LABELS]):
        fitted = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(TEXTS, targets)
        with pytest.raises(ValueError, match=r"was fitted for the classes .* matched by name"):
            check_estimator(FrozenEstimator(fitted), NAMES)


def test_a_row_without_any_vote_is_undecided():
    model = fit(make_pipeline(CountVectorizer(), Nearest()))
    np.testing.assert_allclose(model.predict_proba(["never seen"]), 1 / 3)


def test_what_is_no_estimator():
    with pytest.raises(ValueError, match=r"'ComplementBN' is no scikit-learn .*'ComplementNB'"):
        check_estimator("ComplementBN")
    for wrong in (CountVectorizer(), 3, ComplementNB):
        with pytest.raises(ValueError, match="must be a scikit-learn classifier or pipeline"):
            check_estimator(wrong)
    for name in ("ClassifierChain", "StackingClassifier", "SelfTrainingClassifier"):
        with pytest.raises(ValueError, match=rf"'{name}' needs a classifier of its own"):
            check_estimator(name)
    for name in ("GaussianNB", "HistGradientBoostingClassifier"):
        with pytest.raises(ValueError, match=rf"'{name}' needs dense features"):
            check_estimator(name)

    class Renamed(ComplementNB):
        def __init__(self, alpha=1.0):
            super().__init__(alpha=alpha + 1)

    with pytest.raises(ValueError, match="Renamed cannot be cloned"):
        check_estimator(Renamed())
