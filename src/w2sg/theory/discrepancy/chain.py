"""Bootstrapping: a chain of models, each fitted to the labels of the one before."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from w2sg._arrays import FloatArray, as_floats
from w2sg.theory.discrepancy import _inputs as inputs
from w2sg.theory.discrepancy.stage import stage, times


def chain_risks(
    Cs: Sequence[ArrayLike],
    targets: Sequence[tuple[ArrayLike, float]],
    sizes: Sequence[ArrayLike],
    sigma2: ArrayLike = 1.0,
) -> FloatArray:
    """Return the exact excess risk of every model of a chain, fresh inputs at each stage.

    Stage 0 fits ``sizes[0]`` noisy true labels, stage i fits ``sizes[i]`` labels of stage i − 1.
    With coefficient moments T₁, T₂ of one stage and C the cross-correlation to the next, the
    next sees G₁ = C T₁, G₂ = C T₂ Cᵀ and noise tr((I − CᵀC) T₂); the risk of a stage is
    ρ + |a|² − 2 a·T₁ + tr T₂.

    Args:
        Cs: One matrix for each handover, row features the later model's, (d_i, d_{i−1}),
            singular values at most 1.
        targets: One pair (a, ρ) for each model: best coefficients, (d_i,), and the mean square
            of the target outside the model's span.
        sizes: Number of rows of each stage, at least 1; each a number or an array, broadcast.
        sigma2: Variance of the label noise at stage 0, at least 0; broadcasts with the sizes.

    Returns:
        Risks, (models, *broadcast shape); ``inf`` from the first stage whose noise is infinite.

    Raises:
        ValueError: Counts or shapes that do not fit, a singular value above 1, a bad size.

    Exact for jointly Gaussian whitened features, isotropic where a sample is smaller than its
    dimension; discrepancy note section 2.7, derived. Two models give `risk_summary`'s teacher
    and student.

    >>> same = [np.eye(3)] * 2
    >>> chain_risks(same, [(np.ones(3), 0.0)] * 3, sizes=[14, 100, 100]).round(6).tolist()
    [0.3, 0.3, 0.3]
    """
    models = len(targets)
    if models < 1 or len(Cs) != models - 1 or len(sizes) != models:
        raise ValueError(
            "targets and sizes must have one entry for each model and Cs one fewer, got "
            f"{models} targets, {len(sizes)} sizes and {len(Cs)} Cs"
        )
    coefs = [as_floats(f"targets[{i}][0]", a, ndim=1) for i, (a, _) in enumerate(targets)]
    rhos = [inputs.noise(f"targets[{i}][1]", rho) for i, (_, rho) in enumerate(targets)]
    crosses = [
        inputs.cross_correlation(f"Cs[{i}]", C, (coefs[i + 1].size, coefs[i].size))
        for i, C in enumerate(Cs)
    ]
    rows = [inputs.size(f"sizes[{i}]", m) for i, m in enumerate(sizes)]
    noise = inputs.noise("sigma2", sigma2)
    named = {f"sizes[{i}]": m for i, m in enumerate(rows)}
    batch = inputs.common_shape(sigma2=noise, **named)

    first = np.broadcast_to(coefs[0], (*batch, coefs[0].size))
    second = first[..., :, None] * first[..., None, :]
    noise = np.broadcast_to(noise + rhos[0], batch)
    infinite = np.zeros(batch, dtype=bool)
    risks = []
    for i, (a, rho, m) in enumerate(zip(coefs, rhos, rows, strict=True)):
        if i:
            C = crosses[i - 1]
            outside = np.eye(C.shape[1]) - C.T @ C
            noise = np.einsum("ij,...ij->...", outside, second).clip(0.0)
            first, second = first @ C.T, C @ second @ C.T
        fit = stage(np.asarray(float(a.size)), m)
        added = np.broadcast_to(times(noise, fit.noise), batch)
        infinite = infinite | np.isinf(added)
        trace = np.trace(second, axis1=-2, axis2=-1)
        smeared = fit.spread * trace + np.where(np.isinf(added), 0.0, added)
        first = first * fit.keep[..., None]
        second = second * fit.same[..., None, None] + smeared[..., None, None] * np.eye(a.size)
        risk = rho + a @ a - 2 * first @ a + np.trace(second, axis1=-2, axis2=-1)
        risks.append(np.where(infinite, np.inf, risk))
    return np.stack(risks)
