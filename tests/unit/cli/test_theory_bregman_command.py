"""`w2sg theory bregman` as a user calls it."""

import json

import pytest

from w2sg.cli.theory.bregman import bregman


def test_prints_the_table_of_widths(capsys):
    assert bregman() == 0
    text = capsys.readouterr().out
    assert "0.6404" in text  # the floor
    assert "∞" in text


def test_writes_figure_and_numbers(tmp_path, capsys):
    assert bregman(width="20:80,inf", draws=50, out=tmp_path / "deep", as_json=True) == 0
    record = json.loads((tmp_path / "deep" / "bregman.json").read_text(encoding="utf-8"))
    assert json.loads(capsys.readouterr().out) == record
    assert record["width"] == [20, 40, 80, None]
    for gap, misfit, residual in zip(
        record["gap"], record["misfit"], record["residual"], strict=True
    ):
        assert gap == pytest.approx(misfit + residual, abs=1e-10)
    assert len(record["simulated"]) == 4
    assert (tmp_path / "deep" / "bregman.svg").read_text(encoding="utf-8").startswith("<svg")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"width": "20,x"}, "--width must be a list"),
        ({"width": "80:20"}, "--width must be a list"),
        ({"n": 0}, "n must be a whole number of at least 1"),
        ({"d": 0}, "--d must be from 1 to"),
        ({"tau2": -1.0}, "tau2 must be above 0"),
        ({"draws": 1}, "n_draws >= 2"),
    ],
)
def test_bad_numbers_end_with_status_two(given, words, capsys):
    assert bregman(**given) == 2
    captured = capsys.readouterr()
    assert words in captured.err
    assert captured.out == ""
