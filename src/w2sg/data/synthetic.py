"""Problems whose answer is known: texts with a Bayes rule, and teachers of a chosen accuracy."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from w2sg._arrays import FloatArray, as_floats
from w2sg._seeds import child_seed
from w2sg.data.examples import Labelled
from w2sg.data.sources import Table


def word_table(
    n: int,
    *,
    n_classes: int = 2,
    words_per_text: int = 12,
    n_words: int = 200,
    contrast: float = 1.0,
    seed: int = 0,
) -> Table:
    r"""Return texts that are draws of words, with classes that differ in how often each occurs.

    Class $c$ draws words independently with probability $p_c(w) ∝ \exp(contrast · g_{cw})$, with
    $g_{cw}$ standard normal, the same for every ``n`` at one seed; classes are equally likely.

    Args:
        n: Rows.
        n_classes: K, at least 2.
        words_per_text: Words in each text.
        n_words: The size of the vocabulary.
        contrast: How far the classes differ, at least 0; at 0 nothing can be learned.
        seed: The seed of the words' frequencies and of the draws.

    Raises:
        ValueError: A size is too small, or ``contrast`` is negative.

    >>> table = word_table(100, n_classes=3)
    >>> table.label_names
    ('class 0', 'class 1', 'class 2')
    """
    for name, value, least in (
        ("n", n, 1),
        ("n_classes", n_classes, 2),
        ("words_per_text", words_per_text, 1),
        ("n_words", n_words, 2),
    ):
        if value < least:
            raise ValueError(f"{name} must be at least {least}, got {value}")
    frequencies = word_frequencies(
        n_classes=n_classes, n_words=n_words, contrast=contrast, seed=seed
    )
    rng = np.random.default_rng(child_seed(seed, "synthetic", "texts"))
    labels = rng.integers(n_classes, size=n)
    draws = rng.random((n, words_per_text))
    words = np.empty(draws.shape, dtype=np.int64)
    for c in range(n_classes):
        cumulative = np.cumsum(frequencies[c])
        own = labels == c
        words[own] = np.searchsorted(cumulative / cumulative[-1], draws[own], side="right")
    frame = pd.DataFrame(
        {
            "id": [f"synthetic-{row}" for row in range(n)],
            "text": [" ".join(f"w{word}" for word in row) for row in words],
            "label": labels,
        }
    )
    return Table(
        frame=frame,
        label_names=tuple(f"class {c}" for c in range(n_classes)),
        extra=pd.DataFrame(index=pd.Index(frame["id"], name="id")),
        n_read=n,
        n_blank=0,
        ids_from="column",
        provenance={"kind": "synthetic", "name": "word_table", "seed": seed},
    )


def word_frequencies(*, n_classes: int, n_words: int, contrast: float, seed: int) -> FloatArray:
    """Return p_c(w) of `word_table`, (n_classes, n_words), every row summing to 1."""
    strength = as_floats("contrast", contrast, low=0.0, ndim=0)
    rng = np.random.default_rng(child_seed(seed, "synthetic", "frequencies"))
    logits = strength * rng.normal(size=(n_classes, n_words))
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def bayes_probabilities(texts: Sequence[str], frequencies: FloatArray) -> FloatArray:
    r"""Return the exact posterior of `word_table`: $P(c | w_1…w_m) ∝ \prod_i p_c(w_i)$.

    Args:
        texts: Texts of `word_table`.
        frequencies: `word_frequencies` of the same problem.

    >>> frequencies = word_frequencies(n_classes=2, n_words=3, contrast=1.0, seed=0)
    >>> posterior = bayes_probabilities(["w0", "w0 w1"], frequencies)
    >>> bool(np.isclose(posterior[0, 0], frequencies[0, 0] / frequencies[:, 0].sum()))
    True
    """
    logs = np.log(frequencies)
    scores = np.array(
        [logs[:, [int(word[1:]) for word in text.split()]].sum(axis=1) for text in texts]
    )
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def simulated_teacher(
    truth: Labelled, *, accuracy: float, confidence: float = 0.9, seed: int = 0
) -> FloatArray:
    """Return probabilities of a teacher that errs independently of the texts.

    Exactly ``round(accuracy · n)`` rows, drawn at random, have their true class on top; the others
    have a wrong class on top, each wrong class equally likely. The top class has probability
    ``confidence`` and the others share the rest. Such noise is what a student averages out; a real
    teacher's errors follow the text, so this is the control, not the forecast.

    Args:
        truth: The rows and their true labels.
        accuracy: The share of right rows, in [0, 1].
        confidence: The probability of the top class, in (1/K, 1].
        seed: The seed of the errors.

    Returns:
        (n, K) probabilities, row by row those of ``truth.ids``.

    Raises:
        ValueError: ``accuracy`` or ``confidence`` is out of range.

    >>> from w2sg.data.examples import Labelled
    >>> truth = Labelled(("a", "b", "c", "d"), ("w", "x", "y", "z"), [0, 1, 1, 0], ("no", "yes"))
    >>> given = simulated_teacher(truth, accuracy=0.75)
    >>> int((given.argmax(axis=1) == truth.labels).sum())
    3
    """
    n, n_classes = len(truth), len(truth.label_names)
    as_floats("accuracy", accuracy, low=0.0, high=1.0, ndim=0)
    as_floats("confidence", confidence, low=1 / n_classes, high=1.0, open_low=True, ndim=0)
    rng = np.random.default_rng(child_seed(seed, "synthetic", "teacher"))
    wrong = rng.permutation(n)[round(accuracy * n) :]
    top = truth.labels.copy()
    top[wrong] = (top[wrong] + rng.integers(1, n_classes, size=len(wrong))) % n_classes
    out = np.full((n, n_classes), (1 - confidence) / (n_classes - 1))
    out[np.arange(n), top] = confidence
    return out
