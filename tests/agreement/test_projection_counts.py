"""Exact parameter counts of published sizes on the meta device, against PEFT and by hand."""

import peft
import pytest
import torch
import transformers as t

from w2sg.train.attention import find_attention, flops_estimate, memory_estimate, summary
from w2sg.train.policies import apply

LLAMA = {
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "intermediate_size": 14336,
    "vocab_size": 128256,
    "tie_word_embeddings": False,
}
QWEN = {
    "hidden_size": 896,
    "num_hidden_layers": 24,
    "num_attention_heads": 14,
    "num_key_value_heads": 2,
    "intermediate_size": 4864,
    "vocab_size": 151936,
    "tie_word_embeddings": True,
}
ROBERTA = {
    "vocab_size": 50265,
    "max_position_embeddings": 514,
    "type_vocab_size": 1,
    "layer_norm_eps": 1e-5,
}
PYTHIA = {
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "vocab_size": 50304,
}
BUILDERS = {
    "roberta-base": lambda: t.RobertaForSequenceClassification(t.RobertaConfig(**ROBERTA)),
    "gpt2": lambda: t.GPT2ForSequenceClassification(t.GPT2Config()),
    "pythia-160m": lambda: t.GPTNeoXForCausalLM(t.GPTNeoXConfig(**PYTHIA)),
    "vit-base": lambda: t.ViTForImageClassification(t.ViTConfig(num_labels=1000)),
    "llama-3.1-8b": lambda: t.LlamaForCausalLM(t.LlamaConfig(**LLAMA)),
    "qwen2.5-0.5b": lambda: t.Qwen2ForCausalLM(t.Qwen2Config(**QWEN)),
}
# total, and W_q with W_v (biases and head included), each counted by hand from the shapes
BY_HAND = {
    "roberta-base": (124_647_170, 12 * 2 * (768 * 768 + 768) + 592_130),
    "gpt2": (124_441_344, 12 * 2 * (768 * 768 + 768) + 2 * 768),
    "pythia-160m": (162_322_944, 12 * 2 * (768 * 768 + 768)),
    "vit-base": (86_567_656, 12 * 2 * (768 * 768 + 768) + 769_000),
    "llama-3.1-8b": (8_030_261_248, 32 * (4096 * 4096 + 1024 * 4096)),
    "qwen2.5-0.5b": (494_032_768, 24 * (896 * 897 + 128 * 897)),
}
# the leaves PEFT has to be told; fused layers have no Q,V-only path there
LEAVES = {
    "roberta-base": ["query", "value"],
    "vit-base": ["q_proj", "v_proj"],
    "llama-3.1-8b": ["q_proj", "v_proj"],
    "qwen2.5-0.5b": ["q_proj", "v_proj"],
}


def meta(name):
    with torch.device("meta"):
        return BUILDERS[name]()


@pytest.mark.parametrize("name", BUILDERS)
def test_full_counts_are_those_by_hand(name):
    """Catches K counted with Q and V in a fused layer, a head counted twice or not at all."""
    total, trainable = BY_HAND[name]
    counts = summary(meta(name), "qv")
    assert (counts.total, counts.trainable) == (total, trainable)
    assert summary(meta(name), "full").trainable == total


@pytest.mark.parametrize("name", LEAVES)
@pytest.mark.parametrize("method", ["lora", "dora"])
def test_adapter_counts_are_those_of_peft(name, method):
    """Catches the double count of the head, and grouped queries taken for full heads."""
    counts = summary(meta(name), "qv", method=method, rank=8)
    config = peft.LoraConfig(r=8, target_modules=LEAVES[name], use_dora=method == "dora")
    model = meta(name)
    with torch.device("meta"):
        peft.inject_adapter_in_model(config, model)
    theirs = sum(p.numel() for n, p in model.named_parameters() if "lora_" in n)
    assert counts.trainable - counts.head == theirs


def test_published_column_of_parameters():
    """The paper's 14.76 and 21.85 million, its DoRA rows, and LoRA with the head counted once."""
    model = meta("roberta-base")
    millions = {
        (roles, method, rank): summary(model, roles, method=method, rank=rank).trainable / 1e6
        for roles, method, rank in [
            ("qv", "full", 8),
            ("qkv", "full", 8),
            ("qv", "dora", 8),
            ("qkv", "dora", 8),
            ("qv", "lora", 8),
            ("qkv", "lora", 16),
        ]
    }
    printed = [14.76, 21.85, 0.90, 1.06]
    assert list(millions.values())[:4] == pytest.approx(printed, abs=0.01)
    assert millions["qv", "lora", 8] == 0.887042
    # the printed 1.48 is this with the head once more
    assert millions["qv", "lora", 8] + 0.592130 == pytest.approx(1.48, abs=0.005)
    assert millions["qkv", "lora", 16] == pytest.approx(1.477, abs=0.001)


