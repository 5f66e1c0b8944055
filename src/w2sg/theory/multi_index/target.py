"""The target of two directions: its coefficients, energies, and what a polynomial keeps of it."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from w2sg._arrays import FloatArray, as_floats, as_whole


@dataclass(frozen=True)
class Target:
    """Easy and hard Hermite coefficients, and the label noise."""

    easy: FloatArray
    hard: FloatArray
    noise: FloatArray

    @property
    def energy_easy(self) -> float:
        """Σ a_k²."""
        return float(self.easy @ self.easy)

    @property
    def energy_hard(self) -> float:
        """Σ b_k²."""
        return float(self.hard @ self.hard)

    @property
    def second_moment(self) -> FloatArray:
        """E y²."""
        return self.energy_easy + self.energy_hard + self.noise


def as_target(a: Any, b: Any, sigma2: Any) -> Target:
    """Return the checked target: a[1] ≠ 0 and b[0] = b[1] = 0."""
    easy, hard = as_floats("a", a, ndim=1), as_floats("b", b, ndim=1)
    if len(easy) < 2 or easy[1] == 0:
        raise ValueError(
            f"a must have a[1] ≠ 0 (a direction one gradient step finds), got {easy.tolist()}"
        )
    if hard[:2].any():
        raise ValueError(f"b must have b[0] = b[1] = 0 (a hard direction), got {hard.tolist()}")
    return Target(easy, hard, as_floats("sigma2", sigma2, low=0.0))


def up_to_degree(easy: FloatArray, degree: int | None) -> FloatArray:
    """Return the coefficients with those above the degree set to 0."""
    if degree is None:
        return easy
    degree = as_whole("degree", degree, low=1)
    return np.where(np.arange(len(easy)) <= degree, easy, 0.0)


def powers(count: int, rho: FloatArray) -> FloatArray:
    """Return ρ⁰, …, ρ^{count−1} along a new first axis."""
    return np.stack([np.asarray(rho, dtype=np.float64) ** k for k in range(count)])


def energy_at(coefficients: FloatArray, rho: FloatArray) -> FloatArray:
    """Return Σ c_k² ρ^{2k}."""
    return np.tensordot(coefficients**2, powers(len(coefficients), rho) ** 2, axes=1)


def crossed_at(coefficients: FloatArray, rho: FloatArray, other: FloatArray) -> FloatArray:
    """Return Σ c_k² (ρρ′)^k."""
    products = powers(len(coefficients), rho) * powers(len(coefficients), other)
    return np.tensordot(coefficients**2, products, axes=1)
