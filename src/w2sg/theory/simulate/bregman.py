"""Monte Carlo twins of `w2sg.theory.bregman`: plain averages over draws, no identity used."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import ArrayLike

from w2sg._arrays import as_floats
from w2sg.theory.bregman import BregmanGenerator
from w2sg.theory.simulate.gaussian import Estimate, estimate

Draw = Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class SimulatedGap:
    """Each term averaged by itself over independent draws."""

    teacher_risk: Estimate
    student_risk: Estimate
    gap: Estimate
    misfit: Estimate


def risk_gap(
    gen: BregmanGenerator,
    target: Float[ndarray, "items *k"],
    draw: Draw,
    order: str = "left",
    *,
    n_draws: int,
    seed: int,
    one_hot_labels: bool = False,
) -> SimulatedGap:
    r"""Average risks and misfit over draws, each divergence from its definition with φ and ∇φ.

    Args:
        gen: The generator.
        target: g, (items, classes).
        draw: From a random generator to one teacher and one student, each like ``target``.
        order: Side of the label in the risk.
        n_draws: Independent draws, at least 2.
        seed: Of the draws.
        one_hot_labels: Draw a hard label of each item from g and measure the gap against it; for
            ``left`` its noise cancels from the gap.

    >>> from w2sg.theory.bregman import squared
    >>> found = risk_gap(squared, [[0.0]], lambda rng: (rng.normal(size=(1, 1)), np.zeros((1, 1))),
    ...                  n_draws=100, seed=0)
    >>> found.gap == found.teacher_risk == found.misfit
    True
    """
    g = as_floats("target", target)
    rng = np.random.default_rng(seed)
    teacher, student, misfit = np.empty((3, n_draws))
    for i in range(n_draws):
        f_w, f_s = draw(rng)
        label = g
        if one_hot_labels:
            label = rng.multinomial(1, g).astype(float)
        teacher[i] = _definition(gen, label, f_w, order)
        student[i] = _definition(gen, label, f_s, order)
        misfit[i] = _definition(gen, f_s, f_w, order)
    return SimulatedGap(
        estimate(teacher), estimate(student), estimate(teacher - student), estimate(misfit)
    )


def dual_mean(
    gen: BregmanGenerator,
    predictions: Float[ndarray, "draws classes"],
    weights: ArrayLike | None = None,
) -> Float[ndarray, " classes"]:
    """Return the dual mean as the minimiser of the average D(a, F), found by descent in ∇φ.

    Args:
        gen: The generator.
        predictions: One draw per row; for ``binary_negentropy`` one number per row, (draws, 1).
        weights: One weight per draw.

    >>> from w2sg.theory.bregman import generalised_kl
    >>> dual_mean(generalised_kl, np.array([[1.0, 2.0], [4.0, 2.0]])).round(4)
    array([2., 2.])
    """
    from scipy.optimize import minimize

    f = as_floats("predictions", predictions)
    w = np.ones(len(f)) if weights is None else as_floats("weights", weights)

    def average(u: np.ndarray) -> float:
        a = gen.grad_inv(u)
        gaps = [gen.phi(a) - gen.phi(row) - np.sum(gen.grad(row) * (a - row)) for row in f]
        return float(np.average(np.ravel(gaps), weights=w))

    start = gen.grad(np.mean(f, axis=0))
    found = minimize(average, start, method="BFGS", options={"gtol": 1e-9})
    return gen.grad_inv(found.x)


def _definition(gen: BregmanGenerator, label: ndarray, f: ndarray, order: str) -> float:
    p, q = (label, f) if order == "left" else (f, label)
    slope = gen.grad(q) * (p - q)
    return float(np.mean(gen.phi(p) - gen.phi(q) - (slope.sum(-1) if gen.over_axis else slope)))
