"""Layouts that no table knows: told by gradients, or refused by name."""

import copy

import pytest
import torch
from architectures import MODELS, example, tiny
from torch import nn

from w2sg.train.attention import (
    Layout,
    find_attention,
    memory_estimate,
    refuse,
    split_fused,
    summary,
    verify_layouts,
)
from w2sg.train.policies import apply


def renamed(name):
    """The model with every attention class replaced by one of another name."""
    model = tiny(name)
    for site in find_attention(model):
        module = model.get_submodule(site.name)
        module.__class__ = type("UnheardOfAttention", (type(module),), {})
    return model


@pytest.mark.parametrize("name", ["gpt2", "gpt_neox", "bloom", "falcon_grouped", "codegen", "phi3"])
def test_probe_finds_what_the_table_knows(name):
    """Catches a fall-back that guesses [Q, K, V]: five of these six differ from it."""
    found = [site.roles for site in find_attention(renamed(name))]
    known = [site.roles for site in find_attention(tiny(name))]
    for ours, table in zip(found, known, strict=True):
        for role in "qkv":
            assert ours[role][0].rows == table[role][0].rows


def test_unknown_layout_on_the_meta_device_is_refused_by_name():
    with torch.device("meta"):
        model = MODELS["gpt2"]()
    attention = model.transformer.h[0].attn
    attention.__class__ = type("UnheardOfAttention", (type(attention),), {})
    with pytest.raises(ValueError, match=r"transformer.h.0.attn.c_attn has a layout that is not"):
        find_attention(model)


def test_wrong_map_is_noticed():
    """K and V exchanged in the table must fail the check, not pass it."""
    model = tiny("gpt2")
    site = find_attention(model)[0]
    wrong = copy.deepcopy(site.roles["q"][0].layout)
    assert wrong == Layout(1, (("q", 16), ("k", 16), ("v", 16)))
    import w2sg.train.attention.fused as layouts

    kept = layouts.IN_BLOCKS
    layouts.IN_BLOCKS = kept - {"GPT2Attention"}
    layouts.BY_HEAD.add("GPT2Attention")
    try:
        assert [c.agrees for c in verify_layouts(model)] == [False, False]
    finally:
        layouts.IN_BLOCKS = kept
        layouts.BY_HEAD.discard("GPT2Attention")


def test_saturated_projection_is_refused_by_name():
    """An output without any gradient has no role; guessing one would freeze the wrong rows."""
    model = tiny("gpt2")
    with torch.no_grad():
        model.transformer.h[1].attn.c_proj.weight.zero_()
    with pytest.raises(ValueError, match=r"transformer.h.1.attn.c_attn: 48 of 48 outputs have no"):
        verify_layouts(model)


def test_labels_that_repeat_a_role_have_no_layout():
    assert Layout.from_labels(("q", "k", "q", "v")) is None
    assert Layout.from_labels(("q", "k", "v") * 4) == Layout(4, (("q", 1), ("k", 1), ("v", 1)))


class Packed(nn.Module):
    """PyTorch's own attention keeps W_q, W_k, W_v in one parameter of the attention module."""

    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.head = nn.Linear(8, 2)


def test_packed_parameter_is_counted_but_not_split():
    model = Packed()
    (site,) = find_attention(model)
    assert site.roles["v"][0].weight == "attention.in_proj_weight"
    assert site.roles["v"][0].rows == slice(16, 24)
    assert summary(model, "qv", head=["head"]).trainable == 2 * 72 + 18
    with pytest.raises(ValueError, match=r"attention.in_proj_weight is a parameter of attention"):
        apply(model, "qv", head=["head"])
    policy = apply(Packed(), "qkv", head=["head"])
    assert policy.trainable == 3 * 72 + 18


def test_split_refuses_what_it_cannot_do():
    with pytest.raises(ValueError, match=r"names \['transformer'\] are not fused projections"):
        split_fused(tiny("gpt2"), ["transformer"])
    model = tiny("gpt2")
    model.transformer.h[0].attn.c_attn.weight = model.transformer.h[1].attn.c_attn.weight
    with pytest.raises(ValueError, match=r"h.0.attn.c_attn.weight is shared with another module"):
        split_fused(model)
    adapted = apply(tiny("gpt2"), "qv", method="lora").model
    with pytest.raises(ValueError, match=r"the parts \['q', 'v'\] carry adapters"):
        refuse(adapted)


def test_quantised_weights_are_refused_in_full():
    model = tiny("gpt2")
    weight = model.transformer.h[0].attn.c_attn.weight
    model.transformer.h[0].attn.c_attn.weight = nn.Parameter(
        weight.detach().to(torch.int8), requires_grad=False
    )
    with pytest.raises(ValueError, match=r"stored as torch.int8, which cannot be trained in full"):
        apply(model, "qv")
    with pytest.raises(ValueError, match=r"holds quantised weights"):
        split_fused(model)


def test_split_survives_deepcopy_and_other_devices_of_state():
    """Catches a copy whose empty fused layer or hooks still belong to the original."""
    model = tiny("gpt_neox")
    inputs = example(model)
    split_fused(model)
    twin = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.mul_(1.5)
    assert not torch.equal(twin(**inputs).logits, model(**inputs).logits)
    expected = twin(**inputs).logits
    state = twin.state_dict()
    assert refuse(twin)
    assert torch.allclose(twin(**inputs).logits, expected, rtol=0, atol=1e-12)
    assert all(torch.equal(v, state[k]) for k, v in twin.state_dict().items())


def test_estimates_refuse_unknown_words():
    with pytest.raises(ValueError, match="optimizer must be one of adamw, adamw_8bit, sgd"):
        memory_estimate(tiny("bert"), "qv", optimizer="lion")
    with pytest.raises(ValueError, match="method must be one of full, lora"):
        summary(tiny("bert"), "qv", method="bitfit")


def test_shared_keys_and_values_need_a_decision():
    """A layer whose keys serve as values: an error by default, skipped or trained on request."""
    model = tiny("llama")
    model.model.layers[1].self_attn.v_proj = None
    with pytest.raises(ValueError, match=r"the keys of model.layers.1.self_attn serve as values"):
        apply(model, "qv")
    skipped = {n for n, _ in _trained(model, "skip")}
    assert "model.layers.1.self_attn.k_proj.weight" not in skipped
    assert "model.layers.1.self_attn.q_proj.weight" in skipped
    trained = {n for n, _ in _trained(model, "train")}
    assert trained - skipped == {"model.layers.1.self_attn.k_proj.weight"}


def _trained(model, shared_kv):
    policy = apply(model, "qv", shared_kv=shared_kv)
    return [(n, p) for n, p in policy.model.named_parameters() if p.requires_grad]
