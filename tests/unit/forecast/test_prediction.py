"""Predictions, their calibration, the verdict and the advice."""

from dataclasses import replace

import numpy as np
import pytest
from forecast_problems import noisy_column, weak_probe

from w2sg import arms
from w2sg.forecast import Evidence, Record, RecordedCell, forecast
from w2sg.forecast.advice import Cost, _worth
from w2sg.forecast.observed import Contest, Observed, root_curve
from w2sg.forecast.prediction import NORMAL, predict


def _observed(share=0.2, rows=40, net=20, n=200):
    contests = {way: Contest(share, rows, net) for way in arms.ways()}
    return Observed(n, 2000, 1000, (40, 80, 160), (0.7, 0.7, 0.7), (0.7, 0.75, 0.8), contests, 0.1)


def _cell(name, family, gain, **given):
    observed = _observed(**given)
    accuracy = {"teacher": 0.7, "ceiling": 0.85} | dict.fromkeys(arms.ways(), 0.7 + gain)
    return RecordedCell(name, family, "tfidf", "frozen", observed, accuracy, 0.01, 1.0, 2.0)


def test_gain_is_share_times_shrunk_advantage():
    # catches a gain that forgets the share of disputed rows or the prior's weight
    before = Record().advantage("student")
    won = (20 + before.rows * before.mean) / (40 + before.rows)
    found = predict(_observed(), Record())
    assert found.gain["student"].estimate == pytest.approx(0.2 * won)
    assert found.accuracy["student"].estimate == pytest.approx(0.7 + 0.2 * won)
    assert not found.calibrated


def test_record_shrinks_towards_what_other_cells_won():
    # catches a prior taken from the gain instead of the gain per disputed row
    cells = tuple(_cell(str(i), str(i), 0.16) for i in range(12))
    known = Record(cells).advantage("student")
    assert known.mean == pytest.approx(0.16 / 0.2)
    assert known.rows == 200.0  # all alike: the most that a prior may weigh


def test_interval_is_calibrated_on_what_was_missed_without_the_family():
    # catches intervals that stay normal when recorded forecasts missed by far more
    rng = np.random.default_rng(0)
    cells = tuple(_cell(str(i), str(i), g) for i, g in enumerate(rng.normal(0.1, 0.15, 20)))
    wide = predict(_observed(), Record(cells)).gain["student"]
    assert wide.high - wide.low > 2 * NORMAL * wide.sd * 1.2
    alike = tuple(_cell(str(i), str(i), 0.1) for i in range(20))
    narrow = predict(_observed(), Record(alike)).gain["student"]
    assert narrow.high - narrow.low < wide.high - wide.low


def test_curve_never_falls():
    # catches an extrapolation that a noisy dip turns downwards
    curve = root_curve(np.array([50, 100, 200]), np.array([0.8, 0.75, 0.7]))
    assert curve.at(10_000) == curve.at(50) == 0.7


def test_denoising_a_given_column_is_forecast_within_its_interval():
    # catches a wrong sign or scale of the gain: 30 % flips on a linear truth are averaged away
    evidence, x_new, y_new = noisy_column(n=150, flip=0.3)
    found = forecast(evidence, record=Record())
    from w2sg.forecast import fit_arms

    n = evidence.n
    ways = fit_arms(evidence.strong[:n], evidence.truth, evidence.strong[n:], evidence.teacher[n:])
    student = (ways.scores(x_new)["student"].argmax(axis=1) == y_new).mean()
    gain = found.prediction.gain["student"]
    assert gain.low < student - 0.7 < gain.high
    assert gain.low > 0
    assert found.prediction.pgr.estimate > 0.5
    assert found.spaces.weak is None
    assert "given" in found.spaces.reasons["overlap"]


def test_clear_labels_and_useless_column_mean_do_not_train():
    # catches a verdict that looks at the gain over the teacher alone
    evidence, *_ = noisy_column(n=400, flip=0.48, d=6)
    found = forecast(evidence, record=Record())
    assert found.verdict.answer == "do not train"
    assert "labels alone" in found.verdict.reason


def test_few_clean_labels_and_a_fair_column_mean_train():
    # catches a verdict that never says train
    evidence, *_ = noisy_column(n=40, flip=0.25, d=60)
    found = forecast(evidence, record=Record())
    assert found.verdict.answer == "train"
    assert found.advice.way in ("student", "student_then_labels", "mixed")


def test_advice_counts_and_theory_are_there():
    found = forecast(weak_probe(), record=Record())
    assert {s.name for s in found.advice.settings} == {"loss", "policy", "penalty", "n", "N"}
    assert "100 more labels" in found.advice.worth
    assert found.spaces.overlap is not None
    assert found.spaces.overlap_low <= found.spaces.overlap <= found.spaces.overlap_high
    assert found.overlay.penalty_best is not None
    anchored = [r for r in found.overlay.residuals if r.anchored]
    for row in anchored:  # the theory goes through the point that its noise was taken from
        assert row.theory == pytest.approx(row.measured)


def test_advice_does_not_contradict_itself():
    """Catches "worth more" of two equal numbers, and a head where the weights should move."""
    assert "worth the same" in _worth(0.04, -0.04)
    assert _worth(1.6, 0.0).startswith("100 more labels are worth more than 5,000 more unlabelled")
    assert _worth(0.0, 1.6).startswith("5,000 more unlabelled texts are worth more than 100 more")
    found = forecast(weak_probe(), record=Record(), policy="head")
    policy = next(s for s in found.advice.settings if s.name == "policy")
    assert policy.measured == (policy.value == "head")


def test_hours_without_a_number_of_seeds_are_those_of_the_spec():
    """Catches three seeds that nobody asked for."""
    evidence = replace(weak_probe(), n_test=20, n_seeds=5)
    advice = forecast(evidence, record=Record(), cost=Cost(7200.0, 2, "measured")).advice
    assert advice.seeds is None
    assert advice.hours == pytest.approx(20)
    assert advice.hours_reason.startswith("5 seeds × 2 trainings × 7,200 s")


def test_pgr_is_withheld_without_a_gap():
    # catches a ratio to nothing
    observed = Observed(
        60, 500, 300, (12, 24, 48), (0.8, 0.8, 0.8), (0.8, 0.8, 0.8),
        {way: Contest(0.05, 3, 0) for way in arms.ways()}, 0.01,
    )  # fmt: skip
    found = predict(observed, Record())
    assert found.pgr.estimate is None
    assert "gap" in found.pgr.reason


def test_evidence_types_are_kept_apart():
    evidence = weak_probe()
    assert isinstance(evidence, Evidence)
    assert (evidence.n, evidence.N, evidence.n_classes) == (120, 1000, 2)
