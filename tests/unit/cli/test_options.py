"""Options: numbers as written, no effect without a word, names of users printed as they are."""

import json

import pytest
from subprocesses import run_python
from tiny import tables

from w2sg.cli import app
from w2sg.cli.errors import explained, tell
from w2sg.runs.store import Store
from w2sg.spec import load, to_toml


def call(*words):
    """Exit status of a command, run in this process."""
    try:
        return explained(lambda: app([str(word) for word in words], result_action="return_value"))
    except SystemExit as end:
        return end.code


@pytest.fixture
def spec(word_csv, tiny_model, tmp_path):
    path = tmp_path / "spec.toml"
    made = tables(word_csv, tiny_model, tmp_path / "store")
    path.write_text(to_toml(load(made)), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "{spec}", "--n-test", "80.6"), "--n-test: must be a whole number, got '80.6'"),
        (("run", "{spec}", "--n-test", "80.0"), "must be a whole number, got '80.0'"),
        (("run", "{spec}", "--n-labelled", "0x10"), "must be a whole number, got '0x10'"),
        (("run", "{spec}", "--n-unlabelled", "1_000"), "must be a whole number, got '1_000'"),
        (("run", "{spec}", "--n-test", "1e2"), "must be a whole number, got '1e2'"),
        (("run", "{spec}", "--n-test", "true"), "must be a whole number, got 'true'"),
        (("run", "{spec}", "--n-test", "none"), "must be a whole number, got 'none'"),
        (("run", "{spec}", "--n-test", "٣٠"), "must be a whole number"),
        (("run", "{spec}", "--n-test=-5"), "data.n_test = -5: must be greater than or equal to 2"),
        (("run", "{spec}", "--epochs", "nan"), "--epochs: must be a number, got 'nan'"),
        (("run", "{spec}", "--epochs", "1_0"), "--epochs: must be a number, got '1_0'"),
        (("run", "{spec}", "--epochs", "1e999"), "--epochs: must be a number, got '1e999'"),
        (("run", "{spec}", "--seeds", "1_0"), "write whole numbers, as in 0,1,2"),
        (("run", "{spec}", "--seeds", "0.5"), "write whole numbers, as in 0,1,2"),
        (("run", "{spec}", "--checkpoint-minutes", "nan"), "must be a number, got 'nan'"),
        (("run", "{spec}", "--checkpoint-minutes=-1"), "--checkpoint-minutes must be a finite"),
        (("run", "{spec}", "--processes-per-training", "0"), "--processes-per-training must be"),
        (("run", "{spec}", "--processes-per-training", "1.5"), "must be a whole number, got"),
        (("run", "{spec}", "--epochs", "2", "--set", "student.epochs=1"),
         "student.epochs is given by an option of its own and by --set; keep one"),
        (("run", "{spec}", "--set", "data.n_test=9", "--set", "data.n_test=8"), "is set twice"),
        (("run", "{spec}", "--set", "data.n_test=9\ndata.n_labelled=8"), "more than one value"),
        (("sweep", "{spec}", "--workers", "2.5"), "must be a whole number, got '2.5'"),
        (("sweep", "{spec}", "--workers", "0"), "--workers must be from 1 to"),
        (("sweep", "{spec}", "--workers", "10000000"), "--workers must be from 1 to 1,024"),
        (("sweep", "{spec}", "--checkpoint-minutes", "inf"), "must be a number, got 'inf'"),
        (("sweep", "{spec}", "--stage-timeout", "0"), "--stage-timeout must be a finite number"),
        (("sweep", "{spec}", "--partition", "a"), "--partition a would change nothing with "
         "--launcher local: it is for --launcher slurm"),
        (("sweep", "{spec}", "--address", "auto"), "it is for --launcher ray"),
        (("sweep", "{spec}", "--gpus-per-training", "1"), "--launcher ray or --launcher slurm"),
        (("sweep", "{spec}", "--cpus-per-training", "1"), "would change nothing"),
        (("sweep", "{spec}", "--memory-per-training", "1"), "would change nothing"),
        (("sweep", "{spec}", "--hours-per-job", "4"), "it is for --launcher slurm"),
        (("sweep", "{spec}", "--launcher", "slurm", "--workers", "2"), "it is for --launcher loc"),
        (("sweep", "{spec}", "--launcher", "slurm", "--address", "x"), "it is for --launcher ray"),
        (("sweep", "{spec}", "--launcher", "ray", "--partition", "x"), "for --launcher slurm"),
        (("sweep", "{spec}", "--launcher", "slurm", "--gpus-per-training", "0.5"), "whole ones"),
        (("sweep", "{spec}", "--launcher", "slurm", "--hours-per-job", "0"), "--hours-per-job"),
        (("sweep", "{spec}", "--launcher", "ray", "--memory-per-training=-1"), "--memory-per-tr"),
        (("sweep", "{spec}", "--detect", "2"), "--detect 2 would change nothing without --dry-run"),
        (("compare", "{spec}", "--against", "a"), "would change nothing without --by"),
        (("preflight", "{spec}", "--record"), "leave out the spec and --set"),
        (("report", "{folder}", "--set", "student.epochs=1"), "--set student.epochs=1 would"),
        (("status", "{folder}", "--set", "student.epochs=1"), "--set student.epochs=1 would"),
        (("status", "{folder}", "--failures=-1"), "--failures must be from 0"),
        (("diagnose", "a.npz", "--limit", "50"), "--limit 50 would change nothing with features"),
        (("diagnose", "a.npz", "--text", "body"), "--text body would change nothing"),
        (("diagnose", "a.npz", "--n-boot", "1000000000"), "--n-boot must be from 0 to 100,000"),
        (("plan", "0.01", "--sd", "0.02", "--n-items", "1_000"), "--n-items must be whole numbers"),
        (("plan", "nan", "--sd", "0.02"), "must be a number, got 'nan'"),
        (("plan", "0.01", "--sd", "1e308"), "must be 0 or of a size from 1e-100 to 1e100"),
        (("theory", "bregman", "--tau2", "1e-308"), "must be 0 or of a size from 1e-100 to 1e100"),
        (("theory", "ridge", "--d", "50"), "--d 50 would change nothing without --simulate"),
        (("theory", "ridge", "--lam-t", "1_0"), "--lam-t must be a number, a list"),
        (("theory", "ridge", "--lam-t", "nan"), "--lam-t must be a number, a list"),
        (("theory", "weighted", "--seed", "5"), "--seed 5 would change nothing without --simulate"),
        (("theory", "weighted", "--d", "1000000000"), "--d must be from 2 to 10,000"),
        (("theory", "multi-index", "--repetitions", "9"), "nothing without --simulate"),
        (("theory", "bregman", "--seed", "9"), "--seed 9 would change nothing without --draws"),
        (("theory", "bregman", "--draws=-9"), "--draws must be from 0"),
        (("theory", "bregman", "--width", "1_0"), "--width must be a list"),
        (("theory", "bregman", "--d", "2.0"), "--d: must be a whole number, got '2.0'"),
        (("theory", "attention", "--kv-heads", "0"), "--kv-heads must be at least 1, got 0"),
        (("theory", "attention", "--n", "nan"), "--n must be whole numbers"),
        (("attention", "{model}", "--rows", "50"), "would change nothing without --ratio"),
        (("attention", "{model}", "--tokens", "0x10"), "must be a whole number, got '0x10'"),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, tuple) else "",
)  # fmt: skip
def test_refused(spec, tiny_model, words, said, capsys):
    """Status 2, one message, and nothing is computed: cyclopts alone makes 81 of 80.6."""
    given = {"spec": spec, "folder": spec.parent, "model": tiny_model}
    assert call(*(word.format(**given) for word in words)) == 2
    told = capsys.readouterr().err.replace("│", " ")
    assert said in " ".join(told.split())
    assert "Traceback" not in told
    assert not list(Store(spec.parent / "store").manifests())


