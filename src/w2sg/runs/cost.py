"""What a sweep will cost, from the times of similar stages, and how many seeds it should have."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import pandas as pd

from w2sg._arrays import FloatArray
from w2sg.gain import plan as plan_gain
from w2sg.runs.graph import Call
from w2sg.runs.store import Manifest, Store
from w2sg.runs.sweep import SweepPlan, is_training

PART_OF = {"pseudo": "unlabelled", "own": "unlabelled", "hidden": "unlabelled"}


@dataclass(frozen=True)
class Cost:
    """What is left to compute.

    Attributes:
        seconds: Key → estimated seconds, for every call that a stored time speaks of.
        unknown: Stages to compute of whose kind no time is stored, with their numbers.
        path_seconds: The longest chain of stages that need each other.
    """

    seconds: Mapping[str, float]
    unknown: Mapping[str, int]
    path_seconds: float

    def hours(self, workers: int) -> float:
        """Return estimated hours of wall clock; workers share cores, so this is a lower end."""
        return max(sum(self.seconds.values()) / workers, self.path_seconds) / 3600


@dataclass(frozen=True)
class Advice:
    """Seeds that a difference between two cells needs.

    Attributes:
        target: The difference, in accuracy.
        n_seeds: How many; ``None`` where no number is enough on these test items.
        n_items: Test items.
        pilot: What the spread was measured on.
    """

    target: float
    n_seeds: int | None
    n_items: int
    pilot: str


def estimate(
    calls: Iterable[Call],
    stored: Iterable[Manifest],
    rows: Mapping[str, Mapping[str, int]],
) -> Cost:
    """Return the cost of calls from the times of the most similar stored stages.

    Similar are stages of one kind that agree in as many settings as possible; trainings count by
    examples seen, rows × epochs.

    Args:
        calls: What is to be computed, in order.
        stored: Manifests to learn from.
        rows: Key of divided data → part → rows.
    """
    by_stage: dict[str, list[Manifest]] = {}
    for manifest in stored:
        if manifest.status == "done":
            by_stage.setdefault(manifest.body["stage"], []).append(manifest)
    seconds: dict[str, float] = {}
    unknown: dict[str, int] = {}
    ends: dict[str, float] = {}
    for call in calls:
        similar = _most_similar(call, by_stage.get(call.stage, []))
        if similar:
            rate = median(m.seconds / _work_done(m) for m in similar)
            seconds[call.key] = rate * _work(call, rows)
        else:
            unknown[call.stage] = unknown.get(call.stage, 0) + 1
        before = max((ends.get(key, 0.0) for key in call.needs.values()), default=0.0)
        ends[call.key] = before + seconds.get(call.key, 0.0)
    return Cost(seconds, unknown, max(ends.values(), default=0.0))


def advise(plan: SweepPlan, store: Store, *, target: float, power: float = 0.8) -> Advice | None:
    """Return how many seeds a difference of `target` between two students needs.

    The pilot is two stored evaluations of one test part, cells of this sweep before others, or
    student against teacher where only one is stored.

    Returns:
        The advice, or ``None`` where no evaluation of at least two seeds is stored.
    """
    wanted = {cell.plan.roles["evaluation"] for cell in plan.cells}
    bodies = [plan.calls[key].body for key in wanted]
    tests = {body["inputs"]["test"] for body in bodies}
    pilots = [
        m
        for m in store.manifests()
        if m.body["stage"] == "evaluation"
        and m.status == "done"
        and len(m.facts["seeds"]) > 1
        and m.body["inputs"]["test"] in tests
    ]
    pilots.sort(key=lambda m: (m.key not in wanted, -len(m.facts["seeds"]), m.started, m.key))
    if not pilots:
        return None
    first = pilots[0]
    others = [m for m in pilots[1:] if m.facts["seeds"] == first.facts["seeds"]]
    if others:
        pair = correct_of(store, first, "student"), correct_of(store, others[0], "student")
        what = f"two stored students, {len(first.facts['seeds'])} seeds"
    else:
        pair = correct_of(store, first, "teacher"), correct_of(store, first, "student")
        what = f"a stored student and its teacher, {len(first.facts['seeds'])} seeds"
    n_items = pair[0].shape[1]
    (option,) = plan_gain(target, pair, power=power, n_items=n_items).options
    return Advice(target, option.n_seeds, n_items, what)


def correct_of(store: Store, evaluation: Manifest, arm: str) -> FloatArray:
    """Return which test items an arm got right, shape (seeds, items), items ordered by id."""
    scores = pd.read_parquet(
        store.folder(evaluation.key) / "scores.parquet", columns=["seed", "arm", "id", "correct"]
    )
    table = scores[scores["arm"] == arm].pivot_table(index="seed", columns="id", values="correct")
    return np.asarray(table.loc[evaluation.facts["seeds"]].sort_index(axis=1), dtype=np.float64)


def _most_similar(call: Call, stored: list[Manifest]) -> list[Manifest]:
    def agreement(manifest: Manifest) -> int:
        spec = manifest.body["spec"]
        return sum(spec.get(name) == value for name, value in call.body["spec"].items())

    best = max((agreement(m) for m in stored), default=0)
    return [m for m in stored if agreement(m) == best]


def _work(call: Call, rows: Mapping[str, Mapping[str, int]]) -> float:
    """Examples seen by a training, 1 for other stages."""
    if call.stage != "strong_student":
        return 1.0
    parts = rows[call.needs["data"]]
    names: set[str] = {PART_OF.get(str(s), str(s)) for s in call.given["sources"]}
    return max(1.0, call.body["spec"]["epochs"] * sum(parts[name] for name in names))


def _work_done(manifest: Manifest) -> float:
    if manifest.body["stage"] != "strong_student":
        return 1.0
    return max(1.0, manifest.body["spec"]["epochs"] * manifest.facts["n_train"])


def counted(plan: SweepPlan) -> Mapping[str, int]:
    """Return how many trainings the plan has, and how many a loop without sharing."""
    merged = sum(is_training(call) for call in plan.calls.values())
    return {"trainings": merged, "naive": plan.n_naive, "saved": plan.n_naive - merged}


def rows_of(facts: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, int]]:
    """Return rows of each part from the facts of divided data."""
    return {key: found["rows"] for key, found in facts.items()}
