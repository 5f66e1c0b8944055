"""What a message tells the user to set exists: a field of a spec, an option, or an argument."""

import ast
import re
from pathlib import Path

import pytest

import w2sg
from w2sg.spec import Spec

SOURCES = Path(w2sg.__file__).parent
TABLES = ("data", "teacher", "student", "run")
FIELDS = {
    f"{table}.{field}"
    for table in TABLES
    for field in Spec.model_fields[table].annotation.model_fields
}
FIELD = re.compile(rf"(?<![\w./-])(?:{'|'.join(TABLES)})\.[a-z][a-z_]*\b(?!\()")
OPTION = re.compile(r"(?<![\w(-])--[a-z][a-z-]*")
ADVICE = re.compile(
    r"\b(?:set|raise) `?([a-z][a-z_]*(?:\.[a-z_]+)?)(?<!_)`?(?= =| to\b|[;,]|\.(?!\w)|$)"
)
FILES = {"data.pkl", "run.html"}  # look like fields, and are names of files
OF_TORCHRUN = {"--nproc-per-node", "--standalone"}
BESIDE = {"it", "one", "them", "anew", "twice"}  # "set it", "raise one"
OF_SPECS = ("cli", "data", "runs", "spec", "stages")  # what runs under a spec names its fields


def literals(tree):
    """Every string of a module that is no docstring; the pieces of an f-string each."""
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if text and id(node) not in docstrings:
            yield node.value


def arguments(tree):
    return {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}


MODULES = {
    path.relative_to(SOURCES): ast.parse(path.read_text(encoding="utf-8"))
    for path in sorted(SOURCES.rglob("*.py"))
}
OPTIONS = OF_TORCHRUN | {"--help", "--version"}
for _path, _tree in MODULES.items():
    if _path.parts[0] == "cli":
        _names = {name.replace("_", "-") for name in arguments(_tree)}
        OPTIONS |= {f"--{name}" for name in _names} | {f"--no-{name}" for name in _names}
        OPTIONS |= {
            keyword.value
            for node in ast.walk(_tree)
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Parameter"
            for keyword in ast.walk(node)
            if isinstance(keyword, ast.Constant) and str(keyword.value).startswith("--")
        }


def unknown(texts, options, here):
    """What is named in these texts and is not there."""
    found = set()
    for text in texts:
        found |= {name for name in FIELD.findall(text) if name not in FIELDS | FILES}
        found |= {name for name in OPTION.findall(text) if name not in options}
        found |= {
            name
            for name in ADVICE.findall(text)
            if name not in FIELDS | here and name not in BESIDE
        }
    return found


def test_advice_names_what_exists():
    flagged = {}
    for path, tree in MODULES.items():
        of_specs = path.parts[0].removesuffix(".py") in OF_SPECS
        near = () if of_specs else (t for p, t in MODULES.items() if p.parent == path.parent)
        if names := unknown(literals(tree), OPTIONS, set().union(*map(arguments, near))):
            flagged[str(path)] = names
    assert flagged == {}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("no labelled row; set test_split to a split that has one", "test_split"),
        ("set data.test_splits = 'validation'", "data.test_splits"),
        ("is data.labels the right column?", "data.labels"),
        ("give --n-tests", "--n-tests"),
        ("set `folds` to 2", "folds"),
    ],
)
def test_a_name_that_is_nowhere_is_found(text, named):
    """The first was a refusal of ours: no field is called so."""
    assert named in unknown([text], OPTIONS, set())


def test_names_that_exist_are_not_flagged():
    text = 'set data.test_split = "dev", raise teacher.folds, give --n-test; set it to a larger one'
    assert unknown([text], OPTIONS, set()) == set()
