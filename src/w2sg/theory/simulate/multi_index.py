"""Monte Carlo twins of ``w2sg.theory.multi_index``: sampled gradient steps, heads and spectra."""

from dataclasses import dataclass

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike

from w2sg._arrays import FloatArray
from w2sg.theory.hermite import hermite_polynomials
from w2sg.theory.multi_index.polynomial_heads import Head
from w2sg.theory.multi_index.target import as_target, up_to_degree
from w2sg.theory.simulate.estimate import Estimate, repeat
from w2sg.theory.simulate.random_features import Learner


@dataclass(frozen=True)
class Simulation:
    """Simulated risks and directions.

    Attributes:
        teacher_risk: R_t.
        student_risk: R_s.
        teacher_alignment: Cosine of the teacher's direction with β_e.
        student_alignment: Cosine of the student's direction with β_e.
        teacher_hard: d times the squared cosine of the teacher's direction with β_h.
    """

    teacher_risk: Estimate
    student_risk: Estimate
    teacher_alignment: Estimate
    student_alignment: Estimate
    teacher_hard: Estimate


@dataclass(frozen=True)
class Spectrum:
    """The simulated top of the spectrum of a spiked matrix.

    Attributes:
        singular_value: The largest singular value.
        right: Squared overlap of its right vector with the spike's.
        left: The same on the left.
    """

    singular_value: Estimate
    right: Estimate
    left: Estimate


def polynomial_head(
    a: ArrayLike,
    b: ArrayLike,
    sigma2: float,
    n_t: int,
    n_s: int,
    degree: int | None = None,
    head: Head = "added",
    pretrained_scale: float = 1.0,
    pretrained_overlap: float = 1.0,
    lam: float = 0.0,
    *,
    d: int = 1000,
    repetitions: int = 40,
    seed: int = 0,
    workers: int | None = None,
) -> Simulation:
    """Simulate both gradient steps exactly; the heads are fitted to infinite samples.

    Only the projections on the few directions involved are sampled: given those and the labels,
    the rest of Xᵀy is Gaussian with a known norm, so that d may be large at no cost.

    Args:
        a: Easy coefficients a_k from k = 0 on.
        b: Hard coefficients b_k from k = 0 on.
        sigma2: Variance of the noise on the teacher's labels.
        n_t: Samples of the teacher's step.
        n_s: Samples of the student's step.
        degree: Largest degree the heads fit.
        head: As in the theory.
        pretrained_scale: As in the theory.
        pretrained_overlap: As in the theory.
        lam: As in the theory.
        d: Number of inputs.
        repetitions: Number of independent repetitions.
        seed: Root seed.
        workers: Number of threads, all cores if ``None``.

    Returns:
        Means and standard errors.

    Source: note on mechanisms, algorithm 8.

    >>> result = polynomial_head([0, 0.8], [0, 0, 0.6], 0.25, 2000, 2000, d=200, repetitions=5)
    >>> bool(result.student_risk.mean < result.teacher_risk.mean)
    True
    """
    target = as_target(a, b, sigma2)
    size = max(len(target.easy), len(target.hard))
    easy = np.pad(target.easy, (0, size - len(target.easy)))
    hard = np.pad(target.hard, (0, size - len(target.hard)))
    used = up_to_degree(np.ones(size), degree)
    energy = target.energy_easy + target.energy_hard
    k = np.arange(size)
    share = 1 / (1 + lam)

    def draw(rng: np.random.Generator) -> tuple[FloatArray, ...]:
        z_e, z_h = rng.standard_normal((2, n_t))
        y = easy @ hermite_polynomials(z_e, size - 1) + hard @ hermite_polynomials(z_h, size - 1)
        y += np.sqrt(sigma2) * rng.standard_normal(n_t)
        along, rest = np.array([y @ z_e, y @ z_h]), y @ y * rng.chisquare(d - 2)
        rho_e, rho_h = along / np.sqrt(along @ along + rest)
        taught = used * (easy * rho_e**k + hard * rho_h**k)
        teacher_risk = energy - taught @ taught

        z = rng.standard_normal(n_s)
        labels = taught @ hermite_polynomials(z, size - 1)
        along, scale = labels @ z, np.sqrt(labels @ labels)
        side, other = scale * rng.standard_normal(2)
        norm = np.sqrt(along**2 + side**2 + other**2 + scale**2 * rng.chisquare(d - 3))
        # β_e and β_h in the basis (θ_t, e′, h′) of their span
        sin_e = np.sqrt(1 - rho_e**2)
        back = -rho_h * rho_e / sin_e
        last = np.sqrt(1 - rho_h**2 - back**2)
        s_t, s_e = along / norm, (along * rho_e + side * sin_e) / norm
        s_h = (along * rho_h + side * back + other * last) / norm

        seen = easy * s_e**k + hard * s_h**k
        learned = used * (seen if head == "clean_probe" else share * taught * s_t**k)
        keep = {
            "teacher_only": 0.0,
            "added": pretrained_scale,
            "warm": (1 - share) * pretrained_scale,
            "clean_probe": 1.0,
        }[head]
        own = keep * hard * pretrained_overlap**k
        blur = np.sqrt(1 - pretrained_overlap**2) * rng.standard_normal() / np.sqrt(d)
        meeting = learned * own @ (pretrained_overlap * s_h + blur) ** k
        agreement = learned @ seen + own @ (hard * pretrained_overlap**k)
        student_risk = energy - 2 * agreement + learned @ learned + own @ own + 2 * meeting
        return tuple(np.array([teacher_risk, student_risk, rho_e, s_e, d * rho_h**2]))

    return Simulation(*repeat(draw, repetitions=repetitions, seed=seed, workers=workers))


