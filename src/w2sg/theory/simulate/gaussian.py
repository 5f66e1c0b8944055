"""Monte Carlo twin of `w2sg.theory.gaussian`: students are solved in feature space, one by one."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from w2sg._arrays import as_floats


@dataclass(frozen=True)
class Estimate:
    """A mean over independent draws and its standard error."""

    mean: float
    standard_error: float


@dataclass(frozen=True)
class SimulatedLinearGaussian:
    """The ledger of the draws, each term measured by itself; ``residual`` is gap − misfit."""

    teacher_risk: Estimate
    student_risk: Estimate
    gap: Estimate
    misfit: Estimate
    residual: Estimate
    distance_to_posterior: Estimate


def linear_gaussian_w2s(
    d: int,
    n: int,
    tau2: float,
    sigma2: float,
    theta_star: ArrayLike,
    theta0: ArrayLike,
    lam: float | None = None,
    width: int | None = None,
    *,
    n_draws: int,
    seed: int,
    teacher_width: int | None = None,
) -> SimulatedLinearGaussian:
    r"""Draw teachers, inputs, noise and features; fit ridge heads; measure risks and misfit.

    Args:
        d: As in `w2sg.theory.gaussian.linear_gaussian_w2s`, like the next seven.
        n: See there.
        tau2: See there.
        sigma2: See there.
        theta_star: See there.
        theta0: See there.
        lam: See there; must be positive.
        width: See there.
        n_draws: Independent draws of everything, at least 2.
        seed: Of the draws.
        teacher_width: Width of a random-feature teacher θ₀ + W_wᵀβ, which has the same second
            moments as the Gaussian one; left out, Gaussian.

    >>> small = linear_gaussian_w2s(3, 2, 1.0, 0.5, [0] * 3, [0] * 3, n_draws=50, seed=0)
    >>> small.misfit.standard_error < 0.3
    True
    """
    star, start = as_floats("theta_star", theta_star), as_floats("theta0", theta0)
    penalty = sigma2 / tau2 if lam is None else float(lam)
    if penalty <= 0 or n_draws < 2:
        raise ValueError(f"the twin needs lam > 0 and n_draws >= 2, got {penalty}, {n_draws}")
    rng = np.random.default_rng(seed)
    rows = {name: np.empty(n_draws) for name in ("teacher", "student", "misfit", "distance")}
    for i in range(n_draws):
        shift = np.sqrt(tau2) * rng.standard_normal(d)
        if teacher_width is not None:
            w_teacher = rng.standard_normal((teacher_width, d)) / np.sqrt(teacher_width)
            shift = w_teacher.T @ rng.normal(scale=np.sqrt(tau2), size=teacher_width)
        x = rng.standard_normal((n, d))
        y = x @ shift + np.sqrt(sigma2) * rng.standard_normal(n)
        learned = _ridge(x, y, penalty)
        if width is not None:
            w = rng.standard_normal((width, d)) / np.sqrt(width)
            learned = w.T @ _ridge(x @ w.T, y, penalty)
        # The posterior mean exists as a ridge fit only with noise; without, it is interpolation.
        posterior = _ridge(x, y, sigma2 / tau2) if sigma2 else np.linalg.pinv(x) @ y
        rows["teacher"][i] = np.sum((start + shift - star) ** 2)
        rows["student"][i] = np.sum((start + learned - star) ** 2)
        rows["misfit"][i] = np.sum((learned - shift) ** 2)
        rows["distance"][i] = np.sum((learned - posterior) ** 2)
    gap = rows["teacher"] - rows["student"]
    return SimulatedLinearGaussian(
        teacher_risk=estimate(rows["teacher"]),
        student_risk=estimate(rows["student"]),
        gap=estimate(gap),
        misfit=estimate(rows["misfit"]),
        residual=estimate(gap - rows["misfit"]),
        distance_to_posterior=estimate(rows["distance"]),
    )


def estimate(values: np.ndarray) -> Estimate:
    """Return mean and standard error of independent values.

    >>> estimate(np.array([1.0, 3.0]))
    Estimate(mean=2.0, standard_error=1.0)
    """
    return Estimate(float(values.mean()), float(values.std(ddof=1) / len(values) ** 0.5))


def _ridge(features: np.ndarray, labels: np.ndarray, penalty: float) -> np.ndarray:
    n, p = features.shape
    if p <= n:
        return np.linalg.solve(features.T @ features + penalty * np.eye(p), features.T @ labels)
    return features.T @ np.linalg.solve(features @ features.T + penalty * np.eye(n), labels)
