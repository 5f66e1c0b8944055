"""How numbers are written: always with their interval, minus signs and units included."""

import re
from collections.abc import Sequence

from w2sg.gain import Estimate


def triple(value: Estimate) -> tuple[float, float, float] | None:
    """Return estimate, lower and upper end; nothing where the estimate is withheld.

    >>> triple(Estimate(None, None, None, "no gap", 0.95, "fieller", None, 1, 9)) is None
    True
    """
    if value.estimate is None or value.low is None or value.high is None:
        return None
    return value.estimate, value.low, value.high


def percent(share: float, digits: int = 1) -> str:
    """Return a share as a percentage.

    >>> percent(0.71666)
    '71.7\\u202f%'
    """
    return f"{100 * share:.{digits}f}\u202f%"


def in_percent(value: Estimate) -> str:
    """Return an accuracy with its interval.

    >>> in_percent(Estimate(0.5, 0.41, 0.6, None, 0.95, "percentile", None, 1, 9))
    '50.0\\u202f% [41.0, 60.0]'
    """
    if (told := triple(value)) is None:
        return "withheld"
    middle, low, high = told
    return f"{percent(middle)} [{100 * low:.1f}, {100 * high:.1f}]"


def in_points(value: Estimate, unit: bool = True) -> str:
    """Return a difference of accuracies in percentage points, signs written out.

    >>> in_points(Estimate(-0.031, -0.09, 0.042, None, 0.95, "percentile", None, 1, 9))
    '−3.1 points [−9.0, +4.2]'
    """
    if (told := triple(value)) is None:
        return "withheld"
    middle, low, high = (signed(100 * x) for x in told)
    return f"{middle}{' points' if unit else ''} [{low}, {high}]"


def ratio(value: Estimate) -> str:
    """Return a ratio such as PGR with its interval.

    >>> ratio(Estimate(-0.5, -1.25, 0.4, None, 0.95, "fieller", None, 1, 9))
    '−0.50 [−1.25, 0.40]'
    """
    if (told := triple(value)) is None:
        return "withheld"
    middle, low, high = (plain(x) for x in told)
    return f"{middle} [{low}, {high}]"


def plain(value: float, digits: int = 2) -> str:
    """Return a number with a true minus sign, and no minus before zero.

    >>> plain(-0.001), plain(-1.5)
    ('0.00', '−1.50')
    """
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text.replace("-", "−")


def signed(value: float, digits: int = 1) -> str:
    """Return a number with its sign.

    >>> signed(3.14), signed(-3.14), signed(0.01)
    ('+3.1', '−3.1', '0.0')
    """
    text = plain(value, digits)
    return text if text.startswith("−") or float(text) == 0 else f"+{text}"


def over_seeds(values: Sequence[float], digits: int = 3) -> str:
    """Return the range over seeds, which is no interval.

    >>> over_seeds([0.6, 0.4, 0.5], 1)
    '0.4 to 0.6'
    """
    return f"{plain(min(values), digits)} to {plain(max(values), digits)}"


def seconds(value: float) -> str:
    """Return a duration for people.

    >>> seconds(0.4), seconds(88.2), seconds(4000)
    ('0.4 s', '88 s', '1 h 07 min')
    """
    if value < 10:
        return f"{value:.1f} s"
    if value < 120:
        return f"{value:.0f} s"
    minutes = round(value / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def minus(text: str) -> str:
    """Return a sentence whose negative numbers have true minus signs.

    >>> minus("ceiling - teacher: -0.03 [-0.1, 0.2], p-value 3")
    'ceiling - teacher: −0.03 [−0.1, 0.2], p-value 3'
    """
    return re.sub(r"(?<![\w-])-(?=\d)", "−", text)


def listed(names: Sequence[str]) -> str:
    """Return names as a phrase.

    >>> listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])
    ('a', 'a and b', 'a, b and c')
    """
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
