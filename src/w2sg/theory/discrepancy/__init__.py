"""Weak-to-strong generalization when both models have a low intrinsic dimension.

Ridgeless least squares on fixed features: a teacher of dimension d_w fitted to n noisy labels, a
student of dimension d_s fitted to N of the teacher's labels, and d_sw, the number of directions
they share. Source: Dong et al., "Discrepancies are Virtue" (arXiv 2502.05075), and exact
finite-sample results derived for Gaussian features.
"""

from w2sg.theory.discrepancy.variance import kappa, variance_ols, variance_w2s

__all__ = ["kappa", "variance_ols", "variance_w2s"]
