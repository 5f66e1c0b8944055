"""What the synthetic studies train: logistic heads by Newton, linear students by Adam."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit

from w2sg._arrays import FloatArray

if TYPE_CHECKING:
    from w2sg.losses import Loss

BATCH, EPOCHS, RATE = 32, 2, 0.02


def logistic_head(x: FloatArray, targets: FloatArray, l2: float) -> FloatArray:
    r"""Return the minimiser of mean cross-entropy + ½·l2·‖w‖², without intercept, by Newton.

    >>> logistic_head(np.ones((4, 1)), np.array([1.0, 1.0, 1.0, 0.0]), 1e-9).round(3)
    array([1.099])
    """
    n, d = x.shape
    w = np.zeros(d)
    for _ in range(100):
        p = expit(x @ w)
        gradient = x.T @ (p - targets) / n + l2 * w
        if np.abs(gradient).max() < 1e-10:
            return w
        curvature = (x * (p * (1 - p))[:, None]).T @ x / n + l2 * np.eye(d)
        step = np.linalg.solve(curvature, gradient)
        w = w - step * min(1.0, 8.0 / max(float(np.abs(x @ step).max()), 1e-300))
    raise ValueError(f"no minimum of the logistic head in 100 steps; raise l2 above {l2:g}")


def train_linear(
    x: FloatArray,
    targets: FloatArray,
    start: FloatArray,
    loss: "Loss",
    seed: int,
    *,
    rate: float = RATE,
    epochs: float = EPOCHS,
) -> FloatArray:
    """Train one linear student per run with Adam and a cosine to zero, all runs side by side.

    Batches of 32. A loss that looks at a batch gets the statistics of each
    run's own batch.

    Args:
        x: Inputs (runs, n, d).
        targets: Soft labels (runs, n).
        start: First weights (runs, d).
        loss: From `w2sg.losses`.
        seed: Of the order of the examples, the same for every loss.
        rate: Learning rate at the first step.
        epochs: Passes over the inputs, whole or not; at least one step is made.

    Returns:
        The weights (runs, d).
    """
    import torch

    runs, n, _ = x.shape
    inputs, labels = torch.from_numpy(x), torch.from_numpy(targets)
    weights = torch.tensor(start, requires_grad=True)
    optimiser = torch.optim.Adam([weights], lr=rate)
    n_steps = max(1, round(epochs * (n // BATCH)))
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, n_steps)
    rng = np.random.default_rng(seed)
    passes = math.ceil(epochs)
    order = np.concatenate([rng.permutation(n)[: n // BATCH * BATCH] for _ in range(passes)])
    for step, rows in enumerate(torch.from_numpy(order).split(BATCH)[:n_steps]):
        z, q = torch.einsum("rnd,rd->rn", inputs[:, rows], weights), labels[:, rows]
        context = None
        if loss.needs_batch:
            context = _stacked(loss, z.detach(), q, step, n_steps)
        value = loss(z.reshape(-1), q.reshape(-1), context=context).sum() / len(rows)
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        cosine.step()
    return weights.detach().numpy().reshape(runs, -1)


def _stacked(loss: "Loss", z, q, step: int, n_steps: int) -> dict:  # noqa: ANN001
    """Return the context of all runs' rows, each row with the statistics of its own run."""
    import torch

    each = [
        loss.batch_statistics(mine, targets, step=step, n_steps=n_steps)
        for mine, targets in zip(z, q, strict=True)
    ]
    rows = z.shape[1]
    return {
        name: torch.stack([torch.as_tensor(one[name]) for one in each]).repeat_interleave(rows, 0)
        if isinstance(value, torch.Tensor)
        else value
        for name, value in each[0].items()
    }


@dataclass(frozen=True)
class Scores:
    """Per run: agreement with the true class, cross-entropy to the true law, student entropy."""

    accuracy: FloatArray
    nll: FloatArray
    entropy: FloatArray


def scores(student_logits: FloatArray, true_logits: FloatArray) -> Scores:
    """Score binary students (runs, items) against the law σ(true logit).

    >>> scores(np.array([[0.0, 0.0]]), np.array([[1.0, -1.0]])).nll.round(4)
    array([0.6931])
    """
    p, g = expit(student_logits), expit(true_logits)
    up, down = np.logaddexp(0, student_logits), np.logaddexp(0, -student_logits)
    return Scores(
        accuracy=((student_logits > 0) == (true_logits > 0)).mean(-1),
        nll=(g * down + (1 - g) * up).mean(-1),
        entropy=(p * down + (1 - p) * up).mean(-1),
    )
