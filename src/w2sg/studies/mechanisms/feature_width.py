"""E4: a random-feature student of a ridge teacher over its width, few and many samples."""

import numpy as np

from w2sg.figures import new_figure
from w2sg.studies.mechanisms.agreement import agreement, listed
from w2sg.studies.study import Claim, Study
from w2sg.theory import random_features as rf
from w2sg.theory.simulate import random_features as simulate
from w2sg.theory.simulate.estimate import Estimate

GAMMA_T, LAM_T, LAM_S, SIGMA2 = 0.5, 0.05, 0.1, 1.0
WIDTHS = [0.25, 0.5, 0.75, 1, 1.5, 2, 4, 8, 32]
LISTED = {
    2: [0.985789, 0.926871, 0.853309, 0.787413, 0.701942, 0.661972, 0.632635, 0.639924, 0.654625],
    8: [0.915593, 0.825724, 0.745511, 0.685382, 0.626070, 0.614259, 0.645075, 0.680751, 0.711240],
}
SIMULATED = (0.25, 0.5, 1, 2, 4)


def study(*, d: int = 160, repetitions: int = 8, seed: int = 0) -> Study:
    """Draw R_s over p/d for n_s/d = 2 and 8, simulated at five widths."""
    moments = rf.activation_moments(np.tanh)
    teacher = rf.Ridge(GAMMA_T, LAM_T)
    grid = np.geomspace(0.2, 40, 121)
    figure, (axes,) = new_figure(width=6.4, height=4.0)
    arrays, claims = {"p_over_d": grid}, []

    def risks(alpha: float, widths: np.ndarray) -> rf.TwoStage:
        student = rf.RandomFeatures(alpha, widths, LAM_S, moments.linear, moments.residual2)
        return rf.two_stage(teacher, student, SIGMA2)

    for alpha, expected in LISTED.items():
        curve = risks(alpha, grid)
        runs = [
            simulate.two_stage(
                d, simulate.Learner(round(d / GAMMA_T), LAM_T),
                simulate.Learner(alpha * d, LAM_S, round(width * d)), SIGMA2,
                test_rows=600, repetitions=repetitions, seed=seed,
            ).student_risk
            for width in SIMULATED
        ]  # fmt: skip
        simulated = Estimate(
            np.array([run.mean for run in runs]), np.array([run.standard_error for run in runs])
        )
        (line,) = axes.plot(grid, curve.student_risk, label=f"n_s/d = {alpha}")
        axes.errorbar(
            SIMULATED, simulated.mean, 3 * simulated.standard_error, fmt="o", ms=4,
            color=line.get_color(),
        )  # fmt: skip
        found = risks(alpha, np.array(WIDTHS)).student_risk
        claims.append(listed(f"risks at n_s/d = {alpha}", found, expected, 1.5e-6))
        claims.append(
            agreement(f"n_s/d = {alpha}", simulated, risks(alpha, np.array(SIMULATED)).student_risk)
        )
        arrays |= {f"theory_{alpha}": curve.student_risk, f"simulation_{alpha}": simulated.mean}
        lowest = float(grid[curve.student_risk.argmin()])
        claims.append(
            Claim(
                f"n_s/d = {alpha}: wider is not always better",
                f"lowest at p/d = {lowest:.2f}, {curve.student_risk.min():.4f} against "
                f"{curve.student_risk[-1]:.4f} at p/d = 40",
                bool(curve.student_risk.min() < curve.student_risk[-1] - 1e-3),
            )
        )
    axes.axhline(float(risks(2, grid).teacher_risk[0]), color="0.35", lw=1.2, label="teacher")
    axes.set(xscale="log", xlabel="student width p/d", ylabel="excess risk")
    axes.legend()
    return Study(arrays, figure, tuple(claims))
