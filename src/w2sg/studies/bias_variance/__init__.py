"""Synthetic studies of gain = misfit + residual and of the losses, each about a minute.

Set-ups of our own in the spirit of arXiv 2505.24313, whose exact experiments are not public. E1
`width_sweep`, E2 `overfitting`, E3 `teacher_ensembles`, E4 `shrunk_labels`,
E5 `reverse_ce_invariance`.
"""

from w2sg.studies.bias_variance.logistic_students import (
    reverse_ce_invariance,
    shrunk_labels,
    teacher_ensembles,
)
from w2sg.studies.bias_variance.ridge_students import overfitting, width_sweep

STUDIES = {
    "width_sweep": width_sweep,
    "overfitting": overfitting,
    "teacher_ensembles": teacher_ensembles,
    "shrunk_labels": shrunk_labels,
    "reverse_ce_invariance": reverse_ce_invariance,
}

__all__ = [
    "STUDIES",
    "overfitting",
    "reverse_ce_invariance",
    "shrunk_labels",
    "teacher_ensembles",
    "width_sweep",
]
