"""The core install: without torch results are read, and what trains says which extra it needs."""

import json
import re
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest
from subprocesses import run_python
from tiny import tables

import w2sg
from w2sg import _extras
from w2sg.cli import COMMANDS, app
from w2sg.cli.errors import explained
from w2sg.spec import load, to_toml
from w2sg.sweeps import run_sweep

# everything that the extra has, and what those bring along
BLOCKED = (*_extras.EXTRAS["train"], "tokenizers", "huggingface_hub", "datasets", "ray", "submitit")
SCRIPT = """
import contextlib, io, json, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocked())
from w2sg.cli import app
from w2sg.cli.errors import explained

def call(words):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = explained(lambda: app(words, result_action="return_value"))
        except SystemExit as end:
            status = end.code
        except BaseException as bug:
            status = f"{{type(bug).__name__}}: {{bug}}"
    return [status, out.getvalue(), err.getvalue()]

said = {{name: call(words) for name, words in {commands!r}.items()}}

import w2sg
result = w2sg.open_result({result!r})
said["python"] = [result.gain.estimate, result.pgr.reason, len(result.table()),
                  len(result.scores()), result.ledger.gap.estimate, str(result.forecast),
                  str(result.explanation), str(result.report({page!r}))]
for name, do in {{
    "save": lambda: result.save({page!r} + "-folder"),
    "run": lambda: w2sg.run({spec!r}),
    "preflight": lambda: w2sg.preflight({spec!r}),
    "sweep": lambda: w2sg.sweep({sweep!r}),
    "explain": lambda: result.explain(),
}}.items():
    try:
        do()
    except ImportError as error:
        said[f"python {{name}}"] = str(error)
said["loaded"] = sorted(set(sys.modules) & set({blocked!r}))
print(json.dumps(said))
"""
READ = ("report", "status", "status of a sweep", "show", "compare", "export", "import", "gc",
        "report of a sweep", "plan", "theory", "reproduce", "reproduce a figure",
        "record")  # fmt: skip
TRAIN = ("run", "preflight", "explain", "sweep", "dry run", "predict", "attention", "diagnose",
         "reproduce what trains")  # fmt: skip


@pytest.fixture(scope="module")
def said(word_csv, tiny_model, tmp_path_factory):
    """Command → exit status, output and errors of a process in which torch cannot be imported."""
    folder = tmp_path_factory.mktemp("core")
    made = tables(word_csv, tiny_model, folder / "store", run={"references": []})
    result = w2sg.run(made)
    spec, sweep = folder / "spec.toml", folder / "sweep.toml"
    spec.write_text(to_toml(load(made)), encoding="utf-8")
    sweep.write_text(to_toml(load(made)) + '\n[grid]\nstudent.loss = ["ce", "reverse_ce"]\n')
    swept = run_sweep(sweep)
    store, archive = str(folder / "store"), str(folder / "a.zip")
    key = result.outcome.plan.roles["student/0"]
    commands = {
        "report": ["report", result.folder, "--out", folder / "page.html"],
        "status": ["status", store],
        "status of a sweep": ["status", sweep],
        "show": ["show", key, "--store", store],
        "compare": ["compare", sweep, "--by", "student.loss"],
        "export": ["export", sweep, "-o", archive],
        "import": ["import", archive, "--store", folder / "other"],
        "gc": ["gc", store],
        "report of a sweep": ["report", swept.folder],
        "plan": ["plan", "0.01", "--sd", "0.02"],
        "theory": ["theory", "bregman", "--width", "20"],
        "reproduce": ["reproduce"],
        "reproduce a figure": ["reproduce", "mechanisms", "F1"],
        "record": ["preflight", "--record"],
        "doctor": ["doctor"],
        "run": ["run", spec],
        "preflight": ["preflight", spec],
        "explain": ["explain", result.folder],
        "sweep": ["sweep", sweep],
        "dry run": ["sweep", sweep, "--dry-run"],
        "predict": ["predict", result.folder, word_csv, "-o", folder / "rows.csv"],
        "attention": ["attention", tiny_model],
        "diagnose": ["diagnose", "--model-s", tiny_model, "--model-w", tiny_model, "--data",
                     word_csv],
        "reproduce what trains": ["reproduce", "attention", "DESK"],
    }  # fmt: skip
    assert set(COMMANDS) == {words[0] for words in commands.values()}  # none is forgotten
    script = SCRIPT.format(
        blocked=BLOCKED,
        commands={name: [str(word) for word in words] for name, words in commands.items()},
        result=str(result.folder),
        page=str(folder / "python.html"),
        spec=str(spec),
        sweep=str(sweep),
    )
    done = run_python(script)
    assert done.returncode == 0, done.stderr
    return {**json.loads(done.stdout.splitlines()[-1]), "expected": result}


@pytest.mark.parametrize("command", READ)
def test_results_are_read(said, command):
    status, _, errors = said[command]
    assert status == 0, errors


@pytest.mark.parametrize("command", TRAIN)
def test_what_trains_says_what_to_install(said, command):
    """One line and status 2; the traceback of an import helps nobody."""
    status, _, errors = said[command]
    assert status == 2, errors
    assert errors.count("\n") == 1
    assert "pip install 'w2sg[train]'" in errors
    assert "torch" in errors


def test_doctor_says_what_is_missing(said):
    status, out, _ = said["doctor"]
    assert status == 1
    assert "torch" in out


def test_python_reads_results_too(said):
    result = said["expected"]
    assert said["python"][:5] == [
        result.gain.estimate, result.pgr.reason, len(result.table()), len(result.scores()),
        result.ledger.gap.estimate,
    ]  # fmt: skip
    assert Path(said["python"][7]).read_text(encoding="utf-8").startswith("<!")
    for door in ("save", "run", "preflight", "sweep", "explain"):
        assert "pip install 'w2sg[train]'" in said[f"python {door}"]


def test_nothing_of_the_extra_was_loaded(said):
    assert said["loaded"] == []


def test_one_package_that_is_missing_is_named_before_anything_is_computed(
    word_csv, tiny_model, tmp_path, capsys, monkeypatch
):
    """Safetensors writes the trained weights: noticed there, the training would be lost."""
    made = tables(word_csv, tiny_model, tmp_path / "store")
    (tmp_path / "spec.toml").write_text(to_toml(load(made)), encoding="utf-8")
    monkeypatch.setattr(
        _extras, "find_spec", lambda name: None if name == "safetensors" else find_spec(name)
    )
    words = ["run", str(tmp_path / "spec.toml")]
    assert explained(lambda: app(words, result_action="return_value")) == 2
    assert "a run needs safetensors, which is not installed" in capsys.readouterr().err
    assert not (tmp_path / "store").exists()


def test_a_bug_of_an_import_keeps_its_traceback():
    def broken():
        raise ImportError("cannot import name 'x'", name="w2sg.api")

    with pytest.raises(ImportError, match="cannot import name"):
        explained(broken)


def test_the_extras_are_those_of_the_package():
    """Catches a package that is added to an extra and asked for nowhere."""
    project = Path(__file__).parents[2] / "pyproject.toml"
    extras = tomllib.loads(project.read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    for extra, packages in _extras.EXTRAS.items():
        assert {re.split(r"[<>=]", name)[0] for name in extras[extra]} == set(packages)
