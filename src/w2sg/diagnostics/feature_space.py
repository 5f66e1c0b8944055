"""The published feature-space estimator of overlap, with the chance level it sits at."""

import warnings
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from w2sg._arrays import as_features
from w2sg._seeds import child_seed
from w2sg.diagnostics.moments import Scatter, top_eigenpairs


@dataclass(frozen=True)
class FeatureSpaceOverlap:
    """The published estimator's number, and what it would be for unrelated features.

    Attributes:
        value: ‖V_sᵀV_w‖²_F of the feature-space bases.
        chance: d_s d_w / D, its mean for coordinates that are unrelated.
        width: D, the common width after compression or padding.
    """

    value: float
    chance: float
    width: int


def feature_space_overlap(
    Phi_s: Any,
    Phi_w: Any,
    d_s: int,
    d_w: int,
    match: Literal["compress", "pad"] = "compress",
    *,
    seed: int = 0,
) -> FeatureSpaceOverlap:
    r"""Reproduce the published correlation dimension, which compares bases in feature space.

    The wider features are compressed by a Gaussian map to the narrower width (or the narrower
    ones padded with noise columns), then ‖V_sᵀV_w‖²_F is taken between principal axes. Axes of
    two networks live in unrelated coordinates, so the number sits at its chance level d_s d_w/D
    whatever the features share. Kept to reproduce published values; for the overlap itself use
    ``correlation_dimension``.

    Args:
        Phi_s: Strong features, N × D_s.
        Phi_w: Weak features, N × D_w; the rows need not even be the same.
        d_s: Principal axes kept of the strong features.
        d_w: Principal axes kept of the weak features.
        match: How unequal widths are made equal.
        seed: Of the Gaussian map or the noise columns.

    Returns:
        The value with its chance level.

    Warns:
        UserWarning: Always, with both numbers.

    Raises:
        ValueError: Dimensions out of range, zero or non-finite features.

    Source: section 3.3 of the theory notes, from the released code of arXiv 2502.05075.

    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(size=(500, 20))
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     same = feature_space_overlap(
    ...         z @ rng.normal(size=(20, 100)), z @ rng.normal(size=(20, 80)), 20, 20
    ...     )
    >>> same.chance, 3 < same.value < 8
    (5.0, True)
    """
    s, w = as_features("Phi_s", Phi_s), as_features("Phi_w", Phi_w)
    if match not in ("compress", "pad"):
        raise ValueError(f"match must be 'compress' or 'pad', got {match!r}")
    rng = np.random.default_rng(child_seed(seed, "feature_space_overlap"))
    pick = min if match == "compress" else max
    width = pick(s.shape[1], w.shape[1])
    for name, d in (("d_s", d_s), ("d_w", d_w)):
        if not 1 <= d <= width:
            raise ValueError(f"{name} must be between 1 and the common width {width}, got {d}")

    def matched(x: np.ndarray) -> np.ndarray:
        if x.shape[1] > width:
            return x @ rng.normal(size=(x.shape[1], width)) / np.sqrt(width)
        if x.shape[1] < width:
            noise = rng.normal(size=(len(x), width - x.shape[1]))
            return np.hstack([x, noise])
        return x

    axes = []
    for x, d in ((s, d_s), (w, d_w)):
        scatter = Scatter()
        scatter.update(matched(x))
        axes.append(top_eigenpairs(scatter.moment(center=False), d)[1])
    value = float((np.square(axes[0].T @ axes[1])).sum())
    chance = d_s * d_w / width
    warnings.warn(
        f"feature-space overlap {value:.4g} compares unrelated coordinates: by chance it is "
        f"{chance:.4g}; use correlation_dimension for the overlap itself",
        UserWarning,
        stacklevel=2,
    )
    return FeatureSpaceOverlap(value, chance, width)
