"""Linear-probing weak-to-strong runs: all trials, sizes and ridges solved together."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
from jaxtyping import Float, Int

from w2sg._arrays import FloatArray, as_features, as_floats
from w2sg._seeds import child_seed
from w2sg.heads.logistic import as_probabilities, fit_softmax, softmax
from w2sg.heads.probes import RidgeProbe, SoftmaxProbe, check_settings
from w2sg.heads.ridge import Axes, decompose, leading

# below this relative eigenvalue the Gram matrix has lost too many digits: decompose the rows
GRAM_RESOLUTION = 1e-9


@dataclass(frozen=True)
class ProbeRuns:
    """Held-out mean squared errors, axes (size, trial, ridge), and their ratios.

    Attributes:
        n: Labelled rows at each size.
        N: Pseudo-labelled rows at each size.
        ridges: The penalties.
        teacher: Weak features, n labels.
        student: Strong features, N rows labelled by the teacher of the same ridge.
        baseline: Strong features, the same n labels.
        ceiling: Strong features, n + N true labels.
    """

    n: Int[np.ndarray, " s"]
    N: Int[np.ndarray, " s"]
    ridges: Float[np.ndarray, " r"]
    teacher: Float[np.ndarray, "s t r"]
    student: Float[np.ndarray, "s t r"]
    baseline: Float[np.ndarray, "s t r"]
    ceiling: Float[np.ndarray, "s t r"]

    def pgr(self, *, of_means: bool = True) -> Float[np.ndarray, "s r"]:
        """Return performance gap recovered, (teacher − student)/(teacher − ceiling).

        Of mean errors, or the published mean of per-trial ratios, which a trial with hardly any
        gap can dominate.

        Raises:
            ValueError: A gap of zero.
        """
        return _ratio("gap", self.teacher - self.student, self.teacher - self.ceiling, of_means)

    def opr(self, *, of_means: bool = True) -> Float[np.ndarray, "s r"]:
        """Return outperforming ratio, baseline/student; of mean errors or mean of ratios."""
        return _ratio("student error", self.baseline, self.student, of_means)


def run_probe_w2s(
    features: tuple[Any, Any],
    labels: Any,
    n: Any,
    N: Any,
    trials: int = 10,
    *,
    probe: RidgeProbe | SoftmaxProbe | None = None,
    ridges: Any = None,
    n_test: int | None = None,
    label_noise: float = 0.0,
    seed: int = 0,
) -> ProbeRuns:
    r"""Run the published linear-probing pipeline on frozen features.

    One held-out test set is drawn first. Each trial permutes the rest: the first n rows are
    labelled, the last N are pseudo-labelled, so curves over sizes are nested. Teacher, student,
    baseline and ceiling are fitted and scored on the test set with its own labels.

    Ridge probes never form pseudo-labels: with moments S of the N rows the student is
    ``(S_ss + ridge)⁻¹ S_sw θ_teacher``, so moments are summed once per trial, each training set
    is decomposed once, and every ridge is a division.

    Args:
        features: Weak and strong features of the same M rows, M × D_w and M × D_s.
        labels: Targets, shape (M,) or (M, K); class probabilities (M, K) for a softmax probe.
        n: Numbers of labelled rows; broadcasts against ``N`` to the list of sizes.
        N: Numbers of pseudo-labelled rows.
        trials: Number of permutations.
        probe: Probe of all four models; ``RidgeProbe()`` if ``None``.
        ridges: Penalties to try instead of the probe's own.
        n_test: Held-out rows, a fifth of M if ``None``.
        label_noise: Injected into training labels only: standard deviation of Gaussian noise for
            a ridge probe, probability of a random other class for a softmax probe.
        seed: Of test set, permutations and noise.

    Returns:
        Errors of the four models for every size, trial and ridge.

    Raises:
        ValueError: Rows that do not pair, n + N above the pool, or settings out of range.

    Source: sections 3.5 and 3.6 of the theory notes, from the released code of arXiv 2502.05075
    (there n + N rows are drawn anew for each size).

    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(size=(900, 6))
    >>> y = z[:, 0] + 0.5 * rng.normal(size=900)
    >>> runs = run_probe_w2s((z[:, :4], z), y, n=[40, 80], N=400, trials=3, ridges=[1e-6, 1.0])
    >>> runs.student.shape, runs.pgr().shape
    ((2, 3, 2), (2, 2))
    """
    weak, strong = (
        as_features(name, block).astype(np.float64, copy=False)
        for name, block in zip(("features[0]", "features[1]"), features, strict=True)
    )
    rows = len(weak)
    if len(strong) != rows:
        raise ValueError(f"features must pair row by row, got {rows} and {len(strong)} rows")
    settings = RidgeProbe() if probe is None else probe
    soft = isinstance(settings, SoftmaxProbe)
    y = as_probabilities("labels", labels, rows=rows) if soft else as_floats("labels", labels)
    if y.ndim not in (1, 2) or len(y) != rows:
        raise ValueError(f"labels must have {rows} rows and 1 or 2 axes, got shape {y.shape}")
    y = y.reshape(rows, -1)
    lam = np.atleast_1d(as_floats("ridges", settings.ridge if ridges is None else ridges))
    check_settings(lam, None if soft else settings.rank)
    noise = float(as_floats("label_noise", label_noise, low=0.0, high=1.0 if soft else None))
    if trials < 1:
        raise ValueError(f"trials must be at least 1, got {trials}")
    held = rows // 5 if n_test is None else n_test
    if not 1 <= held < rows:
        raise ValueError(f"n_test must be between 1 and {rows - 1}, got {held}")
    ns, big_ns = _sizes(n, N, rows - held)
    if not soft:
        weak, strong = _without_null_directions(weak), _without_null_directions(strong)

    order = np.random.default_rng(child_seed(seed, "test")).permutation(rows)
    test, pool = order[:held], order[held:]
    # no size looks at the rows between the longest head and the longest tail
    used = np.r_[: ns.max(), len(pool) - big_ns.max() : len(pool)]
    errors = np.empty((4, len(ns), trials, len(lam)))
    for t in range(trials):
        rng = np.random.default_rng(child_seed(seed, "trial", t))
        drawn = rng.permutation(pool)
        noisy = _with_noise(y[drawn], noise, soft, rng)[used]
        drawn = drawn[used]
        trial = _Trial(weak[drawn], strong[drawn], noisy, weak[test], strong[test], y[test])
        if isinstance(settings, SoftmaxProbe):
            errors[:, :, t] = _softmax_errors(trial, ns, big_ns, lam, settings.soft_targets)
        else:
            errors[:, :, t] = _ridge_errors(trial, ns, big_ns, lam, settings)
    return ProbeRuns(ns, big_ns, lam, *errors)


@dataclass(frozen=True)
class _Trial:
    weak: FloatArray
    strong: FloatArray
    y: FloatArray
    weak_test: FloatArray
    strong_test: FloatArray
    y_test: FloatArray


def _ridge_errors(
    trial: _Trial, ns: np.ndarray, big_ns: np.ndarray, lam: FloatArray, probe: RidgeProbe
) -> FloatArray:
    w, s, y = trial.weak, trial.strong, trial.y
    w_test, s_test, y_test = trial.weak_test, trial.strong_test, trial.y_test
    if probe.intercept:
        # a constant column, unpenalised because every set is centred; the shift saves digits
        shift_w, shift_s, shift_y = w.mean(axis=0), s.mean(axis=0), y.mean(axis=0)
        w, s, y = w - shift_w, s - shift_s, y - shift_y
        w_test, s_test, y_test = w_test - shift_w, s_test - shift_s, y_test - shift_y
    # Sizes are nested, so each set's moments are those of the next smaller one plus what is new:
    # every row is multiplied once per trial, whatever the number of sizes. The labelled rows grow
    # from the front and the pseudo-labelled ones from the back, hence two chains.
    head, previous = {}, None
    for m in np.unique(ns):
        start = 0 if previous is None else previous.rows
        previous = _moments(w[start:m], s[start:m], y[start:m], previous)
        head[int(m)] = previous
    tail, previous = {}, None
    for m in np.unique(big_ns):
        stop = len(y) - (0 if previous is None else previous.rows)
        block = slice(len(y) - m, stop)
        previous = _moments(w[block], s[block], y[block], previous)
        tail[int(m)] = previous

    def solver(moments: "_Moments", side: str, *blocks: slice) -> "_Ridge":
        x = w if side == "w" else s
        return _Ridge.of(moments, side, [x[b] for b in blocks], lam, probe)

    teachers, baselines, students = {}, {}, {}
    for m, moments in head.items():
        first = slice(0, m)
        teachers[m] = solver(moments, "w", first).fit(moments.wy, moments.y_mean)
        baselines[m] = solver(moments, "s", first).fit(moments.sy, moments.y_mean)
    for m, moments in tail.items():
        students[m] = solver(moments, "s", slice(len(y) - m, len(y)))

    errors = np.empty((4, len(ns), len(lam)))
    for i, (m, big) in enumerate(zip(ns.tolist(), big_ns.tolist(), strict=True)):
        last = slice(len(y) - big, len(y))
        # the student's Xᵀy is X_sᵀ(X_w θ + c): pseudo-labels enter through moments alone
        theta, c = teachers[m]
        fits = [(teachers[m], w_test)]
        unlabelled = tail[big]
        products = np.einsum("sw,rwk->rsk", unlabelled.sw, theta, optimize=True)
        products += unlabelled.s_sum[:, None] * c[:, None, :]
        means = (unlabelled.w_sum / big) @ theta + c
        fits.append((students[big].fit(products, means), s_test))
        fits.append((baselines[m], s_test))
        both = head[m] + unlabelled
        ceiling = solver(both, "s", slice(0, m), last).fit(both.sy, both.y_mean)
        fits.append((ceiling, s_test))
        for j, ((weights, constant), x) in enumerate(fits):
            flat = x @ np.moveaxis(weights, 0, 1).reshape(x.shape[1], -1)
            missed = flat.reshape(len(x), *constant.shape) + constant - y_test[:, None, :]
            errors[j, i] = np.square(missed).mean(axis=(0, 2))
    return errors


@dataclass(frozen=True)
class _Moments:
    """Sums over a set of rows; sets of rows add."""

    rows: int
    ww: FloatArray
    ss: FloatArray
    sw: FloatArray
    wy: FloatArray
    sy: FloatArray
    w_sum: FloatArray
    s_sum: FloatArray
    y_sum: FloatArray

    @property
    def y_mean(self) -> FloatArray:
        """Mean target."""
        return self.y_sum / self.rows

    def __add__(self, other: "_Moments") -> "_Moments":
        names = self.__dataclass_fields__
        return _Moments(**{a: getattr(self, a) + getattr(other, a) for a in names})


def _moments(w: FloatArray, s: FloatArray, y: FloatArray, before: _Moments | None) -> _Moments:
    sums = (w.sum(axis=0), s.sum(axis=0), y.sum(axis=0))
    new = _Moments(len(y), w.T @ w, s.T @ s, s.T @ w, w.T @ y, s.T @ y, *sums)
    return new if before is None else before + new


@dataclass(frozen=True)
class _Ridge:
    """Ridge fits of one training set at every penalty, from sums over its rows."""

    axes: Axes
    ridges: FloatArray
    total: FloatArray
    rows: int
    intercept: bool

    @classmethod
    def of(
        cls,
        moments: _Moments,
        side: str,
        blocks: list[FloatArray],
        lam: FloatArray,
        probe: RidgeProbe,
    ) -> "_Ridge":
        """Decompose the Gram matrix that is at hand, or the rows where it lost too many digits.

        The Gram matrix costs nothing here, but its eigenvalues are exact only to round-off of the
        largest. The weakest direction that is kept, with its penalty, must stand above that.
        """
        gram, total, m = getattr(moments, side * 2), getattr(moments, f"{side}_sum"), moments.rows
        if probe.intercept:
            gram = gram - np.outer(total, total / m)
        width, axes = len(gram), None
        if m > width:
            values, vectors = scipy.linalg.eigh(gram, driver="evd")
            values, vectors = values[::-1], vectors[:, ::-1]
            weakest = values[min(probe.rank or width, width) - 1]
            if weakest + lam.min() >= GRAM_RESOLUTION * values[0]:
                keep = leading(values, m, width, probe.rank)
                axes = Axes(vectors[:, keep], values[keep])
        if axes is None:
            x = np.vstack(blocks)
            axes = decompose(x - total / m if probe.intercept else x, rank=probe.rank)[1]
        return cls(axes, lam, total, m, probe.intercept)

    def fit(self, products: FloatArray, means: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return weights (r, d, k) and intercepts (r, k) from Xᵀy and the mean of y.

        Args:
            products: Xᵀy, (d, k), or one for each penalty, (r, d, k).
            means: Mean of y, (k,), or one for each penalty, (r, k).
        """
        if self.intercept:
            products = products - self.total[:, None] * np.atleast_2d(means)[:, None, :]
        weights = self.axes.coefficients(self.axes.right.T @ products, self.ridges)
        constant = np.zeros((len(self.ridges), products.shape[-1]))
        if self.intercept:
            constant = means - (self.total / self.rows) @ weights
        return weights, constant


