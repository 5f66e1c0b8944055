"""Stored results as files: parts, probabilities, features and weights, written and read back."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from w2sg._arrays import FloatArray
from w2sg.data.examples import Labelled, Unlabelled
from w2sg.data.parts import Parts
from w2sg.runs.store import Manifest


@dataclass(frozen=True)
class Artifact:
    """A stored result as a stage reads it."""

    manifest: Manifest
    folder: Path

    @property
    def facts(self) -> dict[str, Any]:
        """Its small results."""
        return self.manifest.facts


def read_parts(artifact: Artifact) -> Parts:
    """Return the parts that a labelled_data artifact holds, without the report."""
    frame = pd.read_parquet(artifact.folder / "parts.parquet")
    names = tuple(artifact.facts["label_names"])
    of: dict[str, Any] = {
        name: frame[frame["part"] == name] for name in ("labelled", "unlabelled", "test")
    }
    truth: Any = of["unlabelled"][of["unlabelled"]["label"] >= 0]
    return Parts(
        labelled=_labelled(of["labelled"], names),
        unlabelled=_unlabelled(of["unlabelled"]),
        hidden=_labelled(truth, names) if len(truth) else None,
        test=_labelled(of["test"], names),
        label_names=names,
        report=artifact.facts["report"],
    )


def read_probabilities(artifact: Artifact, name: str) -> tuple[tuple[str, ...], FloatArray]:
    """Return ids and class probabilities, shape (n, K), of one of an artifact's tables."""
    frame = pd.read_parquet(artifact.folder / f"{name}.parquet")
    ids = tuple(str(value) for value in frame.pop("id"))
    return ids, frame.to_numpy(dtype=np.float64)


class StoredFeatures:
    """Frozen features of texts, looked up by id.

    Args:
        artifact: Of the stage that made them.
    """

    def __init__(self, artifact: Artifact) -> None:
        self.file = artifact.folder / "features.npy"
        ids = pd.read_parquet(artifact.folder / "ids.parquet")["id"]
        self.row_of = {str(name): row for row, name in enumerate(ids)}

    @cached_property
    def values(self) -> NDArray[np.float32]:
        """All features, read when they are first asked for."""
        return np.load(self.file, allow_pickle=False)

    def of(self, ids: Iterable[str]) -> NDArray[np.float32]:
        """Return the features of these rows, in their order, (n, d)."""
        return self.values[[self.row_of[name] for name in ids]]

    def holds(self, ids: Iterable[str]) -> bool:
        """Whether every one of these rows has features here."""
        return all(name in self.row_of for name in ids)


def read_weights(artifact: Artifact) -> Mapping[str, Any]:
    """Return the tensors that a training changed."""
    from safetensors.torch import load_file

    return load_file(artifact.folder / "weights.safetensors")


def part_frame(name: str, part: Labelled | Unlabelled, labels: Any) -> pd.DataFrame:
    """Return a part as a table; a label of -1 is none."""
    return pd.DataFrame(
        {
            "part": name,
            "id": list(part.ids),
            "text": list(part.texts),
            "pair": list(part.pairs) if part.pairs is not None else None,
            "group": list(part.groups) if part.groups is not None else None,
            "label": np.asarray(labels, dtype=np.int64),
        }
    )


def _rows(frame: pd.DataFrame) -> dict[str, Any]:
    def column(name: str) -> tuple[str, ...] | None:
        values: Any = frame[name]
        return None if values.isna().all() else tuple(str(value) for value in values)

    return {
        "ids": tuple(str(value) for value in frame["id"]),
        "texts": tuple(str(value) for value in frame["text"]),
        "pairs": column("pair"),
        "groups": column("group"),
    }


def _unlabelled(frame: pd.DataFrame) -> Unlabelled:
    return Unlabelled(**_rows(frame))


def _labelled(frame: pd.DataFrame, names: tuple[str, ...]) -> Labelled:
    return Labelled(**_rows(frame), labels=frame["label"].to_numpy(), label_names=names)


def write_probabilities(path: Path, ids: Any, values: FloatArray) -> None:
    """Write class probabilities, shape (n, K), with their ids."""
    columns = {f"p_{k}": values[:, k] for k in range(values.shape[1])}
    pd.DataFrame({"id": list(ids), **columns}).to_parquet(path, index=False)
