"""Learning-curve laws on real features: student error is affine in κ(d_s, N) and in the teacher's.

Claim checked: the two laws of the theory (derived for Gaussian features) hold on pooled layers of
a pre-trained encoder, a teacher on an early layer and a student on the last.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg

from w2sg.diagnostics import (
    CorrelationDimension,
    CurveSplit,
    OverlapFromCurves,
    ProbeRuns,
    RidgeProbe,
    correlation_dimension,
    overlap_from_curves,
    run_probe_w2s,
    split_from_curve,
)


@dataclass(frozen=True)
class LearningCurveLaws:
    """Both sweeps, the lines through them, and the overlap of the same features.

    Attributes:
        over_n: Errors as the labelled rows vary.
        over_N: Errors as the pseudo-labelled rows vary.
        overlap: Line of student against teacher error.
        split: Line of student error against κ(d_s, N).
        features: Correlation dimension of the features themselves.
        d_w: Principal components of the teacher.
        d_s: Principal components of the student.
    """

    over_n: ProbeRuns
    over_N: ProbeRuns
    overlap: OverlapFromCurves
    split: CurveSplit
    features: CorrelationDimension
    d_w: int
    d_s: int


def learning_curve_laws(
    weak: Any,
    strong: Any,
    labels: Any,
    *,
    d_w: int,
    d_s: int,
    n: Any,
    N: Any,
    n_fixed: int,
    N_fixed: int,
    trials: int = 20,
    n_test: int | None = None,
    seed: int = 0,
) -> LearningCurveLaws:
    """Measure both laws with ridgeless probes on leading principal components.

    Both sides are projected first, so that the dimension in κ is the dimension that regression
    feels.

    Args:
        weak: Teacher features, rows × D_w.
        strong: Student features of the same rows.
        labels: Regression targets or ±1, one per row.
        d_w: Principal components given to the teacher.
        d_s: Principal components given to the student.
        n: Labelled sizes of the first sweep, each above d_w + 1.
        N: Pseudo-labelled sizes of the second sweep, each above d_s + 1.
        n_fixed: Labelled rows of the second sweep.
        N_fixed: Pseudo-labelled rows of the first sweep, at least 2 d_s + 2.
        trials: Permutations.
        n_test: Held-out rows, a fifth if ``None``.
        seed: Of everything random.

    Returns:
        Errors, both fits with R², and the overlap measured on the features.
    """
    w, s = _leading(weak, d_w), _leading(strong, d_s)
    probe = RidgeProbe(ridge=0.0)

    def sweep(small: Any, big: Any) -> ProbeRuns:
        return run_probe_w2s(
            (w, s), labels, small, big, trials, probe=probe, n_test=n_test, seed=seed
        )

    over_n, over_big = sweep(n, N_fixed), sweep(n_fixed, N)
    return LearningCurveLaws(
        over_n,
        over_big,
        overlap_from_curves(
            over_n.teacher.mean(axis=(1, 2)), over_n.student.mean(axis=(1, 2)), d_s, N_fixed
        ),
        split_from_curve(over_big.N, over_big.student.mean(axis=(1, 2)), d_s),
        correlation_dimension(s, w, d_s, d_w),
        d_w,
        d_s,
    )


def _leading(x: Any, d: int) -> np.ndarray:
    x = np.asarray(x, dtype=np.float64)
    width = x.shape[1]
    if not 1 <= d <= width:
        raise ValueError(f"dimensions must lie between 1 and the width {width}, got {d}")
    return x @ scipy.linalg.eigh(x.T @ x, subset_by_index=[width - d, width - 1])[1]
