"""Policies: what trains, at which rate, in place, and what is refused."""

import copy

import pytest
import torch
from architectures import example, tiny
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from w2sg.train.attention import find_attention
from w2sg.train.policies import apply


def trained(model):
    return {n for n, p in model.named_parameters() if p.requires_grad}


def test_roles_full_and_head_by_name():
    """Catches a policy that trains a neighbour: K with Q, the pooler with the head."""
    everything = {n for n, _ in tiny("bert").named_parameters()}
    head = {"classifier.weight", "classifier.bias"}
    own = {
        role: {n for n in everything if f".self.{leaf}." in n}
        for role, leaf in (("q", "query"), ("k", "key"), ("v", "value"))
    }
    for roles, expected in {
        "full": everything,
        "head": head,
        "v": own["v"] | head,
        "qv": own["q"] | own["v"] | head,
        "kv": own["k"] | own["v"] | head,
        "qk": own["q"] | own["k"] | head,
        "qkv": own["q"] | own["k"] | own["v"] | head,
    }.items():
        assert trained(apply(tiny("bert"), roles).model) == expected


def test_layers_choose_positions():
    model = apply(tiny("gpt2"), "v", layers=[1]).model
    assert trained(model) == {
        "transformer.h.1.attn.c_attn.v_proj.weight",
        "transformer.h.1.attn.c_attn.v_proj.bias",
        "score.weight",
    }


def test_kinds_choose_cross_attention():
    model = apply(tiny("t5"), "qv", kinds=["cross"]).model
    body = {n for n in trained(model) if "classification_head" not in n}
    assert body
    assert all("EncDecAttention.q" in n or "EncDecAttention.v" in n for n in body)


@pytest.mark.parametrize("name", ["bert", "gpt2", "llama", "deberta"])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("method", ["full", "lora"])
def test_in_place_same_outputs_same_mode(name, training, method):
    """Catches a copy of the model, a flipped dropout, an output changed before any step."""
    model = tiny(name).train(training)
    model.get_submodule(find_attention(model)[0].name).train(not training)  # a mixed mode
    modes = {n: m.training for n, m in model.named_modules()}
    inputs = example(model)
    twin = copy.deepcopy(model).eval()
    policy = apply(model, "qv", ratio=4.0, method=method)
    assert policy.model is model
    assert {n: m.training for n, m in model.named_modules() if n in modes} == modes
    with torch.no_grad():
        assert torch.allclose(model.eval()(**inputs).logits, twin(**inputs).logits, atol=1e-12)


def test_ratio_multiplies_v_alone_and_every_parameter_is_in_one_group():
    """Catches a ratio applied to the head, to Q, or to every vector."""
    policy = apply(tiny("roberta"), "full", ratio=8.0, lr=1e-4, lr_head=3e-4)
    groups = policy.param_groups(weight_decay=0.1)
    rate = {g["name"]: g["lr"] for g in groups}
    assert rate["v.weight"] == rate["v.bias"] == pytest.approx(8e-4)
    assert rate["head.weight"] == rate["head.bias"] == 3e-4
    others = {v for k, v in rate.items() if k[0] != "v" and not k.startswith("head")}
    assert others == {1e-4}
    assert {g["name"] for g in groups if g["weight_decay"]} == {
        f"{role}.weight" for role in ("q", "k", "v", "o", "rest", "head")
    }
    placed = [id(p) for g in groups for p in g["params"]]
    assert len(placed) == len(set(placed)) == len(list(policy.model.parameters()))


def test_lr_head_defaults_to_lr():
    groups = apply(tiny("bert"), "qv", ratio=2.0, lr=3e-4).param_groups()
    assert {g["lr"] for g in groups if g["name"].startswith("head")} == {3e-4}


def test_decoupled_decay_shrinks_v_as_q():
    """A step of AdamW without gradient multiplies by 1 − lr·wd: alike for Q and V if decoupled."""
    shrunk = {}
    for decouple in (False, True):
        model = tiny("bert")
        before = {k: v.clone() for k, v in model.state_dict().items()}
        policy = apply(model, "qv", ratio=4.0, lr=1e-2, decouple_weight_decay=decouple)
        optimizer = policy.make_optimizer(weight_decay=0.5)
        for p in model.parameters():
            if p.requires_grad:
                p.grad = torch.zeros_like(p)
        optimizer.step()
        after = model.state_dict()
        name = "bert.encoder.layer.0.attention.self.{}.weight"
        shrunk[decouple] = tuple(
            float((after[name.format(x)] / before[name.format(x)]).mean())
            for x in ("query", "value")
        )
    assert shrunk[False] == pytest.approx((1 - 0.005, 1 - 0.02), abs=1e-12)
    assert shrunk[True] == pytest.approx((1 - 0.005, 1 - 0.005), abs=1e-12)


