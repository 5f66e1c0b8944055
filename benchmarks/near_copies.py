"""Near copies by MinHash against comparing all pairs of rows, as a ratio within one run."""

import time

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer

from w2sg.data.duplicates import near_clusters


def texts_with_copies(n: int, *, n_words: int = 30) -> list[str]:
    """Texts with Zipf-like words; every tenth repeats an earlier one with one word changed."""
    rng = np.random.default_rng(0)
    words = np.array([f"w{i}" for i in range(20_000)])
    rows = [list(words[(rng.pareto(1.0, n_words) * 20).astype(int) % 20_000]) for _ in range(n)]
    for i in range(10, n, 10):
        rows[i] = [*rows[i - 7][:-1], f"changed{i}"]
    return [" ".join(row) for row in rows]


def all_pairs(texts: list[str], similarity: float = 0.8) -> int:
    """The number of pairs at or above the similarity, from one sparse product."""
    counts = CountVectorizer(ngram_range=(1, 2), binary=True, token_pattern=r"\w+")
    sets = counts.fit_transform(texts).astype(np.float32)
    sizes = np.asarray(sets.sum(axis=1)).ravel()
    both = (sets @ sets.T).tocoo()
    union = sizes[both.row] + sizes[both.col] - both.data
    return int(((both.data >= similarity * union) & (both.row < both.col)).sum())


def main() -> None:
    """Print seconds and ratios; both ways must find the same pairs."""
    print(
        f"{'rows':>8} {'MinHash s':>10} {'all pairs s':>12} {'ratio':>7} {'joined':>7} {'pairs':>7}"
    )
    for n in (1_000, 4_000, 16_000, 100_000):
        texts = texts_with_copies(n)
        start = time.perf_counter()
        joined = n - len(set(near_clusters(texts).tolist()))
        ours = time.perf_counter() - start
        if n > 5_000:  # the product has n² entries: it no longer fits
            print(f"{n:8,} {ours:10.2f} {'-':>12} {'-':>7} {joined:7,} {'-':>7}")
            continue
        start = time.perf_counter()
        pairs = all_pairs(texts)
        theirs = time.perf_counter() - start
        print(f"{n:8,} {ours:10.2f} {theirs:12.2f} {theirs / ours:7.1f} {joined:7,} {pairs:7,}")


if __name__ == "__main__":
    main()
