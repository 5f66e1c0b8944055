"""Gain, gap, PGR and OPR: values, refusals, and what moves the interval."""

import numpy as np
import pytest
from scipy import stats

from w2sg.gain import gain, gap, opr, pgr
from w2sg.metrics import auroc, auroc_items


def experiment(n_seeds=5, n_items=600, rates=(0.6, 0.7, 0.8), seed=0):
    """Correct-or-not scores of teacher, student and ceiling, with items that are hard for all."""
    rng = np.random.default_rng(seed)
    hardness = rng.normal(size=n_items)
    cuts = stats.norm.ppf(rates) * 2**0.5
    return [(hardness + rng.normal(size=(n_seeds, n_items)) < cut).astype(float) for cut in cuts]


def test_values_are_the_plain_ratios():
    """Catches a swapped teacher and ceiling, and an OPR turned upside down."""
    t, s, c = experiment()
    assert pgr(t, s, c).estimate == pytest.approx((s.mean() - t.mean()) / (c.mean() - t.mean()))
    assert gain(t, s).estimate == pytest.approx(s.mean() - t.mean())
    assert gap(t, c).estimate == pytest.approx(c.mean() - t.mean())
    assert opr(t, s).estimate == pytest.approx((1 - t.mean()) / (1 - s.mean()))
    each = (s.mean(1) - t.mean(1)) / (c.mean(1) - t.mean(1))
    assert pgr(t, s, c, ratio="mean_of_ratios").estimate == pytest.approx(each.mean())


def test_seeds_alone_give_the_t_interval():
    """Catches normal quantiles, a missing √(S/(S−1)), items counted where they do not differ.

    With scores constant over items the interval must be Student's with S − 1 degrees of freedom;
    60,000 replicates place its ends within 2 % of the width.
    """
    runs = np.array([0.1, 0.3, 0.2, 0.6])
    student = np.repeat(runs[:, None], 50, axis=1)
    low, high = stats.t.interval(0.9, 3, loc=runs.mean(), scale=stats.sem(runs))
    result = gain(np.zeros((4, 50)), student, 0.9, n_replicates=60_000)
    assert result.low == pytest.approx(low, abs=0.02 * (high - low))
    assert result.high == pytest.approx(high, abs=0.02 * (high - low))


def test_items_alone_give_the_normal_interval():
    """Catches an interval that ignores test items when all seeds agree (also for one seed)."""
    rng = np.random.default_rng(0)
    items = rng.normal(size=400)
    half = 1.96 * items.std(ddof=1) / 20
    for n_seeds in (1, 6):
        result = gain(np.zeros((n_seeds, 400)), np.tile(items, (n_seeds, 1)), n_replicates=40_000)
        assert (result.high - result.low) / 2 == pytest.approx(half, rel=0.03)


def test_seeds_that_tie_leave_the_noise_to_the_items():
    """Catches an interval of no width: two runs of one more right answer each, on other rows.

    Their seed means are equal, so the spread of (seed, item) is to be seen in the items alone;
    the other road is the t interval of the item means.
    """
    rng = np.random.default_rng(0)
    changed = np.array([1] * 12 + [-1] * 11 + [0] * 177)
    change = np.stack([rng.permutation(changed) for _ in range(2)]).astype(float)
    items = change.mean(axis=0)
    low, high = stats.t.interval(0.95, 199, loc=items.mean(), scale=stats.sem(items))
    result = gain(np.zeros_like(change), change, n_replicates=40_000)
    assert (result.low, result.high) == pytest.approx((low, high), abs=0.03 * (high - low))


def test_interaction_is_counted_once():
    """Catches the plain crossed bootstrap, which counts noise of (seed, item) about three times.

    Independent noise in every cell: over 200 experiments the mean of the interval's variance
    (half-width / t)² must be that of the mean, 1/(Sn), and not 2.6 times it.
    """
    rng = np.random.default_rng(0)
    ratios = []
    for k in range(200):
        x = rng.normal(size=(5, 60))
        r = gain(np.zeros((5, 60)), x, seed=k, n_replicates=1000)
        ratios.append(((r.high - r.low) / 2 / stats.t.ppf(0.975, 4)) ** 2 * 300)
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.2)
    assert np.std(ratios) / 200**0.5 < 0.06


