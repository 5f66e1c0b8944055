"""Exact theory with the estimated quantities, laid over the rehearsal: what fits and what fails."""

from dataclasses import dataclass

import numpy as np

from w2sg._arrays import FloatArray
from w2sg.diagnostics import overlap_from_curves, split_from_curve
from w2sg.forecast.evidence import Evidence
from w2sg.forecast.rehearsal import Rehearsal
from w2sg.forecast.spaces import Spaces
from w2sg.heads.ridge import RidgePath
from w2sg.theory.discrepancy import Dimensions, kappa, risk_summary
from w2sg.theory.weighted_ridge import from_data

COMPONENTS = 64
CLOSE = 0.1
STRAIGHT = 0.9
LIGHT_TAILS = 1.0


@dataclass(frozen=True)
class Residual:
    """A measured squared error beside the theory's.

    Attributes:
        what: ``teacher``, ``strong_on_labelled`` or ``student``.
        n: Labels.
        N: Pseudo-labelled rows, ``None`` where there are none.
        measured: Held-out squared error, summed over classes.
        theory: What the theory expects; ``None`` where its formula is infinite.
        anchored: Whether the theory's noise level was taken from this very point.
    """

    what: str
    n: int
    N: int | None
    measured: float
    theory: float | None
    anchored: bool


@dataclass(frozen=True)
class Assumption:
    """Something that the theory supposes, and what the data say of it.

    Attributes:
        name: The assumption.
        holds: Whether it looks right; ``None`` where it cannot be checked.
        evidence: The numbers.
    """

    name: str
    holds: bool | None
    evidence: str


@dataclass(frozen=True)
class Overlay:
    """The theory over the rehearsal.

    Attributes:
        residuals: Every size of the rehearsal.
        assumptions: Checked one by one.
        penalties: Penalties of the student, shares of the mean variance of a feature.
        penalty_theory: Excess risk of a student over these, by weighted ridge, for a teacher that
            lives in the strong model's own features; in units of one class column.
        penalty_best: The penalty of its least risk.
        sigma2: Label noise that the weighted-ridge theory found.
        reasons: Name of what is withheld → why.
    """

    residuals: tuple[Residual, ...]
    assumptions: tuple[Assumption, ...]
    penalties: FloatArray | None
    penalty_theory: FloatArray | None
    penalty_best: float | None
    sigma2: float | None
    reasons: dict[str, str]


def lay_over(evidence: Evidence, rehearsal: Rehearsal, spaces: Spaces) -> Overlay:
    """Draw ``theory.discrepancy`` and ``theory.weighted_ridge`` over a rehearsal.

    Squared errors of the strong model follow v_s (1 + κ(d_s, n)), the teacher's v_w (1 + κ(d_w,
    n)), the student's max(v_s, v_w) plus its exact excess risk for (d_w, d_s, d_sw) at noise v_w:
    what the teacher cannot express, v_w − v_s, counts as inherited in full, its upper bound.
    Dimensions are the effective ones; each v is taken from the largest size, so that the other
    sizes test the form. The weighted-ridge theory gets the leading principal components of the
    strong features.

    Args:
        evidence: What is known.
        rehearsal: What was measured.
        spaces: Dimensions and overlap.
    """
    reasons: dict[str, str] = {}
    residuals: list[Residual] = []
    sizes = rehearsal.n_sizes
    d_s = spaces.strong.effective
    v_s = _level(rehearsal.strong_error, d_s, sizes)
    residuals += _curve("strong_on_labelled", rehearsal.strong_error, d_s, sizes, v_s)
    if spaces.weak is None or spaces.overlap is None:
        why = spaces.reasons.get("overlap", "there are no weak features")
        reasons["exact risks of the student"] = why
    else:
        d_w = spaces.weak.effective
        v_w = _level(rehearsal.teacher_error, d_w, sizes)
        residuals += _curve("teacher", rehearsal.teacher_error, d_w, sizes, v_w)
        shape = Dimensions(d_w, d_s, min(spaces.overlap, d_w, d_s))
        for i, n in enumerate(sizes):
            risk = risk_summary(shape, float(n), rehearsal.N_sizes.astype(float), v_w or 0.0)
            for j, value in enumerate(np.atleast_1d(risk.student_risk)):
                floor = None if v_s is None or v_w is None else max(v_s, v_w)
                theory = None if floor is None else _finite(floor + value)
                residuals.append(
                    Residual(
                        "student",
                        int(n),
                        int(rehearsal.N_sizes[j]),
                        float(rehearsal.student_error[i, j]),
                        theory,
                        anchored=False,
                    )
                )
    penalties = theory = best = sigma2 = None
    try:
        penalties, theory, best, sigma2 = _weighted(evidence, rehearsal)
    except (ValueError, np.linalg.LinAlgError) as error:
        reasons["weighted ridge"] = str(error)
    return Overlay(
        tuple(residuals),
        tuple(_assumptions(evidence, rehearsal, spaces, residuals)),
        penalties,
        theory,
        best,
        sigma2,
        reasons,
    )


