"""Asking for help costs nothing: neither torch nor transformers is imported."""

import pytest
from subprocesses import run_python

HEAVY = ("torch", "transformers", "pandas", "scipy", "sklearn", "matplotlib", "datasets")


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["run", "--help"], ["predict", "--help"]]
)
def test_help_imports_no_heavy_library(arguments):
    heavy = HEAVY[:2] if len(arguments) > 1 else HEAVY
    script = f"""
import sys
from w2sg.cli import app
try:
    app({arguments!r})
except SystemExit:
    pass
found = sorted(set({heavy!r}) & set(sys.modules))
sys.exit(f"imported: {{found}}" if found else 0)
"""
    done = run_python(script)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_importing_the_package_imports_nothing_heavy():
    script = f"import sys, w2sg, w2sg.spec; sys.exit(bool(set({HEAVY!r}) & set(sys.modules)))"
    assert run_python(script).returncode == 0


def test_a_terminal_without_greek_letters_still_gets_its_table():
    """Catches a command that ends in UnicodeEncodeError where output is ASCII or cp1252."""
    script = (
        "import sys; from w2sg.cli import main; "
        "sys.argv[1:] = 'theory bregman --d 4 --n 2 --width 3'.split(); main()"
    )
    for encoding in ("ascii", "cp1252"):
        done = run_python(script, PYTHONIOENCODING=encoding, PYTHONUTF8="0")
        assert done.returncode == 0, done.stderr
        assert "student risk" in done.stdout
