"""A real two-layer network in PyTorch: one gradient step on the first layer, then a ridge head."""

from dataclasses import dataclass

import torch
from torch import Tensor

MEAN = (2 * torch.pi) ** -0.5  # E max(Z, 0) of a standard normal Z


class TwoLayerNet(torch.nn.Module):
    """f(x) = aᵀ act(Wx)/√p with a centred ReLU; rows of W start as N(0, I/d), a as random signs.

    Args:
        d: Number of inputs.
        p: Number of neurons.
        generator: Source of the initial weights.

    >>> net = TwoLayerNet(4, 8, torch.Generator().manual_seed(0))
    >>> net(torch.zeros(3, 4, dtype=torch.float64)).shape
    torch.Size([3])
    """

    def __init__(self, d: int, p: int, generator: torch.Generator) -> None:
        """Draw the initial weights in double precision."""
        super().__init__()
        first = torch.randn(p, d, generator=generator, dtype=torch.float64) / d**0.5
        signs = torch.randint(0, 2, (p,), generator=generator).double() * 2 - 1
        self.first = torch.nn.Parameter(first)
        self.second = torch.nn.Parameter(signs)

    def features(self, x: Tensor) -> Tensor:
        """Return act(Wx), shape (n, p)."""
        return torch.relu(x @ self.first.T) - MEAN

    def forward(self, x: Tensor) -> Tensor:
        """Return f(x), shape (n,)."""
        return self.features(x) @ self.second / len(self.second) ** 0.5

    def one_step(self, x: Tensor, y: Tensor, *, step: float) -> Tensor:
        """Take one full-batch gradient step on the first layer; return its direction.

        The loss is the squared error of f − f₀, the output relative to initialisation, so that
        the random initial function does not act as label noise.

        Args:
            x: Inputs (n, d).
            y: Labels (n,).
            step: Step size η > 0.

        Returns:
            The unit right singular vector of the gradient that belongs to the second layer,
            shape (d,), signed so that it correlates with the labels.
        """
        start = self(x).detach()
        loss = ((self(x) - start - y) ** 2).mean() / 2
        (gradient,) = torch.autograd.grad(loss, self.first)
        with torch.no_grad():
            self.first -= step * gradient
            direction = -gradient.T @ self.second
        return direction / direction.norm()

    def spike(self, direction: Tensor, size: float, generator: torch.Generator) -> None:
        """Add τ c vᵀ to the first layer, c random with norm near 1: what pre-training left.

        Args:
            direction: Unit vector v (d,).
            size: Size τ of the spike.
            generator: Source of c.
        """
        p = len(self.second)
        c = torch.randn(p, generator=generator, dtype=torch.float64) / p**0.5
        with torch.no_grad():
            self.first += size * torch.outer(c, direction)

    def fit_head(self, x: Tensor, y: Tensor, *, lam: float) -> "Head":
        """Fit ridge on the frozen features: (ΦᵀΦ/n + λI)⁻¹Φᵀy/n, with an unpenalised constant.

        Args:
            x: Inputs (n, d).
            y: Labels (n,).
            lam: Penalty λ ≥ 0; it multiplies Γ = I next to ΦᵀΦ/n.

        Returns:
            The predictor; later changes of the network do not change it.
        """
        with torch.no_grad():
            features = self.features(x)
            centre, level = features.mean(0), y.mean()
            centred = features - centre
            gram = centred.T @ centred / len(x)
            gram.diagonal().add_(lam)
            weights = torch.linalg.solve(gram, centred.T @ (y - level) / len(x))
            return Head(self.first.detach().clone(), weights, float(level - centre @ weights))


@dataclass(frozen=True)
class Head:
    """A fitted network.

    Attributes:
        first: W (p, d).
        weights: Head on act(Wx), shape (p,).
        constant: Added to it.
    """

    first: Tensor
    weights: Tensor
    constant: float

    def __call__(self, x: Tensor) -> Tensor:
        """Return predictions (n,)."""
        return (torch.relu(x @ self.first.T) - MEAN) @ self.weights + self.constant
