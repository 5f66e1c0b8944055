"""Any source of texts as one table: bundled sets, local files, data-set folders, hub ids."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from w2sg.data.columns import (
    column_of,
    content_ids,
    ids_of,
    not_blank,
    refuse_names_as_values,
    refuse_twice,
)
from w2sg.data.data_sets import read_hub, read_path
from w2sg.data.examples import Unlabelled
from w2sg.data.files import Raw, bundled_path, read_chunks, read_file
from w2sg.data.label_column import NO_LABEL, class_numbers, is_empty, kept_texts
from w2sg.data.split_column import split_column

BUNDLED: Mapping[str, Mapping[str, str]] = {
    "vader_tweets": {"id": "id", "text": "text", "label": "label"},
    "qnli": {
        "id": "id",
        "text": "question",
        "text_pair": "sentence",
        "label": "label",
        "group": "question",
    },
}


@dataclass(frozen=True, eq=False)
class Table:
    """Rows of one source under our own column names.

    Args:
        frame: ``id`` and ``text`` as strings; ``pair``, ``group``, ``split`` as strings where the
            source has them; ``label`` as a class number, -1 where the row has no label.
        label_names: The names of the classes, sorted unless the source orders them; nothing if no
            label column was read.
        extra: The kept columns under their own names as texts, indexed by id; a cell without a
            value, or with one that means "no label", is empty.
        n_read: Rows in the source.
        n_blank: Rows dropped because a text was blank.
        ids_from: ``"column"`` or ``"content"``.
        provenance: What was read, JSON-able.
        columns: The names of all columns of the source.
        notes: What a reader must know about the labels, in sentences.
        emptied: Values of the label column that were read as no label, as was asked for.
    """

    frame: pd.DataFrame
    label_names: tuple[str, ...] | None
    extra: pd.DataFrame
    n_read: int
    n_blank: int
    ids_from: str
    provenance: Mapping[str, Any] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    emptied: frozenset[str] = frozenset()

    def __len__(self) -> int:
        """Return the number of rows that were kept."""
        return len(self.frame)

    @property
    def n_labelled(self) -> int:
        """The number of rows with a label."""
        if self.label_names is None:
            return 0
        return int(np.count_nonzero(self.frame["label"].to_numpy() != NO_LABEL))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of all content, kept columns included; the same for every order of the rows."""
        names = list(self.label_names or ())
        columns = [*self.frame.columns, *(f"extra:{name}" for name in self.extra.columns)]
        # the same table out of another file may have other notes, and they are kept with the parts
        header = ["Table", columns, names, *([list(self.notes)] if self.notes else ())]
        digest = hashlib.sha256(json.dumps(header).encode())
        whole = pd.concat([self.frame.set_index("id", drop=False), self.extra], axis=1)
        for row in sorted(whole.itertuples(index=False, name=None)):
            digest.update(json.dumps(row, default=str).encode())
        return digest.hexdigest()


