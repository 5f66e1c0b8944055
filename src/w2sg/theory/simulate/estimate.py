"""Means with standard errors, from repetitions that run on several cores."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from w2sg._arrays import FloatArray, as_whole
from w2sg._seeds import child_seed


@dataclass(frozen=True)
class Estimate:
    """A Monte Carlo mean and its standard error, of one shape.

    Attributes:
        mean: Mean over the repetitions.
        standard_error: Standard deviation over the repetitions, divided by the root of their
            number.

    >>> Estimate(np.array(1.0), np.array(0.5)).distance(2.0)
    array(2.)
    """

    mean: FloatArray
    standard_error: FloatArray

    def distance(self, value: float | FloatArray) -> FloatArray:
        """Return how many standard errors a value lies from the mean."""
        return np.asarray(np.abs(self.mean - value) / self.standard_error)


@dataclass(frozen=True)
class Simulation:
    """Simulated excess risks.

    Attributes:
        teacher_risk: R_t.
        student_risk: R_s.
        difference: R_s − R_t, paired within each repetition.
    """

    teacher_risk: Estimate
    student_risk: Estimate
    difference: Estimate


def repeat(
    draw: Callable[[np.random.Generator], tuple[FloatArray, ...]],
    *,
    repetitions: int,
    seed: int,
    workers: int | None = None,
) -> tuple[Estimate, ...]:
    """Call ``draw`` with one generator per repetition and average each thing it returns.

    Threads, because the work is LAPACK and BLAS, which release the interpreter's lock. The
    result does not depend on the number of workers.

    Args:
        draw: Takes a generator, returns a tuple of numbers or arrays.
        repetitions: How many draws, at least 2.
        seed: Root seed; repetition i uses its named child.
        workers: Number of threads, all cores if ``None``.

    Returns:
        One estimate per thing returned.

    Raises:
        ValueError: Fewer than 2 repetitions.

    >>> (mean,) = repeat(lambda rng: (rng.normal(),), repetitions=400, seed=0)
    >>> bool(mean.distance(0.0) < 4)
    True
    """
    repetitions = as_whole("repetitions", repetitions, low=2)
    generators = [
        np.random.default_rng(child_seed(seed, "repetition", index)) for index in range(repetitions)
    ]
    count = min(workers or os.cpu_count() or 1, repetitions)
    # BLAS threads inside our threads fight for the same cores, up to fifty times slower
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1), ThreadPoolExecutor(count) as pool:
        draws = list(pool.map(draw, generators))
    estimates = []
    for values in zip(*draws, strict=True):
        stack = np.stack([np.asarray(value, dtype=np.float64) for value in values])
        error = stack.std(axis=0, ddof=1) / np.sqrt(repetitions)
        estimates.append(Estimate(stack.mean(axis=0), error))
    return tuple(estimates)
