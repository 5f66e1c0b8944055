"""The verdicts on shrunk labels, on students that are made up."""

import numpy as np
import pytest

from w2sg.studies.bias_variance.text_invariance import text_invariance


def students(seed, temperature=1.0):
    rng = np.random.default_rng(seed)
    truth = np.random.default_rng(0).integers(0, 3, 300)
    z = rng.normal(size=(4, 300, 3)) + 0.2 * rng.normal(size=(4, 1, 1)) * np.eye(3)[truth]
    z = (z + 2 * np.eye(3)[truth]) / temperature
    return truth, np.exp(z) / np.exp(z).sum(-1, keepdims=True)


def test_verdicts():
    """Catches noise of the moves instead of the seeds, and losses exchanged."""
    truth, sure = students(1)
    _, flat = students(1, temperature=20.0)
    found = text_invariance(
        truth, {"reverse_ce": sure, "ce": sure}, {"reverse_ce": sure, "ce": flat}
    )
    assert all(claim.holds for claim in found.claims)
    swapped = text_invariance(
        truth, {"reverse_ce": sure, "ce": sure}, {"reverse_ce": flat, "ce": sure}
    )
    assert [claim.holds for claim in swapped.claims] == [True, False, False, False, False]
    np.testing.assert_allclose(found.arrays["ce moves"][:, 0], 0)  # a temperature moves no argmax
    at = np.arange(300)
    nll = [-np.log(p[:, at, truth]).mean(1) for p in (sure, flat)]
    np.testing.assert_allclose(found.arrays["ce moves"][:, 1], nll[1] - nll[0])
    assert found.arrays["ce noise"][1] == pytest.approx(np.std(nll[0], ddof=1))


def test_other_losses_and_shapes_are_refused():
    truth, p = students(1)
    with pytest.raises(ValueError, match="the same losses, ce and reverse_ce among them"):
        text_invariance(truth, {"ce": p}, {"ce": p})
    with pytest.raises(ValueError, match="one shape with at least 2 seeds"):
        text_invariance(truth, {"ce": p, "reverse_ce": p}, {"ce": p[:2], "reverse_ce": p})
