"""The rows of a run: read once, divided for a seed, with what must be known about them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from w2sg.data.parts import Parts
from w2sg.data.paths import suggest
from w2sg.data.sources import Table, read_table
from w2sg.data.splits import divide
from w2sg.spec import DataSpec

VERSION = 2
# how a spec calls what a table is read with
WORDS = {
    **{name: f"data.{name}" for name in ("text", "text_pair", "label", "id", "group", "split")},
    "keep": "teacher.column",
}


@dataclass(frozen=True)
class Tables:
    """What was read.

    Attributes:
        main: The data set.
        unlabelled: A separate source of unlabelled rows, if any.
        test: A separate source of test rows, if any.
    """

    main: Table
    unlabelled: Table | None
    test: Table | None

    @property
    def fingerprints(self) -> dict[str, str]:
        """SHA-256 of the content of each table."""
        tables = {"main": self.main, "unlabelled": self.unlabelled, "test": self.test}
        return {name: table.fingerprint for name, table in tables.items() if table is not None}


def read(data: DataSpec, *, keep: tuple[str, ...] = ()) -> Tables:
    """Return the tables that a spec names.

    Args:
        data: The data table of a spec.
        keep: Further columns to keep, such as labels that a teacher has given.

    Raises:
        ValueError: A file or column is missing or unreadable; see `w2sg.data.sources`.
    """
    columns: dict[str, Any] = {"text_pair": data.text_pair, "id": data.id, "group": data.group}
    columns |= {"keep": keep, "no_label": data.no_label, "words": WORDS}
    hub = data.hub if data.hub_config is None else f"{data.hub}:{data.hub_config}"
    own_files = {
        f"data.{name}": str(path)
        for name in ("unlabelled", "test")
        if (path := getattr(data, name)) is not None
    }
    if data.bundled is not None:
        main = read_table(
            bundled=data.bundled,
            keep=keep,
            no_label=data.no_label,
            words=WORDS,
            keep_optional=bool(own_files),
        )
    else:
        main = read_table(
            path=data.path,
            hub=hub,
            text=data.text,
            label=data.label,
            split=data.split,
            split_optional=True,
            keep_optional=bool(own_files),
            argument="data.path",
            **columns,
        )
    more = {
        argument: read_table(
            path=path,
            text=data.text,
            label=data.label,
            label_optional=argument == "data.unlabelled",
            keep_optional=True,
            argument=argument,
            **columns,
        )
        for argument, path in own_files.items()
    }
    source = next(s for s in ("path", "bundled", "hub") if getattr(data, s) is not None)
    named = {f"data.{source}={getattr(data, source)!r}": main}
    named |= {f"{argument}={path!r}": more[argument] for argument, path in own_files.items()}
    for name in keep:
        _check_teacher_column(name, named, main_is_asked=len(more) < 2)
    return Tables(main, more.get("data.unlabelled"), more.get("data.test"))


def _check_teacher_column(column: str, tables: Mapping[str, Table], *, main_is_asked: bool) -> None:
    """Refuse a teacher's column that a source of unlabelled or of test rows lacks."""
    has = [name for name, table in tables.items() if column in table.extra]
    lacks = [name for name in tables if name not in has]
    if not has:
        known = tuple(dict.fromkeys(c for table in tables.values() for c in table.columns))
        raise ValueError(
            f"teacher.column={column!r} is not a column of {' or of '.join(tables)}; "
            f"{suggest(column, known)}"
        )
    needed = [name for name in lacks if main_is_asked or name != next(iter(tables))]
    if needed:
        raise ValueError(
            f"teacher.column={column!r} is a column of {' and of '.join(has)}, but not of "
            f"{' and not of '.join(lacks)}. Unlabelled and test rows need its answers: the student "
            "learns from the teacher and is compared with it on the test part. Write the column "
            f"into {' and '.join(needed)} too"
        )


def make(tables: Tables, data: DataSpec, *, seed: int) -> Parts:
    """Return labelled, unlabelled and test part for a seed of the run.

    The test part depends on ids and `data.split_seed` alone; the others are drawn anew per seed.

    Raises:
        ValueError: The data are too small, have one class only, or a test class never occurs
            among the labelled rows.
    """
    return divide(
        tables.main,
        n_labelled=data.n_labelled,
        n_unlabelled=data.n_unlabelled,
        n_test=data.n_test,
        seed=seed,
        split_seed=data.split_seed,
        unlabelled=tables.unlabelled,
        test=tables.test,
        duplicates=data.duplicates,
    )
