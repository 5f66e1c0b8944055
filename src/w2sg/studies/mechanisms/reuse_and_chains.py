"""E3: a student on the teacher's own inputs against fresh ones, and chains of students."""

import numpy as np

from w2sg.figures import new_figure
from w2sg.studies.mechanisms.agreement import agreement, listed
from w2sg.studies.study import Claim, Study
from w2sg.theory import ridge
from w2sg.theory.ridge.stages import Inputs
from w2sg.theory.simulate import ridge as simulate

GAMMA, SIGMA2 = 0.5, 1.0
LAM_T = 0.001
CHAIN = [(0.5, 0.05), *[(0.5, 0.1)] * 5]
LISTED = [0.733843, 0.595213, 0.523836, 0.497497, 0.500484, 0.521784]


def study(*, d: int = 240, repetitions: int = 24, seed: int = 0) -> Study:
    """Draw R_s over λ_s for three kinds of student inputs, and the risks along a chain."""
    grid, dots = np.geomspace(0.01, 10, 121), np.geomspace(0.02, 5, 9)
    floor = float(ridge.two_stage(GAMMA, 0.0, GAMMA * SIGMA2, 1.0, SIGMA2).teacher_risk)
    figure, (curves, stages) = new_figure(1, 2, width=9.6, height=3.8)
    arrays, claims, lowest = {"lam_s": grid, "simulated_lam_s": dots}, [], {}
    kinds: tuple[tuple[str, float, Inputs], ...] = (
        ("reused", GAMMA, "reused"),
        ("fresh", GAMMA, "fresh"),
        ("infinite", 0.0, "fresh"),
    )
    for name, gamma_s, inputs in kinds:
        theory = ridge.two_stage(GAMMA, gamma_s, LAM_T, grid, SIGMA2, inputs=inputs)
        at_dots = ridge.two_stage(GAMMA, gamma_s, LAM_T, dots, SIGMA2, inputs=inputs)
        run = simulate.two_stage(
            GAMMA, gamma_s, LAM_T, dots, SIGMA2, inputs=inputs, d=d, repetitions=repetitions,
            seed=seed,
        )  # fmt: skip
        (line,) = curves.plot(grid, theory.student_risk, label=f"{name} inputs, γ_s = {gamma_s:g}")
        curves.errorbar(
            dots, run.student_risk.mean, 3 * run.student_risk.standard_error, fmt="o", ms=4,
            color=line.get_color(),
        )  # fmt: skip
        claims.append(agreement(f"{name} inputs", run.student_risk, at_dots.student_risk))
        arrays |= {
            f"{name}_theory": theory.student_risk,
            f"{name}_simulation": run.student_risk.mean,
        }
        lowest[name] = float(theory.student_risk.min())
    curves.axhline(floor, color="0.35", ls="--", lw=1.0, label="best teacher (floor)")
    curves.set(xscale="log", xlabel="student penalty λ_s", ylabel="excess risk", ylim=(0.35, 1.1))
    curves.set_title(f"almost ridgeless teacher, λ_t = {LAM_T:g}")
    curves.legend(fontsize=8)
    claims += [
        Claim(
            "reusing the teacher's inputs beats infinitely many fresh ones as λ_t → 0",
            f"best risks {lowest['reused']:.4f} against {lowest['infinite']:.4f}",
            lowest["reused"] < lowest["infinite"],
        ),
        Claim(
            "and reaches the best teacher's risk",
            f"{lowest['reused']:.4f} against the floor {floor:.4f}",
            0 <= lowest["reused"] - floor < 1e-3,
        ),
    ]

    risks = np.array([signal.risk for signal in ridge.chain(CHAIN, SIGMA2)], dtype=float)
    along = simulate.chain(CHAIN, SIGMA2, d=d, repetitions=repetitions, seed=seed)
    number = np.arange(len(risks))
    stages.plot(number, risks, label="theory")
    stages.errorbar(number, along.mean, 3 * along.standard_error, fmt="o", ms=4, label="simulation")
    stages.set(xlabel="students after the teacher", ylabel="excess risk", xticks=number)
    stages.set_title("denoising, then forgetting")
    stages.legend()
    claims += [
        listed("risks along the chain", risks, LISTED, 1e-6),
        agreement("chain", along, risks),
        Claim(
            "a chain first denoises, then forgets",
            f"lowest after {int(risks.argmin())} students",
            0 < int(risks.argmin()) < len(risks) - 1,
        ),
    ]
    arrays |= {"chain_theory": risks, "chain_simulation": along.mean}
    return Study(arrays, figure, tuple(claims))
