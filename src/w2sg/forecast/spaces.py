"""What the two feature spaces and the teacher's answers look like before training."""

from dataclasses import dataclass

import numpy as np

from w2sg import soft_labels
from w2sg._arrays import FloatArray
from w2sg.diagnostics import (
    correlation_dimension,
    intrinsic_dimension,
    overlap_density,
    representation_gap,
)
from w2sg.forecast.evidence import Evidence
from w2sg.heads.ridge import RidgePath
from w2sg.metrics import calibration_error

BOOTSTRAPS = 30
MOST_ROWS = 2500


@dataclass(frozen=True)
class Dimension:
    """How many directions one model uses.

    Attributes:
        energy: Centred principal components that hold 99 % of the variance.
        participation: (Σλ)²/Σλ².
        effective: Σ λ/(λ + penalty) at the penalty that leave-one-out chose for the labels.
        width: Number of features.
    """

    energy: float
    participation: float
    effective: float
    width: int


@dataclass(frozen=True)
class Spaces:
    """Diagnostics of features and teacher.

    Attributes:
        strong: Dimensions of the strong features.
        weak: Dimensions of the weak features, ``None`` without them.
        weak_note: What stands in for the weak features.
        overlap: Debiased correlation dimension at the effective dimensions, with interval.
        overlap_low: Its lower end at 95 %.
        overlap_high: Its upper end.
        overlap_share: Overlap over the weak dimension.
        gap_operator: Operator norm of P_s(I − P_w).
        gap_label_share: Share of the labels' squared norm that lies in the strong, not the weak
            space: what the student could learn and its teacher cannot show.
        density: Share of unlabelled rows near a hard one in strong features on which the teacher
            is confident; ``None`` where its confidence has no two values.
        hard: Share of rows on which the teacher is not confident.
        calibration: Expected calibration error of the teacher on held-out labels.
        confidence: Mean largest probability of the teacher on unlabelled rows.
        entropy: Mean entropy of its answers there, in nats.
        shares: What share of unlabelled rows the teacher puts in each class.
        reasons: Name of what is withheld → why.
    """

    strong: Dimension
    weak: Dimension | None
    weak_note: str | None
    overlap: float | None
    overlap_low: float | None
    overlap_high: float | None
    overlap_share: float | None
    gap_operator: float | None
    gap_label_share: float | None
    density: float | None
    hard: float | None
    calibration: float | None
    confidence: float
    entropy: float
    shares: tuple[float, ...]
    reasons: dict[str, str]


def measure_spaces(evidence: Evidence, held_out: FloatArray, *, seed: int = 0) -> Spaces:
    """Measure both feature spaces on all rows and the teacher on unlabelled ones.

    Args:
        evidence: Features, teacher and labels.
        held_out: Probabilities of the labelled rows by teachers that did not see them, (n, K).
        seed: Of the bootstrap and of the rows that are measured where there are many.
    """
    n = evidence.n
    rng = np.random.default_rng(seed)
    rows = np.arange(len(evidence.strong))
    if len(rows) > MOST_ROWS:
        more = rng.permutation(rows[n:])[: max(MOST_ROWS - n, MOST_ROWS // 2)]
        rows = np.concatenate([rows[:n], more])
    strong = _dimension(evidence.strong[rows], evidence.strong[:n], evidence.truth)
    reasons: dict[str, str] = {}
    found: dict[str, float | None] = dict.fromkeys(
        (
            "overlap", "overlap_low", "overlap_high", "overlap_share",
            "gap_operator", "gap_label_share",
        )
    )  # fmt: skip
    weak = None
    if evidence.weak is None:
        why = "the labels are given, so there are no weak features to compare"
        reasons |= dict.fromkeys(("weak dimension", "overlap", "representation gap"), why)
    else:
        weak = _dimension(evidence.weak[rows], evidence.weak[:n], evidence.truth)
        d_s, d_w = (max(1, round(side.effective)) for side in (strong, weak))
        s, w = evidence.strong[rows], evidence.weak[rows]
        if len(rows) <= d_s + d_w + 1:
            reasons["overlap"] = f"{len(rows)} rows are too few for {d_s} + {d_w} dimensions"
        else:
            shared = correlation_dimension(
                s, w, d_s, d_w, center=True, n_boot=BOOTSTRAPS, seed=seed
            )
            found["overlap"] = shared.debiased
            found["overlap_low"], found["overlap_high"] = shared.low, shared.high
            found["overlap_share"] = (shared.debiased or 0.0) / d_w
        labelled = evidence.strong[:n], evidence.weak[:n]
        if n - 1 > max(d_s, d_w):
            gap = representation_gap(*labelled, evidence.truth, d_s=d_s, d_w=d_w, center=True)
            found["gap_operator"], found["gap_label_share"] = gap.operator, gap.label_share
        else:
            reasons["representation gap"] = f"{n} labels are too few for {max(d_s, d_w)} dimensions"
    told = evidence.teacher[n:]
    density = hard = None
    subset = rng.permutation(len(told))[:MOST_ROWS]
    try:
        measured = overlap_density(told[subset], evidence.strong[n:][subset])
        density, hard = measured.density, float(measured.hard.mean())
    except ValueError as error:
        reasons["overlap density"] = str(error)
    entropy = -np.where(told > 0, told * np.log(np.where(told > 0, told, 1.0)), 0.0).sum(axis=1)
    calibration = float(calibration_error(held_out, evidence.labels))
    return Spaces(
        strong=strong,
        weak=weak,
        weak_note=evidence.weak_note,
        **found,
        density=density,
        hard=hard,
        calibration=calibration,
        confidence=float(told.max(axis=1).mean()),
        entropy=float(entropy.mean()),
        shares=tuple(soft_labels.harden(told).mean(axis=0)),
        reasons=reasons,
    )


def _dimension(x: FloatArray, labelled: FloatArray, truth: FloatArray) -> Dimension:
    chosen = RidgePath(labelled).fit(truth).penalty
    found = intrinsic_dimension(x, center=True, ridge=chosen)
    values = found.by_rule
    return Dimension(
        values["energy"], values["participation_ratio"], values["effective"], x.shape[1]
    )


def misfit(student: FloatArray, teacher: FloatArray) -> float:
    """Return the mean squared difference of two predictors, summed over classes.

    For a student whose space holds the truth this is the fall in squared error (an identity on
    the rows it was fitted to), known without any label.

    >>> misfit(np.array([[0.5, 0.5]]), np.array([[1.0, 0.0]]))
    0.5
    """
    return float(np.square(student - teacher).sum(axis=1).mean())
