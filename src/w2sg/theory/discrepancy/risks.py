"""Exact risks of teacher, student, baseline and ceiling, and what the student's is made of."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from w2sg._arrays import FloatArray
from w2sg.theory.discrepancy import _inputs as inputs
from w2sg.theory.discrepancy.model import Dimensions, LatentModel, geometry
from w2sg.theory.discrepancy.stage import stage, times


@dataclass(frozen=True)
class RiskSummary:
    """Excess risks E (f − f_*)² of four predictors, two ratios, and the student's three parts.

    Attributes:
        teacher_risk: Weak features, n true labels.
        student_risk: Strong features, N labels of the teacher; the sum of the three parts.
        baseline_risk: Strong features, the same n true labels.
        ceiling_risk: Strong features, n + N true labels.
        pgr: Performance gap recovered, (teacher − student)/(teacher − ceiling); ``nan`` where the
            gap is zero or more than one of the three is infinite.
        opr: Outperforming ratio, baseline/student; ``nan`` where the student's risk is zero or
            both are infinite.
        bias: Squared error of the student's mean prediction.
        variance: What label noise, and the target outside the weak span, add through the teacher.
        signal_as_noise: What the teacher's signal adds by acting as noise on the student.
    """

    teacher_risk: FloatArray
    student_risk: FloatArray
    baseline_risk: FloatArray
    ceiling_risk: FloatArray
    pgr: FloatArray
    opr: FloatArray
    bias: FloatArray
    variance: FloatArray
    signal_as_noise: FloatArray


def risk_summary(
    model: LatentModel | Dimensions | tuple,
    n: ArrayLike,
    N: ArrayLike,
    sigma2: ArrayLike = 1.0,
) -> RiskSummary:
    """Return the exact expected risks of ridgeless weak-to-strong learning, in any regime.

    With n ≥ d_w + 2 and N ≥ d_s + 2, τ² = (σ² + ρ_w)/(n − d_w − 1) and κ = d_s/(N − d_s − 1):
    teacher ρ_w + τ² d_w, student ρ_s + ‖a_s − C a_w‖² + τ² [d_sw + (d_w − d_sw) κ]
    + κ (‖a_w‖² − ‖C a_w‖²), baseline ρ_s + (σ² + ρ_s) κ(d_s, n), ceiling the same with n + N.
    Below the dimension each stage is a minimum-norm interpolation, and its moments follow from
    those of a random projection; within one row of the dimension a noisy stage is ``inf``.

    Args:
        model: A `LatentModel`, or dimensions ``(d_w, d_s, d_sw)`` whose target is zero, or
            `Dimensions` with a part of the target that neither model can express.
        n: Number of labelled rows, at least 1, ``inf`` allowed.
        N: Number of pseudo-labelled rows, at least 1, ``inf`` allowed.
        sigma2: Variance of the label noise, at least 0.

    Returns:
        Risks, ratios and parts over the broadcast shape of all arguments.

    Raises:
        ValueError: An argument out of its range, named.

    Exact for jointly Gaussian features; isotropic where a sample is smaller than its dimension.
    Discrepancy note equation (3) and section 2.7, derived.

    >>> summary = risk_summary((200, 100, 10), n=2000, N=[400, 4000], sigma2=0.01)
    >>> summary.pgr.round(4).tolist(), summary.opr.round(4).tolist()
    ([1.0387, 1.0922], [1.2881, 6.3695])
    """
    shape = geometry(model)
    n, N = inputs.size("n", n), inputs.size("N", N)
    sigma2 = inputs.noise("sigma2", sigma2)
    inputs.common_shape(d_w=shape.d_w, d_s=shape.d_s, d_sw=shape.d_sw, n=n, N=N, sigma2=sigma2)
    weak, strong = stage(shape.d_w, n), stage(shape.d_s, N)

    teacher_noise = times(sigma2 + shape.rho_w, weak.noise)
    teacher = shape.rho_w + (1 - weak.keep) * shape.weak_norm + shape.d_w * teacher_noise

    # The student's labels: a part it can express, tr G₂, and a part that is noise to it.
    smeared = weak.spread * shape.weak_norm
    expressed = weak.same * shape.passed_norm + smeared * shape.d_sw
    foreign = weak.same * shape.misfit + smeared * (shape.d_w - shape.d_sw)
    price = shape.d_s * strong.noise
    keep = strong.keep * weak.keep
    aligned = (shape.strong_norm + shape.passed_norm - shape.inherited_bias) / 2
    bias = shape.rho_s + np.where(
        keep == 1,
        shape.inherited_bias,
        shape.strong_norm - 2 * keep * aligned + keep**2 * shape.passed_norm,
    )
    signal = strong.keep * expressed - keep**2 * shape.passed_norm + times(price, foreign)
    kept = strong.keep * shape.d_sw + times(price, shape.d_w - shape.d_sw)
    variance = np.where(np.isinf(teacher_noise), np.inf, times(teacher_noise, kept))

    return summarise(
        teacher=teacher,
        baseline=_direct_risk(shape.d_s, n, shape.rho_s, shape.strong_norm, sigma2),
        ceiling=_direct_risk(shape.d_s, n + N, shape.rho_s, shape.strong_norm, sigma2),
        bias=bias,
        variance=variance,
        signal_as_noise=signal,
    )


def summarise(
    *,
    teacher: FloatArray,
    baseline: FloatArray,
    ceiling: FloatArray,
    bias: FloatArray,
    variance: FloatArray,
    signal_as_noise: FloatArray,
) -> RiskSummary:
    """Add the student's parts up, form the ratios, and give everything one shape.

    >>> one, half, none = np.array(1.0), np.array(0.5), np.array(0.0)
    >>> out = summarise(teacher=one, baseline=one, ceiling=none, bias=none, variance=half,
    ...                 signal_as_noise=none)
    >>> float(out.pgr), float(out.opr)
    (0.5, 2.0)
    """
    student = bias + variance + signal_as_noise
    teacher, student, baseline, ceiling, bias, variance, signal_as_noise = np.broadcast_arrays(
        teacher, student, baseline, ceiling, bias, variance, signal_as_noise
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = teacher - ceiling
        pgr = np.where((gap == 0) | np.isinf(ceiling), np.nan, (teacher - student) / gap)
        opr = np.where(student == 0, np.nan, baseline / student)
    return RiskSummary(
        teacher_risk=teacher[()],
        student_risk=student[()],
        baseline_risk=baseline[()],
        ceiling_risk=ceiling[()],
        pgr=pgr[()],
        opr=opr[()],
        bias=bias[()],
        variance=variance[()],
        signal_as_noise=signal_as_noise[()],
    )


def _direct_risk(
    d: FloatArray, m: FloatArray, rho: FloatArray, norm: FloatArray, sigma2: FloatArray
) -> FloatArray:
    fit = stage(d, m)
    return rho + (1 - fit.keep) * norm + d * times(sigma2 + rho, fit.noise)
