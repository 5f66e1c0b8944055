"""The one claim that every figure makes: its dots lie on its lines."""

import numpy as np

from w2sg._arrays import FloatArray
from w2sg.studies.study import Claim
from w2sg.theory.simulate.estimate import Estimate

FINITE_SIZE = 0.0075  # theory is a limit; its error at d ≈ 200 is of order 1/d


def agreement(
    what: str, simulated: Estimate, theory: FloatArray, *, scale: FloatArray | float | None = None
) -> Claim:
    """Return the claim that simulation is within 3 standard errors plus 0.75 % of theory.

    Of many points a few lie beyond 3 standard errors by chance; 1 in 100 may.

    >>> agreement("one", Estimate(np.array([1.0]), np.array([0.01])), np.array([1.02])).holds
    True
    """
    size = np.abs(theory) if scale is None else np.broadcast_to(scale, np.shape(theory))
    gap = np.abs(simulated.mean - theory)
    inside = gap <= 3 * simulated.standard_error + FINITE_SIZE * size
    worst = float(np.max(gap / size))
    return Claim(
        f"{what}: simulation is theory within 3 standard errors + 0.75 %",
        f"{int(inside.sum())} of {inside.size} points; largest relative gap {worst:.2%}",
        bool(inside.mean() >= 0.99),
    )


def listed(what: str, found: FloatArray, expected: list[float], tolerance: float) -> Claim:
    """Return the claim that computed numbers are the listed ones.

    >>> listed("pi", np.array([3.1416]), [3.14159], 1e-4).holds
    True
    """
    gap = float(np.max(np.abs(np.asarray(found) - expected)))
    return Claim(
        f"{what} are the listed values to {tolerance:g}",
        f"largest difference {gap:.1e}",
        gap <= tolerance,
    )
