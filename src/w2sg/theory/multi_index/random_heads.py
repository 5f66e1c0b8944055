"""Heads that also see random features of the input: how a student's direction gets better."""

import numpy as np
from numpy.typing import ArrayLike

from w2sg._arrays import as_floats
from w2sg.theory.multi_index.alignment import one_step_alignment
from w2sg.theory.multi_index.polynomial_heads import TwoStage
from w2sg.theory.multi_index.target import as_target, crossed_at, energy_at, up_to_degree
from w2sg.theory.random_features import RandomFeatures
from w2sg.theory.ridge.channel import Signal


def spiked_random_features(
    a: ArrayLike,
    b: ArrayLike,
    sigma2: ArrayLike,
    gamma_t: ArrayLike,
    gamma_s: ArrayLike,
    head_t: RandomFeatures,
    head_s: RandomFeatures,
    degree: int | None = None,
) -> TwoStage:
    """Return the risks when heads see the learned direction and random features of the input.

    A head is an unpenalised polynomial of degree ℓ in the learned direction plus ridge on
    act(W₀x), fitted to fresh samples. What the polynomial leaves over passes the random-feature
    channel. The teacher's head absorbs extra samples into its linear part, so that the student's
    direction can be better aligned than the teacher's.

    Args:
        a: Easy coefficients a_k from k = 0 on, a₁ ≠ 0.
        b: Hard coefficients b_k from k = 0 on, b₀ = b₁ = 0.
        sigma2: Variance σ² ≥ 0 of the noise on the teacher's labels.
        gamma_t: Aspect ratio d/n ≥ 0 of the teacher's gradient step.
        gamma_s: Aspect ratio d/n ≥ 0 of the student's gradient step.
        head_t: Samples, width, penalty and activation of the teacher's head.
        head_s: The same of the student's head.
        degree: Largest degree ℓ ≥ 1 of the polynomial; all if ``None``.

    Returns:
        Both risks and alignments.

    Raises:
        ValueError: An argument is out of range.

    Source: note on mechanisms, Result 27 (derived; the student's head completed here).

    >>> from w2sg.theory.random_features import RandomFeatures
    >>> head = RandomFeatures(6.0, 2.0, 0.01, 0.5, 0.09)
    >>> a, b = [0, 0.8, 0.4, 0.2], [0, 0, 0.6, 0.3]
    >>> result = spiked_random_features(a, b, 0.25, 0.2, 0.01, head, head)
    >>> bool(result.student_alignment > result.teacher_alignment)
    True
    """
    target = as_target(a, b, sigma2)
    fitted = up_to_degree(target.easy, degree)
    rho_t = one_step_alignment(a, b, sigma2, gamma_t)
    first = float(target.easy[1])
    later = fitted.copy()
    later[1] = 0.0
    taught = energy_at(later, rho_t)
    energy = target.energy_easy + target.energy_hard

    missed = first**2 * (1 - rho_t**2)
    rest = np.maximum(energy - first**2 - taught, 0.0)
    fit_t = head_t.fit(Signal(missed, missed, rest, missed), target.noise)
    norm_t, nonlinear_t = as_floats("norm2", fit_t.norm2), as_floats("nonlinear", fit_t.nonlinear)
    overlap_t = as_floats("overlap", fit_t.overlap)
    teacher_risk = missed - 2 * overlap_t + norm_t + nonlinear_t + rest

    # the teacher's linear part: what its direction and its random features carry
    linear2 = first**2 * rho_t**2 + norm_t
    linear_easy = (first**2 * rho_t**2 + overlap_t) / first
    power = first**2 * rho_t**2 + taught + norm_t + nonlinear_t
    ratio = as_floats("gamma_s", gamma_s, low=0.0)
    cos = np.sqrt(linear2 / (linear2 + ratio * power))
    rho_s = linear_easy / np.sqrt(linear2) * cos
    rho_st = first * rho_t / np.sqrt(linear2) * cos

    passed2 = energy_at(later, rho_t * rho_st)
    crossed = crossed_at(later, rho_s, rho_t * rho_st)
    left = linear2 * (1 - cos**2)
    left_easy = first * (linear_easy - np.sqrt(linear2) * cos * rho_s)
    left_rest = np.maximum(taught - passed2, 0.0) + nonlinear_t
    fit_s = head_s.fit(Signal(left, left_easy, left_rest, first**2), 0.0)
    agreement = first * rho_s * np.sqrt(linear2) * cos + crossed + np.asarray(fit_s.overlap)
    size = linear2 * cos**2 + passed2 + np.asarray(fit_s.norm2) + np.asarray(fit_s.nonlinear)
    student_risk = energy - 2 * agreement + size
    return TwoStage(*np.broadcast_arrays(teacher_risk, student_risk, rho_t, rho_s))