def test_loraplus_multiplies_b_on_top_of_the_ratio():
    """Catches LoRA+ on the head, and one factor overwriting the other."""
    policy = apply(tiny("gpt2"), "qv", ratio=2.0, lr=1e-4, method="lora", loraplus_ratio=16.0)
    rate = {g["name"]: g["lr"] for g in policy.param_groups()}
    assert rate == pytest.approx(
        {"q.A": 1e-4, "q.B": 16e-4, "v.A": 2e-4, "v.B": 32e-4, "head.weight": 1e-4}
    )


@pytest.mark.parametrize(
    ("version", "biases"), [("v1", (4e-4, 0.0)), ("ijcai", (1e-4, 0.1)), (True, (1e-4, 0.1))]
)
def test_paper_exact_reproduces_the_published_groups(version, biases):
    """Head weights at the rate of K with decay, head biases at V's without; biases by version."""
    policy = apply(tiny("roberta"), "qkv", ratio=4.0, lr=1e-4, lr_head=9.0, paper_exact=version)
    groups = {g["name"]: (g["lr"], g["weight_decay"]) for g in policy.param_groups(0.1)}
    assert groups["head.weight"] == (1e-4, 0.1)
    assert groups["head.bias"] == (4e-4, 0.0)
    assert groups["q.bias"] == groups["k.bias"] == biases
    assert groups["v.bias"] == ((4e-4, 0.0) if version == "v1" else (4e-4, 0.1))
    assert groups["v.weight"] == (4e-4, 0.1)


def test_other_optimizers_by_class():
    optimizer = apply(tiny("bert"), "qv", ratio=2.0).make_optimizer(
        0.1, torch.optim.SGD, momentum=0.9
    )
    assert isinstance(optimizer, torch.optim.SGD)
    assert {g["momentum"] for g in optimizer.param_groups} == {0.9}


def test_gradient_of_a_key_bias_is_zero_exactly_where_it_is_called_dead():
    """Catches a bias flagged dead that is not (rotary, DeBERTa), and the other way round."""
    seen = set()
    for name in ("bert", "roberta", "opt", "gpt2", "bart", "vit", "qwen2", "phi", "deberta_v2",
                 "gpt_neox", "bloom", "falcon_alibi", "gpt_bigcode_mqa"):  # fmt: skip
        model = tiny(name)
        model(**example(model)).logits.square().sum().backward()
        named = dict(model.named_parameters())
        for site in find_attention(model):
            (key,) = site.roles["k"]
            rows = list(key.rows) if isinstance(key.rows, tuple) else key.rows
            dead = float(named[key.bias].grad[rows].abs().max())
            (query,) = site.roles["q"]
            rows = list(query.rows) if isinstance(query.rows, tuple) else query.rows
            alive = float(named[query.bias].grad[rows].abs().max())
            # a float32 softmax inside a float64 model leaves 1e-7
            assert (dead < 1e-5 * alive) == site.key_bias_is_dead, (name, dead, alive)
            seen.add(site.key_bias_is_dead)
    assert seen == {True, False}


def test_audit_names_what_moved_and_what_must_not():
    """Catches an audit that compares nothing: one bit of a frozen weight must show."""
    policy = apply(tiny("bert"), "qv")
    still = policy.audit()
    assert still.intact
    assert set(still.still) == trained(policy.model)
    named = dict(policy.model.named_parameters())
    name = "bert.encoder.layer.0.attention.self.key.weight"
    with torch.no_grad():
        named["classifier.weight"].add_(1.0)
        value = named[name][0, 0]
        value.copy_(torch.nextafter(value, torch.tensor(9.0, dtype=value.dtype)))
    audit = policy.audit()
    assert audit.violations == (name,)
    head = next(m for m in audit.roles if m.role == "head")
    weight = named["classifier.weight"]
    assert head.distance == pytest.approx(weight.numel() ** 0.5, rel=1e-12)
    with pytest.raises(ValueError, match=r"1 frozen parameters changed, first bert.encoder"):
        audit.require_intact()


def test_frozen_parameter_that_starts_to_train_is_a_violation():
    policy = apply(tiny("bert"), "qv")
    policy.model.bert.embeddings.word_embeddings.weight.requires_grad_(True)
    assert policy.audit().violations == ("bert.embeddings.word_embeddings.weight",)


class Wrapped(nn.Module):
    """A bare encoder with a head of the user's own."""

    def __init__(self):
        super().__init__()
        self.backbone = tiny("bert").bert
        self.answer = nn.Linear(16, 3)


