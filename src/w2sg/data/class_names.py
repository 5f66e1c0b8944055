"""Names of classes as cells write them: what cannot be seen is normalised, the rest is reported."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

BOOLEANS = {"false": "False", "true": "True"}
# what labelling tools and people write into the label column of a row that has no label
NO_LABEL_WORDS = frozenset(
    {
        *("-1", "?", "-", "--", "#n/a", "<na>", "n/a", "na", "nan", "nat", "nil", "none", "null"),
        *("abstain", "missing", "no label", "no_label", "nolabel", "not labeled", "not labelled"),
        *("undefined", "unlabeled", "unlabelled"),
    }
)
NUMBER = r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?"
JOINERS = "\u200c\u200d"  # inside a word they belong to Persian and to emoji, and can be seen
SEVERAL = re.compile(r"[|;]")
MAYBE_SEVERAL = re.compile(r"[,/+&]")


def cell_text(value: Any) -> str:
    """Return a cell as text, empty if it is missing; a list of one value is that value.

    Raises:
        ValueError: A list of several values, or a table.

    >>> cell_text(["ham"]), cell_text(None), cell_text(1.0), cell_text(True)
    ('ham', '', '1.0', 'True')
    """
    if isinstance(value, list | tuple | set | np.ndarray):
        inside = value.tolist() if isinstance(value, np.ndarray) else list(value)
        if len(inside) > 1 or (inside and isinstance(inside[0], list | tuple | dict)):
            raise ValueError(f"holds {str(inside)[:60]}, where one class is needed")
        return cell_text(inside[0]) if inside else ""
    if isinstance(value, dict):
        raise ValueError(f"holds {str(value)[:60]}, where one class is needed")
    if value is None or value is pd.NA or value != value:
        return ""
    return str(value)


def class_name(text: str) -> str:
    """Return the name of a class without what cannot be seen in it.

    One Unicode form (NFC), no control, format or zero-width characters, no white space at the ends
    and single spaces inside.

    >>> class_name(" cafe\\u0301\\u200b ") == "caf\\u00e9"
    True
    >>> class_name("not\\u00a0 spam")
    'not spam'
    """
    spaced = " ".join(text.split())
    kept = [c for c in spaced if not _invisible(c)]
    joined = "".join(c for i, c in enumerate(kept) if c not in JOINERS or _joins(kept, i))
    return " ".join(unicodedata.normalize("NFC", joined).split())


def _invisible(character: str) -> bool:
    if character in JOINERS or 0xE0020 <= ord(character) <= 0xE007F:  # the latter: regional flags
        return False
    return unicodedata.category(character) in ("Cc", "Cf")


def _joins(characters: list[str], i: int) -> bool:
    around = characters[i - 1 : i] + characters[i + 1 : i + 2] if i else []
    return len(around) == 2 and all(ord(c) > 0x7F and c not in JOINERS for c in around)


def without_fraction(words: Sequence[str]) -> list[str]:
    """Return the words, ``1.0`` as ``1`` where all are whole numbers: integers that met a hole.

    >>> without_fraction(["1.0", "", "0"]), without_fraction(["1.0", "1.5"])
    (['1', '', '0'], ['1.0', '1.5'])
    """
    if all(re.fullmatch(r"-?\d+(\.0)?", word) for word in words if word):
        return [word.removesuffix(".0") for word in words]
    return list(words)


def booleans_alike(words: Sequence[str]) -> list[str]:
    """Return the words, ``true`` and ``True`` as one where all are true or false.

    >>> booleans_alike(["true", "False", "True"]), booleans_alike(["true", "false"])
    (['True', 'False', 'True'], ['true', 'false'])
    """
    spelled = {word for word in words if word}
    if not all(word.lower() in BOOLEANS for word in spelled):
        return list(words)
    if len({word.lower() for word in spelled}) == len(spelled):
        return list(words)
    return [BOOLEANS.get(word.lower(), "") for word in words]


def as_boolean(name: str) -> int | None:
    """Return 0 or 1 where a name says it by its value: 0, 1, false or true."""
    return {"0": 0, "1": 1, "false": 0, "true": 1}.get(name.lower())


def no_label_like(names: Iterable[str]) -> list[str]:
    """Return the names that often mean "no label".

    ``-1`` is left out where it is plainly a class: beside ``1`` alone, or beside other negative
    numbers.

    >>> no_label_like(["ham", "spam", "NA"]), no_label_like(["-1", "1"])
    (['NA'], [])
    >>> no_label_like(["-1", "0", "1"]), no_label_like(["-2", "-1", "0"])
    (['-1'], [])
    """
    names = list(names)
    doubtful = [name for name in names if name.lower() in NO_LABEL_WORDS]
    others = {name for name in names if name not in doubtful}
    negative = any(re.fullmatch(NUMBER, name) and float(name) < 0 for name in others)
    if "-1" in doubtful and (negative or others in ({"1"}, {"+1"})):
        doubtful.remove("-1")
    return sorted(doubtful)


def look_alikes(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Return groups of names that differ in case, width, leading zeros or separators alone.

    >>> look_alikes(["Ham", "ham", "not_spam", "not spam", "01", "1", "x1"])
    [('01', '1'), ('Ham', 'ham'), ('not spam', 'not_spam')]
    """
    groups: dict[str, list[str]] = defaultdict(list)
    for name in sorted(names):
        groups[_folded(name)].append(name)
    return sorted(tuple(group) for group in groups.values() if len(group) > 1)


def _folded(name: str) -> str:
    folded = unicodedata.normalize("NFKC", name).casefold()
    if re.fullmatch(NUMBER, folded):
        return repr(float(folded))
    return re.sub(r"(?<=\w)[\s_-]+(?=\w)", " ", folded)


def joined_names(names: Iterable[str]) -> list[str]:
    """Return the names that look like several classes in one cell.

    >>> joined_names(["ham", "promo", "ham|promo", "ham/promo", "n/a"])
    ['ham/promo', 'ham|promo']
    """
    known = set(names)
    joined = []
    for name in known:
        several = [part for part in SEVERAL.split(name) if part.strip()]
        parts = [part.strip() for part in MAYBE_SEVERAL.split(name)]
        if len(several) > 1 or (len(parts) > 1 and all(part in known for part in parts)):
            joined.append(name)
    return sorted(joined)


def listed(values: Iterable[Any], most: int = 6) -> str:
    """Return values as a sentence lists them, cut where there are very many.

    >>> listed(["a", "b"]), listed("abcdefgh", 2)
    ("'a', 'b'", "'a', 'b', … (8 in all)")
    """
    shown = [repr(value) for value in values]
    more = f", … ({len(shown)} in all)" if len(shown) > most else ""
    return ", ".join(shown[:most]) + more


def as_toml(values: Iterable[str]) -> str:
    """Return texts as a TOML list, to be copied into a spec.

    >>> print(as_toml(["-1", 'a "b"']))
    ["-1", "a \\"b\\""]
    """
    return "[" + ", ".join(f'"{_escaped(value)}"' for value in values) + "]"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')
