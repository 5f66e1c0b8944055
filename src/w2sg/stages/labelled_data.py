"""The rows of a run: read once, divided for a seed, with what must be known about them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from w2sg.data.class_names import class_name, listed
from w2sg.data.parts import Parts
from w2sg.data.paths import suggest
from w2sg.data.sources import BUNDLED, Table, read_table
from w2sg.data.splits import divide
from w2sg.spec import DataSpec

VERSION = 3
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
    source = next(s for s in ("path", "bundled", "hub") if getattr(data, s) is not None)
    if data.hub_config is not None and data.hub is None:
        raise ValueError(
            f"data.hub_config={data.hub_config!r} is for a data set of data.hub; leave it out"
        )
    own_files = {
        f"data.{name}": str(path)
        for name in ("unlabelled", "test")
        if (path := getattr(data, name)) is not None
    }
    if data.bundled is not None:
        if not own_files:
            _check_bundled(data)
        main = read_table(
            bundled=data.bundled,
            keep=keep,
            no_label=data.no_label,
            words=WORDS,
            keep_optional=bool(own_files),
            argument="data.bundled",
        )
    else:
        main = read_table(
            path=data.path,
            hub=data.hub if data.hub_config is None else f"{data.hub}:{data.hub_config}",
            text=data.text,
            label=data.label,
            split=data.split or "",
            split_optional=data.split == DataSpec.model_fields["split"].default,
            keep_optional=bool(own_files),
            argument=f"data.{source}",
            **columns,
        )
    more = {
        argument: read_table(
            path=path,
            text=data.text,
            label=data.label,
            label_optional=argument == "data.unlabelled",
            split=(data.split or "") if argument == "data.unlabelled" else None,
            split_optional=argument == "data.unlabelled",
            keep_optional=True,
            argument=argument,
            **columns,
        )
        for argument, path in own_files.items()
    }
    if "data.test" in more and "split" in more["data.test"].frame:
        raise ValueError(
            f"data.test={data.test!r} is a folder with several splits; give the file to test on"
        )
    named = {f"data.{source}={getattr(data, source)!r}": main}
    named |= {f"{argument}={path!r}": more[argument] for argument, path in own_files.items()}
    for name in keep:
        _check_teacher_column(name, named, main_is_asked=len(more) < 2)
    if data.no_label and not keep:  # a teacher's column may hold what no label column does
        main = _with_unused(main, named, data.no_label)
    return Tables(main, more.get("data.unlabelled"), more.get("data.test"))


def _check_bundled(data: DataSpec) -> None:
    """Refuse the name of a column that nothing reads: a data set of the package knows its own."""
    own = BUNDLED.get(data.bundled or "", {})
    for name in ("text", "text_pair", "label", "id", "group", "split"):
        value, default = getattr(data, name), DataSpec.model_fields[name].default
        if value not in (default, own.get(name)) and not (name == "split" and value is None):
            raise ValueError(
                f"data.{name}={value!r} changes nothing: data.bundled={data.bundled!r} knows its "
                f"own columns; leave data.{name} out, or give a file with data.path"
            )


def _with_unused(main: Table, tables: Mapping[str, Table], no_label: tuple[str, ...]) -> Table:
    """Say which values that mean "no label" stand in no label column."""
    emptied = frozenset[str]().union(*(table.emptied for table in tables.values()))
    unused = [value for value in no_label if class_name(value) not in emptied]
    if not unused:
        return main
    note = f"data.no_label: {listed(unused)} does not occur in data.label, so it changes nothing"
    return replace(main, notes=(*main.notes, note))


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
            among the labelled rows, or the test part is too small for an interval.
    """
    parts = divide(
        tables.main,
        n_labelled=data.n_labelled,
        n_unlabelled=data.n_unlabelled,
        n_test=data.n_test,
        seed=seed,
        split_seed=data.split_seed,
        unlabelled=tables.unlabelled,
        test=tables.test,
        test_split=data.test_split,
        duplicates=data.duplicates,
    )
    _refuse_small_test(parts, data)
    return parts


def _refuse_small_test(parts: Parts, data: DataSpec) -> None:
    """An interval needs two rows, or two groups, that vary: known before anything is trained."""
    n = len(parts.test) if parts.test.groups is None else len(set(parts.test.groups))
    if n < 2:
        what = "row" if parts.test.groups is None else f"group of data.group = {data.group!r}"
        raise ValueError(
            f"the test part has {n} {what}, and an interval needs at least 2; raise data.n_test "
            "or bring more test rows"
        )
