"""A finished run without training: real data, evaluation and store, made-up probabilities."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from w2sg.gain.break_even import Curve
from w2sg.runs.compute import compute
from w2sg.runs.context import Context
from w2sg.runs.execute import Outcome
from w2sg.runs.plan import Call, RunPlan, data_calls
from w2sg.runs.store import Manifest, Store
from w2sg.spec import load
from w2sg.stages import evaluation, labelled_data, pseudo_labels

ENVIRONMENT = {"w2sg": "0", "python": "3.12.1"}
SKILL = {"teacher": 0.3, "student": 1.2, "ceiling": 1.8}


def frame(n: int, names: tuple[str, str], text: str) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "id": [f"r{i}" for i in range(n)],
            "text": [f"{text} {i}" for i in range(n)],
            "other": [f"{text} other {i}" for i in range(n)],
            "label": [names[i % 2] for i in range(n)],
        }
    )


class Writer:
    """Writes artifacts into a store by hand, as the stages would."""

    def __init__(self, root: Path) -> None:
        self.store = Store(root)
        self.calls: dict[str, Call] = {}
        self.roles: dict[str, str] = {}
        self.manifests: dict[str, Manifest] = {}

    def put(
        self,
        role: str,
        stage: str,
        facts: dict[str, Any],
        save: Callable[[Path], None] | None = None,
        needs: dict[str, str] | None = None,
    ) -> str:
        body = {"stage": stage, "role": role, "version": evaluation.VERSION}
        call = Call(stage, body, needs or {}, {}, role.replace("/", ", "))
        self.calls[call.key], self.roles[role] = call, call.key
        self.write(call, facts, save)
        return call.key

    def write(self, call: Call, facts: Any, save: Callable[[Path], None] | None = None) -> None:
        manifest = Manifest(
            key=call.key,
            body=dict(call.body),
            status="done",
            facts=facts,
            environment=ENVIRONMENT,
            seconds=12.5,
        )
        self.manifests[call.key] = self.store.write(manifest, save)


@pytest.fixture(scope="session")
def make_outcome(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Outcome]:
    """Return a function that makes the outcome of a run whose numbers are drawn, not trained."""

    def make(
        *,
        seeds: tuple[int, ...] = (0, 1, 2),
        arms: tuple[str, ...] = ("teacher", "strong_on_labelled", "student", "ceiling"),
        names: tuple[str, str] = ("bad", "good"),
        text: str = "some text",
        skill: dict[str, float] | None = None,
        hidden: bool = True,
        n_test: int = 60,
        preview: bool = False,
        **spec: Any,
    ) -> Outcome:
        folder = tmp_path_factory.mktemp("run")
        rows = frame(60 + 40 + n_test, names, text)
        data: dict[str, Any] = {"path": str(folder / "rows.csv"), "id": "id"}
        data |= {"n_labelled": 40, "n_unlabelled": 60, "n_test": n_test}
        if not hidden:
            rows.loc[:59, ["id", "text"]].to_csv(folder / "unlabelled.csv", index=False)
            rows = rows.loc[60:]
            data["unlabelled"] = str(folder / "unlabelled.csv")
        rows.rename(columns=spec.pop("columns", {})).to_csv(folder / "rows.csv", index=False)
        told = load(
            {
                "data": data | spec.pop("data", {}),
                "run": {"seeds": list(seeds), "preview": preview, "store": str(folder / "store")}
                | spec.pop("run", {}),
                **spec,
            }
        )
        return outcome(told, folder, arms, SKILL | (skill or {}))

    return make


def outcome(spec: Any, folder: Path, arms: tuple[str, ...], skill: dict[str, float]) -> Outcome:
    writer, tables = Writer(folder / "store"), labelled_data.read(spec.data)
    context = Context(
        load=lambda key: pytest.fail(f"nothing is loaded, but {key} was"),
        tables=tables,
        data=spec.data,
        work_folder=folder / "work",
        progress=lambda *_: None,
    )
    run = spec.model_copy(update={"run": spec.run.model_copy(update={"preview": False})})
    calls = data_calls(run, tables.fingerprints)
    parts = {}
    for seed, call in calls.items():
        facts, save = compute(call, context)
        writer.write(call, facts, save)
        parts[seed] = labelled_data.make(tables, spec.data, seed=seed)
    rng = np.random.default_rng(7)
    test, answers, needs = parts[spec.run.seeds[0]].test, {}, {}
    for seed in spec.run.seeds:
        answers[seed] = {}
        for arm in arms:
            p = guesses(rng, test.labels, skill.get(arm, 1.0))
            answers[seed][arm] = (test.ids, p)
            needs[f"{arm}/{seed}"] = arm_artifact(writer, arm, seed, parts[seed], rng)
    curve = Curve(np.array([5, 20, 80]), rng.random((3, 3, len(test))) < [[[0.5], [0.7], [0.9]]])
    found = evaluation.evaluate(
        test,
        answers,
        level=spec.run.level,
        curve=curve if spec.run.preview else None,
        sizes={"strong_on_labelled": 40},
    )
    if spec.run.preview:
        facts = {name: found.facts[name] for name in ("gain", "pgr")}
        accuracy = dict.fromkeys(arms, 0.5)
        facts |= {"seeds": [0, 1, 2], "accuracy": accuracy}
        needs["first_answer"] = writer.put("first_answer", "first_answer", facts)
    writer.put("evaluation", "evaluation", found.facts, needs=needs)
    return Outcome(
        spec=spec,
        plan=RunPlan(writer.calls, writer.roles, 12),
        data={seed: call.key for seed, call in calls.items()},
        manifests=writer.manifests,
        store=writer.store,
        computed=(writer.roles["evaluation"],),
    )


def guesses(rng: np.random.Generator, labels: Any, skill: float) -> Any:
    odds = np.exp((2 * labels - 1) * skill + rng.normal(size=len(labels)))
    return np.stack([1 / (1 + odds), odds / (1 + odds)], axis=1)


def arm_artifact(writer: Writer, arm: str, seed: int, parts: Any, rng: np.random.Generator) -> str:
    role = f"{arm}/{seed}"
    if arm == "teacher":
        p = rng.dirichlet([1.0, 1.0], size=len(parts.unlabelled))
        labels = pseudo_labels.make(
            parts.unlabelled,
            ids=parts.unlabelled.ids,
            probabilities=p,
            label_names=parts.label_names,
            teacher="t",
        )
        quality = pseudo_labels.quality(labels, parts.hidden)
        writer.put(f"pseudo_labels of {role}", "pseudo_labels", quality)
        return writer.put(role, "weak_teacher", {"cv_accuracy": 0.7, "penalty": 1.0})
    names = ("n_train", "n_steps", "best_step", "n_trainable", "n_truncated", "n_truncated_test")
    facts = dict.fromkeys(names, 3) | {"train_seconds": 1.0}
    curve = pd.DataFrame({"step": [1, 2, 3], "loss": rng.random(3)})
    return writer.put(
        role,
        "strong_student",
        facts,
        lambda folder: curve.to_parquet(folder / "curve.parquet", index=False),
    )
