"""Every architecture: the map equals the gradients, a split model is the fused one, K stays."""

import pytest
import torch
from architectures import MODELS, example, tiny

from w2sg.train.attention import (
    find_attention,
    head_parameters,
    refuse,
    split_fused,
    verify_layouts,
)
from w2sg.train.policies import apply

NO_DOUBLE = {"qwen3_next"}  # its experts refuse float64
NO_HEAD = {"gpt2_cross", "codegen"}
FUSED = [
    "deberta",
    "modernbert",
    "gpt2",
    "gpt2_cross",
    "gpt_neox",
    "gpt_bigcode_mqa",
    "gpt_bigcode_mha",
    "codegen",
    "bloom",
    "falcon_mqa",
    "falcon_grouped",
    "falcon_alibi",
    "mpt",
    "persimmon",
    "phi3",
    "qwen3_next",
    "deepseek_v3",
]


def tolerance(name):
    return 1e-5 if name in NO_DOUBLE else 1e-12


def build(name):
    return tiny(name, dtype=torch.float32 if name in NO_DOUBLE else torch.float64)


def outputs(model, inputs):
    with torch.no_grad():
        result = model(**inputs)
    return result.logits if hasattr(result, "logits") else result.last_hidden_state


def test_enough_architectures():
    assert len(MODELS) >= 20
    assert {n for n in MODELS if any(s.fused for s in find_attention(build(n)))} == set(FUSED)


@pytest.mark.parametrize("name", MODELS)
def test_map_equals_probe(name):
    """Catches any wrong layout: K and V exchanged, blocks read as heads, a gate read as Q."""
    model = build(name)
    inputs = {k: v[:1] for k, v in example(model).items()} if name == "gpt2_cross" else None
    checks = verify_layouts(model, inputs)
    assert checks
    assert [c for c in checks if not c.agrees] == []


@pytest.mark.parametrize("name", FUSED)
def test_split_equals_fused_and_back(name):
    """Catches rows sent to the wrong part, a lost bias, a transposed Conv1D, changed names."""
    model = build(name)
    inputs = example(model)
    before = outputs(model, inputs)
    state = {k: v.clone() for k, v in model.state_dict().items()}
    kinds = {n: type(m) for n, m in model.named_modules()}
    names = split_fused(model)
    assert names
    assert torch.allclose(outputs(model, inputs), before, rtol=0, atol=tolerance(name))
    assert all(torch.equal(v, state[k]) for k, v in model.state_dict().items())
    assert list(model.state_dict()) == list(state)
    model.load_state_dict(state)
    assert refuse(model) == names
    assert {n: type(m) for n, m in model.named_modules()} == kinds
    assert torch.equal(outputs(model, inputs), before)


@pytest.mark.parametrize("name", MODELS)
def test_keys_stay_bitwise_after_five_decayed_steps(name):
    """Catches weight decay on frozen rows: K would shrink by 1 − (1 − 10⁻⁴)⁵."""
    model = build(name)
    inputs = example(model)
    before = outputs(model, inputs)
    start = {k: v.clone() for k, v in model.state_dict().items()}
    keys = [p for s in find_attention(model) for p in s.roles["k"]]
    policy = apply(model, "qv", ratio=2.0, lr=1e-3, lr_head=1e-3)
    assert torch.allclose(outputs(model, inputs), before, rtol=0, atol=tolerance(name))
    assert not model.training
    optimizer = policy.make_optimizer(weight_decay=0.1)
    target = torch.randn(before.shape, generator=torch.Generator().manual_seed(2)).to(before)
    for _ in range(5):
        optimizer.zero_grad()
        result = model(**inputs)
        value = result.logits if hasattr(result, "logits") else result.last_hidden_state
        ((value - target) ** 2).mean().backward()
        optimizer.step()
    audit = policy.audit().require_intact()
    moved = {m.role: m.moved for m in audit.roles}
    assert moved["q"] > 0.5
    assert moved["v"] > 0.9
    assert ("head" in moved) == (name not in NO_HEAD)
    end = policy.state_dict()
    for key in keys:
        axis = key.output_axis
        rows = key.rows if isinstance(key.rows, tuple) else range(*key.rows.indices(10**6))
        index = torch.tensor(rows)
        assert torch.equal(
            end[key.weight].index_select(axis, index), start[key.weight].index_select(axis, index)
        )
        assert key.bias is None or torch.equal(end[key.bias][index], start[key.bias][index])


@pytest.mark.parametrize("name", MODELS)
def test_head_is_what_the_class_adds(name):
    """Catches a pooler or a dense layer of the head left frozen, and body weights called head."""
    model = build(name)
    head = head_parameters(model, find_attention(model))
    body = type(model).__name__.partition("For")[0]
    if name in NO_HEAD:
        assert head == []
        return
    modules = {n.split(".")[0] for n in head}
    assert modules <= {"classifier", "score", "head", "pooler", "classification_head",
                       "pre_classifier"}  # fmt: skip
    assert not any(s.name.split(".")[0] in modules for s in find_attention(model))
    labels = model.config.num_labels
    shapes = dict(model.named_parameters())
    assert any(shapes[n].shape[0] == labels for n in head), body


@pytest.mark.parametrize("name", MODELS)
def test_saved_model_loads_into_the_unmodified_class(name, tmp_path):
    """Catches a checkpoint with split names or with K's rows in the wrong place."""
    model = build(name)
    split = apply(model, "qv", ratio=2.0).model
    with torch.no_grad():
        for parameter in split.parameters():
            if parameter.requires_grad:
                parameter.add_(0.01)
    split.save_pretrained(tmp_path)
    plain = type(model).from_pretrained(tmp_path, dtype=next(model.parameters()).dtype).eval()
    inputs = example(model)
    # transformers declares DeBERTa's separate biases as float32 and reloads them so
    atol = 1e-6 if name == "deberta" else tolerance(name)
    assert torch.allclose(outputs(plain, inputs), outputs(split, inputs), rtol=0, atol=atol)
