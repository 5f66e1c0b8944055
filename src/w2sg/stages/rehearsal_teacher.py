"""The weak teacher of a rehearsal: fitted again and again to fewer labels, its tuning kept."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2sg import soft_labels
from w2sg._arrays import FloatArray
from w2sg.stages.pseudo_labels import transformed
from w2sg.stages.weak_teacher import drawn_again

COMPONENTS = 128
Refit = Callable[[NDArray[np.int64]], FloatArray]


@dataclass(frozen=True)
class RehearsalTeacher:
    """A teacher that can be fitted to any subset of the labelled rows.

    Attributes:
        answers: Probabilities of all rows, labelled ones first, by the teacher of the run, (m, K).
        refit: Positions among the labelled rows → the same by a teacher of these labels alone;
            ``None`` where it never saw them.
        weak: Features that stand for the weak model, (m, D_w), ``None`` for given labels.
        note: What they are.
    """

    answers: FloatArray
    refit: Refit | None
    weak: FloatArray | None
    note: str | None


def of_texts(
    texts: Sequence[str],
    pairs: Sequence[str] | None,
    fit: Callable[[NDArray[np.int64]], FloatArray],
    n: int,
    *,
    seed: int,
) -> RehearsalTeacher:
    """Return a teacher of bags of words with its leading components as weak features.

    Args:
        texts: All rows, labelled ones first.
        pairs: Second texts.
        fit: Positions among the labelled rows → probabilities of all rows.
        n: Number of labelled rows.
        seed: Of the components.
    """
    return RehearsalTeacher(
        fit(np.arange(n)),
        fit,
        text_components(texts, pairs, seed=seed),
        "leading components of TF-IDF stand for the features of the weak model",
    )


def of_features(
    features: NDArray[Any],
    labels: NDArray[np.int64],
    n_classes: int,
    *,
    seed: int,
    penalty: float | None = None,
    note: str | None = None,
) -> RehearsalTeacher:
    """Return a logistic head on frozen features, its penalty chosen once with all labels.

    Args:
        features: All rows, labelled ones first, (m, D_w).
        labels: Class numbers of the labelled rows, (n,).
        n_classes: K.
        seed: Of the folds that choose the penalty.
        penalty: What was chosen before.
        note: What the features stand for, if not the teacher's own.
    """
    from w2sg.heads.head import fit_head

    chosen: Any = fit_head(
        features[: len(labels)], labels, n_classes=n_classes, penalty=penalty, seed=seed
    )

    def refit(seen: NDArray[np.int64]) -> FloatArray:
        head = fit_head(
            features[seen], labels[seen], n_classes=n_classes, penalty=float(chosen.penalty)
        )
        return head.predict_proba(features)

    return RehearsalTeacher(chosen.predict_proba(features), refit, features, note)


def several(
    teacher: RehearsalTeacher, labels: NDArray[np.int64], *, members: int, combine: str, seed: int
) -> RehearsalTeacher:
    """Return an ensemble of such teachers, each of a bootstrap sample, as a run makes it.

    Args:
        teacher: One that can be refitted.
        labels: Class numbers of the labelled rows.
        members: How many.
        combine: ``"dual"`` or ``"primal"``.
        seed: Of the samples.
    """
    refit = teacher.refit
    assert refit is not None  # a column has no members

    def fit(seen: NDArray[np.int64]) -> FloatArray:
        told = [refit(seen[drawn_again(labels[seen], seed, k)]) for k in range(members)]
        return soft_labels.ensemble(np.stack(told), how=combine)

    return RehearsalTeacher(fit(np.arange(len(labels))), fit, teacher.weak, teacher.note)


def together(teachers: Sequence[RehearsalTeacher], *, combine: str) -> RehearsalTeacher:
    """Return teachers on different models asked as one, their features side by side.

    Args:
        teachers: At least one, each with features and a refit.
        combine: ``"dual"`` or ``"primal"``.
    """
    if len(teachers) == 1:
        return teachers[0]

    def refit(seen: NDArray[np.int64]) -> FloatArray:
        told = [one.refit(seen) for one in teachers if one.refit is not None]
        return soft_labels.ensemble(np.stack(told), how=combine)

    weak = [one.weak for one in teachers if one.weak is not None]
    answers = soft_labels.ensemble(np.stack([one.answers for one in teachers]), how=combine)
    return RehearsalTeacher(answers, refit, np.hstack(weak), teachers[0].note)


def softened(
    teacher: RehearsalTeacher, *, labels: str, temperature: float, shrink: float
) -> RehearsalTeacher:
    """Return the teacher with its answers made into the pseudo-labels of the spec.

    Args:
        teacher: As fitted.
        labels: ``"soft"`` or ``"hard"``.
        temperature: T of p^(1/T).
        shrink: α of αq + (1−α)/K.
    """

    def make(p: FloatArray) -> FloatArray:
        return transformed(p, labels=labels, temperature=temperature, shrink=shrink)

    given = teacher.refit
    refit = None if given is None else lambda seen: make(given(seen))
    return RehearsalTeacher(make(teacher.answers), refit, teacher.weak, teacher.note)


def text_components(texts: Sequence[str], pairs: Sequence[str] | None, *, seed: int) -> FloatArray:
    """Return the leading components of the TF-IDF of all texts, (m, at most 128).

    Args:
        texts: All rows.
        pairs: Second texts.
        seed: Of the randomised decomposition.
    """
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    from w2sg.models.baselines import join_pairs

    vectorizer = TfidfVectorizer(sublinear_tf=True, token_pattern=r"(?u)\b\w+\b|[!?]")
    matrix = vectorizer.fit_transform(join_pairs(texts, pairs))
    count = min(COMPONENTS, min(matrix.shape) - 1)
    return TruncatedSVD(max(count, 1), random_state=seed).fit_transform(matrix)
