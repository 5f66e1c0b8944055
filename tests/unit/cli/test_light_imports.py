"""Asking for help costs nothing: neither torch nor transformers is imported."""

import os
import subprocess
import sys

import pytest
from tiny import SOURCES

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
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(SOURCES)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_importing_the_package_imports_nothing_heavy():
    script = f"import sys, w2sg, w2sg.spec; sys.exit(bool(set({HEAVY!r}) & set(sys.modules)))"
    environment = {**os.environ, "PYTHONPATH": str(SOURCES)}
    assert (
        subprocess.run([sys.executable, "-c", script], env=environment, check=False).returncode == 0
    )
