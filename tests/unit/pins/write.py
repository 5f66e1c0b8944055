"""Write the pins anew: ``python tests/unit/pins/write.py [NAME …]``; the diff shows what changed.

A change of a key needs a line in the CHANGELOG, and a new VERSION where what is computed changed.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).parents[2]
sys.path[:0] = [str(TESTS), str(TESTS.parent / "src")]
os.environ["HF_HUB_OFFLINE"] = "1"

import pinned  # noqa: E402


def main(wanted: list[str]) -> None:
    """Collect what was asked for, everything without names."""
    wanted = wanted or list(pinned.FORMATS)
    collect = {"keys": pinned.keys, "names": pinned.names, "help": pinned.help_texts}
    values = {name: collect[name]() for name in wanted if name in collect}
    if {"shapes", "page"} & set(wanted):
        with tempfile.TemporaryDirectory() as folder:
            result, files = pinned.example(Path(folder))
            page = (result.report(Path(folder) / "page.html")).read_text(encoding="utf-8")
            values |= {"shapes": pinned.shape(files), "page": pinned.outline(page)}
    for name in wanted:
        value = values[name]
        text = value if isinstance(value, str) else json.dumps(value, indent=1) + "\n"
        (pinned.GOLDEN / f"{name}.{pinned.FORMATS[name]}").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
