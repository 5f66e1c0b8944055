"""Tiny random models of many architectures, built from configurations without a download."""

from collections.abc import Callable

import torch
import transformers as t

H, LAYERS, HEADS, VOCAB = 16, 2, 4, 24
TEXT = {
    "hidden_size": H,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "intermediate_size": 24,
    "vocab_size": VOCAB,
    "max_position_embeddings": 32,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
GROUPED = {**TEXT, "num_key_value_heads": 2}
GPT = {
    "n_embd": H,
    "n_layer": LAYERS,
    "n_head": HEADS,
    "vocab_size": VOCAB,
    "n_positions": 32,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
IMAGE = {
    "hidden_size": H,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "intermediate_size": 24,
    "image_size": 8,
    "patch_size": 4,
}


def _text(name, config, suffix="ForSequenceClassification"):
    return lambda: getattr(t, f"{name}{suffix}")(getattr(t, f"{name}Config")(**config))


def _clip():
    vision = t.CLIPVisionConfig(**IMAGE)
    return t.CLIPForImageClassification(t.CLIPConfig(vision_config=vision.to_dict()))


MODELS: dict[str, Callable[[], torch.nn.Module]] = {
    "bert": _text("Bert", TEXT),
    "roberta": _text("Roberta", {**TEXT, "max_position_embeddings": 40}),
    "distilbert": _text(
        "DistilBert",
        {"dim": H, "n_layers": LAYERS, "n_heads": HEADS, "hidden_dim": 24, "vocab_size": VOCAB},
    ),
    "deberta_v2": _text(
        "DebertaV2",
        {
            **TEXT,
            "relative_attention": True,
            "pos_att_type": ["p2c", "c2p"],
            "share_att_key": True,
            "position_buckets": 8,
        },
    ),
    "deberta": _text(
        "Deberta", {**TEXT, "relative_attention": True, "pos_att_type": ["p2c", "c2p"]}
    ),
    "electra": _text("Electra", {**TEXT, "embedding_size": H}),
    "albert": _text("Albert", {**TEXT, "embedding_size": 8}),
    "modernbert": _text("ModernBert", {**TEXT, "cls_token_id": 1, "sep_token_id": 2}),
    "gpt2": _text("GPT2", GPT),
    "gpt2_cross": _text("GPT2", {**GPT, "add_cross_attention": True}, "Model"),
    "gpt_neox": _text("GPTNeoX", TEXT),
    "gpt_neo": _text(
        "GPTNeo",
        {
            "hidden_size": H,
            "num_layers": 2,
            "num_heads": HEADS,
            "vocab_size": VOCAB,
            "max_position_embeddings": 32,
            "attention_types": [[["global", "local"], 1]],
            "pad_token_id": 0,
            "bos_token_id": 1,
            "eos_token_id": 2,
        },
    ),
    "gptj": _text("GPTJ", {**GPT, "rotary_dim": 4}),
    "gpt_bigcode_mqa": _text("GPTBigCode", {**GPT, "multi_query": True}),
    "gpt_bigcode_mha": _text("GPTBigCode", {**GPT, "multi_query": False}),
    "codegen": _text("CodeGen", {**GPT, "rotary_dim": 4}, "ForCausalLM"),
    "opt": _text("OPT", {**TEXT, "ffn_dim": 24, "word_embed_proj_dim": H}),
    "bloom": _text(
        "Bloom",
        {"hidden_size": H, "n_layer": LAYERS, "n_head": HEADS, "vocab_size": VOCAB,
         "pad_token_id": 0},
    ),
    "falcon_mqa": _text(
        "Falcon", {**TEXT, "multi_query": True, "new_decoder_architecture": False}
    ),
    "falcon_grouped": _text(
        "Falcon", {**TEXT, "num_kv_heads": 2, "new_decoder_architecture": True}
    ),
    "falcon_alibi": _text(
        "Falcon",
        {**TEXT, "multi_query": False, "alibi": True, "new_decoder_architecture": False,
         "bias": True},
    ),
    "mpt": _text(
        "Mpt", {"d_model": H, "n_layers": LAYERS, "n_heads": HEADS, "vocab_size": VOCAB,
                "pad_token_id": 0}
    ),
    "persimmon": _text("Persimmon", TEXT),
    "llama": _text("Llama", GROUPED),
    "mistral": _text("Mistral", GROUPED),
    "qwen2": _text("Qwen2", GROUPED),
    "qwen3": _text("Qwen3", {**GROUPED, "head_dim": 8}),
    "gemma": _text("Gemma", {**GROUPED, "head_dim": 8}),
    "gemma2": _text("Gemma2", {**GROUPED, "head_dim": 8}),
    "phi": _text("Phi", TEXT),
    "phi3": _text("Phi3", GROUPED),
    "stablelm": _text("StableLm", GROUPED),
    "t5": _text(
        "T5",
        {"d_model": H, "d_kv": 4, "d_ff": 24, "num_layers": LAYERS, "num_heads": HEADS,
         "vocab_size": VOCAB, "decoder_start_token_id": 0},
    ),
    "bart": _text(
        "Bart",
        {"d_model": H, "encoder_layers": LAYERS, "decoder_layers": LAYERS,
         "encoder_attention_heads": HEADS, "decoder_attention_heads": HEADS,
         "encoder_ffn_dim": 24, "decoder_ffn_dim": 24, "vocab_size": VOCAB,
         "max_position_embeddings": 32, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
         "decoder_start_token_id": 2},
    ),
    "qwen3_next": _text(
        "Qwen3Next",
        {**GROUPED, "head_dim": 8, "linear_num_key_heads": 2, "linear_num_value_heads": 2,
         "linear_key_head_dim": 8, "linear_value_head_dim": 8, "num_experts": 2,
         "num_experts_per_tok": 1, "moe_intermediate_size": 8,
         "shared_expert_intermediate_size": 8,
         "layer_types": ["linear_attention", "full_attention"]},
    ),
    "deepseek_v3": _text(
        "DeepseekV3",
        {**TEXT, "num_key_value_heads": HEADS, "q_lora_rank": 8, "kv_lora_rank": 8,
         "qk_nope_head_dim": 4, "qk_rope_head_dim": 4, "v_head_dim": 6, "first_k_dense_replace": 2,
         "n_routed_experts": 4, "num_experts_per_tok": 1, "n_group": 1, "topk_group": 1,
         "moe_intermediate_size": 8},
    ),
    "vit": _text("ViT", IMAGE, "ForImageClassification"),
    "dinov2": _text("Dinov2", IMAGE, "ForImageClassification"),
    "clip": _clip,
}  # fmt: skip


def tiny(name: str, *, dtype: torch.dtype = torch.float64, std: float = 0.1) -> torch.nn.Module:
    """Return the model in eval mode, every matrix drawn with this standard deviation."""
    torch.manual_seed(0)
    model = MODELS[name]().to(dtype).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim >= 2:
                parameter.normal_(0, std)
            else:
                parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def example(model: torch.nn.Module, n: int = 3, tokens: int = 6) -> dict[str, torch.Tensor]:
    """Return inputs for a call of the model itself: no padding, every text ends alike."""
    generator = torch.Generator().manual_seed(7)
    if model.main_input_name == "pixel_values":
        dtype = next(model.parameters()).dtype
        return {"pixel_values": torch.randn(n, 3, 8, 8, generator=generator).to(dtype)}
    ids = torch.randint(3, VOCAB, (n, tokens), generator=generator)
    if model.config.is_encoder_decoder:
        ids[:, -1] = model.config.eos_token_id
    inputs = {"input_ids": ids}
    if getattr(model.config, "add_cross_attention", False):
        states = torch.randn(n, 5, H, generator=generator)
        inputs["encoder_hidden_states"] = states.to(next(model.parameters()).dtype)
    return inputs
