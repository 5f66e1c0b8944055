"""Variance components, sample sizes and the stopping rule, against simulation and textbooks."""

import numpy as np
import pytest
from scipy import stats

from w2sg.gain import gain, plan, stopping_rule, variance_components


def design(kind):
    if kind == "crossed":
        grid = np.array([(s, t, i) for s in range(3) for t in range(3) for i in range(3)])
        return dict(zip(("split", "teacher", "init"), grid.T, strict=True))
    # one source at a time around a common run
    return {
        "split": np.array([0, 1, 2, 3, *[0] * 6]),
        "teacher": np.array([0, 0, 0, 0, 1, 2, 3, 0, 0, 0]),
        "init": np.array([*[0] * 7, 1, 2, 3]),
    }


@pytest.mark.parametrize("kind", ["crossed", "one at a time"])
def test_components_are_unbiased(kind):
    """Catches a factor of ½, shares between nested sources, item noise left in the runs.

    The mean over 600 pilots must be the truth within 4 standard errors, which are small beside the
    values, plus what cutting negative estimates at zero adds.
    """
    sources, truth = design(kind), {"split": 0.4, "teacher": 0.3, "init": 0.2}
    rng = np.random.default_rng(0)
    found = []
    for _ in range(600):
        runs = sum(
            truth[k] ** 0.5 * rng.normal(size=level.max() + 1)[level]
            for k, level in sources.items()
        )
        shape = (len(runs), 200)
        noise = 0.3**0.5 * rng.normal(size=200) + 0.5**0.5 * rng.normal(size=shape)
        c = variance_components(runs[:, None] + noise, sources)
        found.append([*c.sources.values(), c.items, c.interaction])
    mean, error = np.mean(found, axis=0), np.std(found, axis=0) / 600**0.5
    expected = np.array([0.4, 0.3, 0.2, 0.3, 0.5])
    assert (error < 0.07 * expected).all()
    assert (np.abs(mean - expected) < 4 * error + [0.02, 0.02, 0.02, 0, 0]).all()


def test_components_refuse_what_cannot_be_told_apart():
    """Catches silent zeros for sources that never vary or always vary together."""
    x = np.random.default_rng(0).normal(size=(4, 10))
    with pytest.raises(ValueError, match="sources\\['order'\\] must vary"):
        variance_components(x, {"order": [1, 1, 1, 1]})
    with pytest.raises(ValueError, match="cannot be told apart"):
        variance_components(x, {"order": [1, 2, 3, 4], "init": [5, 6, 7, 8]})
    with pytest.raises(ValueError, match="one seed per run"):
        variance_components(x, {"order": [1, 2]})
    with pytest.raises(ValueError, match="at least 2 runs"):
        variance_components(x[:1])


def test_shares_follow_seeds_and_items():
    """Catches item variance divided by seeds: with many seeds the items must be what is left."""
    x = np.random.default_rng(0).normal(size=(6, 100)) + np.random.default_rng(1).normal(size=100)
    shares = variance_components(x).shares(1000, 100)
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["test items"] > 0.95


@pytest.mark.parametrize(("sd", "paired", "classic"), [(0.10, False, 63), (0.058, True, 11)])
def test_worked_example(sd, paired, classic):
    """Catches a missing factor 2: 0.05 PGR at 80 % power, normal theory says 63 and 11 seeds.

    The t distribution asks for one or two seeds more; never fewer.
    """
    result = plan(0.05, sd=sd, paired=paired, hours_per_run=1.8)
    (option,) = result.options
    assert classic <= option.n_seeds <= classic + 2
    assert option.power >= 0.8
    assert option.hours == pytest.approx(2 * 1.8 * option.n_seeds)


def test_seeds_only_power_is_that_of_the_t_test():
    """Catches a wrong noncentrality: SciPy's noncentral t gives the power of a paired t test."""
    (option,) = plan(1.0, sd=1.2).options
    n = option.n_seeds
    for size, reaches in ((n, True), (n - 1, False)):
        cut, shift = stats.t.ppf(0.975, size - 1), size**0.5 / 1.2
        power = stats.nct.sf(cut, size - 1, shift) + stats.nct.cdf(-cut, size - 1, shift)
        assert (power >= 0.8) == reaches
        if reaches:
            assert option.power == pytest.approx(power, abs=2e-3)


