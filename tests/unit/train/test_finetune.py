"""One training: the same bits however it is cut, and an objective that is ours alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from shared_trainings import TARGETS, TEXTS
from tiny import save_bert

from w2sg import losses
from w2sg.models.backbone import encode, load_classifier
from w2sg.train.batches import plan
from w2sg.train.checkpoints import COMPLETE
from w2sg.train.finetune import finetune, predict
from w2sg.train.policies import apply
from w2sg.train.schedule import HeldOut, Schedule

SCHEDULE = Schedule(
    epochs=2,
    batch_size=8,
    micro_batch_size=4,
    warmup=0.25,
    weight_decay=0.01,
    max_grad_norm=1.0,
    precision="float32",
    checkpoint_seconds=0.0,
)


@pytest.fixture(scope="module")
def still_model(tmp_path_factory):
    """A model without dropout."""
    return save_bert(tmp_path_factory.mktemp("still"), dropout=0.0)


def begin(model, roles="full", lr=1e-3):
    classifier = load_classifier(str(model), ("no", "yes"), seed=1)
    return classifier, apply(classifier.model, roles, 1.0, lr, lr)


def train(model, folder, *, loss="ce", roles="full", held_out=None, lr=1e-3, **options):
    classifier, policy = begin(model, roles, lr)
    encoded = encode(classifier.tokenizer, TEXTS, max_length=32)
    if held_out is not None:
        held_out = HeldOut(encoded.take(held_out), TARGETS[held_out])
    progress = options.pop("progress", None)
    training = finetune(
        classifier,
        policy,
        encoded,
        options.pop("targets", TARGETS),
        loss=losses.get(loss) if isinstance(loss, str) else loss,
        schedule=replace(SCHEDULE, **options),
        seed=5,
        folder=folder,
        held_out=held_out,
        progress=progress,
    )
    return classifier, training, policy


def weights(classifier):
    return {k: v.detach().clone() for k, v in classifier.model.state_dict().items()}


def same(one, two):
    return [name for name in one if not torch.equal(one[name], two[name])]


def stop_at(step):
    def progress(done, total, loss):
        if done == step:
            raise KeyboardInterrupt

    return progress


CASES = {
    "ce": {"loss": "ce"},
    "batch loss": {"loss": "confidence"},
    "early stopping": {"loss": "ce", "held_out": np.arange(6), "patience": 50},
    "early stop": {"loss": "ce", "held_out": np.arange(6), "patience": 1, "lr": 3e-2},
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("step", [2, 6])
def test_interrupted_and_resumed_is_uninterrupted(tiny_model, tmp_path, case, step):
    """With dropout on: weights, optimizer, schedule, random streams and history all go on.

    A resume that starts from the first weights, loses Adam's moments, repeats batches or forgets
    the best weights so far differs in the bits.
    """
    whole, straight, _ = train(tiny_model, tmp_path / "whole", **CASES[case])
    if step >= straight.n_steps:
        step = straight.n_steps - 1
    with pytest.raises(KeyboardInterrupt):
        train(tiny_model, tmp_path / "cut", progress=stop_at(step), **CASES[case])
    again, resumed, _ = train(tiny_model, tmp_path / "cut", **CASES[case])
    assert resumed.resumed_from == step - 1
    assert straight.resumed_from == 0
    assert same(weights(whole), weights(again)) == []
    assert resumed.curve == straight.curve
    assert (resumed.best_step, resumed.n_steps) == (straight.best_step, straight.n_steps)


def test_interrupted_after_it_had_stopped_early(tiny_model, tmp_path):
    """As when Ctrl-C comes while the student answers: it must not train on."""
    case = {**CASES["early stop"], "epochs": 4}
    whole, straight, _ = train(tiny_model, tmp_path / "whole", **case)
    n_all = len(plan(np.ones(43), batch_size=8, micro_batch_size=4, epochs=4, seed=5).steps)
    assert straight.n_steps < n_all
    again, resumed, _ = train(tiny_model, tmp_path / "whole", **case)
    assert same(weights(whole), weights(again)) == []
    assert (resumed.n_steps, resumed.best_step) == (straight.n_steps, straight.best_step)
    assert resumed.curve == straight.curve


def test_a_checkpoint_that_was_cut_is_not_used(tiny_model, tmp_path):
    """Stopped while it was written: nobody's damage, so nothing is said."""
    with pytest.raises(KeyboardInterrupt):
        train(tiny_model, tmp_path / "cut", progress=stop_at(4))
    (tmp_path / "cut" / "checkpoint-3" / COMPLETE).unlink()
    whole, _, _ = train(tiny_model, tmp_path / "whole")
    again, training, _ = train(tiny_model, tmp_path / "cut")
    assert training.resumed_from == 2
    assert training.dropped == ()
    assert same(weights(whole), weights(again)) == []


