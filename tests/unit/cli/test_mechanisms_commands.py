"""`w2sg theory ridge|weighted|multi-index` and `w2sg reproduce`, as a user runs them."""

import json

import numpy as np
import pytest
from subprocesses import run_python

from w2sg.cli import reproduce as reproduce_module
from w2sg.cli.reproduce import reproduce
from w2sg.cli.theory.mechanisms import multi_index, ridge, weighted
from w2sg.studies import mechanisms
from w2sg.studies.study import Claim, Study
from w2sg.theory import ridge as theory

WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None
from w2sg.cli import app
import w2sg.theory.ridge, w2sg.theory.weighted_ridge, w2sg.theory.random_features
import w2sg.theory.multi_index, w2sg.theory.simulate.multi_index
from w2sg.cli.reproduce import reproduce
from w2sg.cli.theory.mechanisms import ridge
assert ridge(lam_t="0.1,0.2", as_json=True) == 0
assert reproduce("mechanisms", "E9", as_json=True) == 0
assert reproduce("mechanisms", "E8") == 2
assert "pandas" not in sys.modules and "sklearn" not in sys.modules
"""


def test_everything_but_the_networks_works_without_torch():
    """Catches an import of torch anywhere on the way to the numbers."""
    run = run_python(WITHOUT_TORCH)
    assert run.returncode == 0, run.stderr
    assert "torch" in run.stderr


def test_ridge_writes_what_it_computes(tmp_path, capsys):
    """Catches axes swapped between theory, JSON and figure."""
    status = ridge(
        gamma_s="0.5,1.5", lam_t="0.05,0.1,0.3", lam_s="0.01:1", draw_map=True, simulate=True,
        d=40, repetitions=3, out=tmp_path,
    )  # fmt: skip
    assert status == 0
    assert {path.name for path in tmp_path.iterdir()} == {"ridge.svg", "ridge.png", "ridge.json"}
    record = json.loads((tmp_path / "ridge.json").read_text(encoding="utf-8"))
    right = record["students"][1]
    assert right["win_low"] == [pytest.approx(0.127739, abs=1e-6), None, None]
    point = theory.two_stage(0.5, 1.5, 0.3, record["lam_s"][3], 1.0).difference
    assert right["difference"][2][3] == pytest.approx(float(point), rel=1e-12)
    assert np.shape(right["simulated_difference"]) == (3, 25)
    text = capsys.readouterr().out
    assert "0.695854" in text
    assert "■" in text


def test_reused_inputs_need_the_same_ratio(capsys):
    """Catches a traceback in place of one line."""
    assert ridge(inputs="reused") == 2
    assert "--gamma-s must equal --gamma-t" in capsys.readouterr().err
    assert ridge(inputs="reused", gamma_s="0.5", lam_t="0.01,0.5") == 0
    assert "0.414214" in capsys.readouterr().out


def test_weighted_and_multi_index(tmp_path, capsys):
    """Catches a table that disagrees with the published numbers."""
    assert weighted(lam_t=0.5, simulate=True, repetitions=3, out=tmp_path) == 0
    assert multi_index(simulate=True, repetitions=3, out=tmp_path) == 0
    text = capsys.readouterr().out
    for number in ("0.434742", "0.189605", "0.284134", "0.532815", "0.897800"):
        assert number in text
    record = json.loads((tmp_path / "weighted.json").read_text(encoding="utf-8"))
    best = [student["best_risk"] for student in record["students"]]
    assert best[2:] == pytest.approx([0.385310, 0.354327, 0.342361], abs=1e-3)
    assert (tmp_path / "multi-index.svg").stat().st_size > 1000


@pytest.mark.parametrize(
    ("command", "options", "text"),
    [
        (ridge, {"gamma_t": -1.0}, "gamma_t"),
        (ridge, {"lam_t": "1:0.1"}, "--lam-t must run"),
        (ridge, {"lam_t": "0.1", "draw_map": True}, "at least two values"),
        (weighted, {"penalty_power": "steep"}, "--penalty-power must be"),
        (weighted, {"gamma_t": 0.0}, "--gamma-t"),
        (multi_index, {"a": "0,0"}, "a must have"),
        (multi_index, {"gamma_s": 0.0, "simulate": True}, "--simulate needs"),
    ],
)
def test_bad_options_are_one_line(command, options, text, capsys):
    """Catches tracebacks, and errors on standard output."""
    assert command(**options) == 2
    captured = capsys.readouterr()
    assert text in captured.err
    assert captured.err.count("\n") == 1


def test_an_unwritable_folder_is_one_line(tmp_path, capsys):
    """Catches the traceback of --out naming a file."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert weighted(out=tmp_path / "file") == 2
    assert "cannot write to --out" in capsys.readouterr().err