def test_dead_key_biases_are_flagged():
    """RoBERTa has 12 · 768 key biases without effect; rotary Qwen2 has none."""
    assert summary(meta("roberta-base"), "qkv").dead == 12 * 768
    assert summary(meta("roberta-base"), "qv").dead == 0
    assert summary(meta("qwen2.5-0.5b"), "qkv").dead == 0


def test_rows_add_up_per_role_and_layer():
    """Catches layers merged into one, and roles of a fused layer counted as the whole layer."""
    counts = summary(meta("gpt2"), "qv", layers=[3, 5])
    assert {k for k, v in counts.by_layer.items() if v} == {
        ("transformer.h", 3, "self"),
        ("transformer.h", 5, "self"),
    }
    assert counts.by_role["q"] == counts.by_role["v"] == 2 * (768 * 768 + 768)
    assert counts.trainable == counts.by_role["q"] + counts.by_role["v"] + counts.head


@pytest.mark.parametrize(("roles", "expected"), [("qv", 113_393_664), ("qkv", 170_090_496)])
def test_optimizer_bytes_of_gpt2_are_two_numbers_per_parameter(roles, expected):
    """The bytes AdamW keeps for W_q and W_v, head excluded, as measured for the note."""
    model = meta("gpt2")
    head = summary(model, roles).head
    assert memory_estimate(model, roles).optimizer == expected + 8 * head


def test_eight_bit_state_of_one_square_weight():
    """A 768 × 768 weight has 1,198,080 bytes, its bias stays in float32 with 6,144."""
    model = meta("roberta-base")
    one = memory_estimate(model, "q", layers=[0], head=(), optimizer="adamw_8bit")
    assert one.optimizer == 1_198_080 + 8 * 768


@pytest.mark.parametrize(
    ("roles", "method"), [("qv", "full"), ("full", "full"), ("head", "full"), ("qv", "lora")]
)
def test_estimated_state_is_that_of_a_real_optimizer(roles, method):
    """Catches an estimate that forgets biases, the head or an adapter's factor."""
    torch.manual_seed(0)
    config = t.GPT2Config(n_embd=16, n_layer=2, n_head=2, vocab_size=20, n_positions=16)
    config.pad_token_id = 0
    model = t.GPT2ForSequenceClassification(config)
    expected = memory_estimate(model, roles, method=method, rank=4)
    trainable = summary(model, roles, method=method, rank=4).trainable
    policy = apply(model, roles, method=method, rank=4)
    assert policy.trainable == trainable
    optimizer = policy.make_optimizer()
    ids = torch.randint(1, 20, (2, 5))
    model(input_ids=ids, labels=torch.tensor([0, 1])).loss.backward()
    optimizer.step()
    state = sum(
        v.numel() * v.element_size()
        for s in optimizer.state.values()
        for k, v in s.items()
        if k != "step"
    )
    gradients = sum(p.grad.numel() * 4 for p in model.parameters() if p.grad is not None)
    weights = sum(p.numel() * 4 for p in model.parameters())
    assert (expected.optimizer, expected.gradients, expected.weights) == (state, gradients, weights)


def test_freezing_k_saves_one_weight_gradient_in_twenty_seven():
    """Catches input gradients counted for frozen layers below, or forgotten above."""
    model = meta("roberta-base")
    attention = 4 * 128 * 768 * 12  # not a product with weights: left out of the known fraction
    qkv = flops_estimate(model, "qkv", head=(), tokens=128)
    qv = flops_estimate(model, "qv", head=(), tokens=128)
    saved = qkv.total - qv.total
    assert saved == 2 * 12 * 768 * 768
    # lowest q, k, v need no input gradient: 36 − 3 of 36 units there; the head takes part
    body = 12 * 12 * 768 * 768
    head = 768 * 768 + 2 * 768
    assert qkv.forward == 2 * (body + head) + attention
    assert qkv.to_inputs == 2 * (body + head - 3 * 768 * 768) + 2 * attention
    assert qkv.to_weights == 2 * 12 * 3 * 768 * 768
    assert saved / (54 * 12 * 768 * 768) == pytest.approx(2 / 54)


def test_backward_stops_below_the_lowest_trained_layer():
    """Training the last layer alone must not pay for gradients of the layers under it."""
    model = meta("roberta-base")
    last = flops_estimate(model, "qv", layers=[11])
    first = flops_estimate(model, "qv", layers=[0])
    unit = 768 * 768
    assert first.to_inputs - last.to_inputs == 2 * 11 * (12 * unit + 4 * 128 * 768)
    assert flops_estimate(model, "head").to_inputs < first.to_inputs / 100


def test_grouped_queries_of_llama():
    """Freezing K saves a sixth of Q, K and V there, not a third."""
    counts = summary(meta("llama-3.1-8b"), "qkv")
    assert counts.by_role["k"] * 6 == counts.by_role["q"] + 2 * counts.by_role["k"]
    site = find_attention(meta("llama-3.1-8b"))[0]
    assert (site.heads, site.kv_heads, site.head_dim, site.rotary) == (32, 8, 128, True)
