"""Mechanism 3: easy features from the teacher, hard ones from the student's pre-training.

Target f⋆(x) = Σ a_k h_k(⟨β_e, x⟩) + Σ b_k h_k(⟨β_h, x⟩) with a₁ ≠ 0 (one gradient step finds the
easy direction from n ~ d samples) and b₀ = b₁ = 0 (it does not see the hard one). ``a[k]`` and
``b[k]`` are the coefficients of the orthonormal Hermite polynomial h_k from k = 0 on.
"""

from w2sg.theory.hermite import hermite_coefficients
from w2sg.theory.multi_index.alignment import (
    Outlier,
    hard_alignment,
    information_exponent,
    one_step_alignment,
    outlier_alignment,
)
from w2sg.theory.multi_index.polynomial_heads import (
    TwoStage,
    WarmStart,
    polynomial_head,
    warm_start_optimum,
)
from w2sg.theory.multi_index.random_heads import spiked_random_features

__all__ = [
    "Outlier",
    "TwoStage",
    "WarmStart",
    "hard_alignment",
    "hermite_coefficients",
    "information_exponent",
    "one_step_alignment",
    "outlier_alignment",
    "polynomial_head",
    "spiked_random_features",
    "warm_start_optimum",
]
