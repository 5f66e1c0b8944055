"""What moves in fine-tuning, at what rate, and the proof of what moved."""

from typing import TYPE_CHECKING

from w2sg._lazy import lazily
from w2sg.train.policies.apply import Policy, apply

if TYPE_CHECKING:
    from w2sg.train.policies.audit import Audit, Moved
    from w2sg.train.policies.collapse import CollapseDetector
    from w2sg.train.policies.export import FusedAdapter, export_fused_lora
    from w2sg.train.policies.grid import Cell, Gain, RateGrid, draw_rate_grid, rate_grid
    from w2sg.train.policies.groups import Rates, make_optimizer, param_groups
    from w2sg.train.policies.ratio import SuggestedRatio, suggest_ratio

__all__ = [
    "Audit",
    "Cell",
    "CollapseDetector",
    "FusedAdapter",
    "Gain",
    "Moved",
    "Policy",
    "RateGrid",
    "Rates",
    "SuggestedRatio",
    "apply",
    "draw_rate_grid",
    "export_fused_lora",
    "make_optimizer",
    "param_groups",
    "rate_grid",
    "suggest_ratio",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "audit": "Audit Moved",
        "collapse": "CollapseDetector",
        "export": "FusedAdapter export_fused_lora",
        "grid": "Cell Gain RateGrid draw_rate_grid rate_grid",
        "groups": "Rates make_optimizer param_groups",
        "ratio": "SuggestedRatio suggest_ratio",
    },
)