@pytest.mark.parametrize("loss", ["ce", "confidence:0.5:warmup=0.5", "cace:quantile=0.5"])
def test_micro_batches_change_nothing(still_model, tmp_path, loss):
    """Dropout off. A mean of means over unequal micro-batches, a quantile per micro-batch, or a
    division by the number of micro-batches would differ by far more than round-off."""
    results = []
    for size in (8, 3):
        classifier, training, _ = train(
            still_model, tmp_path / f"{size}", loss=loss, micro_batch_size=size, epochs=1
        )
        p = predict(
            classifier, encode(classifier.tokenizer, TEXTS, max_length=32), precision="float32"
        )
        results.append((p, [row["loss"] for row in training.curve]))
    assert np.ptp(results[0][0][:, 0]) > 0.01
    np.testing.assert_allclose(results[1][0], results[0][0], atol=1e-4)
    np.testing.assert_allclose(results[1][1], results[0][1], rtol=2e-4)


def test_the_loss_is_the_mean_of_ours_by_hand(still_model, tmp_path):
    """The first optimizer step, worked out without the Trainer: loss, clipped gradient, AdamW."""
    loss = losses.get("symmetric:1:1")
    classifier, policy = begin(still_model)
    encoded = encode(classifier.tokenizer, TEXTS, max_length=32)
    order = plan(encoded.lengths, batch_size=8, micro_batch_size=4, epochs=2, seed=5)
    optimizer = policy.make_optimizer(weight_decay=0.01)
    n_warm = round(0.25 * len(order.steps))
    seen = []
    for step, micro in enumerate(order.steps[:3]):
        rows = np.concatenate(micro)
        batch = classifier.tokenizer.pad([encoded.inputs[i] for i in rows], return_tensors="pt")
        value = loss(
            classifier.model(**batch).logits, torch.tensor(TARGETS[rows], dtype=torch.float32)
        ).mean()
        value.backward()
        torch.nn.utils.clip_grad_norm_(classifier.model.parameters(), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = group.get("initial_lr", 1e-3) * step / n_warm
        optimizer.step()
        optimizer.zero_grad()
        seen.append(value.item())
    _, training, _ = train(still_model, tmp_path / "a", loss="symmetric:1:1")
    np.testing.assert_allclose([r["loss"] for r in training.curve[:3]], seen, rtol=2e-4)


def test_policy_leaves_frozen_weights_bit_identical(tiny_model, tmp_path):
    before = weights(begin(tiny_model)[0])
    classifier, _, policy = train(tiny_model, tmp_path / "a", roles="qv", lr=1e-2)
    moved = set(same(before, weights(classifier)))
    assert moved == {
        name for name in before if ".query." in name or ".value." in name or "classifier." in name
    }
    assert policy.audit().intact


def test_rates_rise_and_fall_without_a_jump(tiny_model, tmp_path):
    """The published ramp of one tool grows to a tenth and then jumps to one."""
    _, training, _ = train(tiny_model, tmp_path / "a", epochs=8)
    rates = np.array([row["learning_rate"] for row in training.curve])
    steps = np.diff(rates)
    n_warm = round(0.25 * len(rates))
    assert np.isclose(rates.max(), 1e-3, rtol=0.1)
    np.testing.assert_allclose(steps[: n_warm - 1], 1e-3 / n_warm, rtol=1e-6)
    np.testing.assert_allclose(steps[n_warm:], -1e-3 / (len(rates) - n_warm), rtol=1e-6)


def test_the_callers_random_state_is_untouched(tiny_model, tmp_path):
    import random

    random.seed(1), np.random.seed(2), torch.manual_seed(3)  # noqa: NPY002
    expected = random.random(), np.random.rand(), torch.rand(1).item()  # noqa: NPY002
    random.seed(1), np.random.seed(2), torch.manual_seed(3)  # noqa: NPY002
    one, _, _ = train(tiny_model, tmp_path / "a", epochs=0.5)
    assert (random.random(), np.random.rand(), torch.rand(1).item()) == expected  # noqa: NPY002
    torch.manual_seed(99)
    two, _, _ = train(tiny_model, tmp_path / "b", epochs=0.5)
    assert same(weights(one), weights(two)) == []


def test_early_stopping_keeps_the_best_weights(tiny_model, tmp_path):
    held_out = np.arange(6)
    classifier, training, _ = train(tiny_model, tmp_path / "a", **CASES["early stop"])
    measured = {r["step"]: r["held_out_loss"] for r in training.curve if "held_out_loss" in r}
    assert training.best_step == min(measured, key=measured.get)
    encoded = encode(classifier.tokenizer, TEXTS, max_length=32).take(held_out)
    p = predict(classifier, encoded, precision="float32")
    loss = -(TARGETS[held_out] * np.log(p)).sum(axis=1).mean()
    assert np.isclose(loss, measured[training.best_step], rtol=1e-5)
    with pytest.raises(ValueError, match="needs held-out pseudo-labels"):
        train(tiny_model, tmp_path / "b", patience=1)


def test_a_loss_that_is_not_finite_is_refused(tiny_model, tmp_path):
    bad = losses.Loss("bad", lambda z, q, context: (z - q).sum(-1) * float("nan"))
    with pytest.raises(ValueError, match="the training loss is not finite: lower the rate"):
        train(tiny_model, tmp_path / "a", loss=bad, epochs=0.5)


@pytest.mark.parametrize(
    ("n", "batch", "micro"),
    [(43, 8, 4), (41, 8, 8), (10, 32, 4), (7, 3, 1), (1, 4, 2), (65, 32, 5)],
)
def test_each_epoch_sees_each_row_once(n, batch, micro):
    """And no optimizer batch has one row, where a loss over the batch means nothing."""
    lengths = np.random.default_rng(0).integers(3, 30, n)
    order = plan(lengths, batch_size=batch, micro_batch_size=micro, epochs=3, seed=1)
    steps = [np.concatenate(step) for step in order.steps]
    per = order.steps_per_epoch
    epochs = [np.concatenate(steps[i : i + per]) for i in range(0, len(steps), per)]
    assert len(epochs) == 3
    for rows in epochs:
        assert sorted(rows) == list(range(n))
    assert per < 4 or not np.array_equal(epochs[0], epochs[1])
    assert n < 2 or min(map(len, steps)) > 1
    assert len({len(step) for step in order.steps}) == 1
    assert all(len(rows) for step in order.steps for rows in step)
    assert max(len(rows) for step in order.steps for rows in step) <= micro + 1
    other = plan(lengths, batch_size=batch, micro_batch_size=batch, epochs=3, seed=1)
    for one, two in zip(steps, other.steps, strict=True):
        assert sorted(one) == sorted(np.concatenate(two))


def test_similar_lengths_share_a_batch():
    lengths = np.random.default_rng(0).integers(3, 300, 2000)
    order = plan(lengths, batch_size=32, micro_batch_size=32, epochs=1, seed=1)
    spread = np.mean([np.ptp(lengths[np.concatenate(s)]) for s in order.steps])
    assert spread < 30  # 270 where batches are random
    half = plan(lengths, batch_size=32, micro_batch_size=32, epochs=0.5, seed=1)
    assert len(half.steps) == round(len(order.steps) / 2)
    with pytest.raises(ValueError, match="no examples"):
        plan(lengths[:0], batch_size=2, micro_batch_size=2, epochs=1, seed=0)


def test_batches_of_a_small_set_differ_between_epochs():
    """Sorting the whole of a small set by length would make the same ten batches every epoch."""
    lengths = np.arange(320)
    order = plan(lengths, batch_size=32, micro_batch_size=32, epochs=2, seed=1)
    steps = [set(np.concatenate(step)) for step in order.steps]
    first, second = steps[: order.steps_per_epoch], steps[order.steps_per_epoch :]
    nearest = [max(len(one & two) for two in second) / len(one) for one in first]
    assert np.mean(nearest) < 0.6  # 1.0 in one pool