def spiked_random_features(
    a: ArrayLike,
    b: ArrayLike,
    sigma2: float,
    n_t: int,
    n_s: int,
    head_t: Learner,
    head_s: Learner,
    degree: int | None = None,
    *,
    d: int = 150,
    test_rows: int = 4000,
    repetitions: int = 10,
    seed: int = 0,
    workers: int | None = None,
) -> Simulation:
    """Simulate gradient steps and heads of polynomial plus random features on sampled inputs.

    Args:
        a: Easy coefficients a_k from k = 0 on.
        b: Hard coefficients b_k from k = 0 on.
        sigma2: Variance of the noise on the teacher's labels.
        n_t: Samples of the teacher's step.
        n_s: Samples of the student's step.
        head_t: Samples, penalty, width and activation of the teacher's head.
        head_s: The same of the student's head.
        degree: Largest degree of the polynomial.
        d: Number of inputs.
        test_rows: Rows at which the functions are compared, per repetition.
        repetitions: Number of independent repetitions.
        seed: Root seed.
        workers: Number of threads, all cores if ``None``.

    Returns:
        Means and standard errors.

    >>> head = Learner(120, 0.1, 60)
    >>> result = spiked_random_features(
    ...     [0, 1.0], [0, 0, 0.5], 0.1, 200, 200, head, head, d=30, repetitions=2
    ... )
    >>> bool(result.teacher_risk.mean > 0)
    True
    """
    target = as_target(a, b, sigma2)
    top = len(target.easy) - 1 if degree is None else degree

    def truth(x: FloatArray) -> FloatArray:
        easy = target.easy @ hermite_polynomials(x[:, 0], len(target.easy) - 1)
        return easy + target.hard @ hermite_polynomials(x[:, 1], len(target.hard) - 1)

    def draw(rng: np.random.Generator) -> tuple[FloatArray, ...]:
        def noisy(x: FloatArray) -> FloatArray:
            return truth(x) + np.sqrt(sigma2) * rng.standard_normal(len(x))

        test = rng.standard_normal((test_rows, d))
        teacher = _Network.fitted(rng, d, n_t, head_t, top, noisy)
        student = _Network.fitted(rng, d, n_s, head_s, top, teacher.predict)
        expected = truth(test)
        risks = [np.mean((net.predict(test) - expected) ** 2) for net in (teacher, student)]
        cosines = [teacher.direction[0], student.direction[0], d * teacher.direction[1] ** 2]
        return tuple(np.array([*risks, *cosines]))

    return Simulation(*repeat(draw, repetitions=repetitions, seed=seed, workers=workers))


def outlier_alignment(
    theta: float,
    ratio: float,
    *,
    d: int = 400,
    repetitions: int = 10,
    seed: int = 0,
    workers: int | None = None,
) -> Spectrum:
    """Simulate the top singular value and vectors of W₀ + θ â v̂ᵀ with p = round(ratio·d) rows.

    Args:
        theta: Size of the spike.
        ratio: p/d.
        d: Number of columns.
        repetitions: Number of independent repetitions.
        seed: Root seed.
        workers: Number of threads, all cores if ``None``.

    Returns:
        Means and standard errors.

    >>> bool(outlier_alignment(2.0, 1.0, d=60, repetitions=3).right.mean > 0.5)
    True
    """
    p = round(ratio * d)

    def draw(rng: np.random.Generator) -> tuple[FloatArray, ...]:
        w = rng.standard_normal((p, d)) / np.sqrt(d)
        w[0, 0] += theta
        left, values, right = np.linalg.svd(w, full_matrices=False)
        return tuple(np.array([values[0], right[0, 0] ** 2, left[0, 0] ** 2]))

    return Spectrum(*repeat(draw, repetitions=repetitions, seed=seed, workers=workers))


@dataclass(frozen=True)
class _Network:
    direction: FloatArray
    first: FloatArray
    coefficients: FloatArray
    learner: Learner
    degree: int

    @classmethod
    def fitted(cls, rng, d, n_step, learner, degree, label) -> "_Network":  # noqa: ANN001
        x = rng.standard_normal((n_step, d))
        direction = x.T @ label(x)
        direction /= np.linalg.norm(direction)
        first = rng.standard_normal((learner.p or d, d)) / np.sqrt(d)
        blank = cls(direction, first, np.zeros(0), learner, degree)
        z = rng.standard_normal((learner.n, d))
        features = blank.features(z)
        penalty = np.full(features.shape[1], learner.lam)
        penalty[: degree + 1] = 0.0
        gram = features.T @ features / learner.n + np.diag(penalty)
        fit = scipy.linalg.solve(gram, features.T @ label(z) / learner.n, assume_a="pos")
        return cls(direction, first, fit, learner, degree)

    def features(self, x: FloatArray) -> FloatArray:
        polynomial = hermite_polynomials(x @ self.direction, self.degree).T
        return np.hstack([polynomial, self.learner.activation(x @ self.first.T)])

    def predict(self, x: FloatArray) -> FloatArray:
        return self.features(x) @ self.coefficients
