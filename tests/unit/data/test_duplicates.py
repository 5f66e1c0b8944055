"""Near copies by MinHash against all pairs by brute force."""

import itertools
import re

import numpy as np
import pytest

from w2sg.data.duplicates import exact_clusters, near_clusters

WORDS = [f"w{i}" for i in range(40)]


def shingles(text):
    words = re.findall(r"\w+", text.lower())
    return set(words) | set(itertools.pairwise(words))


def jaccard(a, b):
    a, b = shingles(a), shingles(b)
    return len(a & b) / len(a | b)


def variants(rng, n):
    """Texts of 20 words and, of each, a copy with one or with eight words changed."""
    out = []
    for _ in range(n):
        words = list(rng.choice(WORDS, size=20))
        for n_changed in (0, 1, 8):
            copy = words.copy()
            for place in rng.choice(20, size=n_changed, replace=False):
                copy[place] = f"new{rng.integers(10**6)}"
            out.append(" ".join(copy))
    return out


def components(texts, similarity):
    """Connected components by comparing all pairs."""
    root = list(range(len(texts)))
    for i, j in itertools.combinations(range(len(texts)), 2):
        if jaccard(texts[i], texts[j]) >= similarity:
            root = [root[i] if one == root[j] else one for one in root]
    return np.array(root)


def test_clusters_are_those_of_all_pairs():
    """Catches a wrong union (|A| + |B| without the intersection) and a lost band alike."""
    texts = variants(np.random.default_rng(0), 30)
    truth = components(texts, 0.8)
    got = near_clusters(texts, similarity=0.8)
    same = got[:, None] == got[None, :]
    assert (same == (truth[:, None] == truth[None, :])).all()
    assert 30 < len(set(got)) < 90  # one changed word joins, eight do not: both kinds occur


def test_candidates_follow_the_law_of_banding():
    """A hash whose minimum is not uniform, or other bands, moves the share of pairs that meet."""
    rng = np.random.default_rng(1)
    texts, meets = [], []
    for pair in range(1500):
        words = [f"v{pair}w{i}" for i in range(24)]
        copy = list(words)
        for place in rng.choice(24, size=6, replace=False):
            copy[place] += "x"
        texts += [" ".join(words), " ".join(copy)]
        meets.append(1 - (1 - jaccard(*texts[-2:]) ** 4) ** 16)
    got = near_clusters(texts, similarity=0.1)
    found = np.mean(got[0::2] == got[1::2])
    expected = np.array(meets)
    standard_error = np.sqrt((expected * (1 - expected)).sum()) / len(meets)
    assert standard_error < 0.015
    assert 0.2 < expected.mean() < 0.8
    assert abs(found - expected.mean()) < 4 * standard_error


def test_pairs_count_both_texts_and_each_on_its_own_side():
    first = ["the cat sat on the mat", "the cat sat on the mat", "a dog barked all night long"]
    second = ["a dog barked all night long", "rain fell on the far hills", "the cat sat on the mat"]
    assert len(set(near_clusters(first, second))) == 3
    assert len(set(near_clusters(first, [second[0], second[0] + "!", second[2]]))) == 2
    assert exact_clusters(["a", "a", "a b"], ["b c", "b  C", "c"]).tolist() == [0, 0, 1]


def test_short_texts_are_only_joined_when_they_are_copies():
    """Without words, every emoticon would be a near copy of every other."""
    assert len(set(near_clusters([":)", ":(", "fine :)", "fine :(", ":)"]))) == 4


def test_bad_similarity_is_refused():
    with pytest.raises(ValueError, match="similarity must be in"):
        near_clusters(["a", "b"], similarity=0.0)
