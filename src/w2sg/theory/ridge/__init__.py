"""Two-stage ridge regression in closed form: isotropic inputs, every argument broadcasts.

A teacher fits n_t clean labels of d isotropic Gaussian inputs, a student fits the teacher's
labels on n_s inputs. In the proportional limit γ = d/n only a few scalars survive, and who wins
is a question about one of them, the teacher's deficit. λ multiplies Γ = I next to XᵀX/n.
"""

from w2sg.theory.ridge.channel import Signal, chain, ridge_channel
from w2sg.theory.ridge.effective_penalty import kappa, penalty_of_kappa, stieltjes
from w2sg.theory.ridge.optimum import (
    StudentPenalty,
    optimal_student_penalty,
    optimal_teacher_penalty,
)
from w2sg.theory.ridge.stages import TwoStage, two_stage
from w2sg.theory.ridge.win_region import (
    critical_deficit,
    critical_ratio,
    critical_teacher_penalty,
    win_interval,
)

__all__ = [
    "Signal",
    "StudentPenalty",
    "TwoStage",
    "chain",
    "critical_deficit",
    "critical_ratio",
    "critical_teacher_penalty",
    "kappa",
    "optimal_student_penalty",
    "optimal_teacher_penalty",
    "penalty_of_kappa",
    "ridge_channel",
    "stieltjes",
    "two_stage",
    "win_interval",
]