def read_table(
    *,
    path: str | Path | None = None,
    bundled: str | None = None,
    hub: str | None = None,
    text: str | None = None,
    text_pair: str | None = None,
    label: str | None = None,
    id: str | None = None,
    group: str | None = None,
    split: str | None = None,
    keep: Sequence[str] = (),
    no_label: Sequence[str] | None = None,
    label_optional: bool = False,
    split_optional: bool = False,
    keep_optional: bool = False,
    argument: str | None = None,
    words: Mapping[str, str] | None = None,
) -> Table:
    """Read a data set into one table; exactly one of ``path``, ``bundled`` and ``hub`` says which.

    Args:
        path: A CSV, TSV, JSON Lines or Parquet file, or a data-set folder.
        bundled: The name of a data set in the package; it knows its own columns.
        hub: ``org/name`` or ``org/name:configuration`` on the Hugging Face hub, or a local folder
            as ``path`` takes.
        text: The column of the texts, ``"text"`` if not given.
        text_pair: The column of the second texts of a task on pairs.
        label: The column of the labels: strings, integers or booleans, or lists of one of these.
            An empty cell (and -1 in a column whose source names its classes) is a row without a
            label.
        id: The column of the row ids, unique. Without one, a row's id is the hash of its content,
            with the number of the occurrence for exact copies.
        group: The column of what rows share (a question, an author), so that they stay together.
        split: The column of the source's own splits; a data set with several splits has one, which
            ``""`` leaves out.
        keep: Columns to keep beside, such as labels or probabilities given by another teacher.
        no_label: Values of the label column that mean that a row has no label; see `class_numbers`.
        label_optional: Whether the label column may be absent.
        split_optional: Whether the split column may be absent; another column that plainly holds
            splits is then refused, so that test rows are not learned from.
        keep_optional: Whether kept columns may be absent; ``extra`` then lacks them.
        argument: How the user knows the source; it opens the error text.
        words: Argument → how the user knows it, where not by its name here.

    Raises:
        ValueError: Missing, unreadable, empty or not UTF-8; a column that is not there (with the
            nearest name), or that is named for two things; rows that are not what the first line
            says; ids that are missing or occur twice; labels that are not classes.

    >>> table = read_table(bundled="vader_tweets")
    >>> len(table), table.label_names
    (4048, ('negative', 'positive'))
    """
    given = {"path": path, "bundled": bundled, "hub": hub}
    chosen = [name for name, value in given.items() if value is not None]
    if len(chosen) != 1:
        raise ValueError(f"give exactly one of path, bundled and hub, got {chosen or 'none'}")
    argument = argument or chosen[0]
    origin = f" of {argument}={str(given[chosen[0]])!r}"
    if path is not None:
        raw = read_path(path, argument=argument)
    elif hub is not None:
        raw = read_hub(hub, argument=argument)
    else:
        name = str(bundled)
        raw = read_file(bundled_path(name, known=tuple(BUNDLED), argument=argument))
        raw = replace(raw, provenance={"kind": "bundled", "name": name})
        own = BUNDLED[name]
        text, text_pair = text or own["text"], text_pair or own.get("text_pair")
        label, id, group = label or own["label"], id or own["id"], group or own.get("group")
    named = {"text": text or "text", "text_pair": text_pair, "label": label, "id": id}
    named |= {"group": group}
    splits, said = split_column(raw, split, named.values(), optional=split_optional)
    table = from_frame(
        raw.frame,
        **named,
        split=splits,
        keep=keep,
        no_label=no_label,
        label_optional=label_optional,
        keep_optional=keep_optional,
        class_names=raw.class_names,
        provenance=raw.provenance,
        words=words,
        origin=origin,
    )
    notes = (*raw.notes, *_absent(raw, named, words or {}, origin), *said)
    return replace(table, notes=(*notes, *table.notes))


def _absent(
    raw: Raw, named: Mapping[str, str | None], words: Mapping[str, str], origin: str
) -> list[str]:
    """Say of how many rows a column is missing that others of the source have."""
    becomes = {"label": "without a label", "group": "of a group of their own"}
    return [
        f"{n:,} of {len(raw.frame):,} rows{origin} have no {column!r} at all "
        f"({words.get(argument, argument)}) and are read as {becomes.get(argument, 'blank')}"
        for argument, column in named.items()
        if column is not None and (n := raw.absent.get(column, 0))
    ]


@dataclass(frozen=True)
class Chunk:
    """A stretch of a file: the rows with a text, and where in the file they stand.

    Args:
        rows: The rows whose texts are not blank; ids are the id column, or the row numbers.
        row_numbers: Their row numbers in the file, from 0.
        n_read: Rows in this stretch, blank ones included.
    """

    rows: Unlabelled
    row_numbers: NDArray[np.int64]
    n_read: int


def iterate_rows(
    path: str | Path,
    *,
    text: str,
    text_pair: str | None = None,
    id: str | None = None,
    chunk: int = 4096,
    argument: str = "path",
    words: Mapping[str, str] | None = None,
) -> Iterator[Chunk]:
    """Yield the texts of a file of any length, ``chunk`` rows at a time.

    Args:
        path: A CSV, TSV, JSON Lines or Parquet file.
        text: The column of the texts.
        text_pair: The column of the second texts.
        id: The column of the row ids; without one the id is the row number, from 0.
        chunk: Rows to hold at once, at least 1.
        argument: How the user knows ``path``; it opens the error text.
        words: Argument → how the user knows it, where not by its name here.

    Raises:
        ValueError: As `read_table`; an id that occurred before is refused when it is met.
    """
    if chunk < 1:
        raise ValueError(f"chunk must be at least 1, got {chunk}")
    said = words or {}
    refuse_twice({"text": text, "text_pair": text_pair, "id": id}, said)
    start, seen = 0, set[str]()

    def column(frame: pd.DataFrame, argument: str, name: str) -> pd.Series:
        return column_of(frame, said.get(argument, argument), name)

    for frame in read_chunks(path, chunk=chunk, argument=argument):
        texts = column(frame, "text", text)
        pairs = None if text_pair is None else column(frame, "text_pair", text_pair)
        numbers = np.arange(start, start + len(frame))
        ids = [str(n) for n in numbers]
        if id is not None:
            ids = ids_of(column(frame, "id", id), id, said.get("id", "id"))
            for name in ids:
                if name in seen:
                    raise ValueError(
                        f"{said.get('id', 'id')}={id!r}: {name!r} occurs more than once"
                    )
                seen.add(name)
        start += len(frame)
        kept = not_blank(texts) if pairs is None else not_blank(texts) & not_blank(pairs)
        where = np.flatnonzero(kept)
        rows = Unlabelled(
            tuple(ids[i] for i in where),
            tuple(str(texts.iloc[i]) for i in where),
            None if pairs is None else tuple(str(pairs.iloc[i]) for i in where),
        )
        yield Chunk(rows, numbers[where], len(frame))


