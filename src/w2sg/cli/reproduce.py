"""`w2sg reproduce`: re-make a published figure, check its claims, write what was asked for."""

import json
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from cyclopts import Parameter

from w2sg._extras import explain_import
from w2sg._paths import expanded
from w2sg.cli.output import plain, terminal

if TYPE_CHECKING:
    from w2sg.studies.study import Study

# subject → package with FIGURES (name → (module, title)) and figure_study(name) → () → Study
SUBJECTS = {
    "mechanisms": "w2sg.studies.mechanisms",
    "discrepancy": "w2sg.studies.discrepancy",
    "bias-variance": "w2sg.studies.bias_variance",
    "coverage": "w2sg.studies.coverage",
    "attention": "w2sg.studies.attention",
}

MARKS = {
    "holds": ("holds", "green"),
    "fails": ("FAILS", "red"),
    "cannot be told": ("cannot be told", "yellow"),
}


def reproduce(
    subject: str | None = None,
    figure: str | None = None,
    /,
    *,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Re-make the figures of a subject, all or one by name, and check what they claim.

    Without a subject, list what there is. The exit status is 1 if a claim
    fails; one that the draws cannot tell does not fail.

    Args:
        subject: For example "mechanisms".
        figure: For example "F1"; all figures of the subject if left out.
        out: Folder to write SUBJECT-FIGURE.svg, .png and .json to. A long figure keeps its finished
            trainings in the folder SUBJECT-FIGURE there and goes on from them when it is called
            again.
        as_json: Print claims as JSON instead of a table.
    """
    if subject is None:
        _print_subjects()
        return 0
    try:
        if subject not in SUBJECTS:
            raise ValueError(f"subject must be one of {', '.join(SUBJECTS)}, got {subject!r}")
        package = import_module(SUBJECTS[subject])
        names = list(package.FIGURES) if figure is None else [figure.upper()]
        makers = [
            package.figure_study(name) for name in names if figure or _can_load(package, name)
        ]
        out = None if out is None else expanded(out, "--out")
    except (ValueError, ImportError) as error:
        needs = explain_import(error) if isinstance(error, ImportError) else None
        print(f"w2sg reproduce: {needs or error}", file=sys.stderr)
        return 2
    long = getattr(package, "LONG", ())
    folders = [_stem(subject, name) for name in names if name in long]
    if out is not None and (problem := _cannot_write(out, folders)):
        print(f"w2sg reproduce: cannot write to --out: {problem}", file=sys.stderr)
        return 2
    record, failed = {}, 0
    for name, make in zip(names, makers, strict=True):
        start = time.perf_counter()
        kept = out / _stem(subject, name) if out is not None else None
        study: Study = make(**({"folder": kept, "tell": _tell} if name in long else {}))
        seconds = time.perf_counter() - start
        failed += sum(not claim.holds for claim in study.claims)
        record[name] = _record(package.FIGURES[name][1], study, seconds)
        if not as_json:
            _print_study(name, package.FIGURES[name][1], study, seconds)
        if out is not None:
            _write(out, _stem(subject, name), study, record[name])
    if as_json:
        print(json.dumps(record, indent=2, allow_nan=False))
    elif figure is None and (left := [n for n in package.FIGURES if n not in names]):
        print(f"left out, for they need `pip install w2sg[train]`: {', '.join(left)}")
    return 1 if failed else 0


def _stem(subject: str, name: str) -> str:
    """Two subjects may have a figure of one name: E2 is in both mechanisms and bias-variance."""
    return f"{subject}-{name}"


def _cannot_write(out: Path, folders: list[str]) -> OSError | None:
    """Say so before minutes are spent; make the folders that trainings are kept in."""
    try:
        for folder in (out, *(out / name for name in folders)):
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return error
    return None


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _can_load(package: Any, name: str) -> bool:
    try:
        package.figure_study(name)
    except ImportError:
        return False
    return True


def _record(title: str, study: "Study", seconds: float) -> dict[str, Any]:
    return {
        "title": title,
        "seconds": round(seconds, 1),
        "claims": [
            {
                "statement": c.statement,
                "found": c.found,
                "holds": bool(c.holds),
                "verdict": c.verdict,
            }
            for c in study.claims
        ],
    }


def _print_subjects() -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table("subject", "figure", "what it shows", box=SIMPLE_HEAD)
    for subject, target in SUBJECTS.items():
        for name, (_, title) in import_module(target).FIGURES.items():
            table.add_row(subject, name, title)
    terminal().print(table)


def _print_study(name: str, title: str, study: "Study", seconds: float) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table("", "claim", "found", title=f"{name}: {title} ({seconds:.1f} s)", box=SIMPLE_HEAD)
    for claim in study.claims:
        words, colour = MARKS[claim.verdict]
        table.add_row(Text(words, colour), claim.statement, claim.found)
    terminal().print(table)


def _write(out: Path, stem: str, study: "Study", record: dict[str, Any]) -> None:
    from w2sg.figures import to_svg

    (out / f"{stem}.svg").write_text(to_svg(study.figure), encoding="utf-8")
    study.figure.savefig(out / f"{stem}.png", dpi=120)
    arrays = plain({key: np.atleast_1d(value) for key, value in study.arrays.items()})
    text = json.dumps({**record, "arrays": arrays}, allow_nan=False)
    (out / f"{stem}.json").write_text(text + "\n", encoding="utf-8")
