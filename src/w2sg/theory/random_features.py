"""Random-feature teachers and students: one more channel, composed freely with ridge.

Features act(Wx) with W ∈ ℝ^{p×d}, rows N(0, I/d), and ridge (ΦᵀΦ/n + λI)⁻¹: λ multiplies
Γ = I next to ΦᵀΦ/n, over features that are not divided by p.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from w2sg._arrays import FloatArray, as_floats
from w2sg.theory.hermite import evaluate, normal_quadrature
from w2sg.theory.ridge.channel import Signal, as_signal, ridge_channel


class ActivationMoments(NamedTuple):
    """What an activation does to a standard normal variable Z.

    Attributes:
        mean: μ₀ = E act(Z); subtract it before use.
        linear: μ₁ = E[Z act(Z)].
        residual2: μ⋆² = E act² − μ₀² − μ₁², what is left beyond the linear part.
    """

    mean: float
    linear: float
    residual2: float


@dataclass(frozen=True)
class Ridge:
    """A learner on the inputs themselves.

    Attributes:
        gamma: Aspect ratio d/n ≥ 0.
        lam: Penalty λ ≥ 0; it multiplies Γ = I next to XᵀX/n.
    """

    gamma: ArrayLike
    lam: ArrayLike

    def fit(self, signal: Signal, noise: ArrayLike) -> Signal:
        """Return what this learner makes of labels from a signal."""
        return ridge_channel(signal, self.lam, self.gamma, noise)


@dataclass(frozen=True)
class RandomFeatures:
    """A learner on random features.

    Attributes:
        alpha: Samples per input dimension, n/d > 0.
        q: Features per input dimension, p/d > 0.
        lam: Penalty λ ≥ 0; it multiplies Γ = I next to ΦᵀΦ/n.
        mu1: μ₁ ≠ 0 of the activation.
        mu_star2: μ⋆² ≥ 0 of the activation.
    """

    alpha: ArrayLike
    q: ArrayLike
    lam: ArrayLike
    mu1: ArrayLike
    mu_star2: ArrayLike

    def fit(self, signal: Signal, noise: ArrayLike) -> Signal:
        """Return what this learner makes of labels from a signal."""
        return channel(signal, self.lam, self.alpha, self.q, self.mu1, self.mu_star2, noise)


@dataclass(frozen=True)
class TwoStage:
    """Excess risks of a teacher and its student.

    Attributes:
        teacher_risk: R_t.
        student_risk: R_s.
        teacher: The teacher's function as a signal.
        student: The student's function as a signal.
    """

    teacher_risk: FloatArray
    student_risk: FloatArray
    teacher: Signal
    student: Signal

    @property
    def difference(self) -> FloatArray:
        """R_s − R_t, below 0 where the student wins."""
        return self.student_risk - self.teacher_risk


def activation_moments(
    function: Callable[[FloatArray], FloatArray], kinks: Sequence[float] = ()
) -> ActivationMoments:
    """Return μ₀, μ₁ and μ⋆² of an activation.

    Args:
        function: The activation, an array function.
        kinks: Points that are not integers where it or its slope jumps.

    Returns:
        The three moments.

    Raises:
        ValueError: The function does not keep shapes or is not finite.

    Source: note on mechanisms, section 2.2 and algorithm 7.

    >>> moments = activation_moments(lambda z: np.maximum(z, 0))
    >>> round(moments.mean, 6), round(moments.linear, 6), round(moments.residual2, 6)
    (0.398942, 0.5, 0.090845)
    """
    nodes, weights = normal_quadrature(kinks)
    values = evaluate(function, nodes)
    mean, linear = float(weights @ values), float(weights @ (nodes * values))
    rest = values - mean - linear * nodes
    return ActivationMoments(mean, linear, float(weights @ rest**2))


def channel(
    signal: Signal,
    lam: ArrayLike,
    alpha: ArrayLike,
    q: ArrayLike,
    mu1: ArrayLike,
    mu_star2: ArrayLike,
    noise: ArrayLike = 0.0,
) -> Signal:
    """Fit ridge on random features of fresh isotropic inputs labelled by a signal.

    With ℓ = μ₁², c is the root with D₁ < min(α, q) of λ = q c (1 − D₁/α)(1 − D₁/q),
    D₁ = ℓ/(ℓ + c) + μ⋆²/c; C′ = ℓ/(ℓ + c) C, and T′, N′ follow from s², the test error of the
    fit on its own labels. μ⋆ = 0 and q → ∞ is plain ridge.

    Args:
        signal: The function that labels the inputs.
        lam: Penalty λ ≥ 0; it multiplies Γ = I next to ΦᵀΦ/n.
        alpha: Samples per input dimension, α = n/d > 0.
        q: Features per input dimension, q = p/d > 0.
        mu1: μ₁ ≠ 0 of the centred activation.
        mu_star2: μ⋆² ≥ 0 of the activation.
        noise: Variance τ² ≥ 0 of label noise.

    Returns:
        The fitted function as a signal; ``nonlinear`` is N′.

    Raises:
        ValueError: An argument is out of range, the signal is impossible (C² > r²T), or λ = 0
            with α = q.

    Source: note on mechanisms, Result 15 (derived by Gaussian equivalence, checked by
    simulation at d = 100, 200, 400).

    >>> fit = channel(Signal(1.0, 1.0, 0.0, 1.0), 0.1, 2.0, 3.0, 0.6, 0.05, noise=0.25)
    >>> bool(0 < fit.risk < 1)
    True
    """
    norm2, overlap, nonlinear, r2 = as_signal(signal)
    tau2 = as_floats("noise", noise, low=0.0)
    linear = as_floats("mu1", mu1) ** 2
    if (linear == 0).any():
        raise ValueError("mu1 must not be 0: such features carry no linear part of the target")
    checked = (
        linear,
        as_floats("mu_star2", mu_star2, low=0.0),
        as_floats("lam", lam, low=0.0),
        as_floats("alpha", alpha, low=0.0, open_low=True),
        as_floats("q", q, low=0.0, open_low=True),
    )
    try:
        linear, residual, lam_array, samples, width = np.broadcast_arrays(*checked)
    except ValueError:
        raise ValueError("lam, alpha, q, mu1 and mu_star2 must broadcast") from None
    if ((lam_array == 0) & (samples == width)).any():
        raise ValueError("lam=0 with alpha=q has infinite variance; raise lam or change q")
    c = _effective_penalty(lam_array, samples, width, linear, residual)
    kept = linear / (linear + c)
    lost = c / (linear + c)
    d1, d2 = _freedom(c, linear, residual), kept**2
    room = np.maximum(1 - d1 / width, 0.0)
    spread = 1 / (1 - d2 / width)
    error_in = lost * (1 - room * spread) + room * spread * lost**2
    df2 = d1 - room * spread * (d1 - d2)
    error = (norm2 * error_in + tau2 + nonlinear) / (1 - df2 / samples)
    power = error - tau2 - nonlinear - norm2 + 2 * kept * norm2
    fitted = norm2 * (kept**2 + lost**2 * (d2 / width) * spread)
    fitted = fitted + error / samples * (1 - 2 * lost + error_in)
    # power − fitted is a variance; below 0 only by rounding
    return Signal(fitted, kept * overlap, np.maximum(power - fitted, 0.0), r2)


def two_stage(
    teacher: Ridge | RandomFeatures,
    student: Ridge | RandomFeatures,
    sigma2: ArrayLike,
    r2: ArrayLike = 1.0,
    tau2: ArrayLike = 0.0,
) -> TwoStage:
    """Return the risks of a teacher and a student, each on inputs or on random features.

    The first layers are independent and the student's inputs are fresh.

    Args:
        teacher: ``Ridge`` or ``RandomFeatures``.
        student: ``Ridge`` or ``RandomFeatures``.
        sigma2: Variance σ² ≥ 0 of the noise on the teacher's labels.
        r2: Squared norm r² > 0 of the linear target.
        tau2: Variance τ² ≥ 0 of extra noise on the student's labels.

    Returns:
        Both risks, and both functions as signals.

    Raises:
        ValueError: An argument is out of range.

    Source: note on mechanisms, Results 11 and 15 (derived).

    >>> moments = activation_moments(np.tanh)
    >>> wide = RandomFeatures(2.0, 2.0, 0.1, moments.linear, moments.residual2)
    >>> round(float(two_stage(Ridge(0.5, 0.05), wide, 1.0).student_risk), 4)
    0.662
    """
    norm2 = as_floats("r2", r2, low=0.0, open_low=True)
    first = teacher.fit(Signal(norm2, norm2, 0.0, norm2), as_floats("sigma2", sigma2, low=0.0))
    second = student.fit(first, as_floats("tau2", tau2, low=0.0))
    risks = np.broadcast_arrays(np.asarray(first.risk), np.asarray(second.risk))
    return TwoStage(risks[0], risks[1], first, second)


def _freedom(c: FloatArray, linear: FloatArray, residual: FloatArray) -> FloatArray:
    flat = np.where(residual > 0, residual / np.where(c > 0, c, np.inf), 0.0)
    return linear / (linear + c) + flat


def _effective_penalty(
    lam: FloatArray,
    samples: FloatArray,
    width: FloatArray,
    linear: FloatArray,
    residual: FloatArray,
) -> FloatArray:
    # lower end: D₁(c) = min(α, q), a quadratic in c
    limit = np.minimum(samples, width)
    b = limit * linear - linear - residual
    start = np.hypot(b, 2 * np.sqrt(limit * residual * linear))
    product = limit * residual * linear
    # the root (−b + start)/(2·limit) in the form that does not cancel
    below = np.where(b > 0, 2 * product / (b + start + (b <= 0)), (start - b) / 2)
    low = below / limit

    def excess(c: FloatArray) -> FloatArray:
        d1 = _freedom(c, linear, residual)
        return width * c * (1 - d1 / samples) * (1 - d1 / width) - lam

    step = np.maximum(low, lam / width + linear + residual)
    for _ in range(1100):
        short = excess(low + step) < 0
        if not short.any():
            break
        step = np.where(short, 2 * step, step)
    low_step = np.zeros_like(step)
    # bisect the distance from the lower end, where the excess starts at −λ
    for _ in range(120):
        middle = (low_step + step) / 2
        short = excess(low + middle) < 0
        low_step, step = np.where(short, middle, low_step), np.where(short, step, middle)
    return np.where(lam == 0, low, low + (low_step + step) / 2)
