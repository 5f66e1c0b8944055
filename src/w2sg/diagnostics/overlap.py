"""Correlation dimension: how many directions a weak and a strong model share, in sample space."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import scipy.linalg
from jaxtyping import Float

from w2sg._arrays import FloatArray, as_features
from w2sg._seeds import child_seed
from w2sg.diagnostics.moments import Scatter, top_eigenpairs

Method = Literal["auto", "svd", "gram", "rsvd", "stream"]
OVERSAMPLING = 10
POWER_STEPS = 6
INTERVAL = (0.025, 0.975)


@dataclass(frozen=True)
class CorrelationDimension:
    """The overlap of two feature spaces, estimated on rows that they share.

    Attributes:
        raw: Σ cos²θ of the sample, in [0, min(d_s, d_w)].
        debiased: ``raw`` without the overlap that N rows show by chance, clipped to the same
            range; ``None`` where not asked for.
        cosines: Cosines of the canonical angles, descending.
        chance: Mean of ``raw`` for independent features, d_s d_w / N.
        low: Lower end of the 95 % bootstrap interval of the debiased value (of the raw one where
            not debiased); ``None`` without bootstrap.
        high: Its upper end.
        rows: Number of paired rows.
        d_s: Dimension kept of the strong features.
        d_w: Dimension kept of the weak features.
        method: The algorithm that ran.
    """

    raw: float
    debiased: float | None
    cosines: Float[np.ndarray, " d"]
    chance: float
    low: float | None
    high: float | None
    rows: int
    d_s: int
    d_w: int
    method: str


def correlation_dimension(
    Phi_s: Any,
    Phi_w: Any,
    d_s: int,
    d_w: int,
    method: Method = "auto",
    debias: bool = True,
    n_boot: int = 0,
    *,
    center: bool = False,
    seed: int = 0,
) -> CorrelationDimension:
    r"""Estimate d_{s∧w} = ‖U_sᵀU_w‖²_F from the top left singular vectors of paired features.

    The sum of squared canonical correlations between the leading d_s and d_w principal
    components. Rows are examples, seen by both models; the widths may differ, and any invertible
    linear map of either model's coordinates leaves the answer alone. On N rows independent
    features show d_s d_w/N by chance; the debiased value solves that out:

        d̃ = (N d̂ − d_s d_w) / (N + d̂ − d_s − d_w),   exact in mean for angles of 0° and 90°.

    ``"svd"`` decomposes both matrices, ``"gram"`` their N×N products (for features wider than
    rows), ``"stream"`` their D×D moments (memory independent of N), ``"rsvd"`` a random range of
    d + 10 columns after power steps. ``"auto"`` takes ``"stream"`` or ``"gram"``, whichever
    matrix is smaller. The bootstrap resamples rows with the principal components held fixed and
    carries the spread over to the debiased value; for nearly independent features it is wider
    than needed.

    Args:
        Phi_s: Strong features, N × D_s; for ``"stream"`` also an iterable of batches of rows.
        Phi_w: Weak features of the same rows, N × D_w; or the batches that pair with those.
        d_s: Principal components kept of the strong features, at most their rank.
        d_w: Principal components kept of the weak features.
        method: Which algorithm.
        debias: Whether to remove the chance overlap; needs N > d_s + d_w.
        n_boot: Number of bootstrap samples; 0 for no interval.
        center: Remove the mean of the rows first, which leaves N − 1 in the formulas.
        seed: Of the bootstrap and of ``"rsvd"``.

    Returns:
        Raw and debiased value, cosines, chance level and interval.

    Raises:
        ValueError: Rows that do not pair, a dimension above the rank, too few rows to debias,
            zero or non-finite features.

    Source: section 3.2 of the theory notes; the coordinate-free form is derived there.

    >>> rng = np.random.default_rng(0)
    >>> shared, own = rng.normal(size=(2, 2000, 4))
    >>> strong = np.hstack([shared, own]) @ rng.normal(size=(8, 30))
    >>> found = correlation_dimension(strong, shared @ rng.normal(size=(4, 9)), 8, 4)
    >>> round(found.debiased, 6), found.chance
    (4.0, 0.016)
    """
    if method not in ("auto", "svd", "gram", "rsvd", "stream"):
        raise ValueError(f"method must be auto, svd, gram, rsvd or stream, got {method!r}")
    if n_boot < 0 or n_boot == 1:
        raise ValueError(f"n_boot must be 0 or at least 2, got {n_boot}")
    matrices = hasattr(Phi_s, "shape") or (isinstance(Phi_s, list) and np.ndim(Phi_s[0]) == 1)
    if not matrices:
        if method not in ("auto", "stream"):
            raise ValueError(f"method must be 'stream' for batches, got {method!r}")
        if n_boot:
            raise ValueError(f"n_boot must be 0 for batches, got {n_boot}; pass whole matrices")
        return _of_batches(Phi_s, Phi_w, d_s, d_w, debias, center)
    s, w = as_features("Phi_s", Phi_s, scan=False), as_features("Phi_w", Phi_w, scan=False)
    if len(s) != len(w):
        raise ValueError(f"Phi_s and Phi_w must pair row by row, got {len(s)} and {len(w)} rows")
    if method == "auto":
        method = "stream" if len(s) >= max(s.shape[1], w.shape[1]) else "gram"
    _check(d_s, d_w, len(s), s.shape[1], w.shape[1], debias, center)
    if method == "stream":
        v_s = _whitening("Phi_s", _moment("Phi_s", s, center), d_s)
        v_w = _whitening("Phi_w", _moment("Phi_w", w, center), d_w)
        if n_boot == 0:
            cross = _cross(s, v_s, w, v_w, center) if d_w <= d_s else _cross(w, v_w, s, v_s, center)
            return _result(cross, len(s), d_s, d_w, "stream", debias, center, None)
        u_s, u_w = (_centred(a, center) @ v for a, v in ((s, v_s), (w, v_w)))
        cross = u_s.T @ u_w
    else:
        s, w = as_features("Phi_s", s), as_features("Phi_w", w)
        u_s = _left_vectors("Phi_s", _centred(s, center), d_s, method, child_seed(seed, "s"))
        u_w = _left_vectors("Phi_w", _centred(w, center), d_w, method, child_seed(seed, "w"))
        cross = u_s.T @ u_w
    draws = _bootstrap(u_s, u_w, n_boot, seed) if n_boot else None
    return _result(cross, len(s), d_s, d_w, method, debias, center, draws)


class MomentAccumulator:
    """Second moments of paired features, fed batch by batch, for data that does not fit memory.

    Memory is (D_s + D_w)² numbers whatever the number of rows. Accumulators of different
    processes merge.

    >>> rng = np.random.default_rng(0)
    >>> moments = MomentAccumulator()
    >>> for _ in range(5):
    ...     z = rng.normal(size=(400, 3))
    ...     moments.update(z, z[:, :2])
    >>> moments.count, round(moments.correlation_dimension(3, 2).debiased, 6)
    (2000, 2.0)
    """

    def __init__(self) -> None:
        """Start with no rows."""
        self._joint = Scatter()
        self._width_s = 0

    @property
    def count(self) -> int:
        """Number of rows seen."""
        return self._joint.count

    def update(self, Phi_s: Any, Phi_w: Any) -> None:
        """Add a batch of paired rows.

        Raises:
            ValueError: Batches of unequal length, of another width than before, or not finite.
        """
        s = as_features("Phi_s", Phi_s, allow_zero=True)
        w = as_features("Phi_w", Phi_w, allow_zero=True)
        if len(s) != len(w):
            raise ValueError(
                f"Phi_s and Phi_w must pair row by row, got {len(s)} and {len(w)} rows"
            )
        if self.count and s.shape[1] != self._width_s:
            raise ValueError(f"Phi_s must have {self._width_s} columns, got {s.shape[1]}")
        self._width_s = s.shape[1]
        self._joint.update(s, w)

    def merge(self, other: "MomentAccumulator") -> None:
        """Add what another accumulator has seen; it must have the same widths."""
        if self.count and other.count and self._width_s != other._width_s:
            raise ValueError(
                f"other must have {self._width_s} strong columns, got {other._width_s}"
            )
        self._width_s = self._width_s or other._width_s
        self._joint.merge(other._joint)

    def correlation_dimension(
        self, d_s: int, d_w: int, debias: bool = True, *, center: bool = False
    ) -> CorrelationDimension:
        """Return the estimate of ``correlation_dimension`` on all rows seen, without interval."""
        if self.count == 0:
            raise ValueError("no rows have been added; call update first")
        width = self._joint.width
        _check(d_s, d_w, self.count, self._width_s, width - self._width_s, debias, center)
        moment, k = self._joint.moment(center=center), self._width_s
        v_s = _whitening("Phi_s", moment[:k, :k], d_s)
        v_w = _whitening("Phi_w", moment[k:, k:], d_w)
        cross = v_s.T @ moment[:k, k:] @ v_w
        return _result(cross, self.count, d_s, d_w, "stream", debias, center, None)


def _check(
    d_s: int, d_w: int, rows: int, width_s: int, width_w: int, debias: bool, center: bool
) -> None:
    free = rows - center
    for name, d, width in (("d_s", d_s, width_s), ("d_w", d_w, width_w)):
        if int(d) != d or not 1 <= d <= min(width, free):
            raise ValueError(
                f"{name} must be a whole number between 1 and {min(width, free)}, got {d}"
            )
    if debias and free <= d_s + d_w:
        raise ValueError(
            f"debias needs more than d_s + d_w = {d_s + d_w} rows{' + 1' if center else ''}, got "
            f"{rows}; add rows, lower the dimensions, or set debias=False"
        )


def _of_batches(
    batches_s: Iterable[Any],
    batches_w: Iterable[Any],
    d_s: int,
    d_w: int,
    debias: bool,
    center: bool,
) -> CorrelationDimension:
    moments = MomentAccumulator()
    pairs = iter(zip(batches_s, batches_w, strict=True))
    while True:
        try:
            s, w = next(pairs)
        except StopIteration:
            break
        except ValueError as error:
            raise ValueError(f"Phi_s and Phi_w must pair batch by batch: {error}") from error
        moments.update(s, w)
    return moments.correlation_dimension(d_s, d_w, debias, center=center)


def _centred(x: np.ndarray, center: bool) -> FloatArray:
    x = x.astype(np.float64, copy=False)
    return x - x.mean(axis=0) if center else x


def _moment(name: str, x: np.ndarray, center: bool) -> FloatArray:
    if x.dtype == np.float64 and not center:
        moment = x.T @ x
    else:
        scatter = Scatter()
        scatter.update(x)
        moment = scatter.moment(center=center)
    if not np.isfinite(moment).all():
        as_features(name, x)
        raise ValueError(f"{name} has values above 1e150; rescale it")
    return moment


def _cross(
    tall: np.ndarray, v: FloatArray, narrow: np.ndarray, v_narrow: FloatArray, center: bool
) -> FloatArray:
    """Return vᵀ tallᵀ narrow v_narrow, the side with fewer components first: a third cheaper."""
    part = narrow @ v_narrow
    if center:
        part -= part.mean(axis=0)
    return v.T @ (tall.T @ part)


def _whitening(name: str, moment: FloatArray, d: int) -> FloatArray:
    if not moment.any():
        raise ValueError(f"{name} is a zero matrix; no direction of it can be measured")
    values, vectors = top_eigenpairs(moment, d)
    _refuse_beyond_rank(name, np.sqrt(np.maximum(values, 0)), d, 1e-7)
    return vectors / np.sqrt(values)


def _refuse_beyond_rank(name: str, singular: FloatArray, d: int, resolution: float) -> None:
    rank = int((singular > resolution * singular[0]).sum())
    if rank < d:
        raise ValueError(
            f"d_{name[-1]} must be at most the rank of {name}, {rank} at a relative resolution "
            f"of {resolution:g}, got {d}"
        )


def _left_vectors(name: str, x: FloatArray, d: int, method: str, seed: int) -> FloatArray:
    if method == "svd":
        u, values, _ = scipy.linalg.svd(x, full_matrices=False)
        _refuse_beyond_rank(name, values[:d], d, 1e-13)
        return u[:, :d]
    if method == "gram":
        values, vectors = top_eigenpairs(x @ x.T, d)
        _refuse_beyond_rank(name, np.sqrt(np.maximum(values, 0)), d, 1e-7)
        return vectors
    rng = np.random.default_rng(seed)
    sketch = x @ rng.normal(size=(x.shape[1], min(d + OVERSAMPLING, *x.shape)))
    for _ in range(POWER_STEPS):
        q, _ = np.linalg.qr(sketch)
        sketch = x @ (x.T @ q)
    q, _ = np.linalg.qr(sketch)
    u, values, _ = scipy.linalg.svd(q.T @ x, full_matrices=False)
    _refuse_beyond_rank(name, values[:d], d, 1e-13)
    return q @ u[:, :d]


def _bootstrap(u_s: FloatArray, u_w: FloatArray, n_boot: int, seed: int) -> FloatArray:
    """Raw overlap of resampled rows, inside the fixed spaces."""
    rng = np.random.default_rng(child_seed(seed, "bootstrap"))
    n = len(u_s)
    draws = np.empty(n_boot)
    for i in range(n_boot):
        counts = np.bincount(rng.integers(0, n, n), minlength=n)
        seen = counts > 0
        root = np.sqrt(counts[seen])[:, None]
        q_s, _ = np.linalg.qr(root * u_s[seen])
        q_w, _ = np.linalg.qr(root * u_w[seen])
        draws[i] = np.square(q_s.T @ q_w).sum()
    return draws


def _result(
    cross: FloatArray,
    rows: int,
    d_s: int,
    d_w: int,
    method: str,
    debias: bool,
    center: bool,
    draws: FloatArray | None,
) -> CorrelationDimension:
    n, most = rows - center, min(d_s, d_w)
    cosines = np.minimum(scipy.linalg.svdvals(cross), 1.0)
    raw = float(np.square(cosines).sum())

    def without_chance(value: FloatArray | float) -> Any:
        return (n * value - d_s * d_w) / (n + value - d_s - d_w)

    debiased = float(np.clip(without_chance(raw), 0, most)) if debias else None
    low = high = None
    if draws is not None:
        # resampling adds its own chance overlap: only the spread of the draws is used
        around = raw + draws - draws.mean()
        ends = np.quantile(without_chance(around) if debias else around, INTERVAL)
        low, high = (float(e) for e in np.clip(ends, 0, most))
    return CorrelationDimension(
        raw, debiased, cosines, d_s * d_w / n, low, high, rows, int(d_s), int(d_w), method
    )
