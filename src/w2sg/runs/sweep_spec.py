"""A sweep in words: the tables of a run, and what is varied; every cell is a validated run."""

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from w2sg.spec import Named, Spec, SpecError, read_toml
from w2sg.spec.ignored import ignored_fields
from w2sg.spec.refusals import TOO_DEEP, refuse_other_types, shortened
from w2sg.spec.run import validated

RUN_TABLES = ("data", "teacher", "student", "run")
SHARED = ("run.store", "run.level", "run.seeds", "version")
PLAIN = (str, int, float, bool, list, tuple)
MOST_CELLS = 10_000


@dataclass(frozen=True)
class Cell:
    """One run of a sweep.

    Attributes:
        settings: Swept key → value as given; ``"variant"`` → name where there are variants.
        spec: The run, validated.
    """

    settings: Mapping[str, Any]
    spec: Spec

    @property
    def name(self) -> str:
        """The settings in one line, such as ``"student.loss=ce, student.policy=qv"``."""
        return _listed(self.settings)


@dataclass(frozen=True)
class SweepSpec:
    """All runs of a sweep.

    Attributes:
        cells: One run for each point of the grid and each variant.
        axes: Swept key → its values, in the order given; what only variants change is no axis.
    """

    cells: tuple[Cell, ...]
    axes: Mapping[str, tuple[Any, ...]]

    @property
    def store(self) -> Path:
        """Where results are kept."""
        return Path(self.cells[0].spec.run.store)

    @property
    def columns(self) -> tuple[str, ...]:
        """Every swept key, those of variants included, in the order of their first mention."""
        return tuple(dict.fromkeys(key for cell in self.cells for key in cell.settings))


def load_sweep(
    source: str | Path | Mapping[str, Any],
    overrides: Mapping[str, Any] | None = None,
    *,
    stored: bool = False,
) -> SweepSpec:
    """Return the runs that a sweep spec describes: the grid, once for each variant.

    Args:
        source: Path of a TOML file or a mapping: the tables of a run, ``[grid]`` with a list of
            values for each dotted key, and ``[[variants]]``, each a name and dotted overrides.
        overrides: Dotted fields of the run, such as ``{"run.store": "elsewhere"}``.
        stored: Whether cells only reopen what was run before; see `w2sg.spec.load`.

    Raises:
        SpecError: The spec cannot be read, nothing is varied, a key is varied twice, there are
            too many cells, two are the same run, or a cell is no valid run.

    >>> grid = {"student.loss": ["ce", "squared"]}
    >>> spec = load_sweep({"data": {"bundled": "qnli"}, "grid": grid})
    >>> [cell.name for cell in spec.cells]
    ['student.loss=ce', 'student.loss=squared']
    """
    refuse_other_types(source, overrides)
    tables = read_toml(source, "sweep spec") if isinstance(source, str | Path) else dict(source)
    try:
        grid = _grid(tables.pop("grid", {}))
        variants = _variants(tables.pop("variants", []))
    except RecursionError:
        raise SpecError(TOO_DEEP.format(what="the sweep")) from None
    if not grid and not variants:
        raise SpecError(
            'a sweep varies something: add [grid] with, for example, "student.loss" = '
            '["ce", "reverse_ce"], or [[variants]]; for a single run there is `w2sg run`'
        )
    if twice := [key for _, given in variants for key in given if key in grid]:
        raise SpecError(f"{twice[0]} is varied by [grid] and by [[variants]]; keep one of them")
    if fixed := [k for k in overrides or {} if k in grid or any(k in v for _, v in variants)]:
        raise SpecError(f"--set {fixed[0]} would undo what the sweep varies; change the sweep")
    number = math.prod(len(values) for values in grid.values()) * max(1, len(variants))
    if number > MOST_CELLS:
        raise SpecError(
            f"the sweep has {number:,} cells, the product of what [grid] and [[variants]] list; "
            f"at most {MOST_CELLS:,}: shorten the lists, or make several sweeps of them"
        )
    cells = tuple(
        _cell(tables, overrides or {}, name, given, dict(zip(grid, point, strict=True)), stored)
        for name, given in variants or [(None, {})]
        for point in itertools.product(*grid.values())
    )
    if not stored:
        _refuse_ignored(cells)
    _refuse_twins(cells)
    axes = {key: tuple(values) for key, values in grid.items()}
    if variants:
        axes = {"variant": tuple(str(name) for name, _ in variants), **axes}
    return SweepSpec(cells, axes)


