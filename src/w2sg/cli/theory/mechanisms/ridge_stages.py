"""`w2sg theory ridge`: who wins at which penalties, as a table and a heat map."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from cyclopts import Parameter

from w2sg._arrays import FloatArray
from w2sg.cli.options import refuse_unused, within
from w2sg.cli.output import deliver, print_table, terminal
from w2sg.cli.theory.numbers import numbers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ROWS = 7


def ridge(
    *,
    gamma_t: float = 0.5,
    gamma_s: str = "0.5,1.5",
    lam_t: str = "0.01:1",
    lam_s: str = "0.005:5",
    sigma2: float = 1.0,
    r2: float = 1.0,
    tau2: float = 0.0,
    inputs: str = "fresh",
    draw_map: Annotated[bool, Parameter(name="--map", negative="")] = False,
    simulate: Annotated[bool, Parameter(negative="")] = False,
    d: int = 200,
    repetitions: int = 10,
    seed: int = 0,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Risks of a ridge student on a ridge teacher's labels: who wins, and at which penalties.

    Numbers are a single value, a list "0.5,1.5" or a logarithmic range "0.01:1". Every λ
    multiplies Γ = I next to XᵀX/n.

    Args:
        gamma_t: Aspect ratio d/n_t of the teacher.
        gamma_s: Aspect ratios d/n_s of the students; one heat map each.
        lam_t: Teacher penalties.
        lam_s: Student penalties of the heat map.
        sigma2: Variance of the noise on the teacher's labels.
        r2: Squared norm of the target.
        tau2: Variance of extra noise on the student's labels.
        inputs: "fresh" or "reused" student inputs.
        draw_map: Draw R_s − R_t over both penalties, in the terminal and to --out.
        simulate: Overlay Monte Carlo.
        d: Number of features of the simulation.
        repetitions: Repetitions of the simulation.
        seed: Root seed of the simulation.
        out: Folder to write ridge.svg, ridge.png and ridge.json to.
        as_json: Print JSON instead of tables.
    """
    try:
        gammas, rows = numbers("--gamma-s", gamma_s), numbers("--lam-t", lam_t)
        columns = numbers("--lam-s", lam_s)
        if min(len(rows), len(columns)) < 2 and (draw_map or out is not None):
            raise ValueError("a heat map needs at least two values of --lam-t and of --lam-s")
        sizes = (d, repetitions, seed) if simulate else None
        if sizes is None:
            unused = {"d": d, "repetitions": repetitions, "seed": seed}
            refuse_unused(ridge, unused, unused, "without --simulate")
        within("--d", d, 1, 10_000)
        within("--repetitions", repetitions, 1, 10**6)
        panels = [
            _panel(gamma_t, float(g), rows, columns, sigma2, r2, tau2, inputs, sizes)
            for g in gammas
        ]
    except ValueError as error:
        print(f"w2sg theory ridge: {error}", file=sys.stderr)
        return 2
    record = {
        "gamma_t": gamma_t, "sigma2": sigma2, "r2": r2, "tau2": tau2, "inputs": inputs,
        "best_teacher_penalty": gamma_t * sigma2 / r2, "lam_t": rows, "lam_s": columns,
        "students": panels,
    }  # fmt: skip
    if not as_json:
        _print(record)
        if draw_map:
            for panel in panels:
                _print_map(record, panel)
    return deliver("theory ridge", record, lambda: _figure(record), out, as_json, png=True)


def _panel(
    gamma_t: float,
    gamma_s: float,
    rows: FloatArray,
    columns: FloatArray,
    sigma2: float,
    r2: float,
    tau2: float,
    inputs: Any,
    sizes: tuple[int, int, int] | None,
) -> dict[str, Any]:
    from w2sg.theory import ridge as theory

    if inputs == "reused" and gamma_s != gamma_t:
        raise ValueError(f"--gamma-s must equal --gamma-t with reused inputs, got {gamma_s:g}")
    grid = theory.two_stage(gamma_t, gamma_s, rows[:, None], columns, sigma2, r2, tau2, inputs)
    best = theory.optimal_student_penalty(gamma_t, gamma_s, rows, sigma2, r2, inputs)
    low, high = (np.full(len(rows), np.nan),) * 2
    if inputs == "fresh":
        interval = theory.win_interval(gamma_t, gamma_s, rows, sigma2, r2)
        low, high = interval if interval is not None else (low, high)
    panel = {
        "gamma_s": gamma_s, "teacher_risk": grid.teacher_risk[:, 0], "deficit": grid.deficit[:, 0],
        "win_low": low, "win_high": high, "best_penalty": best.penalty, "best_risk": best.risk,
        "critical_teacher_penalty": theory.critical_teacher_penalty(gamma_t, gamma_s, sigma2, r2),
        "difference": grid.difference,
    }  # fmt: skip
    if sizes is not None:
        from w2sg.theory.simulate import ridge as twin

        d, repetitions, seed = sizes
        run = twin.two_stage(
            gamma_t, gamma_s, rows, columns, sigma2, r2, tau2, inputs, d=d,
            repetitions=repetitions, seed=seed,
        )  # fmt: skip
        panel["simulated_difference"] = run.difference.mean
        panel["simulated_standard_error"] = run.difference.standard_error
    return panel


