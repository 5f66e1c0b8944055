"""Imports run down one ladder; the contracts stand in pyproject.toml."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from import_graph import circles, imports, module_files
from subprocesses import run_python

ROOT = Path(__file__).parents[2]


def test_imports_run_one_way():
    """Catches an upward import, theory that needs more than NumPy and SciPy, training on theory."""
    command = Path(sys.executable).with_name("lint-imports")
    if not command.exists() and shutil.which("lint-imports") is None:
        pytest.skip("import-linter is not installed; `make env` installs it")
    found = subprocess.run(
        [str(command) if command.exists() else "lint-imports", "--no-cache"],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": str(command.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout[-3000:]


def test_no_circle():
    """Catches two modules that import one another, also where one does so inside a function."""
    files = module_files()
    graph = {name: imports(path, files) - {name} for name, path in files.items()}
    assert circles(graph) == []
    assert "w2sg.train.attention.probe" in graph["w2sg.train.attention.find"]  # a delayed one


LAZY = sorted(
    name
    for name, path in module_files().items()
    if "= lazily(" in path.read_text(encoding="utf-8") and name != "w2sg._lazy"
)


@pytest.mark.parametrize("package", LAZY)
def test_lazy_package_gives_every_name_and_loads_none(package):
    """Catches a name without a home, and one that type checkers read from another module."""
    script = f"""
import ast, importlib, inspect, sys
package = importlib.import_module({package!r})
eager = set(vars(package))
tree = ast.parse(inspect.getsource(package))
block = next(n for n in tree.body if isinstance(n, ast.If))
typed = {{alias.name: node.module for node in block.body for alias in node.names}}
assert set(package.__all__) == {{*typed, *(eager & set(package.__all__))}}
assert not set(typed) & eager, set(typed) & eager
assert set(dir(package)) >= set(package.__all__)
for module in set(typed.values()):
    importlib.import_module(module)  # first, as other code may: a module must not hide a function
for name, module in typed.items():
    value = getattr(package, name)
    assert value is getattr(sys.modules[module], name), name
    assert not inspect.ismodule(value), name
for name in package.__all__:
    assert not inspect.ismodule(getattr(package, name)), name
"""
    done = run_python(script)
    assert done.returncode == 0, done.stderr


def test_former_name_of_the_attention_package():
    from w2sg.train import attention, projections

    assert projections.__all__ == attention.__all__
    assert all(getattr(projections, name) is getattr(attention, name) for name in attention.__all__)
