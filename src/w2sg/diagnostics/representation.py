"""Representation gap: what a strong model can learn that a weak teacher cannot show it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg

from w2sg._arrays import FloatArray, as_features, as_floats


@dataclass(frozen=True)
class RepresentationGap:
    """Norms of P_s(I − P_w), the part of the strong space that the weak one misses.

    Attributes:
        operator: Largest singular value, in [0, 1]; needs no labels.
        frobenius2: Squared Frobenius norm; d_s − d_sw for hard projectors.
        label: ‖P_s(I − P_w) y‖²/N summed over label columns, the bias a student inherits;
            ``None`` without labels.
        label_share: ``label`` over ‖y‖²/N; ``None`` without labels.
    """

    operator: float
    frobenius2: float
    label: float | None
    label_share: float | None


def representation_gap(
    Phi_s: Any,
    Phi_w: Any,
    labels: Any = None,
    *,
    beta_s: float = 0.0,
    beta_w: float = 0.0,
    d_s: int | None = None,
    d_w: int | None = None,
    center: bool = False,
) -> RepresentationGap:
    r"""Measure P_s(I − P_w) on shared rows, with smoothed or hard projectors.

    ``P = K̂ (K̂ + β I)⁻¹`` with ``K̂ = Φ Φᵀ/N``; β = 0 gives the projector on the span of the
    features, d its restriction to the leading principal components. The operator norm ranks weak
    teachers without labels; the label norm is the squared error that the student inherits from
    the teacher's blind spots.

    Args:
        Phi_s: Strong features, N × D_s.
        Phi_w: Weak features of the same rows, N × D_w.
        labels: Targets, shape (N,) or (N, K).
        beta_s: Smoothing of the strong projector, at least 0, in squared feature units.
        beta_w: Smoothing of the weak projector.
        d_s: Principal components kept of the strong features, all if ``None``.
        d_w: Principal components kept of the weak features.
        center: Remove the mean over rows of features and labels first.

    Returns:
        Operator norm, squared Frobenius norm, and the label norm.

    Raises:
        ValueError: Rows that do not pair, non-finite or zero features, β below 0, d below 1, or
            a projector on everything because features are at least as wide as there are rows.

    Source: Xue, Li and Mirzasoleiman, arXiv 2502.00620 (projectors and both norms, from memory of
    the paper); section 7 of the theory notes for the link to d_sw.

    >>> strong, weak = np.eye(6)[:, :3], np.eye(6)[:, 1:3]
    >>> gap = representation_gap(strong, weak, labels=[2.0, 1, 0, 0, 0, 5])
    >>> round(gap.operator, 6), round(gap.frobenius2, 6), round(gap.label * 6, 6)
    (1.0, 1.0, 4.0)
    """
    s, w = as_features("Phi_s", Phi_s), as_features("Phi_w", Phi_w)
    if len(s) != len(w):
        raise ValueError(f"Phi_s and Phi_w must pair row by row, got {len(s)} and {len(w)} rows")
    u_s, f_s = _projector("s", s, beta_s, d_s, center)
    u_w, f_w = _projector("w", w, beta_w, d_w, center)
    cross = u_s.T @ u_w
    # (I − P_w)² = I − U_w (2F − F²) U_wᵀ
    inner = np.eye(len(f_s)) - (cross * (2 * f_w - f_w**2)) @ cross.T
    gram = f_s[:, None] * inner * f_s
    label = share = None
    if labels is not None:
        y = as_floats("labels", labels)
        if y.ndim not in (1, 2) or len(y) != len(s):
            raise ValueError(f"labels must have {len(s)} rows and 1 or 2 axes, got {y.shape}")
        y = y.reshape(len(y), -1)
        if center:
            y = y - y.mean(axis=0)
        if not y.any():
            raise ValueError("labels are zero, or constant and centered; nothing to project")
        left = y - (u_w * f_w) @ (u_w.T @ y)
        label = float(np.square(f_s[:, None] * (u_s.T @ left)).sum()) / len(y)
        share = label / (float(np.square(y).sum()) / len(y))
    top = float(scipy.linalg.eigvalsh(gram)[-1])
    return RepresentationGap(
        float(np.sqrt(np.clip(top, 0, 1))), float(max(np.trace(gram), 0.0)), label, share
    )


def _projector(
    side: str, x: np.ndarray, beta: float, d: int | None, center: bool
) -> tuple[FloatArray, FloatArray]:
    if not 0 <= beta < np.inf:
        raise ValueError(f"beta_{side} must be at least 0 and finite, got {beta}")
    x = x.astype(np.float64)
    if center:
        x -= x.mean(axis=0)
    u, values, _ = scipy.linalg.svd(x, full_matrices=False)
    rank = int((values > values[0] * max(x.shape) * np.finfo(float).eps).sum())
    if rank == 0 or values[0] == 0:
        raise ValueError(f"Phi_{side} is constant: nothing is left after centering")
    if d is not None and not 1 <= d <= rank:
        raise ValueError(f"d_{side} must be between 1 and the rank {rank}, got {d}")
    if d is None and beta == 0 and rank >= len(x) - center:
        raise ValueError(
            f"Phi_{side} spans all {len(x)} rows, so its projector is the identity; "
            f"set d_{side} or beta_{side}, or add rows"
        )
    keep = slice(0, rank if d is None else d)
    energy = values[keep] ** 2 / len(x)
    return u[:, keep], energy / (energy + beta)
