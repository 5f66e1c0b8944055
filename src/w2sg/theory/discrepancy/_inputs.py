"""What dimensions, sample sizes and noise levels may be; refusals name the argument."""

import numpy as np
from numpy.typing import ArrayLike

from w2sg._arrays import FloatArray, as_floats


def dimension(name: str, value: ArrayLike) -> FloatArray:
    """Return a dimension: finite and positive, whole or effective.

    >>> dimension("d_w", 0)
    Traceback (most recent call last):
    ...
    ValueError: d_w must be above 0, got 0
    """
    return as_floats(name, value, low=0.0, open_low=True)


def size(name: str, value: ArrayLike) -> FloatArray:
    """Return a sample size: at least one row; ``inf`` asks for the limit.

    >>> size("N", float("inf"))
    array(inf)
    """
    return as_floats(name, value, low=1.0, allow_inf=True)


def noise(name: str, value: ArrayLike, *, positive: bool = False) -> FloatArray:
    """Return a variance or a mean square: finite, at least zero, above it where divided by.

    >>> noise("sigma2", 0.5)
    array(0.5)
    """
    return as_floats(name, value, low=0.0, open_low=positive)


def dimensions(
    d_w: ArrayLike, d_s: ArrayLike, d_sw: ArrayLike
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the two dimensions and an overlap that fits into both.

    >>> dimensions(3, 2, 2.5)
    Traceback (most recent call last):
    ...
    ValueError: d_sw must be at most min(d_w, d_s), got d_sw=2.5 with d_w=3 and d_s=2; it is ...
    """
    d_w, d_s = dimension("d_w", d_w), dimension("d_s", d_s)
    d_sw = as_floats("d_sw", d_sw, low=0.0)
    common_shape(d_w=d_w, d_s=d_s, d_sw=d_sw)
    weak, strong, shared = np.broadcast_arrays(d_w, d_s, d_sw)
    if (bad := shared > np.minimum(weak, strong)).any():
        raise ValueError(
            f"d_sw must be at most min(d_w, d_s), got d_sw={shared[bad].flat[0]:g} with "
            f"d_w={weak[bad].flat[0]:g} and d_s={strong[bad].flat[0]:g}; it is a sum of squared "
            "cosines, one for each direction of the smaller space"
        )
    return d_w, d_s, d_sw


def choice(name: str, value: str, allowed: tuple[str, ...]) -> str:
    """Return ``value`` if it is one of the allowed words.

    >>> choice("where", "test", ("population", "train"))
    Traceback (most recent call last):
    ...
    ValueError: where must be one of 'population', 'train', got 'test'
    """
    if value not in allowed:
        words = ", ".join(repr(word) for word in allowed)
        raise ValueError(f"{name} must be one of {words}, got {value!r}")
    return value


def common_shape(**arrays: FloatArray) -> tuple[int, ...]:
    """Return the shape that the arrays broadcast to.

    >>> common_shape(n=np.ones((3, 1)), N=np.ones(4))
    (3, 4)
    """
    try:
        return np.broadcast_shapes(*(array.shape for array in arrays.values()))
    except ValueError:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise ValueError(
            f"the shapes of {', '.join(arrays)} must broadcast against each other, got {shapes}; "
            "put each sweep on its own axis, for example n[:, None] against N[None, :]"
        ) from None


def finite_size(name: str, value: ArrayLike) -> FloatArray:
    """Return a sample size that no limit is taken of.

    >>> finite_size("n", float("inf"))
    Traceback (most recent call last):
    ...
    ValueError: n must be finite, got inf
    """
    return as_floats(name, value, low=1.0)


def cross_correlation(
    name: str, value: ArrayLike, shape: tuple[int, int] | None = None
) -> FloatArray:
    """Return a cross-correlation of whitened features: a contraction, of a given shape if any.

    >>> cross_correlation("C", [[1.2]])
    Traceback (most recent call last):
    ...
    ValueError: C must have singular values of at most 1, got 1.2; whiten both feature sets ...
    """
    C = as_floats(name, value, ndim=2)
    if 0 in C.shape or (shape is not None and C.shape != shape):
        wanted = "at least one row and one column" if shape is None else f"shape {shape}"
        raise ValueError(f"{name} must have {wanted}, got shape {C.shape}")
    if (largest := np.linalg.norm(C, 2)) > 1 + 1e-9:
        raise ValueError(
            f"{name} must have singular values of at most 1, got {largest:g}; whiten both "
            "feature sets before correlating them"
        )
    return C
