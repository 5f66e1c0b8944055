"""Boundary checks of arrays: every public function refuses what it cannot mean, by name."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BLOCK_ROWS = 4096  # of large features that are converted or checked piece by piece


def as_floats(
    name: str,
    value: Any,
    *,
    low: float | None = None,
    high: float | None = None,
    open_low: bool = False,
    open_high: bool = False,
    ndim: int | None = None,
    allow_inf: bool = False,
) -> FloatArray:
    """Return ``value`` as a float64 array, or raise an error that names the argument.

    Args:
        name: How the caller's user knows this argument; it opens the error text.
        value: A number, a sequence or an array.
        low: Smallest allowed value.
        high: Largest allowed value.
        open_low: Whether ``low`` itself is refused.
        open_high: Whether ``high`` itself is refused.
        ndim: The number of axes required, any if ``None``.
        allow_inf: Whether +inf and -inf are allowed; NaN never is.

    Returns:
        A float64 array; zero-dimensional for a number.

    Raises:
        ValueError: Not numeric, NaN, infinite, out of range, or of another number of axes.

    >>> as_floats("gamma", 2, low=0.0)
    array(2.)
    >>> as_floats("gamma", -1, low=0.0)
    Traceback (most recent call last):
    ...
    ValueError: gamma must be at least 0, got -1
    """
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be a number or an array of numbers, got {value!r}") from None
    if ndim is not None and array.ndim != ndim:
        raise ValueError(f"{name} must have {ndim} axes, got shape {array.shape}")
    bad = np.isnan(array) if allow_inf else ~np.isfinite(array)
    if bad.any():
        raise ValueError(f"{name} must be finite, got {_first(array, bad)}")
    if low is not None and (bad := array <= low if open_low else array < low).any():
        word = "above" if open_low else "at least"
        raise ValueError(f"{name} must be {word} {low:g}, got {_first(array, bad)}")
    if high is not None and (bad := array >= high if open_high else array > high).any():
        word = "below" if open_high else "at most"
        raise ValueError(f"{name} must be {word} {high:g}, got {_first(array, bad)}")
    return array


def as_features(
    name: str, value: Any, *, allow_zero: bool = False, scan: bool = True
) -> np.ndarray:
    """Return a matrix of features, float32 or float64 as given, or raise an error that names it.

    Large float32 features are not copied; what needs float64 converts them block by block. A
    caller that will notice values that are not finite by itself may skip the scan for them.

    >>> as_features("Phi_s", [[1, 2]]).dtype
    dtype('float64')
    """
    if not (isinstance(value, np.ndarray) and value.dtype in (np.float32, np.float64)):
        value = as_floats(name, value)
    if value.ndim != 2 or min(value.shape) < 1:
        raise ValueError(f"{name} must be a matrix of rows × features, got shape {value.shape}")
    for start in range(0, len(value) if scan else 0, BLOCK_ROWS):
        if not np.isfinite(value[start : start + BLOCK_ROWS]).all():
            # let the common check word the error; its position counts from this block
            as_floats(f"{name} (rows from {start})", value[start : start + BLOCK_ROWS])
    if not (allow_zero or value.any()):
        raise ValueError(f"{name} is a zero matrix; no direction of it can be measured")
    return value


def as_whole(name: str, value: Any, *, low: int) -> int:
    """Return a count as an int, or raise an error that names the argument.

    NumPy's integers and whole floats (2.0) are counts; booleans, NaN, infinity and fractions are
    not.

    Args:
        name: How the caller's user knows this argument; it opens the error text.
        value: A number.
        low: Smallest allowed value.

    Raises:
        ValueError: Not a whole number, or too small.

    >>> as_whole("degree", 2.0, low=1)
    2
    >>> as_whole("degree", float("nan"), low=1)
    Traceback (most recent call last):
    ...
    ValueError: degree must be a whole number of at least 1, got nan
    """
    number = isinstance(value, int | float | np.integer | np.floating)
    if not number or isinstance(value, bool) or not value >= low or value % 1 != 0:
        raise ValueError(f"{name} must be a whole number of at least {low}, got {value!r}")
    return int(value)


def _first(array: FloatArray, bad: NDArray[np.bool_]) -> str:
    value = f"{array[bad].flat[0]:g}"
    if array.ndim == 0:
        return value
    where = tuple(int(i) for i in np.argwhere(bad)[0])
    return f"{value} at index {where[0] if len(where) == 1 else where}"
