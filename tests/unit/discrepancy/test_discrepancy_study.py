"""The reproduced figures: claims hold, and the claims can fail."""

import dataclasses

import numpy as np
import pytest

from w2sg.figures import to_svg
from w2sg.studies import discrepancy as study


@pytest.fixture(scope="module")
def measured():
    return study.measure(trials=12, seed=1)


@pytest.mark.parametrize("name", ["excess_risks", "gap_ratios"])
def test_claims_hold_and_the_figure_draws(measured, name):
    result = getattr(study, name)(measured)
    assert [claim.statement for claim in result.claims if not claim.holds] == []
    assert to_svg(result.figure).startswith("<svg")
    assert all(np.isfinite(values).all() for values in result.arrays.values())


def test_swapping_the_overlaps_breaks_the_claims(measured):
    # the slip of the published notebook: low-overlap measurements drawn as high-overlap ones
    swapped = {
        (sweep, 100 - d_sw, sigma2): risks
        for (sweep, d_sw, sigma2), risks in measured.risks.items()
    }
    wrong = dataclasses.replace(measured, risks=swapped)
    assert not study.excess_risks(wrong).claims[0].holds
    assert not study.gap_ratios(wrong).claims[0].holds


def test_one_seed_one_result(measured):
    again = study.measure(trials=2, seed=1)
    key = ("N", 50, 0.01)
    np.testing.assert_array_equal(again.risks[key], measured.risks[key][:2])


def test_too_few_trials_are_refused():
    with pytest.raises(ValueError, match="trials must be at least 2"):
        study.measure(trials=1)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("pgr_lower_bound", lambda bound: bound + 3),
        ("opr_lower_bound", lambda bound: bound + 3),
        ("pgr_lower_bound", lambda bound: bound - 0.1),
        ("opr_lower_bound", lambda bound: 0.9 * bound),
        ("pgr_lower_bound", lambda bound: bound + 0.2),
    ],
)
def test_a_wrong_bound_fails_a_claim(monkeypatch, name, wrong):
    # Shape alone (it rises, it peaks there) does not tell a bound from the bound plus 3.
    bound = getattr(study, name)
    monkeypatch.setattr(study, name, lambda *args: wrong(bound(*args)))
    assert not all(claim.holds for claim in study.bound_illustration().claims)


@pytest.mark.parametrize("factor", [0.95, 1.05])
@pytest.mark.parametrize(
    ("predictor", "name"),
    [(1, "gap_ratios"), (2, "gap_ratios")] + [(k, "excess_risks") for k in range(4)],
)
def test_a_risk_that_is_off_by_five_per_cent_fails_a_claim(measured, predictor, name, factor):
    # Twelve trials are enough: the distance of a whole curve is tested beside that of its points.
    risks = {key: values.copy() for key, values in measured.risks.items()}
    for values in risks.values():
        values[..., predictor] *= factor
    wrong = getattr(study, name)(dataclasses.replace(measured, risks=risks))
    assert not all(claim.holds for claim in wrong.claims if "agree" in claim.statement)
