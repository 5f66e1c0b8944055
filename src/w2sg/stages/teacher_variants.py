"""The weak teacher as it might have been: at other penalties, and on resampled labels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2sg._arrays import FloatArray
from w2sg._seeds import child_seed
from w2sg.data.examples import Labelled, Unlabelled
from w2sg.diagnostics.controls import OnRows

RESAMPLES = 10
# of the teacher's own penalty; six decades hold what cross-validation would ever choose
FACTORS = tuple(float(f) for f in np.logspace(-3, 3, 13))
Fit = Callable[[NDArray[np.int64], float | None], OnRows]


@dataclass(frozen=True)
class TeacherVariants:
    """Answers of one kind of teacher, fitted in other ways to the same labels.

    Attributes:
        own: Fitted as the teacher was.
        penalised: At other penalties; none where the kind has no penalty that is known.
        resampled: On labels drawn with replacement within each class, at the own penalty.
    """

    own: OnRows
    penalised: tuple[OnRows, ...]
    resampled: tuple[OnRows, ...]


def variants(
    fit: Fit,
    labels: NDArray[np.int64],
    *,
    own: float | None,
    penalties: Sequence[float] = (),
    seed: int,
) -> TeacherVariants:
    """Fit a teacher at every penalty, and at its own to resampled labels.

    Args:
        fit: Positions among the labelled rows and penalty → answers.
        labels: Class numbers of the labelled rows.
        own: The teacher's penalty, ``None`` for what it takes by itself.
        penalties: Others to try.
        seed: Of the resamples.
    """
    everything = np.arange(len(labels))
    rng = np.random.default_rng(child_seed(seed, "teacher variants"))
    return TeacherVariants(
        fit(everything, own),
        tuple(fit(everything, penalty) for penalty in penalties),
        tuple(fit(_resample(labels, rng), own) for _ in range(RESAMPLES)),
    )


def tfidf(
    labelled: Labelled, asked: tuple[Unlabelled, Unlabelled], *, penalty: float | None, seed: int
) -> TeacherVariants:
    """Return TF-IDF teachers: at every penalty that cross-validation compares, and resampled.

    Args:
        labelled: What the teacher learned from.
        asked: The unlabelled and the test part.
        penalty: The C that it chose; ``None`` chooses it anew.
        seed: Of the resamples.
    """
    from w2sg.models.baselines import C_GRID, fit_tfidf

    def fit(rows: NDArray[np.int64], c: float | None) -> OnRows:
        texts, pairs, labels = _chosen(labelled, rows)
        model = fit_tfidf(
            texts,
            labels,
            pairs,
            n_classes=len(labelled.label_names),
            folds=5,
            seed=child_seed(seed, "folds"),
            penalty=c,
        )
        return OnRows(*(model.predict_proba(part.texts, part.pairs) for part in asked))

    return variants(fit, labelled.labels, own=penalty, penalties=C_GRID, seed=seed)


def sklearn(
    labelled: Labelled,
    asked: tuple[Unlabelled, Unlabelled],
    *,
    estimator: Any,
    folds: int,
    seed: int,
) -> TeacherVariants:
    """Return a scikit-learn teacher, as it was and resampled; which of its settings is a penalty
    is not known.

    Args:
        labelled: What the teacher learned from.
        asked: The unlabelled and the test part.
        estimator: The classifier, or the name of its class.
        folds: Folds of its cross-validation.
        seed: Of the resamples.
    """
    from w2sg.models.estimators import fit_estimator

    def fit(rows: NDArray[np.int64], _: float | None) -> OnRows:
        texts, pairs, labels = _chosen(labelled, rows)
        model = fit_estimator(
            estimator,
            texts,
            labels,
            pairs,
            label_names=labelled.label_names,
            folds=folds,
            seed=child_seed(seed, "folds"),
        )
        return OnRows(*(model.predict_proba(part.texts, part.pairs) for part in asked))

    return variants(fit, labelled.labels, own=None, seed=seed)


def probe(
    features: tuple[FloatArray, FloatArray, FloatArray],
    labels: NDArray[np.int64],
    n_classes: int,
    *,
    penalty: float | None,
    seed: int,
) -> TeacherVariants:
    """Return logistic heads on frozen features, over six decades of the penalty and resampled.

    Args:
        features: Of the labelled, unlabelled and test rows.
        labels: Class numbers of the labelled rows.
        n_classes: K.
        penalty: The λ that the teacher chose; ``None`` chooses it anew.
        seed: Of the folds and the resamples.
    """
    from w2sg.heads.head import fit_head

    x, *asked = features
    if penalty is None:
        chosen: Any = fit_head(x, labels, n_classes=n_classes, seed=child_seed(seed, "folds"))
        penalty = float(chosen.penalty)

    def fit(rows: NDArray[np.int64], lam: float | None) -> OnRows:
        head = fit_head(x[rows], labels[rows], n_classes=n_classes, penalty=lam)
        return OnRows(*(head.predict_proba(part) for part in asked))

    grid = [penalty * factor for factor in FACTORS]
    return variants(fit, labels, own=penalty, penalties=grid, seed=seed)


def _chosen(
    labelled: Labelled, rows: NDArray[np.int64]
) -> tuple[list[str], list[str] | None, NDArray[np.int64]]:
    texts = [labelled.texts[i] for i in rows]
    pairs = None if labelled.pairs is None else [labelled.pairs[i] for i in rows]
    return texts, pairs, labelled.labels[rows]


def _resample(labels: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw with replacement within each class, so that every class keeps its rows."""
    of = [np.flatnonzero(labels == k) for k in np.unique(labels)]
    return np.concatenate([rng.choice(rows, len(rows)) for rows in of])
