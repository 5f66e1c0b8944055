"""Steps to a fixed loss: where a curve crosses, how designs differ, what is claimed."""

import numpy as np
import pytest
from scipy import stats
from subprocesses import run_python

from w2sg.studies.attention import convergence
from w2sg.studies.attention.convergence import TRAININGS, relative, settings, study
from w2sg.studies.attention.curve import Curve, steps_to

WITHOUT_TORCH = """
import sys

class NoTorch:
    def find_spec(self, name, *_):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")

sys.meta_path.insert(0, NoTorch())
from w2sg.cli.reproduce import reproduce
assert reproduce() == 0
assert reproduce("attention", "DESK") == reproduce("attention", "CONVERGENCE") == 2
"""


def simulated(speed, floor=0.1, n_steps=64):
    """Return a measure whose losses fall as floor + exp(−speed·t), with seeds that differ."""

    def measure(lr_q, lr_v, seed):
        rate = speed(lr_q, lr_v) * (1 + 0.02 * (seed % 5))
        steps = np.arange(1.0, n_steps + 1)
        losses = floor + np.exp(-rate * steps)
        return Curve(losses, losses, steps, 0.1)

    return measure


def by_words(found, words):
    """Return the claims whose statement has some words."""
    return [claim for claim in found.claims if words in claim.statement]


def test_designs_keep_what_they_say():
    """Catches a mean that is not kept, and a control with another rate of V."""
    for s in settings(1e-3):
        if s.design == "base":
            assert (s.lr_q, s.lr_v) == (1e-3, pytest.approx(s.ratio * 1e-3))
        if s.design == "mean":
            assert (s.lr_q + s.lr_v) / 2 == pytest.approx(1e-3)
            assert s.lr_v / s.lr_q == pytest.approx(s.ratio)
    base = {s.ratio: s.lr_v for s in settings(1e-3) if s.design == "base"}
    assert all(
        s.lr_q == s.lr_v == pytest.approx(base[s.ratio])
        for s in settings(1e-3)
        if s.design == "both"
    )


def test_crossing_is_found_between_measurements():
    """Catches the later of two measurements, a second crossing, and a target never reached."""
    steps = np.array([10.0, 20.0, 30.0, 40.0])
    assert steps_to(steps, np.array([1.0, 0.6, 0.8, 0.2]), 0.7) == pytest.approx(17.5)
    assert steps_to(steps, np.array([0.5, 0.6, 0.8, 0.2]), 0.7) == 10
    assert steps_to(steps, np.array([1.0, 0.9, 0.8, 0.75]), 0.7) == np.inf


def test_interval_is_that_of_a_paired_t_test():
    """Catches an unpaired interval and one on the wrong scale; SciPy is the other road."""
    rng = np.random.default_rng(1)
    control = rng.uniform(20, 60, 5)
    steps = control * np.exp(rng.normal(-0.3, 0.1, 5))
    other = stats.ttest_rel(np.log(steps), np.log(control)).confidence_interval(0.9)
    mid, low, high = relative(steps, control, 0.9)
    assert (low, high) == pytest.approx((np.exp(other.low), np.exp(other.high)))
    assert mid == pytest.approx(stats.gmean(steps / control))


def test_speed_of_v_alone_speaks_for_the_ratio_but_not_against_the_control():
    """If only η_V matters, larger ratios are sooner, and no sooner than both rates times r."""
    found = study(measure=simulated(lambda q, v: 60 * v, floor=0.0))
    assert found.arrays["best_equal_rate"] == max(convergence.EQUAL_RATES)
    assert all(claim.holds for claim in by_words(found, "best equal rate"))
    assert all(claim.holds for claim in by_words(found, "mean rate kept"))
    assert not any(claim.holds for claim in by_words(found, "not the larger step"))


def test_speed_of_the_mean_rate_does_not_speak_for_the_ratio():
    """Catches a claim that mistakes a larger mean rate for a ratio."""
    found = study(measure=simulated(lambda q, v: 30 * (q + v)))
    assert all(claim.holds for claim in by_words(found, "best equal rate"))
    assert not any(claim.holds for claim in by_words(found, "mean rate kept"))
    row = list(zip(found.arrays["lr_q"], found.arrays["lr_v"], strict=True))
    best = float(found.arrays["best_equal_rate"][0])
    four = found.arrays["steps_held-out"][row.index((best, pytest.approx(4 * best)))]
    assert four == pytest.approx(found.arrays["steps_held-out"][0] / 2.5, rel=0.05)


def test_runs_that_never_arrive_are_told_and_decide_nothing():
    """Catches an infinity that is averaged, or dropped in silence."""
    best = convergence.EQUAL_RATES[-1]
    found = study(measure=simulated(lambda q, v: 60 * v if v <= best else 1e-6))
    for claim in by_words(found, "best equal rate"):
        assert not claim.holds
        assert "reached by 0 of 5, control 5" in claim.found


def test_a_stopped_study_goes_on_where_it_was(tmp_path, monkeypatch):
    """Catches a study that starts anew, mixes up curves, or trips over a line cut by the stop."""
    measure = simulated(lambda q, v: 60 * v)
    calls = []

    def stopping(lr_q, lr_v, seed):
        if len(calls) == 20:
            raise KeyboardInterrupt
        calls.append((lr_q, lr_v, seed))
        return measure(lr_q, lr_v, seed)

    with pytest.raises(KeyboardInterrupt):
        study(measure=stopping, folder=tmp_path)
    file = tmp_path / TRAININGS
    assert len(file.read_text().splitlines()) == 20
    with file.open("a") as out:
        out.write('{"of": {"mod')
    rest, lines = [], []

    def counting(*given):
        rest.append(given)
        return measure(*given)

    found = study(measure=counting, folder=tmp_path, tell=lines.append)
    assert not set(calls) & set(rest)
    assert len(lines) == len(calls) + len(rest) == len(file.read_text().splitlines()) == 53
    assert lines[0].startswith("training 1 of 53, ")
    assert "kept from before" in lines[19]
    whole = study(measure=measure)
    for name, array in whole.arrays.items():
        np.testing.assert_array_equal(found.arrays[name], array)
    assert found.claims == whole.claims
    monkeypatch.setattr(convergence, "N_TRAIN", 64)  # other curves than those kept
    again = []
    study(measure=lambda *given: again.append(given) or measure(*given), folder=tmp_path)
    assert len(again) == 53


def test_a_training_is_a_function_of_its_seed(monkeypatch):
    """Catches pairs that are none: other rows, order or head between two ratios of one seed."""
    monkeypatch.setattr(convergence, "N_TRAIN", 64)
    monkeypatch.setattr(convergence, "N_HELD_OUT", 16)
    first, again = (convergence.trained(1e-3, 1e-3, 0) for _ in range(2))
    other = convergence.trained(1e-3, 4e-3, 0)
    assert np.array_equal(first.training, again.training)
    assert np.array_equal(first.held_out, again.held_out)
    assert first.training[0] == other.training[0]
    assert first.training[-1] != other.training[-1]
    assert first.held_out_steps[-1] == len(first.training) == 4
    assert first.step_seconds > 0


def test_figures_need_torch_and_say_so():
    """Catches a figure that is listed as available and breaks in the middle without torch."""
    run = run_python(WITHOUT_TORCH)
    assert run.returncode == 0, run.stderr
    assert "torch" in run.stderr
