"""Losses that treat examples differently by the teacher's or the student's confidence."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from w2sg.losses import rowwise
from w2sg.losses.entropies import cross_entropy_formula, log_target, mixed_formula
from w2sg.losses.loss import Context, Loss, Student, from_formula

SAFE_TOTAL = 1e-12
BASE_TWO = 1 / math.log(2)  # 2^x is several times faster than e^x on a CPU
SCHEDULES = {"linear": 0.2, "openai": 0.1}


def cace(threshold: float | None = None, quantile: float | None = None) -> Loss:
    r"""Confidence-adaptive cross-entropy: ``ce`` where the teacher is sure, else ``reverse_ce``.

    Sure means max_k q_k − 1/K ≥ threshold; for two classes that is |q − ½| ≥ threshold.

    Args:
        threshold: In [0, 1]; 0.1 if neither is given.
        quantile: In [0, 1], instead of a threshold: that quantile of max_k q_k − 1/K over the
            optimizer batch, so that about this share of the examples uses ``reverse_ce``. For one
            threshold from all training labels, use `confidence_quantile` and ``threshold``.

    Raises:
        ValueError: Both given, or a value outside [0, 1].

    Source: released code of Xu et al., arXiv 2505.24313, binary; K classes are our extension.

    >>> cace(0.1).name, cace(quantile=0.5).name
    ('cace:0.1', 'cace:quantile=0.5')
    """
    if threshold is not None and quantile is not None:
        raise ValueError(f"cace takes threshold or quantile, got {threshold!r} and {quantile!r}")
    cut_at = 0.1 if threshold is None else threshold
    for field, number in (("threshold", cut_at), ("quantile", quantile or 0.0)):
        if not 0 <= number <= 1:
            raise ValueError(f"{field} of cace must lie in [0, 1], got {number!r}")

    def formula(student: Student, q: Tensor, context: Context) -> tuple[Tensor, Tensor]:
        # A single row is its own quantile, hence "sure".
        cut = cut_at if quantile is None else context.get("cace_threshold", 0.0)
        sure = (_confidence(q) >= cut).to(q.dtype).unsqueeze(-1)
        return mixed_formula(student, q, log_target(q, room=student.room), sure, sure - 1)

    if quantile is None:
        return from_formula(f"cace:{cut_at:g}", formula)
    return from_formula(
        f"cace:quantile={quantile:g}",
        formula,
        statistics=lambda logits, q: {"cace_threshold": torch.quantile(_confidence(q), quantile)},
    )


def confidence_quantile(targets: Float[Tensor, "n *k"], quantile: float) -> float:
    """Return the quantile of max_k q_k − 1/K, |q − ½| for (n,): a threshold for ``cace``.

    >>> confidence_quantile(torch.tensor([0.5, 0.6, 0.9]), 0.5)
    0.1000...
    """
    q = targets.detach().double()
    if q.ndim == 1:
        q = torch.stack([1 - q, q], -1)
    return float(torch.quantile(_confidence(q), quantile))


def _confidence(q: Tensor) -> Tensor:
    return q.amax(-1) - 1 / q.shape[-1]


def confidence(coef: float = 0.5, warmup: float | None = None, schedule: str = "linear") -> Loss:
    r"""Auxiliary confidence loss: ``ce`` to (1−c)·q + c·ŷ, ŷ the student's own hard answer.

    ŷ is balanced against the teacher: class k is chosen with the largest excess of log p_k
    over its 1−mean(q_k) quantile in the optimizer batch, so that about mean(q_k) of the examples
    go to class k; for two classes that is p₁ > quantile(p₁; 1 − mean q₁). No gradient flows
    through ŷ, and the gradient is p − target. The coefficient c follows ``schedule``.

    Args:
        coef: Final coefficient, in [0, 1].
        warmup: Fraction of training over which c rises, in [0, 1]; left out, 0.2 for ``linear`` and
            0.1 for ``openai``.
        schedule: ``linear`` is coef·min(1, s/warmup) with s the fraction of training done.
            ``openai`` is what was published as code: coef·s up to the end of the warm-up, then a
            jump to coef (from 0.05 to 0.5 with the defaults).

    Raises:
        ValueError: A number outside [0, 1] or an unknown schedule.

    Source: Burns et al. 2023 and the code published with it (binary); more classes are our
    extension, which agrees with it at K = 2.

    >>> confidence().schedule(10, 100), confidence(schedule="openai").schedule(10, 100)
    (0.25, 0.05)
    """
    if schedule not in SCHEDULES:
        raise ValueError(f"schedule must be one of {sorted(SCHEDULES)}, got {schedule!r}")
    rise = SCHEDULES[schedule] if warmup is None else warmup
    for field, number in (("coef", coef), ("warmup", rise)):
        if not 0 <= number <= 1:
            raise ValueError(f"{field} of confidence must lie in [0, 1], got {number!r}")

    def ramp(done: float) -> float:
        if schedule == "openai":
            return coef * (done if done <= rise else 1.0)
        return coef * (min(1.0, done / rise) if rise else 1.0)

    def formula(student: Student, q: Tensor, context: Context) -> tuple[Tensor, Tensor]:
        own = rowwise.argmax(_scores(student.log_p) - context.get("confidence_quantile", 0.0))
        return _towards_own(student, q, own, float(context.get("weight", coef)))

    def statistics(logits: Tensor | None, q: Tensor) -> dict[str, Tensor | float]:
        assert logits is not None
        scores = _scores(torch.log_softmax(logits, -1)).double()
        share = 1 - q.double().mean(0)
        cut = _column_quantiles(scores, share.clamp(0, 1))
        return {"confidence_quantile": cut.to(logits.dtype)}

    given = "" if warmup is None else f":warmup={warmup:g}"
    last = "" if schedule == "linear" else f":schedule={schedule}"
    return from_formula(
        f"confidence:{coef:g}{given}{last}",
        formula,
        statistics=statistics,
        needs_logits=True,
        ramp=ramp,
    )


def _scores(log_p: Tensor) -> Tensor:
    """Return what ranks the students' answers: log-odds for two classes, else log p_k."""
    if log_p.shape[-1] == 2:  # the difference does not saturate where log p does
        z = log_p[:, 1] - log_p[:, 0]
        return torch.stack([-z, z], -1)
    return log_p


