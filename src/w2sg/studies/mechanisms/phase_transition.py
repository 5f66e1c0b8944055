"""E2: the best student of one teacher over its aspect ratio, and where it stops winning."""

import numpy as np

from w2sg.figures import new_figure
from w2sg.studies.mechanisms.agreement import agreement, listed
from w2sg.studies.study import Claim, Study
from w2sg.theory import ridge
from w2sg.theory.simulate import ridge as simulate
from w2sg.theory.simulate.estimate import Estimate

GAMMA_T, LAM_T, SIGMA2 = 0.5, 0.05, 1.0
LISTED = {0: 0.464359, 0.1: 0.473884, 0.25: 0.489440, 0.5: 0.519670, 0.75: 0.557310,
          0.9: 0.584261, 1: 0.603716, 1.2: 0.643240, 1.5: 0.695854, 1.7: 0.724691,
          1.8: 0.737390, 2: 0.759835, 3: 0.832950}  # fmt: skip


def study(*, d: int = 240, repetitions: int = 12, seed: int = 0) -> Study:
    """Draw the best risk and the best penalty over γ_s, simulated at nine of them."""
    grid = np.linspace(0, 3, 121)
    curve = ridge.optimal_student_penalty(GAMMA_T, grid, LAM_T, SIGMA2)
    teacher = ridge.two_stage(GAMMA_T, 0.5, LAM_T, 1.0, SIGMA2)
    critical = float(ridge.critical_ratio(teacher.deficit))
    dots = np.array([0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0])
    best = ridge.optimal_student_penalty(GAMMA_T, dots, LAM_T, SIGMA2)
    runs = [
        simulate.two_stage(
            GAMMA_T, gamma, LAM_T, penalty, SIGMA2, d=d, repetitions=repetitions, seed=seed
        ).student_risk
        for gamma, penalty in zip(dots, best.penalty, strict=True)
    ]
    simulated = Estimate(
        np.array([run.mean for run in runs]), np.array([run.standard_error for run in runs])
    )
    figure, (risk, penalty) = new_figure(1, 2, width=9.0, height=3.6)
    risk.plot(grid, curve.risk, label="best student, theory")
    risk.errorbar(
        dots,
        simulated.mean,
        3 * simulated.standard_error,
        fmt="o",
        ms=4,
        label="simulation ± 3 s.e.",
    )
    risk.axhline(float(teacher.teacher_risk), color="0.35", lw=1.2, label="teacher")
    risk.axvline(critical, color="0.35", ls=":", label=f"γ_c = {critical:.3f}")
    risk.set(xlabel="student aspect ratio γ_s = d/n_s", ylabel="excess risk")
    risk.legend()
    penalty.plot(grid, curve.penalty)
    penalty.set(xlabel="student aspect ratio γ_s = d/n_s", ylabel="best student penalty λ_s⋆")
    found = ridge.optimal_student_penalty(GAMMA_T, list(LISTED), LAM_T, SIGMA2)
    wins = found.risk < teacher.teacher_risk
    middle = float(np.interp(0.9, grid, curve.penalty))
    claims = (
        listed("risks of the best student", found.risk, list(LISTED.values()), 1e-6),
        agreement("best students", simulated, best.risk),
        Claim(
            "the student wins exactly below γ_c = 1.771213",
            f"γ_c = {critical:.6f}; wins up to γ_s = {max(np.array(list(LISTED))[wins]):g}",
            abs(critical - 1.771213) < 1e-6
            and bool((wins == (np.array(list(LISTED)) < critical)).all()),
        ),
        Claim(
            "the best penalty is not monotone in γ_s",
            f"{curve.penalty[0]:.3f} at 0, {middle:.3f} at 0.9, {curve.penalty[-1]:.3f} at 3",
            bool(curve.penalty[0] > middle < curve.penalty[-1]),
        ),
    )
    arrays = {
        "gamma_s": grid, "best_risk": curve.risk, "best_penalty": curve.penalty,
        "simulated_gamma_s": dots, "simulated_risk": simulated.mean,
        "standard_error": simulated.standard_error,
    }  # fmt: skip
    return Study(arrays, figure, claims)
