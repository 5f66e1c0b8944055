"""Paired comparison with Holm's correction."""

import numpy as np
import pytest
from scipy import stats

from w2sg.gain import compare, gain, holm


def test_holm_by_hand():
    """Catches Bonferroni (0.04, 0.16, 0.12, 0.02) and a step-down without the running maximum."""
    assert holm([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_agrees_with_its_closed_test():
    """Catches step-up rules: the closed test with Bonferroni on every subset is Holm's rule."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        p = rng.random(4) ** 3
        subsets = [[j for j in range(4) if mask >> j & 1] for mask in range(1, 16)]
        closed = [max(min(1, len(s) * p[s].min()) for s in subsets if j in s) for j in range(4)]
        assert holm(p).tolist() == pytest.approx(closed)


def paired_runs(seed=0, n_seeds=6, n_items=400, better=0.03):
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(n_seeds, n_items))
    return {
        "ce": (shared < 0.5).astype(float),
        "same": (shared + 0.1 * rng.normal(size=shared.shape) < 0.5).astype(float),
        "better": (shared < stats.norm.ppf(stats.norm.cdf(0.5) + better)).astype(float),
    }


def test_difference_is_the_paired_gain():
    """Catches an unpaired comparison: its interval is several times wider here."""
    runs = paired_runs()
    result = compare(runs, "ce")
    paired = gain(runs["ce"], runs["better"], n_replicates=10_000)
    found = result.differences[1]
    assert (found.difference, found.low, found.high) == pytest.approx(
        (paired.estimate, paired.low, paired.high), abs=1e-12
    )
    shuffled = np.random.default_rng(0).permutation(runs["better"].ravel()).reshape(6, 400)
    unpaired = gain(runs["ce"], shuffled)
    assert (unpaired.high - unpaired.low) > 2 * (paired.high - paired.low)
    assert [d.decided for d in result.differences] == [False, True]


def test_p_value_is_uniform_or_larger_without_a_difference():
    """Catches one-sided p-values: below 5 % in at most 5 % of 300 null experiments (± 4 s.e.)."""
    rng = np.random.default_rng(0)
    small = 0
    for k in range(300):
        runs = {"a": np.zeros((4, 40)), "b": rng.normal(size=(4, 40)) + rng.normal(size=(4, 1))}
        small += compare(runs, "a", seed=k, n_replicates=500).differences[0].p_value < 0.05
    assert 3 <= small <= 15 + 4 * (300 * 0.05 * 0.95) ** 0.5


def test_table_and_forest_tell_the_same():
    """Catches a figure of other numbers than the table."""
    result = compare(paired_runs(), "ce")
    rows = result.table()
    assert [row["method"] for row in rows] == ["same", "better"]
    (axes,) = result.forest().axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["same", "better"]
    points = [line.get_xdata()[0] for line in axes.lines if line.get_marker() == "o"]
    assert points == pytest.approx([row["difference"] for row in rows])
    assert "differs" in str(result)


@pytest.mark.parametrize(
    ("runs", "reference", "options", "words"),
    [
        ({"a": [0, 1], "b": [1, 1]}, "c", {}, "reference must be one of a, b, got 'c'"),
        ({"a": [0, 1]}, "a", {}, "a method besides the reference"),
        ({"a": [0, 1], "b": [1, 1, 0]}, "a", {}, "b must have the items of a"),
        (
            {"a": [0, 1], **{str(k): [1, 1] for k in range(20)}},
            "a",
            {"n_replicates": 500},
            "n_replicates must be above 800 to decide 20 comparisons",
        ),
        (
            {"a": [0, 1], "b": [1, 1]},
            "a",
            {"n_replicates": 30},
            "n_replicates must be at least 400",
        ),
    ],
)
def test_refusals(runs, reference, options, words):
    """Catches silent answers to comparisons that cannot be made."""
    with pytest.raises(ValueError, match=words):
        compare(runs, reference, **options)
