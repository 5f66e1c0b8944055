"""Teachers from a column, and teachers that never saw the rows they are asked about."""

from functools import partial

import numpy as np
import pandas as pd
import pytest

from w2sg._seeds import child_seed
from w2sg.data.examples import Labelled, Unlabelled
from w2sg.data.splits import divide
from w2sg.data.synthetic import word_table
from w2sg.models.baselines import fit_tfidf
from w2sg.models.estimators import fit_estimator
from w2sg.stages import weak_teacher
from w2sg.stages.pseudo_labels import make
from w2sg.stages.weak_teacher import Teacher, column, predictions

ROWS = Unlabelled(("a", "b", "c"), ("x", "y", "z"))
NAMES = ("bad", "good")


def told(names=NAMES, **columns):
    frame = pd.DataFrame(columns, index=["c", "b", "a"])  # another order than the rows
    return column(frame, names, tuple(columns)).predict(ROWS)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"good": [0.1, 0.5, 1.0]}, [[0, 1], [0.5, 0.5], [0.9, 0.1]]),
        ({"p": ["bad", "good ", "good"]}, [[0, 1], [0, 1], [1, 0]]),
        ({"bad": [0.1, 0.5, 1.0], "good": [0.9, 0.5, 0.0]}, [[1, 0], [0.5, 0.5], [0.1, 0.9]]),
    ],
)
def test_columns_are_read_by_id(columns, expected):
    np.testing.assert_allclose(told(**columns), expected)


def test_numbers_that_name_classes():
    """1 and 1.0 are the class "1", and not the probability one of the second class."""
    expected = [[0, 0, 1], [1, 0, 0], [0, 1, 0]]
    for values in ([1, 0, 2], [1.0, 0.0, 2.0], ["1", "0", "2"]):
        np.testing.assert_allclose(told(("0", "1", "2"), p=values), expected)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"p_good": [0.1, None, 1.0]}, "id 'b' has no value"),
        ({"p": [0.1, 0.2, 1.5]}, "id 'a' has probability 1.5"),
        ({"p": [0.1, 0.2, -0.5]}, "id 'a' has probability -0.5"),
        ({"p": [0.1, 0.2, float("inf")]}, "id 'a' has probability inf|none of the classes"),
        ({"p": ["bad", "great", "good"]}, "id 'b' says 'great', which is none of the classes"),
        ({"bad": [0.5] * 3, "good": [0.5, 0.4, 0.5]}, "probabilities of id 'b' sum to 0.9, not 1"),
        ({"p": [0.5] * 3, "q": [0.5] * 3, "r": [0.0] * 3}, "3 columns for the 2 classes"),
    ],
)
def test_bad_columns(columns, message):
    with pytest.raises(ValueError, match=message):
        told(**columns)


def test_cross_fitted_teachers_never_saw_their_rows():
    parts = divide(word_table(200), n_labelled=60, n_unlabelled=80, n_test=40, seed=0)
    fitted = []

    def fit(rows, seed):
        seen = set(rows.ids)
        fitted.append(seen)
        k = len(fitted)
        return Teacher(
            lambda asked: np.array(
                [[0.9, 0.1] if name in seen else [k / 10, 1 - k / 10] for name in asked.ids]
            )
        )

    found = predictions(
        fit, parts.labelled, parts.unlabelled, parts.test.unlabelled(), cross_fit=4, seed=0
    )
    assert len(fitted) == 4
    assert (found.held_out[:, 0] < 0.5).all()  # a teacher that saw the row would say 0.9
    assert sorted(set.union(*fitted)) == sorted(parts.labelled.ids)
    assert all(len(seen) == 45 for seen in fitted)
    np.testing.assert_allclose(found.probabilities, [[0.25, 0.75]] * 120)
    assert found.ids == (*parts.unlabelled.ids, *parts.test.ids)


