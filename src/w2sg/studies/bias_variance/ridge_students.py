"""E1 and E2: students of growing width, and a student that over-fits its teacher."""

from dataclasses import replace

import numpy as np

from w2sg._arrays import FloatArray
from w2sg._seeds import child_seed
from w2sg.figures import new_figure
from w2sg.figures.canvas import PALETTE
from w2sg.studies.study import Claim, Study, all_above_zero

WIDTHS = (20, 50, 100, 200, 500, 1000, 2000)
PENALTIES = (0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 40.0, 80.0, 200.0, 500.0, 1000.0)


def width_sweep(draws: int = 240, seed: int = 0) -> Study:
    """E1: a wider student departs less from its teacher, and the rest of the misfit is gain.

    x ~ N(0, I₁₀), g(x) = aᵀx + ½(|bᵀx| − √(2/π)). Teacher: 30 ReLU features, ridge 1e-3, 100
    labels with noise 0.5. Student: 300 inputs with teacher labels, ridge 10 (and 1e-6 as the
    over-fitting one). Risks are squared errors on 2,000 points.

    Args:
        draws: Independent draws of everything, at least 2; claims are intervals over them.
        seed: Root seed.
    """
    ridges = (10.0, 1e-6)
    found = np.empty((draws, len(ridges), len(WIDTHS), 3))  # teacher risk, student risk, misfit
    for draw in range(draws):
        found[draw] = _width_draw(np.random.default_rng(child_seed(seed, "width", draw)), ridges)
    mean, error = found.mean(0), found.std(0, ddof=1) / draws**0.5
    gap = found[..., 0] - found[..., 1]
    rho = gap - found[..., 2]
    arrays = {
        "width": np.array(WIDTHS, dtype=float),
        "teacher_risk": mean[0, :, 0],
        "student_risk": mean[0, :, 1],
        "misfit": mean[0, :, 2],
        "residual": rho[:, 0].mean(0),
        "residual_error": rho[:, 0].std(0, ddof=1) / draws**0.5,
        "misfit_error": error[0, :, 2],
        "gap_overfitted": gap[:, 1].mean(0),
    }
    figure, (left, right) = new_figure(1, 2, width=10.0, height=3.8)
    left.plot(WIDTHS, arrays["teacher_risk"], color="0.35", label="teacher")
    left.errorbar(WIDTHS, mean[0, :, 1], error[0, :, 1], fmt="o-", label="student, ridge 10")
    left.errorbar(WIDTHS, mean[1, :, 1], error[1, :, 1], fmt="s--", label="student, ridge 1e-6")
    left.set(xscale="log", xlabel="student width", ylabel="squared error")
    right.errorbar(
        WIDTHS, arrays["misfit"], error[0, :, 2], fmt="o-", color=PALETTE[0], label="misfit"
    )
    right.plot(WIDTHS, gap[:, 0].mean(0), "^-", color=PALETTE[2], label="gain")
    right.errorbar(
        WIDTHS, arrays["residual"], arrays["residual_error"], fmt="s-", color=PALETTE[1],
        label="residual",
    )  # fmt: skip
    right.axhline(0, color="0.35", lw=0.8)
    right.set(xscale="log", xlabel="student width", ylabel="squared error, ridge 10")
    left.legend()
    right.legend()
    return Study(arrays, figure, _width_claims(found))


def _width_claims(found: FloatArray) -> tuple[Claim, ...]:
    """Judge E1 on draws of (teacher risk, student risk, misfit), (draws, ridges, widths, 3)."""
    gain, copied = np.moveaxis(found[..., 0] - found[..., 1], 1, 0)
    misfit = found[:, 0, :, 2]
    residual, floor = gain - misfit, misfit[:, -1]
    steps = dict(zip(WIDTHS[1:], (misfit[:, :-1] - misfit[:, 1:]).T, strict=True))
    return (
        all_above_zero(
            "A narrow student loses to its teacher",
            f"gain at width 20: {gain[:, 0].mean():.3f}",
            {"loss": -gain[:, 0]},
        ),
        all_above_zero(
            "The misfit falls with width to a positive floor",
            f"misfit {misfit.mean(0).round(3).tolist()}",
            {
                "first over twice the last": misfit[:, 0] - 2 * floor,
                "floor over 0.1": floor - 0.1,
                **{f"fall to width {w} (+ 0.01)": fall + 0.01 for w, fall in steps.items()},
            },
        ),
        all_above_zero(
            "The residual all but vanishes: gain is misfit to within a sixth",
            f"residual {residual.mean(0).round(3).tolist()}",
            {
                "a sixth of the misfit over −residual": floor / 6 + residual[:, -1],
                "a sixth of the misfit over residual": floor / 6 - residual[:, -1],
                "−residual of the narrowest over 0.3": -0.3 - residual[:, 0],
            },
        ),
        all_above_zero(
            "A student that over-fits its teacher gains little at any width",
            f"largest gain {copied.mean(0).max():.3f} with ridge 1e-6, "
            f"{gain[:, -1].mean():.3f} at width 2000 with ridge 10",
            {
                f"half of it over the gain at width {w}": 0.5 * gain[:, -1] - copied[:, i]
                for i, w in enumerate(WIDTHS)
            },
        ),
    )


