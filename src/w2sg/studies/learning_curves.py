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
from w2sg.studies.study import Claim, Study
from w2sg.theory.discrepancy import kappa


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


def learning_curve_study(laws: LearningCurveLaws) -> Study:
    """Draw both laws with their lines and check them.

    Args:
        laws: From ``learning_curve_laws``.

    Returns:
        Mean errors of both sweeps, the figure, and three claims: each law explains 99 % of the
        variance of the student's errors, and the overlap read off the curves is that of the
        features within a tenth of d_w.
    """
    from w2sg.figures import new_figure

    teacher, student = (a.mean(axis=(1, 2)) for a in (laws.over_n.teacher, laws.over_n.student))
    late = laws.over_N.student.mean(axis=(1, 2))
    prices = np.asarray(kappa(laws.d_s, laws.over_N.N))
    arrays = {
        "n": laws.over_n.n.astype(float),
        "teacher_over_n": teacher,
        "student_over_n": student,
        "N": laws.over_N.N.astype(float),
        "kappa": prices,
        "student_over_N": late,
    }
    figure, (left, right) = new_figure(1, 2, width=9.0, height=3.6)
    for axis, x, y, offset, slope in (
        (left, teacher, student, laws.overlap.offset, laws.overlap.slope),
        (right, prices, late, laws.split.floor, laws.split.price),
    ):
        ends = np.array([x.min(), x.max()])
        axis.plot(ends, offset + slope * ends, color="0.5", lw=1, label="line")
        axis.plot(x, y, "o", ms=5, label="measured")
        axis.set_ylabel("student error")
        axis.legend()
    left.set(
        xlabel="teacher error",
        title=f"n varies at N = {laws.over_n.N[0]}: R² = {laws.overlap.r2:.5f}",
    )
    right.set(
        xlabel="κ(d_s, N)",
        title=f"N varies at n = {laws.over_N.n[0]}: R² = {laws.split.r2:.5f}",
    )
    measured = laws.features.debiased
    assert measured is not None
    shared = measured / laws.d_w
    claims = (
        Claim(
            "student error is affine in teacher error as n varies",
            f"R² = {laws.overlap.r2:.5f}",
            laws.overlap.r2 > 0.99,
        ),
        Claim(
            "student error is affine in κ(d_s, N) as N varies",
            f"R² = {laws.split.r2:.5f}",
            laws.split.r2 > 0.99,
        ),
        Claim(
            "the overlap of the curves is that of the features",
            f"{laws.overlap.share:.3f} from curves, {shared:.3f} from features",
            abs(laws.overlap.share - shared) < 0.1,
        ),
    )
    return Study(arrays, figure, claims)


def _leading(x: Any, d: int) -> np.ndarray:
    x = np.asarray(x, dtype=np.float64)
    width = x.shape[1]
    if not 1 <= d <= width:
        raise ValueError(f"dimensions must lie between 1 and the width {width}, got {d}")
    return x @ scipy.linalg.eigh(x.T @ x, subset_by_index=[width - d, width - 1])[1]
