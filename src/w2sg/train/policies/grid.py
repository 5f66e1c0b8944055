"""A grid of learning rates for Q and V, with the equal-rate diagonal as the control."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from w2sg._arrays import FloatArray, as_floats
from w2sg.figures import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle


@dataclass(frozen=True)
class Cell:
    """One cell of the grid.

    Attributes:
        lr_q: Learning rate of Q.
        lr_v: Learning rate of V.
        score: Mean over seeds.
    """

    lr_q: float
    lr_v: float
    score: float


@dataclass(frozen=True)
class Gain:
    """The best cell against the best equal-rate cell.

    Attributes:
        same_seeds: Difference of the two means. Both maxima are taken over the seeds they are
            judged on, and the grid has more cells than the diagonal, so this is biased upwards.
        fresh_seeds: Mean over seeds of the difference when the cells are chosen on the other
            seeds; ``None`` with one seed.
        standard_error: Of ``fresh_seeds``; the seeds share training folds, so it is approximate.
    """

    same_seeds: float
    fresh_seeds: float | None
    standard_error: float | None


@dataclass(frozen=True)
class RateGrid:
    """Scores over learning rates.

    Attributes:
        lr_q: Rates of Q, increasing.
        lr_v: Rates of V, increasing.
        scores: Shape (rates of Q, rates of V, seeds); larger is better, unless ``lower_is_better``.
        lower_is_better: Whether a smaller score is better, as for a loss.
    """

    lr_q: tuple[float, ...]
    lr_v: tuple[float, ...]
    scores: FloatArray
    lower_is_better: bool = False

    @property
    def mean(self) -> FloatArray:
        """Mean over seeds, shape (rates of Q, rates of V)."""
        return self.scores.mean(-1)

    @property
    def best(self) -> Cell:
        """The best cell by the mean over seeds."""
        return self._cell(self.mean, self._anywhere)

    @property
    def best_equal(self) -> Cell:
        """The best cell with equal rates."""
        return self._cell(self.mean, self._diagonal)

    @property
    def diagonal(self) -> tuple[Cell, ...]:
        """The cells with equal rates, by increasing rate."""
        cells = np.argwhere(self._diagonal)
        return tuple(Cell(self.lr_q[i], self.lr_v[j], float(self.mean[i, j])) for i, j in cells)

    @property
    def gain(self) -> Gain:
        """What unequal rates buy over the best equal rate, positive if they help."""
        same = self._better(self.best.score - self.best_equal.score)
        n = self.scores.shape[-1]
        if n < 2:
            return Gain(same, None, None)
        fresh = np.empty(n)
        for seed in range(n):
            others = np.delete(self.scores, seed, -1).mean(-1)
            here = self.scores[..., seed]
            chosen, control = (
                here[self._argbest(others, mask)] for mask in (self._anywhere, self._diagonal)
            )
            fresh[seed] = self._better(chosen - control)
        return Gain(same, float(fresh.mean()), float(fresh.std(ddof=1) / n**0.5))

    @property
    def _diagonal(self) -> np.ndarray:
        return np.isclose(np.asarray(self.lr_q)[:, None], np.asarray(self.lr_v), rtol=1e-9, atol=0)

    @property
    def _anywhere(self) -> np.ndarray:
        return np.ones((len(self.lr_q), len(self.lr_v)), dtype=bool)

    def _better(self, difference: float) -> float:
        return float(-difference if self.lower_is_better else difference)

    def _argbest(self, values: FloatArray, mask: np.ndarray) -> tuple[int, ...]:
        signed = -values if self.lower_is_better else values
        where = np.where(mask, signed, -np.inf)
        return tuple(int(i) for i in np.unravel_index(where.argmax(), where.shape))

    def _cell(self, values: FloatArray, mask: np.ndarray) -> Cell:
        i, j = self._argbest(values, mask)
        return Cell(self.lr_q[i], self.lr_v[j], float(values[i, j]))


def rate_grid(
    score: Callable[[float, float, int], float],
    lr_q: Sequence[float],
    lr_v: Sequence[float],
    seeds: Sequence[int] = (0,),
    *,
    lower_is_better: bool = False,
) -> RateGrid:
    """Return the scores of every pair of rates, equal rates included as the control.

    Args:
        score: ``score(lr_q, lr_v, seed)`` trains and returns one number on held-out data.
        lr_q: Rates of Q, positive, distinct.
        lr_v: Rates of V, positive, distinct; at least one also in ``lr_q``.
        seeds: Seeds, at least one; two or more for a gain with a standard error.
        lower_is_better: Whether a smaller score is better.

    Raises:
        ValueError: The grid has no equal-rate cell, so no gain could be told from a larger rate;
            or a rate, seed or score is not valid.

    Source: derived; the missing control is section 4.4 of the note.

    >>> grid = rate_grid(lambda q, v, seed: 1 - (v - 4e-3) ** 2, [1e-3, 2e-3], [1e-3, 2e-3, 4e-3])
    >>> grid.best.lr_v, grid.best_equal.lr_v, len(grid.diagonal)
    (0.004, 0.002, 2)
    """
    rows, columns = (
        tuple(sorted(float(x) for x in as_floats(name, rates, low=0.0, open_low=True, ndim=1)))
        for name, rates in (("lr_q", lr_q), ("lr_v", lr_v))
    )
    for name, rates in (("lr_q", rows), ("lr_v", columns)):
        if len(set(rates)) < len(rates) or not rates:
            raise ValueError(f"{name} must hold distinct rates, at least one, got {rates}")
    if not seeds:
        raise ValueError("seeds must hold at least one seed, got none")
    grid = RateGrid(rows, columns, np.zeros((len(rows), len(columns), 1)), lower_is_better)
    if not grid.diagonal:
        raise ValueError(
            f"the grid has no equal-rate cell: lr_q is {rows}, lr_v is {columns}; add a rate to "
            "both, otherwise a gain cannot be told from a larger learning rate"
        )
    scores = as_floats(
        "score", [[[score(q, v, seed) for seed in seeds] for v in columns] for q in rows], ndim=3
    )
    return RateGrid(rows, columns, scores, lower_is_better)


def draw_rate_grid(grid: RateGrid, *, label: str = "score") -> "Figure":
    """Return the heat map: one cell per pair of rates, the diagonal and the best cell marked."""
    figure, (axes,) = new_figure(
        width=1.6 + 0.9 * len(grid.lr_v), height=1.4 + 0.6 * len(grid.lr_q)
    )
    axes.grid(False)
    image = axes.imshow(grid.mean, origin="lower", cmap="viridis", aspect="auto")
    middle = (grid.mean.min() + grid.mean.max()) / 2
    equal = {(c.lr_q, c.lr_v) for c in grid.diagonal}
    for i, q in enumerate(grid.lr_q):
        for j, v in enumerate(grid.lr_v):
            value = grid.mean[i, j]
            color = "white" if value <= middle else "black"
            axes.text(j, i, f"{value:.3g}", ha="center", va="center", color=color, fontsize=8)
            for marked, edge, width in (
                ((q, v) in equal, "white", 1.5),
                ((q, v) == (grid.best.lr_q, grid.best.lr_v), "#d1495b", 3.0),
            ):
                if marked:
                    box = (j - 0.46, i - 0.46)
                    axes.add_patch(_frame(box, edge, width))
    axes.set_xticks(range(len(grid.lr_v)), [f"{v:.3g}" for v in grid.lr_v])
    axes.set_yticks(range(len(grid.lr_q)), [f"{q:.3g}" for q in grid.lr_q])
    axes.set_xlabel("learning rate of W_v")
    axes.set_ylabel("learning rate of W_q")
    gain = grid.gain
    over = f"best cell {gain.same_seeds:+.3g} over the best equal rate"
    if gain.fresh_seeds is not None:
        over = f"{over}\n{gain.fresh_seeds:+.3g} ± {gain.standard_error:.2g} on seeds not chosen on"
    axes.set_title(over, fontsize=9)
    figure.colorbar(image, ax=axes, label=label)
    return figure


def _frame(corner: tuple[float, float], color: str, width: float) -> "Rectangle":
    from matplotlib.patches import Rectangle

    return Rectangle(corner, 0.92, 0.92, fill=False, edgecolor=color, linewidth=width)
