"""E5: a penalty lighter on the target beats even the optimally tuned teacher."""

import numpy as np

from w2sg.figures import new_figure
from w2sg.studies.mechanisms.agreement import agreement, listed
from w2sg.studies.study import Claim, Study
from w2sg.theory import weighted_ridge as weighted
from w2sg.theory.simulate import weighted_ridge as simulate
from w2sg.theory.simulate.estimate import Estimate

SIGMA2, LAM_T = 1.0, 0.5
POWERS = (-0.5, 0.0, 0.5, 1.0, 1.4)
LISTED = {0.0: (1, 0.414214), 0.5: (0.434742, 0.385310), 1.0: (0.248768, 0.354327),
          1.4: (0.189605, 0.342361)}  # fmt: skip
THRESHOLDS = {0.05: 9.401147, 0.1: 4.603567, 0.3: 1.572807, 0.5: 1, 1: 0.568098, 2: 0.332174,
              5: 0.159885}  # fmt: skip


def study(*, d: int = 160, repetitions: int = 40, seed: int = 0) -> Study:
    """Draw R_s over λ_s for five penalties, and the alignment threshold over λ_t."""
    grid, dots = np.geomspace(1e-3, 10, 81), np.geomspace(0.01, 3, 5)
    figure, (curves, threshold) = new_figure(1, 2, width=9.6, height=3.8)
    arrays, claims = {"lam_s": grid, "simulated_lam_s": dots}, []
    one, beta = np.ones(d), _target(d)
    teacher = weighted.risk_grid(one, beta, one, LAM_T, 2 * d, one, 1.0, 2 * d, SIGMA2).teacher_risk
    for power in POWERS:
        gamma = _penalty(d, power)
        curve = weighted.risk_grid(one, beta, one, LAM_T, 2 * d, gamma, grid, 2 * d, SIGMA2)
        at_dots = weighted.risk_grid(one, beta, one, LAM_T, 2 * d, gamma, dots, 2 * d, SIGMA2)
        label = f"p = {power:g}, 𝒜 = {weighted.alignment(gamma, beta):.2f}"
        (line,) = curves.plot(grid, curve.student_risk[0], label=label.replace("𝒜", "A"))
        arrays[f"theory_{power:g}"] = curve.student_risk[0]
        if power in (0.0, 1.0):
            simulated = _simulated(one, beta, gamma, dots, repetitions, seed)
            curves.errorbar(
                dots, simulated.mean, 3 * simulated.standard_error, fmt="o", ms=4,
                color=line.get_color(),
            )  # fmt: skip
            claims.append(agreement(f"Γ_s ∝ j^{power:g}", simulated, at_dots.student_risk[0]))
            arrays[f"simulation_{power:g}"] = simulated.mean
    curves.axhline(float(teacher[0]), color="0.35", ls="--", lw=1.0, label="best teacher")
    curves.set(
        xscale="log", xlabel="student penalty λ_s", ylabel="excess risk", ylim=(0.3, 0.6),
        title="Γ_s = diag(j^p) of mean 1, tuned teacher",
    )  # fmt: skip
    curves.legend(fontsize=8)

    lams = np.geomspace(0.02, 10, 81)
    values = weighted.alignment_threshold(0.5, lams, SIGMA2)
    threshold.plot(lams, values)
    threshold.axhline(1.0, color="0.35", lw=0.8)
    threshold.axvline(0.5, color="0.35", ls="--", lw=1.0)
    threshold.set(
        xscale="log", yscale="log", xlabel="teacher penalty λ_t",
        ylabel="alignment below which a student gains", title="threshold is 1 at λ_t⋆ = 0.5",
    )  # fmt: skip
    arrays |= {"lam_t": lams, "threshold": values}
    return Study(arrays, figure, (*claims, *_listed_claims()))


def _listed_claims() -> list[Claim]:
    d, search = 50, np.geomspace(1e-6, 30, 3000)
    one, beta = np.ones(d), _target(50)
    ratios, risks = [], []
    for power in LISTED:
        gamma = _penalty(d, power)
        ratios.append(weighted.alignment(gamma, beta))
        grid = weighted.risk_grid(one, beta, one, LAM_T, 100, gamma, search, 100, SIGMA2)
        risks.append(grid.student_risk.min())
    heavy = weighted.risk_grid(one, beta, one, LAM_T, 100, _penalty(d, -0.5), search, 100, SIGMA2)
    prior = np.arange(1, d + 1) ** -1.4
    prior /= prior.sum()
    wiener = weighted.best_linear_student(one, prior, one, 0.1, 100, SIGMA2)
    bayes = weighted.two_stage(one, np.diag(prior), 1 / prior, 0.01, 100, one, 0.0, 1e12, SIGMA2)
    return [
        listed("alignments", np.array(ratios), [v[0] for v in LISTED.values()], 1e-6),
        listed("best risks at d = 50", np.array(risks), [v[1] for v in LISTED.values()], 3e-6),
        listed(
            "thresholds",
            weighted.alignment_threshold(0.5, list(THRESHOLDS), SIGMA2),
            list(THRESHOLDS.values()),
            1e-6,
        ),
        listed(
            "Wiener student and single-stage Bayes",
            np.array([wiener.risk, bayes.teacher_risk]),
            [0.241948, 0.210675],
            1e-6,
        ),
        Claim(
            "every penalty with A < 1 beats the tuned teacher, one with A > 1 does not",
            f"risks {', '.join(f'{risk:.4f}' for risk in risks[1:])} and "
            f"{heavy.student_risk.min():.4f} against {heavy.teacher_risk[0]:.4f}",
            bool(max(risks[1:]) < heavy.teacher_risk[0] <= heavy.student_risk.min()),
        ),
    ]


def _target(d: int) -> np.ndarray:
    beta = np.arange(1, d + 1) ** -0.7
    return beta / np.linalg.norm(beta)


def _penalty(d: int, power: float) -> np.ndarray:
    gamma = np.arange(1, d + 1) ** float(power)
    return gamma / gamma.mean()


def _simulated(
    one: np.ndarray, beta: np.ndarray, gamma: np.ndarray, dots: np.ndarray, repetitions: int,
    seed: int,
) -> Estimate:  # fmt: skip
    n = 2 * len(one)
    runs = [
        simulate.two_stage(
            one, beta, one, LAM_T, n, gamma, lam, n, SIGMA2, repetitions=repetitions, seed=seed
        ).student_risk
        for lam in dots
    ]
    return Estimate(
        np.array([run.mean for run in runs]), np.array([run.standard_error for run in runs])
    )
