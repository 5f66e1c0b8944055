"""Diagnostics: arrays of features or errors in, numbers with their uncertainty out.

What runs a torch model lives in ``w2sg.models`` and is loaded when its name is first asked for,
so that everything else works without torch.
"""

from typing import TYPE_CHECKING

from w2sg._lazy import lazily
from w2sg.diagnostics.ledger import Ledger, MeanTeacher, ledger

if TYPE_CHECKING:
    from w2sg.diagnostics.curves import (
        CurveSplit,
        NoiseAndFloor,
        OverlapFromCurves,
        noise_and_floor,
        overlap_from_curves,
        split_from_curve,
    )
    from w2sg.diagnostics.density import OverlapDensity, overlap_density
    from w2sg.diagnostics.dimension import RULES, IntrinsicDimension, intrinsic_dimension
    from w2sg.diagnostics.feature_space import FeatureSpaceOverlap, feature_space_overlap
    from w2sg.diagnostics.overlap import (
        CorrelationDimension,
        MomentAccumulator,
        correlation_dimension,
    )
    from w2sg.diagnostics.probe_runs import ProbeRuns, run_probe_w2s
    from w2sg.diagnostics.representation import RepresentationGap, representation_gap
    from w2sg.diagnostics.subspace import (
        DenseProjection,
        FastfoodProjection,
        LayeredProjection,
        SubspaceDimension,
        random_subspace_dimension,
    )
    from w2sg.diagnostics.variances import (
        ConditionalVariances,
        conditional_variances,
        residual_variance,
        ridge_smoother,
    )
    from w2sg.heads.logistic import SoftmaxFits, fit_softmax
    from w2sg.heads.probes import FittedProbe, RidgeProbe, SoftmaxProbe

__all__ = [
    "RULES",
    "ConditionalVariances",
    "CorrelationDimension",
    "CurveSplit",
    "DenseProjection",
    "FastfoodProjection",
    "FeatureSpaceOverlap",
    "FittedProbe",
    "IntrinsicDimension",
    "LayeredProjection",
    "Ledger",
    "MeanTeacher",
    "MomentAccumulator",
    "NoiseAndFloor",
    "OverlapDensity",
    "OverlapFromCurves",
    "ProbeRuns",
    "RepresentationGap",
    "RidgeProbe",
    "SoftmaxFits",
    "SoftmaxProbe",
    "SubspaceDimension",
    "conditional_variances",
    "correlation_dimension",
    "feature_space_overlap",
    "fit_softmax",
    "intrinsic_dimension",
    "ledger",
    "noise_and_floor",
    "overlap_density",
    "overlap_from_curves",
    "random_subspace_dimension",
    "representation_gap",
    "residual_variance",
    "ridge_smoother",
    "run_probe_w2s",
    "split_from_curve",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "curves": (
            "CurveSplit NoiseAndFloor OverlapFromCurves noise_and_floor overlap_from_curves "
            "split_from_curve"
        ),
        "density": "OverlapDensity overlap_density",
        "dimension": "RULES IntrinsicDimension intrinsic_dimension",
        "feature_space": "FeatureSpaceOverlap feature_space_overlap",
        "overlap": "CorrelationDimension MomentAccumulator correlation_dimension",
        "probe_runs": "ProbeRuns run_probe_w2s",
        "representation": "RepresentationGap representation_gap",
        "subspace": (
            "DenseProjection FastfoodProjection LayeredProjection SubspaceDimension "
            "random_subspace_dimension"
        ),
        "variances": "ConditionalVariances conditional_variances residual_variance ridge_smoother",
        "w2sg.heads.logistic": "SoftmaxFits fit_softmax",
        "w2sg.heads.probes": "FittedProbe RidgeProbe SoftmaxProbe",
        # above this package on the import ladder: looked up by name, never imported with it
        "w2sg.models.layer_features": "layer_features stream_layer_features",
        "w2sg.models.gradients": "gradient_features",
        "w2sg.models.subspace": "subspace_trainer",
    },
)
