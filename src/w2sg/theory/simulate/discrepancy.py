"""Monte Carlo twins of `w2sg.theory.discrepancy`: draw features, fit, measure the error.

Every twin draws Gaussian features and label noise, solves least squares as a user would, and
averages squared errors, which are exact given the fitted coefficients. Nothing here uses a
formula of the theory it checks. `proportional_limit` has its twin in `variance_w2s` at large
samples; the bounds, `thresholds` and `optimal_labels` are statements about `risk_summary`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from w2sg._arrays import FloatArray
from w2sg._seeds import child_seed
from w2sg.theory.discrepancy.model import LatentModel
from w2sg.theory.discrepancy.variance import Where
from w2sg.theory.simulate.estimate import Estimate

_BATCH_NUMBERS = 2_000_000  # float64 numbers that one batch of feature matrices may take


@dataclass(frozen=True)
class SimulatedRisks:
    """Excess risks of the four predictors and their ratios, each with its standard error.

    The ratios are those of mean risks, as in the theory; a mean of per-trial ratios is another
    number, far off where a gap can be near zero. Their errors are linearised.

    Attributes:
        teacher_risk: Weak features, n true labels.
        student_risk: Strong features, N labels of the teacher.
        baseline_risk: Strong features, the same n true labels.
        ceiling_risk: Strong features, all n + N true labels.
        pgr: (teacher − student)/(teacher − ceiling).
        opr: baseline/student.
    """

    teacher_risk: Estimate
    student_risk: Estimate
    baseline_risk: Estimate
    ceiling_risk: Estimate
    pgr: Estimate
    opr: Estimate


def kappa(d: int, m: int, *, repetitions: int = 2000, seed: int = 0) -> Estimate:
    """Average tr (XᵀX)⁻¹ over m × d standard Gaussian matrices.

    Args:
        d: Columns, at least 1.
        m: Rows, at least d + 2.
        repetitions: Number of draws, at least 2.
        seed: Root seed.

    >>> bool(kappa(3, 14, repetitions=500).distance(3 / 10) < 4)
    True
    """

    def draw(rng: np.random.Generator, count: int) -> FloatArray:
        X = rng.standard_normal((count, m, d))
        return np.trace(np.linalg.inv(X.mT @ X), axis1=-2, axis2=-1)[:, None]

    return _estimate(_draws(draw, m * d, repetitions, seed)[:, 0])


def variance_ols(
    d: int,
    m: int,
    sigma2: float = 1.0,
    where: Where = "population",
    intercept: bool = False,
    *,
    repetitions: int = 2000,
    seed: int = 0,
) -> Estimate:
    """Average the squared prediction of a fit to pure noise.

    Args:
        d: Dimension of the features.
        m: Number of rows.
        sigma2: Variance of the labels.
        where: ``"population"`` for fresh inputs, ``"train"`` for the fitted rows.
        intercept: Whether a constant is fitted.
        repetitions: Number of draws, at least 2.
        seed: Root seed.

    >>> bool(variance_ols(3, 14, repetitions=500).distance(3 / 10) < 4)
    True
    """

    def draw(rng: np.random.Generator, count: int) -> FloatArray:
        X = _with_constant(rng.standard_normal((count, m, d)), intercept)
        coef = fit(X, np.sqrt(sigma2) * rng.standard_normal((count, m)))
        if where == "train":
            return (_predict(X, coef) ** 2).mean(axis=-1)[:, None]
        return (coef**2).sum(axis=-1)[:, None]

    return _estimate(_draws(draw, m * (d + 1), repetitions, seed)[:, 0])


def variance_w2s(
    d_w: int,
    d_s: int,
    d_sw: float,
    n: int,
    N: int,
    sigma2: float = 1.0,
    where: Where = "population",
    intercept: bool = False,
    *,
    repetitions: int = 2000,
    seed: int = 0,
) -> Estimate:
    """Average the squared prediction of a student of a teacher fitted to pure noise.

    All canonical correlations are equal, so that no angle is 0° or 90° unless all are.

    Args:
        d_w: Dimension of the weak features.
        d_s: Dimension of the strong features.
        d_sw: Correlation dimension, in [0, min(d_w, d_s)].
        n: Number of noisy labels.
        N: Number of pseudo-labelled rows.
        sigma2: Variance of the labels.
        where: ``"population"`` for fresh inputs, ``"train"`` for the pseudo-labelled rows.
        intercept: Whether teacher and student fit a constant.
        repetitions: Number of draws, at least 2.
        seed: Root seed.

    >>> bool(variance_w2s(4, 3, 1, 15, 14, repetitions=1000).distance(1 / 10 * (1 + 0.3 * 3)) < 4)
    True
    """
    smaller = min(d_w, d_s)
    C = np.eye(d_s, d_w) * np.sqrt(d_sw / smaller)
    model = LatentModel(C, np.zeros(d_s), np.zeros(d_w))

    def draw(rng: np.random.Generator, count: int) -> FloatArray:
        labelled = _with_constant(rng.standard_normal((count, n, d_w)), intercept)
        teacher = fit(labelled, np.sqrt(sigma2) * rng.standard_normal((count, n)))
        rows = model.draw(rng, (count, N))
        weak, strong = (_with_constant(x, intercept) for x in (rows.weak, rows.strong))
        student = fit(strong, _predict(weak, teacher))
        if where == "train":
            return (_predict(strong, student) ** 2).mean(axis=-1)[:, None]
        return (student**2).sum(axis=-1)[:, None]

    return _estimate(_draws(draw, n * d_w + N * (d_w + d_s), repetitions, seed)[:, 0])


def risk_summary(
    model: LatentModel,
    n: int,
    N: int,
    sigma2: float = 1.0,
    *,
    repetitions: int = 2000,
    seed: int = 0,
) -> SimulatedRisks:
    """Average the excess risks of teacher, student, baseline and ceiling.

    Args:
        model: Features and target.
        n: Number of labelled rows.
        N: Number of pseudo-labelled rows.
        sigma2: Variance of the label noise.
        repetitions: Number of draws, at least 2.
        seed: Root seed.

    >>> risks = risk_summary(LatentModel(np.eye(2), [1, 0], [0, 0]), 13, 12, repetitions=500)
    >>> bool(risks.teacher_risk.distance(0.2) < 4)
    True
    """

    def draw(rng: np.random.Generator, count: int) -> FloatArray:
        rows = model.draw(rng, (count, n + N))
        labels = rows.target + np.sqrt(sigma2) * rng.standard_normal((count, n + N))
        teacher = fit(rows.weak[:, :n], labels[:, :n])
        student = fit(rows.strong[:, n:], _predict(rows.weak[:, n:], teacher))
        baseline = fit(rows.strong[:, :n], labels[:, :n])
        ceiling = fit(rows.strong, labels)
        return np.stack(
            [_risk(teacher, model.a_w, model.rho_w)]
            + [_risk(coef, model.a_s, model.rho_s) for coef in (student, baseline, ceiling)],
            axis=-1,
        )

    numbers = (n + N) * (model.d_w + model.d_s)
    return _four_risks(_draws(draw, numbers, repetitions, seed))


def chain_risks(
    Cs: Sequence[ArrayLike],
    targets: Sequence[tuple[ArrayLike, float]],
    sizes: Sequence[int],
    sigma2: float = 1.0,
    *,
    repetitions: int = 2000,
    seed: int = 0,
) -> Estimate:
    """Average the excess risk of each model of a chain, fresh inputs at every stage.

    Args:
        Cs: Cross-correlations, (d_i, d_{i−1}).
        targets: Pairs of best coefficients and approximation error.
        sizes: Number of rows of each stage.
        sigma2: Variance of the label noise of the first stage.
        repetitions: Number of draws, at least 2.
        seed: Root seed.

    Returns:
        Means and standard errors, (models,).

    >>> out = chain_risks([np.eye(2)], [(np.ones(2), 0.0)] * 2, [13, 20], repetitions=500)
    >>> bool((out.distance(0.2) < 4).all())
    True
    """
    coefs = [np.asarray(a, dtype=np.float64) for a, _ in targets]
    crosses = [np.asarray(C, dtype=np.float64) for C in Cs]
    pairs = [LatentModel(C, np.zeros(C.shape[0]), np.zeros(C.shape[1])) for C in crosses]

    def draw(rng: np.random.Generator, count: int) -> FloatArray:
        X = rng.standard_normal((count, sizes[0], coefs[0].size))
        spread = np.sqrt(sigma2 + targets[0][1])
        coef = fit(X, X @ coefs[0] + spread * rng.standard_normal((count, sizes[0])))
        risks = [_risk(coef, coefs[0], targets[0][1])]
        for pair, a, (_, rho), m in zip(pairs, coefs[1:], targets[1:], sizes[1:], strict=True):
            rows = pair.draw(rng, (count, m))
            coef = fit(rows.strong, _predict(rows.weak, coef))
            risks.append(_risk(coef, a, rho))
        return np.stack(risks, axis=-1)

    widest = max(a.size for a in coefs)
    return _estimate(_draws(draw, 2 * max(sizes) * widest, repetitions, seed))


def ridge_equivalent(
    spectra: tuple[FloatArray, FloatArray],
    model: LatentModel,
    n: int,
    N: int,
    ridges: tuple[float, float] = (0.0, 0.0),
    sigma2: float = 1.0,
    *,
    repetitions: int = 200,
    seed: int = 0,
) -> SimulatedRisks:
    """Average the four risks of ridge regression on features with given spectra.

    Args:
        spectra: Eigenvalues of the weak and of the strong covariance.
        model: Whitened features in the two eigenbases, and the target.
        n: Number of labelled rows.
        N: Number of pseudo-labelled rows.
        ridges: Penalty of the teacher, and of the other three.
        sigma2: Variance of the label noise.
        repetitions: Number of draws, at least 2.
        seed: Root seed.

    >>> model = LatentModel(np.eye(2), [1, 0], [0, 0])
    >>> risks = ridge_equivalent((np.ones(2), np.ones(2)), model, 13, 12, repetitions=500)
    >>> bool(risks.teacher_risk.distance(0.2) < 4)
    True
    """
    root_w, root_s = (np.sqrt(np.asarray(values, dtype=np.float64)) for values in spectra)
    ridge_w, ridge_s = ridges

    def draw(rng: np.random.Generator, count: int) -> FloatArray:
        rows = model.draw(rng, (count, n + N))
        weak, strong = rows.weak * root_w, rows.strong * root_s
        labels = rows.target + np.sqrt(sigma2) * rng.standard_normal((count, n + N))
        teacher = fit(weak[:, :n], labels[:, :n], ridge_w)
        student = fit(strong[:, n:], _predict(weak[:, n:], teacher), ridge_s)
        baseline = fit(strong[:, :n], labels[:, :n], ridge_s)
        ceiling = fit(strong, labels, ridge_s)
        return np.stack(
            [_risk(teacher * root_w, model.a_w, model.rho_w)]
            + [
                _risk(coef * root_s, model.a_s, model.rho_s)
                for coef in (student, baseline, ceiling)
            ],
            axis=-1,
        )

    numbers = (n + N) * (model.d_w + model.d_s)
    return _four_risks(_draws(draw, numbers, repetitions, seed))


def surrogate_risk(
    lam: FloatArray,
    a: FloatArray,
    weights: FloatArray,
    n: int,
    ridge: float = 0.0,
    *,
    repetitions: int = 200,
    seed: int = 0,
) -> Estimate:
    """Average the risk, against the truth, of a student fitted to a surrogate's labels.

    The twin of the three risks of `optimal_surrogate`.

    Args:
        lam: Eigenvalues of the student's covariance, (d,).
        a: True whitened coefficients, (d,).
        weights: Whitened coefficients of the surrogate, (d,).
        n: Number of surrogate labels.
        ridge: Penalty of the student.
        repetitions: Number of draws, at least 2.
        seed: Root seed.

    >>> ones = np.ones(10)
    >>> bool(surrogate_risk(ones, ones, ones, 5).distance(5.0) < 4)
    True
    """
    root = np.sqrt(np.asarray(lam, dtype=np.float64))

    def draw(rng: np.random.Generator, count: int) -> FloatArray:
        Z = rng.standard_normal((count, n, root.size))
        return _risk(fit(Z * root, Z @ weights, ridge) * root, a, 0.0)[:, None]

    return _estimate(_draws(draw, n * root.size, repetitions, seed)[:, 0])


def fit(X: FloatArray, y: FloatArray, ridge: float = 0.0) -> FloatArray:
    """Solve a stack of least-squares problems, minimum norm where there are fewer rows.

    Args:
        X: Features, (count, m, d).
        y: Labels, (count, m).
        ridge: Penalty added to the Gram matrix.

    Returns:
        Coefficients, (count, d).

    >>> fit(np.array([[[2.0, 0.0]]]), np.array([[1.0]])).tolist()
    [[0.5, 0.0]]
    """
    rows, columns = X.shape[-2:]
    if rows >= columns:
        gram = X.mT @ X + ridge * np.eye(columns)
        return np.linalg.solve(gram, X.mT @ y[..., None])[..., 0].astype(np.float64)
    gram = X @ X.mT + ridge * np.eye(rows)
    return (X.mT @ np.linalg.solve(gram, y[..., None]))[..., 0].astype(np.float64)


def _draws(
    draw: Callable[[np.random.Generator, int], FloatArray],
    numbers: int,
    repetitions: int,
    seed: int,
) -> FloatArray:
    """Stack what ``draw(rng, count)`` returns, (repetitions, k), in batches that fit in memory."""
    if repetitions < 2:
        raise ValueError(f"repetitions must be at least 2 for a standard error, got {repetitions}")
    size = max(1, min(repetitions, _BATCH_NUMBERS // numbers))
    counts = [size] * (repetitions // size) + [repetitions % size] * (repetitions % size > 0)
    return np.concatenate(
        [
            draw(np.random.default_rng(child_seed(seed, "batch", i)), count)
            for i, count in enumerate(counts)
        ]
    )


def _estimate(values: FloatArray) -> Estimate:
    return Estimate(values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(len(values)))


def _four_risks(values: FloatArray) -> SimulatedRisks:
    teacher, student, baseline, ceiling = values.T
    return SimulatedRisks(
        *(_estimate(column) for column in values.T),
        pgr=_ratio(teacher - student, teacher - ceiling),
        opr=_ratio(baseline, student),
    )


def _ratio(top: FloatArray, bottom: FloatArray) -> Estimate:
    mean = top.mean() / bottom.mean()
    spread = _estimate((top - mean * bottom) / bottom.mean())
    return Estimate(mean, spread.standard_error)


def _predict(X: FloatArray, coef: FloatArray) -> FloatArray:
    return (X @ coef[..., None])[..., 0]


def _risk(coef: FloatArray, best: FloatArray, rho: float) -> FloatArray:
    return rho + ((coef - best) ** 2).sum(axis=-1)


def _with_constant(X: FloatArray, intercept: bool) -> FloatArray:
    return np.concatenate([np.ones((*X.shape[:-1], 1)), X], axis=-1) if intercept else X
