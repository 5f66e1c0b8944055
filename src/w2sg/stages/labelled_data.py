"""The rows of a run: read once, divided for a seed, with what must be known about them."""

from dataclasses import dataclass

from w2sg.data.parts import Parts
from w2sg.data.sources import Table, read_table
from w2sg.data.splits import divide
from w2sg.spec import DataSpec

VERSION = 1


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
    columns = {"text_pair": data.text_pair, "id": data.id, "group": data.group, "keep": keep}
    hub = data.hub if data.hub_config is None else f"{data.hub}:{data.hub_config}"
    if data.bundled is not None:
        main = read_table(bundled=data.bundled, keep=keep)
    else:
        main = read_table(
            path=data.path,
            hub=hub,
            text=data.text,
            label=data.label,
            split=data.split,
            split_optional=True,
            argument="data.path",
            **columns,
        )
    more = {
        name: read_table(
            path=path,
            text=data.text,
            label=data.label,
            label_optional=name == "unlabelled",
            argument=f"data.{name}",
            **columns,
        )
        for name in ("unlabelled", "test")
        if (path := getattr(data, name)) is not None
    }
    return Tables(main, more.get("unlabelled"), more.get("test"))


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
