"""The answer of every statistic here: a number with its interval, or why there is none."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """A number with its interval; or, where it is withheld, the reason.

    Attributes:
        estimate: The value, ``None`` where it is withheld.
        low: Lower end of the interval, ``None`` where the estimate is withheld.
        high: Upper end of the interval, ``None`` where the estimate is withheld.
        reason: A sentence that says why the estimate is withheld; ``None`` where it is given.
        level: Nominal coverage of the interval.
        method: How the interval was made: ``"percentile"``, ``"bca"`` or ``"fieller"``.
        note: What the interval leaves out or the reader must know; ``None`` if nothing.
        n_seeds: Number of trainings that the interval rests on.
        n_items: Number of independent test items, or of groups of items.

    >>> print(Estimate(0.62, 0.5, 0.74, None, 0.95, "percentile", None, 5, 1000))
    0.620 [0.500, 0.740]
    >>> print(Estimate(None, None, None, "no gap", 0.95, "percentile", None, 5, 1000))
    withheld: no gap
    """

    estimate: float | None
    low: float | None
    high: float | None
    reason: str | None
    level: float
    method: str
    note: str | None
    n_seeds: int
    n_items: int

    def __str__(self) -> str:
        """Return the estimate as it stands in a table."""
        if self.estimate is None:
            return f"withheld: {self.reason}"
        return f"{self.estimate:.3f} [{self.low:.3f}, {self.high:.3f}]"
