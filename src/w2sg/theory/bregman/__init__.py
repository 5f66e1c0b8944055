"""Bregman divergences: means, bias and variance, and the gain of a student over its teacher."""

from typing import TYPE_CHECKING

from w2sg._lazy import lazily

if TYPE_CHECKING:
    from w2sg.theory.bregman.bounds import (
        ProjectionCheck,
        ResidualBounds,
        misfit_projection_check,
        residual_bounds,
    )
    from w2sg.theory.bregman.decomposition import (
        Ambiguity,
        BiasVariance,
        bias_variance,
        ensemble_ambiguity,
    )
    from w2sg.theory.bregman.gap import RiskGap, certified_gain_ce, risk_gap
    from w2sg.theory.bregman.generators import (
        BregmanGenerator,
        binary_negentropy,
        divergence,
        dual_divergence,
        generalised_kl,
        itakura_saito,
        mahalanobis,
        negentropy,
        squared,
        three_point_residual,
    )
    from w2sg.theory.bregman.means import (
        DualMean,
        dual_mean,
        dual_mean_from_logits,
        posterior_mean_teacher,
        primal_mean,
    )

__all__ = [
    "Ambiguity",
    "BiasVariance",
    "BregmanGenerator",
    "DualMean",
    "ProjectionCheck",
    "ResidualBounds",
    "RiskGap",
    "bias_variance",
    "binary_negentropy",
    "certified_gain_ce",
    "divergence",
    "dual_divergence",
    "dual_mean",
    "dual_mean_from_logits",
    "ensemble_ambiguity",
    "generalised_kl",
    "itakura_saito",
    "mahalanobis",
    "misfit_projection_check",
    "negentropy",
    "posterior_mean_teacher",
    "primal_mean",
    "residual_bounds",
    "risk_gap",
    "squared",
    "three_point_residual",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "bounds": "ProjectionCheck ResidualBounds misfit_projection_check residual_bounds",
        "decomposition": "Ambiguity BiasVariance bias_variance ensemble_ambiguity",
        "gap": "RiskGap certified_gain_ce risk_gap",
        "generators": (
            "BregmanGenerator binary_negentropy divergence dual_divergence generalised_kl "
            "itakura_saito mahalanobis negentropy squared three_point_residual"
        ),
        "means": "DualMean dual_mean dual_mean_from_logits posterior_mean_teacher primal_mean",
    },
)
