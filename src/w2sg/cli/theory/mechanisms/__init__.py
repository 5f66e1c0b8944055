"""`w2sg theory ridge|weighted|multi-index`: the three mechanisms as tables, figures and JSON."""

from w2sg.cli.theory.mechanisms.aligned_penalties import weighted
from w2sg.cli.theory.mechanisms.feature_heads import multi_index
from w2sg.cli.theory.mechanisms.ridge_stages import ridge

__all__ = ["multi_index", "ridge", "weighted"]
