"""Linear probes: ridge and softmax regression on frozen features, settings apart from fits."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from w2sg._arrays import FloatArray, as_features, as_floats
from w2sg.heads.logistic import as_probabilities, fit_softmax, softmax
from w2sg.heads.ridge import decompose


@dataclass(frozen=True)
class FittedProbe:
    """A fitted linear map of features, with a softmax behind it or not.

    Attributes:
        weights: Coefficients.
        intercept: One per output.
        probabilities: Whether predictions are softmax probabilities.
    """

    weights: Float[np.ndarray, "d k"]
    intercept: Float[np.ndarray, " k"]
    probabilities: bool

    def predict(self, features: Any) -> Float[np.ndarray, "n k"]:
        """Return predictions, one column per output.

        Raises:
            ValueError: Features of another width than those of the fit.
        """
        x = as_features("features", features, allow_zero=True)
        if x.shape[1] != len(self.weights):
            raise ValueError(
                f"features must have the {len(self.weights)} columns of the fit, got {x.shape[1]}"
            )
        linear = x @ self.weights + self.intercept
        return softmax(linear) if self.probabilities else linear


@dataclass(frozen=True)
class RidgeProbe:
    r"""Ridge regression ``θ = V diag(s/(s² + ridge)) Uᵀ y``, the published regression probe.

    The penalty stands beside the *sum* of squared errors.

    Args:
        ridge: Penalty, at least 0; 0 gives the shortest least-squares solution.
        rank: Principal components of the training features kept, all if ``None``.
        intercept: Whether an unpenalised constant is fitted (the published probe has none).

    Source: section 3.5 of the theory notes, from the released code of arXiv 2502.05075.

    >>> probe = RidgeProbe(ridge=0.0).fit([[1.0], [2.0]], [2.0, 4.0])
    >>> probe.predict([[3.0]]).round(6)
    array([[6.]])
    """

    ridge: float = 1e-6
    rank: int | None = None
    intercept: bool = False

    def fit(self, features: Any, targets: Any) -> FittedProbe:
        """Fit to targets of shape (n,) or (n, K).

        Raises:
            ValueError: A ridge below 0, a rank below 1, or rows that do not pair.
        """
        check_settings(np.array([self.ridge]), self.rank)
        x, y = probe_inputs(features, targets)
        mean_x = x.mean(axis=0) if self.intercept else np.zeros(x.shape[1])
        mean_y = y.mean(axis=0) if self.intercept else np.zeros(y.shape[1])
        left, axes = decompose(x - mean_x, rank=self.rank)
        products = np.sqrt(axes.squares)[:, None] * (left.T @ (y - mean_y))
        weights = axes.coefficients(products, np.array([self.ridge]))[0]
        return FittedProbe(weights, mean_y - mean_x @ weights, False)


@dataclass(frozen=True)
class SoftmaxProbe:
    r"""Softmax regression on hard or soft targets, solved to its optimum.

    ``mean CE(t, softmax(W'x + c)) + ridge/2 ‖W‖²``. The published probe runs L-BFGS for a fixed
    number of steps without penalty, which on separable features has no optimum; a small penalty
    takes the place of early stopping.

    Args:
        ridge: Penalty, above 0.
        soft_targets: Whether a student is given the teacher's probabilities or its top class.

    Source: section 3.5 of the theory notes; the penalty is a change made here.

    >>> probe = SoftmaxProbe(ridge=0.1).fit([[-1.0], [1.0]], [[1.0, 0.0], [0.0, 1.0]])
    >>> probe.predict([[0.0]])
    array([[0.5, 0.5]])
    """

    ridge: float = 1e-4
    soft_targets: bool = True

    def fit(self, features: Any, targets: Any) -> FittedProbe:
        """Fit to class probabilities of shape (n, K).

        Raises:
            ValueError: A ridge that is not positive, or targets that are no probabilities.
        """
        x = as_features("features", features, allow_zero=True)
        t = as_probabilities("targets", targets, rows=len(x))
        fits = fit_softmax(x, t, penalties=self.ridge)
        return FittedProbe(fits.weights[0], fits.intercepts[0], True)


def probe_inputs(features: Any, targets: Any) -> tuple[FloatArray, FloatArray]:
    """Return float64 features and targets as a matrix, paired row by row.

    >>> probe_inputs([[1.0], [2.0]], [3.0, 4.0])[1].shape
    (2, 1)
    """
    x = as_features("features", features, allow_zero=True).astype(np.float64, copy=False)
    y = as_floats("targets", targets)
    if y.ndim not in (1, 2) or len(y) != len(x):
        raise ValueError(f"targets must have {len(x)} rows and 1 or 2 axes, got shape {y.shape}")
    return x, y.reshape(len(y), -1)


def check_settings(ridges: FloatArray, rank: int | None) -> None:
    """Refuse penalties below 0 and ranks below 1.

    >>> check_settings(np.array([0.1]), None)
    """
    as_floats("ridge", ridges, low=0.0)
    if rank is not None and rank < 1:
        raise ValueError(f"rank must be at least 1, got {rank}")