def _without_null_directions(x: FloatArray) -> FloatArray:
    """Rotate away directions that are zero in every row, as layer normalisation leaves them.

    No prediction changes, and training sets keep well-conditioned Gram matrices.
    """
    if len(x) <= x.shape[1]:
        return x
    values, vectors = scipy.linalg.eigh(x.T @ x, driver="evd")
    if values[0] > GRAM_RESOLUTION * values[-1]:
        return x
    rotated = x @ vectors
    sizes = np.sqrt(np.einsum("nd,nd->d", rotated, rotated))
    return rotated[:, sizes > 1e-12 * sizes.max()]


def _softmax_errors(
    trial: _Trial, ns: np.ndarray, big_ns: np.ndarray, lam: FloatArray, soft_targets: bool
) -> FloatArray:
    def fit(x: FloatArray, t: FloatArray) -> tuple[FloatArray, FloatArray]:
        found = fit_softmax(x, t, penalties=lam)
        return found.weights, found.intercepts

    def predict(model: tuple[FloatArray, FloatArray], x: FloatArray) -> FloatArray:
        weights, constant = model
        return softmax(x @ weights + constant[:, None, :])

    def error(model: tuple[FloatArray, FloatArray], x: FloatArray) -> FloatArray:
        return np.square(predict(model, x) - trial.y_test).mean(axis=(1, 2))

    teachers = {int(m): fit(trial.weak[:m], trial.y[:m]) for m in np.unique(ns)}
    baselines = {int(m): fit(trial.strong[:m], trial.y[:m]) for m in np.unique(ns)}
    errors = np.empty((4, len(ns), len(lam)))
    for i, (m, big) in enumerate(zip(ns.tolist(), big_ns.tolist(), strict=True)):
        last = slice(len(trial.y) - big, None)
        pseudo = predict(teachers[m], trial.weak[last])
        if not soft_targets:
            pseudo = np.eye(pseudo.shape[-1])[pseudo.argmax(axis=-1)]
        student = fit(trial.strong[last], pseudo)
        both = np.vstack([trial.strong[:m], trial.strong[last]])
        ceiling = fit(both, np.vstack([trial.y[:m], trial.y[last]]))
        errors[0, i] = error(teachers[m], trial.weak_test)
        errors[1, i] = error(student, trial.strong_test)
        errors[2, i] = error(baselines[m], trial.strong_test)
        errors[3, i] = error(ceiling, trial.strong_test)
    return errors


