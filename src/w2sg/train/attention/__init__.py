"""Find and address W_q, W_k and W_v in any architecture, fused or not."""

from typing import TYPE_CHECKING

from w2sg._lazy import lazily
from w2sg.train.attention.select import Selection, head_parameters, select

if TYPE_CHECKING:
    from w2sg.train.attention.cost import (
        Flops,
        Memory,
        RoleCount,
        Summary,
        flops_estimate,
        memory_estimate,
        summary,
    )
    from w2sg.train.attention.find import find_attention
    from w2sg.train.attention.fused import SplitProjection
    from w2sg.train.attention.layout import Attention, Layout, Projection
    from w2sg.train.attention.probe import probe_layout
    from w2sg.train.attention.split import refuse, split_fused
    from w2sg.train.attention.verify import Check, verify_layouts

__all__ = [
    "Attention",
    "Check",
    "Flops",
    "Layout",
    "Memory",
    "Projection",
    "RoleCount",
    "Selection",
    "SplitProjection",
    "Summary",
    "find_attention",
    "flops_estimate",
    "head_parameters",
    "memory_estimate",
    "probe_layout",
    "refuse",
    "select",
    "split_fused",
    "summary",
    "verify_layouts",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "cost": "Flops Memory RoleCount Summary flops_estimate memory_estimate summary",
        "find": "find_attention",
        "fused": "SplitProjection",
        "layout": "Attention Layout Projection",
        "probe": "probe_layout",
        "split": "refuse split_fused",
        "verify": "Check verify_layouts",
    },
)
