"""Variance of teacher, student, baseline and ceiling given the features: no assumption on them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from w2sg._arrays import FloatArray, as_features, as_floats
from w2sg.heads.ridge import decompose

Smoother = Callable[[FloatArray, FloatArray], FloatArray]


@dataclass(frozen=True)
class ConditionalVariances:
    """Mean variance over the test rows, given all features; the label noise is the only chance.

    Attributes:
        teacher: Weak features, n labels.
        student: Strong features, N rows labelled by the teacher.
        baseline: Strong features, the same n labels.
        ceiling: Strong features, n + N true labels.
    """

    teacher: float
    student: float
    baseline: float
    ceiling: float


def ridge_smoother(
    *, ridge: float = 0.0, rank: int | None = None, intercept: bool = False
) -> Smoother:
    r"""Return the map (training rows, test rows) → H with ``predictions = H · labels``.

    ``H = T V diag(s/(s² + ridge)) Uᵀ`` for training rows ``U diag(s) Vᵀ`` and test rows T: ridge
    regression on the sum of squared errors, principal-component regression with ``rank``, the
    shortest least-squares solution with neither.

    Args:
        ridge: Penalty, at least 0.
        rank: Principal components kept, all if ``None``.
        intercept: Whether an unpenalised constant is fitted.

    Raises:
        ValueError: A negative ridge or a rank below 1.

    >>> smoother = ridge_smoother()
    >>> smoother(np.eye(2), np.array([[3.0, 4.0]]))
    array([[3., 4.]])
    """
    if not 0 <= ridge < np.inf:
        raise ValueError(f"ridge must be at least 0 and finite, got {ridge}")
    if rank is not None and rank < 1:
        raise ValueError(f"rank must be at least 1, got {rank}")

    def smooth(train: FloatArray, test: FloatArray) -> FloatArray:
        mean = train.mean(axis=0) if intercept else np.zeros(train.shape[1])
        left, axes = decompose(train - mean, rank=rank)
        filters = np.sqrt(axes.squares) / (axes.squares + ridge)
        h = ((test - mean) @ axes.right * filters) @ left.T
        return h + 1 / len(train) if intercept else h

    return smooth


def conditional_variances(
    weak_labelled: Any,
    weak_unlabelled: Any,
    weak_test: Any,
    strong_labelled: Any,
    strong_unlabelled: Any,
    strong_test: Any,
    sigma2: float = 1.0,
    *,
    ridge: float = 0.0,
    rank: int | None = None,
    intercept: bool = False,
    teacher: Smoother | None = None,
    student: Smoother | None = None,
) -> ConditionalVariances:
    r"""Compute the four variances exactly, for any features and any linear smoother.

    Every predictor is linear in the labels. With H_w from labelled to unlabelled rows and H_s
    from unlabelled to the m test rows, ``Var(student | X) = σ²/m ‖H_s H_w‖²_F``; the others are
    ``σ²/m ‖H‖²_F`` of one smoother.

    Args:
        weak_labelled: Weak features of the n labelled rows.
        weak_unlabelled: Weak features of the N pseudo-labelled rows.
        weak_test: Weak features of the m test rows.
        strong_labelled: Strong features of the labelled rows.
        strong_unlabelled: Strong features of the pseudo-labelled rows.
        strong_test: Strong features of the test rows.
        sigma2: Variance of the label noise, at least 0.
        ridge: Of ``ridge_smoother``, for every predictor that has no smoother of its own.
        rank: Likewise.
        intercept: Likewise.
        teacher: Smoother of the teacher: (training rows, test rows) → test × training matrix.
        student: Smoother of student, baseline and ceiling.

    Returns:
        The four variances, in squared label units.

    Raises:
        ValueError: Blocks whose rows or columns do not match, non-finite features, or a smoother
            of the wrong shape.

    Source: section 2.7 of the theory notes, derived; exact.

    >>> rows = np.random.default_rng(0).normal(size=(60, 3))
    >>> same = conditional_variances(*2 * (rows[:10], rows[10:40], rows[40:]))
    >>> bool(np.isclose(same.student, same.teacher)), same.ceiling < same.teacher
    (True, True)
    """
    noise = float(as_floats("sigma2", sigma2, low=0.0, ndim=0))
    names = ("labelled", "unlabelled", "test")
    weak = [
        as_features(f"weak_{n}", b, allow_zero=True).astype(np.float64, copy=False)
        for n, b in zip(names, (weak_labelled, weak_unlabelled, weak_test), strict=True)
    ]
    strong = [
        as_features(f"strong_{n}", b, allow_zero=True).astype(np.float64, copy=False)
        for n, b in zip(names, (strong_labelled, strong_unlabelled, strong_test), strict=True)
    ]
    for i, name in enumerate(names):
        if len(weak[i]) != len(strong[i]):
            raise ValueError(
                f"weak_{name} and strong_{name} must pair row by row, "
                f"got {len(weak[i])} and {len(strong[i])} rows"
            )
        for side, blocks in (("weak", weak), ("strong", strong)):
            if blocks[i].shape[1] != blocks[0].shape[1]:
                raise ValueError(
                    f"{side}_{name} must have the {blocks[0].shape[1]} columns of "
                    f"{side}_labelled, got {blocks[i].shape[1]}"
                )
    common = ridge_smoother(ridge=ridge, rank=rank, intercept=intercept)
    h_w, h_s = teacher or common, student or common

    def variance(smoother: FloatArray) -> float:
        return noise * float(np.square(smoother).sum()) / len(weak[2])

    chained = _apply("student", h_s, strong[1], strong[2]) @ _apply(
        "teacher", h_w, weak[0], weak[1]
    )
    return ConditionalVariances(
        teacher=variance(_apply("teacher", h_w, weak[0], weak[2])),
        student=variance(chained),
        baseline=variance(_apply("student", h_s, strong[0], strong[2])),
        ceiling=variance(_apply("student", h_s, np.vstack(strong[:2]), strong[2])),
    )


def residual_variance(features: Any, targets: Any, *, intercept: bool = False) -> float:
    r"""Estimate noise variance plus approximation error as RSS / (m − rank) of least squares.

    The two cannot be told apart from one feature set.

    Args:
        features: Training features, m rows, more than their rank.
        targets: Labels, shape (m,).
        intercept: Whether a constant is fitted, which costs one more degree of freedom.

    Returns:
        The estimate, in squared label units.

    Raises:
        ValueError: Rows that do not pair, or no degree of freedom left.

    Source: section 3.4 of the theory notes.

    >>> round(residual_variance([[1.0], [1.0]], [1.0, 3.0]), 9)
    2.0
    """
    x = as_features("features", features).astype(np.float64, copy=False)
    y = as_floats("targets", targets, ndim=1)
    if len(x) != len(y):
        raise ValueError(f"features and targets must pair, got {len(x)} and {len(y)} rows")
    if intercept:
        x = np.column_stack([x, np.ones(len(x))])
    left = decompose(x)[0]
    rank = left.shape[1]
    if len(x) <= rank:
        raise ValueError(f"features must have more rows than their rank {rank}, got {len(x)}")
    residual = y - left @ (left.T @ y)
    return float(residual @ residual) / (len(x) - rank)


def _apply(name: str, smoother: Smoother, train: FloatArray, test: FloatArray) -> Float[Any, "m n"]:
    h = as_floats(f"{name} smoother's matrix", smoother(train, test), ndim=2)
    if h.shape != (len(test), len(train)):
        raise ValueError(
            f"{name} must return a matrix of test × training rows "
            f"{(len(test), len(train))}, got {h.shape}"
        )
    return h
