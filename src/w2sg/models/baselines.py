"""A cheap teacher: TF-IDF of words and word pairs with a linear model."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2sg.soft_labels import hit_share

C_GRID = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
SEPARATOR = " ␞ "  # a term between the two texts of a pair, so that no word pair crosses it


@dataclass(frozen=True)
class TfidfModel:
    """TF-IDF of words and word pairs with multinomial logistic regression, as plain arrays.

    Attributes:
        vocabulary: The terms, in the order of the columns.
        idf: Inverse document frequencies, shape (terms,).
        weights: Shape (K, terms).
        bias: Shape (K,).
        penalty: The inverse penalty C that cross-validation chose.
        cv_accuracy: Its cross-validated accuracy on the labelled rows; ``None`` where C was given.
    """

    vocabulary: tuple[str, ...]
    idf: NDArray[np.float64]
    weights: NDArray[np.float64]
    bias: NDArray[np.float64]
    penalty: float
    cv_accuracy: float | None

    def predict_proba(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None
    ) -> NDArray[np.float64]:
        """Return class probabilities, shape (n, K)."""
        from scipy.special import softmax

        vectorizer = word_vectorizer(vocabulary={term: i for i, term in enumerate(self.vocabulary)})
        vectorizer.idf_ = self.idf
        features = vectorizer.transform(join_pairs(texts, pairs))
        return softmax(np.asarray(features @ self.weights.T) + self.bias, axis=1)


def fit_tfidf(
    texts: Sequence[str],
    labels: NDArray[np.int64],
    pairs: Sequence[str] | None = None,
    *,
    n_classes: int,
    folds: int,
    seed: int,
    penalty: float | None = None,
) -> TfidfModel:
    """Return TF-IDF + logistic regression, its penalty chosen by cross-validated log-loss.

    Args:
        texts: n texts.
        labels: Class numbers, shape (n,).
        pairs: Second texts.
        n_classes: K; every class must occur.
        folds: Folds of the cross-validation, fewer where a class has fewer rows.
        seed: Of the folds.
        penalty: C of `C_GRID`, where it was chosen before; then nothing is cross-validated.

    Raises:
        ValueError: A class has fewer than two rows.
    """
    from sklearn.model_selection import StratifiedKFold

    counts = check_counts(labels, n_classes)
    rows = np.array(join_pairs(texts, pairs), dtype=object)
    splits = StratifiedKFold(min(folds, int(counts.min())), shuffle=True, random_state=seed)
    losses, hits = np.zeros(len(C_GRID)), np.zeros(len(C_GRID))
    for train, held_out in splits.split(rows, labels) if penalty is None else ():
        vectorizer = word_vectorizer().fit(rows[train])
        seen, unseen = vectorizer.transform(rows[train]), vectorizer.transform(rows[held_out])
        for i, model in enumerate(_path(seen, labels[train], C_GRID)):
            p = model.predict_proba(unseen)
            losses[i] -= np.log(np.maximum(p[np.arange(len(p)), labels[held_out]], 1e-12)).sum()
            hits[i] += hit_share(p, labels[held_out]).sum()
    best = int(losses.argmin()) if penalty is None else C_GRID.index(penalty)
    vectorizer = word_vectorizer().fit(rows)
    *_, model = _path(vectorizer.transform(rows), labels, C_GRID[: best + 1])
    weights, bias = model.coef_, model.intercept_
    if n_classes == 2:
        weights = np.vstack([np.zeros_like(weights), weights])
        bias = np.concatenate([[0.0], bias])
    return TfidfModel(
        vocabulary=tuple(str(term) for term in vectorizer.get_feature_names_out()),
        idf=np.asarray(vectorizer.idf_, dtype=np.float64),
        weights=np.asarray(weights, dtype=np.float64),
        bias=np.asarray(bias, dtype=np.float64),
        penalty=C_GRID[best],
        cv_accuracy=float(hits[best] / len(rows)) if penalty is None else None,
    )


def check_counts(labels: NDArray[np.int64], n_classes: int) -> NDArray[np.int64]:
    """Return the number of rows per class, refusing what cannot be cross-validated."""
    counts = np.bincount(labels, minlength=n_classes)
    if counts.min() < 2:
        raise ValueError(
            f"the labelled part has {counts.tolist()} rows per class; a teacher needs at least 2 "
            "of each: raise data.n_labelled"
        )
    return counts


def join_pairs(texts: Sequence[str], pairs: Sequence[str] | None) -> list[str]:
    """Return one text a row, the two of a pair with a mark between them."""
    if pairs is None:
        return list(texts)
    return [f"{text}{SEPARATOR}{other}" for text, other in zip(texts, pairs, strict=True)]


def _path(features: Any, labels: NDArray[np.int64], penalties: Sequence[float]) -> Iterator[Any]:
    """Yield a logistic regression per penalty, each started from the one before."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(warm_start=True, tol=1e-3, max_iter=1000)
    for penalty in penalties:
        yield model.set_params(C=penalty).fit(features, labels)


def word_vectorizer(**settings: Any) -> Any:
    """Return what makes TF-IDF features of words and word pairs, unfitted."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(
        ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\b\w+\b|[!?␞]", **settings
    )
