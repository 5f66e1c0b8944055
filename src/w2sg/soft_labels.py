"""Transforms of soft labels: shrink, smooth, harden, flip, temperature, and ensembles of teachers.

Labels are probabilities: (n, K) with rows that sum to one, or (n,) for class 1 of two.
"""

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import ArrayLike

from w2sg._arrays import FloatArray, as_floats

ROW_SUM_TOLERANCE = 1e-3
TIE = 1e-12  # two probabilities closer than this are one


def shrink(
    labels: ArrayLike, alpha: float, rate: float = 1.0, *, seed: int | None = None
) -> Float[ndarray, "n *k"]:
    r"""Pull labels towards the uniform one: αq + (1−α)/K.

    The uncertainty model of the experiments of Xu et al., arXiv 2505.24313 (released code, binary);
    K classes are our extension.

    Args:
        labels: (n, K) or (n,) probabilities.
        alpha: In [0, 1]; 1 changes nothing, 0 leaves no information.
        rate: Fraction of the labels that is shrunk, in [0, 1]; round(rate·n) of them.
        seed: Chooses which labels; required if ``rate`` is below 1.

    Raises:
        ValueError: Labels that are no probabilities, a number out of range, a missing seed.

    >>> shrink([0.9, 0.5], 0.5)
    array([0.7, 0.5])
    """
    q = _probabilities(labels)
    share = float(as_floats("alpha", alpha, low=0, high=1, ndim=0))
    classes = 2 if q.ndim == 1 else q.shape[1]
    chosen = _chosen(len(q), rate, seed)
    result = q.copy()
    result[chosen] = share * q[chosen] + (1 - share) / classes
    return result


def smooth(labels: ArrayLike, epsilon: float) -> Float[ndarray, "n *k"]:
    r"""Smooth labels, (1−ε)q + ε/K: the same map as `shrink` with α = 1 − ε.

    >>> smooth([1.0, 0.0], 0.1)
    array([0.95, 0.05])
    """
    return shrink(labels, 1 - float(as_floats("epsilon", epsilon, low=0, high=1, ndim=0)))


def harden(labels: ArrayLike) -> Float[ndarray, "n *k"]:
    """Put all weight on the likeliest class; equal ones share it, so that no class is preferred.

    Giving a tie to one class would favour whichever name sorts first; fractions need no coin and
    keep the expected count of every class.

    >>> harden([[0.2, 0.8], [0.5, 0.5]])
    array([[0. , 1. ],
           [0.5, 0.5]])
    """
    q = _probabilities(labels)
    if q.ndim == 1:
        return _shared(np.stack([1 - q, q], axis=1))[:, 1]
    return _shared(q)


def undecided(scores: FloatArray) -> np.ndarray:
    """Return which rows have no single likeliest class, shape (..., n).

    >>> undecided(np.array([[0.2, 0.8], [0.5, 0.5]])).tolist()
    [False, True]
    """
    return _leaders(scores).sum(axis=-1) > 1


def hit_share(scores: FloatArray, labels: ArrayLike) -> FloatArray:
    r"""Return how right each row is, 1[y ∈ argmax]/|argmax|: a tie is a guess among its classes.

    Args:
        scores: (..., n, K) probabilities, or scores of which the highest is the answer.
        labels: (n,) class numbers.

    >>> hit_share(np.array([[0.2, 0.8], [0.5, 0.5], [0.9, 0.1]]), [1, 0, 1]).tolist()
    [1.0, 0.5, 0.0]
    """
    y = np.asarray(labels, dtype=np.int64)
    return _shared(scores)[..., np.arange(len(y)), y]


def answers(scores: FloatArray) -> np.ndarray:
    """Return the number of the likeliest class of each row, −1 where several are.

    >>> answers(np.array([[0.2, 0.8], [0.5, 0.5]])).tolist()
    [1, -1]
    """
    return np.where(undecided(scores), -1, scores.argmax(axis=-1))


def flip(labels: ArrayLike, rate: float, *, seed: int) -> Float[ndarray, "n *k"]:
    """Give round(rate·n) labels to another class: label noise that the teacher does not know of.

    For (n,), q becomes 1 − q. For K classes the columns of a row rotate by a random number from
    1 to K−1, so that each class is hit equally often.

    Args:
        labels: (n, K) or (n,) probabilities.
        rate: Fraction of labels, in [0, 1].
        seed: Chooses the labels and the classes.

    >>> flip([0.9, 0.9], 1.0, seed=0)
    array([0.1, 0.1])
    """
    q = _probabilities(labels)
    chosen = _chosen(len(q), rate, seed)
    result = q.copy()
    if q.ndim == 1:
        result[chosen] = 1 - q[chosen]
        return result
    classes = q.shape[1]
    turn = np.random.default_rng([seed, 1]).integers(1, classes, size=len(chosen))
    columns = (np.arange(classes) - turn[:, None]) % classes
    result[chosen] = np.take_along_axis(q[chosen], columns, axis=1)
    return result


