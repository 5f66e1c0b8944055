"""Find and address W_q, W_k and W_v in any architecture, fused or not."""

from w2sg.train.projections.counts import (
    Flops,
    Memory,
    RoleCount,
    Summary,
    flops_estimate,
    memory_estimate,
    summary,
)
from w2sg.train.projections.find import find_attention
from w2sg.train.projections.head import head_parameters
from w2sg.train.projections.probe import Check, probe_layout, verify_layouts
from w2sg.train.projections.select import Selection, select
from w2sg.train.projections.sites import Attention, Layout, Projection
from w2sg.train.projections.split import SplitProjection, refuse, split_fused

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
