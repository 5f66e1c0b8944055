"""Values and gradients of every loss against PyTorch's own and against finite differences."""

import math

import pytest
import torch
import torch.nn.functional as F

from w2sg import losses

NAMES = (
    "ce",
    "reverse_ce",
    "reverse_ce:log_floor=-4",
    "reverse_ce:smoothing=0.1",
    "forward_kl",
    "reverse_kl",
    "symmetric:1:0.1",
    "entropy",
    "cace:0.2",
    "cace:quantile=0.5",
    "confidence",
    "bootstrap:0.8:hard",
    "bootstrap:0.95:soft",
    "product",
    "gce:0.7",
    "squared",
    "bregman:squared:right",
    "bregman:negentropy",
    "bregman:generalised_kl:right",
    "bregman:itakura_saito",
    "bregman:itakura_saito:right",
    "ce+0.1*entropy",
)


def draw(n: int, k: int, seed: int = 0, dtype: torch.dtype = torch.float64):
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(n, k, generator=generator, dtype=dtype)
    targets = torch.softmax(2 * torch.randn(n, k, generator=generator, dtype=dtype), -1)
    return logits, targets


def test_values_agree_with_pytorch():
    # Catches a factor 1/2 or 1/K (the released KL divides by the elements), a swapped direction.
    logits, targets = draw(50, 4)
    log_p, p = logits.log_softmax(-1), logits.softmax(-1)
    expected = {
        "ce": F.cross_entropy(logits, targets, reduction="none"),
        "forward_kl": F.kl_div(log_p, targets, reduction="none").sum(-1),
        "reverse_kl": F.kl_div(targets.log(), p, reduction="none").sum(-1),
        "squared": F.mse_loss(p, targets, reduction="none").sum(-1),
        "entropy": torch.distributions.Categorical(logits=logits).entropy(),
    }
    expected["reverse_ce"] = expected["reverse_kl"] + expected["entropy"]
    expected["symmetric:0.7:0.3"] = 0.7 * expected["ce"] + 0.3 * expected["reverse_ce"]
    expected["gce:1"] = 1 - (p * targets).sum(-1)
    expected["gce:1e-9"] = expected["ce"]
    expected["product:0:1"] = expected["entropy"]
    expected["bootstrap:0.95:soft"] = 0.95 * expected["ce"] + 0.05 * expected["entropy"]
    for name, value in expected.items():
        torch.testing.assert_close(losses.get(name)(logits, targets), value, rtol=1e-7, atol=1e-9)


def test_binary_values_agree_with_pytorch():
    # Catches a logit of the wrong class, and log 0 of the clamped probability form.
    logits = torch.tensor([-3.0, 0.3, 20.0, 40.0], dtype=torch.float64)
    targets = torch.tensor([0.8, 1.0, 0.2, 0.0], dtype=torch.float64)
    ours = losses.ce(logits, targets)
    torch.testing.assert_close(
        ours, F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    )
    soft = targets.clamp(0.2, 0.8)
    expected = F.binary_cross_entropy(soft, torch.sigmoid(logits), reduction="none")
    torch.testing.assert_close(losses.reverse_ce()(logits, soft), expected)


def test_published_numbers_of_smoothed_reverse_ce():
    # Catches smoothing toward 0 instead of 1/K: value and gradient at eps = 0.01, q = 1, z = 0.3.
    z = torch.tensor([0.3], dtype=torch.float64, requires_grad=True)
    value = losses.reverse_ce(smoothing=0.01)(z, torch.ones(1, dtype=torch.float64))
    value.sum().backward()
    assert value.item() == pytest.approx(2.25762, abs=5e-6)
    assert z.grad.item() == pytest.approx(-1.29399, abs=5e-6)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("k", [1, 2, 5])
def test_gradients_agree_with_finite_differences(name, k):
    # Catches any wrong closed-form gradient; statistics are held fixed as in a training step.
    loss = losses.get(name)
    logits, targets = draw(7, max(k, 2), seed=k)
    if k == 1:
        logits, targets = logits[:, 1], targets[:, 1].contiguous()
    context = loss.batch_statistics(logits, targets)
    if name.startswith(("product", "bootstrap:0.8", "confidence")):
        # Their targets hold the student's answer without gradient: p minus target, by definition.
        z = logits.clone().requires_grad_()
        loss(z, targets, context=context).sum().backward()
        rows = torch.stack([torch.zeros_like(z), z], -1) if k == 1 else z
        p = rows.detach().softmax(-1)
        q = torch.stack([1 - targets, targets], -1) if k == 1 else targets
        hard = F.one_hot(p.argmax(-1), p.shape[-1]).double()
        if name == "product":
            target = p * q / (p * q).sum(-1, keepdim=True)
        elif name.startswith("bootstrap"):
            target = 0.8 * q + 0.2 * hard
        else:
            scores = p.log() if k > 2 else (p / (1 - p)).log()
            own = (scores - context["confidence_quantile"]).argmax(-1)
            target = 0.5 * q + 0.5 * F.one_hot(own, p.shape[-1])
        expected = p - target
        torch.testing.assert_close(z.grad, expected[:, 1] if k == 1 else expected)
        return
    logits.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda z: loss(z, targets, context=context), (logits,), eps=1e-6, atol=1e-7, rtol=1e-6
    )


