"""Gain of a student over its teacher: gap = misfit + residual, an identity without assumptions."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Shaped
from numpy import ndarray
from numpy.typing import ArrayLike
from scipy.special import entr

from w2sg._arrays import FloatArray, as_floats
from w2sg.theory.bregman.generators import BregmanGenerator, finite_gap, inner
from w2sg.theory.bregman.means import (
    check_order,
    draw_weights,
    group_index,
    posterior_mean_teacher,
)


@dataclass(frozen=True)
class RiskGap:
    """One ledger, averaged over draws and items; ``gap == misfit + residual``.

    ``student_entropy``, ``teacher_entropy``, ``rce`` = −⟨f_s, log f_w⟩ and ``ce`` = −⟨f_w, log f_s⟩
    are ``None`` unless predictions are positive probabilities. With groups, also the posterior-mean
    teacher (groups, items, …), its variance E D(f̃, f_w), the distance of the student to it,
    ε₁ = excess risk of the student over it, ε₂ = that distance, and ``certified``: ε₁ below the
    variance, the exact condition for weak-to-strong gain; misfit = variance + ε₂ and
    residual = −(ε₁ + ε₂).
    """

    teacher_risk: float
    student_risk: float
    gap: float
    misfit: float
    residual: float
    student_entropy: float | None
    teacher_entropy: float | None
    rce: float | None
    ce: float | None
    posterior_mean: FloatArray | None = None
    posterior_variance: float | None = None
    distance_to_posterior: float | None = None
    eps1: float | None = None
    eps2: float | None = None
    certified: bool | None = None


def risk_gap(
    gen: BregmanGenerator,
    target: Float[ndarray, "items *k"],
    teacher: Float[ndarray, "draws items *k"],
    student: Float[ndarray, "draws items *k"],
    order: str = "left",
    groups: Shaped[ndarray, " draws"] | None = None,
    weights: ArrayLike | None = None,
) -> RiskGap:
    r"""Return the exact ledger of a student against its teacher.

    left:  R(f) = E D(g, f), misfit E D(f_s, f_w), residual E⟨g − f_s, ∇φ(f_s) − ∇φ(f_w)⟩
    right: R(f) = E D(f, g), misfit E D(f_w, f_s), residual E⟨f_w − f_s, ∇φ(f_s) − ∇φ(g)⟩

    and R(f_w) − R(f_s) = misfit + residual, whatever the student is. The residual is computed from
    its formula, not as a difference.

    Args:
        gen: The generator.
        target: g, (items, classes), or (items,) for ``binary_negentropy``. One-hot labels are fine
            for ``left``, and leave the gap unbiased: label noise cancels.
        teacher: (draws, items, classes).
        student: As ``teacher``; draw i of one is paired with draw i of the other.
        order: Side of the label in the risk.
        groups: One label per draw; draws with one label have the same student, with other teachers.
        weights: One weight per draw.

    Raises:
        ValueError: Shapes that differ, values outside the domain, predictions of exactly 0 or 1
            under an entropy, a group whose students differ.

    Source: exact identity behind Theorem 3.1 of arXiv 2505.24313 (derived; ε₁, ε₂ are a
    reconstruction, the paper's own may be defined otherwise).

    >>> from w2sg.theory.bregman import binary_negentropy
    >>> found = risk_gap(binary_negentropy, [0.8], [[0.9], [0.4]], [[0.7], [0.7]])
    >>> round(found.gap, 6) == round(found.misfit + found.residual, 6)
    True
    """
    check_order(order)
    left = order == "left"
    g = gen.check("target", target, interior=not left)
    f_w = gen.check("teacher", teacher, interior=left)
    f_s = gen.check("student", student, interior=True)
    check_shapes(gen, g, f_w, f_s)
    w = draw_weights(weights, len(f_w))

    def risk(a: FloatArray, b: FloatArray) -> float:
        return expect(finite_gap(gen, a, b, "predictions must be inside the domain"), w)

    if left:
        teacher_risk, student_risk, misfit = risk(g, f_w), risk(g, f_s), risk(f_s, f_w)
        residual = expect(inner(gen, g - f_s, gen.grad(f_s) - gen.grad(f_w)), w)
    else:
        teacher_risk, student_risk, misfit = risk(f_w, g), risk(f_s, g), risk(f_w, f_s)
        residual = expect(inner(gen, f_w - f_s, gen.grad(f_s) - gen.grad(g)), w)
    entropies = _entropies(gen, f_w, f_s, w)
    basic = (teacher_risk, student_risk, teacher_risk - student_risk, misfit, residual, *entropies)
    if groups is None:
        return RiskGap(*basic)

    index = group_index(groups, len(f_w))
    _same_student(f_s, index)
    posterior = posterior_mean_teacher(gen, f_w, index, order, w)
    mean = posterior[index]
    if left:
        variance, distance, risk_of_mean = risk(mean, f_w), risk(f_s, mean), risk(g, mean)
    else:
        variance, distance, risk_of_mean = risk(f_w, mean), risk(mean, f_s), risk(mean, g)
    eps1 = student_risk - risk_of_mean
    return RiskGap(
        *basic,
        posterior_mean=posterior,
        posterior_variance=variance,
        distance_to_posterior=distance,
        eps1=eps1,
        eps2=distance,
        certified=eps1 < variance,
    )


def expect(values: FloatArray, weights: FloatArray) -> float:
    """Return the mean over items of the weighted mean over draws."""
    return float(np.mean(np.average(values, axis=0, weights=weights)))


def check_shapes(gen: BregmanGenerator, g: FloatArray, f_w: FloatArray, f_s: FloatArray) -> None:
    """Refuse arrays that are not one target and two equal stacks of draws."""
    if f_w.ndim != 2 + gen.over_axis or f_s.shape != f_w.shape or g.shape != f_w.shape[1:]:
        one = "(items, classes)" if gen.over_axis else "(items,)"
        raise ValueError(
            f"for {gen.name}, target must be {one} and teacher and student (draws, {one[1:-1]}), "
            f"got {g.shape}, {f_w.shape} and {f_s.shape}"
        )
    if not f_w.size:
        raise ValueError(f"teacher and student must hold at least one number, got {f_w.shape}")


def certified_gain_ce(rce: float, entropy: float, residual: float) -> float:
    r"""Return the gain in cross-entropy, E RCE(f_s, f_w) − E H(f_s) + residual.

    KL(f_s‖f_w) = RCE − H(f_s): at fixed RCE and residual a lower student entropy is a higher gain.
    The residual moves too when a student is sharpened, so this is no advice to sharpen (derived
    from the abstract's statement, in the spirit of its Corollary 5.1).

    Args:
        rce: E −⟨f_s, log f_w⟩, at least 0.
        entropy: E H(f_s), at least 0.
        residual: Any number, for example a lower bound ``-residual_bounds(...).simplex_osc``.

    >>> certified_gain_ce(0.75, 0.5, -0.125)
    0.125
    """
    reverse = float(as_floats("rce", rce, low=0, ndim=0))
    own = float(as_floats("entropy", entropy, low=0, ndim=0))
    return reverse - own + float(as_floats("residual", residual, ndim=0))


def _entropies(
    gen: BregmanGenerator, f_w: FloatArray, f_s: FloatArray, w: FloatArray
) -> tuple[float | None, float | None, float | None, float | None]:
    """Return H(f_s), H(f_w), RCE and CE, or nothing where these are not positive probabilities."""
    if not gen.over_axis:
        f_w, f_s = np.stack([1 - f_w, f_w], -1), np.stack([1 - f_s, f_s], -1)
    for f in (f_w, f_s):
        if (f <= 0).any() or np.abs(f.sum(-1) - 1).max() > 1e-6:
            return None, None, None, None
    return (
        expect(entr(f_s).sum(-1), w),
        expect(entr(f_w).sum(-1), w),
        expect(-(f_s * np.log(f_w)).sum(-1), w),
        expect(-(f_w * np.log(f_s)).sum(-1), w),
    )


def _same_student(student: FloatArray, index: np.ndarray) -> None:
    first = np.unique(index, return_index=True)[1]
    away = np.abs(student - student[first][index]).max(axis=tuple(range(1, student.ndim)))
    if away.max() > 1e-12:
        draw = int(away.argmax())
        raise ValueError(
            f"groups must share one student: draw {draw} differs by {away[draw]:.3g} from the "
            "first draw of its group; repeat the student for each of its teachers"
        )
