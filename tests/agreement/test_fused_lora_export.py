"""Adapters trained on a split model equal one ordinary PEFT adapter on the unmodified model."""

import peft
import pytest
import torch
from architectures import MODELS, example, tiny

from w2sg.train.attention import find_attention
from w2sg.train.policies import apply, export_fused_lora

NAMES = ["gpt2", "gpt_neox", "falcon_grouped", "codegen", "phi3", "modernbert", "bloom", "mpt",
         "gpt_bigcode_mqa", "bert", "llama", "t5", "deepseek_v3"]  # fmt: skip


def logits(model, inputs):
    with torch.no_grad():
        return model(**inputs).logits


def randomised(policy):
    """Adapters as after training: every factor, magnitude and head weight moved."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in policy.model.parameters():
            if parameter.requires_grad:
                noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
                parameter.add_(0.1 * noise.to(parameter))
    return policy


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("method", ["lora", "dora", "rslora"])
def test_published_adapter_gives_the_same_outputs(name, method, tmp_path):
    """Catches B in the wrong rows or columns, a lost scale, wrong magnitudes of K, a lost head."""
    ranks = {"q": 2, "v": 3}  # unequal, so that the scales differ by role
    policy = randomised(apply(tiny(name), "qv", method=method, rank=ranks, alpha=4.0))
    inputs = example(policy.model)
    export_fused_lora(policy).save(tmp_path)
    plain = peft.PeftModel.from_pretrained(tiny(name), str(tmp_path)).double().eval()
    expected = logits(policy.model, inputs)
    assert torch.allclose(logits(plain, inputs), expected, rtol=0, atol=1e-12)
    assert not torch.allclose(logits(tiny(name), inputs), expected, atol=1e-3)


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("bert", "llama", "t5")])
def test_merged_keys_keep_their_bits(name, tmp_path):
    """Catches a delta that is small but not zero in K's rows."""
    policy = randomised(apply(tiny(name), "qv", method="lora", rank=2))
    export_fused_lora(policy).save(tmp_path)
    plain = peft.PeftModel.from_pretrained(tiny(name), str(tmp_path)).double()
    merged = plain.merge_and_unload().state_dict()
    before = tiny(name).state_dict()
    own = policy.state_dict()
    for site in find_attention(tiny(name)):
        for key in site.roles["k"]:
            rows = torch.tensor(key.layout.rows("k"))
            for state in (merged, own):
                after = state[key.weight].index_select(key.output_axis, rows)
                assert torch.equal(after, before[key.weight].index_select(key.output_axis, rows))
    assert all(torch.allclose(merged[n], own[n], rtol=0, atol=1e-13) for n in own)


@pytest.mark.parametrize("method", ["lora", "rslora", "dora", "pissa", "olora", "ia3"])
@pytest.mark.parametrize("name", ["gpt2", "bert", "gpt_neox"])
def test_merged_state_loads_into_the_unmodified_class(name, method):
    """Catches names of adapters in the state dict, and a merge that misses a scale."""
    # PiSSA and OLoRA factor the base weights and know no float64
    single = method in ("pissa", "olora")
    dtype, atol = (torch.float32, 1e-5) if single else (torch.float64, 1e-12)
    model = tiny(name, dtype=dtype)
    inputs = example(model)
    before = logits(model, inputs)
    policy = apply(model, "qv", method=method, rank=2)
    assert torch.allclose(logits(model, inputs), before, rtol=0, atol=atol)
    randomised(policy)
    plain = MODELS[name]().to(dtype).eval()
    plain.load_state_dict(policy.state_dict())
    assert torch.allclose(logits(plain, inputs), logits(model, inputs), rtol=0, atol=atol)
    policy.audit().require_intact()


def test_other_methods_are_refused_with_the_way_out():
    with pytest.raises(ValueError, match=r"got 'full'; policy.state_dict\(\) has the merged"):
        export_fused_lora(apply(tiny("gpt2"), "qv"))
