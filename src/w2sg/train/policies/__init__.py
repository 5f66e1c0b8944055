"""What moves in fine-tuning, at what rate, and the proof of what moved."""

from w2sg.train.policies.apply import apply
from w2sg.train.policies.audit import Audit, Moved
from w2sg.train.policies.groups import Rates, make_optimizer, param_groups
from w2sg.train.policies.policy import Policy

__all__ = ["Audit", "Moved", "Policy", "Rates", "apply", "make_optimizer", "param_groups"]
