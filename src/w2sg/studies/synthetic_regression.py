"""The measurements behind the figures of "Discrepancies are Virtue": fits of the synthetic task."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from w2sg._seeds import child_seed

Array = NDArray[np.float64]

D_W, D_S, D_GT, D = 200, 100, 300, 20000
N_LABELS, N_PSEUDO = 2000, 4000
GRID = np.linspace(400, 4000, 20).astype(int).astype(float)  # whole numbers
OVERLAPS = (10, 50, 90)
PREDICTORS = ("teacher_risk", "student_risk", "baseline_risk", "ceiling_risk")


@dataclass(frozen=True)
class Measurements:
    """Excess risks of the synthetic task, trial by trial.

    Attributes:
        risks: For each sweep ("n" or "N"), overlap and noise level, an array (trials, points,
            4) with the predictors in the order of ``PREDICTORS``.
    """

    risks: dict[tuple[str, int, float], Array]


def measure(trials: int = 40, seed: int = 0) -> Measurements:
    """Fit teacher, student, baseline and ceiling on every sample size of the figures.

    Sample sizes of one trial are nested, so that each fit needs only a sum of Gram matrices;
    labels are signal + σ · noise, so that every noise level shares the fits.

    Args:
        trials: Independent data sets for each point, at least 2.
        seed: Root seed.

    >>> measure(trials=2).risks["n", 10, 0.01].shape
    (2, 20, 4)
    """
    if trials < 2:
        raise ValueError(f"trials must be at least 2 for a spread, got {trials}")
    keys = [(d_sw, sigma2) for d_sw in OVERLAPS for sigma2 in (0.01, 4e-4)]
    risks = {(sweep, *key): np.empty((trials, len(GRID), 4)) for sweep in "nN" for key in keys}
    for trial in range(trials):
        rng = np.random.default_rng(child_seed(seed, "trial", trial))
        signs = rng.choice([-1.0, 1.0], D_GT)
        target = signs / np.sqrt(np.arange(1, D_GT + 1) * D)
        for sweep in "nN":
            swept = _grams(rng, GRID)
            ((fixed_gram, fixed_noise),) = _grams(
                rng, np.array([N_PSEUDO if sweep == "n" else N_LABELS])
            )
            for point, (gram, noise) in enumerate(swept):
                labelled = (gram, noise) if sweep == "n" else (fixed_gram, fixed_noise)
                unlabelled = (fixed_gram, fixed_noise) if sweep == "n" else (gram, noise)
                for d_sw in OVERLAPS:
                    errors = _errors(labelled, unlabelled, target, D_S - d_sw)
                    for sigma2 in (0.01, 4e-4):
                        mixed = errors[..., 0] + np.sqrt(sigma2) * errors[..., 1]
                        risks[sweep, d_sw, sigma2][trial, point] = (mixed**2).sum(axis=-1)
    return Measurements(risks)


def _grams(rng: np.random.Generator, sizes: Array) -> list[tuple[Array, Array]]:
    """Gram matrix and noise correlation of the first m rows, for each m of rising sizes."""
    gram, noise, out = np.zeros((D_GT, D_GT)), np.zeros(D_GT), []
    for rows in np.diff(sizes, prepend=0).astype(int).tolist():
        Z = rng.standard_normal((rows, D_GT))
        gram, noise = gram + Z.T @ Z, noise + Z.T @ rng.standard_normal(rows)
        out.append((gram, noise))
    return out


def _errors(
    labelled: tuple[Array, Array], unlabelled: tuple[Array, Array], target: Array, d_off: int
) -> Array:
    """Coefficient errors of the four predictors from signal and from unit noise, (4, d, 2)."""
    weak, strong = slice(d_off, d_off + D_W), slice(0, D_S)
    both = (labelled[0] + unlabelled[0], labelled[1] + unlabelled[1])
    coefs = np.zeros((4, D_GT, 2))
    coefs[0, weak] = _fit(labelled, weak, target)
    gram = unlabelled[0]
    coefs[1, strong] = np.linalg.solve(gram[strong, strong], gram[strong, weak] @ coefs[0, weak])
    coefs[2, strong] = _fit(labelled, strong, target)
    coefs[3, strong] = _fit(both, strong, target)
    coefs[..., 0] -= target
    return coefs


def _fit(data: tuple[Array, Array], columns: slice, target: Array) -> Array:
    gram, noise = data
    sides = np.stack([gram[columns] @ target, noise[columns]], axis=-1)
    return np.asarray(np.linalg.solve(gram[columns, columns], sides), dtype=np.float64)
