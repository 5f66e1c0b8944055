"""What one gradient step sees: the cosines of its direction, and the spike in the spectrum."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from w2sg._arrays import FloatArray, as_floats
from w2sg.theory.multi_index.target import as_target


@dataclass(frozen=True)
class Outlier:
    """The top singular value of a random matrix with one spike, and what its vectors show.

    Attributes:
        singular_value: Of the outlier, or the bulk's edge 1 + √c where there is none.
        right: Squared overlap of the right singular vector with the spike's, 0 without outlier.
        left: The same on the left.
    """

    singular_value: FloatArray
    right: FloatArray
    left: FloatArray


def information_exponent(coefficients: ArrayLike, tolerance: float = 1e-10) -> int:
    """Return the smallest k ≥ 1 with a Hermite coefficient that is not 0.

    Args:
        coefficients: c_k of h_k from k = 0 on.
        tolerance: Magnitude up to which a coefficient counts as 0.

    Returns:
        k; a direction with k = 1 is easy for one gradient step, others are hard.

    Raises:
        ValueError: All coefficients from k = 1 on are 0.

    Source: note on mechanisms, section 2.5.

    >>> information_exponent([0.3, 0.0, 0.5])
    2
    """
    values = as_floats("coefficients", coefficients, ndim=1)
    found = np.flatnonzero(np.abs(values[1:]) > tolerance)
    if len(found) == 0:
        raise ValueError("coefficients must have one that is not 0 from k = 1 on")
    return int(found[0]) + 1


def one_step_alignment(
    a: ArrayLike, b: ArrayLike, sigma2: ArrayLike, gamma: ArrayLike
) -> FloatArray:
    """Return the cosine of the first gradient direction with the easy direction.

    The first step moves the first layer along θ̂ ∝ Xᵀy/n, and
    cos²(θ̂, β_e) → a₁²/(a₁² + γ E y²), E y² = Σa_k² + Σb_k² + σ².

    Args:
        a: Easy coefficients a_k from k = 0 on, a₁ ≠ 0.
        b: Hard coefficients b_k from k = 0 on, b₀ = b₁ = 0.
        sigma2: Variance σ² ≥ 0 of the label noise.
        gamma: Aspect ratio γ = d/n ≥ 0.

    Returns:
        ρ in (0, 1].

    Raises:
        ValueError: An argument is out of range.

    Source: note on mechanisms, Result 23 (derived).

    >>> round(float(one_step_alignment([0, 0.8, 0.4, 0.2], [0, 0, 0.6, 0.3], 0.25, 0.1)), 4)
    0.8978
    """
    target = as_target(a, b, sigma2)
    ratio = as_floats("gamma", gamma, low=0.0)
    first = target.easy[1] ** 2
    return np.sqrt(first / (first + ratio * target.second_moment))


def hard_alignment(a: ArrayLike, b: ArrayLike, sigma2: ArrayLike, gamma: ArrayLike) -> FloatArray:
    """Return d times the squared cosine of the first gradient direction with the hard direction.

    d E⟨θ̂, β_h⟩² → γ E[y²⟨β_h, x⟩²]/(a₁² + γ E y²): the hard direction stays at noise level.

    Args:
        a: Easy coefficients a_k from k = 0 on, a₁ ≠ 0.
        b: Hard coefficients b_k from k = 0 on, b₀ = b₁ = 0.
        sigma2: Variance σ² ≥ 0 of the label noise.
        gamma: Aspect ratio γ = d/n ≥ 0.

    Returns:
        The limit; a random direction has 1.

    Raises:
        ValueError: An argument is out of range.

    Source: note on mechanisms, Result 23 (derived).

    >>> round(float(hard_alignment([0, 1.0], [0, 0, 1.0], 0.0, 1.0)), 12)
    2.0
    """
    target = as_target(a, b, sigma2)
    ratio = as_floats("gamma", gamma, low=0.0)
    # z h_k = √(k+1) h_{k+1} + √k h_{k−1}: E[f_h² z²] is the energy of z f_h
    k = np.arange(len(target.hard))
    raised = np.zeros(len(target.hard) + 1)
    raised[1:] = np.sqrt(k + 1) * target.hard
    raised[: len(k) - 1] += np.sqrt(k[1:]) * target.hard[1:]
    constant = 2 * target.easy[0] * np.sqrt(2) * target.hard[2] if len(k) > 2 else 0.0
    moment = float(raised @ raised) + constant + target.energy_easy + target.noise
    first = target.easy[1] ** 2
    return ratio * moment / (first + ratio * target.second_moment)


def outlier_alignment(theta: ArrayLike, ratio: ArrayLike) -> Outlier:
    """Return the top singular value and its overlaps for W₀ + θ â v̂ᵀ.

    W₀ ∈ ℝ^{p×d} has entries N(0, 1/d), c = p/d. From θ > c^{1/4} on there is an outlier with
    σ₁² = (1 + θ²)(c + θ²)/θ², ⟨v̂, v₁⟩² = 1 − (c + θ²)/(θ²(θ² + 1)) and
    ⟨â, u₁⟩² = 1 − c(1 + θ²)/(θ²(θ² + c)).

    Args:
        theta: Size θ ≥ 0 of the spike, for unit vectors â and v̂.
        ratio: c = p/d > 0, rows over columns.

    Returns:
        The singular value and squared overlaps; multiply ``right`` by cos²(v̂, β_e) for the
        overlap with the easy direction.

    Raises:
        ValueError: An argument is out of range.

    Source: note on mechanisms, Result 24 (from the literature on spiked models, checked by
    simulation).

    >>> outlier = outlier_alignment(2.0, 1.0)
    >>> round(float(outlier.singular_value), 6), round(float(outlier.right), 6)
    (2.5, 0.75)
    """
    size, c = np.broadcast_arrays(
        as_floats("theta", theta, low=0.0), as_floats("ratio", ratio, low=0.0, open_low=True)
    )
    visible = size**4 > c
    t2 = np.where(visible, size**2, 1.0)
    top = np.where(visible, np.sqrt((1 + t2) * (c + t2) / t2), 1 + np.sqrt(c))
    right = np.where(visible, 1 - (c + t2) / (t2 * (t2 + 1)), 0.0)
    left = np.where(visible, 1 - c * (1 + t2) / (t2 * (t2 + c)), 0.0)
    return Outlier(top, right, left)
