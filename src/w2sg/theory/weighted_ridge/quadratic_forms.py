"""Covariances, penalties and targets at the boundary: checked, and all in one form."""

from typing import Any

import numpy as np

from w2sg._arrays import FloatArray, as_floats


def as_form(name: str, value: Any, *, size: int | None = None, definite: bool) -> FloatArray:
    """Return a symmetric matrix (d, d) or a spectrum (d,), or refuse it by name.

    >>> as_form("Gamma", [1.0, 0.0], definite=True)
    Traceback (most recent call last):
    ...
    ValueError: Gamma must be positive definite, its smallest eigenvalue is 0
    """
    form = as_floats(name, value)
    if form.ndim not in (1, 2) or form.size == 0 or (form.ndim == 2 and len(set(form.shape)) > 1):
        raise ValueError(f"{name} must be a spectrum (d,) or a matrix (d, d), got {form.shape}")
    if size is not None and len(form) != size:
        raise ValueError(f"{name} must have {size} rows to match Sigma, got shape {form.shape}")
    if form.ndim == 1:
        smallest, largest = form.min(), form.max()
    else:
        largest = np.abs(form).max()
        if (np.abs(form - form.T) > 1e-10 * largest).any():
            raise ValueError(f"{name} must be symmetric, pass (M + M.T) / 2 if it is by design")
        if definite:
            try:
                np.linalg.cholesky(form)
                return form
            except np.linalg.LinAlgError:
                pass
        smallest = np.linalg.eigvalsh(form)[0]
    if definite and smallest <= 0:
        raise ValueError(
            f"{name} must be positive definite, its smallest eigenvalue is {smallest:.3g}"
        )
    if smallest < -1e-10 * max(abs(largest), 1e-300):
        raise ValueError(
            f"{name} must be positive semi-definite, its smallest eigenvalue is {smallest:.3g}"
        )
    return form


def as_count(name: str, value: Any) -> float:
    """Return a sample size as a float above 0; infinity is allowed and means infinite data.

    >>> as_count("n", 100)
    100.0
    """
    return float(as_floats(name, value, low=0.0, open_low=True, allow_inf=True, ndim=0))


def one_form(*forms: FloatArray) -> tuple[FloatArray, ...]:
    """Return all forms as spectra if all are spectra, otherwise all as matrices.

    >>> [form.ndim for form in one_form(np.ones(3), np.eye(3))]
    [2, 2]
    """
    if all(form.ndim == 1 for form in forms):
        return forms
    return tuple(np.diag(form) if form.ndim == 1 else form for form in forms)


def target_columns(name: str, beta: Any, d: int) -> FloatArray:
    """Return B with BBᵀ the second moment of β⋆: one column for a vector, up to d for a prior.

    >>> target_columns("beta", [3.0, 4.0], 2).shape
    (2, 1)
    """
    target = as_floats(name, beta)
    if target.shape == (d,):
        return target[:, None]
    if target.shape != (d, d):
        raise ValueError(
            f"{name} must be a vector ({d},) or a prior covariance ({d}, {d}), got {target.shape}"
        )
    as_form(name, target, definite=False)
    values, vectors = np.linalg.eigh(target)
    used = values > 1e-14 * max(values[-1], 0.0)
    return vectors[:, used] * np.sqrt(values[used])


def apply(form: FloatArray, columns: FloatArray) -> FloatArray:
    """Return form @ columns, where a spectrum acts as its diagonal matrix."""
    return form[:, None] * columns if form.ndim == 1 else form @ columns


def product(*forms: FloatArray) -> FloatArray:
    """Return the product of forms of one kind, in that kind."""
    result = forms[0]
    for form in forms[1:]:
        result = result * form if form.ndim == 1 else result @ form
    return result


def trace_of_product(left: FloatArray, right: FloatArray) -> float:
    """Return tr(leftᵀ right) without forming the product."""
    return float(np.vdot(left, right))


def squared_norm(sigma: FloatArray, columns: FloatArray) -> float:
    """Return the sum over columns of vᵀΣv."""
    return float(np.vdot(columns, apply(sigma, columns)))
