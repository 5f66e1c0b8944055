"""Where the student wins: the interval of its penalties, and the boundaries of that region."""

import numpy as np
from numpy.typing import ArrayLike

from w2sg._arrays import FloatArray, as_floats
from w2sg.theory.ridge.effective_penalty import effective_penalty
from w2sg.theory.ridge.stages import fit_teacher


def win_interval(
    gamma_t: ArrayLike,
    gamma_s: ArrayLike,
    lam_t: ArrayLike,
    sigma2: ArrayLike,
    r2: ArrayLike = 1.0,
) -> tuple[float, float] | tuple[FloatArray, FloatArray] | None:
    """Return the open interval of student penalties with R_s < R_t, fresh inputs, no label noise.

    R_s < R_t iff κ_s(1 + κ_s)/((1 + κ_s)² − γ_s) < 2D; the ends solve
    (1 − 2D)κ² + (1 − 4D)κ + 2D(γ_s − 1) = 0 and λ = κ(1 − γ_s/(1 + κ)). From D ≥ ½ on every
    λ_s > 0 wins.

    Args:
        gamma_t: Aspect ratio d/n_t ≥ 0 of the teacher.
        gamma_s: Aspect ratio d/n_s ≥ 0 of the student.
        lam_t: Teacher penalty λ_t ≥ 0; it multiplies Γ = I next to XᵀX/n.
        sigma2: Variance σ² ≥ 0 of the noise on the teacher's labels.
        r2: Squared norm r² > 0 of the target.

    Returns:
        For numbers: (low, high), high possibly infinite, or ``None`` where no λ_s wins. If any
        argument is an array: two arrays, NaN where no λ_s wins.

    Raises:
        ValueError: An argument is out of range.

    Source: note on mechanisms, Result 4 (derived).

    >>> [round(end, 6) for end in win_interval(0.5, 1.5, 0.05, 1.0)]
    [0.127739, 1.957112]
    >>> win_interval(0.5, 1.5, 0.1, 1.0) is None
    True
    """
    teacher, _ = fit_teacher(gamma_t, lam_t, sigma2, r2)
    gamma = as_floats("gamma_s", gamma_s, low=0.0)
    deficit, gamma = np.broadcast_arrays(teacher.deficit, gamma)
    low, high = _interval(deficit, gamma)
    if low.ndim > 0:
        return low, high
    return None if np.isnan(low) else (float(low), float(high))


def critical_deficit(gamma_s: ArrayLike) -> FloatArray:
    """Return the teacher deficit above which some student penalty wins.

    D_c = 0 for γ_s < 1, and ¼(1 + √(1 − 1/γ_s)) from γ_s = 1 on.

    Args:
        gamma_s: Aspect ratio d/n_s ≥ 0 of the student.

    Returns:
        D_c in [0, ½).

    Raises:
        ValueError: γ_s is negative or not finite.

    Source: note on mechanisms, Result 4 (derived).

    >>> round(float(critical_deficit(1.5)), 6)
    0.394338
    """
    gamma = as_floats("gamma_s", gamma_s, low=0.0)
    over = np.maximum(gamma, 1.0)
    return np.where(gamma < 1, 0.0, (1 + np.sqrt(1 - 1 / over)) / 4)


def critical_ratio(deficit: ArrayLike) -> FloatArray:
    """Return the aspect ratio below which a student of a teacher with this deficit can win.

    γ_c = 0 for D ≤ 0, 1 for 0 < D ≤ ¼, 1/(8D(1 − 2D)) for ¼ < D < ½, infinite from ½ on.

    Args:
        deficit: The teacher's D < 1, from ``two_stage(...).deficit``.

    Returns:
        γ_c; the student can win iff γ_s < γ_c.

    Raises:
        ValueError: D is 1 or more, or not finite.

    Source: note on mechanisms, Result 5 (derived).

    >>> round(float(critical_ratio(0.414965)), 4)
    1.7712
    """
    value = as_floats("deficit", deficit, high=1.0, open_high=True)
    middle = np.clip(value, 0.25, 0.4999999999999999)
    between = 1 / (8 * middle * (1 - 2 * middle))
    return np.select([value <= 0, value <= 0.25, value < 0.5], [0.0, 1.0, between], np.inf)


def critical_teacher_penalty(
    gamma_t: ArrayLike, gamma_s: ArrayLike, sigma2: ArrayLike, r2: ArrayLike = 1.0
) -> FloatArray:
    """Return the teacher penalty below which a student of aspect ratio γ_s can win.

    The λ_t with D(λ_t) = D_c(γ_s); D falls as λ_t grows. For γ_s < 1 it is λ_t⋆ = γ_tσ²/r².

    Args:
        gamma_t: Aspect ratio d/n_t ≥ 0 of the teacher.
        gamma_s: Aspect ratio d/n_s ≥ 0 of the student.
        sigma2: Variance σ² ≥ 0 of the noise on the teacher's labels.
        r2: Squared norm r² > 0 of the target.

    Returns:
        The end of the half-open interval [0, ·) of winning λ_t, which multiply Γ = I next to
        XᵀX/n; 0 where the interval is empty.

    Raises:
        ValueError: An argument is out of range.

    Source: note on mechanisms, Results 3 and 4 (derived).

    >>> round(float(critical_teacher_penalty(0.5, 1.5, 1.0)), 7)
    0.0644508
    """
    gamma = as_floats("gamma_t", gamma_t, low=0.0)
    noise = as_floats("sigma2", sigma2, low=0.0)
    norm2 = as_floats("r2", r2, low=0.0, open_low=True)
    gamma, noise, norm2, needed = np.broadcast_arrays(
        gamma, noise, norm2, critical_deficit(gamma_s)
    )
    best = gamma * noise / norm2
    low, high = np.zeros_like(best), best.copy()
    # bisection: the deficit falls from its ridgeless value to 0 on [0, λ⋆]
    for _ in range(70):
        middle = (low + high) / 2
        kept = 1 / (1 + effective_penalty(middle, gamma))
        size = 1 + gamma - 2 * gamma * kept + best
        wins = best - middle > needed * size
        low, high = np.where(wins, middle, low), np.where(wins, high, middle)
    return np.where(needed == 0, best, low)[()]


def _interval(deficit: FloatArray, gamma: FloatArray) -> tuple[FloatArray, FloatArray]:
    inner = (deficit > 0) & (deficit < 0.5)
    d = np.where(inner, deficit, 0.3)
    a, b, c = 1 - 2 * d, 1 - 4 * d, 2 * d * (gamma - 1)
    under = gamma < 1
    disc = b * b - 4 * a * c
    root = np.sqrt(np.maximum(disc, 0.0))
    q = -(b + np.where(b > 0, root, -root)) / 2
    safe = np.where(q == 0, 1.0, q)
    upper = np.where(b > 0, c / safe, q / a)
    lower = np.where(under, 0.0, c / safe)
    possible = inner & (under | ((b < 0) & (disc > 0)))
    every = deficit >= 0.5
    low = np.select([every, possible], [0.0, _penalty(lower, gamma)], np.nan)
    high = np.select([every, possible], [np.inf, _penalty(upper, gamma)], np.nan)
    return low, high


def _penalty(kappa: FloatArray, gamma: FloatArray) -> FloatArray:
    return np.maximum(kappa * (1 + kappa - gamma) / (1 + kappa), 0.0)
