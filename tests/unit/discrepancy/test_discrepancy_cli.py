"""`w2sg theory discrepancy` as a user runs it."""

import json

import pytest

from w2sg.cli import app

COMMAND = "theory discrepancy --d-w 200 --d-s 100 --d-sw 10,50,90 --n 2000 --N 400:4000"


def run(capsys, text):
    with pytest.raises(SystemExit) as left:
        raise SystemExit(app(text.split(), exit_on_error=False) or 0)
    return left.value.code, capsys.readouterr()


def test_table_shows_the_published_point(capsys):
    # σ² = 0.01 without bias: student σ²/1799 (10 + 190·100/3899) = 8.267e-05
    code, printed = run(capsys, f"{COMMAND} --sigma2 0.01")
    assert code == 0
    assert "8.267e-05" in printed.out
    assert "326" in printed.out
    assert printed.err == ""


def test_small_samples_come_with_a_warning(capsys):
    # with no target, ten pseudo-labels seem to beat the teacher: that must not stand alone
    warning = "smaller than their dimension"
    _, printed = run(capsys, "theory discrepancy --d-w 40 --d-s 60 --d-sw 5 --n 80 --N 10:200")
    assert warning in " ".join(printed.out.split())
    _, printed = run(capsys, COMMAND)
    assert warning not in " ".join(printed.out.split())


def test_files_are_written_where_asked_and_nowhere_else(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(capsys, COMMAND)[0] == 0
    assert list(tmp_path.iterdir()) == []
    code, _ = run(capsys, f"{COMMAND} --out deep/folder")
    assert code == 0
    written = {path.name for path in (tmp_path / "deep" / "folder").iterdir()}
    assert written == {"discrepancy.json", "discrepancy.svg"}
    record = json.loads((tmp_path / "deep/folder/discrepancy.json").read_text(encoding="utf-8"))
    assert [curve["d_sw"] for curve in record["curves"]] == [10, 50, 90]
    assert (tmp_path / "deep/folder/discrepancy.svg").read_text(encoding="utf-8").startswith("<svg")


def test_json_has_every_point_and_null_for_infinity(capsys):
    code, printed = run(
        capsys, "theory discrepancy --d-w 20 --d-s 10 --d-sw 5 --n 19:23 --N 100,200 --json"
    )
    record = json.loads(printed.out)
    assert code == 0
    assert record["n"] == [19, 20, 21, 22, 23]
    assert [curve["N"] for curve in record["curves"]] == [100, 200]
    risks = record["curves"][0]["teacher_risk"]
    assert risks[:3] == [None, None, None]
    assert risks[3] == pytest.approx(20.0)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ("--d-sw 101", "d_sw"),
        ("--d-sw ten", "--d-sw"),
        ("--N 4000:400", "--N"),
        ("--N 1:2:3", "--N"),
        ("--n 0", "n "),
        ("--n 300:3000", "--n and --N"),
        ("--sigma2 -1", "sigma2"),
        ("--points 1", "--points"),
    ],
)
def test_bad_input_is_one_line_and_status_two(capsys, change, name):
    option = change.split()[0]
    words = COMMAND.split()
    if option in words:
        words[words.index(option) + 1] = change.split()[1]
        text = " ".join(words)
    else:
        text = f"{COMMAND} {change}"
    code, printed = run(capsys, text)
    assert code == 2
    assert name in printed.err
    assert printed.err.count("\n") == 1
    assert printed.out == ""
