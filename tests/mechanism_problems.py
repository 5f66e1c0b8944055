"""Problems whose Σ, Γ_t and Γ_s do not commute, shared by the tests of weighted ridge."""

import numpy as np


def random_problem(d: int, seed: int, spread: float = 1.0):
    """Return Σ, β⋆ (norm 1) and two penalties of average eigenvalue 1, in general position."""
    rng = np.random.default_rng(seed)

    def form(low: float, high: float):
        basis, _ = np.linalg.qr(rng.standard_normal((d, d)))
        values = np.exp(rng.uniform(np.log(low), np.log(high), d) * spread)
        return (basis * values) @ basis.T * d / values.sum()

    beta = rng.standard_normal(d)
    return form(0.2, 3.0), beta / np.linalg.norm(beta), form(0.3, 3.0), form(0.3, 3.0)
