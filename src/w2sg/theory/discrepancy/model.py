"""A Gaussian world of two models: how their features correlate and where the target lies."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from w2sg._arrays import FloatArray, as_floats, as_whole
from w2sg.theory.discrepancy import _inputs as inputs


class Dimensions(NamedTuple):
    """Two models known by their dimensions only; arrays broadcast.

    The target lies outside both feature spaces with mean square ``gamma``², so that
    ρ_w = ρ_s = γ² and everything else the models predict is noise.

    Attributes:
        d_w: Dimension of the weak features, above 0.
        d_s: Dimension of the strong features, above 0.
        d_sw: Correlation dimension, in [0, min(d_w, d_s)].
        gamma: Root mean square of what neither model can express, at least 0.
    """

    d_w: ArrayLike
    d_s: ArrayLike
    d_sw: ArrayLike
    gamma: ArrayLike = 0.0


@dataclass(frozen=True)
class LatentSample:
    """Rows of whitened features and the noise-free target on them.

    Attributes:
        weak: Weak features, (n, d_w).
        strong: Strong features, (n, d_s).
        target: f_* without label noise, (n,).
    """

    weak: FloatArray
    strong: FloatArray
    target: FloatArray


@dataclass(frozen=True, eq=False)
class LatentModel:
    """Jointly Gaussian whitened features z_s, z_w with E z_s z_wᵀ = C and a linear target.

    f_* = α·z_s + β·z_w + γ g, where g is standard Gaussian and independent of both.

    Args:
        C: Cross-correlation of strong (rows) and weak (columns) features, (d_s, d_w); its
            singular values are the canonical correlations, at most 1.
        alpha: Coefficients of the target on the strong features, (d_s,).
        beta: Coefficients of the target on the weak features, (d_w,).
        gamma: Root mean square of what neither model can express, at least 0.

    Raises:
        ValueError: Shapes that do not fit, a value that is not finite, or a singular value
            of ``C`` above 1.

    Discrepancy note sections 1 and 2.3.

    >>> model = LatentModel([[0.5, 0.0]], alpha=[1.0], beta=[0.0, 1.0])
    >>> model.d_sw, model.a_w.tolist(), model.rho_w, model.rho_s
    (0.25, [0.5, 1.0], 0.75, 1.0)
    """

    C: FloatArray
    alpha: FloatArray
    beta: FloatArray
    gamma: float = 0.0

    def __post_init__(self) -> None:
        """Store the arguments as float64 and refuse what no pair of features can have."""
        C = inputs.cross_correlation("C", self.C)
        alpha, beta = as_floats("alpha", self.alpha, ndim=1), as_floats("beta", self.beta, ndim=1)
        gamma = as_floats("gamma", self.gamma, low=0.0, ndim=0)
        if alpha.size != C.shape[0]:
            raise ValueError(
                f"alpha must have one entry for each of the {C.shape[0]} rows of C (strong "
                f"features), got {alpha.size}"
            )
        if beta.size != C.shape[1]:
            raise ValueError(
                f"beta must have one entry for each of the {C.shape[1]} columns of C (weak "
                f"features), got {beta.size}"
            )
        for name, value in {"C": C, "alpha": alpha, "beta": beta, "gamma": float(gamma)}.items():
            object.__setattr__(self, name, value)

    @property
    def d_w(self) -> int:
        """Dimension of the weak features."""
        return self.C.shape[1]

    @property
    def d_s(self) -> int:
        """Dimension of the strong features."""
        return self.C.shape[0]

    @cached_property
    def d_sw(self) -> float:
        """Correlation dimension ‖C‖²_F, in [0, min(d_w, d_s)]."""
        return min(float((self.C**2).sum()), float(min(self.C.shape)))

    @cached_property
    def a_w(self) -> FloatArray:
        """Best weak coefficients β + Cᵀα, (d_w,)."""
        return self.beta + self.C.T @ self.alpha

    @cached_property
    def a_s(self) -> FloatArray:
        """Best strong coefficients α + Cβ, (d_s,)."""
        return self.alpha + self.C @ self.beta

    @cached_property
    def rho_w(self) -> float:
        """Mean square of the target outside the weak span, γ² + |α|² − |Cᵀα|²."""
        return self.gamma**2 + _remainder(self.alpha, self.C.T @ self.alpha)

    @cached_property
    def rho_s(self) -> float:
        """Mean square of the target outside the strong span, γ² + |β|² − |Cβ|²."""
        return self.gamma**2 + _remainder(self.beta, self.C @ self.beta)

    @cached_property
    def misfit(self) -> float:
        """Disagreement of student and teacher with infinite data, ‖a_w‖² − ‖C a_w‖²."""
        return _remainder(self.a_w, self.C @ self.a_w)

    @cached_property
    def inherited_bias(self) -> float:
        """The teacher's bias that the student takes over, ‖a_s − C a_w‖² ≤ ρ_w."""
        return float(((self.a_s - self.C @ self.a_w) ** 2).sum())

    @cached_property
    def _weak_root(self) -> FloatArray:
        values, vectors = np.linalg.eigh(np.eye(self.d_w) - self.C.T @ self.C)
        return np.sqrt(values.clip(0.0))[:, None] * vectors.T

    def sample(self, n: int, seed: int = 0) -> LatentSample:
        """Draw n independent rows.

        Args:
            n: Number of rows, at least 1.
            seed: Seed of the draw.

        Returns:
            Features and noise-free target.

        >>> LatentModel([[1.0]], [1.0], [0.0]).sample(5).strong.shape
        (5, 1)
        """
        return self.draw(np.random.default_rng(seed), (as_whole("n", n, low=1),))

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> LatentSample:
        """Draw rows of any leading shape, (..., d), from a generator.

        >>> model = LatentModel([[1.0]], [1.0], [0.0])
        >>> model.draw(np.random.default_rng(0), (7, 5)).target.shape
        (7, 5)
        """
        strong = rng.standard_normal((*shape, self.d_s))
        weak = strong @ self.C + rng.standard_normal((*shape, self.d_w)) @ self._weak_root
        target = strong @ self.alpha + weak @ self.beta
        if self.gamma:
            target = target + self.gamma * rng.standard_normal(shape)
        return LatentSample(weak, strong, target)


