"""The effective penalty κ: what a ridge penalty λ amounts to once the sample is finite."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from w2sg._arrays import FloatArray, as_floats


@dataclass(frozen=True)
class Shrinkage:
    """One ridge fit seen from outside: each coefficient is multiplied by ``kept``, plus noise.

    Attributes:
        kept: w = 1/(1 + κ).
        lost: u = 1 − w, computed without cancellation.
        freedom: g = 1 − γw², what divides every variance; above 0.
    """

    kept: FloatArray
    lost: FloatArray
    freedom: FloatArray


def kappa(lam: ArrayLike, gamma: ArrayLike, *, signed: bool = False) -> FloatArray:
    """Return the effective penalty of a ridge fit on isotropic inputs.

    κ ≥ 0 solves λ = κ(1 − γ/(1 + κ)), that is
    κ = ½[λ + γ − 1 + √((λ + γ − 1)² + 4λ)].

    Args:
        lam: Ridge penalty λ ≥ 0; it multiplies Γ = I next to XᵀX/n.
        gamma: Aspect ratio γ = d/n ≥ 0; 0 is infinite data.
        signed: Whether λ > −(1 − √γ)² is allowed where γ < 1.

    Returns:
        κ in the broadcast shape.

    Raises:
        ValueError: An argument is out of range or not finite.

    Source: note on mechanisms, section 1 and algorithm 1 (derived).

    >>> float(kappa(0.5, 0.5))
    0.7071067811865476
    >>> float(kappa(0.0, 1.5))
    0.5
    """
    lam, gamma = as_penalty("lam", lam, "gamma", gamma, signed=signed)
    return effective_penalty(lam, gamma)


def penalty_of_kappa(kappa: ArrayLike, gamma: ArrayLike) -> FloatArray:
    """Return the ridge penalty that has a given effective penalty: λ = κ(1 − γ/(1 + κ)).

    Args:
        kappa: Effective penalty κ ≥ max(0, γ − 1).
        gamma: Aspect ratio γ = d/n ≥ 0.

    Returns:
        λ ≥ 0, which multiplies Γ = I next to XᵀX/n.

    Raises:
        ValueError: An argument is out of range; below γ − 1 no penalty λ ≥ 0 has this κ.

    Source: note on mechanisms, section 1 (derived).

    >>> round(float(penalty_of_kappa(kappa(0.3, 2.0), 2.0)), 12)
    0.3
    """
    value = as_floats("kappa", kappa, low=0.0)
    gamma = as_floats("gamma", gamma, low=0.0)
    # κ is stored to half a unit in the last place of 1 + κ, so γ − 1 itself may seem lower
    slack = 8 * np.finfo(float).eps * (1 + value)
    if (1 + value - gamma < -slack).any():
        raise ValueError(
            f"kappa must be at least gamma − 1, got kappa={kappa!r} with gamma={gamma!r}"
        )
    return np.maximum(value * (1 + value - gamma) / (1 + value), 0.0)


def stieltjes(lam: ArrayLike, gamma: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return the Marchenko–Pastur Stieltjes transform at −λ and minus its derivative.

    m = lim (1/d) tr(Σ̂ + λ)⁻¹ and m₂ = lim (1/d) tr(Σ̂ + λ)⁻² with Σ̂ = XᵀX/n;
    m is the root of γλm² + (1 − γ + λ)m − 1 = 0.

    Args:
        lam: Ridge penalty λ ≥ 0, above 0 where γ ≥ 1; it multiplies Γ = I next to XᵀX/n.
        gamma: Aspect ratio γ = d/n ≥ 0.

    Returns:
        The pair (m, m₂).

    Raises:
        ValueError: Out of range, or λ = 0 where γ ≥ 1 (both transforms diverge).

    Source: note on mechanisms, section 1 (derived).

    >>> [round(float(value), 12) for value in stieltjes(0.0, 0.5)]
    [2.0, 8.0]
    """
    lam, gamma = as_penalty("lam", lam, "gamma", gamma)
    if (bad := (lam == 0) & (gamma >= 1)).any():
        raise ValueError(
            "lam must be above 0 where gamma is at least 1, got lam=0 with "
            f"gamma={gamma[bad].flat[0]:g}: the transform diverges there"
        )
    fit = shrinkage(lam, gamma)
    safe = np.where(lam > 0, lam, 1.0)
    m = np.where(lam > 0, fit.lost / safe, 1 / np.where(lam > 0, 1.0, 1 - gamma))
    return m, m**2 / fit.freedom


def as_penalty(
    lam_name: str, lam: ArrayLike, gamma_name: str, gamma: ArrayLike, *, signed: bool = False
) -> tuple[FloatArray, FloatArray]:
    """Return a penalty and an aspect ratio as broadcast arrays, or refuse them by name."""
    gamma_array = as_floats(gamma_name, gamma, low=0.0)
    lam_array = as_floats(lam_name, lam, low=None if signed else 0.0)
    try:
        lam_array, gamma_array = np.broadcast_arrays(lam_array, gamma_array)
    except ValueError:
        raise ValueError(
            f"{lam_name} and {gamma_name} must broadcast, got shapes {lam_array.shape} "
            f"and {gamma_array.shape}"
        ) from None
    if signed:
        bound = np.where(gamma_array < 1, -((1 - np.sqrt(gamma_array)) ** 2), 0.0)
        bad = (lam_array < 0) & (lam_array <= bound)
        if bad.any():
            raise ValueError(
                f"{lam_name} must be above −(1 − √{gamma_name})² with {gamma_name} below 1, "
                f"got {lam_array[bad].flat[0]:g} with {gamma_name}={gamma_array[bad].flat[0]:g}"
            )
    return lam_array, gamma_array


def refuse_divergence(lam_name: str, lam: FloatArray, gamma_name: str, gamma: FloatArray) -> None:
    """Raise where γ = 1 and λ = 0: the variance of that fit is infinite."""
    if ((lam == 0) & (gamma == 1)).any():
        raise ValueError(
            f"{gamma_name}=1 with {lam_name}=0 has infinite variance; "
            f"raise {lam_name} or move {gamma_name} away from 1"
        )


def effective_penalty(lam: FloatArray, gamma: FloatArray) -> FloatArray:
    """Return κ of arguments that were already checked."""
    b = lam + gamma - 1
    root = np.hypot(b, 2 * np.sqrt(np.maximum(lam, 0.0)))
    if (lam < 0).any():
        root = np.where(lam < 0, np.sqrt(np.maximum(b * b + 4 * lam, 0.0)), root)
    # where b < 0 the two terms of the textbook root cancel; use the other form of the same root
    below = root - b
    return np.where(b < 0, 2 * lam / np.where(below > 0, below, 1.0), (b + root) / 2)


def shrinkage(lam: FloatArray, gamma: FloatArray) -> Shrinkage:
    """Return what one fit keeps, loses and divides by; arguments already checked."""
    k = effective_penalty(lam, gamma)
    kept = 1 / (1 + k)
    return Shrinkage(kept, k * kept, (1 - gamma + k * (2 + k)) * kept * kept)