def is_sweep(path: Path) -> bool:
    """Say whether a file is a sweep spec rather than the spec of a run."""
    try:
        return bool({"grid", "variants"} & set(read_toml(path)))
    except SpecError:
        return False


def shown(value: Any) -> str:
    """Return a swept value as people read it.

    >>> shown(Named(print, name="mine", version="2")), shown(["a", "b"]), shown(1e-4)
    ('mine (2)', 'a+b', '0.0001')
    """
    if isinstance(value, Named):
        return f"{value.name or 'object'}" + (f" ({value.version})" if value.version else "")
    if isinstance(value, list | tuple):
        return "+".join(shown(part) for part in value)
    if not isinstance(value, PLAIN):
        return type(value).__name__
    text = str(value)
    return text if text.isprintable() else repr(text)[1:-1]


def _cell(
    tables: Mapping[str, Any],
    overrides: Mapping[str, Any],
    name: str | None,
    given: Mapping[str, Any],
    point: Mapping[str, Any],
    stored: bool,
) -> Cell:
    settings = {} if name is None else {"variant": name}
    settings |= {**given, **point}
    try:
        return Cell(settings, validated(tables, {**overrides, **given, **point}, stored=stored))
    except SpecError as error:
        raise SpecError(f"cell {_listed(settings)}: {error}") from None


def _listed(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={shown(value)}" for key, value in settings.items())


def _refuse_ignored(cells: tuple[Cell, ...]) -> None:
    """Refuse what is varied and changes nothing, and what no cell reads.

    What all cells share may be read by some of them only, such as the rate of the policies that
    have one.
    """
    found = [ignored_fields(cell.spec) for cell in cells]
    for cell, ignored in zip(cells, found, strict=True):
        if varied := [sentence for field, sentence in ignored.items() if field in cell.settings]:
            raise SpecError(
                f"cell {_listed(cell.settings)}: {varied[0]}; where only some cells read a field, "
                "write [[variants]] and set it in those"
            )
    for field, sentence in found[0].items():
        if all(field in ignored for ignored in found):
            raise SpecError(sentence)


def _grid(given: Any) -> dict[str, list[Any]]:
    if not isinstance(given, Mapping):
        raise SpecError(f"grid = {shortened(given)}: must be a table of dotted keys and lists")
    grid = _flat(given)
    for key, values in grid.items():
        _check_key(key, "grid")
        if not isinstance(values, list | tuple) or not values:
            raise SpecError(
                f'grid "{key}" = {shortened(values)}: must be a list of at least one value'
            )
        grid[key] = list(values)
    return grid


def _flat(table: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Dotted keys; TOML reads ``student.loss = […]`` without quotes as a table in a table."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        name = f"{above}{key}"
        flat |= _flat(value, f"{name}.") if isinstance(value, Mapping) else {name: value}
    return flat


def _variants(given: Any) -> list[tuple[str, dict[str, Any]]]:
    if not isinstance(given, list | tuple) or not all(isinstance(v, Mapping) for v in given):
        raise SpecError("variants: write one [[variants]] table for each, with a name")
    found: list[tuple[str, dict[str, Any]]] = []
    for number, variant in enumerate(given, 1):
        fields = dict(variant)
        name = fields.pop("name", None)
        if not isinstance(name, str) or not name:
            raise SpecError(f'variants: number {number} has no name; add name = "…"')
        if not name.isprintable():
            raise SpecError(f"variants: the name {name!r} has characters that cannot be printed")
        if name in {other for other, _ in found}:
            raise SpecError(f"variants: the name {name!r} occurs twice")
        changed = _flat(fields)
        for key in changed:
            _check_key(key, f"variant {name!r}")
        found.append((name, changed))
    return found


def _check_key(key: str, where: str) -> None:
    if key in SHARED or "." not in key or key.split(".")[0] not in RUN_TABLES:
        why = "is the same for all cells" if key in SHARED else "is no field of a run"
        raise SpecError(
            f"{where}: {key!r} {why}; vary fields such as student.loss, teacher.kind or "
            "data.n_labelled"
        )


def _refuse_twins(cells: tuple[Cell, ...]) -> None:
    seen: dict[str, Cell] = {}
    for cell in cells:
        plain = not any(not isinstance(v, PLAIN) for v in cell.settings.values())
        other = seen.setdefault(cell.spec.model_dump_json(), cell)
        if other is not cell and plain:
            raise SpecError(f"cells [{other.name}] and [{cell.name}] are the same run; drop one")