@dataclass(frozen=True)
class Geometry:
    """The ten numbers of two models and a target that ridgeless risks depend on."""

    d_w: FloatArray
    d_s: FloatArray
    d_sw: FloatArray
    rho_w: FloatArray
    rho_s: FloatArray
    weak_norm: FloatArray  # |a_w|²
    strong_norm: FloatArray  # |a_s|²
    passed_norm: FloatArray  # |C a_w|²
    misfit: FloatArray  # |a_w|² − |C a_w|²
    inherited_bias: FloatArray  # |a_s − C a_w|²


def geometry(model: LatentModel | Dimensions | tuple | list) -> Geometry:
    """Reduce a model, or bare dimensions, to the numbers that its risks depend on.

    >>> float(geometry((200, 100, 10)).rho_w)
    0.0
    """
    if isinstance(model, LatentModel):
        passed = model.C @ model.a_w
        values = (
            model.d_w, model.d_s, model.d_sw, model.rho_w, model.rho_s, model.a_w @ model.a_w,
            model.a_s @ model.a_s, passed @ passed, model.misfit, model.inherited_bias,
        )  # fmt: skip
        return Geometry(*(np.asarray(value, dtype=np.float64) for value in values))
    if not isinstance(model, tuple | list) or len(model) not in (3, 4):
        raise ValueError(
            "model must be a LatentModel, Dimensions or three dimensions (d_w, d_s, d_sw), got "
            f"{model!r}"
        )
    d_w, d_s, d_sw, gamma = Dimensions(*model)
    d_w, d_s, d_sw = inputs.dimensions(d_w, d_s, d_sw)
    rho, zero = inputs.noise("gamma", gamma) ** 2, np.zeros(())
    return Geometry(d_w, d_s, d_sw, rho, rho, zero, zero, zero, zero, zero)


def synthetic_task(
    d_w: int = 200,
    d_s: int = 100,
    d_gt: int = 300,
    d_off: int = 90,
    d: int = 20000,
    cov_pow: float = 1.0,
) -> LatentModel:
    """Return the paper's synthetic regression as a model.

    Independent latent coordinates z₁ … z_d; the student sees the first d_s, the teacher d_w of
    them after skipping d_off, and f_* = Σ_{i ≤ d_gt} i^(−cov_pow/2) z_i / √d. The overlap is the
    number of coordinates that both see. The paper draws signs at random; no risk depends on them.

    Args:
        d_w: Coordinates of the teacher, at least 1.
        d_s: Coordinates of the student, at least 1.
        d_gt: Coordinates of the target, at least 1.
        d_off: Coordinates the teacher skips, at least 0.
        d: Latent dimension, at least what anyone uses.
        cov_pow: Decay of the target's power, at least 0.

    Returns:
        The model; ``alpha`` carries the student's coordinates, ``beta`` the rest of the
        teacher's, ``gamma`` what neither sees.

    Raises:
        ValueError: A count that is too small, or ``d`` too small for the others.

    Section 5 of the paper; discrepancy note section 4.2, from the released code.

    >>> model = synthetic_task(d_off=50)
    >>> model.d_sw, f"{model.rho_w:.6e}", f"{model.rho_s:.6e}"
    (50.0, '2.340597e-04', '5.476432e-05')
    """
    for name, value, least in (
        ("d_w", d_w, 1), ("d_s", d_s, 1), ("d_gt", d_gt, 1), ("d_off", d_off, 0),
    ):  # fmt: skip
        as_whole(name, value, low=least)
    if as_whole("d", d, low=1) < (needed := max(d_s, d_off + d_w, d_gt)):
        raise ValueError(f"d must be at least {needed}, the last coordinate in use, got {d}")
    cov_pow = float(as_floats("cov_pow", cov_pow, low=0.0, ndim=0))
    coefficient = np.zeros(d)
    coefficient[:d_gt] = np.arange(1, d_gt + 1) ** (-cov_pow / 2) / np.sqrt(d)
    weak_first = max(d_off, d_s)  # the first coordinate that is the teacher's alone
    beta = np.zeros(d_w)
    beta[weak_first - d_off :] = coefficient[weak_first : d_off + d_w]
    unseen = coefficient.copy()
    unseen[:d_s] = unseen[d_off : d_off + d_w] = 0.0
    return LatentModel(
        C=np.equal.outer(np.arange(d_s), d_off + np.arange(d_w)).astype(float),
        alpha=coefficient[:d_s],
        beta=beta,
        gamma=float(np.linalg.norm(unseen)),
    )


def _remainder(whole: FloatArray, part: FloatArray) -> float:
    """|whole|² − |part|², where a projection can only shorten."""
    return max(float(whole @ whole - part @ part), 0.0)
