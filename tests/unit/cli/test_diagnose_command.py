"""`w2sg diagnose` as a user calls it: what it prints, writes and refuses."""

import json

import numpy as np
import pytest

from w2sg.cli.diagnose import diagnose


@pytest.fixture
def archive(tmp_path):
    rng = np.random.default_rng(0)
    z = rng.normal(size=(1500, 30))
    path = tmp_path / "features.npz"
    np.savez(
        path,
        strong=z[:, :20] @ rng.normal(size=(20, 20)),
        weak=z[:, 12:] @ rng.normal(size=(18, 40)),
        labels=z[:, 0],
    )
    return path


def test_record_and_figure_tell_the_overlap_that_was_built(archive, tmp_path, capsys):
    # 8 of 18 weak directions are shared; catches strong and weak read the wrong way round
    assert diagnose(archive, d_s=20, d_w=18, n_boot=50, out=tmp_path / "out") == 0
    printed = capsys.readouterr().out
    assert "shared directions" in printed
    record = json.loads((tmp_path / "out" / "diagnose.json").read_text(encoding="utf-8"))
    overlap = record["overlap"]
    assert overlap["debiased"] == pytest.approx(8, abs=0.3)
    assert overlap["low"] < 8 < overlap["high"]
    assert record["dimensions"]["strong"]["numerical_rank"] == 20
    assert record["dimensions"]["weak"]["width"] == 40
    assert record["implied"]["pgr_limit"] == pytest.approx(1 - 8 / 18, abs=0.02)
    assert record["implied"]["pseudo_labels_to_beat_teacher"] == 42
    # the label is a strong direction that the weak model lacks
    assert record["gap"]["label_share"] > 0.9
    assert (tmp_path / "out" / "diagnose.svg").read_text(encoding="utf-8").startswith("<svg")


def test_json_is_json(archive, capsys):
    assert diagnose(archive, n_boot=0, as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["overlap"]["low"] is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "give features.npz"),
        ({"model_s": "a", "model_w": "b"}, "all of --model-s, --model-w and --data"),
    ],
)
def test_missing_input_is_refused(options, message, capsys):
    assert diagnose(**options) == 2
    assert message in capsys.readouterr().err


def test_bad_files_are_refused(archive, tmp_path, capsys):
    for path, message in ((tmp_path / "none.npz", "is not a file"), (None, "'weak'")):
        if path is None:
            path = tmp_path / "half.npz"
            np.savez(path, strong=np.ones((3, 2)))
        assert diagnose(path) == 2
        assert message in capsys.readouterr().err
    assert diagnose(archive, model_s="a") == 2
    assert "not both" in capsys.readouterr().err
    text = tmp_path / "texts.txt"
    text.write_text("plain", encoding="utf-8")
    assert diagnose(text) == 2
    assert "no .npz" in capsys.readouterr().err
    assert diagnose(archive, d_s=21) == 2
    assert "d_s" in capsys.readouterr().err
