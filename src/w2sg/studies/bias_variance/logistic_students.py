"""E3 to E5: teachers as an ensemble, labels of shrunk confidence, and what reverse_ce ignores."""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from w2sg._arrays import FloatArray
from w2sg._seeds import child_seed
from w2sg.figures import new_figure
from w2sg.figures.canvas import PALETTE
from w2sg.soft_labels import ensemble, shrink
from w2sg.studies.bias_variance.solvers import Scores, logistic_head, scores, train_linear
from w2sg.studies.study import Claim, Study, all_above_zero
from w2sg.theory.bregman import bias_variance, binary_negentropy, dual_mean, risk_gap

SIZES = (1, 2, 5, 10, 30)
ALPHAS = (1.0, 0.5, 0.2, 0.1, 0.01)
LOSSES = ("ce", "reverse_ce", "cace:0.1", "confidence:0.5")
FIELDS = ("accuracy", "nll", "entropy")
D, D_TRUE, D_STUDENT, N_TEACHER = 60, 5, 8, 150


def teacher_ensembles(worlds: int = 40, seed: int = 0) -> Study:
    """E3: what a student adds to one weak teacher, and what an ensemble of teachers leaves for it.

    x ~ N(0, I₆₀), truth on 5 coordinates with weights 1.2·N(0, 1). 30 logistic teachers, 150 hard
    labels each, L2 1e-2. Student: logistic head on the first 8 coordinates, L2 1e-5, 1,000 labels
    from the dual mean of K teachers. Risks against the true conditional law, 4,000 test points.

    Args:
        worlds: Independent truths with their teachers, at least 2; numbers are means over them,
            claims intervals.
        seed: Root seed.
    """
    rows = np.stack([_ensemble_world(seed, world) for world in range(worlds)])
    names = ("label_risk", "student_risk", "gap", "misfit", "residual", "student_entropy",
             "label_accuracy", "student_accuracy")  # fmt: skip
    arrays = {name: rows[:, :-1, i].mean(0) for i, name in enumerate(names)}
    arrays["teachers"] = np.array(SIZES, dtype=float)
    last = rows[:, -1, :5].mean(0)
    arrays["split"], arrays["copying"] = last[:3], last[3:]
    figure, (left, right) = new_figure(1, 2, width=10.0, height=3.8)
    left.plot(SIZES, arrays["label_risk"], "o-", label="labels (dual mean of K)")
    left.plot(SIZES, arrays["student_risk"], "s-", label="student")
    left.axhline(last[1], color="0.35", lw=0.8, ls="--", label="bias of the teachers")
    left.set(xscale="log", xlabel="teachers K in the label ensemble", ylabel="cross-entropy")
    right.plot(SIZES, arrays["gap"], "^-", color=PALETTE[2], label="gain of the student")
    right.plot(SIZES, arrays["misfit"], "o-", color=PALETTE[0], label="misfit")
    right.plot(SIZES, arrays["residual"], "s-", color=PALETTE[1], label="residual")
    right.set(xscale="log", xlabel="teachers K in the label ensemble", ylabel="nats")
    for axes in (left, right):
        axes.set_xticks(SIZES, [str(k) for k in SIZES])
        axes.minorticks_off()
        axes.legend()
    return Study(arrays, figure, _ensemble_claims(rows))


def _ensemble_claims(rows: FloatArray) -> tuple[Claim, ...]:
    """Judge E3 on the rows of `_ensemble_world`, one table a world."""
    gap, misfit, residual = np.moveaxis(rows[:, :-1, 2:5], -1, 0)
    teacher, bias, variance, copied_misfit, copied_gap = rows[:, -1, :5].T
    falls = dict(zip(SIZES[1:], (gap[:, :-1] - gap[:, 1:]).T, strict=True))
    return (
        Claim(
            "Teacher risk = bias + variance, exactly",
            f"{teacher.mean():.3f} = {bias.mean():.3f} + {variance.mean():.3f}",
            bool(abs(teacher - bias - variance).max() < 1e-10),
        ),
        all_above_zero(
            "With one teacher the gain is the misfit to within a fifth",
            f"gain {gap[:, 0].mean():.3f}, misfit {misfit[:, 0].mean():.3f}",
            {
                "a fifth of the misfit over −residual": 0.2 * misfit[:, 0] + residual[:, 0],
                "a fifth of the misfit over residual": 0.2 * misfit[:, 0] - residual[:, 0],
            },
        ),
        all_above_zero(
            "An ensemble takes the variance away first: the student's own gain falls with K",
            f"gain {gap.mean(0).round(3).tolist()}",
            {f"fall to K = {k}": fall for k, fall in falls.items()}
            | {f"gain at K = {SIZES[-1]}": gap[:, -1]},
        ),
        all_above_zero(
            "A student that can express the teacher copies it and gains little",
            f"all {D} coordinates, 1,000 labels: misfit {copied_misfit.mean():.2g}, "
            f"gain {copied_gap.mean():.3f}",
            {
                "0.01 over its misfit": 0.01 - copied_misfit,
                "a tenth of the other gain over its own": 0.1 * gap[:, 0] - copied_gap,
            },
        ),
    )