def test_real_teachers_learn():
    parts = divide(word_table(400), n_labelled=150, n_unlabelled=150, n_test=50, seed=0)

    def counts(rows):
        return np.array([[t.count(f"w{i} ") for i in range(200)] for t in rows.texts], dtype=float)

    for fit in (
        lambda rows, seed: weak_teacher.tfidf(rows, folds=3, seed=seed),
        lambda rows, seed: weak_teacher.sklearn(
            rows, estimator="RidgeClassifier", folds=3, seed=seed
        ),
        lambda rows, seed: weak_teacher.probe(rows, features_of=counts, seed=seed),
    ):
        found = predictions(
            fit, parts.labelled, parts.unlabelled, parts.test.unlabelled(), cross_fit=0, seed=0
        )
        np.testing.assert_allclose(found.probabilities.sum(axis=1), 1)
        truth = np.concatenate([parts.hidden.labels, parts.test.labels])
        assert (found.probabilities.argmax(axis=1) == truth).mean() > 0.75


def test_pseudo_labels_tempered_and_hardened_by_id():
    p = np.array([[0.2, 0.8], [0.5, 0.5], [1.0, 0.0]])

    def labels(**options):
        made = make(ROWS, ids=("c", "a", "b"), probabilities=p, label_names=NAMES, teacher="t",
                    **options)  # fmt: skip
        return made.take(["a", "b", "c"]).probabilities

    np.testing.assert_allclose(labels(), p[[1, 2, 0]])
    np.testing.assert_allclose(labels(temperature=2.0)[2], [1 / 3, 2 / 3])
    np.testing.assert_allclose(labels(labels="hard"), [[0.5, 0.5], [1, 0], [0, 1]])
    np.testing.assert_allclose(labels(shrink=0.5)[0], [0.5, 0.5])
    np.testing.assert_allclose(labels(shrink=0.5)[1], [0.75, 0.25])
    np.testing.assert_allclose(labels(labels="hard", shrink=0.5)[2], [0.25, 0.75])
    np.testing.assert_allclose(labels(temperature=1e-3), [[0.5, 0.5], [1, 0], [0, 1]], atol=1e-12)
    with pytest.raises(ValueError, match="have no pseudo-label, first 'z'"):
        make(Unlabelled(("z",), ("x",)), ids=("a",), probabilities=p[:1], label_names=NAMES,
             teacher="t")  # fmt: skip


def constant(labelled, *, seed, like=None):
    """A teacher whose answer is the share of copies of its first rows: it shows its sample."""
    share = np.mean([group == "a" for group in labelled.groups or labelled.ids])
    return Teacher(lambda asked: np.tile([share, 1 - share], (len(asked), 1)), {"seed": seed})


def words(n):
    return divide(word_table(400), n_labelled=n, n_unlabelled=150, n_test=50, seed=0)


@pytest.mark.parametrize("how", ["dual", "primal"])
def test_an_ensemble_is_the_mean_of_teachers_of_bootstrap_samples(how):
    """The same by hand; catches one sample used twice and the two means exchanged."""
    labels = np.array([0, 0, 0, 1, 1, 1])
    rows = Labelled(tuple("abcdef"), tuple("uvwxyz"), labels, NAMES)
    fit = weak_teacher.ensemble([constant], members=7, combine=how, bootstrap=True, tuned=False)
    shares = []
    for k in range(7):
        drawn = weak_teacher.drawn_again(labels, 3, k)
        assert (labels[drawn] == labels).all()  # as many of each class as there are
        shares.append(np.mean(np.array(rows.ids)[drawn] == "a"))
    assert len(set(shares)) > 2
    p = np.clip(np.column_stack([shares, 1 - np.array(shares)]), 0, 1)
    if how == "primal":
        np.testing.assert_allclose(fit(rows, seed=3).predict(ROWS), [p.mean(0)] * 3)
        return
    # a sample without row "a" says 0, which the geometric mean keeps
    assert (np.array(shares) == 0).any()
    np.testing.assert_allclose(fit(rows, seed=3).predict(ROWS), [[0, 1]] * 3)


def test_bootstrap_samples_hold_two_thirds_of_the_rows():
    """Catches sampling without replacement and one sample for all members."""
    labels = np.repeat([0, 1], [4000, 8000])
    drawn = [weak_teacher.drawn_again(labels, 0, k) for k in range(2)]
    for rows in drawn:
        assert len(np.unique(rows)) / len(rows) == pytest.approx(1 - np.exp(-1), abs=0.01)
    assert not np.array_equal(*drawn)
    pairs = [weak_teacher.drawn_again(np.array([0, 1, 1]), 0, k) for k in range(20)]
    assert {tuple(sorted(rows)) for rows in pairs} == {(0, 1, 2)}


