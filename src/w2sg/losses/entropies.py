"""Losses of the Kullback–Leibler family: cross-entropy, its reverse, both divergences, entropy.

Notation: student logits z, p = softmax(z); teacher q on the simplex; H(p) = −Σ p_k log p_k.
"""

import math

import torch
from torch import Tensor

from w2sg.losses import rowwise
from w2sg.losses.loss import Context, Loss, Student, from_formula

LOG_OF_ZERO = math.log(1e-7)


def cross_entropy_formula(student: Student, q: Tensor, context: Context) -> tuple[Tensor, Tensor]:
    """Value −⟨q, log p⟩, gradient p − q."""
    value = -rowwise.dot(q, student.log_p)
    return value, torch.sub(student.p, q, out=student.room)


def reverse_ce_formula(
    student: Student, q: Tensor, log_floor: float | None = None
) -> tuple[Tensor, Tensor]:
    """Value −⟨p, log q⟩ and its gradient."""
    return slope_formula(student, log_target(q, log_floor, student.room).neg_())


def slope_formula(student: Student, slope: Tensor) -> tuple[Tensor, Tensor]:
    """Return ⟨p, slope⟩ and its gradient, the slope taken as its derivative in p; overwrites it."""
    value = rowwise.dot(student.p, slope)
    if slope.shape[-1] == 2:
        return value, student.pull_back(slope)
    return value, torch.mul(slope.sub_(value.unsqueeze(-1)), student.p, out=student.room)


def mixed_formula(
    student: Student,
    q: Tensor,
    slope: Tensor,
    forward: float | Tensor,
    reverse: float | Tensor,
) -> tuple[Tensor, Tensor]:
    """Return ``forward``·ce + ``reverse``·⟨p, slope⟩, the slope taken as its derivative in p.

    The weights are numbers, or one number per example each, (n, 1). Overwrites ``slope``.
    """
    p = student.p
    other = rowwise.dot(p, slope.mul_(reverse)).unsqueeze(-1)
    value = (other - forward * rowwise.dot(q, student.log_p).unsqueeze(-1)).squeeze(-1)
    if p.shape[-1] == 2:
        return value, forward * (p - q) + student.pull_back(slope)
    # forward·(p − q) + p(slope − ⟨p, slope⟩) in few passes over memory.
    gradient = slope.add_(forward - other).mul_(p)
    if isinstance(forward, Tensor):
        return value, torch.addcmul(gradient, q, forward, value=-1, out=student.room)
    return value, torch.sub(gradient, q, alpha=forward, out=student.room)


def log_target(q: Tensor, log_floor: float | None = None, room: Tensor | None = None) -> Tensor:
    """Return log q, in ``room`` if given; without a floor only log 0 is replaced, by log 1e-7."""
    if log_floor is not None:
        return rowwise.log(q, of_zero=log_floor, out=room).clamp_(min=log_floor)
    return rowwise.log(q, of_zero=LOG_OF_ZERO, out=room)


def _forward_kl(student: Student, q: Tensor, context: Context) -> tuple[Tensor, Tensor]:
    value = rowwise.dot(q, log_target(q, room=student.room).sub_(student.log_p))
    return value, torch.sub(student.p, q, out=student.room)


def _reverse_kl(student: Student, q: Tensor, context: Context) -> tuple[Tensor, Tensor]:
    log_q = log_target(q, room=student.room)
    return slope_formula(student, torch.sub(student.log_p, log_q, out=log_q))


def _entropy(student: Student, q: Tensor, context: Context) -> tuple[Tensor, Tensor]:
    return slope_formula(student, -student.log_p)


ce = Loss("ce", lambda z, q, context: torch.nn.functional.cross_entropy(z, q, reduction="none"))
r"""Cross-entropy −Σ_k q_k log p_k; gradient p − q, which never vanishes on a wrong logit.

Leads a student of limited information to the *primal* mean of the teacher (derived).

>>> ce(torch.tensor([0.0, 20.0]), torch.tensor([0.5, 0.0]))
tensor([ 0.6931, 20.0000])
"""

forward_kl = from_formula("forward_kl", _forward_kl)
r"""KL(q‖p) = ce − H(q): the gradient of ``ce``, with zero at p = q. Natural log, no factor ½.

>>> forward_kl(torch.tensor([0.0]), torch.tensor([0.5]))
tensor([0.])
"""

