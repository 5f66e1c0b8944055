"""Monte Carlo twin of ``w2sg.theory.ridge``: two ridge fits on Gaussian inputs of finite size."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from w2sg._arrays import FloatArray, as_floats
from w2sg.theory.simulate.designs import gram, sample_size, spectrum
from w2sg.theory.simulate.estimate import Estimate, repeat


@dataclass(frozen=True)
class Simulation:
    """Simulated excess risks on a grid of penalties.

    Attributes:
        teacher_risk: R_t, shape (A,) of the teacher penalties.
        student_risk: R_s, shape (A, B) of teacher and student penalties.
        difference: R_s − R_t, paired within each repetition, shape (A, B).
        gamma_t: Aspect ratio d/n_t after rounding n_t to an integer.
        gamma_s: Aspect ratio d/n_s after rounding.
    """

    teacher_risk: Estimate
    student_risk: Estimate
    difference: Estimate
    gamma_t: float
    gamma_s: float


def two_stage(
    gamma_t: float,
    gamma_s: float,
    lam_t: ArrayLike,
    lam_s: ArrayLike,
    sigma2: float,
    r2: float = 1.0,
    tau2: float = 0.0,
    inputs: str = "fresh",
    *,
    d: int = 200,
    repetitions: int = 20,
    seed: int = 0,
    workers: int | None = None,
) -> Simulation:
    """Simulate both fits for every pair of penalties from the same designs.

    Label noise and the direction of β⋆ are averaged exactly given the designs, so that only the
    designs are random: with filters a(s) = s/(s + λ_s), b(s) = s/(s + λ_t) and the squared
    inner products O² of the two eigenbases, every risk of an A × B grid is two matrix products.

    Args:
        gamma_t: Aspect ratio d/n_t ≥ 0; n_t is rounded.
        gamma_s: Aspect ratio d/n_s ≥ 0; n_s is rounded.
        lam_t: Teacher penalties, a number or (A,); each multiplies Γ = I next to XᵀX/n.
        lam_s: Student penalties, a number or (B,).
        sigma2: Variance of the noise on the teacher's labels.
        r2: Squared norm of the target.
        tau2: Variance of extra noise on the student's labels.
        inputs: "fresh" or "reused".
        d: Number of features.
        repetitions: Number of independent pairs of designs.
        seed: Root seed.
        workers: Number of threads, all cores if ``None``.

    Returns:
        Means and standard errors; axes of scalar penalties are dropped.

    Raises:
        ValueError: An argument is out of range.

    Source: note on mechanisms, algorithm 8.

    >>> result = two_stage(0.5, 0.5, 0.05, 0.4, 1.0, d=60, repetitions=10)
    >>> bool(result.difference.mean < 0)
    True
    """
    n_t, n_s = sample_size(d, gamma_t, "gamma_t"), sample_size(d, gamma_s, "gamma_s")
    lam_t_array = as_floats("lam_t", lam_t, low=0.0)
    lam_s_array = as_floats("lam_s", lam_s, low=0.0)
    if inputs not in ("fresh", "reused"):
        raise ValueError(f"inputs must be 'fresh' or 'reused', got {inputs!r}")
    if inputs == "reused" and n_t != n_s:
        raise ValueError(f"gamma_s must equal gamma_t when inputs='reused', got {gamma_s:g}")
    shape = (*lam_t_array.shape, *lam_s_array.shape)
    ratio_t, ratio_s = d / n_t if n_t else 0.0, d / n_s if n_s else 0.0

    def draw(rng: np.random.Generator) -> tuple[FloatArray, ...]:
        teacher = spectrum(rng, n_t, d)
        if inputs == "reused":
            student, squared = teacher, np.eye(len(teacher.values))
        else:
            student = spectrum(rng, n_s, d)
            squared = (student.vectors.T @ teacher.vectors) ** 2
        a = _filter(student.values, np.atleast_1d(lam_s_array))
        b = _filter(teacher.values, np.atleast_1d(lam_t_array))
        noise_t = (b**2 / teacher.values) * (sigma2 * ratio_t / d)
        noise_s = (a**2 / student.values).sum(axis=1) * (tau2 * ratio_s / d)
        # ‖ABβ − β‖² averaged over β of norm r, A and B the two filtered designs
        signal = r2 * ((b**2 @ squared.T) @ (a**2).T - 2 * (b @ squared.T) @ a.T + d) / d
        student_risk = signal + (noise_t @ squared.T) @ (a**2).T + noise_s
        teacher_risk = r2 * ((b**2 - 2 * b).sum(axis=1) + d) / d + noise_t.sum(axis=1)
        difference = student_risk - teacher_risk[:, None]
        return (
            teacher_risk.reshape(lam_t_array.shape),
            student_risk.reshape(shape),
            difference.reshape(shape),
        )

    teacher_risk, student_risk, difference = repeat(
        draw, repetitions=repetitions, seed=seed, workers=workers
    )
    return Simulation(teacher_risk, student_risk, difference, ratio_t, ratio_s)


def _filter(values: FloatArray, lam: FloatArray) -> FloatArray:
    return values / (values + lam[:, None])


def chain(
    stages: Sequence[tuple[float, float]],
    sigma2: float,
    r2: float = 1.0,
    *,
    d: int = 200,
    repetitions: int = 20,
    seed: int = 0,
    workers: int | None = None,
) -> Estimate:
    """Simulate a teacher and any number of students, each on fresh inputs.

    Args:
        stages: (γ, λ) of each fit, the teacher first; each λ multiplies Γ = I next to XᵀX/n.
        sigma2: Variance of the noise on the teacher's labels.
        r2: Squared norm of the target.
        d: Number of features.
        repetitions: Number of independent sets of designs.
        seed: Root seed.
        workers: Number of threads, all cores if ``None``.

    Returns:
        Excess risk of every stage, shape (number of stages,).

    Raises:
        ValueError: An argument is out of range.

    >>> chain([(0.5, 0.1), (0.5, 0.1)], 1.0, d=30, repetitions=3).mean.shape
    (2,)
    """
    sizes = [sample_size(d, gamma, "gamma") for gamma, _ in stages]

    def draw(rng: np.random.Generator) -> tuple[FloatArray, ...]:
        kept, noise, risks = np.eye(d), None, []
        for n, (_, lam) in zip(sizes, stages, strict=True):
            design = gram(rng, n, d)
            inverse = np.linalg.inv(design + lam * np.eye(d))
            fit = inverse @ design
            if noise is None:
                noise = sigma2 / n * fit @ inverse if n else np.zeros((d, d))
            else:
                noise = fit @ noise @ fit.T
            kept = fit @ kept
            risks.append(r2 / d * np.sum((kept - np.eye(d)) ** 2) + np.trace(noise))
        return (np.array(risks),)

    return repeat(draw, repetitions=repetitions, seed=seed, workers=workers)[0]
