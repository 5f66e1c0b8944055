"""`w2sg theory discrepancy`: exact risks over n or N, as a table, JSON and a figure."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from cyclopts import Parameter

from w2sg.cli.options import within
from w2sg.cli.output import deliver, print_whole, terminal
from w2sg.cli.theory.numbers import numbers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from w2sg.theory.discrepancy import RiskSummary

_FIELDS = ("teacher_risk", "student_risk", "baseline_risk", "ceiling_risk", "pgr", "opr")
_ROWS_PER_CURVE = 7
_CURVES = 6
_PGR_SHOWN = (-2.0, 3.0)  # where teacher and ceiling meet, PGR has a pole


def discrepancy(
    *,
    d_w: float,
    d_s: float,
    d_sw: str,
    n: str,
    N: Annotated[str, Parameter(name="--N")],
    sigma2: float = 1.0,
    gamma: float = 0.0,
    points: int = 25,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Exact risks of teacher, student, baseline and ceiling from dimensions and sample sizes.

    Numbers are a single value, a list "10,50,90" or a range "400:4000". The longer of n and N
    becomes the horizontal axis; every overlap, and every value of the other, is a curve.

    Args:
        d_w: Dimension of the weak features.
        d_s: Dimension of the strong features.
        d_sw: Correlation dimensions, each in [0, min(d_w, d_s)].
        n: Numbers of true labels.
        N: Numbers of pseudo-labels.
        sigma2: Variance of the label noise.
        gamma: Root mean square of the part of the target that neither model can express.
        points: How many whole numbers a range stands for.
        out: Folder to write discrepancy.svg and discrepancy.json to.
        as_json: Print JSON with every point instead of the table.
    """
    from w2sg.theory.discrepancy import thresholds

    try:
        within("--points", points, 2, 100_000)
        overlaps, labels, pseudo_labels = (
            numbers(option, text, points=points, whole=True)
            for option, text in (("--d-sw", d_sw), ("--n", n), ("--N", N))
        )
        sweep = _sweep(d_w, d_s, overlaps, labels, pseudo_labels, sigma2, gamma)
        limits = [thresholds(d_w, d_s, curve.d_sw, sweep.labels(curve)) for curve in sweep.curves]
    except ValueError as error:
        print(f"w2sg theory discrepancy: {error}", file=sys.stderr)
        return 2

    if not as_json:
        _print_tables(sweep, limits)
    return deliver("theory discrepancy", _record(sweep), lambda: _figure(sweep), out, as_json)


@dataclass(frozen=True)
class _Curve:
    """One overlap at one value of the sample size that is not swept."""

    d_sw: float
    fixed: float
    summary: "RiskSummary"

    def label(self, other: str, several: bool) -> str:
        overlap = f"d_sw = {self.d_sw:g}"
        return f"{overlap}, {other} = {self.fixed:g}" if several else overlap


@dataclass(frozen=True)
class _Sweep:
    d_w: float
    d_s: float
    sigma2: float
    gamma: float
    axis: str  # "n" or "N", the one that is swept
    x: np.ndarray
    curves: list[_Curve]

    @property
    def other(self) -> str:
        return "N" if self.axis == "n" else "n"

    @property
    def several(self) -> bool:
        return len({curve.fixed for curve in self.curves}) > 1

    def labels(self, curve: _Curve) -> float:
        """The n that a curve's thresholds are for; at a swept n, its largest."""
        return curve.fixed if self.axis == "N" else float(self.x[-1])


def _sweep(
    d_w: float,
    d_s: float,
    d_sw: np.ndarray,
    n: np.ndarray,
    N: np.ndarray,
    sigma2: float,
    gamma: float,
) -> _Sweep:
    from w2sg.theory.discrepancy import Dimensions, risk_summary

    if min(len(n), len(N)) > _CURVES:
        raise ValueError(
            f"only one of --n and --N can be swept; give the other at most {_CURVES} values, "
            f"got {len(n)} and {len(N)}"
        )
    axis = "n" if len(n) > len(N) else "N"
    x, fixed = (n, N) if axis == "n" else (N, n)
    curves = []
    for value in fixed:
        for overlap in d_sw:
            sizes = (x, value) if axis == "n" else (value, x)
            dims = Dimensions(d_w, d_s, overlap, gamma)
            curves.append(_Curve(overlap, value, risk_summary(dims, *sizes, sigma2)))
    return _Sweep(d_w, d_s, sigma2, gamma, axis, x, curves)


def _record(sweep: _Sweep) -> dict[str, Any]:
    return {
        "d_w": sweep.d_w,
        "d_s": sweep.d_s,
        "sigma2": sweep.sigma2,
        "gamma": sweep.gamma,
        sweep.axis: sweep.x,
        "curves": [
            {
                "d_sw": float(curve.d_sw),
                sweep.other: float(curve.fixed),
                **{
                    name: getattr(curve.summary, name)
                    for name in (*_FIELDS, "bias", "variance", "signal_as_noise")
                },
            }
            for curve in sweep.curves
        ],
    }


