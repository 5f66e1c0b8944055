"""Why a finished run gained: its stages read back, the features from the store, the controls."""

import time
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2sg._arrays import FloatArray
from w2sg.data.examples import Labelled, Unlabelled
from w2sg.data.parts import Parts
from w2sg.diagnostics.controls import Explanation, FrozenSeed, OnRows
from w2sg.diagnostics.controls import explain as compare_controls
from w2sg.runs.checks import refuse_unusable
from w2sg.runs.execute import Event, Execution, Outcome, Watch, environment
from w2sg.runs.graph import Call, Graph
from w2sg.runs.payloads import Artifact, StoredFeatures, read_parts, read_probabilities
from w2sg.runs.resolve import estimators, models
from w2sg.runs.store import Manifest
from w2sg.spec import Named, Spec
from w2sg.stages import rehearsal_teacher, teacher_variants
from w2sg.stages.pseudo_labels import transformed
from w2sg.stages.teacher_variants import TeacherVariants

VERSION = 3
UNTRAINED_SEED = 0


def explain(outcome: Outcome, *, untrained: bool = True, watch: Watch | None = None) -> Explanation:
    """Compare the experiment of a finished run, on frozen features, with matched controls.

    Nothing is fine-tuned and the data files are not needed; the models are, where their features
    are not in the store yet.

    Args:
        outcome: The run.
        untrained: Whether to make the features of an untrained network, which takes as long as
            those of the trained one; without them that control is withheld.
        watch: Called with every event.

    Raises:
        ValueError: A model is gone or cannot be used, or the run has fewer than 2 test rows.
        StoreError: The store cannot be written.
    """
    from w2sg.models.backbone import resolve_precision

    tell = watch or (lambda _: None)
    spec, store = outcome.spec, outcome.store
    run = Execution(store, tell, tables=None, data=None, loggers=())
    run.manifests |= outcome.manifests
    needed = {seed: outcome.data[seed] for seed in spec.run.seeds}
    quiet = spec.model_copy(update={"run": spec.run.model_copy(update={"preview": False})})
    data = {seed: Call("labelled_data", run.manifests[key].body) for seed, key in needed.items()}
    facts = {seed: run.manifests[key].facts for seed, key in needed.items()}
    graph = Graph(quiet, data, facts, resolve_precision("auto"))
    parts = {seed: read_parts(outcome.artifact(key)) for seed, key in needed.items()}
    spaces = _spaces(outcome, graph, parts, untrained)
    call = _call(outcome, spaces)
    with store.lock(call.key):
        manifest, _ = store.read(call.key)
        if manifest is not None and manifest.status == "done":
            tell(Event("cached", call, manifest=manifest))
            return Explanation.of_json(manifest.facts)
        needed = [graph.calls[key] for key in spaces.values() if key in graph.calls]
        refuse_unusable(needed, run.load, store, str(spec.student.model))
        for missing in needed:
            run.ensure(missing)
        began = time.time()
        tell(Event("started", call))
        blocks = {name: StoredFeatures(run.load(key)) for name, key in spaces.items()}
        first = parts[spec.run.seeds[0]]
        seeds = [_seed(outcome, s, parts[s], first, blocks) for s in spec.run.seeds]
        found = compare_controls(seeds, level=spec.run.level)
        if note := _stand_in(spec):
            found = replace(found, note=note)
        manifest = store.write(
            Manifest(
                key=call.key,
                body=dict(call.body),
                status="done",
                facts=asdict(found),
                needs=dict(call.needs),
                environment=environment(),
                started=began,
                seconds=time.time() - began,
            )
        )
        tell(Event("done", call, manifest=manifest))
    return found


def _spaces(
    outcome: Outcome, graph: Graph, parts: dict[int, Parts], untrained: bool
) -> dict[str, str]:
    """Return name → key of the features; those of the first answer if they hold every row."""
    seeds, teacher = list(parts), outcome.spec.teacher
    stored = outcome.plan.roles.get("features")
    if stored is None or not _holds(outcome.artifact(stored), parts):
        stored = graph.features(seeds)
    found = {"strong": stored}
    if untrained:
        role = "untrained network"
        found["untrained"] = graph.features(seeds, role=role, untrained=UNTRAINED_SEED)
    for seed in seeds if teacher.kind in ("probe", "finetune") else ():
        for i, key in enumerate(graph.teacher_features(seed, seeds)):
            found[f"weak/{seed}/{i}"] = key
    return found


def _holds(features: Artifact, parts: dict[int, Parts]) -> bool:
    stored = StoredFeatures(features)
    each = (p for one in parts.values() for p in (one.labelled, one.unlabelled, one.test))
    return all(stored.holds(part.ids) for part in each)


