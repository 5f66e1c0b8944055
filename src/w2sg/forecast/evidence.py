"""What is known before training, and the refusal of what no forecast can be made from."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from w2sg._arrays import FloatArray, as_floats

LEAST_PER_CLASS = 10
Refit = Callable[[NDArray[np.int64]], FloatArray]


@dataclass(frozen=True, eq=False)
class Evidence:
    """Frozen features, the teacher's answers and the few labels; the n labelled rows come first.

    Args:
        labels: Class numbers of the n labelled rows, in 0 … K − 1.
        strong: Features of the strong model for labelled and unlabelled rows, (n + N, D).
        teacher: Class probabilities of the same rows by the teacher that saw all n labels,
            (n + N, K).
        refit: Positions among the labelled rows → probabilities of all n + N rows by a teacher
            fitted to those labels alone; ``None`` for a teacher that has seen none of the labels.
        weak: Features of the weak model, (n + N, D_w); ``None`` for given labels.
        weak_note: What stands in for the weak model's features, where something does.
        label_names: Names of the K classes.
        n_test: Test rows of the run to come.
        n_seeds: Seeds of the run to come.

    Raises:
        ValueError: No labels, one class, fewer than 10 labels of a class, features or
            probabilities that are not finite, no unlabelled rows, or a teacher that is the student.
    """

    labels: Int[np.ndarray, " n"]
    strong: Float[np.ndarray, "m d"]
    teacher: Float[np.ndarray, "m k"]
    refit: Refit | None = None
    weak: Float[np.ndarray, "m w"] | None = None
    weak_note: str | None = None
    label_names: tuple[str, ...] = ()
    n_test: int = 1000
    n_seeds: int = 3

    def __post_init__(self) -> None:
        """Check everything that a forecast rests on."""
        y = np.asarray(self.labels)
        if y.size == 0:
            raise ValueError(
                "no labels: a forecast needs at least 10 true labels of each class; label some "
                "rows and set data.n_labelled"
            )
        p = _probabilities(self.teacher)
        if y.ndim != 1 or y.dtype.kind not in "iu" or y.min() < 0 or y.max() >= p.shape[1]:
            raise ValueError(f"labels must be class numbers 0 … {p.shape[1] - 1}, shape (n,)")
        _check_counts(y, p.shape[1], self.label_names)
        strong = _features("strong", self.strong, len(p))
        if len(p) < len(y) + 10:
            raise ValueError(
                f"only {len(p) - len(y)} unlabelled rows: a student needs rows to learn from; "
                "raise data.n_unlabelled"
            )
        if self.weak is not None:
            weak = _features("weak", self.weak, len(p))
            if weak.shape == strong.shape and np.array_equal(weak, strong):
                raise ValueError(
                    "the teacher's features are the student's: teacher and student are the same "
                    "model, so there is no gap to recover; choose a weaker teacher (fewer layers, "
                    "tfidf) or a stronger student"
                )
            object.__setattr__(self, "weak", weak)
        if not self.label_names:
            names = tuple(str(k) for k in range(p.shape[1]))
            object.__setattr__(self, "label_names", names)
        object.__setattr__(self, "labels", y.astype(np.int64))
        object.__setattr__(self, "strong", strong)
        object.__setattr__(self, "teacher", p)

    @property
    def n(self) -> int:
        """Number of labelled rows."""
        return len(self.labels)

    @property
    def N(self) -> int:
        """Number of unlabelled rows."""
        return len(self.teacher) - len(self.labels)

    @property
    def n_classes(self) -> int:
        """Number of classes K."""
        return self.teacher.shape[1]

    @property
    def truth(self) -> FloatArray:
        """The labels as rows of zeros and a one, (n, K)."""
        return np.eye(self.n_classes)[self.labels]


def _check_counts(labels: NDArray[Any], n_classes: int, names: tuple[str, ...]) -> None:
    counts = np.bincount(labels, minlength=n_classes)
    if n_classes < 2 or (counts > 0).sum() < 2:
        raise ValueError(
            "the labels are all of one class: nothing can be learned or forecast from them; label "
            "rows of the other classes"
        )
    worst = int(counts.argmin())
    if counts[worst] < LEAST_PER_CLASS:
        name = names[worst] if names else str(worst)
        raise ValueError(
            f"class {name!r} has {counts[worst]} labels: a forecast needs at least "
            f"{LEAST_PER_CLASS} of each class; label more rows and raise data.n_labelled"
        )


def _features(name: str, value: Any, rows: int) -> FloatArray:
    try:
        x = as_floats(name, value, ndim=2)
    except ValueError as error:
        raise ValueError(
            f"{error}; features with NaN or infinity say nothing: check the model and its precision"
        ) from None
    if len(x) != rows:
        raise ValueError(f"{name} must have {rows} rows, one per row of teacher, got {len(x)}")
    if np.ptp(x, axis=0).max(initial=0.0) == 0:
        raise ValueError(f"{name} features are the same for every row; nothing can be learned")
    return x


def _probabilities(value: Any) -> FloatArray:
    p = as_floats("teacher", value, low=0.0, high=1.0, ndim=2)
    if len(p) == 0 or np.abs(p.sum(axis=1) - 1).max() > 1e-3:
        raise ValueError("teacher must hold rows of class probabilities that sum to 1")
    return p
