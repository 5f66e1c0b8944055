"""Correlation dimension against problems whose overlap is known, and method against method."""

import numpy as np
import pytest

from w2sg.diagnostics import (
    MomentAccumulator,
    correlation_dimension,
    feature_space_overlap,
)

METHODS = ("svd", "gram", "stream", "rsvd")


def linear_images(n=900, shared=60, own_s=0, own_w=0, width_s=150, width_w=110, seed=0):
    """Features of two models that see ``shared`` common latent directions in their own bases."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, shared + own_s + own_w))
    s = z[:, : shared + own_s] @ rng.normal(size=(shared + own_s, width_s))
    w = np.delete(z, np.s_[shared : shared + own_s], axis=1) @ rng.normal(
        size=(shared + own_w, width_w)
    )
    return s, w


@pytest.mark.parametrize("method", METHODS)
def test_two_linear_images_of_one_space_overlap_fully(method):
    # catches a comparison of coordinates: the images share no basis and no width
    s, w = linear_images()
    found = correlation_dimension(s, w, 60, 60, method)
    assert found.raw == pytest.approx(60, rel=0.01)
    assert found.debiased == pytest.approx(60, rel=0.01)


def test_independent_spaces_overlap_by_chance_alone():
    # catches a debiasing of the wrong sign or size, and an interval that misses zero
    rng = np.random.default_rng(0)
    raws, debiased, covered = [], [], 0
    for seed in range(40):
        s, w = rng.normal(size=(400, 30)), rng.normal(size=(400, 20))
        found = correlation_dimension(s, w, 30, 20, n_boot=60, seed=seed)
        raws.append(found.raw)
        debiased.append((400 * found.raw - 600) / (400 + found.raw - 50))
        covered += found.low == 0.0
    raws, debiased = np.array(raws), np.array(debiased)
    se = raws.std(ddof=1) / len(raws) ** 0.5
    assert se < 0.02 * found.chance
    assert abs(raws.mean() - found.chance) < 4 * se
    se = debiased.std(ddof=1) / len(debiased) ** 0.5
    assert abs(debiased.mean()) < 4 * se
    assert covered >= 38


def test_debiased_overlap_is_unbiased_for_right_angles():
    # catches (d_s d_w)/N subtracted whole: shared directions have no chance overlap
    raw_subtracted, debiased = [], []
    for seed in range(60):
        s, w = linear_images(200, 10, 20, 30, 60, 60, seed)
        found = correlation_dimension(s, w, 30, 40)
        debiased.append(found.debiased)
        raw_subtracted.append(found.raw - found.chance)
    debiased = np.array(debiased)
    se = debiased.std(ddof=1) / len(debiased) ** 0.5
    assert se < 0.01 * 10
    assert abs(debiased.mean() - 10) < 4 * se
    assert abs(np.mean(raw_subtracted) - 10) > 10 * se


def test_interval_covers_partial_angles():
    # catches a bootstrap centred on the resampled mean, which chance overlap shifts upwards
    rng = np.random.default_rng(5)
    covered = 0
    for seed in range(40):
        z, noise = rng.normal(size=(2, 600, 8))
        s = z @ rng.normal(size=(8, 8))
        w = (0.6 * z + 0.8 * noise) @ rng.normal(size=(8, 8))
        found = correlation_dimension(s, w, 8, 8, n_boot=80, seed=seed)
        covered += found.low <= 8 * 0.36 <= found.high
        assert found.high - found.low < 1.5
    assert covered >= 35


@pytest.mark.parametrize("center", [False, True])
def test_all_methods_agree(center):
    # catches whitening by eigenvalues in place of their roots, and centering of one side only
    s, w = linear_images(500, 20, 10, 15, 60, 70)
    rng = np.random.default_rng(2)
    s = s + 0.02 * rng.normal(size=s.shape) + 3
    w = w + 0.02 * rng.normal(size=w.shape) - 2
    reference = correlation_dimension(s, w, 30, 35, "svd", center=center)
    for method in ("gram", "stream", "auto"):
        found = correlation_dimension(s, w, 30, 35, method, center=center)
        assert found.raw == pytest.approx(reference.raw, rel=1e-8), method
        np.testing.assert_allclose(found.cosines, reference.cosines, atol=1e-8)
    assert correlation_dimension(s, w, 30, 35, "rsvd", center=center).raw == pytest.approx(
        reference.raw, rel=1e-6
    )
    u = [np.linalg.svd(x - center * x.mean(0), full_matrices=False)[0] for x in (s, w)]
    assert reference.raw == pytest.approx(np.square(u[0][:, :30].T @ u[1][:, :35]).sum())


def test_streaming_and_merging_equal_the_svd():
    # catches a merge that forgets the shift of means, or batches of float32 summed in float32
    s, w = linear_images(1000, 20, 10, 15, 60, 70)
    s += 5
    for center in (False, True):
        reference = correlation_dimension(s, w, 30, 35, "svd", center=center)
        left, right = MomentAccumulator(), MomentAccumulator()
        for i, rows in enumerate(np.array_split(np.arange(1000), 7)):
            (left if i % 2 else right).update(s[rows], w[rows])
        left.merge(right)
        merged = left.correlation_dimension(30, 35, center=center)
        assert merged.rows == 1000
        assert merged.raw == pytest.approx(reference.raw, rel=1e-8)
        batches = correlation_dimension(
            iter(np.array_split(s, 5)), iter(np.array_split(w, 5)), 30, 35, center=center
        )
        assert batches.debiased == pytest.approx(reference.debiased, rel=1e-8)


def test_any_invertible_map_of_either_side_changes_nothing():
    # catches an estimator that depends on the coordinates of a network
    s, w = linear_images(500, 20, 10, 15, 30, 35)
    rng = np.random.default_rng(1)
    before = correlation_dimension(s, w, 30, 35).raw
    after = correlation_dimension(
        s @ rng.normal(size=(30, 44)), w @ rng.normal(size=(35, 35)), 30, 35
    )
    assert after.raw == pytest.approx(before, rel=1e-7)


@pytest.mark.parametrize("match", ["compress", "pad"])
def test_published_estimator_sits_at_its_chance_level(match):
    # the theory note's control: one 60-dimensional space seen twice, yet the value is chance
    values = []
    for seed in range(30):
        s, w = linear_images(400, 30, width_s=120, width_w=90, seed=seed)
        with pytest.warns(UserWarning, match="unrelated coordinates"):
            found = feature_space_overlap(s, w, 30, 30, match, seed=seed)
        values.append(found.value)
    assert found.chance == pytest.approx(30 * 30 / (90 if match == "compress" else 120))
    se = np.std(values, ddof=1) / len(values) ** 0.5
    assert se < 0.02 * found.chance
    if match == "compress":
        assert abs(np.mean(values) - found.chance) < 4 * se
    else:
        # padding adds columns the other side cannot meet: at or below chance, far from 30
        assert np.mean(values) < found.chance + 4 * se


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"Phi_w": np.ones((10, 3))}, "pair row by row, got 900 and 10"),
        ({"Phi_s": np.full((900, 50), np.nan)}, "Phi_s .*must be finite"),
        ({"Phi_s": np.full((900, 50), np.nan), "method": "svd"}, "Phi_s .*must be finite"),
        ({"Phi_w": np.zeros((900, 5))}, "Phi_w is a zero matrix"),
        ({"d_s": 0}, "d_s must be a whole number between 1 and 150"),
        ({"d_w": 111}, "d_w must be a whole number between 1 and 110"),
        ({"d_s": 61}, "d_s must be at most the rank of Phi_s, 60"),
        ({"d_w": 61, "method": "svd"}, "d_w must be at most the rank of Phi_w, 60"),
        ({"method": "qr"}, "method must be"),
        ({"n_boot": 1}, "n_boot must be"),
        ({"Phi_s": np.ones((50, 60)), "Phi_w": np.ones((50, 60)), "d_s": 25, "d_w": 25}, "debias"),
    ],
)
def test_bad_input_is_refused_by_name(change, message):
    s, w = linear_images()
    arguments = {"Phi_s": s, "Phi_w": w, "d_s": 10, "d_w": 10, **change}
    with pytest.raises(ValueError, match=message):
        correlation_dimension(**arguments)


def test_batches_that_do_not_pair_are_refused():
    s, w = linear_images(100)
    with pytest.raises(ValueError, match="pair batch by batch"):
        correlation_dimension(iter([s, s]), iter([w]), 10, 10)
    with pytest.raises(ValueError, match="n_boot must be 0 for batches"):
        correlation_dimension(iter([s]), iter([w]), 10, 10, n_boot=5)
    with pytest.raises(ValueError, match="no rows"):
        MomentAccumulator().correlation_dimension(1, 1)
