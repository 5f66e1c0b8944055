"""The examples of the documentation give what stands beside them."""

import doctest
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize("page", ["how-to/statistics-of-the-gain.md", "theory/gain.md"])
def test_examples_of_the_page(page):
    """Catches a page that shows numbers of an older version."""
    failed, tried = doctest.testfile(str(DOCS / page), module_relative=False)
    assert failed == 0
    assert tried > 0