def temperature(labels: ArrayLike, value: float) -> Float[ndarray, "n *k"]:
    r"""Return labels ∝ q^{1/T}: T above 1 softens, below 1 sharpens; order and zeros stay.

    Args:
        labels: (n, K) or (n,) probabilities.
        value: Temperature T, positive.

    >>> temperature([0.8], 2.0).round(4)
    array([0.6667])
    """
    q = _probabilities(labels)
    scale = 1 / float(as_floats("value", value, low=0, open_low=True, ndim=0))
    return _from_log(scale * _log_rows(q), q.ndim)


def ensemble(
    teachers: ArrayLike, weights: ArrayLike | None = None, *, how: str = "dual"
) -> Float[ndarray, "n *k"]:
    r"""Merge the labels of several teachers into one set.

    ``primal`` is the arithmetic mean. ``dual`` is the normalised geometric mean, the exponential of
    the mean log-probability: the mean from which the cross-entropy of an average teacher exceeds
    by its variance exactly (derived). Teachers may be seeds,
    bootstrap samples or different models; several of them approximate the posterior-mean
    teacher.

    Args:
        teachers: (T, n, K) or (T, n) probabilities, one teacher each; T at least 1.
        weights: (T,), not negative; equal if left out.
        how: ``primal`` or ``dual``. With ``dual`` a class that one teacher excludes (probability
            0) stays excluded; if that leaves no class, an error says where.

    Raises:
        ValueError: No probabilities, wrong weights, an unknown ``how``, or hard labels that leave
            no class under ``dual``.

    >>> ensemble([[0.9], [0.5]], how="primal")
    array([0.7])
    >>> ensemble([[0.9], [0.5]], how="dual")
    array([0.75])
    """
    if how not in ("primal", "dual"):
        raise ValueError(f"how must be 'primal' or 'dual', got {how!r}")
    stack = as_floats("teachers", teachers, low=0, high=1)
    if stack.ndim not in (2, 3) or not len(stack):
        raise ValueError(f"teachers must be (T, n) or (T, n, K), T >= 1, got shape {stack.shape}")
    for number, labels in enumerate(stack):
        _probabilities(labels, f"teachers[{number}]")
    w = np.ones(len(stack)) if weights is None else as_floats("weights", weights, low=0, ndim=1)
    if len(w) != len(stack) or w.sum() == 0:
        raise ValueError(f"weights must be {len(stack)} numbers, not all 0, got {w.tolist()}")
    w = w / w.sum()
    if how == "primal":
        return np.tensordot(w, stack, axes=1)
    used = stack[w > 0]
    logs = np.stack([_log_rows(labels) for labels in used])
    mean_log = np.einsum("t,tnk->nk", w[w > 0], logs)
    empty = np.isneginf(mean_log).all(axis=1)
    if empty.any():
        raise ValueError(
            f"teachers exclude every class of row {int(empty.argmax())} between them; use "
            "how='primal', or smooth the hard labels first"
        )
    return _from_log(mean_log, stack.ndim - 1)


def _leaders(scores: FloatArray) -> np.ndarray:
    """Mask of the likeliest classes; round-off in a mean of votes does not break their tie."""
    return scores >= scores.max(axis=-1, keepdims=True) - TIE


def _shared(scores: FloatArray) -> FloatArray:
    mask = _leaders(scores).astype(np.float64)
    return mask / mask.sum(axis=-1, keepdims=True)


def _probabilities(labels: ArrayLike, name: str = "labels") -> FloatArray:
    q = as_floats(name, labels, low=0, high=1)
    if q.ndim not in (1, 2) or (q.ndim == 2 and q.shape[1] < 2):
        raise ValueError(f"{name} must be (n,) or (n, K) with K of at least 2, got {q.shape}")
    if q.ndim == 2 and (off := np.abs(q.sum(1) - 1) > ROW_SUM_TOLERANCE).any():
        row = int(off.argmax())
        raise ValueError(f"each row of {name} must sum to 1, got {q[row].sum():g} at row {row}")
    return q


def _chosen(n: int, rate: float, seed: int | None) -> np.ndarray:
    share = float(as_floats("rate", rate, low=0, high=1, ndim=0))
    if share == 1:
        return np.arange(n)
    if seed is None:
        raise ValueError(f"seed is needed to choose which labels, because rate is {share:g}")
    return np.sort(np.random.default_rng([seed, 0]).permutation(n)[: round(share * n)])


def _log_rows(q: FloatArray) -> FloatArray:
    rows = np.stack([1 - q, q], axis=1) if q.ndim == 1 else q
    with np.errstate(divide="ignore"):
        return np.log(rows)


def _from_log(log_rows: FloatArray, ndim: int) -> FloatArray:
    rows = np.exp(log_rows - log_rows.max(axis=1, keepdims=True))
    rows /= rows.sum(axis=1, keepdims=True)
    return rows[:, 1] if ndim == 1 else rows
