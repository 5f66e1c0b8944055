"""Two-stage ridge with any covariance and any quadratic penalties, commuting or not.

Everything takes matrices (d, d), or spectra (d,) that share one basis. λ multiplies Γ next to
XᵀX/n throughout. Real estimators and a forecast from data use the same convention.
"""

from w2sg.theory.weighted_ridge.alignment import (
    BestLinearStudent,
    SmallPenaltyGain,
    SpikedStudent,
    alignment,
    alignment_threshold,
    best_linear_student,
    small_penalty_gain,
    spiked_critical_penalty,
    spiked_student,
)
from w2sg.theory.weighted_ridge.equivalent import DeterministicEquivalent, deterministic_equivalent
from w2sg.theory.weighted_ridge.fits import fit_ridge, fit_weighted_ridge
from w2sg.theory.weighted_ridge.from_data import StudentForecast, from_data
from w2sg.theory.weighted_ridge.grid import RiskGrid, risk_grid
from w2sg.theory.weighted_ridge.stages import FittedStage, TwoStage, chain, two_stage

__all__ = [
    "BestLinearStudent",
    "DeterministicEquivalent",
    "FittedStage",
    "RiskGrid",
    "SmallPenaltyGain",
    "SpikedStudent",
    "StudentForecast",
    "TwoStage",
    "alignment",
    "alignment_threshold",
    "best_linear_student",
    "chain",
    "deterministic_equivalent",
    "fit_ridge",
    "fit_weighted_ridge",
    "from_data",
    "risk_grid",
    "small_penalty_gain",
    "spiked_critical_penalty",
    "spiked_student",
    "two_stage",
]
