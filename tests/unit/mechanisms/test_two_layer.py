"""The two-layer network: its step is the gradient, its head is ridge."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

torch = pytest.importorskip("torch")


@pytest.fixture
def net():
    from w2sg.studies.two_layer import TwoLayerNet

    return TwoLayerNet(5, 12, torch.Generator().manual_seed(0))


def data(n=40, d=5):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(n, d, generator=generator, dtype=torch.float64)
    return x, x[:, 0] + 0.5 * x[:, 1] ** 2


def test_one_step_is_the_gradient_at_zero_output(net):
    """Catches the initial function left in the residual, a lost 1/√p, or the wrong sign."""
    x, y = data()
    first, signs = net.first.detach().clone(), net.second.detach()
    active = (x @ first.T > 0).double()
    expected = (active * y[:, None] * signs).T @ x / (len(x) * len(signs) ** 0.5)
    direction = net.one_step(x, y, step=0.3)
    assert torch.allclose(net.first - first, 0.3 * expected, atol=1e-12)
    assert direction.norm().item() == pytest.approx(1.0)
    assert direction[0] > 0.5


def test_head_is_ridge_with_a_constant(net):
    """Catches λ not multiplied by n, and a penalised constant."""
    x, y = data()
    features = net.features(x).detach().numpy()
    reference = Ridge(alpha=0.05 * len(x)).fit(features, y.numpy()).predict(features)
    np.testing.assert_allclose(net.fit_head(x, y, lam=0.05)(x).numpy(), reference, atol=1e-10)


def test_a_head_keeps_its_own_first_layer(net):
    """Catches a predictor that changes when the network is trained on."""
    x, y = data()
    head = net.fit_head(x, y, lam=0.05)
    before = head(x)
    net.spike(torch.eye(5, dtype=torch.float64)[1], 3.0, torch.Generator().manual_seed(2))
    assert torch.equal(head(x), before)
    assert torch.linalg.matrix_norm(net.first, 2) > 1.5
