"""Whether a difference is above or below zero or cannot be told: one rule, one wording."""

from typing import Literal

Verdict = Literal["above", "below", "open"]
VERB: dict[Verdict, str] = {
    "above": "beat",
    "below": "fell behind",
    "open": "cannot be told apart from",
}


def verdict(low: float | None, high: float | None, *, zero: float = 0.0) -> Verdict:
    """Return where an interval lies: above a value, below it, or neither can be told.

    Args:
        low: Lower end, ``None`` where the difference is withheld.
        high: Upper end.
        zero: The value that means no difference: 0, or 1 for a ratio.

    >>> verdict(0.01, 0.05), verdict(-0.02, 0.05), verdict(0.7, 0.9, zero=1), verdict(None, None)
    ('above', 'open', 'below', 'open')
    """
    if low is not None and low > zero:
        return "above"
    return "below" if high is not None and high < zero else "open"


def worded(answer: Verdict, who: str = "the student", whom: str = "its teacher") -> str:
    """Return the verdict as a clause, the same on the terminal, the page and in sweeps.

    >>> worded("above"), worded("open", "mixed", "the ceiling")
    ('the student beat its teacher', 'mixed cannot be told apart from the ceiling')
    """
    return f"{who} {VERB[answer]} {whom}"
