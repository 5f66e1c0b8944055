"""How texts of the data are shown: as they are, nothing hidden in them, and not without end."""

import re
import unicodedata
from typing import Any

LONGEST = 600  # characters of an example text
LONGEST_LABEL = 40


def visible(text: Any) -> str:
    """Return a text of the data with nothing in it that cannot be seen.

    Control and format characters (NUL, direction overrides) become their escapes; the ends of
    lines become spaces.

    >>> visible("a\\x00b\\u202ec\\nd")
    'a\\\\x00b\\\\u202ec d'
    """
    spaced = re.sub(r"[^\S\u00a0\u202f]+", " ", str(text)).strip()
    return "".join(
        c.encode("unicode_escape").decode()
        if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co")
        and c not in "\u200d\u200c"  # joiners belong to emoji and to Persian
        else c
        for c in spaced
    )


def clipped(text: Any, longest: int = LONGEST) -> str:
    """Return a text of the data, its end left out where it is very long.

    >>> clipped("a long story", 6)
    'a long… (6 more characters)'
    """
    shown = visible(text)
    if len(shown) <= longest:
        return shown
    return f"{shown[:longest]}… ({len(shown) - longest:,} more characters)"


def label(name: Any) -> str:
    """Return the name of a class, short enough for the head of a column."""
    shown = visible(name)
    return shown if len(shown) <= LONGEST_LABEL else f"{shown[:LONGEST_LABEL]}…"
