"""What a study hands back: the numbers, the figure, and whether its claims held."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit  # scipy.stats needs torch to be whole or unknown

from w2sg._arrays import as_floats

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Verdict = Literal["holds", "fails", "cannot be told"]


@dataclass(frozen=True)
class Claim:
    """A published or derived statement, and what was found.

    Attributes:
        statement: What should be so.
        found: The numbers that decide it.
        holds: False where the numbers contradict the statement.
        decided: False where they neither support nor contradict it; then ``holds`` is True.
    """

    statement: str
    found: str
    holds: bool
    decided: bool = True

    @property
    def verdict(self) -> Verdict:
        """``holds``, ``fails`` or ``cannot be told``.

        >>> Claim("more is better", "one seed", holds=True, decided=False).verdict
        'cannot be told'
        """
        if not self.decided:
            return "cannot be told"
        return "holds" if self.holds else "fails"


@dataclass(frozen=True)
class Study:
    """A reproduced figure with its evidence.

    Attributes:
        arrays: Everything that is drawn, by name.
        figure: The drawing.
        claims: Statements checked against the arrays.
    """

    arrays: dict[str, NDArray[np.float64]]
    figure: "Figure"
    claims: tuple[Claim, ...]


def all_above_zero(
    statement: str, found: str, parts: Mapping[str, ArrayLike], error: float = 0.01
) -> Claim:
    """Judge a statement that says of one or more quantities that their means are above 0.

    Each mean gets a Student interval over its draws, mean ± t · standard error, and the intervals
    share the error. The claim holds if all lie above 0, fails if one lies wholly below 0, and
    cannot be told otherwise. "a < b" is the part b − a, "|a| < b" the parts b − a and b + a.

    Args:
        statement: What should be so.
        found: Numbers to show before the interval that decides.
        parts: Quantity → its values over independent draws, (draws,) with at least 2.
        error: Chance that any of the intervals misses its mean, in (0, 1).

    Raises:
        ValueError: No part, or one with fewer than 2 draws.

    >>> all_above_zero("a gains", "", {"gain": [1.0, 1.2, 0.9, 1.1]}).verdict
    'holds'
    >>> all_above_zero("a gains", "", {"gain": [-0.5, 1.2, 0.9, -1.1]}).verdict
    'cannot be told'
    >>> all_above_zero("a gains", "", {"gain": [-1.0, -1.2, -0.9, -1.1]}).verdict
    'fails'
    """
    if not parts:
        raise ValueError("parts must hold at least one quantity, got none")
    spans = {}
    for name, draws in parts.items():
        values = as_floats(name, draws, ndim=1)
        if len(values) < 2:
            raise ValueError(
                f"{name} must have at least 2 draws for an interval, got {len(values)}"
            )
        t = stdtrit(len(values) - 1, 1 - error / len(parts) / 2)
        half = float(t * values.std(ddof=1) / np.sqrt(len(values)))
        spans[name] = float(values.mean()) - half, float(values.mean()) + half
    contradicted = any(high < 0 for _, high in spans.values())
    shown = min(spans, key=lambda name: spans[name][1] if contradicted else spans[name][0])
    low, high = spans[shown]
    decisive = f"{shown}: {low:+.3g} to {high:+.3g}"
    return Claim(
        statement,
        "; ".join(part for part in (found, decisive) if part),
        holds=not contradicted,
        decided=contradicted or all(low > 0 for low, _ in spans.values()),
    )
