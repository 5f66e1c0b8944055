"""A plain run loads what it runs: no diagnostics, forecasts or theory that nothing asks for."""

import pytest
from subprocesses import run_python
from tiny import tables

from w2sg.spec import load, to_toml

MOST_MODULES = 99


@pytest.fixture(scope="module")
def loaded(word_csv, tiny_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("light")
    spec = tables(word_csv, tiny_model, folder / "store", run={"references": []})
    (folder / "spec.toml").write_text(to_toml(load(spec)), encoding="utf-8")
    script = f"""
import sys
from w2sg.cli import app
try:
    app(["run", {str(folder / "spec.toml")!r}])
except SystemExit as end:
    assert not end.code, end.code
print("loaded", *sorted(name for name in sys.modules if name.partition(".")[0] == "w2sg"))
"""
    done = run_python(script)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1].split()[1:]


def test_few_modules(loaded):
    assert len(loaded) <= MOST_MODULES, loaded


def test_only_theory_that_runs(loaded):
    """Catches a package whose first name pulls in the whole of it: the ledger needs divergences."""
    theory = {name for name in loaded if name.startswith("w2sg.theory")}
    assert theory == {"w2sg.theory", "w2sg.theory.bregman", "w2sg.theory.bregman.generators"}


@pytest.mark.parametrize("package", ["forecast", "heads", "studies", "diagnostics.controls"])
def test_nothing_of_what_was_not_asked_for(loaded, package):
    assert [name for name in loaded if name.startswith(f"w2sg.{package}")] == []
