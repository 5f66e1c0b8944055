"""A forecast from data: covariance, noise and signal estimated, the student's risk predicted."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize_scalar

from w2sg._arrays import FloatArray, as_floats
from w2sg.theory.weighted_ridge.fits import fit_weighted_ridge
from w2sg.theory.weighted_ridge.grid import risk_grid
from w2sg.theory.weighted_ridge.quadratic_forms import as_form


@dataclass(frozen=True)
class StudentForecast:
    """What a student of this teacher will do, over its penalties.

    Attributes:
        lam_t: The teacher's penalty λ_t, given or of least predicted risk.
        lam_s: Student penalties, shape (B,).
        teacher_risk: Predicted excess risk of the teacher.
        student_risk: Predicted excess risks of the student, shape (B,).
        recommended: The λ_s of least predicted risk.
        sigma2: Estimated label noise σ².
        signal: Estimated variance of the noiseless labels, tr(ΣΣ_β).
        Sigma: Estimated covariance, shape (d, d).
        measured_teacher: Held-out mean squared error of the teacher, ``None`` without test data.
        measured_student: The same of the students, shape (B,); it estimates the excess risk + σ².
        measured_error: Standard error of ``measured_student`` over test rows.
    """

    lam_t: float
    lam_s: FloatArray
    teacher_risk: float
    student_risk: FloatArray
    recommended: float
    sigma2: float
    signal: float
    Sigma: FloatArray
    measured_teacher: float | None
    measured_student: FloatArray | None
    measured_error: FloatArray | None

    @property
    def gain(self) -> float:
        """Predicted fall of the risk from the teacher to the recommended student."""
        return self.teacher_risk - float(self.student_risk.min())

    @property
    def regret(self) -> float | None:
        """Held-out error of the recommended student above the best of the grid."""
        if self.measured_student is None:
            return None
        chosen = self.measured_student[int(np.argmin(self.student_risk))]
        return float(chosen - self.measured_student.min())


def from_data(
    X_t: ArrayLike,
    X_u: ArrayLike,
    y_t: ArrayLike,
    lam_t: float | None = None,
    Gamma_t: ArrayLike | None = None,
    Gamma_s: ArrayLike | None = None,
    lam_s: ArrayLike | None = None,
    prior: ArrayLike | None = None,
    X_test: ArrayLike | None = None,
    y_test: ArrayLike | None = None,
) -> StudentForecast:
    """Predict the risk of a student over its penalties from labelled and unlabelled data.

    Σ is the Ledoit–Wolf shrinkage covariance of all inputs. Under β⋆ ~ (0, ρσ²S) the noise σ²
    and the ratio ρ maximise the restricted likelihood of the labels, y ~ N(μ1, σ²(I + ρXSXᵀ)),
    which is consistent also for fixed coefficients when S is rotation invariant under Σ. The
    risks are those of ``risk_grid`` with the prior ρσ²S, and n − 1 for each mean removed.

    Args:
        X_t: Labelled inputs (n_t, d).
        X_u: Unlabelled inputs for the student (n_u, d).
        y_t: Labels (n_t,).
        lam_t: Teacher penalty λ_t; it multiplies Γ_t next to XᵀX/n_t. ``None`` takes the one of
            least predicted risk.
        Gamma_t: Teacher penalty Γ_t, (d, d) or diagonal (d,); I if ``None``.
        Gamma_s: Student penalty Γ_s, the same.
        lam_s: Student penalties (B,) to predict at; each multiplies Γ_s next to XᵀX/n_u. ``None``
            spans six decades around tr Σ/tr Γ_s.
        prior: Shape S of the prior covariance of β⋆, (d, d) or diagonal (d,); I if ``None``.
        X_test: Held-out inputs (m, d).
        y_test: Held-out labels (m,).

    Returns:
        The forecast, with measured errors if test data are given.

    Raises:
        ValueError: A shape or sign is wrong, too few rows, constant labels, or only one of
            ``X_test`` and ``y_test``.

    Source: note on mechanisms, Result 17; covariance after Ledoit and Wolf (2004); likelihood as
    in Dicker and Erdogdu (2016), from memory.

    >>> rng = np.random.default_rng(0)
    >>> X, beta = rng.standard_normal((500, 20)), rng.standard_normal(20) / 20**0.5
    >>> y = X[:60] @ beta + rng.standard_normal(60)
    >>> forecast = from_data(X[:60], X[60:], y, lam_t=0.01)
    >>> forecast.gain > 0
    True
    """
    x_t, x_u = as_floats("X_t", X_t, ndim=2), as_floats("X_u", X_u, ndim=2)
    labels = as_floats("y_t", y_t, ndim=1)
    d = x_t.shape[1]
    if x_u.shape[1] != d or len(labels) != len(x_t):
        raise ValueError(
            "X_u must have the columns of X_t and y_t one label per row of X_t, got "
            f"X_t {x_t.shape}, X_u {x_u.shape}, y_t {labels.shape}"
        )
    for name, x in (("X_t", x_t), ("X_u", x_u)):
        if len(x) < 3:
            raise ValueError(f"{name} must have at least 3 rows, got {len(x)}")
    forms = [
        np.ones(d) if value is None else as_form(name, value, definite=definite)
        for name, value, definite in (
            ("Gamma_t", Gamma_t, True),
            ("Gamma_s", Gamma_s, True),
            ("prior", prior, False),
        )
    ]
    for name, form in zip(("Gamma_t", "Gamma_s", "prior"), forms, strict=True):
        if len(form) != d:
            raise ValueError(f"{name} must have {d} rows to match X_t, got shape {form.shape}")
    gamma_t, gamma_s, shape = forms
    if (X_test is None) != (y_test is None):
        raise ValueError("X_test and y_test go together: give both or neither")

    sigma = shrunk_covariance(np.vstack([x_t - x_t.mean(axis=0), x_u - x_u.mean(axis=0)]))
    noise, ratio = variance_components(x_t, labels, shape)
    target = ratio * noise * (np.diag(shape) if shape.ndim == 1 else shape)
    counts = len(x_t) - 1, len(x_u) - 1
    if lam_t is None:
        search = _span(sigma, gamma_t)
        risks = risk_grid(
            sigma, target, gamma_t, search, counts[0], gamma_s, 1.0, counts[1], noise
        ).teacher_risk
        lam_t = float(search[np.argmin(risks)])
    penalties = _span(sigma, gamma_s) if lam_s is None else np.atleast_1d(as_floats("lam_s", lam_s))
    grid = risk_grid(sigma, target, gamma_t, lam_t, counts[0], gamma_s, penalties, counts[1], noise)
    student_risk = grid.student_risk[0]
    measured = (None, None, None)
    if X_test is not None and y_test is not None:
        test = as_floats("X_test", X_test, ndim=2), as_floats("y_test", y_test, ndim=1)
        if test[0].shape != (len(test[1]), d):
            raise ValueError(
                f"X_test must be ({len(test[1])}, {d}) to match y_test, got {test[0].shape}"
            )
        measured = _measure(x_t, x_u, labels, gamma_t, lam_t, gamma_s, penalties, test)
    return StudentForecast(
        lam_t=lam_t,
        lam_s=penalties,
        teacher_risk=float(grid.teacher_risk[0]),
        student_risk=student_risk,
        recommended=float(penalties[np.argmin(student_risk)]),
        sigma2=noise,
        signal=float(np.vdot(sigma, target)),
        Sigma=sigma,
        measured_teacher=measured[0],
        measured_student=measured[1],
        measured_error=measured[2],
    )


def shrunk_covariance(centred: FloatArray) -> FloatArray:
    """Return the Ledoit–Wolf covariance of rows whose mean was removed.

    (1 − s)S + s(tr S/d)I with the s that minimises the expected squared Frobenius error.

    Args:
        centred: Inputs (n, d).

    Returns:
        The covariance (d, d), positive definite unless all inputs are 0.

    Source: Ledoit and Wolf (2004), A well-conditioned estimator, from memory.

    >>> shrunk_covariance(np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]))
    array([[0.5, 0. ],
           [0. , 0.5]])
    """
    n, d = centred.shape
    sample = centred.T @ centred / n
    mean = float(np.trace(sample)) / d
    spread = float(np.vdot(sample, sample)) - d * mean**2
    rows = np.einsum("ij,ij->i", centred, centred)
    variance = (float((rows**2).sum()) / n - float(np.vdot(sample, sample))) / n
    share = 1.0 if spread <= 0 else float(np.clip(variance / spread, 0.0, 1.0))
    shrunk = (1 - share) * sample
    shrunk[np.diag_indices(d)] += share * mean
    return shrunk


def variance_components(x: FloatArray, y: FloatArray, shape: FloatArray) -> tuple[float, float]:
    """Return the restricted maximum-likelihood σ² and ρ of y ~ N(μ1, σ²(I + ρXSXᵀ)).

    Args:
        x: Inputs (n, d).
        y: Labels (n,).
        shape: S, (d, d) or diagonal (d,).

    Returns:
        (σ², ρ), both above 0; ρ ends at the edge of its range where the labels show no signal.

    Raises:
        ValueError: All labels are equal, or the inputs do not vary.

    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((400, 10))
    >>> y = x @ rng.standard_normal(10) + rng.standard_normal(400)
    >>> round(variance_components(x, y, np.ones(10))[0], 1)
    1.0
    """
    centred, labels = x - x.mean(axis=0), y - y.mean()
    if not labels.any():
        raise ValueError("y_t must not be constant: no signal can be estimated from it")
    weighted = centred * shape if shape.ndim == 1 else centred @ shape
    inner = weighted @ centred.T
    size = float(np.trace(inner))
    if size <= 0:
        raise ValueError("X_t must vary in the directions that prior allows")
    # the constant direction carries the mean that was removed; lifted above all others it comes
    # out last, and n − 1 squares remain
    values, vectors = np.linalg.eigh(inner + 2 * size / len(x))
    values, vectors = np.maximum(values[:-1], 0.0), vectors[:, :-1]
    squares = (vectors.T @ labels) ** 2

    def cost(log_ratio: float) -> float:
        weights = 1 + np.exp(log_ratio) * values
        return len(values) * np.log((squares / weights).mean()) + np.log(weights).sum()

    middle = -np.log(values.mean())
    grid = middle + np.linspace(-14, 14, 57)
    best = int(np.argmin([cost(point) for point in grid]))
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    found: Any = minimize_scalar(cost, bounds=(low, high), method="bounded")
    ratio = float(np.exp(found.x))
    return float((squares / (1 + ratio * values)).mean()), ratio


def _measure(
    x_t: FloatArray,
    x_u: FloatArray,
    labels: FloatArray,
    gamma_t: FloatArray,
    lam_t: float,
    gamma_s: FloatArray,
    penalties: FloatArray,
    test: tuple[FloatArray, FloatArray],
) -> tuple[float, FloatArray, FloatArray]:
    mean_t, mean_u, level = x_t.mean(axis=0), x_u.mean(axis=0), labels.mean()
    teacher = fit_weighted_ridge(x_t - mean_t, labels - level, lam_t, gamma_t)
    truth = test[1] - level
    squared = (truth - (test[0] - mean_t) @ teacher) ** 2
    centred = x_u - mean_u
    targets = centred @ teacher
    students = np.stack(
        [fit_weighted_ridge(centred, targets, penalty, gamma_s) for penalty in penalties], axis=1
    )
    offset = (mean_u - mean_t) @ teacher
    errors = (truth[:, None] - (test[0] - mean_u) @ students - offset) ** 2
    spread = errors.std(axis=0, ddof=1) / np.sqrt(len(truth))
    return float(squared.mean()), errors.mean(axis=0), spread


def _span(sigma: FloatArray, gamma: FloatArray) -> FloatArray:
    weight = gamma.sum() if gamma.ndim == 1 else np.trace(gamma)
    return np.geomspace(1e-4, 1e2, 49) * float(np.trace(sigma) / weight)
