"""F1: R_s − R_t over both penalties, an under- and an over-parameterised student."""

import numpy as np

from w2sg._arrays import FloatArray
from w2sg.figures import new_figure
from w2sg.figures.heat_map import boundary, level_lines, signed_map
from w2sg.studies.mechanisms.agreement import agreement
from w2sg.studies.study import Claim, Study
from w2sg.theory import ridge
from w2sg.theory.simulate import ridge as simulate

SIGMA2, GAMMA_T, GAMMAS_S = 1.0, 0.5, (0.5, 1.5)
LAM_T, LAM_S = np.geomspace(0.01, 1, 25), np.geomspace(0.005, 5, 25)
LEVELS = np.array([-0.35, -0.25, -0.15, -0.1, -0.05, 0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5])


def study(*, d: int = 400, repetitions: int = 20, seed: int = 0) -> Study:
    """Draw both heat maps: simulation filled, theory dashed, the win boundary solid."""
    figure, panels = new_figure(1, 2, width=10.0, height=4.4)
    arrays: dict[str, FloatArray] = {"lam_t": LAM_T, "lam_s": LAM_S}
    claims = []
    best = float(ridge.optimal_teacher_penalty(GAMMA_T, SIGMA2))
    maps = []
    for axes, gamma_s, name in zip(panels, GAMMAS_S, ("under", "over"), strict=True):
        simulated = simulate.two_stage(
            GAMMA_T, gamma_s, LAM_T, LAM_S, SIGMA2, d=d, repetitions=repetitions, seed=seed
        )
        theory = ridge.two_stage(GAMMA_T, simulated.gamma_s, LAM_T[:, None], LAM_S, SIGMA2)
        difference = simulated.difference
        maps.append(signed_map(axes, LAM_S, LAM_T, difference.mean, levels=LEVELS))
        level_lines(axes, LAM_S, LAM_T, theory.difference, LEVELS[LEVELS != 0], "theory")
        boundary(axes, LAM_S, LAM_T, theory.difference, "student = teacher")
        axes.axhline(best, color="black", ls="--", lw=1.2, label="best teacher penalty")
        axes.set(
            xscale="log", yscale="log", xlabel="student penalty λ_s", ylabel="teacher penalty λ_t",
            title=f"{name}-parameterised student, γ_s = {gamma_s:g}",
        )  # fmt: skip
        arrays |= {
            f"{name}_simulation": difference.mean,
            f"{name}_standard_error": difference.standard_error,
            f"{name}_theory": theory.difference,
        }
        claims.append(
            agreement(
                f"γ_s = {gamma_s:g}", difference, theory.difference, scale=theory.student_risk
            )
        )
        clear = np.abs(theory.difference) > 4 * difference.standard_error + 0.0075
        same = (np.sign(theory.difference) == np.sign(difference.mean))[clear]
        claims.append(
            Claim(
                f"γ_s = {gamma_s:g}: the winner is the predicted one wherever the gap is clear",
                f"{int(same.sum())} of {same.size} points",
                bool(same.all()),
            )
        )
    claims += _edges()
    figure.colorbar(maps[-1], ax=panels, label="R_s − R_t (simulated)")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return Study(arrays, figure, tuple(claims))


def _edges() -> list[Claim]:
    below, above = (ridge.win_interval(GAMMA_T, 0.5, lam, SIGMA2) for lam in (0.499, 0.501))
    edge = float(ridge.critical_teacher_penalty(GAMMA_T, 1.5, SIGMA2))
    interval = ridge.win_interval(GAMMA_T, 1.5, 0.05, SIGMA2)
    return [
        Claim(
            "below interpolation the student beats every under-regularised teacher and no other",
            f"a winning λ_s exists at λ_t = 0.499: {below is not None}, 0.501: {above is not None}",
            below is not None and above is None,
        ),
        Claim(
            "above interpolation winning stops at λ_t = 0.0644508, far from λ_t⋆ = 0.5",
            f"it stops at {edge:.7f}",
            abs(edge - 0.0644508) < 1e-7,
        ),
        Claim(
            "there the winning λ_s are bounded away from 0",
            f"at λ_t = 0.05 they are {interval}",
            isinstance(interval, tuple) and float(interval[0]) > 0.1,
        ),
    ]