@pytest.mark.parametrize("name", NAMES)
def test_one_logit_is_the_two_class_problem(name):
    # Catches a binary form with its own factor or with classes swapped.
    logits, targets = draw(20, 2, seed=3)
    z = logits[:, 1] - logits[:, 0]
    loss = losses.get(name)
    torch.testing.assert_close(loss(z, targets[:, 1]), loss(logits, targets))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("k", [1, 2, 5])
def test_finite_up_to_ten_thousand(name, dtype, k):
    # Catches 0·inf, log 0 and overflow: logits of ±1e4, hard, tiny, uniform labels, both types.
    extremes = torch.tensor([-1e4, -100.0, -20.0, 0.0, 20.0, 100.0, 1e4], dtype=dtype)
    labels = torch.tensor([0.0, 1e-30, 0.3, 0.5, 1 - 1e-3, 1.0], dtype=dtype)
    z, q = (grid.reshape(-1) for grid in torch.meshgrid(extremes, labels, indexing="ij"))
    if k > 1:
        z = torch.stack([z, -z] + [torch.zeros_like(z)] * (k - 2), -1)
        q = torch.stack([q, 1 - q] + [torch.zeros_like(q)] * (k - 2), -1)
    z.requires_grad_()
    value = losses.get(name)(z, q)
    value.sum().backward()
    assert value.dtype == torch.float32
    assert bool(value.isfinite().all())
    assert z.grad.dtype == dtype
    assert bool(z.grad.isfinite().all())