def test_numbers_as_people_write_them(spec, capsys):
    assert call("run", spec, "--n-test", "+40", "--epochs", "1e-1", "--seeds", "0, 1",
                "--checkpoint-minutes", ".5", "--set", "student.policy=head", "--set",
                "student.lr=auto") == 0  # fmt: skip
    (path,) = (spec.parent / "store" / "runs").glob("*/spec.toml")
    ran = load(path)
    assert (ran.data.n_test, ran.student.epochs, ran.run.seeds) == (40, 0.1, (0, 1))
    assert call("plan", "1e-2", "--sd", "0.02", "--json") == 0


def test_messages_do_not_steer_the_terminal(capsys):
    tell("a\x1b[31mb\x07\nsecond line\tπ")
    assert capsys.readouterr().err == "w2sg: a\\x1b[31mb\\x07\nsecond line\tπ\n"


NAMES = ("[bold]red[/bold]", "[/]", "[/nothing]", ":smile: 50%", "[link=a]b", "\\[x]")


@pytest.fixture(scope="module")
def swept(word_csv, tiny_model, tmp_path_factory):
    """A sweep whose variants carry rich's markup as names, finished."""
    folder = tmp_path_factory.mktemp("markup")
    run = {"references": [], "seeds": [0, 1]}
    student = {"policy": "head"}
    text = to_toml(load(tables(word_csv, tiny_model, folder / "store", run=run, student=student)))
    for i, name in enumerate(NAMES):
        quoted = json.dumps(name)
        text += f"\n[[variants]]\nname = {quoted}\nteacher.temperature = {1 + i / 10}\n"
    (folder / "sweep.toml").write_text(text, encoding="utf-8")
    assert call("sweep", folder / "sweep.toml", "--workers", "1") == 0
    return folder / "sweep.toml"


