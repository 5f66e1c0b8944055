"""E6: up to which teacher penalty a student with one lighter direction still gains."""

import numpy as np

from w2sg.figures import new_figure
from w2sg.studies.mechanisms.agreement import agreement
from w2sg.studies.study import Claim, Study
from w2sg.theory import weighted_ridge as weighted
from w2sg.theory.simulate import weighted_ridge as simulate
from w2sg.theory.simulate.estimate import Estimate

GAMMA_T, GAMMA_S, SIGMA2 = 0.5, 0.5, 1.0
POINTS = ((0.1, 0.5), (0.5, 0.9), (0.05, 0.2), (2.0, 0.5))
LAM_S = 0.1


def study(*, d: int = 160, repetitions: int = 40, seed: int = 0) -> Study:
    """Draw the critical λ_t over the spike's weight and the target's share along it."""
    omega, zeta = np.geomspace(0.02, 4, 61), np.linspace(0.02, 1, 50)
    critical = weighted.spiked_critical_penalty(GAMMA_T, SIGMA2, omega, zeta[:, None])
    figure, (axes, check) = new_figure(1, 2, width=9.6, height=3.8)
    axes.grid(visible=False)
    filled = axes.contourf(
        omega, zeta, np.log10(critical), levels=np.linspace(-1, 2, 13), cmap="viridis",
        extend="both",
    )  # fmt: skip
    figure.colorbar(filled, ax=axes, label="log₁₀ critical λ_t")
    lines = axes.contour(omega, zeta, critical, levels=[0.5], colors="white", linewidths=1.5)
    axes.clabel(lines, fmt="λ_t⋆")
    axes.set(xscale="log", xlabel="weight ω of the spike", ylabel="share ζ of the target along it")

    lam_t = np.array([0.2, 0.5, 1.0, 2.0])
    claims, arrays = [], {"omega": omega, "zeta": zeta, "critical": critical, "lam_t": lam_t}
    fine = np.geomspace(0.1, 4, 81)
    for index, (weight, share) in enumerate(POINTS):
        edge = float(weighted.spiked_critical_penalty(GAMMA_T, SIGMA2, weight, share))
        curve = weighted.spiked_student(GAMMA_T, GAMMA_S, fine, LAM_S, SIGMA2, weight, share)
        (line,) = check.plot(fine, curve.difference, label=f"ω = {weight:g}, ζ = {share:g}")
        runs = [_run(d, lam, weight, share, repetitions, seed + index) for lam in lam_t]
        simulated = Estimate(
            np.array([run.mean for run in runs]), np.array([run.standard_error for run in runs])
        )
        check.errorbar(
            lam_t, simulated.mean, 3 * simulated.standard_error, fmt="o", ms=4,
            color=line.get_color(),
        )  # fmt: skip
        theory = weighted.spiked_student(GAMMA_T, GAMMA_S, lam_t, LAM_S, SIGMA2, weight, share)
        claims.append(
            agreement(
                f"ω = {weight:g}, ζ = {share:g}", simulated, theory.difference,
                scale=theory.student_risk,
            )
        )  # fmt: skip
        small = [
            float(
                weighted.spiked_student(
                    GAMMA_T, GAMMA_S, lam, 1e-7, SIGMA2, weight, share
                ).difference
            )
            for lam in (0.99 * edge, 1.01 * edge)
        ]
        claims.append(
            Claim(
                f"ω = {weight:g}, ζ = {share:g}: a small λ_s gains exactly below the critical λ_t",
                f"critical λ_t = {edge:.4f}; signs around it {np.sign(small)}",
                small[0] < 0 < small[1],
            )
        )
    check.axhline(0.0, color="0.35", lw=0.8)
    check.set(
        xscale="log", xlabel="teacher penalty λ_t", ylabel="R_s − R_t", title=f"λ_s = {LAM_S:g}"
    )
    check.legend(fontsize=8)
    aligned = critical[:, omega < 1]
    claims.append(
        Claim(
            "an aligned spike (ω < 1, ζ > 0) gains from over-regularised teachers too",
            f"smallest critical λ_t over ω < 1: {aligned.min():.4f} > λ_t⋆ = 0.5",
            bool(aligned.min() > 0.5),
        )
    )
    return Study(arrays, figure, tuple(claims))


def _run(d: int, lam: float, weight: float, share: float, repetitions: int, seed: int) -> Estimate:
    one, beta = np.ones(d), np.full(d, np.sqrt((1 - share) / (d - 1)))
    beta[0] = np.sqrt(share)
    gamma = np.ones(d)
    gamma[0] = weight
    return simulate.two_stage(
        one, beta, one, lam, round(d / GAMMA_T), gamma, LAM_S, round(d / GAMMA_S), SIGMA2,
        repetitions=repetitions, seed=seed,
    ).difference  # fmt: skip