def _sizes(n: Any, N: Any, pool: int) -> tuple[np.ndarray, np.ndarray]:
    small, big = as_floats("n", n, low=1.0), as_floats("N", N, low=1.0)
    for name, value in (("n", small), ("N", big)):
        if value.ndim > 1 or (value != np.floor(value)).any():
            raise ValueError(f"{name} must be whole numbers on one axis, got {value}")
    try:
        small, big = np.broadcast_arrays(np.atleast_1d(small), np.atleast_1d(big))
    except ValueError:
        raise ValueError(
            f"n and N must broadcast to one list of sizes, got {small.shape} and {big.shape}"
        ) from None
    if (worst := (small + big).max()) > pool:
        raise ValueError(
            f"n + N must be at most the {pool} rows outside the test set, got {worst:g}; "
            "lower n, N or n_test"
        )
    return small.astype(int), big.astype(int)


def _with_noise(y: FloatArray, noise: float, soft: bool, rng: np.random.Generator) -> FloatArray:
    if noise == 0:
        return y
    if not soft:
        return y + noise * rng.normal(size=y.shape)
    k = y.shape[1]
    flipped = np.eye(k)[(y.argmax(axis=1) + rng.integers(1, k, len(y))) % k]
    return np.where(rng.random((len(y), 1)) < noise, flipped, y)


def _ratio(name: str, above: FloatArray, below: FloatArray, of_means: bool) -> FloatArray:
    if of_means:
        above, below = above.mean(axis=1), below.mean(axis=1)
    if (below == 0).any():
        raise ValueError(f"{name} is zero at index {np.argwhere(below == 0)[0].tolist()}")
    ratio = above / below
    return ratio if of_means else ratio.mean(axis=1)
