"""Do the 95 % intervals of PGR cover the truth, and does the gate let real gaps through?

Synthetic experiments with known PGR: three models, S runs, n test items, the variance of the mean
gap split between runs, items and their interaction in five ways, the true gap a given number of
its own standard errors. Beside the intervals of ``w2sg.gain`` stands the plain crossed bootstrap,
which draws rows and columns with replacement and reads off percentiles.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from w2sg._arrays import FloatArray
from w2sg._seeds import child_seed
from w2sg.figures import new_figure
from w2sg.figures.canvas import PALETTE
from w2sg.gain import pgr
from w2sg.studies.study import Claim, Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes

N_ITEMS = 60
N_REPLICATES = 1000
SEEDS = (2, 3, 5, 10)
GAPS = (3.0, 5.5, 10.0)  # true gap in its own standard errors
TRUTHS = (0.0, 0.5, 1.0)  # true PGR, taken in turn
NOISES = {  # shares of runs, items and interaction in the variance of the mean gap
    "runs": (1.0, 0.0, 0.0),
    "items": (0.0, 0.75, 0.25),
    "interaction": (0.0, 0.0, 1.0),
    "all three": (0.4, 0.4, 0.2),
}
ACCURACY = "accuracy"  # correct or not, items hard for all models, no run effect
RATES = (0.65, 0.80)  # true accuracy of teacher and ceiling


@dataclass(frozen=True)
class Cell:
    """One kind of experiment and what was counted.

    Attributes:
        n_seeds: Runs in each experiment.
        noise: Where the variance comes from.
        gap_errors: True gap in its own standard errors.
        gate: Share of experiments that pass the gate.
        coverage: Share of those whose interval holds the true PGR.
        plain: The same for the plain crossed bootstrap.
        n_passed: Number of experiments that passed.
    """

    n_seeds: int
    noise: str
    gap_errors: float
    gate: float
    coverage: float
    plain: float
    n_passed: int


def count(n_seeds: int, noise: str, gap_errors: float, n_passed: int, seed: int = 0) -> Cell:
    """Run experiments of one kind until ``n_passed`` of them passed the gate.

    Args:
        n_seeds: Runs in each experiment.
        noise: A key of ``NOISES``, or ``"accuracy"``.
        gap_errors: True gap in its own standard errors.
        n_passed: Experiments to count coverage over.
        seed: Root seed.

    >>> cell = count(5, "items", 10.0, 20)
    >>> cell.n_passed, cell.gate
    (20, 1.0)
    """
    rng = np.random.default_rng(child_seed(seed, "coverage", n_seeds, noise, str(gap_errors)))
    tried = passed = covered = plain = 0
    while passed < n_passed:
        truth = TRUTHS[tried % len(TRUTHS)]
        if noise == ACCURACY:
            scores = _accuracies(rng, n_seeds, gap_errors, truth)
        else:
            scores = _normal(rng, n_seeds, NOISES[noise], gap_errors, truth)
        tried += 1
        found = pgr(*scores, seed=tried, n_replicates=N_REPLICATES)
        if found.low is None or found.high is None:
            continue
        passed += 1
        covered += found.low <= truth <= found.high
        low, high = _plain_interval(rng, scores)
        plain += low <= truth <= high
    return Cell(
        n_seeds, noise, gap_errors, passed / tried, covered / passed, plain / passed, passed
    )


def coverage(n_passed: int = 1000, seed: int = 0) -> Study:
    """Count coverage and passing of the gate over all kinds of experiments, and draw them.

    Args:
        n_passed: Experiments that pass the gate in each of the 60 cells.
        seed: Root seed.
    """
    cells = [
        count(n_seeds, noise, gap_errors, n_passed, seed)
        for n_seeds in SEEDS
        for noise in (*NOISES, ACCURACY)
        for gap_errors in GAPS
    ]
    names = ("n_seeds", "gap_errors", "gate", "coverage", "plain", "n_passed")
    arrays = {name: np.array([float(getattr(cell, name)) for cell in cells]) for name in names}
    return Study(arrays, _figure(cells), _claims(cells))


def _claims(cells: list[Cell]) -> tuple[Claim, ...]:
    lowest = min(cells, key=lambda cell: cell.coverage)
    many = [cell for cell in cells if cell.n_seeds >= 5]
    highest = max(many, key=lambda cell: cell.coverage)
    real = [cell for cell in cells if cell.gap_errors > 5]
    gates = {
        s: [cell.gate for cell in real if cell.n_seeds == s]
        for s in sorted({c.n_seeds for c in real})
    }
    found = "; ".join(
        f"{s} seeds: mean {np.mean(values):.3f}, lowest {min(values):.3f}"
        for s, values in gates.items()
    )
    return (
        Claim(
            "95 % intervals of PGR cover at least 93 % in every cell",
            f"lowest {lowest.coverage:.3f} ({_words(lowest)})",
            bool(lowest.coverage >= 0.93),
        ),
        Claim(
            "they cover at most 99 % at 5 and 10 seeds",
            f"highest {highest.coverage:.3f} ({_words(highest)})",
            bool(highest.coverage <= 0.99),
        ),
        Claim(
            "at 5 and 10 seeds the gate passes at least 95 % of gaps above 5 standard errors",
            found,
            all(min(values) >= 0.95 for s, values in gates.items() if s >= 5),
        ),
    )


def _words(cell: Cell) -> str:
    return f"{cell.n_seeds} seeds, {cell.noise}, gap of {cell.gap_errors:g} standard errors"


def _figure(cells: list[Cell]):  # noqa: ANN202 - matplotlib is loaded only when something is drawn
    figure, axes = new_figure(1, len(SEEDS), width=10.5, height=4.2)
    noises = (*NOISES, ACCURACY)
    for panel, n_seeds in zip(axes, SEEDS, strict=True):
        _band(panel, n_seeds)
        for row, noise in enumerate(noises):
            for offset, gap_errors in zip((-0.24, 0.0, 0.24), GAPS, strict=True):
                (cell,) = (
                    c
                    for c in cells
                    if (c.n_seeds, c.noise, c.gap_errors) == (n_seeds, noise, gap_errors)
                )
                y = row + offset
                error = 2 * (cell.coverage * (1 - cell.coverage) / cell.n_passed) ** 0.5
                panel.errorbar(cell.coverage, y, xerr=error, fmt="o", ms=4, color=PALETTE[0])
                panel.plot(cell.plain, y, "x", ms=5, color=PALETTE[1])
        panel.set(title=f"{n_seeds} seeds", xlabel="coverage", xlim=(0.4, 1.01))
        panel.set_yticks(range(len(noises)), labels=noises if n_seeds == SEEDS[0] else [])
        panel.set_ylim(len(noises) - 0.5, -0.5)
    axes[0].set_ylabel("gap of 3, 5.5, 10 s.e., downwards")
    axes[0].plot([], [], "o", ms=4, color=PALETTE[0], label="w2sg.gain")
    axes[0].plot([], [], "x", ms=5, color=PALETTE[1], label="plain crossed bootstrap")
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def _band(panel: "Axes", n_seeds: int) -> None:
    panel.axvspan(0.93, 0.99 if n_seeds >= 5 else 1.01, color="0.9", zorder=0)
    panel.axvline(0.95, color="0.35", lw=1, ls="--")


def _normal(
    rng: np.random.Generator,
    n_seeds: int,
    shares: tuple[float, float, float],
    gap_errors: float,
    truth: float,
) -> FloatArray:
    """Return scores (3, seeds, items) whose mean gap has variance 1: models correlate by ½."""
    mix = np.linalg.cholesky(np.full((3, 3), 0.5) + 0.5 * np.eye(3))
    run, item, cell = (share**0.5 for share in shares)
    scores = (
        (run * n_seeds**0.5) * (rng.standard_normal((n_seeds, 1, 3)) @ mix.T)
        + (item * N_ITEMS**0.5) * (rng.standard_normal((1, N_ITEMS, 3)) @ mix.T)
        + (cell * (n_seeds * N_ITEMS) ** 0.5) * (rng.standard_normal((n_seeds, N_ITEMS, 3)) @ mix.T)
    )
    return np.moveaxis(scores + gap_errors * np.array([0.0, truth, 1.0]), -1, 0)


def _accuracies(
    rng: np.random.Generator, n_seeds: int, gap_errors: float, truth: float
) -> FloatArray:
    """Return correct-or-not scores (3, seeds, items) with a true PGR of ``truth``.

    Model m is right where h_i + e_{msi} < c_m, both standard normal, so that its accuracy is
    Φ(c_m/√2). The number of items makes the gap the wanted number of standard errors: the
    difference of two models at item i has the variance V_b + V_e/S with
    V_b = Var(Φ(c_2 − h) − Φ(c_1 − h)), taken over a grid of quantiles of h.
    """
    low, high = RATES
    rates = np.array([low, low + truth * (high - low), high])
    cuts = stats.norm.ppf(rates) * 2**0.5
    hardness = stats.norm.ppf((np.arange(2000) + 0.5) / 2000)
    p, q = stats.norm.cdf(cuts[0] - hardness), stats.norm.cdf(cuts[2] - hardness)
    between, within = np.var(q - p), np.mean(p * (1 - p) + q * (1 - q))
    n_items = round(float(gap_errors**2 * (between + within / n_seeds) / (high - low) ** 2))
    margin = rng.standard_normal(n_items) + rng.standard_normal((3, n_seeds, n_items))
    return (margin < cuts[:, None, None]).astype(np.float64)


def _plain_interval(
    rng: np.random.Generator, scores: FloatArray, n_replicates: int = 400
) -> tuple[float, float]:
    """Return the percentile interval of PGR from rows and columns drawn with replacement."""
    _, n_seeds, n_items = scores.shape
    rows = rng.multinomial(n_seeds, np.full(n_seeds, 1 / n_seeds), n_replicates) / n_seeds
    columns = rng.multinomial(n_items, np.full(n_items, 1 / n_items), n_replicates) / n_items
    teacher, student, ceiling = np.einsum("rs,msi,ri->mr", rows, scores, columns, optimize=True)
    with np.errstate(divide="ignore", invalid="ignore"):  # the plain way has no gate
        low, high = np.quantile((student - teacher) / (ceiling - teacher), [0.025, 0.975])
    return float(low), float(high)


FIGURES = {"INTERVALS": ("coverage", "Coverage of the intervals and the pass rate of the gap gate")}


def figure_study(name: str) -> Callable[[], Study]:
    """Return the function that makes the figure.

    >>> callable(figure_study("INTERVALS"))
    True
    """
    if name not in FIGURES:
        raise ValueError(f"figure must be one of {', '.join(FIGURES)}, got {name!r}")
    return coverage
