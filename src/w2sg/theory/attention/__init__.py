"""Generalization bounds, gradients and learning-rate scaling of W_q, W_k and W_v.

Source: arXiv 2410.02247 (Yao et al., IJCAI 2025), Theorems 1 and 2. The full text was not at hand:
the theorem statements are from the paper, the toy model is reconstructed from LoRA+ (arXiv
2402.12354), and what a real head does is derived here.
"""

from w2sg.theory.attention.bounds import (
    Bound,
    bound_for,
    bound_ratio,
    generalization_bound,
    samples_needed,
)
from w2sg.theory.attention.head import (
    AttentionGradients,
    HeadScaling,
    attention_gradients,
    gauge_dimension,
    head_scaling,
    key_bias_gradient,
    rotations,
    stable_ratio,
)
from w2sg.theory.attention.toy import ToyPath, toy_dynamics, toy_exponents

__all__ = [
    "AttentionGradients",
    "Bound",
    "HeadScaling",
    "ToyPath",
    "attention_gradients",
    "bound_for",
    "bound_ratio",
    "gauge_dimension",
    "generalization_bound",
    "head_scaling",
    "key_bias_gradient",
    "rotations",
    "samples_needed",
    "stable_ratio",
    "toy_dynamics",
    "toy_exponents",
]