@pytest.mark.parametrize("name", ["ce", "forward_kl", "symmetric:1:0.1", "confidence"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_confidently_wrong_students_are_still_corrected(name, dtype):
    # Catches the released form through probabilities, whose gradient is exactly 0 at z = 20.
    for size in (20.0, 1e4):
        z = torch.tensor([size, -size, size, -size], dtype=dtype, requires_grad=True)
        q = torch.tensor([0.2, 0.8, 0.0, 1.0], dtype=dtype)
        losses.get(name)(z, q).sum().backward()
        assert bool((z.grad.sign() == torch.tensor([1, -1, 1, -1])).all())
        assert float(z.grad.abs().min()) >= 0.3


def test_default_reverse_ce_leaves_soft_labels_alone():
    # Catches a floor applied to soft labels, and a missing floor at an exact zero.
    z = torch.zeros(3, dtype=torch.float64)
    q = torch.tensor([1e-12, 1e-3, 0.0], dtype=torch.float64)
    expected = -0.5 * (torch.log1p(-q) + torch.tensor([1e-12, 1e-3, 1e-7]).double().log())
    torch.testing.assert_close(losses.get("reverse_ce")(z, q), expected, rtol=1e-6, atol=0)
    floored = losses.reverse_ce(log_floor=-4.0)(z, q)
    assert floored[0].item() == pytest.approx(2.0)


def test_symmetric_optimum_is_the_root_of_its_quadratic():
    # Catches weights a, b exchanged: p* = 0.717186 at q = 0.7, a = 1, b = 0.1.
    z = torch.tensor([0.0], dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([z], max_iter=100, tolerance_grad=0, tolerance_change=0)
    loss = losses.symmetric(1.0, 0.1)

    def closure():
        optimiser.zero_grad()
        value = loss(z, torch.tensor([0.7], dtype=torch.float64)).sum()
        value.backward()
        return value

    optimiser.step(closure)
    assert torch.sigmoid(z).item() == pytest.approx(0.717186, abs=1e-6)


def test_mahalanobis_follows_its_matrix():
    # Catches Q where the gradient needs 2Q, and an order that ignores which argument is the label.
    matrix = torch.tensor([[2.0, 0.5], [0.5, 1.0]], dtype=torch.float64)
    loss = losses.bregman(losses.mahalanobis(matrix))
    logits, targets = draw(6, 2)
    away = logits.softmax(-1) - targets
    torch.testing.assert_close(loss(logits, targets), ((away @ matrix) * away).sum(-1))
    logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda z: loss(z, targets), (logits,))


def test_regression_takes_plain_numbers():
    # Catches a sigmoid around a regression output.
    outputs = torch.tensor([3.0, -1.0], requires_grad=True)
    value = losses.get("squared_error")(outputs, torch.tensor([1.0, 1.0]))
    assert value.tolist() == [4.0, 4.0]
    value.sum().backward()
    assert outputs.grad.tolist() == [4.0, -4.0]


def test_itakura_saito_against_its_definition():
    # Catches an inverted ratio; sum of q/p - log(q/p) - 1 with the label first.
    logits, targets = draw(9, 3)
    ratio = targets / logits.softmax(-1)
    expected = (ratio - ratio.log() - 1).sum(-1)
    torch.testing.assert_close(losses.get("bregman:itakura_saito")(logits, targets), expected)


def test_entropy_of_uniform_student_is_log_k():
    assert losses.entropy(torch.zeros(1, 5), torch.full((1, 5), 0.2)).item() == pytest.approx(
        math.log(5)
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_gradient_can_be_asked_for_twice(name):
    # Catches a gradient that was scaled in place and then handed out again, already scaled.
    loss = losses.get(name)
    logits, targets = draw(7, 5, seed=3)
    logits.requires_grad_()
    value = loss(logits, targets)
    weights = torch.linspace(0.5, 2.0, 7, dtype=torch.float64)
    first = torch.autograd.grad(value, logits, weights, retain_graph=True)[0]
    kept = first.clone()
    second = torch.autograd.grad(value, logits, torch.ones_like(value))[0]
    torch.testing.assert_close(first, kept, rtol=0, atol=0)
    torch.testing.assert_close(second * weights.unsqueeze(-1), first)
    twice = loss(logits, targets).sum() + loss(logits, targets).sum()
    torch.testing.assert_close(torch.autograd.grad(twice, logits)[0], 2 * second)


@pytest.mark.parametrize("name", NAMES)
def test_blocks_do_not_show(name, monkeypatch):
    # Catches a block that writes its gradient into another one's rows.
    loss = losses.get(name)
    logits, targets = draw(50, 5, seed=4)
    context = loss.batch_statistics(logits, targets)

    def both():
        z = logits.clone().requires_grad_()
        value = loss(z, targets, context=context)
        return value.detach(), torch.autograd.grad(value.sum(), z)[0]

    whole = both()
    monkeypatch.setattr("w2sg.losses.loss.CACHED_NUMBERS", 40)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    for mine, theirs in zip(both(), whole, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", NAMES)
def test_no_rows_are_no_values(name):
    # Catches a smallest entry asked of nothing, as in the share of one process that got no row.
    z = torch.zeros(0, 3, requires_grad=True)
    value = losses.get(name)(z, torch.zeros(0, 3))
    value.sum().backward()
    assert value.shape == (0,)
    assert z.grad.shape == (0, 3)


def test_product_of_what_underflows():
    # Catches 0/0 where the student's whole weight is on a class that the teacher excludes.
    z = torch.tensor([[200.0, 0.0, -1.0]], requires_grad=True)
    q = torch.tensor([[0.0, 0.5, 0.5]])
    losses.get("product")(z, q).sum().backward()
    target = torch.tensor([[0.0, 1.0, 1 / torch.e]]) / (1 + 1 / torch.e)
    torch.testing.assert_close(z.grad, torch.tensor([[1.0, 0.0, 0.0]]) - target)


@pytest.mark.parametrize("name", NAMES)
def test_both_roads_agree(name, monkeypatch):
    # Catches NumPy's road (few threads) and PyTorch's (many, or a GPU) giving two results: a zero
    # that is floored on one of them only, another tie of the student's own answer.
    loss = losses.get(name)
    logits, targets = draw(50, 5, seed=6)
    logits[:5] = 0.0
    targets[::3] = F.one_hot(targets[::3].argmax(-1), 5).double()
    context = loss.batch_statistics(logits, targets)

    def both(few_threads):
        monkeypatch.setattr("w2sg.losses.rowwise.FEW_THREADS", few_threads)
        z = logits.clone().requires_grad_()
        value = loss(z, targets, context=context)
        return value.detach(), torch.autograd.grad(value.sum(), z)[0]

    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    for mine, theirs in zip(both(2), both(0), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=1e-14)
