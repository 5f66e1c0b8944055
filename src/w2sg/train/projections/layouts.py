"""The known divisions of fused projections among Q, K and V."""

from typing import Any

from w2sg.train.projections.sites import Layout

FUSED = ("c_attn", "query_key_value", "Wqkv", "qkv_proj", "in_proj", "qkv", "to_qkv")
# Classes whose outputs are [Q, K, V], with fewer key and value heads where queries are grouped.
IN_BLOCKS = {
    "DbrxAttention",
    "DecisionTransformerGPT2Attention",
    "GPT2Attention",
    "ImageGPTAttention",
    "ModernBertAttention",
    "MptAttention",
    "MultiheadAttention",
    "Phi3Attention",
    "Phi4MultimodalAttention",
}
# Classes whose outputs are q, k, v of the first head, then of the second, and so on.
BY_HEAD = {"BloomAttention", "DisentangledSelfAttention", "GPTNeoXAttention", "PersimmonAttention"}
CODEGEN_BLOCKS = 4


def fused_layout(attention: Any, leaf: str, width: int, heads: int, head_dim: int) -> Layout | None:
    """Return how a fused projection of a known class is divided; ``None`` for an unknown class.

    Args:
        attention: The module that owns the projection.
        leaf: The projection's name inside it.
        width: Number of outputs.
        heads: Number of query heads.
        head_dim: Width of one head.

    Source: transformers' modelling code, each entry checked by the gradient probe.
    """
    name = type(attention).__name__
    d = head_dim
    q = heads * d
    if leaf == "c_attn" and getattr(attention, "is_cross_attention", False):
        return Layout(1, (("k", width // 2), ("v", width // 2)))
    if name == "FalconAttention":
        if attention.new_decoder_architecture:
            groups = attention.num_kv_heads
            return Layout(groups, (("q", q // groups), ("k", d), ("v", d)))
        name = "IN_BLOCKS" if attention.multi_query else "BY_HEAD"
    elif name == "GPTBigCodeAttention":
        name = "IN_BLOCKS" if attention.multi_query else "BY_HEAD"
    elif name == "CodeGenAttention":
        part = width // (3 * CODEGEN_BLOCKS)
        return Layout(CODEGEN_BLOCKS, (("q", part), ("v", part), ("k", part)))
    if name == "BY_HEAD" or name in BY_HEAD:
        return Layout(heads, (("q", d), ("k", d), ("v", d)))
    if name == "IN_BLOCKS" or name in IN_BLOCKS:
        kv = (width - q) // 2
        return Layout(1, (("q", q), ("k", kv), ("v", kv)))
    return None
