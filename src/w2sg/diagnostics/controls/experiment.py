"""What the controls of one seed are made from, checked where it comes in."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from w2sg._arrays import as_floats
from w2sg.heads.logistic import as_probabilities

LEAST_ROWS = 10


@dataclass(frozen=True, eq=False)
class OnRows:
    """One quantity, features or answers, on both parts of the data.

    Attributes:
        unlabelled: On the N rows that the teacher labels, (N, d).
        test: On the t test rows, (t, d).
    """

    unlabelled: Float[np.ndarray, "n d"]
    test: Float[np.ndarray, "t d"]


@dataclass(frozen=True, eq=False)
class FrozenSeed:
    """One seed of a weak-to-strong experiment on frozen features.

    What is left out withholds the controls that need it.

    Args:
        truth: Class numbers of the test rows, (t,), in 0 … K − 1.
        strong: Features of the student.
        teacher: Class probabilities by the teacher: the pseudo-labels, and its test answers.
        hidden: True class numbers of the unlabelled rows, (N,).
        weak: Features of the teacher.
        untrained: Features of a network of the student's shape with random weights.
        penalised: The teacher at other penalties, the same ones in every seed.
        resampled: Teachers of resamples of the labels.

    Raises:
        ValueError: Shapes that do not fit, values that are no features or no probabilities.
    """

    truth: Int[np.ndarray, " t"]
    strong: OnRows
    teacher: OnRows
    hidden: Int[np.ndarray, " n"] | None = None
    weak: OnRows | None = None
    untrained: OnRows | None = None
    penalised: tuple[OnRows, ...] = ()
    resampled: tuple[OnRows, ...] = ()

    def __post_init__(self) -> None:
        """Check what the controls rest on."""
        n, t = len(self.strong.unlabelled), len(self.strong.test)
        if n < LEAST_ROWS or t < 2:
            raise ValueError(
                f"strong has {n} unlabelled and {t} test rows: a student needs at least "
                f"{LEAST_ROWS} and an interval at least 2"
            )
        for name in ("strong", "weak", "untrained"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, _features(name, value, n, t))
        for name, several in (
            ("teacher", (self.teacher,)),
            ("penalised", self.penalised),
            ("resampled", self.resampled),
        ):
            for answers in several:
                as_probabilities(f"{name}.unlabelled", answers.unlabelled, rows=n)
                as_probabilities(f"{name}.test", answers.test, rows=t)
        _classes("truth", self.truth, t, self.n_classes)
        if self.hidden is not None:
            _classes("hidden", self.hidden, n, self.n_classes)

    @property
    def n_classes(self) -> int:
        """Number of classes K."""
        return self.teacher.test.shape[1]


def check_seeds(seeds: Sequence[FrozenSeed]) -> None:
    """Refuse seeds that cannot be compared item by item.

    Raises:
        ValueError: No seeds, other test rows, or another number of penalties.
    """
    if not seeds:
        raise ValueError("seeds must hold at least one seed")
    first = seeds[0]
    for other in seeds[1:]:
        if not np.array_equal(other.truth, first.truth):
            raise ValueError("every seed must have the same test rows in the same order")
        if len(other.penalised) != len(first.penalised):
            raise ValueError(
                "every seed must have the teacher at the same penalties, got "
                f"{len(first.penalised)} and {len(other.penalised)}"
            )


def _features(name: str, value: OnRows, n: int, t: int) -> OnRows:
    parts = []
    for part, rows in (("unlabelled", n), ("test", t)):
        x = as_floats(f"{name}.{part}", getattr(value, part), ndim=2)
        if len(x) != rows:
            raise ValueError(f"{name}.{part} must have {rows} rows, got {len(x)}")
        parts.append(x)
    if parts[0].shape[1] != parts[1].shape[1]:
        raise ValueError(
            f"{name} must have the same columns on both parts, got {parts[0].shape[1]} and "
            f"{parts[1].shape[1]}"
        )
    if np.ptp(parts[0], axis=0).max(initial=0.0) == 0:
        raise ValueError(f"{name}.unlabelled is the same for every row; nothing can be learned")
    return OnRows(*parts)


def _classes(name: str, value: Any, rows: int, n_classes: int) -> None:
    y = np.asarray(value)
    good = y.shape == (rows,) and y.dtype.kind in "iu"
    if not good or y.min() < 0 or y.max() >= n_classes:
        raise ValueError(
            f"{name} must be {rows} class numbers in 0 … {n_classes - 1}, got shape {y.shape}"
        )