def test_one_item_per_group_changes_nothing_and_copies_are_seen_through():
    """Catches groups that are ignored, or that reweight the mean by group.

    Every item three times, grouped, must give the interval of the single items; without groups it
    is about √3 too narrow.
    """
    t, s, _ = experiment(n_seeds=1, n_items=300)
    plain = gain(t, s)
    grouped = gain(np.repeat(t, 3, 1), np.repeat(s, 3, 1), groups=np.repeat(np.arange(300), 3))
    blind = gain(np.repeat(t, 3, 1), np.repeat(s, 3, 1))
    assert (grouped.estimate, grouped.n_items) == (pytest.approx(plain.estimate), 300)
    assert grouped.low == pytest.approx(plain.low, abs=1e-9)
    assert (plain.high - plain.low) / (blind.high - blind.low) == pytest.approx(3**0.5, rel=0.06)


def test_unequal_groups_keep_the_mean_over_items():
    """Catches a mean over groups: sizes 1 and 99 must not weigh alike."""
    student = np.array([1.0] + [0.0] * 99)
    result = gain(np.zeros(100), student, groups=[0] + [1 + i // 33 for i in range(99)])
    assert result.estimate == pytest.approx(0.01)


def test_no_gap_no_ratio():
    """Catches a PGR printed for a gap that may be nothing; the reason must show the gap."""
    t, s, _ = experiment()
    other = experiment(rates=(0.6, 0.6, 0.605), seed=9)[2]
    result = pgr(t, s, other)
    assert result.estimate is None
    assert result.low is None
    assert result.high is None
    assert "not clearly above zero" in result.reason
    assert str(gap(t, other)) in result.reason
    assert gain(t, s).estimate is not None
    assert opr(t, s).estimate is not None


def test_gate_is_the_interval_of_gap():
    """Catches a gate that disagrees with the gap that is printed, over gaps about the threshold."""
    outcomes = set()
    for k in range(30):
        t, s, c = experiment(n_seeds=3, n_items=200, rates=(0.6, 0.65, 0.68), seed=k)
        passes = gap(t, c, seed=k).low > 0
        withheld = pgr(t, s, c, seed=k).estimate is None
        assert passes != withheld
        outcomes.add(passes)
    assert outcomes == {True, False}


def test_missing_ceiling_is_withheld_with_a_reason():
    """Catches a crash or a zero where no ceiling was trained."""
    t, s, _ = experiment()
    result = pgr(t, s, None)
    assert result.estimate is None
    assert "no ceiling was trained" in result.reason


def test_one_seed_says_what_is_missing():
    """Catches an interval from items alone that does not say so."""
    t, s, c = experiment(n_seeds=1)
    for result in (gain(t[0], s[0]), pgr(t, s, c), gap(t, c), opr(t, s)):
        assert "variation between trainings" in result.note
        assert result.n_seeds == 1
    t5, s5, _ = experiment()
    assert gain(t5, s5).note is None
    assert "one training of ceiling" in pgr(t5, s5, c).note


def test_small_gap_widens_to_fieller():
    """Catches a percentile interval of ratios with negative denominators."""
    rng = np.random.default_rng(3)
    t, s, c = rng.normal(size=(3, 4, 50)) + np.array([0, 0.1, 0.42])[:, None, None]
    result = pgr(t, s, c)
    assert result.method == "fieller"
    fieller = pgr(t, s, c, method="fieller")
    assert result.low <= fieller.low < fieller.high <= result.high


def test_large_gap_makes_all_methods_agree():
    """Catches a Fieller or BCa interval of another statistic."""
    t, s, c = experiment(n_seeds=10, n_items=2000)
    ends = [(r.low, r.high) for r in (pgr(t, s, c, method=m) for m in ("auto", "fieller", "bca"))]
    assert np.ptp(ends, axis=0) == pytest.approx([0, 0], abs=0.012)
    assert ends[0] == pytest.approx(ends[1], abs=1e-4)


def test_bca_moves_towards_the_long_tail():
    """Catches a wrong sign of the acceleration: for a right-skewed mean both ends move up."""
    x = np.random.default_rng(0).exponential(size=40)
    plain, moved = (gain(np.zeros(40), x, method=m) for m in ("percentile", "bca"))
    assert moved.low > plain.low
    assert moved.high > plain.high


def test_auroc_enters_as_scores():
    """Catches a gain of anything but the difference of the two areas."""
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=500)
    areas, scores = [], []
    for strength in (0.5, 1.5):
        p = 1 / (1 + np.exp(-rng.normal(y * strength)))
        probabilities = np.stack([1 - p, p], axis=1)
        areas.append(auroc(probabilities, y))
        scores.append(auroc_items(probabilities, y))
    result = gain(*scores)
    assert result.estimate == pytest.approx(areas[1] - areas[0])
    assert result.low > 0


def test_negated_losses_need_best_zero():
    """Catches an OPR of log-likelihoods read as accuracies."""
    rng = np.random.default_rng(0)
    baseline, student = -rng.exponential(2, (3, 200)), -rng.exponential(1, (3, 200))
    assert opr(baseline, student, best=0).estimate == pytest.approx(
        baseline.mean() / student.mean()
    )
    with pytest.raises(ValueError, match="best must be the score of a perfect model, got 0"):
        opr(-baseline, -student, best=0)


def test_perfect_student_has_no_ratio_of_risks():
    """Catches a division by zero risk."""
    result = opr(np.tile([0.0, 1.0], (2, 20)), np.ones((2, 40)))
    assert result.estimate is None
    assert "risk is not clearly above zero" in result.reason


def test_same_seed_same_interval():
    """Catches randomness outside the seed."""
    t, s, c = experiment()
    assert pgr(t, s, c, seed=3) == pgr(t, s, c, seed=3)
    assert pgr(t, s, c, seed=3).low != pgr(t, s, c, seed=4).low


@pytest.mark.parametrize(
    ("arguments", "options", "words"),
    [
        (([[1, 0]], [[1, 0, 1]]), {}, "student must have the items of teacher"),
        ((np.ones((3, 5)), np.ones((2, 5))), {}, "student must have 3 seeds like the others, or 1"),
        (([1.0], [0.0]), {}, "at least 2 items"),
        (([1.0, np.nan], [0.0, 1.0]), {}, "teacher must be finite, got nan at index 1"),
        ((np.ones((2, 2, 2)), np.ones((2, 2, 2))), {}, "shape .seeds, items."),
        (([1, 0], [0, 1]), {"level": 95}, "level must be below 1"),
        (([1, 0], [0, 1]), {"level": 0.999}, "n_replicates must be at least 20000 for level 0.999"),
        (([1, 0], [0, 1]), {"n_replicates": 0}, "n_replicates must be at least 400"),
        (([1, 0], [0, 1]), {"method": "bootstrap"}, "method must be one of"),
        (([1, 0], [0, 1]), {"groups": [1]}, "groups must have one label per item"),
        (([1, 0], [0, 1]), {"groups": [1, 1]}, "at least 2 different labels"),
    ],
)
def test_refusals(arguments, options, words):
    """Catches silent broadcasting and numbers for input that cannot be meant."""
    with pytest.raises(ValueError, match=words):
        gain(*arguments, **options)


def test_unknown_ratio():
    """Catches a silent default."""
    t, s, c = experiment()
    with pytest.raises(ValueError, match="ratio must be"):
        pgr(t, s, c, ratio="median")


def test_units_of_the_score_do_not_matter():
    """Catches a tolerance or a cut in units of accuracy: PGR is free of scale and origin."""
    t, s, c = experiment()
    plain, other = pgr(t, s, c), pgr(*(1e6 * x - 3e5 for x in (t, s, c)))
    assert (other.estimate, other.low, other.high) == pytest.approx(
        (plain.estimate, plain.low, plain.high), rel=1e-6
    )


def test_identical_models_have_no_interval_to_speak_of():
    """Catches NaN from a covariance of zero."""
    t, _, c = experiment()
    same = gain(t, t)
    assert (same.estimate, same.low, same.high) == (0, 0, 0)
    assert pgr(t, t, c).estimate == 0
    assert pgr(t, c, c).estimate == 1
