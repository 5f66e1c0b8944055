"""Losses that look at the whole optimizer batch: same result for every micro-batch size."""

import pytest
import torch

from w2sg import losses

BATCH_LEVEL = ("confidence", "confidence:0.75:schedule=openai", "cace:quantile=0.5")


def draw(n: int, k: int, seed: int):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(n, k, generator=generator)
    return logits, torch.softmax(2 * torch.randn(n, k, generator=generator), -1)


@pytest.mark.parametrize("name", BATCH_LEVEL)
@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("micro", [1, 5, 32])
def test_micro_batches_do_not_change_values_or_gradients(name, k, micro):
    # Catches a threshold taken from the micro-batch: with one example it equals its own p.
    loss = losses.get(name)
    logits, targets = draw(32, k, seed=k)
    context = loss.batch_statistics(logits, targets, step=3, n_steps=10)
    whole = logits.clone().requires_grad_()
    loss(whole, targets, context=context).sum().backward()
    parts = logits.clone().requires_grad_()
    for rows in torch.arange(32).split(micro):
        loss(parts[rows], targets[rows], context=context).sum().backward()
    assert torch.equal(whole.grad, parts.grad)


def test_micro_batch_statistics_would_differ():
    # Shows that the test above can fail: without the context the rows are the batch.
    loss = losses.get("confidence")
    logits, targets = draw(32, 2, seed=2)
    whole = loss(logits, targets)
    apart = torch.cat([loss(z, q) for z, q in zip(logits.split(4), targets.split(4), strict=True)])
    assert not torch.allclose(whole, apart)


def test_published_trap_of_micro_batch_one():
    # The released trainer at z = -2, q = 0.2, weight 0.5 pushes to target 0.6; the sign is wrong
    # for a student who is right. With the statistics of the batch the target is 0.1.
    loss = losses.get("confidence")
    z = torch.tensor([-2.0, 2.0, -1.0, 3.0], requires_grad=True)
    q = torch.tensor([0.2, 0.8, 0.3, 0.7])
    context = loss.batch_statistics(z.detach(), q)
    loss(z[:1], q[:1], context=context).sum().backward()
    assert z.grad[0].item() == pytest.approx(torch.sigmoid(torch.tensor(-2.0)).item() - 0.1)


def test_own_answers_are_balanced_against_the_teacher():
    # Catches the quantile at mean(q) instead of 1 - mean(q): a share of 0.25 must go to class 1.
    loss = losses.confidence(coef=1.0)
    z = torch.linspace(-4, 1, 41)
    q = torch.full((41,), 0.25)
    z.requires_grad_()
    loss(z, q).sum().backward()
    target = torch.sigmoid(z.detach()) - z.grad
    assert target.round().sum().item() == 10
    assert bool((target[-10:] > 0.99).all())


def test_more_classes_agree_with_two():
    # Catches a K-class rule that is not the published one at K = 2 (third class never happens).
    logits, targets = draw(40, 2, seed=7)
    pad = torch.full((40, 1), -1e4)
    three, third = torch.cat([logits, pad], -1), torch.cat([targets, torch.zeros(40, 1)], -1)
    loss = losses.confidence()
    torch.testing.assert_close(loss(three, third), loss(logits, targets), rtol=1e-4, atol=1e-5)


def test_ramp_is_continuous_and_the_published_one_jumps():
    # Regression test of a published bug: coefficient 0.05 at the end of the warm-up, then 0.5.
    n = 1000
    linear = losses.confidence(coef=0.5, warmup=0.1)
    published = losses.confidence(coef=0.5, warmup=0.1, schedule="openai")
    steps = range(n + 1)
    rises = [linear.schedule(s + 1, n) - linear.schedule(s, n) for s in steps if s < n]
    assert max(rises) <= 0.5 / (0.1 * n) + 1e-12
    assert linear.schedule(0, n) == 0
    assert linear.schedule(100, n) == pytest.approx(0.5)
    assert linear.schedule(50, n) == pytest.approx(0.25)
    assert published.schedule(100, n) == pytest.approx(0.05)
    assert published.schedule(101, n) == pytest.approx(0.5)
    # Published code, written out: coef = 1 if fraction > warm-up else fraction; times aux_coef.
    for s in steps:
        fraction = s / n
        assert published.schedule(s, n) == 0.5 * (1.0 if fraction > 0.1 else fraction)


def test_openai_schedule_reproduces_the_published_loss():
    # The published two-class form, written out on float64, at three points of training.
    logits, targets = (x.double() for x in draw(30, 2, seed=5))
    p = logits.softmax(-1)
    threshold = torch.quantile(p[:, 0], targets.mean(0)[1])
    strong = torch.stack([p[:, 0] >= threshold, p[:, 0] < threshold], -1).double()
    loss = losses.confidence(schedule="openai")
    for step in (2, 10, 11):
        weight = 0.5 * (1.0 if step / 100 > 0.1 else step / 100)
        target = (1 - weight) * targets + weight * strong
        expected = torch.nn.functional.cross_entropy(logits, target, reduction="none")
        context = loss.batch_statistics(logits, targets, step=step, n_steps=100)
        torch.testing.assert_close(loss(logits, targets, context=context), expected)


def test_quantile_of_cace_splits_the_batch():
    # Catches cace with ce and reverse_ce exchanged, and a quantile of q instead of |q - 1/2|.
    z, q = torch.full((4,), 1.0), torch.tensor([0.5, 0.45, 0.9, 0.02])
    value = losses.get("cace:quantile=0.5")(z, q)
    ce, reverse = losses.ce(z, q), losses.reverse_ce()(z, q)
    torch.testing.assert_close(value, torch.stack([reverse[0], reverse[1], ce[2], ce[3]]))
    assert losses.confidence_quantile(q, 0.5) == pytest.approx(0.225)


def test_only_targets_are_needed_where_only_they_are_used():
    loss = losses.get("cace:quantile=0.5")
    assert loss.needs_batch
    assert not loss.needs_logits
    logits, targets = draw(8, 3, seed=1)
    assert loss.batch_statistics(None, targets) == loss.batch_statistics(logits, targets)


def test_evaluation_changes_nothing():
    # Catches hidden state: calls in between leave the value of a training step as it was.
    loss = losses.get("confidence")
    logits, targets = draw(16, 2, seed=4)
    before = loss(logits, targets)
    loss(*draw(100, 2, seed=9))
    loss.batch_statistics(*draw(100, 2, seed=8), step=0, n_steps=5)
    assert torch.equal(before, loss(logits, targets))
