"""Folds and first rows: what three places did in code of their own, and every class everywhere."""

import numpy as np

from w2sg.heads.folds import every_class_early, stratified_folds


def test_order_is_that_of_the_first_answer_and_of_the_rehearsal():
    """The first answer took the other rows by set difference; catches another order of them."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        labels = rng.integers(0, 3, 40)
        first = np.concatenate([np.flatnonzero(labels == k)[:2] for k in range(3)])
        old = np.concatenate([first, np.setdiff1d(np.arange(40), first)])
        np.testing.assert_array_equal(every_class_early(np.arange(40), labels, 3), old)
        rows = rng.permutation(40)[:25]
        found = every_class_early(rows, labels, 3)
        assert sorted(found) == sorted(rows)
        assert set(labels[found[:6]]) == set(labels[rows])


def test_folds_differ_by_one_row_of_a_class_at_most():
    """Catches folds drawn without regard to the classes."""
    rng = np.random.default_rng(1)
    labels = np.repeat([0, 1, 2], [31, 7, 12])
    fold = stratified_folds(labels, 5, rng)
    for k in range(3):
        counts = np.bincount(fold[labels == k], minlength=5)
        assert counts.max() - counts.min() <= 1
