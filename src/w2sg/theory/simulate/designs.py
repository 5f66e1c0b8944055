"""Random designs: Gram matrices and spectra of Gaussian inputs at a finite size."""

from typing import NamedTuple

import numpy as np

from w2sg._arrays import FloatArray


class Spectrum(NamedTuple):
    """The non-zero part of Σ̂ = XᵀX/n: eigenvalues (k,) and eigenvectors (d, k)."""

    values: FloatArray
    vectors: FloatArray


def sample_size(d: int, gamma: float, name: str) -> int | None:
    """Return round(d/γ), or ``None`` for the infinite sample of γ = 0.

    >>> sample_size(200, 0.5, "gamma_t")
    400
    """
    if d < 2:
        raise ValueError(f"d must be at least 2, got {d}")
    if not (np.isfinite(gamma) and gamma >= 0):
        raise ValueError(f"{name} must be a finite number of at least 0, got {gamma!r}")
    if gamma == 0:
        return None
    n = round(d / gamma)
    if n < 1:
        raise ValueError(f"{name} must be at most 2d so that n is at least 1, got {gamma:g}")
    return n


def gram(rng: np.random.Generator, n: int | None, d: int) -> FloatArray:
    """Draw Σ̂ = XᵀX/n for n standard Gaussian rows, the identity for infinitely many.

    From n = d on it is drawn as LLᵀ/n with Bartlett's triangular factor, whose cost does not
    grow with n.

    >>> gram(np.random.default_rng(0), 50, 3).shape
    (3, 3)
    """
    if n is None:
        return np.eye(d)
    if n < d:
        x = rng.standard_normal((n, d))
        return x.T @ x / n
    factor = np.tril(rng.standard_normal((d, d)), -1)
    factor[np.diag_indices(d)] = np.sqrt(rng.chisquare(n - np.arange(d)))
    return factor @ factor.T / n


def spectrum(rng: np.random.Generator, n: int | None, d: int) -> Spectrum:
    """Draw the spectrum of Σ̂; only its n non-zero eigenvalues where n < d.

    >>> spectrum(np.random.default_rng(0), 2, 5).vectors.shape
    (5, 2)
    """
    if n is None:
        return Spectrum(np.ones(d), np.eye(d))
    if n < d:
        _, singular, rows = np.linalg.svd(rng.standard_normal((n, d)), full_matrices=False)
        return Spectrum(singular**2 / n, rows.T)
    return Spectrum(*np.linalg.eigh(gram(rng, n, d)))