def shrunk_labels(runs: int = 20, seed: int = 0) -> Study:
    """E4: a student who knows better, and labels without confidence where the teacher is poor.

    Two regions of 20 Gaussian features. Truth θ_r ~ N(0, 9/20); student start (0.6 θ₀ + 0.35 ε,
    0.05 ε), teacher (0.3 θ₀ + 0.7 ε, 0.7 θ₁ + 0.35 ε), ε ~ N(0, 1). Labels of region 0 are shrunk
    to ½ + α(q − ½). 4,000 labels, Adam, 2 epochs.

    Args:
        runs: Independent truths, teachers and students, at least 2.
        seed: Root seed.
    """
    rng = np.random.default_rng(child_seed(seed, "shrunk"))
    theta = rng.normal(0, np.sqrt(9 / 20), (runs, 2, 20))
    start = np.stack(
        [
            0.6 * theta[:, 0] + 0.35 * (e := rng.standard_normal((runs, 4, 20)))[:, 0],
            0.05 * e[:, 1],
        ],
        axis=1,
    )
    teacher = np.stack(
        [0.3 * theta[:, 0] + 0.7 * e[:, 2], 0.7 * theta[:, 1] + 0.35 * e[:, 3]], axis=1
    )

    def inputs(n: int) -> tuple[FloatArray, np.ndarray]:
        region = rng.integers(2, size=(runs, n))
        x = np.zeros((runs, n, 2, 20))
        np.put_along_axis(
            x, region[:, :, None, None], rng.standard_normal((runs, n, 1, 20)), axis=2
        )
        return x.reshape(runs, n, 40), region

    (train, region), (test, _) = inputs(4000), inputs(2000)
    flat = [v.reshape(runs, 40) for v in (theta, start, teacher)]
    labels = expit(np.einsum("rnd,rd->rn", train, flat[2]))
    shrunk = {
        alpha: np.where(region == 0, shrink(labels.ravel(), alpha).reshape(labels.shape), labels)
        for alpha in ALPHAS
    }
    true_logits = np.einsum("rnd,rd->rn", test, flat[0])
    teacher_scores = scores(np.einsum("rnd,rd->rn", test, flat[2]), true_logits)
    found = _train_all(train, shrunk, flat[1], test, true_logits, seed)
    arrays = _tabulate(found)
    arrays["teacher_accuracy"] = np.full(len(ALPHAS), teacher_scores.accuracy.mean())
    difference = [
        found["reverse_ce", alpha].accuracy - found["ce", alpha].accuracy for alpha in ALPHAS
    ]
    error = np.std(difference, axis=1, ddof=1) / runs**0.5
    arrays["reverse_minus_ce"] = np.mean(difference, axis=1)
    arrays["reverse_minus_ce_error"] = error
    entropy = {name: [found[name, alpha].entropy for alpha in ALPHAS] for name in LOSSES[:2]}
    claims = (
        all_above_zero(
            "reverse_ce is ahead of ce while the labels of region 0 hold some confidence",
            "difference in accuracy "
            + ", ".join(
                f"{m:+.3f} ± {e:.3f} at α = {a:g}"
                for m, e, a in zip(arrays["reverse_minus_ce"], error, ALPHAS, strict=True)
            ),
            {f"at α = {ALPHAS[i]:g}": difference[i] for i in (0, 1)},
        ),
        all_above_zero(
            "The reverse_ce student hardly notices the shrinking, the entropy of ce rises",
            f"entropy reverse_ce {arrays['entropy reverse_ce'].round(3).tolist()}, "
            f"ce {arrays['entropy ce'].round(3).tolist()}",
            {"rise of ce over 0.1": entropy["ce"][-1] - entropy["ce"][0] - 0.1}
            | {
                f"0.03 over {'rise' if sign > 0 else 'fall'} of reverse_ce at α = {alpha:g}": 0.03
                - sign * (now - entropy["reverse_ce"][0])
                for sign in (1, -1)
                for alpha, now in zip(ALPHAS[1:], entropy["reverse_ce"][1:], strict=True)
            },
        ),
    )
    return Study(arrays, _figure(arrays, arrays["teacher_accuracy"][0]), claims)


