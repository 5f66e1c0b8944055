"""Synthetic studies of gain = misfit + residual and of the losses, each about a minute.

Set-ups of our own in the spirit of arXiv 2505.24313, whose exact experiments are not public. E1
`width_sweep`, E2 `overfitting`, E3 `teacher_ensembles`, E4 `shrunk_labels`,
E5 `reverse_ce_invariance`.
"""

from collections.abc import Callable

from w2sg.studies.bias_variance.logistic_students import (
    reverse_ce_invariance,
    shrunk_labels,
    teacher_ensembles,
)
from w2sg.studies.bias_variance.ridge_students import overfitting, width_sweep
from w2sg.studies.study import Study

FIGURES = {
    "E1": ("width_sweep", "Wide students approach the posterior mean teacher"),
    "E2": ("overfitting", "Copying the teacher loses the gain"),
    "E3": ("teacher_ensembles", "Ensembles of teachers approach their mean"),
    "E4": ("shrunk_labels", "What losses make of shrunk labels"),
    "E5": ("reverse_ce_invariance", "Reverse cross-entropy ignores the teacher's uncertainty"),
}
STUDIES = {
    "width_sweep": width_sweep,
    "overfitting": overfitting,
    "teacher_ensembles": teacher_ensembles,
    "shrunk_labels": shrunk_labels,
    "reverse_ce_invariance": reverse_ce_invariance,
}


def figure_study(name: str) -> Callable[[], Study]:
    """Return the function that makes one figure.

    >>> callable(figure_study("E1"))
    True
    """
    if name not in FIGURES:
        raise ValueError(f"figure must be one of {', '.join(FIGURES)}, got {name!r}")
    return STUDIES[FIGURES[name][0]]


__all__ = [
    "FIGURES",
    "STUDIES",
    "figure_study",
    "overfitting",
    "reverse_ce_invariance",
    "shrunk_labels",
    "teacher_ensembles",
    "width_sweep",
]
