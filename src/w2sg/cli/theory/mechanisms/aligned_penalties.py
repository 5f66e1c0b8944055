"""`w2sg theory weighted`: what a penalty aligned with the target buys."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from cyclopts import Parameter

from w2sg.cli.options import refuse_unused, within
from w2sg.cli.output import deliver, print_table
from w2sg.cli.theory.numbers import numbers

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def weighted(
    *,
    d: int = 50,
    gamma_t: float = 0.5,
    gamma_s: float = 0.5,
    lam_t: float | None = None,
    lam_s: str = "0.001:10",
    sigma2: float = 1.0,
    covariance_power: float = 0.0,
    target_power: float = -0.7,
    penalty_power: str = "-0.5,0,0.5,1,1.4",
    simulate: Annotated[bool, Parameter(negative="")] = False,
    repetitions: int = 40,
    seed: int = 0,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Risks of students with weighted penalties on a plain ridge teacher's labels.

    Σ = diag(j^c) and Γ_s = diag(j^p), each of mean 1, and β⋆ ∝ j^t of norm 1, j = 1, …, d. Every
    λ multiplies its Γ next to XᵀX/n.

    Args:
        d: Number of features.
        gamma_t: Aspect ratio d/n_t of the teacher.
        gamma_s: Aspect ratio d/n_s of the student.
        lam_t: Teacher penalty; the best one if left out.
        lam_s: Student penalties, a list or a logarithmic range.
        sigma2: Variance of the noise on the teacher's labels.
        covariance_power: c, how fast the covariance falls.
        target_power: t, how fast the target falls.
        penalty_power: Values of p, one student each.
        simulate: Overlay Monte Carlo.
        repetitions: Repetitions of the simulation.
        seed: Root seed of the simulation.
        out: Folder to write weighted.svg, weighted.png and weighted.json to.
        as_json: Print JSON instead of a table.
    """
    from w2sg.theory import weighted_ridge as theory

    try:
        if not simulate:
            unused = {"repetitions": repetitions, "seed": seed}
            refuse_unused(weighted, unused, unused, "without --simulate")
        within("--repetitions", repetitions, 1, 10**6)
        within("--d", d, 2, 10_000)
        if not (gamma_t > 0 and gamma_s > 0):
            raise ValueError(f"--gamma-t and --gamma-s must be above 0, got {gamma_t}, {gamma_s}")
        penalties = numbers("--lam-s", lam_s, points=61)
        powers = numbers("--penalty-power", penalty_power)
        j = np.arange(1, d + 1, dtype=float)
        sigma = j**covariance_power / np.mean(j**covariance_power)
        beta = j**target_power / np.linalg.norm(j**target_power)
        one, n_t, n_s = np.ones(d), d / gamma_t, d / gamma_s
        if lam_t is None:
            search = np.geomspace(1e-4, 1e3, 701)
            risks = theory.risk_grid(sigma, beta, one, search, n_t, one, 1.0, n_s, sigma2)
            lam_t = float(search[risks.teacher_risk.argmin()])
        students = []
        for power in powers:
            gamma = j**power / np.mean(j**power)
            grid = theory.risk_grid(sigma, beta, one, lam_t, n_t, gamma, penalties, n_s, sigma2)
            risk = grid.student_risk[0]
            student = {
                "penalty_power": float(power), "alignment": theory.alignment(gamma, beta),
                "teacher_risk": float(grid.teacher_risk[0]), "risk": risk,
                "best_penalty": float(penalties[risk.argmin()]), "best_risk": float(risk.min()),
            }  # fmt: skip
            if simulate:
                student |= _simulated(
                    sigma, beta, gamma, lam_t, penalties, (round(n_t), round(n_s)), sigma2,
                    repetitions, seed,
                )  # fmt: skip
            students.append(student)
    except ValueError as error:
        print(f"w2sg theory weighted: {error}", file=sys.stderr)
        return 2
    record = {
        "d": d, "gamma_t": gamma_t, "gamma_s": gamma_s, "lam_t": lam_t, "lam_s": penalties,
        "sigma2": sigma2, "covariance_power": covariance_power, "target_power": target_power,
        "students": students,
    }  # fmt: skip
    if not as_json:
        print_table(
            f"d = {d}, γ_t = {gamma_t:g}, γ_s = {gamma_s:g}, λ_t = {lam_t:.4g}, σ² = {sigma2:g}; "
            f"teacher {students[0]['teacher_risk']:.6f}",
            ["p", "alignment", "best λ_s", "best R_s", "R_s − R_t"],
            [
                [
                    f"{s['penalty_power']:g}", f"{s['alignment']:.6f}", f"{s['best_penalty']:.4g}",
                    f"{s['best_risk']:.6f}", f"{s['best_risk'] - s['teacher_risk']:+.6f}",
                ]
                for s in students
            ],
        )  # fmt: skip
    return deliver("theory weighted", record, lambda: _figure(record), out, as_json, png=True)


def _simulated(
    sigma: np.ndarray, beta: np.ndarray, gamma: np.ndarray, lam_t: float, penalties: np.ndarray,
    counts: tuple[int, int], sigma2: float, repetitions: int, seed: int,
) -> dict[str, Any]:  # fmt: skip
    from w2sg.theory.simulate import weighted_ridge as twin

    dots = penalties[np.unique(np.linspace(0, len(penalties) - 1, 7).round().astype(int))]
    runs = [
        twin.two_stage(
            sigma, beta, np.ones(len(beta)), lam_t, counts[0], gamma, float(lam), counts[1],
            sigma2, repetitions=repetitions, seed=seed,
        ).student_risk
        for lam in dots
    ]  # fmt: skip
    return {
        "simulated_lam_s": dots,
        "simulated_risk": np.array([run.mean for run in runs]),
        "simulated_standard_error": np.array([run.standard_error for run in runs]),
    }


def _figure(record: dict[str, Any]) -> "Figure":
    from w2sg.figures import new_figure

    figure, (axes,) = new_figure(width=6.8, height=4.2)
    teacher = record["students"][0]["teacher_risk"]
    for student in record["students"]:
        label = f"p = {student['penalty_power']:g}, alignment {student['alignment']:.2f}"
        (line,) = axes.plot(record["lam_s"], student["risk"], label=label)
        if "simulated_risk" in student:
            axes.errorbar(
                student["simulated_lam_s"], student["simulated_risk"],
                3 * student["simulated_standard_error"], fmt="o", ms=4, color=line.get_color(),
            )  # fmt: skip
    axes.axhline(teacher, color="0.35", ls="--", lw=1.0, label="teacher")
    lowest = min(student["best_risk"] for student in record["students"])
    axes.set(
        xscale="log", xlabel="student penalty λ_s", ylabel="excess risk",
        ylim=(lowest - 0.1 * teacher, 1.6 * teacher),
        title=f"λ_t = {record['lam_t']:.3g}, Γ_s = diag(j^p) of mean 1",
    )  # fmt: skip
    axes.legend(fontsize=8)
    return figure