def reverse_ce_invariance(runs: int = 40, seed: int = 0, losses: tuple[str, ...] = LOSSES) -> Study:
    """E5: reverse_ce ignores the teacher's confidence, which need not make it more accurate.

    The geometry of `teacher_ensembles` with one teacher and 4,000 labels, all shrunk by α; student
    start 0.3·N(0, I₈), training as in `shrunk_labels`.

    Args:
        runs: Independent truths, teachers and students, at least 2.
        seed: Root seed.
        losses: Names; must hold ``ce`` and ``reverse_ce``.
    """
    rng = np.random.default_rng(child_seed(seed, "invariance"))
    train = np.empty((runs, 4000, D_STUDENT))
    test = np.empty((runs, 2000, D_STUDENT))
    labels, true_logits = np.empty((runs, 4000)), np.empty((runs, 2000))
    for run in range(runs):
        world = _world(rng)
        teacher = world.teacher(rng)
        seen, unseen = rng.standard_normal((4000, D)), rng.standard_normal((2000, D))
        train[run], test[run] = seen[:, :D_STUDENT], unseen[:, :D_STUDENT]
        labels[run], true_logits[run] = expit(seen @ teacher), unseen @ world.theta
    shrunk = {alpha: shrink(labels.ravel(), alpha).reshape(labels.shape) for alpha in ALPHAS}
    start = 0.3 * rng.standard_normal((runs, D_STUDENT))
    found = _train_all(train, shrunk, start, test, true_logits, seed, losses)
    arrays = _tabulate(found)
    other_start = 0.3 * rng.standard_normal((runs, D_STUDENT))
    moves: dict[tuple[str, str], tuple[FloatArray, FloatArray]] = {}
    for name in ("ce", "reverse_ce"):
        full = found[name, 1.0]
        again = _train_one(train, shrunk[1.0], other_start, test, true_logits, seed + 1, name)
        for field in FIELDS:
            first, second, faint = (getattr(one, field) for one in (full, again, found[name, 0.1]))
            # Truth and teacher of a run stay, start and order change: the noise of one student.
            of_student = float(np.std(second - first, ddof=1)) / 2**0.5
            of_run = float(np.std(first, ddof=1))
            arrays[f"move {field} {name}"] = np.array(
                [float(np.mean(faint - first)), of_run, of_student]
            )
            moves[name, field] = faint - first, abs(second - first)
    claims = (
        all_above_zero(
            "Shrinking all labels with α = 0.1 moves the reverse_ce student less than its seed",
            _moves_text(arrays, "reverse_ce"),
            {
                f"seed over {'rise' if sign > 0 else 'fall'} of {field}": noise - sign * move
                for sign in (1, -1)
                for field in FIELDS
                for move, noise in [moves["reverse_ce", field]]
            },
        ),
        all_above_zero(
            "It raises NLL and entropy of the ce student by more than its seed moves them",
            _moves_text(arrays, "ce"),
            {
                f"rise of {field} over seed": move - noise
                for field in FIELDS[1:]
                for move, noise in [moves["ce", field]]
            },
        ),
        all_above_zero(
            "reverse_ce is less accurate than ce here",
            "accuracy difference "
            f"{(arrays['accuracy reverse_ce'] - arrays['accuracy ce']).round(3).tolist()}",
            {
                f"ce over reverse_ce at α = {alpha:g}": found["ce", alpha].accuracy
                - found["reverse_ce", alpha].accuracy
                for alpha in ALPHAS
            },
        ),
    )
    return Study(arrays, _figure(arrays, None, losses), claims)


@dataclass(frozen=True)
class _World:
    theta: FloatArray

    def teacher(self, rng: np.random.Generator) -> FloatArray:
        x = rng.standard_normal((N_TEACHER, D))
        y = (rng.uniform(size=N_TEACHER) < expit(x @ self.theta)).astype(float)
        return logistic_head(x, y, 1e-2)


def _world(rng: np.random.Generator) -> _World:
    theta = np.zeros(D)
    theta[:D_TRUE] = 1.2 * rng.standard_normal(D_TRUE)
    return _World(theta)


