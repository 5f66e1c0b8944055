"""Multi-index theory refuses what it cannot mean, by name."""

import numpy as np
import pytest

from w2sg.theory import multi_index

GOOD = {"a": [0, 0.8], "b": [0, 0, 0.6], "sigma2": 0.1, "gamma_t": 0.5, "gamma_s": 0.5}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("a", [0.0, 0.0, 1.0]),
        ("a", [1.0]),
        ("a", [[0, 1.0]]),
        ("b", [0, 0.5]),
        ("b", [0.1]),
        ("b", [0, 0, np.nan]),
        ("sigma2", -0.1),
        ("gamma_t", -1),
        ("gamma_s", np.inf),
        ("degree", 0),
        ("head", "none"),
        ("pretrained_scale", -1),
        ("pretrained_overlap", 1.1),
        ("lam", -0.1),
        ("lam", 0.1),
    ],
)
def test_polynomial_head_names_the_argument(name, value):
    with pytest.raises(ValueError, match=name):
        multi_index.polynomial_head(**{**GOOD, name: value})


def test_other_refusals():
    with pytest.raises(ValueError, match="coefficients"):
        multi_index.information_exponent([1.0, 0.0])
    with pytest.raises(ValueError, match="theta"):
        multi_index.outlier_alignment(-1.0, 1.0)
    with pytest.raises(ValueError, match="ratio"):
        multi_index.outlier_alignment(1.0, 0.0)
