"""The page of documentation runs: every number on it is what the code prints."""

import doctest
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "theory" / "discrepancy.md"


def test_examples_on_the_page():
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    result = doctest.testfile(str(PAGE), module_relative=False, optionflags=flags)
    assert result.failed == 0
    assert result.attempted > 20


def test_figures_on_the_page_exist():
    names = [
        line.split("](")[1].rstrip(")")
        for line in PAGE.read_text().splitlines()
        if line.startswith("![")
    ]
    assert len(names) == 2
    assert all((PAGE.parent / name).is_file() for name in names)