def _towards_own(student: Student, q: Tensor, own: Tensor, weight: float) -> tuple[Tensor, Tensor]:
    """Cross-entropy to (1 − weight)·q + weight·one-hot(own), and its gradient."""
    at = own.unsqueeze(-1)
    value = (weight - 1) * rowwise.dot(q, student.log_p)
    value = value - weight * student.log_p.gather(-1, at).squeeze(-1)
    gradient = torch.sub(student.p, q, alpha=1 - weight, out=student.room)
    return value, gradient.scatter_add_(-1, at, gradient.new_full(at.shape, -weight))


def _column_quantiles(values: Tensor, shares: Tensor) -> Tensor:
    """Return the quantile of each column at its own share, interpolated linearly."""
    ordered = values.sort(0).values
    place = shares * (len(values) - 1)
    low = place.floor().long()
    high = place.ceil().long()
    at = ordered.gather(0, torch.stack([low, high]))
    return torch.lerp(at[0], at[1], place - low)


def bootstrap(beta: float = 0.8, kind: str = "hard") -> Loss:
    r"""Bootstrapping: part of the target is the student's own answer.

    ``hard``: ``ce`` to βq + (1−β)·one-hot(argmax p), the answer without gradient.
    ``soft``: −Σ(βq_k + (1−β)p_k) log p_k = β·ce + (1−β)·H(p), gradient through p.

    Args:
        beta: Weight of the teacher, in [0, 1].
        kind: ``hard`` or ``soft`` (the paper uses 0.8 and 0.95).

    Raises:
        ValueError: beta outside [0, 1] or an unknown kind.

    Source: Reed et al., arXiv 1412.6596.

    >>> bootstrap(0.95, "soft").name
    'bootstrap:0.95:soft'
    """
    if not 0 <= beta <= 1:
        raise ValueError(f"beta of bootstrap must lie in [0, 1], got {beta!r}")
    if kind not in ("hard", "soft"):
        raise ValueError(f"kind of bootstrap must be 'hard' or 'soft', got {kind!r}")

    def formula(student: Student, q: Tensor, context: Context) -> tuple[Tensor, Tensor]:
        if kind == "hard":
            return _towards_own(student, q, rowwise.argmax(student.logits), 1 - beta)
        return mixed_formula(student, q, -student.log_p, beta, 1 - beta)

    return from_formula(f"bootstrap:{beta:g}:{kind}", formula)


