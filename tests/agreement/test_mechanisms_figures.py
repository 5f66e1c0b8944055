"""Every figure's claims hold; the small ones here, all of them when slow tests run."""

import pytest

from w2sg.studies.mechanisms import FIGURES, figure_study

SMALL = {
    "F1": {"d": 120, "repetitions": 4},
    "E2": {"d": 200, "repetitions": 6},
    "E7": {},
    "E9": {"d": 200},
}


@pytest.mark.parametrize("name", SMALL)
def test_claims_hold_at_small_sizes(name):
    """Catches a formula that no longer matches its simulation or its listed numbers."""
    study = figure_study(name)(**SMALL[name])
    assert [claim for claim in study.claims if not claim.holds] == []
    assert len(study.claims) >= 3
    assert len(study.figure.axes) >= 1


@pytest.mark.slow
@pytest.mark.parametrize("name", FIGURES)
def test_claims_hold(name):
    """The figures as `w2sg reproduce mechanisms` makes them, with another seed."""
    if name == "E8":
        pytest.importorskip("torch")
    study = figure_study(name)(seed=1)
    assert [claim for claim in study.claims if not claim.holds] == []
