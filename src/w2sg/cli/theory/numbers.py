"""Lists and ranges of numbers, as options give them."""

import numpy as np

from w2sg._arrays import FloatArray
from w2sg.cli.options import number


def numbers(option: str, text: str, *, points: int = 25, whole: bool = False) -> FloatArray:
    """Return "0.1", "0.1,0.5" or the range "0.01:1" as an array.

    Args:
        option: Its name, for the message.
        text: What the user gave.
        points: How many numbers a range stands for.
        whole: Whether a range is one of whole numbers, evenly spaced, rather than logarithmic.

    Raises:
        ValueError: The text is none of the three.

    >>> numbers("--lam-t", "0.1,0.5")
    array([0.1, 0.5])
    >>> numbers("--n", "10:20", points=3, whole=True)
    array([10., 15., 20.])
    """
    try:
        if ":" not in text:
            return np.array([number(part.strip()) for part in text.split(",")])
        low, high = (number(part.strip()) for part in text.split(":"))
    except ValueError:
        several, span = ("10,50,90", "400:4000") if whole else ("0.5,1.5", "0.01:1")
        raise ValueError(
            f"{option} must be a number, a list such as {several} or a range such as {span}, "
            f"got {text!r}"
        ) from None
    if not low < high:
        raise ValueError(f"{option} must run from a smaller to a larger number, got {text!r}")
    if whole:
        return np.unique(np.rint(np.linspace(low, high, points)))
    if low <= 0:
        raise ValueError(f"{option} must run from a number above 0, got {text!r}")
    return np.geomspace(low, high, points)
