"""The synthetic figures of "Discrepancies are Virtue", re-made with theory over measurement.

Three figures: the paper's bounds, its excess risks, and its two ratios. The measurements follow
the released notebook (latent coordinates, least squares, 40 draws); the exact curves are ours.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from w2sg.figures import new_figure
from w2sg.figures.canvas import PALETTE
from w2sg.studies.study import Claim, Study
from w2sg.studies.synthetic_regression import (
    D_GT,
    D_S,
    D_W,
    GRID,
    N_LABELS,
    N_PSEUDO,
    OVERLAPS,
    PREDICTORS,
    D,
    Measurements,
    measure,
)
from w2sg.theory.discrepancy import (
    Dimensions,
    RiskSummary,
    opr_lower_bound,
    optimal_labels,
    pgr_lower_bound,
    plotted_bounds,
    risk_summary,
    synthetic_task,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[np.float64]

FINE = np.linspace(400, 4000, 181)
PANELS = ((10, 0.01), (90, 0.01), (90, 4e-4))  # overlap and noise of the excess-risk figure


def bound_illustration() -> Study:
    """Draw the paper's two lower bounds and the exact ratios against N and against n.

    Reproduces the bound figure of the released synthetic notebook: d_w = 100, d_s = 80,
    d_sw = 10, σ² = 1, ρ = 0.1. The bounds know no target; the exact ratios (dashed) belong to one
    that neither model can express, ρ_w = ρ_s = 0.05.

    >>> all(claim.holds for claim in bound_illustration().claims)
    True
    """
    dims, noise, rho = (100, 80, 10), 1.0, 0.1
    model = Dimensions(*dims, np.sqrt(rho / 2))
    N, n = np.linspace(160, 4000, 50), np.linspace(110, 600, 50)
    n_fixed, N_fixed = np.array([220.0, 510.0, 800.0]), np.array([1600.0, 2800.0, 4000.0])
    arrays = {"N": N, "n": n, "n_fixed": n_fixed, "N_fixed": N_fixed}
    exact = {
        "N": risk_summary(model, n_fixed[:, None], N, noise),
        "n": risk_summary(model, n, N_fixed[:, None], noise),
    }
    figure, axes = new_figure(2, 2, width=9.6, height=6.4)
    for row, (name, bound) in enumerate((("PGR", pgr_lower_bound), ("OPR", opr_lower_bound))):
        over = {
            "N": bound(*dims, n_fixed[:, None], N, noise, rho),
            "n": bound(*dims, n, N_fixed[:, None], noise, rho),
        }
        for column, (sweep, sizes, fixed, label) in enumerate(
            (("N", N, n_fixed, "n"), ("n", n, N_fixed, "N"))
        ):
            panel, truth = axes[2 * row + column], getattr(exact[sweep], name.lower())
            arrays |= {f"{name}_over_{sweep}": over[sweep], f"{name}_over_{sweep}_exact": truth}
            for values, true, size, colour in zip(over[sweep], truth, fixed, PALETTE, strict=False):
                panel.plot(sizes, values, color=colour, label=f"{label} = {size:g}")
                panel.plot(sizes, true, "--", lw=1, color=colour)
            title = "pseudo-labels N" if sweep == "N" else "labels n"
            panel.set(xlabel=title, ylabel=f"{name}: bound, exact (dashed)")
            panel.axhline(1.0, color="0.35", lw=0.8, ls=":")
            panel.legend()
    best = optimal_labels(*dims, N_fixed, noise, rho)
    arrays["n_best"], arrays["PGR_best"] = best.n, best.value
    peaks = n[arrays["PGR_over_n"].argmax(axis=1)]
    rising = all((np.diff(arrays[f"{name}_over_N"], axis=1) > 0).all() for name in ("PGR", "OPR"))
    claims = (
        *(_below_exact(arrays, name) for name in ("PGR", "OPR")),
        _equal_in_the_limit(dims, noise),
        Claim("Both bounds rise with N", f"at all {N.size} points: {rising}", rising),
        Claim(
            "Both bounds peak at n = d_w + 1 + √((d_w + 1) d_sw(N) σ²/ρ)",
            f"grid peaks {peaks.round(1).tolist()}, formula {best.n.round(1).tolist()}",
            bool((abs(peaks - best.n) <= n[1] - n[0]).all()),
        ),
    )
    return Study(arrays, figure, claims)


def _below_exact(arrays: dict[str, Array], name: str) -> Claim:
    room = [arrays[f"{name}_over_{sweep}_exact"] - arrays[f"{name}_over_{sweep}"] for sweep in "nN"]
    least = float(min(part.min() for part in room))
    return Claim(
        f"The bound on {name} lies below the exact ratio",
        f"smallest distance of {sum(part.size for part in room)}: {least:+.4f}",
        least >= 0,
    )


def _equal_in_the_limit(dims: tuple[int, int, int], noise: float) -> Claim:
    """The other side of a bound: without bias, n and then N without end, nothing is given away."""
    n, N = 1e8, 1e12
    exact = risk_summary(dims, n, N, noise)
    pairs = (
        (float(pgr_lower_bound(*dims, n, N, noise, 0.0)), float(exact.pgr)),
        (float(opr_lower_bound(*dims, n, N, noise, 0.0)), float(exact.opr)),
    )
    return Claim(
        "Without bias both become the exact ratios as n and N grow",
        "; ".join(f"{bound:.4f}, exact {truth:.4f}" for bound, truth in pairs),
        all(abs(bound / truth - 1) < 1e-3 for bound, truth in pairs),
    )


def excess_risks(measured: Measurements | None = None) -> Study:
    """Draw the four excess risks against n and N: low overlap, high overlap, bias-dominated.

    Points in bands of one standard deviation are measured, solid lines exact, dotted lines the
    paper's curves.

    Args:
        measured: What `measure` returned; 40 trials are run if ``None``.
    """
    measured = measured or measure()
    figure, axes = new_figure(3, 2, width=10.0, height=10.0)
    arrays: dict[str, Array] = {"grid": GRID}
    differences = []
    for row, (d_sw, sigma2) in enumerate(PANELS):
        for column, sweep in enumerate("nN"):
            panel, trials = axes[2 * row + column], measured.risks[sweep, d_sw, sigma2]
            curves = _curves(sweep, d_sw, sigma2)
            mean, spread = trials.mean(axis=0), trials.std(axis=0, ddof=1)
            for k, (name, colour) in enumerate(zip(PREDICTORS, PALETTE, strict=False)):
                label = name.removesuffix("_risk")
                drawn = curves.draw(panel, name, mean[:, k], spread[:, k], colour, label)
                key = f"{name}_over_{sweep}_d_sw{d_sw}_sigma2_{sigma2:g}"
                arrays |= {key + suffix: values for suffix, values in drawn.items()}
                differences.append(trials[..., k] / drawn["_exact"] - 1)
            panel.set(yscale="log", ylabel="excess risk", title=f"d_sw = {d_sw}, σ² = {sigma2:g}")
            panel.set_xlabel(_axis_label(sweep) if row == len(PANELS) - 1 else "")
    axes[0].legend()
    low = np.concatenate([measured.risks[sweep, 10, 0.01].mean(axis=0) for sweep in "nN"])
    bias = measured.risks["n", 90, 4e-4].mean(axis=0)[-1]
    claims = (
        _agreement("Measured means agree with the exact risks", differences),
        Claim(
            "With little overlap the student beats its teacher at every sample size",
            f"largest student/teacher {(low[:, 1] / low[:, 0]).max():.3f}",
            bool((low[:, 1] < low[:, 0]).all()),
        ),
        Claim(
            "Where bias dominates, the student loses to its teacher at n = 4000",
            f"student {bias[1]:.3e}, teacher {bias[0]:.3e}",
            bool(bias[1] > bias[0]),
        ),
    )
    return Study(arrays, figure, claims)


def gap_ratios(measured: Measurements | None = None) -> Study:
    """Draw PGR and OPR against n and N for three overlaps, σ² = 0.01.

    Points are ratios of mean risks, bands one standard deviation of the ratio over trials; solid
    lines are exact, dotted lines the curves that the paper draws.

    Args:
        measured: What `measure` returned; 40 trials are run if ``None``.
    """
    measured = measured or measure()
    figure, axes = new_figure(2, 2, width=10.0, height=7.0)
    arrays: dict[str, Array] = {"grid": GRID}
    differences = []
    for i, d_sw in enumerate(OVERLAPS):
        for column, sweep in enumerate("nN"):
            trials = measured.risks[sweep, d_sw, 0.01]
            curves = _curves(sweep, d_sw, 0.01)
            for row, (name, form) in enumerate((("pgr", _pgr), ("opr", _opr))):
                panel = axes[2 * row + column]
                mean, spread = form(trials.mean(axis=0)), form(trials).std(axis=0, ddof=1)
                drawn = curves.draw(panel, name, mean, spread, PALETTE[i], f"d_sw = {d_sw}")
                panel.set(ylabel=name.upper(), xlabel=_axis_label(sweep) if row else "")
                key = f"{name}_over_{sweep}_d_sw{d_sw}"
                arrays |= {key + suffix: values for suffix, values in drawn.items()}
                differences.append(_off_the_line(trials, name, drawn["_exact"]))
    axes[0].legend()
    agree = _agreement("Measured ratios of mean risks agree with the exact ratios", differences)
    return Study(arrays, figure, (*_ratio_claims(arrays), agree))


def _off_the_line(trials: Array, name: str, exact: Array) -> Array:
    """Numerator − exact ratio · denominator, trial by trial: mean 0 if the ratio is exact.

    A ratio of means is not a mean, but this is, so it has an ordinary standard error.
    """
    teacher, student, baseline, ceiling = np.moveaxis(trials, -1, 0)
    if name == "opr":
        return (baseline - exact * student) / baseline.mean(axis=0)
    return (teacher - student - exact * (teacher - ceiling)) / teacher.mean(axis=0)


def _agreement(statement: str, differences: list[Array]) -> Claim:
    """Test that differences (trials, points) have mean 0, point by point and curve by curve.

    All points share an error of 1 %, so do all curves. A curve's mean over its points shows what
    no single point does: a risk that is wrong by a few per cent everywhere.
    """
    points = _distances(np.concatenate(differences, axis=1))
    curves = _distances(np.stack([curve.mean(axis=1) for curve in differences], axis=1))
    freedom = len(differences[0]) - 1
    limits = [float(stdtrit(freedom, 1 - 0.005 / len(found))) for found in (points, curves)]
    return Claim(
        statement,
        "largest distance in standard errors: "
        f"{points.max():.1f} of {len(points)} points (allowed {limits[0]:.1f}), "
        f"{curves.max():.1f} of {len(curves)} curves (allowed {limits[1]:.1f})",
        bool(points.max() < limits[0] and curves.max() < limits[1]),
    )


def _distances(differences: Array) -> Array:
    error = differences.std(axis=0, ddof=1) / np.sqrt(len(differences))
    return abs(differences.mean(axis=0)) / error


def _ratio_claims(arrays: dict[str, Array]) -> tuple[Claim, ...]:
    ordered = all(
        (
            np.diff([arrays[f"{name}_over_{sweep}_d_sw{d_sw}"] for d_sw in OVERLAPS], axis=0) < 0
        ).all()
        for name in ("pgr", "opr")
        for sweep in "nN"
    )
    excess = {
        sweep: np.array(
            [
                arrays[f"{name}_over_{sweep}_d_sw{d_sw}_dotted"]
                - arrays[f"{name}_over_{sweep}_d_sw{d_sw}_exact"]
                for name in ("pgr", "opr")
                for d_sw in OVERLAPS
            ]
        )
        for sweep in "nN"
    }
    crossing = int(GRID[(excess["N"] > 0).any(axis=0)].max(initial=0))
    fine = np.arange(300.0, 4001.0)
    exact = {d_sw: _exact("N", d_sw, 0.01, fine) for d_sw in OVERLAPS}
    peaks = [int(fine[summary.pgr.argmax()]) for summary in exact.values()]
    measured_peaks = [int(GRID[arrays[f"pgr_over_N_d_sw{d}"].argmax()]) for d in OVERLAPS]
    rising = all((np.diff(summary.opr) > 0).all() for summary in exact.values())
    labels = [int(fine[_exact("n", d, 0.01, fine).opr.argmax()]) for d in OVERLAPS]
    return (
        Claim(
            "The smaller the overlap, the larger PGR and OPR",
            f"at all {4 * len(GRID)} measured points: {ordered}",
            ordered,
        ),
        Claim(
            "PGR peaks in N (the ceiling goes on improving), OPR rises",
            f"exact peaks N = {peaks}, measured on the grid {measured_peaks}; OPR rises: {rising}",
            peaks == [1188, 1176, 1122] and rising,
        ),
        Claim(
            "OPR has an interior best number of labels",
            f"exact n = {labels} for d_sw = {list(OVERLAPS)}",
            labels == [429, 683, 1029],
        ),
        Claim(
            "The paper's dotted curves lie below the exact ratios at N = 4000",
            f"largest excess over n: {excess['n'].max():.4f}",
            bool((excess["n"] <= 0).all()),
        ),
        Claim(
            "They are no bounds at few pseudo-labels, where d_s/N stands for κ(d_s, N)",
            f"largest excess over N: {excess['N'].max():.4f}, all of them at N ≤ {crossing}",
            bool(excess["N"].max() > 0.01 and crossing < 1000),
        ),
    )


@dataclass(frozen=True)
class _Curves:
    """Exact and dotted curves of one panel, on the measured grid and on a fine one."""

    exact: RiskSummary
    dotted: RiskSummary
    exact_fine: RiskSummary

    def draw(
        self, panel: "Axes", name: str, mean: Array, spread: Array, colour: str, label: str
    ) -> dict[str, Array]:
        """Draw one quantity and return what was drawn, by the suffix of its name."""
        exact, dotted = getattr(self.exact, name), getattr(self.dotted, name)
        panel.fill_between(GRID, mean - spread, mean + spread, color=colour, alpha=0.15, lw=0)
        panel.plot(GRID, mean, "o", ms=3, color=colour)
        panel.plot(FINE, getattr(self.exact_fine, name), color=colour, label=label)
        panel.plot(GRID, dotted, ":", color=colour)
        return {"": mean, "_std": spread, "_exact": exact, "_dotted": dotted}


def _curves(sweep: str, d_sw: int, sigma2: float) -> _Curves:
    model = synthetic_task(D_W, D_S, D_GT, D_S - d_sw, D)
    sizes = (GRID, N_PSEUDO) if sweep == "n" else (N_LABELS, GRID)
    dotted = plotted_bounds(D_W, D_S, d_sw, *sizes, sigma2, model.rho_w, model.rho_s)
    exact, fine = (_exact(sweep, d_sw, sigma2, grid) for grid in (GRID, FINE))
    return _Curves(exact, dotted, fine)


def _exact(sweep: str, d_sw: int, sigma2: float, grid: Array) -> RiskSummary:
    sizes = (grid, N_PSEUDO) if sweep == "n" else (N_LABELS, grid)
    return risk_summary(synthetic_task(D_W, D_S, D_GT, D_S - d_sw, D), *sizes, sigma2)


def _pgr(risks: Array) -> Array:
    return (risks[..., 0] - risks[..., 1]) / (risks[..., 0] - risks[..., 3])


def _opr(risks: Array) -> Array:
    return risks[..., 2] / risks[..., 1]


def _axis_label(sweep: str) -> str:
    return f"labels n (N = {N_PSEUDO})" if sweep == "n" else f"pseudo-labels N (n = {N_LABELS})"


FIGURES = {
    "BOUNDS": ("bound_illustration", "The paper's bounds beside the exact ratios"),
    "RISKS": ("excess_risks", "Excess risks against n and N, theory over measurement"),
    "RATIOS": ("gap_ratios", "PGR and OPR against n and N, theory over measurement"),
}


def figure_study(name: str) -> Callable[[], Study]:
    """Return the function that makes one figure.

    >>> callable(figure_study("BOUNDS"))
    True
    """
    makers = {"BOUNDS": bound_illustration, "RISKS": excess_risks, "RATIOS": gap_ratios}
    if name not in makers:
        raise ValueError(f"figure must be one of {', '.join(FIGURES)}, got {name!r}")
    return makers[name]
