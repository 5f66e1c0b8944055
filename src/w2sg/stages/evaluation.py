"""Evaluation: the only stage that opens the test labels; every arm on the same items, by id."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from w2sg import arms as table
from w2sg import metrics, soft_labels
from w2sg._arrays import FloatArray
from w2sg.data.examples import Labelled
from w2sg.diagnostics.ledger import ledger
from w2sg.gain import Estimate, gain, gap, opr, pgr
from w2sg.gain.break_even import Curve, break_even
from w2sg.gain.interval import within

VERSION = 4
N_EXAMPLES = 8
SHARE = (0.0, 1.0)  # what the accuracy of one row can be


@dataclass(frozen=True)
class Evaluation:
    """What was measured on the test part.

    Attributes:
        scores: One row per seed, arm and item: seed, arm, id, label, prediction (−1 where several
            classes are equally probable), correct (their share of the label there), nll, brier,
            and the probability of each class.
        facts: Metrics, gains and comparisons, as JSON.
    """

    scores: pd.DataFrame
    facts: dict[str, Any]


def evaluate(
    test: Labelled,
    answers: Mapping[int, Mapping[str, tuple[Sequence[str], FloatArray]]],
    *,
    level: float,
    curve: Curve | None = None,
    sizes: Mapping[str, int] | None = None,
    shared_inputs: bool = False,
) -> Evaluation:
    """Return every metric of every arm, the gain with its interval, and the best way.

    Args:
        test: The test part with its labels.
        answers: Seed → arm → (ids, probabilities (n, K)); the arms are the same for every seed and
            hold "teacher" and "student".
        level: Coverage of the intervals.
        curve: Accuracy of the strong model on frozen features against true labels, for the
            break-even.
        sizes: True labels that "strong_on_labelled" and "ceiling" were trained on.
        shared_inputs: Whether the teachers of all seeds label the same rows.

    Raises:
        ValueError: A seed lacks an arm, or an arm lacks a test row.
    """
    seeds, arms = tuple(answers), tuple(next(iter(answers.values())))
    p = np.stack([[_aligned(test, *answers[seed][arm]) for arm in arms] for seed in seeds])
    scores = _scores(test, seeds, arms, p)
    correct = {arm: soft_labels.hit_share(p[:, a], test.labels) for a, arm in _n(arms)}
    groups = None if test.groups is None else np.array(test.groups)
    told = {"level": level, "groups": groups}
    of = {arm: p[:, a] for a, arm in _n(arms)}
    facts: dict[str, Any] = {
        "seeds": list(seeds),
        "arms": list(arms),
        "label_names": list(test.label_names),
        "n_test": len(test),
        "level": level,
        "undecided": {
            arm: float(soft_labels.undecided(of[arm]).sum(axis=1).mean()) for arm in arms
        },
        "metrics": {arm: _metrics(of[arm], test.labels, correct[arm], told) for arm in arms},
        "gain": asdict(gain(correct["teacher"], correct["student"], bounds=SHARE, **told)),
        "pgr": asdict(pgr(correct["teacher"], correct["student"], correct.get("ceiling"), **told)),
        "gap": _estimate(gap, correct, "teacher", "ceiling", {**told, "bounds": SHARE}),
        "opr": _estimate(opr, correct, "strong_on_labelled", "student", told),
        "against_teacher": {
            arm: asdict(gain(correct["teacher"], correct[arm], bounds=SHARE, **told))
            for arm in arms
            if arm != "teacher"
        },
        "best": _best(_ways(correct, answers), told),
        "agreement": _agreement(of["student"], of["teacher"], test.labels),
        "mistakes": _mistakes(test, of["student"], of["teacher"]),
        "ledger": _as_json(
            ledger(
                np.eye(p.shape[3])[test.labels],
                of["teacher"],
                of["student"],
                shared_inputs=shared_inputs,
                **told,
            )
        ),
        "break_even": None,
    }
    if curve is not None:
        anchors = {n: correct[arm] for arm, n in (sizes or {}).items() if arm in correct}
        worth = break_even(curve, anchors, correct["student"], level=level, groups=groups)
        facts["break_even"] = asdict(worth)
    return Evaluation(scores, facts)


def _aligned(test: Labelled, ids: Sequence[str], probabilities: FloatArray) -> FloatArray:
    row_of = {name: i for i, name in enumerate(ids)}
    missing = [name for name in test.ids if name not in row_of]
    if missing:
        raise ValueError(f"{len(missing)} test rows have no prediction, first {missing[0]!r}")
    return probabilities[[row_of[name] for name in test.ids]]


def _scores(
    test: Labelled, seeds: tuple[int, ...], arms: tuple[str, ...], p: FloatArray
) -> pd.DataFrame:
    n, frames = len(test), []
    for s, seed in enumerate(seeds):
        for a, arm in _n(arms):
            q = p[s, a]
            frames.append(
                pd.DataFrame(
                    {
                        "seed": np.full(n, seed),
                        "arm": arm,
                        "id": list(test.ids),
                        "label": test.labels,
                        "prediction": soft_labels.answers(q),
                        "correct": soft_labels.hit_share(q, test.labels),
                        "nll": metrics.nll_items(q, test.labels),
                        "brier": metrics.brier_items(q, test.labels),
                        **{f"p_{k}": q[:, k] for k in range(q.shape[1])},
                    }
                )
            )
    return pd.concat(frames, ignore_index=True)


def _metrics(
    p: FloatArray, labels: NDArray[np.int64], correct: FloatArray, told: dict[str, Any]
) -> dict[str, Any]:
    several = {
        "accuracy": metrics.accuracy,
        "auroc": metrics.auroc,
        "nll": metrics.nll,
        "brier": metrics.brier,
        "calibration_error": metrics.calibration_error,
    }
    # a class without test rows, or with all of them, has no area
    whole = len(np.unique(labels)) == p.shape[2] > 1
    by_seed = {
        name: [float(f(q, labels)) if whole or name != "auroc" else None for q in p]
        for name, f in several.items()
    }
    return {
        "accuracy": _share(gain(np.zeros_like(correct), correct, **told)),
        **{name: _mean(values) for name, values in by_seed.items() if name != "accuracy"},
        "by_seed": by_seed,
    }


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _share(mean: Estimate) -> dict[str, Any]:
    """A mean of scores in [0, 1]; the ends of a symmetric interval may lie beyond them."""
    value, low, high = (float(x or 0.0) for x in (mean.estimate, mean.low, mean.high))
    low, high = within(value, low, high, bounds=SHARE, level=mean.level, n_items=mean.n_items)
    return {**asdict(mean), "low": low, "high": high}


def _estimate(
    statistic: Any, correct: dict[str, FloatArray], low: str, high: str, told: dict[str, Any]
) -> dict[str, Any] | None:
    if low not in correct or high not in correct:
        return None
    return asdict(statistic(correct[low], correct[high], **told))


def _ways(
    correct: dict[str, FloatArray], answers: Mapping[int, Mapping[str, Any]]
) -> dict[str, FloatArray]:
    """The ways of using the data, each once: with `student.labelled` two names mean one model."""
    first = next(iter(answers.values()))
    ways: dict[str, FloatArray] = {}
    for arm in (name for name in table.competing() if name in correct):
        if not any(np.array_equal(first[arm][1], first[other][1]) for other in ways):
            ways[arm] = correct[arm]
    return ways


def _best(ways: dict[str, FloatArray], told: dict[str, Any]) -> dict[str, Any]:
    """The way with the highest accuracy, named best only if it clearly beats the next."""
    order = sorted(ways, key=lambda arm: -float(ways[arm].mean()))
    lead: Estimate | None = gain(ways[order[1]], ways[order[0]], bounds=SHARE, **told)
    clear = lead is not None and lead.low is not None and lead.low > 0
    close = [
        arm
        for arm in order[1:]
        if (low := gain(ways[arm], ways[order[0]], bounds=SHARE, **told).low) is None or low <= 0
    ]
    return {
        "order": order,
        "clear": clear,
        "lead": asdict(lead),
        "not_distinguishable": [order[0], *close],
    }


def _agreement(
    student: FloatArray, teacher: FloatArray, labels: NDArray[np.int64]
) -> dict[str, float | None]:
    per_seed = [
        asdict(metrics.agreement(s, t, labels)) for s, t in zip(student, teacher, strict=True)
    ]
    return {
        name: float(np.mean(values)) if (values := _present(per_seed, name)) else None
        for name in per_seed[0]
    }


def _present(rows: list[dict[str, Any]], name: str) -> list[float]:
    return [float(row[name]) for row in rows if row[name] is not None]


def _mistakes(test: Labelled, student: FloatArray, teacher: FloatArray) -> dict[str, Any]:
    """What the first seed's student made of the teacher's answers, with examples by id."""
    s, t = soft_labels.answers(student[0]), soft_labels.answers(teacher[0])
    kinds = {
        "corrected": (t != test.labels) & (s == test.labels),
        "copied": (t != test.labels) & (s == t),
        "other_mistake": (t != test.labels) & (s != test.labels) & (s != t),
        "newly_broken": (t == test.labels) & (s != test.labels),
        "both_right": (t == test.labels) & (s == test.labels),
    }
    sure = student[0].max(axis=1)
    ids = np.array(test.ids, dtype=object)
    shown = ("corrected", "copied", "newly_broken")
    return {
        "counts": {name: int(rows.sum()) for name, rows in kinds.items()},
        "examples": {
            name: [
                {
                    "id": str(ids[i]),
                    "label": int(test.labels[i]),
                    "teacher": int(t[i]),
                    "student": int(s[i]),
                    "confidence": float(sure[i]),
                }
                for i in sorted(np.flatnonzero(kinds[name]), key=lambda i: (-sure[i], ids[i]))
            ][:N_EXAMPLES]
            for name in shown
        },
        "confusion": {
            who: _confusion(test.labels, said, len(test.label_names))
            for who, said in (("teacher", t), ("student", s))
        },
    }


def _confusion(labels: NDArray[np.int64], said: NDArray[np.int64], k: int) -> list[list[int]]:
    table = np.zeros((k, k), dtype=np.int64)
    decided = said >= 0
    np.add.at(table, (labels[decided], said[decided]), 1)
    return table.tolist()


def _n(arms: tuple[str, ...]) -> list[tuple[int, str]]:
    return list(enumerate(arms))


def _as_json(found: Any) -> dict[str, Any]:
    """The fields of a result as they read back from a file, where a tuple is a list."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in asdict(found).items()
    }
