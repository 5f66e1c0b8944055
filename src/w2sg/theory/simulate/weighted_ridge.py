"""Monte Carlo twin of ``w2sg.theory.weighted_ridge``: two fits on correlated Gaussian inputs."""

import numpy as np
from numpy.typing import ArrayLike

from w2sg._arrays import FloatArray, as_floats
from w2sg.theory.simulate.designs import gram
from w2sg.theory.simulate.estimate import Simulation, repeat


def two_stage(
    Sigma: ArrayLike,
    beta: ArrayLike,
    Gamma_t: ArrayLike,
    lam_t: float,
    n_t: int,
    Gamma_s: ArrayLike,
    lam_s: float,
    n_s: int | None,
    sigma2: float,
    tau2: float = 0.0,
    inputs: str = "fresh",
    prior_mean_s: ArrayLike | None = None,
    *,
    repetitions: int = 20,
    seed: int = 0,
    workers: int | None = None,
) -> Simulation:
    """Simulate both fits; label noise, and a random target, are averaged given the designs.

    Args:
        Sigma: Covariance of the inputs, (d, d) or spectrum (d,).
        beta: Target (d,) or prior covariance (d, d).
        Gamma_t: Teacher penalty, (d, d) or spectrum (d,).
        lam_t: λ_t > 0; it multiplies Γ_t next to XᵀX/n_t.
        n_t: Teacher samples.
        Gamma_s: Student penalty, (d, d) or spectrum (d,).
        lam_s: λ_s > 0; it multiplies Γ_s next to XᵀX/n_s.
        n_s: Student samples, ``None`` for infinitely many.
        sigma2: Variance of the noise on the teacher's labels.
        tau2: Variance of extra noise on the student's labels.
        inputs: "fresh" or "reused".
        prior_mean_s: Centre (d,) of the student's penalty.
        repetitions: Number of independent pairs of designs.
        seed: Root seed.
        workers: Number of threads, all cores if ``None``.

    Returns:
        Means and standard errors.

    Raises:
        ValueError: Reused inputs with n_s ≠ n_t.

    Source: note on mechanisms, algorithm 8.

    >>> d = 20
    >>> result = two_stage(np.ones(d), np.ones(d), np.ones(d), 0.1, 40, np.ones(d), 0.1, 40, 1.0)
    >>> bool(result.teacher_risk.mean > 0)
    True
    """
    forms = [
        as_floats("Sigma", Sigma),
        as_floats("Gamma_t", Gamma_t),
        as_floats("Gamma_s", Gamma_s),
    ]
    sigma, gamma_t, gamma_s = (np.diag(form) if form.ndim == 1 else form for form in forms)
    d = len(sigma)
    values, vectors = np.linalg.eigh(sigma)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    target = as_floats("beta", beta)
    moment = np.outer(target, target) if target.ndim == 1 else target
    centre = np.zeros(d) if prior_mean_s is None else as_floats("prior_mean_s", prior_mean_s)
    mean = target if target.ndim == 1 else np.zeros(d)
    if inputs == "reused" and n_t != n_s:
        raise ValueError(f"n_s must equal n_t when inputs='reused', got {n_t} and {n_s}")

    def design(rng: np.random.Generator, n: int | None) -> FloatArray:
        return root @ gram(rng, n, d) @ root.T

    def draw(rng: np.random.Generator) -> tuple[FloatArray, ...]:
        first = design(rng, n_t)
        second = first if inputs == "reused" else design(rng, n_s)
        inverse_t = np.linalg.inv(first + lam_t * gamma_t)
        inverse_s = np.linalg.inv(second + lam_s * gamma_s)
        fit_t, fit_s = inverse_t @ first, inverse_s @ second
        noise_t = sigma2 / n_t * inverse_t @ first @ inverse_t
        noise_s = tau2 / n_s * inverse_s @ second @ inverse_s if n_s else np.zeros((d, d))
        lost_t, lost_s = np.eye(d) - fit_t, np.eye(d) - fit_s @ fit_t
        pulled = (np.eye(d) - fit_s) @ centre
        cross = np.outer(lost_s @ mean, pulled)
        second_moment = lost_s @ moment @ lost_s.T - cross - cross.T + np.outer(pulled, pulled)
        teacher = np.vdot(sigma, lost_t @ moment @ lost_t.T + noise_t)
        student = np.vdot(sigma, second_moment + fit_s @ noise_t @ fit_s.T + noise_s)
        values = np.array([teacher, student, student - teacher], dtype=np.float64)
        return tuple(values)

    teacher, student, difference = repeat(draw, repetitions=repetitions, seed=seed, workers=workers)
    return Simulation(teacher, student, difference)
