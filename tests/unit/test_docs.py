"""The documents point at what exists, and the commands that they name can be loaded."""

import importlib
import re
from pathlib import Path

import pytest

from w2sg import cli
from w2sg.cli import theory

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
TARGETS = {
    **{name: f"w2sg.cli.{target}" for name, (target, _) in cli.COMMANDS.items()},
    **{f"theory {name}": f"w2sg.cli.theory.{t}" for name, (t, _) in theory.COMMANDS.items()},
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_relative_links_lead_somewhere(page):
    """Catches a page that was moved or never written."""
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    local = [link for link in links if "://" not in link]
    assert [link for link in local if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("name", TARGETS)
def test_every_command_can_be_loaded(name):
    """Catches a command whose module or function is gone; lazy loading hides it until used."""
    module, _, attribute = TARGETS[name].partition(":")
    assert callable(getattr(importlib.import_module(module), attribute))


def test_commands_named_in_the_readme_exist():
    """Catches a README that tells of a command that the program does not have."""
    named = set(re.findall(r"`?w2sg ([a-z]+)", (ROOT / "README.md").read_text(encoding="utf-8")))
    assert named - {"answers", "trains"} <= set(cli.COMMANDS)