def test_head_of_a_wrapping_module_trains():
    """Catches a head frozen because the model's class is not one of transformers'."""
    model = apply(Wrapped(), "qv").model
    assert {n for n in trained(model) if not n.startswith("backbone")} == {
        "answer.weight",
        "answer.bias",
    }


def test_head_by_prefix():
    model = tiny("roberta")
    assert trained(apply(model, "v", head=["classifier.out_proj"]).model) == {
        n for n, _ in model.named_parameters() if ".value." in n or "out_proj" in n
    }


@settings(max_examples=25)
@given(st.sets(st.sampled_from("qkvo"), min_size=1), st.sampled_from(["gpt2", "gpt_neox", "phi3"]))
def test_any_set_of_roles_on_a_fused_layer(roles, name):
    """Whatever the set: the count is that of the roles, and the state dict is unchanged."""
    model = tiny(name)
    state = {k: v.clone() for k, v in model.state_dict().items()}
    sites = find_attention(model)
    expected = sum(p.parameters for s in sites for r in roles for p in s.roles[r])
    policy = apply(model, roles, head=())
    assert policy.trainable == expected
    own = policy.state_dict()
    assert list(own) == list(state)
    assert all(torch.equal(own[k], state[k]) for k in state)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"roles": "qx"}, r"roles must be 'full', 'head', or any of q, k, v, o"),
        ({"roles": ""}, r"roles must be .* got none"),
        ({"roles": None}, r"roles must be .* got None"),
        ({"roles": "head", "head": ()}, r"head=\(\) leaves roles='head' nothing to train"),
        ({"method": "lora", "rank": 2.5}, r"rank must be a whole number, got 2.5"),
        ({"roles": "qq"}, r"roles must name each role once"),
        ({"roles": ["q", "head"]}, r"got \['q', 'head'\]"),
        ({"roles": ["gate"]}, r"no attention layer of .* has the role 'gate'; 2 layers"),
        ({"layers": [7]}, r"layers \[7\] do not exist; the model has layers \[0, 1\]"),
        ({"kinds": ["cross"]}, r"kinds \['cross'\] do not exist; the model has \['self'\]"),
        ({"ratio": 0.0}, r"ratio must be above 0, got 0"),
        ({"lr": -1.0}, r"lr must be above 0"),
        ({"lr_head": float("nan")}, r"lr_head must be finite"),
        ({"method": "bitfit"}, r"method must be 'full' or one of lora"),
        ({"roles": "head", "method": "lora"}, r"needs roles of attention"),
        ({"method": "lora", "rank": {"q": 2}}, r"rank has no entry for the role 'v'"),
        ({"method": "lora", "rank": 0}, r"rank must be positive"),
        ({"head": ["clasifier"]}, r"head 'clasifier' matches no parameter; modules are 'bert'"),
        ({"paper_exact": "v2"}, r"paper_exact must be True, False, or one of ijcai, v1"),
    ],
)
def test_refusals_say_what_exists(arguments, message):
    with pytest.raises(ValueError, match=message):
        apply(tiny("bert"), **arguments)


def test_bare_encoder_has_no_head_to_train_alone():
    with pytest.raises(ValueError, match=r"BertModel has no task head .* modules are 'embeddings'"):
        apply(tiny("bert").bert, "head")


@pytest.mark.parametrize("decay", [-0.1, float("nan")])
def test_decay_that_is_none_is_refused(decay):
    """Catches weights that grow, or become NaN in the first step: AdamW does not look at groups."""
    with pytest.raises(ValueError, match="weight_decay must be"):
        apply(tiny("bert"), "qv").make_optimizer(weight_decay=decay)


def test_rates_are_floats():
    """Catches a ratio of another type that breaks the first multiplication, or repeats a text."""
    rates = apply(tiny("bert"), "qv", ratio="2", lr=1).rates
    assert (rates.ratio, rates.lr, rates.lr_head) == (2.0, 1.0, 1.0)
    assert all(type(x) is float for x in (rates.ratio, rates.lr, rates.lr_head))


def test_second_policy_on_adapters_is_refused():
    model = apply(tiny("bert"), "qv", method="lora").model
    with pytest.raises(ValueError, match="already carries adapters"):
        apply(model, "qv")


def test_model_without_attention_is_refused():
    with pytest.raises(ValueError, match="no attention layer that is recognised"):
        apply(nn.Sequential(nn.Linear(2, 2)), "qv")


def test_parameter_added_after_the_policy_is_refused():
    """Catches an optimizer that silently leaves a late parameter out."""
    policy = apply(tiny("bert"), "qv")
    policy.model.late = nn.Linear(2, 2)
    with pytest.raises(ValueError, match=r"late.weight.*added after the policy"):
        policy.make_optimizer()
