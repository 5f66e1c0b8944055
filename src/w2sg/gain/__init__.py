"""What was gained, how sure we are, and how many examples and seeds it takes to be sure.

All functions take per-item scores where higher is better, of shape (seeds, items). Row s of every
array belongs to run s, column i to test item i. ``w2sg.metrics`` has the ``…_items`` functions
that make such scores, AUROC included.
"""

from typing import TYPE_CHECKING

from w2sg._lazy import lazily

if TYPE_CHECKING:
    from w2sg.gain.comparison import Comparison, Difference, compare, holm
    from w2sg.gain.components import Components, variance_components
    from w2sg.gain.estimate import Estimate
    from w2sg.gain.measures import gain, gap, opr, pgr
    from w2sg.gain.planning import Option, Plan, plan
    from w2sg.gain.stopping import Decision, StoppingRule, stopping_rule

__all__ = [
    "Comparison",
    "Components",
    "Decision",
    "Difference",
    "Estimate",
    "Option",
    "Plan",
    "StoppingRule",
    "compare",
    "gain",
    "gap",
    "holm",
    "opr",
    "pgr",
    "plan",
    "stopping_rule",
    "variance_components",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "comparison": "Comparison Difference compare holm",
        "components": "Components variance_components",
        "estimate": "Estimate",
        "measures": "gain gap opr pgr",
        "planning": "Option Plan plan",
        "stopping": "Decision StoppingRule stopping_rule",
    },
)
