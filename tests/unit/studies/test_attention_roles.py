"""The two stages on real text: cells, the rule that chooses, verdicts."""

import itertools

import numpy as np
import pandas as pd
import pytest

from w2sg.gain import compare
from w2sg.runs.sweep_spec import load_sweep
from w2sg.studies.attention import drawings
from w2sg.studies.attention.roles import (
    CELL,
    CHOICE_SEEDS,
    FRESH_SEEDS,
    HEAD_RATE,
    RATIOS,
    ROLES,
    Arm,
    Claim,
    base_rates,
    candidates,
    choice_sweep,
    choose,
    claims,
    comparison_arms,
    comparison_sweep,
    verdicts,
)


def table(accuracy):
    """Return what a sweep over all candidates returns, with given accuracies."""
    rows = [(a.roles, a.lr, a.ratio, accuracy(a)) for a in candidates()]
    return pd.DataFrame(rows, columns=[*CELL, "student"])


def test_every_set_meets_three_rates_and_ratios_where_v_trains():
    """Catches a ratio given to a set without V, where it would change nothing but cost."""
    cells = {roles: [a for a in candidates() if a.roles == roles] for roles in ROLES}
    for roles, some in cells.items():
        ratios = RATIOS if roles in ("v", "qv", "kv", "qkv", "full") else (1.0,)
        expected = itertools.product(base_rates(roles), ratios)
        assert [(a.lr, a.ratio) for a in some] == list(expected)


def test_the_best_cell_is_chosen_and_ties_go_to_the_plainer_one():
    """Catches a tie that falls to the larger ratio, which would flatter the paper's claim."""
    best = {"v": Arm("v", 1e-3, 4.0), "k": Arm("k", 1e-2)}
    chosen = choose(table(lambda a: 0.9 if best.get(a.roles) == a else 0.5))
    assert chosen["v"] == best["v"]
    assert chosen["k"] == best["k"]
    assert chosen["qv"] == Arm("qv", 3e-4, 1.0)
    tied = choose(table(lambda a: float(a.lr * a.ratio >= 2e-3)))
    assert tied["qv"] == Arm("qv", 3e-3, 1.0)


def test_a_diverged_cell_is_not_chosen():
    """Catches NaN that compares as best, and a choice from nothing."""
    chosen = choose(table(lambda a: np.nan if a.ratio == 1 and a.roles == "qv" else 0.5))
    assert chosen["qv"].ratio == 2
    with pytest.raises(ValueError, match="no finished cell of 'qkv'"):
        choose(table(lambda a: np.nan if a.roles == "qkv" else 0.5))


def test_stage_two_holds_the_equal_rates_and_a_larger_rate_of_v():
    """Catches a comparison without its control: the missing equal rates of the published table."""
    arms = comparison_arms(table(lambda a: a.lr))  # ties between ratios: all choose ratio 1
    for roles in ("qv", "full"):
        assert {Arm(roles, lr) for lr in base_rates(roles)} <= set(arms.values())
    assert arms["qv"] == arms["qv equal"] == Arm("qv", 3e-3)
    assert arms["qv larger V"] == Arm("qv", 3e-3, 2.0)
    control = [c for c in claims(arms) if "best equal rate" in c.statement]
    assert [(c.better, c.other) for c in control] == [(arms["qv larger V"], arms["qv equal"])]


def test_the_sweeps_can_be_run():
    """Catches twin cells, a head that follows the body's rate, and seeds used for the choice."""
    data = {"bundled": "vader_tweets"}
    first = load_sweep(choice_sweep(data, "store"))
    assert len(first.cells) == 69
    arms = comparison_arms(table(lambda a: a.lr)).values()
    second = load_sweep(comparison_sweep(data, arms, "store"))
    assert len(second.cells) == len(set(arms))
    assert {c.spec.student.lr_head for c in (*first.cells, *second.cells)} == {HEAD_RATE}
    assert {c.spec.run.references for c in first.cells} == {()}
    assert {c.spec.run.references for c in second.cells} == {("ceiling",)}
    assert not set(CHOICE_SEEDS) & set(FRESH_SEEDS)
    settings = {
        (c.spec.student.policy, c.spec.student.lr, c.spec.student.ratio) for c in first.cells
    }
    assert settings == {(a.roles, a.lr, a.ratio) for a in candidates()}


def test_verdicts_find_what_is_there():
    """Catches a swapped sign, a forgotten margin, and a verdict on noise."""
    rng = np.random.default_rng(3)
    skill = rng.random((5, 1000))
    good, same, bad = Arm("v", 1e-3), Arm("qv", 1e-3), Arm("k", 1e-3)
    noise = rng.random((5, 1000))
    correct = {
        good: skill < 0.85,
        same: np.where(noise < 0.02, rng.random((5, 1000)), skill) < 0.85,
        bad: skill < 0.75,
    }
    stated = [
        Claim("ahead", good, bad),
        Claim("behind", bad, good),
        Claim("no difference", same, good),
        Claim("as well", same, good, 0.02),
        Claim("as well, and it is not", bad, good, 0.02),
    ]
    found = verdicts(stated, {"here": correct})
    words = ["holds", "fails", "not distinguishable", "holds", "fails"]
    assert [v.verdict for v in found] == words
    assert found[0].difference == pytest.approx((skill < 0.85).mean() - (skill < 0.75).mean())
    assert found[0].low < found[0].difference < found[0].high


def test_many_claims_on_noise_are_not_decided():
    """Catches verdicts without a correction for their number: 60 at 5 % would decide three."""
    rng = np.random.default_rng(0)
    arms = [Arm("qv", float(i + 1)) for i in range(61)]
    correct = {"noise": {arm: rng.random((5, 200)) < 0.7 for arm in arms}}
    stated = [Claim("better", arm, arms[0]) for arm in arms[1:]]
    assert {v.verdict for v in verdicts(stated, correct)} == {"not distinguishable"}


def test_the_heat_map_frames_the_chosen_cell():
    """Catches a frame that stands elsewhere than the cell that stage 2 trains."""
    best = Arm("kv", 1e-3, 8.0)
    found = table(lambda a: 0.9 if a == best else 0.5)
    figure = drawings.draw_choice(found, choose(found))
    panel = next(axes for axes in figure.axes if axes.get_title() == "kv")
    (frame,) = panel.patches
    assert (frame.get_x() + 0.47, frame.get_y() + 0.47) == (3, 1)
    shown = {(t.get_position()): t.get_text() for t in panel.texts}
    assert shown[3, 1] == "90"


def test_differences_are_drawn_where_they_are():
    """Catches panels in another order than their titles, and arms in another than their names."""
    rng = np.random.default_rng(0)
    skill = rng.random((3, 50))
    runs = {"ref": skill < 0.6, "up": skill < 0.8, "down": skill < 0.4}
    figure = drawings.draw_comparison(
        {"here": compare(runs, "ref"), "there": compare({**runs, "up": skill < 0.7}, "ref")}
    )
    for panel, up in zip(figure.axes, (0.8, 0.7), strict=True):
        points = [float(line.get_xdata()[0]) for line in panel.lines if line.get_marker() == "o"]
        expected = [100 * (((skill < x).mean()) - (skill < 0.6).mean()) for x in (up, 0.4)]
        assert points == pytest.approx(expected)
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == ["up", "down"]