def product(alpha: float = 1.0, beta: float = 1.0) -> Loss:
    r"""Cross-entropy to the product target ∝ q^α p^β, renormalised and without gradient.

    Args:
        alpha: Power of the teacher, at least 0.
        beta: Power of the student, at least 0.

    Raises:
        ValueError: A negative or infinite power.

    Source: code published with Burns et al. 2023.

    >>> product(1, 0)(torch.tensor([0.0]), torch.tensor([0.8]))
    tensor([0.6931])
    """
    if not (0 <= alpha < math.inf and 0 <= beta < math.inf):
        raise ValueError(f"product needs finite powers >= 0, got {alpha!r}, {beta!r}")

    def formula(student: Student, q: Tensor, context: Context) -> tuple[Tensor, Tensor]:
        if alpha == beta == 1 and q.shape[-1] > 2:
            target = student.p * q
            total = target.sum(-1, keepdim=True)
            if bool(total.amin() > SAFE_TOTAL):  # else what underflowed may be all there is
                return cross_entropy_formula(student, target.div_(total), context)
        scores = beta * student.log_p
        if alpha:  # 0 · log 0 would be NaN; a class the teacher excludes stays excluded
            scores.add_(q.log(), alpha=alpha)
        return cross_entropy_formula(student, torch.softmax(scores, -1), context)

    return from_formula(f"product:{alpha:g}:{beta:g}", formula)


def gce(q: float = 0.7) -> Loss:
    r"""Generalised cross-entropy Σ_k t_k (1 − p_k^q)/q: ``ce`` as q → 0, 1 − p at q = 1.

    Gradient p_j Σ_k t_k p_k^q − t_j p_j^q: like ``reverse_ce`` it vanishes on a confidently wrong
    student, by nature.

    Args:
        q: Exponent in (0, 1].

    Raises:
        ValueError: An exponent outside (0, 1].

    Source: Zhang and Sabuncu, arXiv 1805.07836, here with soft targets t.

    >>> gce(1.0)(torch.tensor([0.0]), torch.tensor([1.0]))
    tensor([0.5000])
    """
    if not 0 < q <= 1:
        raise ValueError(f"q of gce must lie in (0, 1], got {q!r}")

    def formula(student: Student, t: Tensor, context: Context) -> tuple[Tensor, Tensor]:
        if q < 0.1:
            power = (q * student.log_p).expm1_()  # p^q − 1, exact also for small q
            value = -rowwise.dot(t, power) / q
            pulled = power.add_(1).mul_(t)
            total = pulled.sum(-1, keepdim=True)
        else:
            pulled = (q * BASE_TWO * student.log_p).exp2_().mul_(t)
            total = pulled.sum(-1, keepdim=True)
            value = (t.sum(-1) - total.squeeze(-1)) / q
        return value, torch.addcmul(pulled.neg_(), student.p, total, out=student.room)

    return from_formula(f"gce:{q:g}", formula)
