"""Trainings of a long study, kept one by one, so that a stopped study goes on where it was."""

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from w2sg.studies.attention.curve import Curve

Tell = Callable[[str], None]
Measure = Callable[[float, float, int], Curve]


class Kept:
    """A measure that tells how far it is and keeps what it measured.

    Args:
        measure: Trains once with η_Q, η_V and a seed.
        of: What a curve depends on besides; a curve of anything else is measured again.
        total: Number of trainings of the study.
        file: Lines of JSON, one a training; nothing is kept if ``None``.
        tell: Called with a line after each training.
    """

    def __init__(
        self, measure: Measure, of: Mapping[str, Any], total: int, file: Path | None, tell: Tell
    ) -> None:
        self.measure, self.of, self.total = measure, dict(of), total
        self.file, self.tell = file, tell
        self.known = {} if file is None else _read(file, self.of)
        self.done = 0

    def __call__(self, lr_q: float, lr_v: float, seed: int) -> Curve:
        """Return a curve, from the file where it has it."""
        self.done += 1
        where = f"training {self.done} of {self.total}, η_Q {lr_q:.2g}, η_V {lr_v:.2g}, seed {seed}"
        found = self.known.get((lr_q, lr_v, seed))
        if found is not None:
            self.tell(f"{where}: kept from before")
            return found
        began = time.perf_counter()
        found = self.measure(lr_q, lr_v, seed)
        self.tell(f"{where}: {time.perf_counter() - began:.0f} s")
        if self.file is not None:
            line = {"of": self.of, "lr_q": lr_q, "lr_v": lr_v, "seed": seed, **_plain(found)}
            with self.file.open("a", encoding="utf-8") as out:
                out.write(json.dumps(line) + "\n")
        return found


def _plain(curve: Curve) -> dict[str, Any]:
    return {name: np.asarray(value).tolist() for name, value in vars(curve).items()}


def _read(file: Path, of: Mapping[str, Any]) -> dict[tuple[float, float, int], Curve]:
    found = {}
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    if text and not text.endswith("\n"):  # stopped in the middle of a line
        text = text[: text.rfind("\n") + 1]
        file.write_text(text, encoding="utf-8")
    for row in map(json.loads, text.splitlines()):
        if row.pop("of") == dict(of):
            key = row.pop("lr_q"), row.pop("lr_v"), row.pop("seed")
            seconds = row.pop("step_seconds")
            found[key] = Curve(**{k: np.array(v) for k, v in row.items()}, step_seconds=seconds)
    return found