def from_frame(
    frame: pd.DataFrame,
    *,
    text: str = "text",
    text_pair: str | None = None,
    label: str | None = None,
    id: str | None = None,
    group: str | None = None,
    split: str | None = None,
    keep: Sequence[str] = (),
    no_label: Sequence[str] | None = None,
    label_optional: bool = False,
    keep_optional: bool = False,
    class_names: Mapping[str, tuple[str, ...]] | None = None,
    provenance: Mapping[str, Any] | None = None,
    words: Mapping[str, str] | None = None,
    origin: str = "",
) -> Table:
    """Return the rows of a frame as a table; the arguments mean what they mean in `read_table`.

    Args:
        frame: Any frame with a text column.
        text: The column of the texts, and so on.
        class_names: Column → names of its classes, in the order of the class numbers.
        provenance: Where the frame is from, JSON-able.
        origin: Of which file it is, for errors, such as ``" of data.test='b.csv'"``.

    Raises:
        ValueError: As `read_table`.

    >>> frame = pd.DataFrame({"text": ["good", "bad"], "label": ["up", ""]})
    >>> table = from_frame(frame, label="label")
    >>> table.label_names, table.n_labelled
    (('up',), 1)
    """
    if frame.empty:
        raise ValueError("the frame holds no rows")
    said = words or {}
    parts = {"text": text, "text_pair": text_pair, "label": label, "id": id, "group": group}
    refuse_twice({**parts, "split": split}, said)

    def column(argument: str, name: str, *, lists: bool = False) -> pd.Series:
        return column_of(frame, said.get(argument, argument), name, origin=origin, lists=lists)

    columns = {"text": column("text", text)}
    if text_pair is not None:
        columns["pair"] = column("text_pair", text_pair)
    kept = not_blank(columns["text"])
    if "pair" in columns:
        kept &= not_blank(columns["pair"])
    if not kept.any():
        raise ValueError(
            f"{said.get('text', 'text')}={text!r}: every one of the {len(frame)} rows is blank; "
            "name the column that holds the texts"
        )
    n_blank = int((~kept).sum())
    where = np.flatnonzero(kept)

    def strings(series: pd.Series) -> list[str]:
        return [str(value) for value in series.iloc[where]]

    out: dict[str, Any] = {name: strings(series) for name, series in columns.items()}
    if id is None:
        out["id"] = content_ids(out["text"], out.get("pair"))
    else:
        out["id"] = ids_of(column("id", id).iloc[where], id, said.get("id", "id"))
        repeated = pd.Series(out["id"]).duplicated()
        if repeated.any():
            first = out["id"][int(np.argmax(repeated.to_numpy()))]
            raise ValueError(
                f"{said.get('id', 'id')}={id!r}: {first!r} occurs more than once "
                f"({int(repeated.sum())} repeats); ids must be unique, or leave id out to name "
                "rows by their content"
            )
    names, notes, emptied, own = None, (), frozenset(), class_names or {}
    if label is not None and (label in frame or not label_optional):
        labels = class_numbers(
            column("label", label, lists=True).iloc[where],
            label,
            own.get(label),
            no_label=no_label,
            argument=said.get("label", "label"),
            origin=origin,
        )
        out["label"], names = labels.numbers, labels.names
        notes, emptied = labels.notes, labels.emptied
    if group is not None:
        # a row without a group stands alone
        out["group"] = [
            f"row {name}" if is_empty(value) else str(value)
            for name, value in zip(out["id"], column("group", group).iloc[where], strict=True)
        ]
    if split is not None:
        out["split"] = [
            "" if is_empty(value) else str(value) for value in column("split", split).iloc[where]
        ]
    extra = {
        name: kept_texts(
            column("keep", name, lists=True).iloc[where],
            name,
            own.get(name),
            no_label=no_label or (),
            argument=said.get("keep", "keep"),
        )
        for name in keep
        if name in frame or not keep_optional
    }
    refuse_names_as_values(frame, [name for name in parts.values() if name in frame], origin)
    order = [name for name in ("id", "text", "pair", "label", "group", "split") if name in out]
    return Table(
        frame=pd.DataFrame({name: out[name] for name in order}),
        label_names=names,
        extra=pd.DataFrame(extra, index=pd.Index(out["id"], name="id", dtype=object), dtype=object),
        n_read=len(frame),
        n_blank=n_blank,
        ids_from="content" if id is None else "column",
        provenance=dict(provenance or {"kind": "frame"}),
        columns=tuple(map(str, frame.columns)),
        notes=notes,
        emptied=emptied,
    )
