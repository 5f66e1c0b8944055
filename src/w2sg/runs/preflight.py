"""The forecast of a run: features and teacher from the store, the answer beside it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from w2sg._arrays import FloatArray
from w2sg._seeds import child_seed
from w2sg.data.class_names import listed
from w2sg.data.examples import Labelled, Unlabelled
from w2sg.data.parts import Parts, label_warnings
from w2sg.forecast import Evidence, forecast
from w2sg.forecast.advice import Cost
from w2sg.forecast.record import Record, packaged_record
from w2sg.forecast.summary import summarise
from w2sg.runs.checks import refuse_unusable
from w2sg.runs.execute import Event, Execution, RunFailed, Watch, environment
from w2sg.runs.graph import Call, Graph
from w2sg.runs.identity import model_identity, refuse_unknown
from w2sg.runs.payloads import StoredFeatures, read_parts, read_probabilities
from w2sg.runs.plan import data_calls
from w2sg.runs.resolve import estimators, models, settings_of, teacher_columns
from w2sg.runs.store import Manifest, Store
from w2sg.soft_labels import ensemble
from w2sg.spec import Named, Spec, TeacherSpec
from w2sg.stages import labelled_data, rehearsal_teacher, weak_teacher
from w2sg.stages.rehearsal_teacher import RehearsalTeacher

VERSION = 4
# forward and backward pass of a training step against one forward pass
STEP_COST = 3.0


@dataclass(frozen=True)
class Preflight:
    """A forecast as it lies in its store.

    Attributes:
        spec: The run that it is about.
        manifest: Its identity, when it was made, how long it took.
        folder: Its artifact.
    """

    spec: Spec
    manifest: Manifest
    folder: Path

    @property
    def facts(self) -> dict[str, Any]:
        """The whole forecast as JSON."""
        return self.manifest.facts

    @property
    def verdict(self) -> str:
        """*train: …*, *do not train: …* or *cannot tell: …*."""
        found = self.facts["verdict"]
        return f"{found['answer']}: {found['reason']}"


def preflight(spec: Spec, *, watch: Watch | None = None, record: Record | None = None) -> Preflight:
    """Forecast a run from frozen features, its teacher and its labels; nothing is fine-tuned.

    Test rows take no part: their labels are never read.

    Args:
        spec: The run.
        watch: Called with every event.
        record: Cells to learn from; the packaged ones if ``None``.

    Raises:
        ValueError: The data cannot be used, or are too thin for a forecast.
        RunFailed: Features could not be made.
        StoreError: The store cannot be written.
    """
    from w2sg.models.backbone import resolve_precision

    _check(spec)
    began = time.time()
    tell = watch or (lambda _: None)
    store = Store(Path(spec.run.store))
    seed = spec.run.seeds[0]
    quick = spec.model_copy(
        update={"run": spec.run.model_copy(update={"seeds": (seed,), "preview": False})}
    )
    tables = labelled_data.read(spec.data, keep=teacher_columns(spec.teacher))
    run = Execution(store, tell, tables=tables, data=spec.data)
    data = data_calls(quick, tables.fingerprints)
    for call in data.values():
        _ensure(run, call)
    facts = {s: run.manifests[call.key].facts for s, call in data.items()}
    graph = Graph(quick, data, facts, resolve_precision("auto"))
    parts = read_parts(run.load(data[seed].key))
    _check_labels(parts)
    features = graph.features([seed])
    known = packaged_record() if record is None else record
    call = _call(graph, seed, features, known)
    with store.lock(call.key):
        manifest, _ = store.read(call.key)
        if manifest is not None and manifest.status == "done":
            tell(Event("cached", call, manifest=manifest))
            return Preflight(spec, manifest, store.folder(call.key))
        weak = _weak_side(graph, seed)
        refuse_unusable(graph.calls.values(), run.load, store, str(spec.student.model))
        for needed in graph.calls.values():
            _ensure(run, needed)
        tell(Event("started", call))
        evidence = _evidence(quick, graph, run, parts, features, weak)
        notes = label_warnings(facts[seed]["report"], seed)
        cost = _cost(spec, store, run.manifests[features], facts[seed]["rows"], graph)
        found = forecast(
            evidence,
            record=known,
            cost=cost,
            policy=spec.student.policy,
            loss=_name(spec.student.loss),
            kind="frozen" if spec.student.policy == "head" else "fine_tuned",
            seed=seed,
        )
        manifest = store.write(
            Manifest(
                key=call.key,
                body=dict(call.body),
                status="done",
                facts={**summarise(found, evidence, known), "notes": notes},
                environment=environment(),
                started=began,
                seconds=time.time() - began,
            )
        )
        tell(Event("done", call, manifest=manifest))
    return Preflight(spec, manifest, store.folder(call.key))


def _check(spec: Spec) -> None:
    refuse_unknown(spec)
    if spec.data.n_labelled == 0:
        raise ValueError(
            "no labels: data.n_labelled is 0, and a forecast needs at least 10 true labels of each "
            "class; label some rows and set data.n_labelled"
        )
    teacher, student = spec.teacher, spec.student
    if models(teacher) == (student.model,) and teacher.layers is None:
        raise ValueError(
            f"teacher.model = {teacher.model!r} is the student's model: teacher and student are "
            "the same, so there is no gap to recover; set teacher.layers or a weaker teacher"
        )


def _check_labels(parts: Parts) -> None:
    """Refuse labels that no forecast can be made from before minutes go into features."""
    n, k = len(parts.labelled), len(parts.label_names)
    Evidence(
        parts.labelled.labels,
        np.arange(2.0 * (n + 10)).reshape(-1, 2),
        np.full((n + 10, k), 1 / k),
        label_names=parts.label_names,
    )


def _ensure(run: Execution, call: Call) -> Manifest:
    try:
        return run.ensure(call)
    except RunFailed as failure:
        if isinstance(failure.__cause__, ValueError):
            raise ValueError(str(failure.__cause__)) from failure
        raise


def _call(graph: Graph, seed: int, features: str, record: Record) -> Call:
    spec = graph.spec
    teacher = spec.teacher.model_dump(mode="json")
    if spec.teacher.estimator is not None:
        teacher["estimator"] = graph.estimator_identity()
    if models(spec.teacher):
        teacher |= model_identity(*models(spec.teacher))
    settings = {
        "teacher": teacher,
        "policy": spec.student.policy,
        "loss": _name(spec.student.loss),
        "epochs": spec.student.epochs,
        "references": list(spec.run.references),
        "record": [cell.name for cell in record.cells],
        "seed": seed,
    }
    names = ("labelled", "unlabelled", "given")
    inputs = {name: graph.part(seed, name) for name in names}
    body = {
        "stage": "preflight",
        "version": VERSION,
        "spec": settings,
        "inputs": {**inputs, "features": features},
    }
    return Call("preflight", body, label="forecast")


@dataclass(frozen=True)
class _WeakSide:
    """Keys of the run's own teacher, which preflight never trains, and of its model's features."""

    teacher: str | None
    features: tuple[str, ...]


def _weak_side(graph: Graph, seed: int) -> _WeakSide:
    t = graph.spec.teacher
    if t.kind not in ("probe", "finetune"):
        return _WeakSide(graph.teacher(seed), ())
    features = tuple(graph.teacher_features(seed, [seed]))
    # a fine-tuned one that was trained before is not asked either: a forecast stays what it was
    return _WeakSide(graph.teacher(seed) if t.kind == "probe" else None, features)


def _evidence(
    spec: Spec, graph: Graph, run: Execution, parts: Parts, features: str, weak: _WeakSide
) -> Evidence:
    t = spec.teacher
    made = _teacher(spec, graph, run, parts, weak)
    if t.members > 1 and t.bootstrap:
        made = rehearsal_teacher.several(
            made,
            parts.labelled.labels,
            members=t.members,
            combine=t.combine,
            seed=spec.run.seeds[0],
        )
    if weak.teacher is not None:
        ids, told = read_probabilities(run.load(weak.teacher), "answers")
        row_of = {name: i for i, name in enumerate(ids)}
        told = told[[row_of[name] for name in parts.unlabelled.ids]]
        made = replace(made, answers=np.vstack([made.answers[: len(parts.labelled)], told]))
    teacher = rehearsal_teacher.softened(
        made, labels=t.labels, temperature=t.temperature, shrink=t.shrink
    )
    return Evidence(
        parts.labelled.labels,
        _features(run, features, parts),
        teacher.answers,
        refit=teacher.refit,
        weak=teacher.weak,
        weak_note=teacher.note,
        label_names=parts.label_names,
        n_test=len(parts.test),
        n_seeds=len(spec.run.seeds),
    )


def _features(run: Execution, key: str, parts: Parts) -> FloatArray:
    """Return stored features of labelled and unlabelled rows."""
    used = (*parts.labelled.ids, *parts.unlabelled.ids)
    return StoredFeatures(run.load(key)).of(used).astype(np.float64)


def _teacher(
    spec: Spec, graph: Graph, run: Execution, parts: Parts, weak: _WeakSide
) -> RehearsalTeacher:
    t = spec.teacher
    facts = {} if weak.teacher is None else run.manifests[weak.teacher].facts
    # that of a cross-fitted teacher was chosen without some of the labels
    penalty = None if t.cross_fit else facts.get("penalty")
    seed = spec.run.seeds[0]
    labelled, unlabelled = parts.labelled, parts.unlabelled
    texts = [*labelled.texts, *unlabelled.texts]
    pairs = None if labelled.pairs is None else [*labelled.pairs, *(unlabelled.pairs or ())]
    k = len(parts.label_names)
    if t.kind == "column":
        given = _given_of(labelled, run.context["tables"].main.extra, teacher_columns(t))
        told = weak_teacher.column(given, parts.label_names, teacher_columns(t), t.classes)
        return RehearsalTeacher(told.predict(labelled.unlabelled()), None, None, None)
    if t.kind in ("tfidf", "sklearn"):
        if t.kind == "sklearn":
            fit = _sklearn(labelled, unlabelled, t, seed)
        else:
            fit = _tfidf(labelled, texts, pairs, k, t.folds, seed, penalty)
        return rehearsal_teacher.of_texts(texts, pairs, fit, len(labelled), seed=seed)
    note = "a head on the teacher's frozen features stands for the fine-tuned teacher"
    each = [
        rehearsal_teacher.of_features(
            _features(run, key, parts),
            labelled.labels,
            k,
            seed=child_seed(seed, "folds"),
            penalty=penalty if len(weak.features) == 1 else None,
            note=note if t.kind == "finetune" else None,
        )
        for key in weak.features
    ]
    return rehearsal_teacher.together(each, combine=t.combine)


def _given_of(labelled: Labelled, extra: pd.DataFrame, columns: tuple[str, ...]) -> pd.DataFrame:
    """What columns say of the labelled rows, whose true labels a forecast compares it with."""
    lacking = [name for name in columns if name not in extra]
    rows = extra.reindex(columns=list(columns)).loc[list(labelled.ids)]
    empty = rows.isna().any(axis=1)
    if lacking or empty.any():
        raise ValueError(
            f"a forecast compares teacher.column with the true labels of labelled rows, and "
            f"{int(empty.sum())} of {len(rows)} have no value in {listed(lacking or columns)}; ask "
            "that labeller about the labelled rows too, or run without a forecast"
        )
    return rows


def _tfidf(
    labelled: Labelled,
    texts: list[str],
    pairs: list[str] | None,
    k: int,
    folds: int,
    seed: int,
    penalty: float | None,
) -> rehearsal_teacher.Refit:
    from w2sg.models.baselines import fit_tfidf

    chosen = penalty  # where it was not chosen before: by the first fit, which has all labels

    def fit(seen: NDArray[np.int64]) -> NDArray[np.float64]:
        nonlocal chosen
        model = fit_tfidf(
            [labelled.texts[i] for i in seen],
            labelled.labels[seen],
            None if labelled.pairs is None else [labelled.pairs[i] for i in seen],
            n_classes=k,
            folds=folds,
            seed=child_seed(seed, "folds"),
            penalty=chosen,
        )
        chosen = model.penalty
        return model.predict_proba(texts, pairs)

    return fit


def _sklearn(
    labelled: Labelled, unlabelled: Unlabelled, teacher: TeacherSpec, seed: int
) -> rehearsal_teacher.Refit:
    given = [e.value if isinstance(e, Named) else e for e in estimators(teacher)]
    whole: dict[int, weak_teacher.Teacher] = {}  # the first fit has all labels

    def fit(seen: NDArray[np.int64]) -> NDArray[np.float64]:
        rows = weak_teacher.copied(labelled, seen)
        told = []
        for i, estimator in enumerate(given):
            made = weak_teacher.sklearn(
                rows, estimator=estimator, folds=teacher.folds, seed=seed, like=whole.get(i)
            )
            whole.setdefault(i, made)
            told.append(np.vstack([made.predict(p) for p in (labelled.unlabelled(), unlabelled)]))
        return ensemble(np.stack(told), how=teacher.combine) if len(told) > 1 else told[0]

    return fit


def _cost(
    spec: Spec, store: Store, features: Manifest, rows: Mapping[str, int], graph: Graph
) -> Cost:
    """Return what a training costs: from a stored one of the same model, else from the features."""
    settings = settings_of(spec, graph.settings.precision)
    count = 1 + len(spec.run.references)
    epoch_rows = settings.epochs * rows["unlabelled"]
    like = {"policy": settings.policy, "precision": settings.precision}
    like |= model_identity(settings.model)
    for manifest in store.manifests():
        body = manifest.body
        if body.get("stage") != "strong_student" or manifest.status != "done":
            continue
        made = body["spec"]
        if all(made.get(name) == value for name, value in like.items()):
            trained = float(made["epochs"]) * manifest.facts["n_train"]
            seconds = manifest.seconds * epoch_rows / trained
            return Cost(seconds, count, "from a stored training of this model and policy")
    per_row = features.seconds / max(features.facts["rows"], 1)
    source = "three times the measured forward pass of each row"
    return Cost(STEP_COST * per_row * epoch_rows, count, source)


def _name(value: str | Named) -> str:
    return value if isinstance(value, str) else value.name or "a Python object"