reverse_kl = from_formula("reverse_kl", _reverse_kl)
r"""KL(p‖q) = reverse_ce − H(p): imitates the teacher, with its fixed point at p = q.

Binary gradient (z − logit q) p(1−p): the factor p(1−p) makes it vanish on a confident student,
right or wrong, by nature. Leads to the *dual* mean of the teacher (derived). An exact
zero in q counts as log 1e-7.

>>> reverse_kl(torch.tensor([0.0]), torch.tensor([0.5]))
tensor([0.])
"""

entropy = from_formula("entropy", _entropy)
r"""H(p) of the student alone, a regulariser: write ``ce+0.1*entropy`` to add it to a loss.

A positive weight sharpens the student. Binary gradient −z p(1−p).

>>> entropy(torch.tensor([0.0]), torch.tensor([0.9]))
tensor([0.6931])
"""


def reverse_ce(log_floor: float | None = None, smoothing: float = 0.0) -> Loss:
    r"""Reverse cross-entropy −Σ_k p_k log q_k, the student in the place of the weights.

    Linear in p, so its minimum is the vertex at the largest q_k, and shrinking all labels towards
    uniform moves no minimum. With two classes it only rescales the gradient of each example. With
    more it changes the way there: labels near zero cost −log q_k, so a rare class may be given up
    early, and never comes back, for every gradient carries its p_k. Binary gradient
    −logit(q) p(1−p): the factor p(1−p) makes it vanish on a confident student, right or wrong, by
    nature.

    Args:
        log_floor: log q is raised to at least this (negative). Left out, soft labels stay exactly
            as they are and only log 0 becomes log 1e-7.
        smoothing: ε in [0, 1]; labels become (1−ε)q + ε/K first.

    Raises:
        ValueError: A floor that is not negative and finite, smoothing outside [0, 1].

    Source: released code of Xu et al., arXiv 2505.24313; floor as in Wang et al.,
    arXiv 1908.06112.

    >>> reverse_ce()(torch.tensor([0.0]), torch.tensor([1.0]))
    tensor([8.0590])
    >>> reverse_ce(log_floor=-4.0)(torch.tensor([0.0]), torch.tensor([1.0]))
    tensor([2.])
    """
    if log_floor is not None and not -math.inf < log_floor < 0:
        raise ValueError(f"log_floor must be negative and finite, got {log_floor!r}")
    if not 0 <= smoothing <= 1:
        raise ValueError(f"smoothing must lie in [0, 1], got {smoothing!r}")
    parts = ["reverse_ce"]
    if log_floor is not None:
        parts.append(f"log_floor={log_floor:g}")
    if smoothing:
        parts.append(f"smoothing={smoothing:g}")

    def formula(student: Student, q: Tensor, context: Context) -> tuple[Tensor, Tensor]:
        if smoothing:
            q = (1 - smoothing) * q + smoothing / q.shape[-1]
        return reverse_ce_formula(student, q, log_floor)

    return from_formula(":".join(parts), formula)


def symmetric(a: float = 1.0, b: float = 0.1) -> Loss:
    r"""Symmetric loss a·ce + b·reverse_ce, with the labels of the default ``reverse_ce``.

    It sharpens: for one binary example the optimum is the root of Ap² + (a−A)p − aq = 0 with
    A = b logit q (derived), farther from ½ than q.

    Args:
        a: Weight of ``ce``, at least 0.
        b: Weight of ``reverse_ce``, at least 0.

    Raises:
        ValueError: A negative or infinite weight, or both zero.

    Source: Wang et al., arXiv 1908.06112; a=1, b=0.1 as in the released code of Xu et al.

    >>> symmetric(1, 0.5).name
    'symmetric:1:0.5'
    """
    if not (0 <= a < math.inf and 0 <= b < math.inf and a + b > 0):
        raise ValueError(f"symmetric needs finite weights a, b >= 0, not both 0, got {a!r}, {b!r}")

    def formula(student: Student, q: Tensor, context: Context) -> tuple[Tensor, Tensor]:
        return mixed_formula(student, q, log_target(q, room=student.room), a, -b)

    return from_formula(f"symmetric:{a:g}:{b:g}", formula)
