"""Suggested ratios, the grid with its control, and the collapse detector."""

import math

import numpy as np
import pytest
import torch
from architectures import example, tiny
from transformers import Trainer, TrainingArguments

from w2sg.train.attention import find_attention
from w2sg.train.policies import CollapseDetector, apply, draw_rate_grid, rate_grid, suggest_ratio


def batch(model):
    inputs = example(model, n=8)
    return {**inputs, "labels": torch.arange(8) % 2}


@pytest.mark.parametrize("name", ["bert", "gpt2", "gpt_neox", "llama"])
@pytest.mark.parametrize("rule", ["gradient", "feature"])
def test_model_is_left_as_it_was(name, rule):
    """Catches weights not restored, gradients left behind, a mode flipped."""
    model = tiny(name).train()
    for p in model.parameters():
        p.requires_grad_(False)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    found = suggest_ratio(model, batch(model), rule)
    assert found.ratio > 0
    assert len(found.by_layer) == len(find_attention(model))
    assert model.training
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert all(p.grad is None and not p.requires_grad for p in model.parameters())


def test_gradient_rule_by_hand():
    """Catches K's rows counted for Q's in a fused layer, and the ratio upside down."""
    model = tiny("gpt2")
    found = suggest_ratio(model, batch(model), "gradient")
    model(**batch(model)).loss.backward()
    grad = model.transformer.h[0].attn.c_attn.weight.grad
    expected = float(grad[:, :16].abs().sum() / grad[:, 32:].abs().sum())
    assert found.by_layer[0] == pytest.approx(expected, rel=1e-12)
    assert found.ratio == pytest.approx(math.prod(found.by_layer) ** (1 / 2), rel=1e-12)


def test_feature_rule_equalises_the_change_of_the_heads():
    """One sign step of η on W_q and of ratio·η on W_v move the heads' output alike."""
    model = tiny("bert")
    ratio = suggest_ratio(model, batch(model), "feature").by_layer[0]
    model(**batch(model)).loss.backward()
    caught = []
    attention = model.bert.encoder.layer[0].attention
    attention.output.dense.register_forward_pre_hook(lambda m, a: caught.append(a[0].detach()))

    def change(linear, step):
        caught.clear()
        with torch.no_grad():
            model(**batch(model))
            linear.weight.sub_(step * linear.weight.grad.sign())
            model(**batch(model))
            linear.weight.add_(step * linear.weight.grad.sign())
        return float((caught[1] - caught[0]).norm())

    by_q = change(attention.self.query, 1e-5)
    by_v = change(attention.self.value, ratio * 1e-5)
    assert by_v == pytest.approx(by_q, rel=2e-3)


def test_square_root_rule_needs_no_batch():
    model = tiny("llama")
    assert suggest_ratio(model, prefactor=0.5).ratio == pytest.approx(0.5 * 4**0.5)
    assert float(suggest_ratio(model)) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rule": "sqrt_dh"}, "rule must be one of sqrt_head_dim, gradient, feature"),
        ({"rule": "gradient"}, "pass batch="),
        ({"prefactor": 0.0}, "prefactor must be positive"),
    ],
)
def test_suggestions_that_cannot_be_made(arguments, message):
    with pytest.raises(ValueError, match=message):
        suggest_ratio(tiny("bert"), **arguments)


def test_batch_without_labels_is_refused():
    model = tiny("bert")
    with pytest.raises(ValueError, match="put labels into batch"):
        suggest_ratio(model, example(model), "gradient")


def noisy(q, v, seed):
    return float(np.random.default_rng([seed, int(1e6 * q), int(1e6 * v)]).normal())


def test_gain_over_the_best_equal_rate_is_honest_about_noise():
    """Pure noise: the in-sample gain is positive by selection, the cross-fitted one is not."""
    rates = [1e-4, 2e-4, 4e-4, 8e-4]
    same, fresh = [], []
    for start in range(0, 400, 4):
        gain = rate_grid(noisy, rates, rates, seeds=range(start, start + 4)).gain
        same.append(gain.same_seeds)
        fresh.append(gain.fresh_seeds)
    error = np.std(fresh, ddof=1) / len(fresh) ** 0.5
    assert error < 0.15
    assert abs(np.mean(fresh)) < 4 * error
    assert np.mean(same) > 0.3


