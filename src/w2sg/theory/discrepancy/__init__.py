"""Weak-to-strong generalization when both models have a low intrinsic dimension.

Ridgeless least squares on fixed features: a teacher of dimension d_w fitted to n noisy labels, a
student of dimension d_s fitted to N of the teacher's labels, and d_sw, the number of directions
they share. Source: Dong et al., "Discrepancies are Virtue" (arXiv 2502.05075), and exact
finite-sample results derived for Gaussian features.
"""

from w2sg.theory.discrepancy.bounds import opr_lower_bound, pgr_lower_bound, plotted_bounds
from w2sg.theory.discrepancy.chain import chain_risks
from w2sg.theory.discrepancy.labels import (
    OptimalLabels,
    Thresholds,
    optimal_labels,
    thresholds,
)
from w2sg.theory.discrepancy.limits import proportional_limit
from w2sg.theory.discrepancy.model import Dimensions, LatentModel, LatentSample, synthetic_task
from w2sg.theory.discrepancy.risks import RiskSummary, risk_summary
from w2sg.theory.discrepancy.spectrum import (
    OptimalSurrogate,
    optimal_surrogate,
    ridge_equivalent,
)
from w2sg.theory.discrepancy.variance import kappa, variance_ols, variance_w2s

__all__ = [
    "Dimensions",
    "LatentModel",
    "LatentSample",
    "OptimalLabels",
    "OptimalSurrogate",
    "RiskSummary",
    "Thresholds",
    "chain_risks",
    "kappa",
    "opr_lower_bound",
    "optimal_labels",
    "optimal_surrogate",
    "pgr_lower_bound",
    "plotted_bounds",
    "proportional_limit",
    "ridge_equivalent",
    "risk_summary",
    "synthetic_task",
    "thresholds",
    "variance_ols",
    "variance_w2s",
]