def _ensemble_world(seed: int, number: int) -> FloatArray:
    """Return one row per ensemble size, then (risk, bias, variance, misfit and gap of a copy)."""
    rng = np.random.default_rng(child_seed(seed, "ensembles", number))
    world = _world(rng)
    heads = np.stack([world.teacher(rng) for _ in range(max(SIZES))])
    x, test = rng.standard_normal((1000, D)), rng.standard_normal((4000, D))
    g = expit(test @ world.theta)
    noise = float(np.mean(-binary_negentropy.phi(g)))  # entropy of the truth: KL → cross-entropy
    on_train, on_test = expit(heads @ x.T), expit(heads @ test.T)
    rows = np.zeros((len(SIZES) + 1, 8))
    for row, size in enumerate(SIZES):
        groups = [slice(k, k + size) for k in range(0, max(SIZES), size)][:6]
        parts = []
        for group in groups:
            labels = ensemble(on_train[group], how="dual")
            student = expit(test[:, :D_STUDENT] @ logistic_head(x[:, :D_STUDENT], labels, 1e-5))
            teacher = dual_mean(binary_negentropy, on_test[group])
            found = risk_gap(binary_negentropy, g, teacher[None], student[None])
            accuracy = [float(np.mean((f > 0.5) == (g > 0.5))) for f in (teacher, student)]
            entropy = found.student_entropy
            assert entropy is not None
            parts.append(
                (found.teacher_risk + noise, found.student_risk + noise, found.gap, found.misfit,
                 found.residual, entropy, *accuracy)
            )  # fmt: skip
        rows[row] = np.mean(parts, axis=0)
    split = bias_variance(binary_negentropy, g, on_test)
    copy = expit(test @ logistic_head(x, on_train[0], 1e-5))
    copied = risk_gap(binary_negentropy, g, on_test[:1], copy[None])
    risk = float(np.mean(binary_negentropy.gap(g[None], on_test)))
    rows[-1, :5] = (risk + noise, split.bias + noise, split.variance, copied.misfit, copied.gap)
    return rows


def _train_all(
    train: FloatArray,
    shrunk: dict[float, FloatArray],
    start: FloatArray,
    test: FloatArray,
    true_logits: FloatArray,
    seed: int,
    names: tuple[str, ...] = LOSSES,
) -> dict[tuple[str, float], Scores]:
    return {
        (name, alpha): _train_one(train, targets, start, test, true_logits, seed, name)
        for name in names
        for alpha, targets in shrunk.items()
    }


def _train_one(
    train: FloatArray,
    targets: FloatArray,
    start: FloatArray,
    test: FloatArray,
    true_logits: FloatArray,
    seed: int,
    name: str,
) -> Scores:
    from w2sg import losses

    order = child_seed(seed, "order")
    weights = train_linear(train, targets, start, losses.get(name), order)
    return scores(np.einsum("rnd,rd->rn", test, weights), true_logits)


def _moves_text(arrays: dict[str, FloatArray], name: str) -> str:
    parts = []
    for field in FIELDS:
        move, of_run, of_student = arrays[f"move {field} {name}"]
        parts.append(f"{field} {move:+.3f} (runs ±{of_run:.3f}, starts ±{of_student:.3f})")
    return ", ".join(parts)


def _tabulate(found: dict[tuple[str, float], Scores]) -> dict[str, FloatArray]:
    arrays = {"alpha": np.array(ALPHAS)}
    for field in FIELDS:
        for name in dict.fromkeys(name for name, _ in found):
            rows = np.stack([getattr(found[name, alpha], field) for alpha in ALPHAS])
            arrays[f"{field} {name}"] = rows.mean(1)
            arrays[f"{field} {name} error"] = rows.std(1, ddof=1) / rows.shape[1] ** 0.5
    return arrays


def _figure(  # noqa: ANN202 matplotlib is not imported here
    arrays: dict[str, FloatArray], teacher: float | None, names: tuple[str, ...] = LOSSES
):
    figure, panels = new_figure(1, 3, width=12.0, height=3.8)
    for axes, field in zip(panels, ("accuracy", "nll", "entropy"), strict=True):
        for name in names:
            axes.errorbar(
                arrays["alpha"],
                arrays[f"{field} {name}"],
                arrays[f"{field} {name} error"],
                fmt="o-",
                ms=4,
                label=name,
            )
        axes.set(xscale="log", xlabel="α: labels are ½ + α(q − ½)", ylabel=f"student {field}")
    if teacher is not None:
        panels[0].axhline(teacher, color="0.35", lw=1, label="teacher")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return figure
