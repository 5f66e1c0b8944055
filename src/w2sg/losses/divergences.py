"""Squared losses, and the loss of any Bregman divergence."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from w2sg.losses import rowwise
from w2sg.losses.entropies import forward_kl, reverse_kl
from w2sg.losses.loss import Context, Formula, Loss, Student, from_formula

SMALLEST = 1e-7


def _squared(student: Student, q: Tensor, context: Context) -> tuple[Tensor, Tensor]:
    away = student.p - q
    return rowwise.dot(away, away), student.pull_back(2 * away)


squared = from_formula("squared", _squared)
r"""Squared error of the probabilities Σ_k (p_k − q_k)², the Brier score; in [0, 2].

For (n,) both classes count, hence 2(p − q)². The gradient carries a factor p(1−p), so it vanishes
on a confident student, right or wrong, by nature.

>>> squared(torch.tensor([0.0]), torch.tensor([1.0]))
tensor([0.5000])
"""

squared_error = Loss(
    "squared_error", lambda outputs, targets, context: ((outputs - targets) ** 2).sum(-1), raw=True
)
r"""Squared error Σ_k (z_k − y_k)² of real outputs, for regression; nothing is a probability.

>>> squared_error(torch.tensor([2.0]), torch.tensor([-1.0]))
tensor([9.])
"""


@dataclass(frozen=True)
class Generator:
    """A convex function of the class probabilities, with what its divergence needs.

    Args:
        name: How the loss writes it.
        value: φ(p), (n, K) to (n,).
        gradient: ∇φ(p), (n, K) to (n, K).
        curve: ∇²φ(p)·v from p and v, both (n, K).
    """

    name: str
    value: Callable[[Tensor], Tensor]
    gradient: Callable[[Tensor], Tensor]
    curve: Callable[[Tensor, Tensor], Tensor]


GENERATORS = {
    "squared": Generator("squared", lambda p: (p * p).sum(-1), lambda p: 2 * p, lambda p, v: 2 * v),
}
ENTROPIES = ("negentropy", "generalised_kl", "binary_negentropy")


def bregman(generator: str | Generator, order: str = "left") -> Loss:
    r"""The Bregman divergence D(a, b) = φ(a) − φ(b) − ⟨∇φ(b), a − b⟩ of labels and student.

    Args:
        generator: ``squared``, ``negentropy``, ``generalised_kl``, ``binary_negentropy`` (two
            classes), ``itakura_saito``, or a `Generator`; see `mahalanobis`. Probabilities below
            1e-7 count as 1e-7, without a gradient, except for the entropies, which are computed
            from the logits.
        order: ``left`` puts the label first, D(q, p); ``right`` the student, D(p, q).

    Raises:
        ValueError: An unknown generator or order.

    >>> bregman("itakura_saito")(torch.tensor([0.0]), torch.tensor([0.5]))
    tensor([0.])
    """
    if order not in ("left", "right"):
        raise ValueError(f"order of bregman must be 'left' or 'right', got {order!r}")
    if isinstance(generator, str):
        if generator in ENTROPIES:
            return _entropic(generator, order)
        if generator == "itakura_saito":
            return from_formula(_bregman_name(generator, order), _itakura_saito(order))
        if generator not in GENERATORS:
            known = ", ".join(sorted([*GENERATORS, *ENTROPIES, "itakura_saito"]))
            raise ValueError(f"generator of bregman must be one of {known}, got {generator!r}")
        generator = GENERATORS[generator]

    def formula(student: Student, q: Tensor, context: Context) -> tuple[Tensor, Tensor]:
        mine, label = student.p.clamp_min(SMALLEST), q.clamp_min(SMALLEST)
        a, b = (label, mine) if order == "left" else (mine, label)
        value = generator.value(a) - generator.value(b)
        value = value - rowwise.dot(generator.gradient(b), a - b)
        if order == "left":
            slope = generator.curve(mine, mine - label)
        else:
            slope = generator.gradient(mine) - generator.gradient(label)
        return value.clamp_min(0), _pull_back_where_above(student, slope)

    return from_formula(_bregman_name(generator.name, order), formula)


def _itakura_saito(order: str) -> Formula:
    """Σ r − log r − 1 with r = q/p (left) or p/q (right); p·slope is 1 − r or r − 1."""

    def formula(student: Student, q: Tensor, context: Context) -> tuple[Tensor, Tensor]:
        label, mine, below = q.clamp_min(SMALLEST), student.p, None
        if bool(mine.amin() < SMALLEST):
            below, mine = mine < SMALLEST, mine.clamp_min(SMALLEST)
        ratio = label.div_(mine) if order == "left" else mine / label
        log_ratio = rowwise.log(ratio, out=student.room)
        value = ratio.sum(-1) - log_ratio.sum(-1) - ratio.shape[-1]
        pull = torch.rsub(ratio, 1) if order == "left" else ratio.sub_(1)
        if below is not None:
            pull.masked_fill_(below, 0)
        if pull.shape[-1] == 2:  # without the cancellation of pull − p·sum on confident logits
            g = student.p[:, 0] * pull[:, 1] - student.p[:, 1] * pull[:, 0]
            return value.clamp_min(0), torch.stack([-g, g], dim=-1)
        total = pull.sum(-1, keepdim=True)
        gradient = torch.addcmul(pull, student.p, total, value=-1, out=student.room)
        return value.clamp_min(0), gradient

    return formula


def _pull_back_where_above(student: Student, slope: Tensor) -> Tensor:
    """The gradient in the logits where p below `SMALLEST` has no slope; overwrites the slope."""
    if slope.shape[-1] == 2:
        return student.pull_back(slope * (student.p >= SMALLEST))
    above = torch.nn.functional.threshold(student.p, SMALLEST, 0.0)
    share = rowwise.dot(above, slope).unsqueeze(-1)
    return torch.addcmul(slope.mul_(above), student.p, share, value=-1, out=student.room)


def mahalanobis(matrix: Tensor) -> Generator:
    """Return the generator pᵀQp, for `bregman`; ``matrix`` is Q, (K, K), positive definite.

    >>> bregman(mahalanobis(torch.eye(2)))(torch.tensor([0.0]), torch.tensor([1.0]))
    tensor([0.5000])
    """
    if matrix.ndim != 2 or not torch.equal(matrix, matrix.T):
        raise ValueError(f"matrix must be (K, K) and symmetric, got shape {tuple(matrix.shape)}")
    if not bool((torch.linalg.eigvalsh(matrix.double()) > 0).all()):
        raise ValueError("matrix must be positive definite; add a multiple of the identity")

    def times(p: Tensor) -> Tensor:
        return p @ matrix.to(p)

    return Generator(
        "mahalanobis",
        lambda p: (times(p) * p).sum(-1),
        lambda p: 2 * times(p),
        lambda p, v: 2 * times(v),
    )


def _entropic(name: str, order: str) -> Loss:
    kl = forward_kl if order == "left" else reverse_kl

    def function(logits: Tensor, targets: Tensor, context: Context) -> Tensor:
        if name == "binary_negentropy" and logits.shape[-1] != 2:
            raise ValueError(
                f"binary_negentropy needs two classes, got {logits.shape[-1]}; use negentropy"
            )
        return kl.function(logits, targets, context)

    return Loss(_bregman_name(name, order), function)


def _bregman_name(generator: str, order: str) -> str:
    return f"bregman:{generator}" + ("" if order == "left" else f":{order}")
