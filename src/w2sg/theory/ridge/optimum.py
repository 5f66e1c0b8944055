"""The best penalties: the teacher's own, and the student's given the teacher."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from w2sg._arrays import FloatArray, as_floats
from w2sg.theory.ridge.stages import Inputs, Teacher, fit_teacher, two_stage


@dataclass(frozen=True)
class StudentPenalty:
    """The best penalty of a student and its excess risk.

    Attributes:
        penalty: λ_s⋆; 0 means that the infimum is the limit λ_s → 0⁺.
        risk: R_s there.
    """

    penalty: FloatArray
    risk: FloatArray


def optimal_teacher_penalty(
    gamma_t: ArrayLike, sigma2: ArrayLike, r2: ArrayLike = 1.0
) -> FloatArray:
    """Return the teacher penalty of least risk, λ_t⋆ = γ_tσ²/r².

    Args:
        gamma_t: Aspect ratio d/n_t ≥ 0.
        sigma2: Variance σ² ≥ 0 of the label noise.
        r2: Squared norm r² > 0 of the target.

    Returns:
        λ_t⋆, which multiplies Γ = I next to XᵀX/n.

    Raises:
        ValueError: An argument is out of range.

    Source: note on mechanisms, Result 1 (derived).

    >>> float(optimal_teacher_penalty(0.5, 1.0))
    0.5
    """
    gamma = as_floats("gamma_t", gamma_t, low=0.0)
    noise = as_floats("sigma2", sigma2, low=0.0)
    return gamma * noise / as_floats("r2", r2, low=0.0, open_low=True)


def optimal_student_penalty(
    gamma_t: ArrayLike,
    gamma_s: ArrayLike,
    lam_t: ArrayLike,
    sigma2: ArrayLike,
    r2: ArrayLike = 1.0,
    inputs: Inputs = "fresh",
    signed: bool = False,
) -> StudentPenalty:
    """Return the student penalty of least risk, given the teacher.

    Fresh inputs: w = 1/(1 + κ_s) is the root of (1 − w)(1 − γ_s w) = D(1 − γ_s w²)² in
    (0, min(1, 1/γ_s)) for D > 0, and λ_s⋆ = (1 − w)(1 − γ_s w)/w. For D ≤ 0 the infimum over
    λ_s ≥ 0 is at λ_s → 0⁺; with ``signed`` and γ_s < 1 the root in (1, 1/√γ_s) gives the negative
    penalty that repairs an over-regularised teacher. Reused inputs: search in log λ_s.

    Args:
        gamma_t: Aspect ratio d/n_t ≥ 0 of the teacher.
        gamma_s: Aspect ratio d/n_s ≥ 0 of the student.
        lam_t: Teacher penalty λ_t ≥ 0; it multiplies Γ = I next to XᵀX/n.
        sigma2: Variance σ² ≥ 0 of the noise on the teacher's labels.
        r2: Squared norm r² > 0 of the target.
        inputs: "fresh" inputs for the student, or the teacher's own "reused".
        signed: Whether λ_s may be negative (fresh inputs).

    Returns:
        The penalty and the risk there; a penalty of 0 stands for the limit from above.

    Raises:
        ValueError: An argument is out of range, or reused inputs with γ_s ≠ γ_t or λ_t = 0.

    Source: note on mechanisms, Results 6, 7 (fresh) and 12, 13 (reused), derived.

    >>> best = optimal_student_penalty(0.5, 1.5, 0.05, 1.0)
    >>> round(float(best.penalty), 6), round(float(best.risk), 6)
    (0.597234, 0.695854)
    """
    teacher, _ = fit_teacher(gamma_t, lam_t, sigma2, r2)
    if inputs == "reused":
        if signed:
            raise ValueError("signed penalties need inputs='fresh'")
        return _reused_optimum(gamma_t, gamma_s, lam_t, sigma2, r2, teacher)
    if inputs != "fresh":
        raise ValueError(f"inputs must be 'fresh' or 'reused', got {inputs!r}")
    gamma = as_floats("gamma_s", gamma_s, low=0.0)
    deficit, gamma = np.broadcast_arrays(teacher.deficit, gamma)
    w = _kept_at_optimum(deficit, gamma, signed=signed)
    active = (deficit > 0) | ((deficit < 0) & signed & (gamma < 1))
    # u and u/g from the right side of the equation, which does not cancel; the ridgeless student
    # of the other branch has u = g = max(0, 1 − 1/γ)
    freedom = 1 - gamma * w * w
    ridgeless = np.maximum(0.0, 1 - 1 / np.maximum(gamma, 1.0))
    ratio = deficit * freedom / np.where(active, 1 - gamma * w, 1.0)
    lost = np.where(active, ratio * freedom, ridgeless)
    ratio = np.where(active, ratio, np.where(gamma > 1, 1.0, 0.0))
    penalty = np.where(active, deficit * freedom**2 / w, 0.0)
    gain = teacher.norm2 * lost * (ratio - 2 * deficit)
    return StudentPenalty(penalty, teacher.risk + gain)


def _kept_at_optimum(deficit: FloatArray, gamma: FloatArray, *, signed: bool) -> FloatArray:
    over = signed & (deficit < 0) & (gamma < 1)
    low = np.where(over, 1.0, 0.0)
    high = np.minimum(1.0, 1 / np.maximum(gamma, 1.0))
    # for γ → 0 the root tends to 1 − D, so 2 − D bounds it however small γ is
    far = np.minimum(1 / np.sqrt(np.maximum(gamma, 1e-300)), 2 - np.minimum(deficit, 0.0))
    high = np.where(over, far, high)
    for _ in range(80):
        w = (low + high) / 2
        above = (1 - w) * (1 - gamma * w) > deficit * (1 - gamma * w * w) ** 2
        low, high = np.where(above, w, low), np.where(above, high, w)
    return np.where(low > 0, low, (low + high) / 2)


def _reused_optimum(
    gamma_t: ArrayLike,
    gamma_s: ArrayLike,
    lam_t: ArrayLike,
    sigma2: ArrayLike,
    r2: ArrayLike,
    teacher: Teacher,
) -> StudentPenalty:
    def risk(log_penalty: FloatArray) -> FloatArray:
        penalty = np.exp(log_penalty)
        return two_stage(gamma_t, gamma_s, lam_t, penalty, sigma2, r2, inputs="reused").student_risk

    best = optimal_teacher_penalty(gamma_t, sigma2, r2)
    shape = risk(np.zeros(())).shape
    scale = np.log(np.broadcast_to(1 + teacher.gamma + best, shape))
    grid = np.linspace(-30.0, 25.0, 111)
    values = np.stack([risk(scale + step) for step in grid])
    place = np.argmin(values, axis=0)
    low = scale + grid[np.maximum(place - 1, 0)]
    high = scale + grid[np.minimum(place + 1, len(grid) - 1)]
    golden = (np.sqrt(5) - 1) / 2
    for _ in range(70):
        a, b = high - golden * (high - low), low + golden * (high - low)
        left = risk(a) < risk(b)
        low, high = np.where(left, low, a), np.where(left, b, high)
    middle = (low + high) / 2
    found, limit = risk(middle), np.broadcast_to(teacher.risk, shape)
    helps = (found < limit) & (teacher.deficit > 0)
    return StudentPenalty(np.where(helps, np.exp(middle), 0.0), np.where(helps, found, limit))
