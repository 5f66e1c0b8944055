"""The documents point at what exists, and what they tell the reader to type can be typed."""

import doctest
import importlib
import re
import shlex
from functools import reduce
from pathlib import Path

import pytest
from cyclopts.exceptions import CycloptsError, MissingArgumentError

from w2sg import cli
from w2sg.cli import theory

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
TARGETS = {
    **{name: f"w2sg.cli.{target}" for name, (target, _) in cli.COMMANDS.items()},
    **{f"theory {name}": f"w2sg.cli.theory.{t}" for name, (t, _) in theory.COMMANDS.items()},
}
BLOCK = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def named(page):
    """The page in the name of a test."""
    return page.relative_to(ROOT).as_posix()


each_page = pytest.mark.parametrize("page", PAGES, ids=named)


@each_page
def test_relative_links_lead_somewhere(page):
    """Catches a page or a heading that was moved or never written."""
    lost = []
    for link, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)]*))?\)", page.read_text("utf-8")):
        target = page.parent / link if link else page
        if "://" not in link and (
            not target.exists() or (anchor and anchor not in headings(target))
        ):
            lost.append(f"{link}#{anchor}")
    assert lost == []


@each_page
def test_what_is_to_be_typed_is_understood(page):
    """Catches a command, an option or a value that the program does not take (any more)."""
    text = page.read_text(encoding="utf-8")
    refused = []
    for command in [*typed(text), *mentioned(text)]:
        try:
            cli.app.parse_args(
                shlex.split(command, comments=True), print_error=False, exit_on_error=False
            )
        except MissingArgumentError:
            if command in typed(text):
                refused.append(command)
        except (CycloptsError, ValueError) as error:
            refused.append(f"{command}: {error}")
    assert refused == []


@each_page
def test_names_and_files_of_the_project_are_there(page):
    """Catches a function or a file that was renamed and a page that was not."""
    text = page.read_text(encoding="utf-8")
    files = re.findall(r"(?:benchmarks|examples|tests|src)/[\w./-]+\.\w+", text)
    assert [name for name in files if not (ROOT / name).exists()] == []
    names = set(re.findall(r"\bw2sg(?:\.[A-Za-z_]\w*)+\b", text))
    assert [name for name in sorted(names) if not found(name)] == []


@pytest.mark.parametrize("page", [p for p in PAGES if ">>> " in p.read_text("utf-8")], ids=named)
def test_examples_give_what_stands_beside_them(page):
    """Catches a page that shows numbers of an older version."""
    failed, tried = doctest.testfile(str(page), module_relative=False, encoding="utf-8")
    assert failed == 0
    assert tried > 1


@each_page
def test_python_on_the_page_is_python(page):
    """Catches a typing error in an example that nothing runs."""
    refused = []
    for block in re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.M | re.S):
        if ">>> " not in block:
            try:
                compile(block, page.name, "exec")
            except SyntaxError as error:
                refused.append(f"{error}: {error.text}")
    assert refused == []


@pytest.mark.parametrize("name", TARGETS)
def test_every_command_can_be_loaded(name):
    """Catches a command whose module or function is gone; lazy loading hides it until used."""
    module, _, attribute = TARGETS[name].partition(":")
    assert callable(getattr(importlib.import_module(module), attribute))


def typed(text):
    """Commands of the blocks, without ``w2sg``."""
    lines = "\n".join(BLOCK.findall(text)).replace("\\\n", " ").splitlines()
    said = (re.match(r"(?:\$ )?(?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?w2sg (.*)", line) for line in lines)
    return [match[1] for match in said if match]


def mentioned(text):
    """Commands between the lines, which may leave out what is required."""
    return [" ".join(m.split()) for m in re.findall(r"`w2sg ([^`]+)`", BLOCK.sub("", text))]


def headings(page):
    """Anchors as code hosts make them."""
    lines = re.findall(r"^#+ (.*)", BLOCK.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


def found(name):
    """Whether a dotted name is a module or something in one."""
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            module = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        try:
            reduce(getattr, parts[cut:], module)
        except AttributeError:
            return False
        return True
    return False