def _print(record: dict[str, Any]) -> None:
    shown = np.unique(np.linspace(0, len(record["lam_t"]) - 1, _ROWS).round().astype(int))
    rows = []
    for panel in record["students"]:
        for i in shown:
            low, high = panel["win_low"][i], panel["win_high"][i]
            wins = "none" if np.isnan(low) else f"({low:.4g}, {high:.4g})"
            wins = wins if record["inputs"] == "fresh" else "see map"
            rows.append([
                f"{panel['gamma_s']:g}", f"{record['lam_t'][i]:.4g}",
                f"{panel['teacher_risk'][i]:.6f}", f"{panel['deficit'][i]:.4f}", wins,
                f"{panel['best_penalty'][i]:.6f}", f"{panel['best_risk'][i]:.6f}",
            ])  # fmt: skip
    print_table(
        f"γ_t = {record['gamma_t']:g}, σ² = {record['sigma2']:g}, r² = {record['r2']:g}, "
        f"{record['inputs']} inputs; best teacher penalty {record['best_teacher_penalty']:g}",
        ["γ_s", "λ_t", "R_t", "deficit D", "winning λ_s", "best λ_s", "best R_s"],
        rows,
    )
    for panel in record["students"]:
        if "simulated_difference" in panel:
            gap = np.abs(panel["simulated_difference"] - panel["difference"])
            spread = panel["simulated_standard_error"]
            print(
                f"γ_s = {panel['gamma_s']:g}: simulated R_s − R_t within 3 standard errors "
                f"+ 0.0075 of theory at {np.mean(gap <= 3 * spread + 0.0075):.0%} of {gap.size}"
            )


def _print_map(record: dict[str, Any], panel: dict[str, Any]) -> None:
    from rich.text import Text

    values, console = panel["difference"], terminal()
    print(f"R_s − R_t at γ_s = {panel['gamma_s']:g}: ■ the student wins, · it loses; λ_t upwards")
    for i in reversed(range(len(values))):
        line = Text(f"{record['lam_t'][i]:8.3g} ")
        for value in values[i]:
            depth = int(min(abs(value) / 0.3, 1.0) * 160)
            shade = f"rgb({200 - depth},{200 - depth},255)" if value < 0 else (
                f"rgb(255,{200 - depth},{200 - depth})"
            )  # fmt: skip
            line.append("■ " if value < 0 else "· ", style=shade)
        console.print(line)
    ends = record["lam_s"][0], record["lam_s"][-1]
    print(f"{'λ_s':>8} {ends[0]:<{2 * values.shape[1] - 8}.3g}{ends[1]:>7.3g}")


def _figure(record: dict[str, Any]) -> "Figure":
    from matplotlib.ticker import MaxNLocator

    from w2sg.figures import new_figure
    from w2sg.figures.heat_map import boundary, level_lines, signed_map

    panels, x, y = record["students"], record["lam_s"], record["lam_t"]
    count = len(panels)
    figure, axes_list = new_figure(1, count, width=max(5.4, 4.6 * count), height=4.4)
    size = min(max(float(np.abs(panel["difference"]).max()) for panel in panels), 0.7)
    levels = np.asarray(MaxNLocator(15, symmetric=True).tick_values(-size, size), dtype=float)
    maps = []
    for axes, panel in zip(axes_list, panels, strict=True):
        shown = panel.get("simulated_difference", panel["difference"])
        maps.append(signed_map(axes, x, y, shown, levels=levels))
        if "simulated_difference" in panel:
            level_lines(axes, x, y, panel["difference"], levels[levels != 0], "theory")
        boundary(axes, x, y, panel["difference"], "student = teacher")
        best = record["best_teacher_penalty"]
        if y[0] < best < y[-1]:
            axes.axhline(best, color="black", ls="--", lw=1.2, label="best teacher penalty")
        axes.set(
            xscale="log", yscale="log", xlabel="student penalty λ_s", ylabel="teacher penalty λ_t",
            title=f"γ_t = {record['gamma_t']:g}, γ_s = {panel['gamma_s']:g}",
        )  # fmt: skip
    figure.colorbar(maps[-1], ax=axes_list, label="R_s − R_t")
    figure.legend(*axes_list[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure
