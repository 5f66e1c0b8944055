"""What to do: which way of using the data, with what settings, and the plain verdict."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from w2sg import arms
from w2sg.forecast.evidence import Evidence
from w2sg.forecast.observed import Observed, root_curve
from w2sg.forecast.overlay import Overlay
from w2sg.forecast.prediction import NORMAL, Prediction, Value
from w2sg.forecast.record import Record
from w2sg.forecast.rehearsal import Rehearsal
from w2sg.gain import Estimate, plan

MORE_LABELS, MORE_UNLABELLED = 100, 5000
ENOUGH = 0.005
NEAR_CEILING = 0.01
WORTH_IT = 0.015
MOST_SEEDS_SHOWN = 50
MOVES = "qv"  # where the spec moves nothing and something should


@dataclass(frozen=True)
class Setting:
    """A recommended setting.

    Attributes:
        name: What it sets.
        value: To what.
        reason: Why.
        measured: Whether the rehearsal speaks for it; if not, it is the default.
    """

    name: str
    value: str
    reason: str
    measured: bool


@dataclass(frozen=True)
class Advice:
    """What to do.

    Attributes:
        way: The recommended way of using the data.
        as_good: Ways not distinguishable from it on the held-out labels, itself first.
        settings: Loss, policy, penalty, n and N.
        worth: What more labels and more unlabelled rows are worth, as a sentence.
        label_points: Points of accuracy that 100 more labels add.
        unlabelled_points: Points that 5,000 more unlabelled rows add to the student.
        seeds: Seeds that show the forecast gain, ``None`` where no number or none up to 50 does.
        seeds_reason: How many seeds, or why no number, as a sentence.
        hours: What these seeds cost, or those of the spec where no number is given; ``None`` where
            no time is known.
        hours_reason: Where the time comes from.
    """

    way: str
    as_good: tuple[str, ...]
    settings: tuple[Setting, ...]
    worth: str
    label_points: float
    unlabelled_points: float
    seeds: int | None
    seeds_reason: str
    hours: float | None
    hours_reason: str


@dataclass(frozen=True)
class Verdict:
    """The plain answer.

    Attributes:
        answer: ``"train"``, ``"do not train"`` or ``"cannot tell"``.
        reason: Why, as a clause.
    """

    answer: Literal["train", "do not train", "cannot tell"]
    reason: str

    def __str__(self) -> str:
        """Return the verdict as it is printed."""
        return f"{self.answer}: {self.reason}"


@dataclass(frozen=True)
class Cost:
    """What one training costs.

    Attributes:
        seconds: One training of the strong model on N rows.
        trainings: Trainings per seed.
        source: How this is known.
    """

    seconds: float
    trainings: int
    source: str


def advise(
    evidence: Evidence,
    rehearsal: Rehearsal,
    observed: Observed,
    prediction: Prediction,
    overlay: Overlay,
    record: Record,
    *,
    cost: Cost | None = None,
    policy: str = "qv",
    loss: str = "ce",
) -> Advice:
    """Turn predictions into what to do.

    Args:
        evidence: What is known.
        rehearsal: What was measured.
        observed: Its few numbers.
        prediction: What a run would show.
        overlay: The theory's view, for the penalty.
        record: Where the spread between seeds comes from.
        cost: What one training costs, if known.
        policy: The policy of the spec.
        loss: The loss of the spec.
    """
    way = recommended(prediction)
    as_good = [way]
    for other in prediction.gain:
        low, high = _difference(rehearsal, other, way)
        if other != way and low <= 0 <= high:
            as_good.append(other)
    labels = root_curve(rehearsal.n_sizes, rehearsal.strong.mean(axis=1))
    big = root_curve(rehearsal.N_sizes, rehearsal.student[-1].mean(axis=1))
    few = root_curve(rehearsal.n_sizes, rehearsal.student[:, -1].mean(axis=1))
    label_curve = few if arms.TABLE[way].uses_weak_labels else labels
    n, big_n = evidence.n, evidence.N
    label_points = 100 * (label_curve.at(n + MORE_LABELS) - label_curve.at(n))
    more_points = 100 * (big.at(big_n + MORE_UNLABELLED) - big.at(big_n))
    seeds, why = _seeds(observed, prediction, record, way)
    hours, source = _hours(cost, seeds or evidence.n_seeds)
    return Advice(
        way=way,
        as_good=tuple(as_good),
        settings=_settings(evidence, rehearsal, prediction, overlay, policy, loss),
        worth=_worth(label_points, more_points),
        label_points=label_points,
        unlabelled_points=more_points,
        seeds=seeds,
        seeds_reason=why,
        hours=hours,
        hours_reason=source,
    )


def recommended(prediction: Prediction) -> str:
    """Return the way of highest predicted accuracy."""
    return max(prediction.gain, key=lambda way: prediction.gain[way].estimate or 0.0)


def decide(prediction: Prediction, rehearsal: Rehearsal, advice: Advice, gap: Estimate) -> Verdict:
    """Return whether to train on the weak labels.

    *Train* where the best way that uses weak labels gains with its whole interval and the strong
    model on the labels alone is not ahead. *Do not train* where that one is clearly better, where
    weak labels can add at most 1.5 points to it, or where the whole interval of the gain lies
    below zero. *Cannot tell* otherwise.

    Args:
        prediction: What a run would show.
        rehearsal: What was measured, for paired differences.
        advice: The recommended way.
        gap: Strong probe − teacher on held-out labels.
    """
    weak = [way for way in prediction.gain if arms.TABLE[way].uses_weak_labels]
    best = max(weak, key=lambda way: prediction.gain[way].estimate or 0.0)
    phrase = arms.TABLE[best].phrase
    gain, alone = prediction.gain[best], prediction.gain["strong_on_labelled"]
    low, _ = _difference(rehearsal, "strong_on_labelled", best)
    ahead = _number(alone.estimate) - _number(gain.estimate)
    if ahead > 0 and low > 0:
        return Verdict(
            "do not train",
            f"the strong model on your labels alone is forecast {100 * ahead:.1f} points above "
            f"{phrase}; the weak labels add nothing",
        )
    most = -low
    if ahead >= 0 and most <= WORTH_IT:
        return Verdict(
            "do not train",
            f"{phrase} is forecast to add at most {100 * max(most, 0.0):.1f} points to the "
            "strong model on your labels alone",
        )
    if ahead >= 0 and _number(gain.low) > 0:
        return Verdict(
            "cannot tell",
            f"{phrase} is forecast to gain {_points(gain)} over its teacher, but the strong "
            f"model on your labels alone is forecast {100 * ahead:.1f} points above that, within "
            "what your labels can tell apart; it is the cheaper choice",
        )
    if _number(gain.high) < 0:
        return Verdict(
            "do not train", f"{phrase} is forecast to fall behind its teacher, {_points(gain)}"
        )
    if _number(gain.low) > 0:
        extra = ""
        if gap.high is not None and gap.high < 0:
            extra = (
                "; on your few labels alone the strong model is still below the teacher, the gain "
                "comes from the unlabelled rows"
            )
        return Verdict("train", f"{phrase} is forecast to gain {_points(gain)}{extra}")
    return Verdict(
        "cannot tell",
        f"the forecast gain of {phrase}, {_points(gain)}, includes zero; more labels would tell",
    )


def _number(value: float | None) -> float:
    return 0.0 if value is None else value


def _points(value: Value) -> str:
    ends = (value.estimate, value.low, value.high)
    middle, low, high = (100 * _number(end) for end in ends)
    return f"{middle:+.1f} points [{low:+.1f}, {high:+.1f}]"


def _difference(rehearsal: Rehearsal, way: str, other: str) -> tuple[float, float]:
    """90 % interval of way − other in held-out accuracy, paired; half a row is never surprising."""
    difference = rehearsal.hits[way].astype(float) - rehearsal.hits[other]
    n = len(difference)
    half = NORMAL * np.sqrt(difference.var() / n + (0.5 / n) ** 2)
    return float(difference.mean() - half), float(difference.mean() + half)


def _settings(
    evidence: Evidence,
    rehearsal: Rehearsal,
    prediction: Prediction,
    overlay: Overlay,
    policy: str,
    loss: str,
) -> tuple[Setting, ...]:
    student, ceiling = (_number(prediction.accuracy[k].estimate) for k in ("student", "ceiling"))
    close = student >= ceiling - NEAR_CEILING
    best = int(rehearsal.penalty_error.argmin())
    by_theory = (
        ""
        if overlay.penalty_best is None
        else f"; weighted-ridge theory {overlay.penalty_best:.2g}"
    )
    curve = rehearsal.student[-1].mean(axis=1)
    smooth = root_curve(rehearsal.N_sizes, curve)
    enough = [int(m) for m in rehearsal.N_sizes if smooth.at(evidence.N) - smooth.at(m) <= ENOUGH]
    return (
        Setting(
            "loss", loss, "heads on frozen features cannot tell losses of a training apart", False
        ),
        Setting(
            "policy",
            "head" if close else MOVES if policy == "head" else policy,
            "a head on frozen features already comes within a point of the forecast ceiling"
            if close
            else "frozen features leave a gap to the ceiling, so weights should move",
            close,
        ),
        Setting(
            "penalty",
            f"{rehearsal.penalties[best]:.2g}",
            "share of the mean feature variance with the least held-out error of the student"
            f"{by_theory}",
            True,
        ),
        Setting("n", f"{evidence.n:,}", "every label that you have", False),
        Setting(
            "N",
            f"{min(enough):,}",
            f"the rehearsal's curve is within half a point of that at {evidence.N:,}",
            True,
        ),
    )


def _worth(label_points: float, more_points: float) -> str:
    of_labels, of_rows = (round(value, 1) + 0.0 for value in (label_points, more_points))
    labels = f"{MORE_LABELS} more labels add about {of_labels:.1f} points"
    rows = f"{MORE_UNLABELLED:,} more unlabelled texts about {of_rows:.1f}"
    if of_labels > of_rows:
        head = f"{MORE_LABELS} more labels are worth more than {MORE_UNLABELLED:,} more unlabelled"
        tail = " texts"
    elif of_rows > of_labels:
        head = f"{MORE_UNLABELLED:,} more unlabelled texts are worth more than {MORE_LABELS} more"
        tail = " labels"
    else:
        return f"More labels and more unlabelled texts are worth the same here: {labels}, {rows}."
    return f"{head}{tail}: {labels}, {rows}."


def _seeds(
    observed: Observed, prediction: Prediction, record: Record, way: str
) -> tuple[int | None, str]:
    used = "student" if way == "strong_on_labelled" else way
    gain = prediction.gain[used]
    target = abs(_number(gain.estimate))
    if target < 0.001:
        return None, "the forecast gain is zero: no number of seeds shows it"
    share = observed.contests[used].differs
    sd = max(record.gain_sd, 1e-3)
    found = plan(
        target, sd=sd, n_items=(observed.n_test,), item_sd=max(share - target**2, 1e-6) ** 0.5
    )
    option = found.options[0]
    if option.n_seeds is None or option.n_seeds > MOST_SEEDS_SHOWN:
        return None, (
            f"{observed.n_test:,} test rows are too few to show a gain of {100 * target:.1f} "
            "points, whatever the seeds"
        )
    return option.n_seeds, (
        f"{option.n_seeds} seeds show a gain of {100 * target:.1f} points on "
        f"{observed.n_test:,} test rows with power 0.8"
    )


def _hours(cost: Cost | None, count: int) -> tuple[float | None, str]:
    if cost is None:
        return None, "no time of a training is known"
    return cost.seconds * cost.trainings * count / 3600, (
        f"{count} {'seed' if count == 1 else 'seeds'} × {cost.trainings} "
        f"{'training' if cost.trainings == 1 else 'trainings'} × {cost.seconds:,.0f} s; "
        f"{cost.source}"
    )
