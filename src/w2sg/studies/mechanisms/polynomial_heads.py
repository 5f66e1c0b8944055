"""E7: one gradient step and a polynomial head; four ways to keep what pre-training knew."""

import numpy as np

from w2sg.figures import new_figure
from w2sg.studies.mechanisms.agreement import agreement, listed
from w2sg.studies.study import Claim, Study
from w2sg.theory import multi_index
from w2sg.theory.multi_index.polynomial_heads import Head
from w2sg.theory.simulate import multi_index as simulate
from w2sg.theory.simulate.estimate import Estimate

A, B, SIGMA2, DEGREE, GAMMA_S = [0, 0.8, 0.4, 0.2], [0, 0, 0.6, 0.3], 0.25, 3, 0.1
GAMMAS = [0.05, 0.1, 0.3, 1, 3]
LISTED = {
    "teacher_alignment": [0.944779, 0.897800, 0.762078, 0.541828, 0.348817],
    "student_alignment": [0.889839, 0.846751, 0.721182, 0.514773, 0.332111],
    "teacher_risk": [0.562804, 0.649230, 0.856511, 1.087308, 1.209689],
    "student_risk": [0.213066, 0.284134, 0.458224, 0.658426, 0.767409],
}
WARM = [0.475032, 0.532815, 0.664769, 0.787799, 0.829917]


def study(*, d: int = 2000, repetitions: int = 12, seed: int = 0) -> Study:
    """Draw the risks of teacher and students over γ_t, simulated at five of them."""
    grid = np.geomspace(0.03, 4, 81)
    args = A, B, SIGMA2
    figure, (axes,) = new_figure(width=6.8, height=4.2)
    plain = multi_index.polynomial_head(*args, grid, GAMMA_S, DEGREE)
    axes.plot(grid, plain.teacher_risk, color="0.2", label="teacher")
    arrays, claims = {"gamma_t": grid, "teacher": plain.teacher_risk}, []
    best = multi_index.warm_start_optimum(*args, grid, GAMMA_S, DEGREE)
    heads: tuple[tuple[Head, str], ...] = (
        ("teacher_only", "teacher labels only"), ("warm", "warm start, best pull"),
        ("added", "pre-trained hard part added"),
    )  # fmt: skip
    for head, label in heads:
        pulls = best.penalty if head == "warm" else 0.0
        curve = multi_index.polynomial_head(*args, grid, GAMMA_S, DEGREE, head, lam=pulls)
        (line,) = axes.plot(grid, curve.student_risk, label=label)
        arrays[head] = curve.student_risk
        at_dots = multi_index.warm_start_optimum(*args, GAMMAS, GAMMA_S, DEGREE).penalty
        pull_dots = at_dots if head == "warm" else np.zeros(len(GAMMAS))
        runs = [
            simulate.polynomial_head(
                *args, round(d / gamma), round(d / GAMMA_S), DEGREE, head, lam=float(pull), d=d,
                repetitions=repetitions, seed=seed,
            ).student_risk
            for gamma, pull in zip(GAMMAS, pull_dots, strict=True)
        ]  # fmt: skip
        simulated = Estimate(
            np.array([run.mean for run in runs]), np.array([run.standard_error for run in runs])
        )
        axes.errorbar(
            GAMMAS, simulated.mean, 3 * simulated.standard_error, fmt="o", ms=4,
            color=line.get_color(),
        )  # fmt: skip
        theory = multi_index.polynomial_head(*args, GAMMAS, GAMMA_S, DEGREE, head, lam=pull_dots)
        claims.append(agreement(label, simulated, theory.student_risk))
    axes.set(
        xscale="log", xlabel="teacher's aspect ratio γ_t = d/n_t", ylabel="excess risk",
        title="easy features from the teacher, hard ones from pre-training",
    )  # fmt: skip
    axes.legend(fontsize=8)
    added = multi_index.polynomial_head(*args, GAMMAS, GAMMA_S, DEGREE)
    claims += [
        listed(name.replace("_", " "), getattr(added, name), values, 1e-6)
        for name, values in LISTED.items()
    ]
    warm = multi_index.warm_start_optimum(*args, GAMMAS, GAMMA_S, DEGREE)
    control = arrays["teacher_only"] - arrays["teacher"]
    claims += [
        listed("risks of the best warm start", warm.risk, WARM, 1e-6),
        Claim(
            "negative control: with teacher labels alone, good features do not help",
            f"smallest R_s − R_t over γ_t: {control.min():.4f}",
            bool(control.min() >= 0),
        ),
    ]
    return Study(arrays, figure, tuple(claims))
