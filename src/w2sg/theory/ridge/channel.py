"""One ridge fit as a map of three numbers, so that fits can be chained."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from w2sg._arrays import FloatArray, as_floats
from w2sg.theory.ridge.effective_penalty import as_penalty, refuse_divergence, shrinkage


@dataclass(frozen=True)
class Signal:
    """What the next learner can see of a function that labels its inputs.

    Attributes:
        norm2: T ≥ 0, squared norm of its linear part.
        overlap: C, inner product of its linear part with the target β⋆.
        nonlinear: N ≥ 0, variance no linear learner can resolve.
        r2: r² > 0, squared norm of the target.

    >>> Signal(1.0, 1.0, 0.0, 1.0).risk
    0.0
    """

    norm2: ArrayLike
    overlap: ArrayLike
    nonlinear: ArrayLike
    r2: ArrayLike

    @property
    def risk(self) -> ArrayLike:
        """Excess risk R = r² − 2C + T + N."""
        return self.r2 - 2 * self.overlap + self.norm2 + self.nonlinear  # pyright: ignore


def as_signal(signal: Signal) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return T, C, N and r² as arrays; refuse what no function can have, C² > r²T.

    >>> as_signal(Signal(1.0, 2.0, 0.0, 1.0))
    Traceback (most recent call last):
    ...
    ValueError: overlap must not exceed √(r2 · norm2), got overlap=2.0, norm2=1.0, r2=1.0
    """
    norm2 = as_floats("norm2", signal.norm2, low=0.0)
    overlap = as_floats("overlap", signal.overlap)
    nonlinear = as_floats("nonlinear", signal.nonlinear, low=0.0)
    r2 = as_floats("r2", signal.r2, low=0.0, open_low=True)
    if (overlap**2 > r2 * norm2 * (1 + 1e-9) + 1e-300).any():
        raise ValueError(
            "overlap must not exceed √(r2 · norm2), got "
            f"overlap={signal.overlap!r}, norm2={signal.norm2!r}, r2={signal.r2!r}"
        )
    return norm2, overlap, nonlinear, r2


def ridge_channel(
    signal: Signal,
    lam: ArrayLike,
    gamma: ArrayLike,
    noise: ArrayLike = 0.0,
    *,
    signed: bool = False,
) -> Signal:
    """Fit ridge regression to fresh isotropic inputs labelled by a signal.

    T′ = w²T + γw²s², C′ = wC, N′ = 0, with w = 1/(1 + κ), u = 1 − w and
    s² = (τ² + N + Tu²)/(1 − γw²), the test error of the fit on its own labels.

    Args:
        signal: The function that labels the inputs.
        lam: Ridge penalty λ ≥ 0; it multiplies Γ = I next to XᵀX/n.
        gamma: Aspect ratio γ = d/n ≥ 0.
        noise: Variance τ² ≥ 0 of label noise.
        signed: Whether λ > −(1 − √γ)² is allowed where γ < 1.

    Returns:
        The fitted function as a signal.

    Raises:
        ValueError: An argument is out of range, the signal is impossible (C² > r²T), or γ = 1
            with λ = 0.

    Source: note on mechanisms, Result 11 (derived).

    >>> teacher = ridge_channel(Signal(1.0, 1.0, 0.0, 1.0), 0.5, 0.5, noise=1.0)
    >>> round(float(teacher.risk), 6)
    0.414214
    """
    norm2, overlap, nonlinear, r2 = as_signal(signal)
    tau2 = as_floats("noise", noise, low=0.0)
    lam_array, gamma_array = as_penalty("lam", lam, "gamma", gamma, signed=signed)
    refuse_divergence("lam", lam_array, "gamma", gamma_array)
    fit = shrinkage(lam_array, gamma_array)
    error = (tau2 + nonlinear + norm2 * fit.lost**2) / fit.freedom
    fitted = fit.kept**2 * (norm2 + gamma_array * error)
    return Signal(fitted, fit.kept * overlap, np.zeros_like(fitted), r2)


def chain(
    stages: Iterable[tuple[ArrayLike, ArrayLike]],
    sigma2: ArrayLike,
    r2: ArrayLike = 1.0,
    *,
    tau2: ArrayLike = 0.0,
) -> tuple[Signal, ...]:
    """Run a teacher and any number of students, each on fresh inputs labelled by the one before.

    Args:
        stages: (γ, λ) of each fit, the teacher first; λ multiplies Γ = I next to XᵀX/n.
        sigma2: Variance σ² ≥ 0 of the noise on the teacher's labels.
        r2: Squared norm r² > 0 of the target.
        tau2: Variance τ² ≥ 0 of extra noise on the labels of every student.

    Returns:
        One signal per stage; ``.risk`` is its excess risk.

    Raises:
        ValueError: No stage, or an argument out of range.

    Source: note on mechanisms, Result 11 (derived).

    >>> [round(float(s.risk), 6) for s in chain([(0.5, 0.05), (0.5, 0.1)], 1.0)]
    [0.733843, 0.595213]
    """
    signal, noise, signals = Signal(r2, r2, 0.0, r2), sigma2, []
    for gamma, lam in stages:
        signal = ridge_channel(signal, lam, gamma, noise)
        signals.append(signal)
        noise = tau2
    if not signals:
        raise ValueError("stages must hold at least the teacher's (gamma, lam), got none")
    return tuple(signals)
