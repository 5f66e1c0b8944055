"""Training a torch model inside a random subspace of its parameters."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from w2sg.diagnostics.subspace import Projection

if TYPE_CHECKING:
    import torch


def subspace_trainer(
    model: "torch.nn.Module",
    loss: "Callable[[torch.nn.Module, Any], torch.Tensor]",
    batches: Callable[[], Iterable[Any]],
    evaluate: "Callable[[torch.nn.Module], float]",
    *,
    epochs: int = 10,
    learning_rate: float = 0.01,
    parameters: Callable[[str], bool] | None = None,
) -> tuple[Callable[[Projection], float], int, list[int]]:
    """Return what ``random_subspace_dimension`` needs: a trainer, D, and the layers' sizes.

    The trainer moves ``θ = θ₀ + P z`` by Adam on z from z = 0 (for layered projections, from
    scales of one), evaluates, and puts θ₀ back, so calls are independent.

    Args:
        model: The model; its weights are the starting point θ₀.
        loss: (model, batch) → scalar loss with a graph.
        batches: Called once per epoch, returns the batches of it.
        evaluate: Performance of the model, larger is better.
        epochs: Passes over the batches.
        learning_rate: Of Adam on z.
        parameters: Which parameter names move; those that require gradients if ``None``.

    Returns:
        The trainer, the number D of parameters that move, and how many each tensor holds.

    Raises:
        ValueError: No parameters chosen, or settings out of range.
    """
    import torch

    if epochs < 1:
        raise ValueError(f"epochs must be at least 1, got {epochs}")
    if not 0 < learning_rate < np.inf:
        raise ValueError(f"learning_rate must be above 0, got {learning_rate}")
    moving = [
        p
        for name, p in model.named_parameters()
        if (p.requires_grad if parameters is None else parameters(name))
    ]
    if not moving:
        raise ValueError("parameters leaves nothing to train; check names and gradients")
    sizes = [p.numel() for p in moving]

    def place(origin: "list[torch.Tensor]", displacement: np.ndarray) -> None:
        parts = torch.from_numpy(displacement).split(sizes)
        with torch.no_grad():
            for p, start, part in zip(moving, origin, parts, strict=True):
                p.copy_(start + part.reshape(p.shape).to(p))

    def train(projection: Projection) -> float:
        origin = [p.detach().clone() for p in moving]
        # at zero a projection with free scales would have no gradient for them: harmless, since
        # the shared directions move first
        z = torch.zeros(projection.size, dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.Adam([z], lr=learning_rate)
        try:
            for _ in range(epochs):
                for batch in batches():
                    gradients = torch.autograd.grad(loss(model, batch), moving)
                    flat = torch.cat([g.flatten().double().cpu() for g in gradients]).numpy()
                    free = z.detach().numpy()
                    z.grad = torch.from_numpy(projection.pull(free, flat))
                    optimizer.step()
                    place(origin, projection.lift(z.detach().numpy()))
            return float(evaluate(model))
        finally:
            place(origin, np.zeros(sum(sizes)))

    return train, sum(sizes), sizes