def _level(errors: FloatArray, d: float, sizes: FloatArray) -> float | None:
    factor = 1 + float(kappa(d, float(sizes[-1]))) if sizes[-1] > d + 1 else np.inf
    return None if not np.isfinite(factor) else float(errors[-1]) / factor


def _curve(
    what: str, errors: FloatArray, d: float, sizes: FloatArray, level: float | None
) -> list[Residual]:
    found = []
    for i, n in enumerate(sizes):
        inside = level is not None and n > d + 1
        theory = _finite(level * (1 + float(kappa(d, float(n))))) if inside and level else None
        last = i == len(sizes) - 1
        found.append(Residual(what, int(n), None, float(errors[i]), theory, last))
    return found


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _weighted(
    evidence: Evidence, rehearsal: Rehearsal
) -> tuple[FloatArray, FloatArray, float, float]:
    n = evidence.n
    path = RidgePath(evidence.strong)
    z = (evidence.strong - path.mean) @ path.axes.right[:, :COMPONENTS]
    common = int(np.bincount(evidence.labels).argmax())
    y = evidence.truth[:, common]
    # penalties of the rehearsal are shares of the mean variance of a feature
    scale = path.scale
    found = from_data(z[:n], z[n:], y, lam_s=rehearsal.penalties * scale)
    risks = np.asarray(found.student_risk)
    return rehearsal.penalties, risks, float(found.recommended / scale), found.sigma2


def _assumptions(
    evidence: Evidence, rehearsal: Rehearsal, spaces: Spaces, residuals: list[Residual]
) -> list[Assumption]:
    d_s = spaces.strong.effective
    least = int(rehearsal.n_sizes[0])
    dims = [d_s] if spaces.weak is None else [d_s, spaces.weak.effective]
    found = [
        Assumption(
            "more labels than dimensions (n ≥ d + 2)",
            least >= max(dims) + 2,
            f"smallest n {least}, effective dimensions " + ", ".join(f"{d:.0f}" for d in dims),
        ),
        Assumption(
            "enough pseudo-labels to beat the teacher (N ≥ 2 d_s + 2)",
            2 * d_s + 2 <= evidence.N,
            f"N = {evidence.N}, 2 d_s + 2 = {2 * d_s + 2:.0f}",
        ),
        _tails(evidence, round(d_s)),
        _law_in_labels(rehearsal, spaces),
        _law_in_unlabelled(rehearsal, d_s),
    ]
    off = [
        abs(r.theory / r.measured - 1)
        for r in residuals
        if r.theory is not None and not r.anchored and r.measured > 0
    ]
    if off:
        found.append(
            Assumption(
                "the risks add up as for least squares on Gaussian features",
                max(off) <= CLOSE,
                f"theory is off by {100 * float(np.median(off)):.0f} % in the median, by "
                f"{100 * max(off):.0f} % at worst",
            )
        )
    return found


def _tails(evidence: Evidence, d: int) -> Assumption:
    path = RidgePath(evidence.strong)
    white = path.left[:, : max(d, 1)]
    fourth = np.mean(white**4, axis=0) / np.mean(white**2, axis=0) ** 2 - 3
    excess = float(np.median(fourth))
    return Assumption(
        "features with Gaussian tails",
        abs(excess) <= LIGHT_TAILS,
        f"median excess kurtosis of the leading {len(fourth)} components {excess:.2f}",
    )


def _law_in_labels(rehearsal: Rehearsal, spaces: Spaces) -> Assumption:
    name = "student error affine in teacher error as n varies"
    try:
        fit = overlap_from_curves(
            rehearsal.teacher_error,
            rehearsal.student_error[:, -1],
            spaces.strong.effective,
            float(rehearsal.N_sizes[-1]),
        )
    except ValueError as error:
        return Assumption(name, None, f"not checked: {error}")
    seen = "" if spaces.overlap_share is None else f", {spaces.overlap_share:.2f} by the features"
    return Assumption(
        name,
        fit.r2 >= STRAIGHT,
        f"R² {fit.r2:.2f}; shared share of the teacher's dimensions {fit.share:.2f} by this law"
        f"{seen}",
    )


def _law_in_unlabelled(rehearsal: Rehearsal, d_s: float) -> Assumption:
    name = "student error affine in d_s/(N − d_s − 1) as N varies"
    inside = d_s + 2 <= rehearsal.N_sizes
    try:
        fit = split_from_curve(rehearsal.N_sizes[inside], rehearsal.student_error[-1][inside], d_s)
    except ValueError as error:
        return Assumption(name, None, f"not checked: {error}")
    return Assumption(
        name, fit.r2 >= STRAIGHT, f"R² {fit.r2:.2f}; floor {fit.floor:.3f}, price {fit.price:.3f}"
    )