def _print_tables(sweep: _Sweep, limits: list) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    shown = np.unique(
        np.rint(np.linspace(0, len(sweep.x) - 1, min(len(sweep.x), _ROWS_PER_CURVE))).astype(int)
    )
    table = Table(
        title=f"d_w = {sweep.d_w:g}, d_s = {sweep.d_s:g}, σ² = {sweep.sigma2:g}, "
        f"γ² = {sweep.gamma**2:g}",
        box=SIMPLE_HEAD,
    )
    for name in ("d_sw", "n", "N", "teacher", "student", "baseline", "ceiling", "PGR", "OPR"):
        table.add_column(name, justify="right")
    for curve in sweep.curves:
        for i in shown:
            sizes = {sweep.axis: sweep.x[i], sweep.other: curve.fixed}
            risks = [f"{getattr(curve.summary, name)[i]:.4g}" for name in _FIELDS[:4]]
            ratios = [f"{getattr(curve.summary, name)[i]:.3f}" for name in _FIELDS[4:]]
            table.add_row(f"{curve.d_sw:g}", f"{sizes['n']:g}", f"{sizes['N']:g}", *risks, *ratios)
        table.add_section()
    print_whole(table)
    console = terminal()
    if len(shown) < len(sweep.x):
        console.print(
            f"{len(shown)} of {len(sweep.x)} points for each curve; --json or --out has them all."
        )

    smallest = {sweep.axis: sweep.x.min(), sweep.other: min(c.fixed for c in sweep.curves)}
    if smallest["n"] < max(sweep.d_w, sweep.d_s) or smallest["N"] < sweep.d_s:
        console.print(
            "Some samples are smaller than their dimension. Only noise is modelled here, so a fit "
            "that shrinks everything looks good there: w2sg.theory.discrepancy.LatentModel has a "
            "target to lose."
        )
    wins = Table(
        title="Sample sizes from which the student's variance is the smaller", box=SIMPLE_HEAD
    )
    for name in ("d_sw", "n", "N to beat teacher", "N to beat baseline", "n to beat baseline"):
        wins.add_column(name, justify="right")
    for curve, limit in zip(sweep.curves, limits, strict=True):
        needed = (limit.N_beats_teacher, limit.N_beats_baseline, limit.n_beats_baseline)
        wins.add_row(
            f"{curve.d_sw:g}",
            f"{sweep.labels(curve):g}",
            *("never" if np.isinf(value) else f"{value:g}" for value in needed),
        )
    print_whole(wins)


def _figure(sweep: _Sweep) -> "Figure":
    from w2sg.figures import new_figure

    figure, (risks, pgr, opr) = new_figure(1, 3, width=12.0, height=3.8)
    x, first = sweep.x, sweep.curves[0].summary
    references = (
        ("teacher", first.teacher_risk, "-"),
        ("baseline", first.baseline_risk, "--"),
        ("ceiling", first.ceiling_risk, ":"),
    )
    if not sweep.several:
        for name, values, style in references:
            risks.plot(x, _finite(values), style, color="0.35", lw=1.4, label=name)
    for curve in sweep.curves:
        label = curve.label(sweep.other, sweep.several)
        (line,) = risks.plot(x, _finite(curve.summary.student_risk), label=f"student, {label}")
        pgr.plot(x, _finite(curve.summary.pgr), color=line.get_color(), label=label)
        opr.plot(x, _finite(curve.summary.opr), color=line.get_color(), label=label)
    risks.set(ylabel="excess risk", yscale="log")
    pgr.set(ylabel="performance gap recovered")
    opr.set(ylabel="outperforming ratio")
    bottom, top = pgr.get_ylim()
    pgr.set_ylim(max(bottom, _PGR_SHOWN[0]), min(top, _PGR_SHOWN[1]))
    pgr.axhline(0.0, color="0.35", lw=0.8)
    opr.axhline(1.0, color="0.35", lw=0.8)
    for axes in (risks, pgr, opr):
        axes.set_xlabel("true labels n" if sweep.axis == "n" else "pseudo-labels N")
    figure.legend(*risks.get_legend_handles_labels(), loc="outside lower center", ncols=6)
    at = "" if sweep.several else f", {sweep.other} = {sweep.curves[0].fixed:g}"
    figure.suptitle(f"d_w = {sweep.d_w:g}, d_s = {sweep.d_s:g}, σ² = {sweep.sigma2:g}{at}")
    return figure


def _finite(values: np.ndarray) -> np.ndarray:
    """Leave gaps in a curve where a value is infinite or undefined."""
    return np.where(np.isfinite(values), values, np.nan)
