"""Teachers from a column, and teachers that never saw the rows they are asked about."""

import numpy as np
import pandas as pd
import pytest

from w2sg.data.examples import Unlabelled
from w2sg.data.splits import divide
from w2sg.data.synthetic import word_table
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
        ({"p": [0.1, 0.5, 1.0]}, [[0, 1], [0.5, 0.5], [0.9, 0.1]]),
        ({"p": ["bad", "good ", "good"]}, [[0, 1], [0, 1], [1, 0]]),
        ({"p": [0.1, 0.5, 1.0], "q": [0.9, 0.5, 0.0]}, [[1, 0], [0.5, 0.5], [0.1, 0.9]]),
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
        ({"p": [0.1, None, 1.0]}, "id 'b' has no value"),
        ({"p": [0.1, 0.2, 1.5]}, "id 'a' has probability 1.5"),
        ({"p": [0.1, 0.2, -0.5]}, "id 'a' has probability -0.5"),
        ({"p": [0.1, 0.2, float("inf")]}, "id 'a' has probability inf|none of the classes"),
        ({"p": ["bad", "great", "good"]}, "id 'b' says 'great', which is none of the classes"),
        ({"p": [0.5] * 3, "q": [0.5, 0.4, 0.5]}, "probabilities of id 'b' sum to 0.9, not 1"),
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
    np.testing.assert_allclose(labels(labels="hard"), [[1, 0], [1, 0], [0, 1]])
    np.testing.assert_allclose(labels(temperature=1e-3), [[0.5, 0.5], [1, 0], [0, 1]], atol=1e-12)
    with pytest.raises(ValueError, match="have no pseudo-label, first 'z'"):
        make(Unlabelled(("z",), ("x",)), ids=("a",), probabilities=p[:1], label_names=NAMES,
             teacher="t")  # fmt: skip
