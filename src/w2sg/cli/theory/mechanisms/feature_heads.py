"""`w2sg theory multi-index`: easy features from the teacher, hard ones of one's own."""

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

_HEADS = ("teacher_only", "added", "warm", "clean_probe")
_SIZE = 2000  # inputs of the simulation, which samples projections only


def multi_index(
    *,
    a: str = "0,0.8,0.4,0.2",
    b: str = "0,0,0.6,0.3",
    sigma2: float = 0.25,
    gamma_t: str = "0.05,0.1,0.3,1,3",
    gamma_s: float = 0.1,
    degree: int | None = None,
    pretrained_scale: float = 1.0,
    pretrained_overlap: float = 1.0,
    simulate: Annotated[bool, Parameter(negative="")] = False,
    repetitions: int = 12,
    seed: int = 0,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Risks of students that take one gradient step on a teacher's labels, by how the head is made.

    The head "warm" takes its best pull. "teacher_only" is the negative control: it never wins.

    Args:
        a: Hermite coefficients of the easy direction from degree 0 on, the second not 0.
        b: Hermite coefficients of the hard direction from degree 0 on, the first two 0.
        sigma2: Variance of the noise on the teacher's labels.
        gamma_t: Aspect ratios d/n_t of the teacher's step, a list or a logarithmic range.
        gamma_s: Aspect ratio d/n_s of the student's step.
        degree: Largest degree that the heads fit; all if left out.
        pretrained_scale: Scale of the pre-trained hard part.
        pretrained_overlap: Cosine of its direction with the hard one.
        simulate: Overlay Monte Carlo.
        repetitions: Repetitions of the simulation.
        seed: Root seed of the simulation.
        out: Folder to write multi-index.svg, multi-index.png and multi-index.json to.
        as_json: Print JSON instead of a table.
    """
    from w2sg.theory import multi_index as theory

    try:
        if not simulate:
            unused = {"repetitions": repetitions, "seed": seed}
            refuse_unused(multi_index, unused, unused, "without --simulate")
        within("--repetitions", repetitions, 1, 10**6)
        easy, hard = numbers("--a", a), numbers("--b", b)
        gammas = numbers("--gamma-t", gamma_t)
        pretrained = pretrained_scale, pretrained_overlap
        best = theory.warm_start_optimum(easy, hard, sigma2, gammas, gamma_s, degree, *pretrained)
        if not np.isfinite(best.penalty).all():
            best = theory.WarmStart(np.minimum(best.penalty, 1e12), best.risk)
        risks, simulated, result = {}, {}, None
        for head in _HEADS:
            pull = best.penalty if head == "warm" else np.zeros(len(gammas))
            result = theory.polynomial_head(
                easy, hard, sigma2, gammas, gamma_s, degree, head, *pretrained, lam=pull
            )
            risks[head] = result.student_risk
            if simulate:
                simulated[head] = _simulated(
                    easy, hard, sigma2, gammas, gamma_s, degree, head, pretrained, pull,
                    repetitions, seed,
                )  # fmt: skip
        assert result is not None
    except ValueError as error:
        print(f"w2sg theory multi-index: {error}", file=sys.stderr)
        return 2
    record: dict[str, Any] = {
        "a": easy, "b": hard, "sigma2": sigma2, "gamma_t": gammas, "gamma_s": gamma_s,
        "degree": degree, "teacher_alignment": result.teacher_alignment,
        "student_alignment": result.student_alignment, "teacher_risk": result.teacher_risk,
        "student_risk": risks, "best_pull": best.penalty,
    }  # fmt: skip
    if simulated:
        record["simulated"] = simulated
    if not as_json:
        print_table(
            f"σ² = {sigma2:g}, γ_s = {gamma_s:g}",
            ["γ_t", "ρ_t", "ρ_s", "teacher", "teacher labels only", "added", "warm", "clean probe"],
            [
                [
                    f"{gammas[i]:.4g}", f"{result.teacher_alignment[i]:.6f}",
                    f"{result.student_alignment[i]:.6f}", f"{result.teacher_risk[i]:.6f}",
                    *(f"{risks[head][i]:.6f}" for head in _HEADS),
                ]
                for i in range(len(gammas))
            ],
        )  # fmt: skip
    return deliver("theory multi-index", record, lambda: _figure(record), out, as_json, png=True)


def _simulated(
    easy: np.ndarray, hard: np.ndarray, sigma2: float, gammas: np.ndarray, gamma_s: float,
    degree: int | None, head: Any, pretrained: tuple[float, float], pull: np.ndarray,
    repetitions: int, seed: int,
) -> dict[str, Any]:  # fmt: skip
    from w2sg.theory.simulate import multi_index as twin
    from w2sg.theory.simulate.designs import sample_size

    n_s = sample_size(_SIZE, gamma_s, "gamma_s")
    counts = [sample_size(_SIZE, float(gamma), "gamma_t") for gamma in gammas]
    if n_s is None or None in counts:
        raise ValueError("--simulate needs --gamma-t and --gamma-s above 0")
    runs = [
        twin.polynomial_head(
            easy, hard, sigma2, n_t or 1, n_s, degree, head, *pretrained, lam=float(lam), d=_SIZE,
            repetitions=repetitions, seed=seed,
        ).student_risk
        for n_t, lam in zip(counts, pull, strict=True)
    ]  # fmt: skip
    return {
        "mean": np.array([run.mean for run in runs]),
        "standard_error": np.array([run.standard_error for run in runs]),
    }


def _figure(record: dict[str, Any]) -> "Figure":
    from w2sg.figures import new_figure

    figure, (axes,) = new_figure(width=6.8, height=4.2)
    x = record["gamma_t"]
    axes.plot(x, record["teacher_risk"], color="0.2", label="teacher")
    for head in _HEADS:
        (line,) = axes.plot(x, record["student_risk"][head], label=head.replace("_", " "))
        if "simulated" in record:
            run = record["simulated"][head]
            axes.errorbar(
                x, run["mean"], 3 * run["standard_error"], fmt="o", ms=4, color=line.get_color()
            )
    axes.set(xlabel="teacher's aspect ratio γ_t = d/n_t", ylabel="excess risk", xscale="log")
    axes.legend(fontsize=8)
    return figure
