"""Which class a column of probabilities is called after."""

import re
from collections.abc import Sequence

from w2sg.data.class_names import class_name

# what people write around the name of a class to say that a column holds its probabilities
AROUND = frozenset(
    {
        *("class", "conf", "confidence", "gpt", "is", "label", "llm", "model", "of", "p", "pr"),
        *("pred", "predicted", "prediction", "prob", "proba", "probabilities", "probability"),
        *("probs", "score", "scores", "teacher", "weak", "y"),
    }
)
NEGATIONS = frozenset({"anti", "no", "non", "not", "un", "without"})


def class_of_column(column: str, names: Sequence[str]) -> int | None:
    """Return the number of the class that a column is called after, ``None`` where it is not clear.

    >>> class_of_column("p_spam", ["ham", "spam"]), class_of_column("not_spam", ["ham", "spam"])
    (1, None)
    """
    whole = class_name(column)
    if whole in names:
        return list(names).index(whole)
    words = _words(column)
    matches = {
        k
        for k, name in enumerate(names)
        for i in range(len(words))
        for j in range(i + 1, len(words) + 1)
        if words[i:j] == _words(name) and AROUND.issuperset((*words[:i], *words[j:]))
    }
    return matches.pop() if len(matches) == 1 else None


def classes_of(columns: Sequence[str], names: Sequence[str]) -> list[int] | None:
    """Return the class number of each column by its name, ``None`` where no permutation fits.

    Either each column is called after its class, or after what all have in common is taken away.

    >>> classes_of(["gpt4: spam", "gpt4: ham"], ["ham", "spam"])
    [1, 0]
    >>> classes_of(["p1", "p2"], ["ham", "spam"]) is None
    True
    """
    order = [class_of_column(column, names) for column in columns]
    if None in order:
        split = [_words(column) for column in columns]
        before, after = _in_common(split), _in_common([words[::-1] for words in split])
        if NEGATIONS & {*split[0][:before], *split[0][len(split[0]) - after :]}:
            return None
        cores = [words[before : len(words) - after] for words in split]
        of_class = {tuple(_words(name)): k for k, name in enumerate(names)}
        order = [of_class.get(tuple(core)) for core in cores]
        if len(of_class) < len(names):
            return None
    permutation = [k for k in order if k is not None]
    return permutation if sorted(permutation) == list(range(len(names))) else None


def _in_common(split: list[list[str]]) -> int:
    """How many first words all have in common, at least one left of each."""
    shortest = min(map(len, split))
    n = next((i for i in range(shortest) if len({words[i] for words in split}) > 1), shortest)
    return min(n, shortest - 1)


def _words(name: str) -> list[str]:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", class_name(name))
    return [word.casefold() for word in re.split(r"[^\w+#]+|_+", spaced) if word]
