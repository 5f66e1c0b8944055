"""Every loss on real text: linear heads on frozen features, taught by a weak teacher.

The caller brings features and teacher probabilities (`w2sg.models.features.pooled_features`,
`w2sg.models.baselines.fit_tfidf`), so that this module reads no files and loads no model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.special import expit

from w2sg._arrays import FloatArray, as_floats
from w2sg._seeds import child_seed
from w2sg.diagnostics.ledger import Ledger, ledger
from w2sg.gain.estimate import Estimate
from w2sg.gain.measures import pgr
from w2sg.soft_labels import shrink
from w2sg.studies.bias_variance.solvers import RATE, train_linear
from w2sg.studies.bias_variance.teacher_fit import Cell

NAMES = (
    "ce",
    "reverse_ce",
    "forward_kl",
    "reverse_kl",
    "symmetric:1:0.1",
    "symmetric:1:1",
    "cace:0.1",
    "cace:quantile=0.5",
    "confidence:0.5",
    "bootstrap:0.8:hard",
    "product:1:1",
    "gce:0.7",
    "squared",
    "ce+0.1*entropy",
)


@dataclass(frozen=True)
class LossRow:
    """One loss: means over seeds and test items; ``accuracy`` is (seeds, items) of 0 and 1."""

    name: str
    accuracy: Float[ndarray, "seeds items"]
    pgr: Estimate
    ledger: Ledger
    nll: FloatArray
    entropy: FloatArray


@dataclass(frozen=True)
class TextArrays:
    """A binary task as arrays.

    Attributes:
        unlabelled: Student features of the rows each seed trains on, (seeds, n, d).
        labels: True classes of the same rows, for the ceiling alone, (seeds, n).
        teacher_unlabelled: Teacher probabilities of class 1, (seeds, n).
        test: Student features, (items, d).
        truth: True classes, (items,).
        teacher_test: Teacher probabilities of class 1, (seeds, items).
    """

    unlabelled: Float[ndarray, "seeds n d"]
    labels: Int[ndarray, "seeds n"]
    teacher_unlabelled: Float[ndarray, "seeds n"]
    test: Float[ndarray, "items d"]
    truth: Int[ndarray, " items"]
    teacher_test: Float[ndarray, "seeds items"]


def loss_table(
    task: TextArrays,
    names: tuple[str, ...] = NAMES,
    *,
    alpha: float = 1.0,
    rate: float = RATE,
    seed: int = 0,
) -> list[LossRow]:
    """Train a linear head per seed and loss, two epochs of Adam, and measure all of them.

    Args:
        task: Features are centred and scaled here by the unlabelled rows.
        names: Losses.
        alpha: Soft labels are shrunk to ½ + α(q − ½) first.
        rate: Learning rate of the heads, the same for every loss.
        seed: Of starts and order; the same for every loss.

    Raises:
        ValueError: Arrays of the task that do not fit together.

    >>> rng = np.random.default_rng(0)
    >>> x, z = rng.normal(size=(2, 64, 3)), rng.normal(size=(40, 3))
    >>> task = TextArrays(x, (x[..., 0] > 0) * 1, expit(2 * x[..., 0] + x[..., 1]), z,
    ...                   (z[:, 0] > 0) * 1, np.stack([expit(2 * z[:, 0] + z[:, 1])] * 2))
    >>> [row.name for row in loss_table(task, ("ce", "reverse_ce"))]
    ['ce', 'reverse_ce']
    """
    from w2sg import losses

    x, test = _scaled(task)
    runs = len(x)
    start = 0.01 * np.random.default_rng(child_seed(seed, "start")).standard_normal(
        (runs, x.shape[-1])
    )
    order = child_seed(seed, "order")
    soft = shrink(task.teacher_unlabelled.ravel(), alpha).reshape(task.teacher_unlabelled.shape)
    ceiling = train_linear(x, task.labels.astype(float), start, losses.ce, order, rate=rate)
    right = {
        "teacher": (task.teacher_test > 0.5) == task.truth,
        "ceiling": (np.einsum("rid,rd->ri", test, ceiling) > 0) == task.truth,
    }
    rows = []
    for name in names:
        weights = train_linear(x, soft, start, losses.get(name), order, rate=rate)
        z = np.einsum("rid,rd->ri", test, weights)
        correct = (z > 0) == task.truth
        rows.append(
            LossRow(
                name,
                correct.astype(float),
                pgr(*(v.astype(float) for v in (right["teacher"], correct, right["ceiling"]))),
                ledger(task.truth, task.teacher_test, expit(z)),
                np.logaddexp(0, np.where(task.truth == 1, -z, z)).mean(-1),
                (expit(z) * np.logaddexp(0, -z) + expit(-z) * np.logaddexp(0, z)).mean(-1),
            )
        )
    return rows


def fit_grid(
    tasks: Mapping[int, TextArrays],
    *,
    epochs: Sequence[float] = (0.25, 1, 4, 16),
    names: Sequence[str] = ("ce", "ce+0.1*entropy", "ce+0.3*entropy"),
    rate: float = RATE,
    seed: int = 0,
) -> list[Cell]:
    """Train linear heads for every number of epochs, loss and teacher, for `teacher_fit`.

    Args:
        tasks: Members of the teacher → the task with its labels; all else is the same.
        epochs: Passes over the unlabelled rows.
        names: Losses.
        rate: Learning rate of the heads.
        seed: Of starts and order.
    """
    from w2sg import losses

    cells = []
    for members, task in tasks.items():
        x, test = _scaled(task)
        start = 0.01 * np.random.default_rng(child_seed(seed, "start")).standard_normal(
            (len(x), x.shape[-1])
        )
        order = child_seed(seed, "order")
        teacher = np.stack([1 - task.teacher_test, task.teacher_test], axis=-1)
        for name, passes in product(names, epochs):
            weights = train_linear(
                x, task.teacher_unlabelled, start, losses.get(name), order, rate=rate, epochs=passes
            )
            p = expit(np.einsum("rid,rd->ri", test, weights))
            cells.append(Cell(passes, name, members, teacher, np.stack([1 - p, p], axis=-1)))
    return cells


def markdown(task: TextArrays, rows: list[LossRow]) -> str:
    """Return the table of `loss_table` as Markdown, teacher first."""
    teacher = float(((task.teacher_test > 0.5) == task.truth).mean())
    lines = [
        "| loss | accuracy | PGR | student entropy | misfit | residual | gain |",
        "|---|---|---|---|---|---|---|",
        f"| teacher | {teacher:.3f} | 0 | {rows[0].ledger.teacher_entropy} | | | |",
    ]
    for row in rows:
        found = row.ledger
        cells = [found.student_entropy, found.misfit, found.residual, found.gap]
        lines.append(
            f"| `{row.name}` | {row.accuracy.mean():.3f} | {row.pgr} | "
            + " | ".join(str(cell) for cell in cells)
            + " |"
        )
    return "\n".join(lines)


def _scaled(task: TextArrays) -> tuple[FloatArray, FloatArray]:
    x = as_floats("unlabelled", task.unlabelled, ndim=3)
    test = as_floats("test", task.test, ndim=2)
    expected = {
        "labels": (task.labels, x.shape[:2]),
        "teacher_unlabelled": (task.teacher_unlabelled, x.shape[:2]),
        "truth": (task.truth, test.shape[:1]),
        "teacher_test": (task.teacher_test, (len(x), len(test))),
    }
    for name, (array, shape) in expected.items():
        if np.shape(array) != shape:
            raise ValueError(f"{name} must have shape {shape}, got {np.shape(array)}")
    centre, scale = x.mean((0, 1)), x.std((0, 1)) + 1e-12
    x = np.concatenate([(x - centre) / scale, np.ones((*x.shape[:2], 1))], axis=-1)
    test = np.concatenate([(test - centre) / scale, np.ones((len(test), 1))], axis=-1)
    return x, np.broadcast_to(test, (len(x), *test.shape))
