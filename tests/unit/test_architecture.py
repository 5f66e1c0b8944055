"""The page that says where everything is names what there is, and nothing that is not."""

import re
from pathlib import Path

import w2sg

SOURCES = Path(w2sg.__file__).parent
PAGE = Path(__file__).parents[2] / "docs" / "architecture.md"


def test_the_tree_is_the_listing():
    """Catches a new folder that no line explains, and a line of one that has gone."""
    tree = re.search(r"```text\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[1]
    named = set(re.findall(r"^  (\S+?)/?\s{2,}\S", tree, re.MULTILINE))
    there = {
        path.name
        for path in SOURCES.iterdir()
        if (path.suffix == ".py" or (path / "__init__.py").is_file())
        and path.name not in ("__init__.py", "__main__.py")
    }
    assert named == there


def test_the_files_that_it_names_exist():
    text = PAGE.read_text(encoding="utf-8").split("```")[-1]
    for name in re.findall(r"`([a-z_]+(?:/[a-z_]+)*(?:\.py|/))`", text):
        assert (SOURCES / name).exists(), name
