"""The whole weak-to-strong experiment on frozen features, held out label by label."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from w2sg import arms, soft_labels
from w2sg._arrays import FloatArray
from w2sg._seeds import child_seed
from w2sg.forecast.arm_heads import fit_arms
from w2sg.forecast.evidence import Evidence
from w2sg.heads.folds import every_class_early, stratified_folds
from w2sg.heads.ridge import RidgePath

FOLDS = 5
LABEL_SHARES = (0.25, 0.5, 1.0)
UNLABELLED_SHARES = (0.125, 0.25, 0.5, 1.0)
LEAST_UNLABELLED = 20


@dataclass(frozen=True)
class Rehearsal:
    """What every way got right on labels that it had not seen.

    Each of the n labelled rows is predicted by models fitted without its fold. Sizes of the
    curves count the labels of the other folds.

    Attributes:
        n_sizes: Numbers of labels, ascending; the last is what four of five folds hold.
        N_sizes: Numbers of pseudo-labelled rows, ascending; the last is all of them.
        hits: Way (and ``teacher``) → how right each row was, at all sizes' largest; a tie in part.
        teacher: Whether the teacher was right, by number of labels.
        strong: Whether the strong model on the labels alone was right.
        student: Whether the student was right, by numbers of labels and of pseudo-labels.
        teacher_error: Squared error of the teacher's probabilities, summed over classes.
        strong_error: The same of the strong model on the labels alone.
        student_error: The same of the student.
        penalties: The student's penalties λ, as shares of the mean variance of a feature.
        penalty_error: Its squared error at each of them, at the largest sizes.
        differs: Way → whether it differs from the teacher on each row.
        held_out: The teacher's probabilities of rows that it had not seen, (n, K).
    """

    n_sizes: Int[np.ndarray, " a"]
    N_sizes: Int[np.ndarray, " b"]
    hits: dict[str, Float[np.ndarray, " n"]]
    differs: dict[str, Bool[np.ndarray, " n"]]
    teacher: Float[np.ndarray, "a n"]
    strong: Float[np.ndarray, "a n"]
    student: Float[np.ndarray, "a b n"]
    teacher_error: Float[np.ndarray, " a"]
    strong_error: Float[np.ndarray, " a"]
    student_error: Float[np.ndarray, "a b"]
    penalties: Float[np.ndarray, " p"]
    penalty_error: Float[np.ndarray, " p"]
    held_out: Float[np.ndarray, "n k"]


def rehearse(evidence: Evidence, *, seed: int = 0) -> Rehearsal:
    """Run the experiment on frozen features for all sizes, five folds of the labels.

    In each fold the teacher is fitted to the other folds' labels (to the first of them for the
    smaller sizes), labels the unlabelled rows, and every competing arm is fitted and asked about
    the fold. The unlabelled features are decomposed once per size for all folds and targets.

    Args:
        evidence: Features, teacher and labels.
        seed: Of the folds and the order of the rows.

    Returns:
        Hits and squared errors of everything.
    """
    rng = np.random.default_rng(child_seed(seed, "rehearsal"))
    n, k = evidence.n, evidence.n_classes
    x, pool = evidence.strong[:n], evidence.strong[n:]
    fold = stratified_folds(evidence.labels, FOLDS, rng)
    order = rng.permutation(evidence.N)
    floor = min(LEAST_UNLABELLED, evidence.N)
    big = np.unique([max(floor, round(s * evidence.N)) for s in UNLABELLED_SHARES])
    paths = [RidgePath(pool[order[:size]]) for size in big]
    largest = min(int((fold != f).sum()) for f in range(FOLDS))
    sizes = np.unique([max(4 * k, round(s * largest)) for s in LABEL_SHARES])
    sizes = sizes[sizes <= largest]
    truth, known = evidence.truth, np.arange(n)
    right = {
        "teacher": np.zeros((len(sizes), n)),
        "strong": np.zeros((len(sizes), n)),
        "student": np.zeros((len(sizes), len(big), n)),
    }
    wrong = {name: np.zeros(array.shape) for name, array in right.items()}
    hits = {way: np.zeros(n) for way in ("teacher", *arms.ways())}
    differs = {way: np.zeros(n, bool) for way in arms.ways()}
    held_out = np.zeros((n, k))
    by_penalty = np.zeros((len(paths[-1].penalties), n))
    for f in range(FOLDS):
        held = np.flatnonzero(fold == f)
        y = evidence.labels[held]
        rest = every_class_early(rng.permutation(known[fold != f]), evidence.labels, k)
        for i, size in enumerate(sizes):
            seen = rest if size == sizes[-1] else rest[:size]
            told = evidence.teacher if evidence.refit is None else evidence.refit(np.sort(seen))
            pseudo = told[n:][order]
            guesses: dict[tuple[Any, ...], FloatArray] = {("teacher", i): told[held]}
            last = size == sizes[-1]
            for j, (rows, path) in enumerate(zip(big, paths, strict=True)):
                if last and rows == big[-1]:
                    continue
                guesses[("student", i, j)] = path.fit(pseudo[:rows]).scores(x[held])
            if last:
                held_out[held] = told[held]
                fitted = fit_arms(x[seen], truth[seen], pool[order], pseudo, path=paths[-1])
                answers = fitted.scores(x[held])
                guesses[("strong", i)] = answers["strong_on_labelled"]
                guesses[("student", i, len(big) - 1)] = answers["student"]
                for way, scores in {"teacher": told[held], **answers}.items():
                    hits[way][held] = soft_labels.hit_share(scores, y)
                    if way in differs:
                        differs[way][held] = soft_labels.answers(scores) != soft_labels.answers(
                            told[held]
                        )
                for p, head in enumerate(paths[-1].path(pseudo)):
                    missed = head.scores(x[held]) - truth[held]
                    by_penalty[p, held] = np.square(missed).sum(axis=1)
            else:
                guesses[("strong", i)] = RidgePath(x[seen]).fit(truth[seen]).scores(x[held])
            for (name, *where), scores in guesses.items():
                right[name][(*where, held)] = soft_labels.hit_share(scores, y)
                wrong[name][(*where, held)] = np.square(scores - truth[held]).sum(axis=1)
    return Rehearsal(
        n_sizes=sizes,
        N_sizes=big,
        hits=hits,
        differs=differs,
        **right,
        **{f"{name}_error": array.mean(axis=-1) for name, array in wrong.items()},
        penalties=paths[-1].penalties / paths[-1].scale,
        penalty_error=by_penalty.mean(axis=1),
        held_out=held_out,
    )
