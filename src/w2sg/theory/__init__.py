"""The theory of weak-to-strong generalization: pure float64 functions on NumPy and SciPy."""
