"""Bounds on the residual, and the check that belongs to convex student classes."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Shaped
from numpy import ndarray
from numpy.typing import ArrayLike

from w2sg.theory.bregman.gap import check_shapes, expect, risk_gap
from w2sg.theory.bregman.generators import BregmanGenerator
from w2sg.theory.bregman.means import draw_weights, group_index, posterior_mean_teacher


@dataclass(frozen=True)
class ResidualBounds:
    """Upper bounds on |residual|; ``simplex_osc`` needs probabilities and is ``None`` without."""

    cauchy_schwarz: float
    simplex_osc: float | None


def residual_bounds(
    gen: BregmanGenerator,
    target: Float[ndarray, "items *k"],
    teacher: Float[ndarray, "draws items *k"],
    student: Float[ndarray, "draws items *k"],
    groups: Shaped[ndarray, " draws"] | None = None,
    weights: ArrayLike | None = None,
) -> ResidualBounds:
    r"""Bound |residual| of the label-left ledger by how far the student is from its posterior mean.

    cauchy_schwarz: √E‖g − f_s‖² · √E‖∇φ(f_s) − ∇φ(f̃)‖², the second vector centred on the simplex
    simplex_osc:    ½ E[‖g − f_s‖₁ · osc(∇φ(f_s) − ∇φ(f̃))], osc = max − min

    Args:
        gen: The generator.
        target: As in `risk_gap`.
        teacher: As in `risk_gap`.
        student: As in `risk_gap`.
        groups: As in `risk_gap`; left out, each teacher stands for its own posterior mean.
        weights: As in `risk_gap`.

    Source: derived; on the simplex the second bound is tight.

    >>> from w2sg.theory.bregman import binary_negentropy
    >>> residual_bounds(binary_negentropy, [0.8], [[0.9]], [[0.7]])
    ResidualBounds(cauchy_schwarz=0.134..., simplex_osc=0.134...)
    """
    g = gen.check("target", target, interior=False)
    f_w = gen.check("teacher", teacher, interior=True)
    f_s = gen.check("student", student, interior=True)
    check_shapes(gen, g, f_w, f_s)
    w = draw_weights(weights, len(f_w))
    mean = f_w
    if groups is not None:
        index = group_index(groups, len(f_w))
        mean = posterior_mean_teacher(gen, f_w, index, "left", w)[index]
    away, slope = g - f_s, gen.grad(f_s) - gen.grad(mean)
    if not gen.over_axis:
        product = expect(np.abs(away * slope), w)
        return ResidualBounds((expect(away**2, w) * expect(slope**2, w)) ** 0.5, product)
    on_simplex = all(np.abs(f.sum(-1) - 1).max() < 1e-6 for f in (g, f_s))
    if on_simplex:
        slope = slope - slope.mean(-1, keepdims=True)
    bound = expect((away**2).sum(-1), w) * expect((slope**2).sum(-1), w)
    oscillation = np.abs(away).sum(-1) * (slope.max(-1) - slope.min(-1)) / 2
    return ResidualBounds(bound**0.5, expect(oscillation, w) if on_simplex else None)


@dataclass(frozen=True)
class ProjectionCheck:
    """``holds`` if gap ≥ misfit, which is residual ≥ 0, up to rounding."""

    gap: float
    misfit: float
    residual: float
    holds: bool


def misfit_projection_check(
    gen: BregmanGenerator,
    target: Float[ndarray, "items *k"],
    teacher: Float[ndarray, "draws items *k"],
    student: Float[ndarray, "draws items *k"],
    order: str = "left",
    weights: ArrayLike | None = None,
) -> ProjectionCheck:
    r"""Check gap ≥ misfit, what projection onto a convex class that holds the truth guarantees.

    If f_s minimises the misfit over a convex class that contains g, then the residual is not
    negative (equality for linear heads): Charikar et al., arXiv 2405.15116, for squared loss and
    Mulgund and Pabbaraju, arXiv 2501.19105, for Bregman divergences (statements from memory,
    checked numerically). A failed check says that the class is not convex, does not hold the truth,
    or was not minimised over.

    Args:
        gen: The generator.
        target: As in `risk_gap`.
        teacher: As in `risk_gap`.
        student: As in `risk_gap`.
        order: As in `risk_gap`.
        weights: As in `risk_gap`.

    >>> from w2sg.theory.bregman import squared
    >>> misfit_projection_check(squared, [[0.0]], [[[2.0]]], [[[1.0]]])
    ProjectionCheck(gap=3.0, misfit=1.0, residual=2.0, holds=True)
    """
    found = risk_gap(gen, target, teacher, student, order, weights=weights)
    slack = 1e-10 * max(1.0, abs(found.teacher_risk), found.misfit)
    return ProjectionCheck(found.gap, found.misfit, found.residual, found.residual >= -slack)
