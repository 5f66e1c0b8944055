"""`w2sg plan` as a user calls it."""

import json

import numpy as np
import pytest

from w2sg.cli.plan import plan


def test_numbers_are_those_of_the_library(capsys):
    """Catches an option that is read but not passed on."""
    assert plan(0.05, sd=0.1, paired=False, hours_per_run=1.8, as_json=True) == 0
    (option,) = json.loads(capsys.readouterr().out)["options"]
    assert option["n_seeds"] == 64
    assert option["hours"] == pytest.approx(2 * 64 * 1.8)


def test_pilot_files(tmp_path, capsys):
    """Catches reference and method mixed up with other files, csv read by column."""
    rng = np.random.default_rng(0)
    reference = (rng.random((4, 300)) < 0.7).astype(float)
    method = (rng.random((4, 300)) < 0.75).astype(float)
    np.save(tmp_path / "a.npy", reference)
    np.savetxt(tmp_path / "b.csv", method, delimiter=",")
    assert plan(0.05, reference=tmp_path / "a.npy", method=tmp_path / "b.csv", n_items="1000") == 0
    out = capsys.readouterr().out
    assert "1,000" in out
    assert "test items" in out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "exactly one of pilot"),
        ({"sd": 0.1, "n_items": "5e2"}, "--n-items must be whole numbers"),
        ({"reference": "x.npy"}, "both --reference and --method"),
        ({"sd": -1}, "sd must be above 0"),
    ],
)
def test_errors_are_one_line_and_status_two(options, words, capsys):
    """Catches a traceback, or a zero status after an error."""
    assert plan(0.05, **options) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