def test_reproduce_writes_one_figure_and_names_what_it_does_not_know(tmp_path, capsys):
    """Catches a figure whose claims are not in its JSON."""
    assert reproduce("mechanisms", "e9", out=tmp_path) == 0
    record = json.loads((tmp_path / "mechanisms-E9.json").read_text(encoding="utf-8"))
    assert all(claim["holds"] for claim in record["claims"])
    assert len(record["arrays"]["theta"]) == 321
    assert (tmp_path / "mechanisms-E9.svg").read_text(encoding="utf-8").startswith("<svg")
    assert reproduce("alchemy") == 2
    assert reproduce("mechanisms", "F9") == 2
    assert "figure must be one of F1" in capsys.readouterr().err
    assert reproduce() == 0
    assert "E7" in capsys.readouterr().out


def test_a_failed_claim_is_exit_status_1(monkeypatch, capsys):
    """Catches a study that prints FAILS and leaves with success."""
    from w2sg.figures import new_figure

    study = Study({}, new_figure()[0], (Claim("the sky is green", "blue", False),))
    monkeypatch.setattr(mechanisms, "figure_study", lambda name: lambda: study)
    assert reproduce_module.reproduce("mechanisms", "F1") == 1
    assert "FAILS" in capsys.readouterr().out


def test_subjects_do_not_overwrite_each_other(monkeypatch, tmp_path):
    """Catches E2.json of bias-variance in the place of E2.json of mechanisms."""
    from w2sg.figures import new_figure
    from w2sg.studies import bias_variance

    for number, package in enumerate((mechanisms, bias_variance)):
        study = Study({"x": np.array([float(number)])}, new_figure()[0], ())
        monkeypatch.setattr(package, "figure_study", lambda name, study=study: lambda: study)
    for subject in ("mechanisms", "bias-variance"):
        assert reproduce(subject, "E2", out=tmp_path) == 0
    for number, subject in enumerate(("mechanisms", "bias-variance")):
        record = json.loads((tmp_path / f"{subject}-E2.json").read_text(encoding="utf-8"))
        assert record["arrays"]["x"] == [number]
    assert len(list(tmp_path.iterdir())) == 6


def test_a_long_figure_keeps_its_trainings_in_a_folder_of_its_own(monkeypatch, tmp_path):
    """Catches trainings of two long figures in one folder, and a folder refused too late."""
    from w2sg.figures import new_figure
    from w2sg.studies import attention

    folders = []

    def long_study(folder, tell):
        folders.append(folder)
        assert folder.is_dir()
        return Study({}, new_figure()[0], ())

    monkeypatch.setattr(attention, "figure_study", lambda name: long_study)
    assert reproduce("attention", "CONVERGENCE", out=tmp_path) == 0
    assert folders == [tmp_path / "attention-CONVERGENCE"]
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "attention-CONVERGENCE").write_text("a file of the user")
    assert reproduce("attention", "CONVERGENCE", out=tmp_path / "other") == 2
    assert len(folders) == 1


def test_an_undecided_claim_is_said_and_is_no_failure(monkeypatch, capsys):
    """Catches exit status 1, or "holds", for what the draws cannot tell."""
    from w2sg.figures import new_figure

    open_claim = Claim("more is better", "two seeds", True, decided=False)
    study = Study({}, new_figure()[0], (open_claim,))
    monkeypatch.setattr(mechanisms, "figure_study", lambda name: lambda: study)
    assert reproduce("mechanisms", "F1") == 0
    assert "cannot be" in capsys.readouterr().out
    assert reproduce("mechanisms", "F1", as_json=True) == 0
    [claim] = json.loads(capsys.readouterr().out)["F1"]["claims"]
    assert (claim["holds"], claim["verdict"]) == (True, "cannot be told")
