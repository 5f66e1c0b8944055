"""Intrinsic dimension of features: six readings of one spectrum."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, get_args

import numpy as np
import scipy.linalg
from jaxtyping import Float

from w2sg._arrays import FloatArray, as_features, as_floats
from w2sg.diagnostics.moments import Scatter

Rule = Literal[
    "energy",
    "numerical_rank",
    "stable_rank",
    "participation_ratio",
    "spectral_entropy",
    "effective",
]
RULES: tuple[str, ...] = get_args(Rule)


@dataclass(frozen=True)
class IntrinsicDimension:
    """One spectrum and its dimension by every rule that was computable.

    Attributes:
        value: The dimension by the rule asked for.
        rule: That rule.
        by_rule: All of them; ``"effective"`` only where a ridge was given.
        spectrum: Eigenvalues of the second moment ΦᵀΦ/n, descending, in squared feature units.
        rows: Number of rows, ``None`` where a spectrum was given.
        center: Whether the mean of the rows was removed.
    """

    value: float
    rule: str
    by_rule: Mapping[str, float]
    spectrum: Float[np.ndarray, " d"]
    rows: int | None
    center: bool


def intrinsic_dimension(
    features: Any,
    rule: Rule = "energy",
    center: bool = False,
    *,
    level: float = 0.99,
    tolerance: float = 1e-6,
    ridge: float | None = None,
) -> IntrinsicDimension:
    r"""Measure how many directions features use.

    With eigenvalues λ₁ ≥ λ₂ ≥ … of the second moment and p = λ/Σλ:

    - ``energy``: the smallest k with λ₁+…+λ_k ≥ level · Σλ (the paper's, at 0.99);
    - ``numerical_rank``: #{√λ_i > tolerance · √λ₁}, what ridgeless regression feels;
    - ``stable_rank``: Σλ / λ₁; ``participation_ratio``: (Σλ)² / Σλ²;
    - ``spectral_entropy``: exp(−Σ p log p); ``effective``: Σ λ/(λ + ridge).

    Features with a large mean (any network with ReLU outputs) put most of the trace into it, which
    makes the uncentred energy dimension small: look at both.

    Args:
        features: A matrix of rows × features; or a spectrum, one axis of eigenvalues of the
            second moment; or an iterable of batches of rows, read once.
        rule: Which rule becomes ``value``.
        center: Remove the mean of the rows first; not possible for a spectrum.
        level: Share of the trace for ``energy``, in (0, 1].
        tolerance: Relative singular value for ``numerical_rank``, at least 1e-7 because the
            spectrum comes from squared features.
        ridge: Added to the eigenvalues by ``effective``, above 0. For ridge regression with
            penalty α‖w‖² on the sum of squared errors of n rows, it is α/n.

    Returns:
        The dimension by the rule asked for, by all rules, and the spectrum.

    Raises:
        ValueError: A zero or non-finite matrix, an unknown rule, or options out of range.

    Source: section 3.1 of the theory notes after arXiv 2502.05075 (``energy``: from the paper).

    >>> intrinsic_dimension(np.diag([3.0, 2.0, 1.0, 0.0]), "numerical_rank").value
    3.0
    >>> intrinsic_dimension([4.0, 4.0, 4.0], "participation_ratio").value
    3.0
    """
    if rule not in RULES:
        raise ValueError(f"rule must be one of {', '.join(RULES)}, got {rule!r}")
    if not 0 < level <= 1:
        raise ValueError(f"level must be above 0 and at most 1, got {level}")
    if not 1e-7 <= tolerance < 1:
        raise ValueError(f"tolerance must be at least 1e-7 and below 1, got {tolerance}")
    if ridge is None and rule == "effective":
        raise ValueError("ridge must be given for the effective dimension, got None")
    if ridge is not None and not 0 < ridge < np.inf:
        raise ValueError(f"ridge must be above 0 and finite, got {ridge}")
    spectrum, rows = _spectrum(features, center)
    total = spectrum.sum()
    share = spectrum[spectrum > 0] / total
    values = {
        # the last partial sum can fall short of the total by round-off
        "energy": float(
            min(np.searchsorted(np.cumsum(share), level * (1 - 1e-12)) + 1, len(share))
        ),
        "numerical_rank": float((spectrum > tolerance**2 * spectrum[0]).sum()),
        "stable_rank": float(total / spectrum[0]),
        "participation_ratio": float(1 / (share**2).sum()),
        "spectral_entropy": float(np.exp(-(share * np.log(share)).sum())),
    }
    if ridge is not None:
        values["effective"] = float((spectrum / (spectrum + ridge)).sum())
    return IntrinsicDimension(
        values[rule], rule, MappingProxyType(values), spectrum, rows, bool(center)
    )


def _spectrum(features: Any, center: bool) -> tuple[FloatArray, int | None]:
    if isinstance(features, np.ndarray | list | tuple) and _is_number(features):
        spectrum = as_floats("features", features, low=0.0, ndim=1)
        if center:
            raise ValueError("center must be False for a spectrum; center the features instead")
        if not spectrum.any():
            raise ValueError("features is a zero spectrum; no direction of it can be measured")
        return -np.sort(-spectrum), None
    if isinstance(features, np.ndarray) or (
        isinstance(features, list | tuple) and np.ndim(features[0]) == 1
    ):
        x = as_features("features", features)
        if len(x) >= x.shape[1]:
            return _of_batches([x], center)
        x = x.astype(np.float64)
        if center:
            x -= x.mean(axis=0)
        return _descending(x @ x.T / len(x)), len(x)
    if not isinstance(features, Iterable):
        raise ValueError(
            f"features must be a matrix, a spectrum or batches, got {type(features).__name__}"
        )
    return _of_batches(features, center)


def _is_number(features: Any) -> bool:
    if len(features) == 0:
        raise ValueError("features must not be empty")
    return np.ndim(features[0]) == 0


def _of_batches(batches: Iterable[Any], center: bool) -> tuple[FloatArray, int]:
    scatter = Scatter()
    for batch in batches:
        scatter.update(as_features("features", batch, allow_zero=True))
    if scatter.count == 0:
        raise ValueError("features must have at least one batch, got none")
    return _descending(scatter.moment(center=center) / scatter.count), scatter.count


def _descending(moment: FloatArray) -> FloatArray:
    if not moment.any():
        raise ValueError("features are zero, or constant and centered; nothing can be measured")
    values = scipy.linalg.eigvalsh(moment)[::-1]
    # round-off below zero and below resolution is not signal
    return np.where(values > 1e-15 * values[0], values, 0.0)
