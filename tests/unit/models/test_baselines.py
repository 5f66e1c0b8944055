"""Our plain arrays against the scikit-learn pipeline that they stand for."""

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from w2sg.data.synthetic import word_table
from w2sg.models.baselines import fit_tfidf

TABLE = word_table(260, n_classes=3, n_words=50, words_per_text=6).frame
TEXTS, LABELS = TABLE["text"].tolist(), TABLE["label"].to_numpy()
TRAIN, REST = slice(0, 160), slice(160, None)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_tfidf_is_the_pipeline(n_classes):
    labels = np.minimum(LABELS, n_classes - 1)
    ours = fit_tfidf(TEXTS[TRAIN], labels[TRAIN], n_classes=n_classes, folds=3, seed=0)
    theirs = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\b\w+\b|[!?]"),
        LogisticRegression(C=ours.penalty, tol=1e-6, max_iter=5000),
    ).fit(TEXTS[TRAIN], labels[TRAIN])
    p, q = ours.predict_proba(TEXTS[REST]), theirs.predict_proba(TEXTS[REST])
    assert (p.argmax(axis=1) == q.argmax(axis=1)).mean() > 0.96
    # their minimum is exact, ours is stopped at a gradient of 1e-3: both fit equally well

    def objective(weights, probabilities):
        nll = -np.log(probabilities[np.arange(160), labels[TRAIN]]).sum()
        return ours.penalty * nll + 0.5 * (weights**2).sum()

    weights = ours.weights[1:] if n_classes == 2 else ours.weights
    found = objective(weights, ours.predict_proba(TEXTS[TRAIN]))
    assert found < 1.01 * objective(theirs[1].coef_, theirs.predict_proba(TEXTS[TRAIN]))
    # and with our weights in their place, the same probabilities: no column is out of place
    theirs[1].coef_, theirs[1].intercept_ = weights, ours.bias[-len(weights) :]
    np.testing.assert_allclose(p, theirs.predict_proba(TEXTS[REST]), atol=1e-12)
    held = (ours.predict_proba(TEXTS[REST]).argmax(axis=1) == labels[REST]).mean()
    assert abs(held - ours.cv_accuracy) < 0.12  # it is 1 on the rows that were fitted


def test_pairs_do_not_run_together():
    """Without a mark the last word of one text and the first of the other are a word pair."""
    model = fit_tfidf(
        ["u v"] * 10 + ["v u"] * 10, np.repeat([0, 1], 10), ["x y"] * 20, n_classes=2, folds=2,
        seed=0,
    )  # fmt: skip
    assert "v x" not in model.vocabulary
    assert "x y" in model.vocabulary


def test_a_class_with_one_row_is_refused():
    with pytest.raises(ValueError, match=r"has \[3, 1\] rows per class.*raise data\.n_labelled"):
        fit_tfidf(["a", "b", "c", "d"], np.array([0, 0, 0, 1]), n_classes=2, folds=2, seed=0)