def test_gain_finds_a_real_ratio():
    def score(q, v, seed):
        return -((math.log(v / 4e-4)) ** 2) - (math.log(q / 1e-4)) ** 2 + 0.01 * noisy(q, v, seed)

    grid = rate_grid(score, [1e-4, 2e-4, 4e-4], [1e-4, 2e-4, 4e-4], seeds=range(3))
    assert (grid.best.lr_q, grid.best.lr_v) == (1e-4, 4e-4)
    assert grid.best_equal.lr_q == 2e-4
    expected = 2 * math.log(2) ** 2
    assert grid.gain.fresh_seeds == pytest.approx(expected, abs=0.05)
    lower = rate_grid(
        lambda q, v, s: -score(q, v, s), grid.lr_q, grid.lr_v, range(3), lower_is_better=True
    )
    assert lower.gain.fresh_seeds == pytest.approx(grid.gain.fresh_seeds)


def test_grid_without_control_is_refused():
    """The published comparison has no equal-rate cell at the larger rates: refuse that design."""
    with pytest.raises(ValueError, match="no equal-rate cell"):
        rate_grid(noisy, [1e-4], [2e-4, 4e-4])
    with pytest.raises(ValueError, match="score must be finite"):
        rate_grid(lambda q, v, s: float("nan"), [1e-4], [1e-4])


def test_heat_map_marks_every_cell():
    figure = draw_rate_grid(rate_grid(noisy, [1e-4, 2e-4], [1e-4, 2e-4, 4e-4], seeds=[0, 1]))
    axes = figure.axes[0]
    assert len(axes.texts) == 6
    assert len(axes.patches) >= 3  # two equal-rate cells and the best one


@pytest.mark.parametrize(("lr", "cause"), [(1.0, "lower lr"), (1e-9, "no role moved far")])
def test_collapse_is_noticed_with_a_cause(lr, cause, tmp_path, caplog):
    """A model whose head says one class must be reported, and the cause must follow the rate."""
    model = tiny("bert", dtype=torch.float32)
    with torch.no_grad():
        model.classifier.bias.copy_(torch.tensor([50.0, -50.0]))
    rows = [
        {"input_ids": i, "labels": n % 2} for n, i in enumerate(example(model, 60)["input_ids"])
    ]
    policy = apply(model, "v", lr=lr, lr_head=1e-9)
    detector = CollapseDetector(policy, stop=True)
    arguments = TrainingArguments(
        output_dir=str(tmp_path),
        max_steps=4,
        eval_strategy="steps",
        eval_steps=2,
        logging_steps=1,
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
    )
    Trainer(
        model=model,
        args=arguments,
        train_dataset=rows,
        eval_dataset=rows,
        optimizers=(policy.make_optimizer(), None),
        callbacks=[detector],
    ).train()
    assert cause in detector.causes[0]
    assert ("W_v moved" in detector.causes[0]) == (lr == 1.0)
    assert detector.collapsed_at == [2]
    assert "all 60 predictions are class 0" in caplog.text


def test_varied_predictions_are_no_collapse(tmp_path):
    model = tiny("bert", dtype=torch.float32)
    detector = CollapseDetector(apply(model, "qv"), min_examples=10)
    detector.on_train_begin(None, None, None)
    with torch.no_grad():
        logits = model(**example(model, 60)).logits
        model.classifier.bias.sub_((logits[:, 0] - logits[:, 1]).median() * torch.tensor([1.0, 0]))
        model(**example(model, 60))
    detector.on_evaluate(None, None, None)
    assert detector.collapsed_at == []
    detector.on_train_end(None, None, None)
    assert not model._forward_hooks