def _call(outcome: Outcome, spaces: dict[str, str]) -> Call:
    roles = outcome.plan.roles
    spec = outcome.spec
    inputs = {f"features/{name}": key for name, key in spaces.items()}
    for seed in spec.run.seeds:
        inputs |= {f"data/{seed}": outcome.data[seed]}
        for role in (f"teacher/{seed}", f"pseudo_labels of teacher/{seed}"):
            inputs[role] = roles[role]
    body = {
        "stage": "explanation",
        "version": VERSION,
        "spec": {
            "level": spec.run.level,
            "seeds": list(spec.run.seeds),
            "labels": spec.teacher.labels,
            "temperature": spec.teacher.temperature,
        },
        "inputs": inputs,
    }
    return Call("explanation", body, needs=inputs, label="controls on frozen features")


def _seed(
    outcome: Outcome, seed: int, parts: Parts, first: Parts, blocks: dict[str, StoredFeatures]
) -> FrozenSeed:
    spec = outcome.spec
    unlabelled = parts.unlabelled
    test = parts.test.take(first.test.ids)  # one order for every seed
    teacher = outcome.of_role(f"teacher/{seed}")
    pseudo = _by_id(outcome.of_role(f"pseudo_labels of teacher/{seed}"), "pseudo_labels")
    answers = _by_id(teacher, "answers")
    stored = OnRows(
        np.array([pseudo[name] for name in unlabelled.ids]),
        np.array([answers[name] for name in test.ids]),
    )

    def rows(name: str) -> OnRows | None:
        mine = [block for key, block in blocks.items() if f"{key}/".startswith(f"{name}/")]
        if not mine:
            return None
        on = [np.hstack([b.of(ids) for b in mine]) for ids in (unlabelled.ids, test.ids)]
        return OnRows(*(values.astype(np.float64) for values in on))

    weak = rows(f"weak/{seed}")
    if spec.teacher.kind in ("tfidf", "sklearn"):
        texts = [*unlabelled.texts, *test.texts]
        pairs = None if unlabelled.pairs is None else [*unlabelled.pairs, *(test.pairs or ())]
        components = rehearsal_teacher.text_components(texts, pairs, seed=seed)
        weak = OnRows(components[: len(unlabelled)], components[len(unlabelled) :])
    made = _variants(spec, parts, test.unlabelled(), teacher.facts, blocks, seed)
    if made is not None:
        made = _softened(made, spec)
    hidden = parts.hidden
    strong = rows("strong")
    assert strong is not None
    return FrozenSeed(
        np.asarray(test.labels),
        strong,
        made.own if made is not None and _stand_in(spec) else stored,
        hidden=hidden.take(unlabelled.ids).labels
        if hidden is not None and len(hidden) == len(unlabelled)
        else None,
        weak=weak,
        untrained=rows("untrained"),
        penalised=() if made is None else made.penalised,
        resampled=() if made is None else made.resampled,
    )


def _variants(
    spec: Spec,
    parts: Parts,
    test: Any,
    facts: dict[str, Any],
    blocks: dict[str, StoredFeatures],
    seed: int,
) -> TeacherVariants | None:
    t, labelled = spec.teacher, parts.labelled
    asked = (parts.unlabelled, test)
    penalty = facts.get("penalty")
    if t.kind == "tfidf":
        return teacher_variants.tfidf(labelled, asked, penalty=penalty, seed=seed)
    if t.kind == "sklearn":
        several = [e.value if isinstance(e, Named) else e for e in estimators(t)]
        if len(several) > 1 or several[0] is None:
            return None  # a mix has no penalty of its own; a Python object is in no file
        return teacher_variants.sklearn(
            labelled, asked, estimator=several[0], folds=t.folds, seed=seed
        )
    if len(models(t)) == 1:
        features = blocks[f"weak/{seed}/0"]

        def rows(part: Labelled | Unlabelled) -> FloatArray:
            return features.of(part.ids).astype(np.float64)

        return teacher_variants.probe(
            (rows(labelled), rows(parts.unlabelled), rows(test)),
            labelled.labels,
            len(parts.label_names),
            penalty=penalty,
            seed=seed,
        )
    return None


def _softened(made: TeacherVariants, spec: Spec) -> TeacherVariants:
    """Make pseudo-labels of the answers on unlabelled rows, as the spec says."""
    t = spec.teacher

    def one(answers: OnRows) -> OnRows:
        told = transformed(
            answers.unlabelled, labels=t.labels, temperature=t.temperature, shrink=t.shrink
        )
        return OnRows(told, answers.test)

    return TeacherVariants(
        one(made.own), tuple(map(one, made.penalised)), tuple(map(one, made.resampled))
    )


def _stand_in(spec: Spec) -> str | None:
    """Return what stands for the teacher of the run, where it cannot be fitted again itself."""
    if len(models(spec.teacher)) > 1:
        return None  # nor is it: the controls that would fit it again are withheld
    if spec.teacher.kind == "finetune":
        return "a head on the teacher's frozen features stands for the fine-tuned teacher"
    if spec.teacher.cross_fit and spec.teacher.kind != "column":
        return "one teacher fitted to all labels stands for the cross-fitted ones"
    if spec.teacher.members > 1:
        return "one teacher fitted to all labels stands for the members of the ensemble"
    return None


def _by_id(artifact: Artifact, name: str) -> dict[str, NDArray[np.float64]]:
    ids, values = read_probabilities(artifact, name)
    return dict(zip(ids, values, strict=True))
