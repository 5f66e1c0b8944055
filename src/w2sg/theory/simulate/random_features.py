"""Monte Carlo twin of ``w2sg.theory.random_features``: fits on sampled features."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.linalg

from w2sg._arrays import FloatArray
from w2sg.theory.simulate.estimate import Simulation, repeat


@dataclass(frozen=True)
class Learner:
    """A learner of finite size.

    Attributes:
        n: Number of samples.
        lam: Penalty λ > 0; it multiplies Γ = I next to ΦᵀΦ/n.
        p: Number of random features, ``None`` for ridge on the inputs themselves.
        activation: The activation, an array function, centred by the caller.
    """

    n: int
    lam: float
    p: int | None = None
    activation: Callable[[FloatArray], FloatArray] = np.tanh

    def hat(self, rng: np.random.Generator, x: FloatArray) -> "Fit":
        """Draw the first layer and return how labels on x become predictions."""
        d = x.shape[1]
        first = None if self.p is None else rng.standard_normal((self.p, d)) / np.sqrt(d)
        features = x if first is None else self.activation(x @ first.T)
        if self.n < features.shape[1]:
            inner = features @ features.T
            inner[np.diag_indices(self.n)] += self.n * self.lam
            weights = scipy.linalg.solve(inner, features, assume_a="pos").T
        else:
            gram = features.T @ features
            gram[np.diag_indices(len(gram))] += self.n * self.lam
            weights = scipy.linalg.solve(gram, features.T, assume_a="pos")
        return Fit(first, weights, self.activation)


@dataclass(frozen=True)
class Fit:
    """A fitted learner as a linear map of its labels."""

    first: FloatArray | None
    weights: FloatArray
    activation: Callable[[FloatArray], FloatArray]

    def at(self, x: FloatArray) -> FloatArray:
        """Return the matrix that takes labels to predictions at x."""
        features = x if self.first is None else self.activation(x @ self.first.T)
        return features @ self.weights


def two_stage(
    d: int,
    teacher: Learner,
    student: Learner,
    sigma2: float,
    r2: float = 1.0,
    tau2: float = 0.0,
    *,
    test_rows: int = 1000,
    repetitions: int = 10,
    seed: int = 0,
    workers: int | None = None,
) -> Simulation:
    """Simulate both fits; label noise and the direction of β⋆ are averaged given the designs.

    Args:
        d: Number of inputs.
        teacher: The teacher.
        student: The student, on fresh inputs.
        sigma2: Variance of the noise on the teacher's labels.
        r2: Squared norm of the linear target.
        tau2: Variance of extra noise on the student's labels.
        test_rows: Rows at which the functions are compared, per repetition.
        repetitions: Number of independent repetitions.
        seed: Root seed.
        workers: Number of threads, all cores if ``None``.

    Returns:
        Means and standard errors.

    Source: note on mechanisms, algorithm 8.

    >>> result = two_stage(20, Learner(40, 0.1), Learner(40, 0.1, p=30), 1.0, repetitions=3)
    >>> bool(result.student_risk.mean > 0)
    True
    """

    def draw(rng: np.random.Generator) -> tuple[FloatArray, ...]:
        x = rng.standard_normal((teacher.n, d))
        z = rng.standard_normal((student.n, d))
        test = rng.standard_normal((test_rows, d))
        first, second = teacher.hat(rng, x), student.hat(rng, z)
        direct, last = first.at(test), second.at(test)
        passed = last @ first.at(z)

        def risk(hat: FloatArray) -> float:
            missed = hat @ x - test
            total = r2 / d * np.vdot(missed, missed) + sigma2 * np.vdot(hat, hat)
            return float(total) / test_rows

        relabelled = tau2 * float(np.vdot(last, last)) / test_rows
        values = np.array([risk(direct), risk(passed) + relabelled])
        return values[0], values[1], values[1] - values[0]

    teacher_risk, student_risk, difference = repeat(
        draw, repetitions=repetitions, seed=seed, workers=workers
    )
    return Simulation(teacher_risk, student_risk, difference)
