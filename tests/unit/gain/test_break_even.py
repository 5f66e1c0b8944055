"""How many true labels pseudo-labels are worth: a known curve, its ends, and honest intervals."""

import numpy as np
import pytest

from w2sg.gain.break_even import Curve, break_even

SIZES = np.array([10, 100, 1000])
LEVELS = np.array([0.5, 0.7, 0.9])


def scores(levels, items=1000, seeds=2):
    """Exactly the accuracy asked for, the same items right in every seed."""
    return (
        np.stack([np.arange(items) < round(a * items) for a in levels])[None].repeat(seeds, 0) * 1.0
    )


def worth(student, anchors=None, **options):
    curve = Curve(SIZES, scores(LEVELS))
    found = {n: scores([a])[:, 0] for n, a in (anchors or {}).items()}
    return break_even(curve, found, scores([student])[:, 0], **options)


def test_known_curve():
    """Interpolated in the logarithm of the size: halfway between 100 and 1,000 is 316, not 550."""
    found = worth(0.8)
    assert np.isclose(found.labels, 10**2.5)
    assert found.low < 10**2.5 < found.high
    assert found.refined == found.frozen == tuple(LEVELS)
    assert np.isclose(worth(0.6).labels, 10**1.5)
    assert np.isclose(worth(0.5).labels, 10)
    assert np.isclose(worth(0.9).labels, 1000)
    assert "worth 316 true labels [" in found.sentence


def test_beyond_the_measured_range():
    above, below = worth(0.97), worth(0.3)
    assert above.labels is None
    assert above.high is None
    assert "worth more than 1,000 true labels" in above.sentence
    assert below.labels is None
    assert below.low is None
    assert "worth fewer than 10 true labels" in below.sentence
    other_items = scores([0.895])[:, 0, ::-1]
    near = break_even(Curve(SIZES, scores(LEVELS)), {}, other_items)
    assert near.labels is not None
    assert near.high is None
    assert near.sentence.endswith("above 1,000].")


def test_moved_to_the_fine_tuned_points():
    """One point shifts the curve, two tilt it in the logarithm of the size."""
    assert np.isclose(worth(0.8, {100: 0.8}).labels, 100)
    tilted = worth(0.75, {10: 0.6, 1000: 0.9})
    np.testing.assert_allclose(tilted.refined, [0.6, 0.75, 0.9])
    assert np.isclose(tilted.labels, 100)


def test_a_curve_that_falls_is_made_flat():
    curve = Curve(SIZES, scores([0.7, 0.6, 0.9]))
    found = break_even(curve, {}, scores([0.65])[:, 0])
    np.testing.assert_allclose(found.refined, [0.65, 0.65, 0.9])
    assert found.frozen == (0.7, 0.6, 0.9)


def test_interval_covers():
    """150 data sets with independent items; an interval from seeds alone, or of items resampled
    separately for curve and student, would be far too short or too long."""
    rng = np.random.default_rng(0)
    inside = np.empty(150)
    for i in range(len(inside)):
        ease = rng.random(400)  # shared by all models, as easy and hard texts are
        curve = (ease < LEVELS[:, None]) ^ (rng.random((3, 400)) < 0.1)
        student = (ease < 0.8) ^ (rng.random(400) < 0.1)
        found = break_even(
            Curve(SIZES, curve[None] * 1.0), {}, student[None] * 1.0, level=0.9, seed=i,
            n_replicates=200,
        )  # fmt: skip
        inside[i] = (found.low or 0) <= 10**2.5 <= (found.high or np.inf)
    assert 0.9 - 4 * (0.09 / 150) ** 0.5 < inside.mean() < 0.985


def test_groups_move_together():
    """Ten copies of each item are no more information than one."""
    ten = np.repeat(np.arange(100), 10)
    rng = np.random.default_rng(1)
    curve = (rng.random((3, 100)) < LEVELS[:, None])[:, ten][None] * 1.0
    student = (rng.random(100) < 0.75)[ten][None] * 1.0
    alone = break_even(Curve(SIZES, curve), {}, student)
    grouped = break_even(Curve(SIZES, curve), {}, student, groups=ten)
    assert grouped.low is None or alone.low is not None
    assert (grouped.low or 1.0) < 0.8 * alone.low


def test_refused():
    with pytest.raises(ValueError, match="sizes must increase"):
        break_even(Curve(SIZES[::-1], scores(LEVELS)), {}, np.ones((1, 1000)))
    with pytest.raises(ValueError, match="items differ in number"):
        break_even(Curve(SIZES, scores(LEVELS)), {}, np.ones((1, 9)))


@pytest.mark.parametrize(("n_seeds", "spread"), [(3, 0.037), (5, 0.017), (10, 0.037)])
def test_interval_covers_where_trainings_differ(n_seeds, spread):
    """Seeds drawn with replacement covered .855 at three; 120 trials see that, not a point or two:
    the printed table of the benchmark has the finer figure."""
    from break_even_coverage import coverage

    assert 0.90 <= coverage(120, n_seeds, spread) <= 0.995


def test_one_seed_is_said():
    curve = Curve(SIZES, scores(LEVELS))
    one = break_even(curve, {}, scores([0.8], seeds=1)[:, 0])
    assert one.note is not None
    assert "one training per model" in one.note
    assert break_even(curve, {}, scores([0.8], seeds=3)[:, 0]).note is None
