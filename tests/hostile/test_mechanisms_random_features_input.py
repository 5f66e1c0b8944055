"""Random features refuse what they cannot mean, by name."""

import numpy as np
import pytest

from w2sg.theory import random_features as rf
from w2sg.theory.hermite import hermite_coefficients, hermite_polynomials
from w2sg.theory.ridge import Signal

GOOD = {"lam": 0.1, "alpha": 2.0, "q": 2.0, "mu1": 0.6, "mu_star2": 0.05, "noise": 0.0}


@pytest.mark.parametrize(
    ("name", "value"),
    [("lam", -1), ("alpha", 0), ("q", -2), ("mu1", 0.0), ("mu_star2", -0.1), ("noise", np.nan)],
)
def test_channel_names_the_argument(name, value):
    with pytest.raises(ValueError, match=name):
        rf.channel(Signal(1.0, 1.0, 0.0, 1.0), **{**GOOD, name: value})


def test_infinite_variance_is_an_error():
    with pytest.raises(ValueError, match="lam=0 with alpha=q"):
        rf.channel(Signal(1.0, 1.0, 0.0, 1.0), **{**GOOD, "lam": 0.0})


def test_functions_that_cannot_be_integrated():
    with pytest.raises(ValueError, match="function must keep the shape"):
        rf.activation_moments(lambda z: z[:3])
    with pytest.raises(ValueError, match="finite"):
        hermite_coefficients(lambda z: np.full_like(z, np.nan), 2)
    with pytest.raises(ValueError, match="degree"):
        hermite_polynomials(1.0, -1)
