"""Do two sets of texts come from one distribution: a classifier two-sample test."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import mannwhitneyu
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LogisticRegression

from w2sg._seeds import child_seed


@dataclass(frozen=True)
class Shift:
    """How well a classifier tells two sets of texts apart.

    Args:
        auc: Area under the ROC curve on held-out rows; 0.5 is no difference.
        p_value: Probability of an area at least this large if both sets come from one
            distribution.
        n_held_out: Held-out rows, both sets together.
    """

    auc: float
    p_value: float
    n_held_out: int


def shift_between(
    first: Sequence[str], second: Sequence[str], *, n_at_most: int = 2000, seed: int = 0
) -> Shift | None:
    """Test whether two sets of texts differ, in whatever words tell them apart.

    A logistic regression on hashed words learns to tell the sets apart on one half of each; on
    the other half the Mann–Whitney test compares its scores. Under one distribution the held-out
    scores are exchangeable given the learning half, so the p-value holds at any size.

    Args:
        first: Texts that stand alone (of rows that share a group, give one).
        second: Texts that stand alone.
        n_at_most: Texts used of each set, drawn at random; both sets are used in equal numbers.
        seed: The seed of the draw and of the halves.

    Returns:
        The result, or ``None`` if a set has fewer than 20 texts, too few for a test.

    Source: Lopez-Paz and Oquab 2017, "Revisiting classifier two-sample tests", with the rank test
    in place of the accuracy.

    >>> spoken, written = ["well I mean yes"] * 40, ["the committee adjourned"] * 40
    >>> shift_between(spoken, written).auc
    1.0
    """
    n = min(len(first), len(second), n_at_most)
    if n < 20:
        return None
    rng = np.random.default_rng(child_seed(seed, "data", "shift"))
    drawn = [[one[i] for i in rng.permutation(len(one))[:n]] for one in (first, second)]
    half = n // 2
    vectorizer = HashingVectorizer(n_features=2**16, alternate_sign=False, token_pattern=r"(?u)\w+")
    model = LogisticRegression(C=10.0, max_iter=300)
    learn = [*drawn[0][:half], *drawn[1][:half]]
    model.fit(vectorizer.transform(learn), np.repeat([0, 1], half))
    low, high = (model.decision_function(vectorizer.transform(texts[half:])) for texts in drawn)
    test = mannwhitneyu(high, low, alternative="greater")
    auc = float(test.statistic) / (len(low) * len(high))
    return Shift(auc=auc, p_value=float(test.pvalue), n_held_out=len(low) + len(high))
