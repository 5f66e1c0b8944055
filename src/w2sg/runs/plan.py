"""The stages of a run as a graph of calls with keys; what is equal is one call."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from w2sg.runs.graph import Call, Graph
from w2sg.runs.resolve import first_answer_seeds, teacher_columns
from w2sg.spec import Spec
from w2sg.stages import evaluation, labelled_data


@dataclass(frozen=True)
class RunPlan:
    """All calls of a run after its data have been divided, in an order that can be computed.

    Attributes:
        calls: By key; equal calls of several seeds are one.
        roles: Role, such as ``"student/0"``, → key.
        n_naive: Trainings that a loop over the seeds without sharing would do.
    """

    calls: Mapping[str, Call]
    roles: Mapping[str, str]
    n_naive: int = 0


def data_calls(spec: Spec, fingerprints: Mapping[str, str]) -> dict[int, Call]:
    """Return the call that divides the data, per seed.

    Args:
        spec: The run.
        fingerprints: Of the tables that were read.
    """
    fields = spec.data.model_dump(mode="json")
    names = ("n_labelled", "n_unlabelled", "n_test", "split_seed", "duplicates")
    settings = {name: fields[name] for name in names}
    settings["teacher_columns"] = list(teacher_columns(spec.teacher))
    if spec.data.test_split != "test":
        settings["test_split"] = spec.data.test_split
    for name, values in (("no_label", spec.data.no_label), ("classes", spec.teacher.classes)):
        if values is not None:
            settings[name] = list(values)
    seeds = dict.fromkeys((*spec.run.seeds, *first_answer_seeds(spec)))
    return {
        seed: Call(
            stage="labelled_data",
            body={
                "stage": "labelled_data",
                "version": labelled_data.VERSION,
                "spec": {**settings, "seed": seed},
                "inputs": dict(fingerprints),
            },
            label=f"data, seed {seed}",
        )
        for seed in seeds
    }


def plan_run(
    spec: Spec, data: Mapping[int, Call], facts: Mapping[int, Mapping[str, Any]], precision: str
) -> RunPlan:
    """Return the calls of a run.

    Args:
        spec: The run.
        data: The calls that divided the data, per seed.
        facts: What they found: fingerprints of the parts, sizes, whether true labels exist.
        precision: The resolved precision of this machine for "auto".
    """
    graph = Graph(spec, data, facts, precision)
    answers: dict[str, str] = {}
    for seed in spec.run.seeds:
        answers |= {f"{arm}/{seed}": key for arm, key in graph.arms(seed).items()}
    if spec.run.preview:
        answers["first_answer"] = graph.roles["first_answer"]
    labelled_for = {facts[seed]["fingerprints"]["unlabelled"] for seed in spec.run.seeds}
    shared = len(labelled_for) == 1 < len(spec.run.seeds)
    test = {"test": facts[spec.run.seeds[0]]["fingerprints"]["test"]}
    graph.add(
        "evaluation",
        evaluation.VERSION,
        {"level": spec.run.level, "seeds": list(spec.run.seeds), "shared_inputs": shared},
        {**test, **answers},
        needs={"data": data[spec.run.seeds[0]].key, **answers},
        role="evaluation",
        label="evaluation",
    )
    return RunPlan(graph.calls, graph.roles, graph.n_naive)