def test_a_dual_ensemble_is_the_softmax_of_mean_log_odds():
    """The twin of the dual mean for two classes, on real teachers of TF-IDF."""
    parts = words(100)
    fit = weak_teacher.ensemble(
        [partial(weak_teacher.tfidf, folds=3)], members=3, combine="dual", bootstrap=True,
        tuned=True,
    )  # fmt: skip
    single = weak_teacher.tfidf(parts.labelled, folds=3, seed=5)
    odds = []
    for k in range(3):
        drawn = weak_teacher.drawn_again(parts.labelled.labels, 5, k)
        texts = [parts.labelled.texts[i] for i in drawn]
        model = fit_tfidf(texts, parts.labelled.labels[drawn], n_classes=2, folds=3, seed=0,
                          penalty=single.facts["penalty"])  # fmt: skip
        p = model.predict_proba(parts.unlabelled.texts)
        odds.append(np.log(p[:, 1] / p[:, 0]))
    made = fit(parts.labelled, seed=5)
    expected = 1 / (1 + np.exp(-np.mean(odds, axis=0)))
    np.testing.assert_allclose(made.predict(parts.unlabelled)[:, 1], expected)
    assert made.facts == {**single.facts, "members": 3}


def test_several_estimators_are_several_teachers():
    """Different models: one each of all rows, or several of bootstrap samples."""
    parts = words(100)
    fits = [
        partial(weak_teacher.sklearn, estimator=name, folds=3)
        for name in ("ComplementNB", "RidgeClassifier")
    ]
    common = {"combine": "primal", "bootstrap": True, "tuned": True}
    both = weak_teacher.ensemble(fits, members=1, **common)(parts.labelled, seed=0)
    alone = [f(parts.labelled, seed=0).predict(parts.unlabelled) for f in fits]
    np.testing.assert_allclose(both.predict(parts.unlabelled), np.mean(alone, axis=0))
    many = weak_teacher.ensemble(fits, members=2, **common)(parts.labelled, seed=0)
    assert many.facts["members"] == 4
    assert not np.allclose(many.predict(parts.unlabelled), both.predict(parts.unlabelled))


def test_calibration_keeps_copies_of_a_row_in_one_fold():
    """Catches a member calibrated on rows that it was fitted to, which makes it too sure."""
    parts = words(60)
    drawn = weak_teacher.drawn_again(parts.labelled.labels, 0, 0)
    rows = weak_teacher.copied(parts.labelled, drawn)
    fitted = fit_estimator(
        "LinearSVC",
        rows.texts,
        rows.labels,
        label_names=("a", "b"),
        folds=3,
        seed=0,
        groups=rows.groups,
    )
    assert fitted.cv_accuracy is None
    model = fitted.model
    assert len(np.unique(drawn)) < 60
    assert len(model[-1].cv) == 3
    for train, held_out in model[-1].cv:
        assert not set(drawn[train]) & set(drawn[held_out])


def test_equal_members_and_excluded_classes_are_refused():
    rows = Labelled(("a", "b"), ("u", "v"), [0, 1], NAMES)
    common = {"members": 2, "bootstrap": False, "tuned": False}
    same = weak_teacher.ensemble([constant], combine="dual", **common)
    with pytest.raises(
        ValueError, match=r"teacher\.members = 2: all members give the same answers"
    ):
        same(rows, seed=0).predict(ROWS)

    def sure(labelled, *, seed, like=None):
        return Teacher(lambda asked: np.tile(np.eye(2)[seed % 2], (len(asked), 1)))

    seed = next(s for s in range(9) if sum(child_seed(s, "member", k) % 2 for k in (0, 1)) == 1)
    apart = weak_teacher.ensemble([sure], combine="dual", **common)
    with pytest.raises(ValueError, match=r'exactly 0 needs teacher\.combine = "primal"'):
        apart(rows, seed=seed).predict(ROWS)


def test_a_bootstrap_sample_does_not_depend_on_the_names_of_the_classes():
    """Class numbers follow the sorted names: drawing class by number ties the sample to names."""
    labels = np.array([1, 0, 2, 1, 0, 2, 2, 1, 0, 0])
    renumbered = np.array([2, 0, 1])[labels]
    np.testing.assert_array_equal(
        weak_teacher.drawn_again(labels, 3, 1), weak_teacher.drawn_again(renumbered, 3, 1)
    )