@pytest.mark.parametrize(
    "words", [("status",), ("compare",), ("compare", "--by", "variant"), ("sweep", "--dry-run")]
)
def test_names_are_printed_as_they_are(swept, words, capsys, monkeypatch):
    """Catches names taken for styles, which vanish, or end the command after all is computed."""
    monkeypatch.setenv("COLUMNS", "200")
    assert call(words[0], swept, *words[1:]) == 0
    out = capsys.readouterr().out
    if words != ("sweep", "--dry-run"):
        for name in NAMES:
            assert name in out


def test_names_are_printed_while_it_runs(swept, capsys, monkeypatch):
    """The same of the progress of a sweep, and of a failure's label."""
    from w2sg.runs.compute import compute

    def broken(call, context):
        if call.stage == "weak_teacher":
            raise RuntimeError("[/] [bold]broken[/bold] :smile:")
        return compute(call, context)

    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr("w2sg.runs.together.compute", broken)
    again = ("--set", f"run.store={json.dumps(str(swept.parent / 'other'))}", "--workers", "1")
    assert call("sweep", swept, *again) == 1
    out = capsys.readouterr().out
    assert "[/] [bold]broken[/bold] :smile:" in out
    assert "[bold]red[/bold]" in out
    assert call("status", swept.parent / "other") == 1
    assert "[/] [bold]broken[/bold] :smile:" in capsys.readouterr().out


def test_a_run_prints_what_failed_as_it_is(spec, capsys, monkeypatch):
    def broken(call, context):
        raise RuntimeError("[/] :smile: [bold]x")

    monkeypatch.setattr("w2sg.runs.together.compute", broken)
    assert call("run", spec) == 1
    said = capsys.readouterr()
    assert "[/] :smile: [bold]x" in said.out
    assert "[/] :smile: [bold]x" in said.err


def test_notes_are_messages(spec, capsys, monkeypatch):
    """What has no effect is said in one line; Python's own form names a line of w2sg."""
    import warnings

    from w2sg.cli.errors import show_warning

    monkeypatch.setattr(warnings, "showwarning", show_warning)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        monkeypatch.setattr(warnings, "showwarning", show_warning)
        assert call("run", spec, "--set", "run.references=[]", "--set", "student.min_steps=5") == 0
    said = capsys.readouterr().err
    assert "w2sg: note: student.min_steps = 5 changes nothing here" in " ".join(said.split())
    assert "api.py" not in said


def test_an_interruption_within_an_exec_ends_with_our_status():
    """Python remembers it, and then ends by the signal: shells stop a script for that."""
    script = """
import sys
from w2sg.cli.errors import explained
sys.exit(explained(lambda: exec("raise KeyboardInterrupt")))
"""
    done = run_python(script)
    assert done.returncode == 130
    assert "stopped; finished stages are kept" in done.stderr
