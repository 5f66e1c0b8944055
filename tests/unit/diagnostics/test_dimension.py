"""Intrinsic dimension against singular values and hat matrices computed the long way."""

import numpy as np
import pytest

from w2sg.diagnostics import RULES, intrinsic_dimension


def features(n=300, d=40, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) * np.geomspace(3, 0.01, d) + 0.7


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("shape", [(300, 40), (40, 300)])
def test_every_rule_follows_from_the_singular_values(shape, center):
    # catches singular values summed in place of their squares, and a centering left out
    x = features(*shape)
    found = intrinsic_dimension(x, center=center, ridge=0.05, tolerance=1e-4)
    s = np.linalg.svd(x - center * x.mean(axis=0), compute_uv=False)
    lam = s**2 / len(x)
    p = lam / lam.sum()
    p = p[p > 1e-20]
    assert found.by_rule["energy"] == np.argmax(np.cumsum(s**2) >= 0.99 * (s**2).sum()) + 1
    assert found.by_rule["numerical_rank"] == (s > 1e-4 * s[0]).sum()
    assert found.by_rule["stable_rank"] == pytest.approx((s**2).sum() / s[0] ** 2)
    assert found.by_rule["participation_ratio"] == pytest.approx((s**2).sum() ** 2 / (s**4).sum())
    assert found.by_rule["spectral_entropy"] == pytest.approx(np.exp(-(p * np.log(p)).sum()))
    assert found.by_rule["effective"] == pytest.approx((lam / (lam + 0.05)).sum())


def test_effective_dimension_is_the_trace_of_the_ridge_hat_matrix():
    # catches a ridge compared with squared singular values instead of the second moment
    x = features()
    alpha = 4.0
    hat = x @ np.linalg.solve(x.T @ x + alpha * np.eye(40), x.T)
    found = intrinsic_dimension(x, "effective", ridge=alpha / len(x))
    assert found.value == pytest.approx(np.trace(hat))


@pytest.mark.parametrize("center", [False, True])
def test_batches_are_the_matrix(center):
    # catches a mean taken per batch; float32 batches must not lose the sum's digits
    x = features().astype(np.float32)
    whole = intrinsic_dimension(x.astype(float), center=center)
    for batches in ([x[:7], x[7:200], x[200:]], iter(np.array_split(x, 9))):
        found = intrinsic_dimension(batches, center=center)
        np.testing.assert_allclose(found.spectrum, whole.spectrum, rtol=1e-6, atol=1e-12)
        assert found.rows == 300
        assert found.value == whole.value


def test_every_rule_sees_k_equal_directions():
    # catches an off-by-one in the energy rule
    rng = np.random.default_rng(1)
    q, _ = np.linalg.qr(rng.normal(size=(50, 7)))
    x = q @ np.linalg.qr(rng.normal(size=(20, 7)))[0].T
    found = intrinsic_dimension(x, ridge=1e-12)
    for rule in RULES:
        assert found.by_rule[rule] == pytest.approx(7, rel=1e-6), rule


def test_uncentred_mean_hides_the_rest():
    # catches center ignored: the mean carries 99.9 % of the trace
    x = features() + 100
    assert intrinsic_dimension(x).value == 1
    assert intrinsic_dimension(x, center=True).value > 10


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (np.zeros((5, 3)), {}, "features is a zero matrix"),
        (np.ones((5, 3)), {"center": True}, "constant and centered"),
        (np.array([[1.0, np.nan]]), {}, "features .*must be finite"),
        (np.ones((5, 3)), {"rule": "rank"}, "rule must be one of"),
        (np.ones((5, 3)), {"rule": "effective"}, "ridge must be given"),
        (np.ones((5, 3)), {"ridge": 0.0}, "ridge must be above 0"),
        (np.ones((5, 3)), {"level": 1.5}, "level must be"),
        (np.ones((5, 3)), {"tolerance": 1e-9}, "tolerance must be"),
        (np.array([1.0, -1.0]), {}, "features must be at least 0"),
        (np.array([0.0, 0.0]), {}, "zero spectrum"),
        (np.array([2.0, 1.0]), {"center": True}, "center must be False"),
        ([], {}, "features must not be empty"),
        (iter([]), {}, "at least one batch"),
        ([np.ones((2, 3)), np.ones((2, 4))], {}, "must have 3 columns"),
        (3.0, {}, "features must be a matrix"),
    ],
)
def test_bad_input_is_refused_by_name(data, options, message):
    with pytest.raises(ValueError, match=message):
        intrinsic_dimension(data, **options)