def test_planned_power_is_found_by_the_interval_itself():
    """Catches a plan for another test than the one that is run afterwards.

    Known components as a pilot of 400 runs; 500 experiments of the planned size; the share whose
    interval excludes zero must be the planned power within 4 standard errors (0.018).
    """
    rng = np.random.default_rng(0)

    def experiment(n_seeds, n_items, shift=0.0):
        items = 0.8 * rng.normal(size=n_items)
        runs = 0.12 * rng.normal(size=(n_seeds, 1))
        return shift + items + runs + 0.6 * rng.normal(size=(n_seeds, n_items))

    pilot = experiment(400, 400)
    (option,) = plan(0.3, pilot=(np.zeros_like(pilot), pilot), n_items=120).options
    assert 3 <= option.n_seeds <= 12
    seen = 0
    for k in range(500):
        x = experiment(option.n_seeds, 120, 0.3)
        seen += gain(np.zeros_like(x), x, seed=k, n_replicates=1000).low > 0
    error = (option.power * (1 - option.power) / 500) ** 0.5
    assert abs(seen / 500 - option.power) < 4 * error


def test_too_few_items_cannot_be_saved_by_seeds():
    """Catches a plan that promises power where the shared test set is too small."""
    rng = np.random.default_rng(0)
    pilot = rng.normal(size=200) + 0.1 * rng.normal(size=(5, 200))
    result = plan(0.05, pilot=(np.zeros_like(pilot), pilot), n_items=(200, 20_000))
    assert result.options[0].n_seeds is None
    assert result.options[1].n_seeds is not None
    assert 200 < result.smallest_test_set < 20_000


def test_gap_turns_ratios_into_scores():
    """Catches a target in PGR with a pilot in accuracy: both must give the same plan."""
    x = np.random.default_rng(0).normal(0, 0.1, size=(6, 300))
    y = x + np.random.default_rng(1).normal(0, 0.02, size=(6, 1))
    seeds = [
        [o.n_seeds for o in p.options] for p in (plan(0.1, (x, y), gap=0.2), plan(0.02, (x, y)))
    ]
    assert seeds[0] == seeds[1]
    assert plan(0.1, (x, y)).options[0].n_seeds < seeds[0][0]
    assert plan(0.05, sd=0.1, gap=0.2).options == plan(0.05, sd=0.1).options


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "exactly one of pilot"),
        ({"sd": 0.1, "pilot": (np.ones((2, 5)), np.ones((2, 5)))}, "exactly one of pilot"),
        ({"sd": -0.1}, "sd must be above 0"),
        ({"sd": 0.1, "power": 80}, "power must be below 1"),
        ({"sd": 0.1, "item_sd": 0.3}, "n_items must be given"),
        ({"pilot": (np.ones((2, 5)), np.ones((3, 5)))}, "two arrays of one shape"),
    ],
)
def test_plan_refusals(options, words):
    """Catches percentages for shares and half-given arguments."""
    with pytest.raises(ValueError, match=words):
        plan(0.05, **options)


def test_stopping_rule_keeps_its_error_rate():
    """Catches looks at the plain level: four looks at 95 % err in about 12 % of experiments."""
    rule = stopping_rule((4, 6, 8, 12), n_simulations=40_000)
    assert rule.error_rate_se < 0.0012
    assert abs(rule.error_rate - 0.05) < 4 * 2**0.5 * rule.error_rate_se
    assert rule.look_level > 0.97
    assert rule.seeds_used(3.0) < 6 < rule.seeds_used(0.0)


def test_stopping_rule_in_use():
    """Catches a decision at the plain level, looks that were not planned, a wrong last look.

    300 experiments without a difference, with shared test items, decided by ``decide`` itself: the
    share that ever stops for a difference must be at most 5 % plus 4 standard errors.
    """
    rule = stopping_rule((3, 5), n_simulations=40_000)
    rng = np.random.default_rng(0)
    false = 0
    for _ in range(150):
        items = rng.normal(size=30)
        x = items + rng.normal(size=(5, 1)) + rng.normal(size=(5, 30))
        decisions = [rule.decide(np.zeros((k, 30)), x[:k]) for k in rule.looks]
        false += any("differ by" in d.sentence for d in decisions)
        assert decisions[-1].stop
    assert 1 <= false <= 150 * 0.05 + 4 * (150 * 0.05 * 0.95) ** 0.5
    with pytest.raises(ValueError, match="looks after 3, 5 seeds, got 4"):
        rule.decide(np.zeros((4, 30)), x[:4])
    with pytest.raises(ValueError, match="looks must rise"):
        stopping_rule((4, 4))