def overfitting(draws: int = 400, seed: int = 0) -> Study:
    """E2: along the ridge path the student's risk is a U; copying the teacher gains nothing.

    Linear, d = 40, n = 60 inputs, no label noise. Teacher N(0.8 θ*, I/40), ‖θ*‖ = 1, so its risk is
    1.04. The student shrinks from 0: θ_s = A θ_w, A = Xᵀ(XXᵀ + λI)⁻¹X; risks are exact given X
    and averaged over X.

    Args:
        draws: Draws of X.
        seed: Root seed.
    """
    d, n, mean2, tau2 = 40, 60, 0.64, 1 / 40
    rng = np.random.default_rng(child_seed(seed, "overfitting"))
    eigen = np.linalg.eigvalsh(
        np.einsum("rni,rnj->rij", x := rng.standard_normal((draws, n, d)), x)
    )
    lam = np.array(PENALTIES)
    shrink = eigen[:, None, :] / (eigen[:, None, :] + lam[:, None])  # eigenvalues of A
    # A is rotationally invariant: E‖Aθ‖² = ‖θ‖² tr A²/d and E⟨θ*, Aθ*⟩ = tr A/d.
    a1, a2 = shrink.mean(-1), (shrink**2).mean(-1)
    second = mean2 + d * tau2
    student = 1 - 2 * 0.8 * a1 + second * a2
    misfit = second * ((1 - shrink) ** 2).mean(-1)
    teacher_risk = (1 - 0.8) ** 2 + d * tau2
    arrays = {
        "penalty": lam,
        "student_risk": student.mean(0),
        "misfit": misfit.mean(0),
        "gap": teacher_risk - student.mean(0),
        "residual": teacher_risk - student.mean(0) - misfit.mean(0),
        "teacher_risk": np.full(len(lam), teacher_risk),
    }
    figure, (axes,) = new_figure(width=6.0, height=3.8)
    axes.axhline(teacher_risk, color="0.35", label="teacher")
    for name, style in (("student_risk", "o-"), ("misfit", "s-"), ("gap", "^-")):
        axes.plot(np.maximum(lam, 0.5), arrays[name], style, label=name.replace("_", " "))
    axes.set(xscale="log", xlabel="ridge penalty of the student (0 drawn at 0.5)")
    axes.set_ylabel("squared error")
    axes.legend()
    return Study(arrays, figure, _overfitting_claims(student, misfit, teacher_risk))


def _overfitting_claims(
    student: FloatArray, misfit: FloatArray, teacher_risk: float
) -> tuple[Claim, ...]:
    """Judge E2 on the risks of draws of X, (draws, penalties)."""
    gap = teacher_risk - student
    residual, risk = gap - misfit, student.mean(0)
    best = int(risk.argmin())
    steps = np.diff(student, axis=1)  # down to the best penalty, up from there
    slopes = {
        f"change of risk at {PENALTIES[i + 1]:g}": -steps[:, i] if i < best else steps[:, i]
        for i in range(len(PENALTIES) - 1)
    }
    inside = 0 < best < len(PENALTIES) - 1
    u = all_above_zero(
        "The risk is a U in the penalty, lowest inside",
        f"best {risk[best]:.3f} at {PENALTIES[best]:g}; ends {risk[0]:.3f} and {risk[-1]:.3f}",
        slopes,
    )
    return (
        Claim(
            "A student that copies its teacher (penalty 0) gains nothing",
            f"gain {gap[:, 0].mean():.2g}, misfit {misfit[:, 0].mean():.2g}",
            bool(abs(gap[:, 0]).max() < 1e-9 and abs(misfit[:, 0]).max() < 1e-9),
        ),
        u if inside else replace(u, holds=False, decided=True),
        all_above_zero(
            "More misfit is not more gain: past the best penalty the residual eats it",
            f"residual {residual.mean(0).round(3).tolist()}",
            {
                "−residual at 1,000 over 0.1": -0.1 - residual[:, -1],
                "0.02 over residual at 20": 0.02 - residual[:, 5],
                "0.02 over −residual at 20": 0.02 + residual[:, 5],
            },
        ),
    )


def _width_draw(rng: np.random.Generator, ridges: tuple[float, ...]) -> FloatArray:
    d = 10
    a, b = (v / np.linalg.norm(v) for v in rng.standard_normal((2, d)))

    def truth(x: FloatArray) -> FloatArray:
        return x @ a + 0.5 * (np.abs(x @ b) - np.sqrt(2 / np.pi))

    def features(x: FloatArray, w: FloatArray) -> FloatArray:
        return np.maximum(x @ w, 0) / np.sqrt(w.shape[1])

    labelled, unlabelled, test = (rng.standard_normal((m, d)) for m in (100, 300, 2000))
    y = truth(labelled) + 0.5 * rng.standard_normal(100)
    w_teacher = rng.standard_normal((d, 30))
    teacher = _ridge(features(labelled, w_teacher), y, 1e-3)
    pseudo = features(unlabelled, w_teacher) @ teacher
    on_test, g = features(test, w_teacher) @ teacher, truth(test)
    out = np.empty((len(ridges), len(WIDTHS), 3))
    for column, width in enumerate(WIDTHS):
        w = rng.standard_normal((d, width))
        seen, unseen = features(unlabelled, w), features(test, w)
        for row, ridge in enumerate(ridges):
            student = unseen @ _ridge(seen, pseudo, ridge)
            out[row, column] = (
                np.mean((on_test - g) ** 2),
                np.mean((student - g) ** 2),
                np.mean((student - on_test) ** 2),
            )
    return out


def _ridge(features: FloatArray, y: FloatArray, penalty: float) -> FloatArray:
    n, p = features.shape
    if p <= n:
        primal = np.linalg.solve(features.T @ features + penalty * np.eye(p), features.T @ y)
        return np.asarray(primal, dtype=np.float64)
    dual = np.linalg.solve(features @ features.T + penalty * np.eye(n), y)
    return np.asarray(features.T @ dual, dtype=np.float64)
