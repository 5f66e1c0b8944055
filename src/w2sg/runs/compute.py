"""What each call computes, and how its value is written and read back."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from w2sg.data.examples import Labelled, PseudoLabelled
from w2sg.data.parts import Parts
from w2sg.gain.break_even import Curve
from w2sg.runs.context import Context, Save
from w2sg.runs.graph import Call
from w2sg.runs.payloads import (
    StoredFeatures,
    part_frame,
    read_parts,
    read_probabilities,
    read_weights,
    write_probabilities,
)
from w2sg.runs.store import digest, write_json
from w2sg.runs.teachers import compute_teacher
from w2sg.stages import (
    evaluation,
    labelled_data,
    pseudo_labels,
    strong_student,
    weak_teacher,
)


def compute(call: Call, context: Context) -> tuple[dict[str, Any], Save | None]:
    """Return a call's facts and what writes its payload."""
    return _COMPUTE[call.stage](call, context)


def _data(call: Call, context: Context) -> tuple[dict[str, Any], Save]:
    parts = labelled_data.make(context.tables, context.data, seed=call.body["spec"]["seed"])
    hidden = parts.hidden
    rows = [
        part_frame("labelled", parts.labelled, parts.labelled.labels),
        part_frame("unlabelled", parts.unlabelled, _truth(parts)),
        part_frame("test", parts.test, parts.test.labels),
    ]
    columns = call.body["spec"]["teacher_columns"]
    # a row of another source may have the same content, hence the same id, and another answer
    main = context.tables.main
    asked = ((context.tables.unlabelled, parts.unlabelled), (context.tables.test, parts.test))
    given = pd.concat([(main if t is None else t).extra.loc[list(p.ids)] for t, p in asked])
    if columns:  # what cannot be read is refused before anything is trained
        teacher = weak_teacher.column(
            given, parts.label_names, tuple(columns), call.body["spec"].get("classes")
        )
        for part in (parts.unlabelled, parts.test.unlabelled()):
            teacher.predict(part)
    facts = {
        "label_names": list(parts.label_names),
        "rows": {
            "labelled": len(parts.labelled),
            "unlabelled": len(parts.unlabelled),
            "test": len(parts.test),
        },
        "n_hidden": 0 if hidden is None else len(hidden),
        "report": asdict(parts.report),
        "fingerprints": {
            "labelled": parts.labelled.fingerprint,
            "labelled_texts": parts.labelled.unlabelled().fingerprint,
            "unlabelled": parts.unlabelled.fingerprint,
            "unlabelled_texts": parts.unlabelled.fingerprint,
            "hidden": None if hidden is None else hidden.fingerprint,
            "test": parts.test.fingerprint,
            "test_texts": parts.test.unlabelled().fingerprint,
            "given": digest([[str(v) for v in row] for row in given.to_numpy(object)])
            if columns
            else None,
        },
    }

    def save(folder: Path) -> None:
        pd.concat(rows, ignore_index=True).to_parquet(folder / "parts.parquet", index=False)
        if columns:
            given.reset_index(names="id").to_parquet(folder / "given.parquet", index=False)

    return facts, save


def _pseudo_labels(call: Call, context: Context) -> tuple[dict[str, Any], Save]:
    parts = read_parts(context.load(call.needs["data"]))
    labeller = context.load(call.needs["labeller"])
    settings = call.given["settings"]
    if settings is None:
        ids, probabilities = read_probabilities(labeller, "answers")
    else:
        seed = labeller.manifest.body["spec"]["seed"]
        classifier = strong_student.load(
            settings, parts.label_names, read_weights(labeller), seed=seed
        )
        ids = parts.unlabelled.ids
        probabilities = strong_student.ask(classifier, parts.unlabelled, settings)
    pseudo = pseudo_labels.make(
        parts.unlabelled,
        ids=ids,
        probabilities=probabilities,
        label_names=parts.label_names,
        teacher=labeller.manifest.key,
        **call.body["spec"],
    )

    def save(folder: Path) -> None:
        write_probabilities(folder / "pseudo_labels.parquet", pseudo.ids, pseudo.probabilities)

    return pseudo_labels.quality(pseudo, parts.hidden), save


def _strong_student(call: Call, context: Context) -> tuple[dict[str, Any], Save]:
    from safetensors.torch import save_file

    from w2sg import losses

    parts = read_parts(context.load(call.needs["data"]))
    loss = call.given["loss"]
    start = call.needs.get("start")
    student = strong_student.train(
        _sources(call, context, parts),
        parts.test.unlabelled(),
        settings=call.given["settings"],
        loss=losses.get(loss) if isinstance(loss, str) else loss,
        seed=call.body["spec"]["seed"],
        folder=context.work_folder,
        start=None if start is None else read_weights(context.load(start)),
        progress=context.progress,
        loggers=context.loggers,
        checkpoint_seconds=context.checkpoint_seconds,
    )

    def save(folder: Path) -> None:
        write_probabilities(
            folder / "answers.parquet", student.test_ids, student.test_probabilities
        )
        pd.DataFrame(student.curve).to_parquet(folder / "curve.parquet", index=False)
        save_file(dict(student.weights), folder / "weights.safetensors")

    return {**student.facts, "seed": call.body["spec"]["seed"]}, save


def _sources(call: Call, context: Context, parts: Parts) -> tuple[Labelled | PseudoLabelled, ...]:
    names = call.given["sources"]
    found: list[Labelled | PseudoLabelled] = []
    if "labelled" in names:
        found.append(parts.labelled)
    if "hidden" in names:
        assert parts.hidden is not None  # the plan asks for a ceiling only where truth exists
        found.append(parts.hidden)
    told = [
        read_probabilities(context.load(call.needs[name]), "pseudo_labels")
        for name in ("pseudo", "own")
        if name in names
    ]
    if told:
        # two labellers together: the mean of what they say of each id
        rows = [dict(zip(ids, values, strict=True)) for ids, values in told]
        mean = np.array([np.mean([r[name] for r in rows], axis=0) for name in parts.unlabelled.ids])
        found.append(
            PseudoLabelled.join(
                parts.unlabelled,
                ids=parts.unlabelled.ids,
                probabilities=mean,
                label_names=parts.label_names,
                teacher="+".join(call.needs[name] for name in ("pseudo", "own") if name in names),
            )
        )
    return tuple(found)


def _features(call: Call, context: Context) -> tuple[dict[str, Any], Save]:
    from w2sg.models.features import pooled_features

    rows: dict[str, tuple[str, str | None]] = {}
    for key in call.needs.values():
        parts = read_parts(context.load(key))
        for part in (parts.labelled, parts.unlabelled, parts.test):
            others = part.pairs or (None,) * len(part)
            rows |= dict(zip(part.ids, zip(part.texts, others, strict=True), strict=True))
    ids = sorted(rows)
    pairs = [rows[name][1] for name in ids]
    settings = call.body["spec"]
    facts: dict[str, Any] = {"rows": len(ids)}
    values = pooled_features(
        call.given["model"],
        [rows[name][0] for name in ids],
        None if pairs[0] is None else [str(pair) for pair in pairs],
        layers=settings.get("layers"),
        untrained=settings.get("untrained"),
        max_length=settings["max_length"],
        precision=settings["precision"],
        progress=lambda done, total: context.progress("features", done, total, None),
        cut=lambda n, limit: facts.update(n_truncated=n, max_length=limit),
    )

    def save(folder: Path) -> None:
        np.save(folder / "features.npy", values, allow_pickle=False)
        pd.DataFrame({"id": ids}).to_parquet(folder / "ids.parquet", index=False)

    return {**facts, "width": int(values.shape[1])}, save


def _first_answer(call: Call, context: Context) -> tuple[dict[str, Any], Save]:
    from w2sg.stages import first_answer

    features = StoredFeatures(context.load(call.needs["features"]))
    seeds = {}
    test_ids: tuple[str, ...] = ()
    for seed in call.body["spec"]["seeds"]:
        parts = read_parts(context.load(call.needs[f"data/{seed}"]))
        test_ids = parts.test.ids
        pseudo = dict(
            zip(
                *read_probabilities(context.load(call.needs[f"pseudo/{seed}"]), "pseudo_labels"),
                strict=True,
            )
        )
        told = dict(
            zip(
                *read_probabilities(context.load(call.needs[f"teacher/{seed}"]), "answers"),
                strict=True,
            )
        )
        x = {
            name: features.of(getattr(parts, name).ids)
            for name in ("labelled", "unlabelled", "test")
        }
        hidden = parts.hidden
        if hidden is not None and len(hidden) < len(parts.unlabelled):
            hidden = None
        seeds[seed] = first_answer.SeedData(
            labelled=(x["labelled"], parts.labelled.labels),
            unlabelled=x["unlabelled"],
            pseudo=np.array([pseudo[name] for name in parts.unlabelled.ids]),
            hidden=None if hidden is None else hidden.take(parts.unlabelled.ids).labels,
            test=(x["test"], parts.test.labels),
            teacher=np.array([told[name] for name in parts.test.ids]),
        )
    found = first_answer.answer(seeds, level=call.body["spec"]["level"])

    def save(folder: Path) -> None:
        if found.curve is not None:
            np.save(folder / "curve.npy", found.curve.scores, allow_pickle=False)

    return {**found.facts, "test_ids": list(test_ids)}, save


def _evaluation(call: Call, context: Context) -> tuple[dict[str, Any], Save]:
    data = context.load(call.needs["data"])
    parts = read_parts(data)
    answers: dict[int, dict[str, Any]] = {seed: {} for seed in call.body["spec"]["seeds"]}
    for role, key in call.needs.items():
        arm, slash, seed = role.partition("/")
        if slash:
            answers[int(seed)][arm] = read_probabilities(context.load(key), "answers")
    curve = stored = None
    if "first_answer" in call.needs:
        stored = context.load(call.needs["first_answer"])
    if stored is not None and stored.facts["curve"] is not None:
        scores = np.load(stored.folder / "curve.npy", allow_pickle=False)
        column_of = {name: i for i, name in enumerate(stored.facts["test_ids"])}
        columns = [column_of[name] for name in parts.test.ids]
        curve = Curve(np.array(stored.facts["curve"]["sizes"]), scores[:, :, columns])
    rows = data.facts["rows"]
    found = evaluation.evaluate(
        parts.test,
        answers,
        level=call.body["spec"]["level"],
        curve=curve,
        sizes={"strong_on_labelled": rows["labelled"], "ceiling": rows["unlabelled"]},
        shared_inputs=call.body["spec"]["shared_inputs"],
    )

    def save(folder: Path) -> None:
        found.scores.to_parquet(folder / "scores.parquet", index=False)
        write_json(folder / "summary.json", found.facts)

    return found.facts, save


_COMPUTE: Mapping[str, Callable[[Call, Context], tuple[dict[str, Any], Save]]] = {
    "labelled_data": _data,
    "weak_teacher": compute_teacher,
    "pseudo_labels": _pseudo_labels,
    "strong_student": _strong_student,
    "features": _features,
    "first_answer": _first_answer,
    "evaluation": _evaluation,
}


def _truth(parts: Parts) -> NDArray[np.int64]:
    hidden = parts.hidden
    known = {} if hidden is None else dict(zip(hidden.ids, hidden.labels, strict=True))
    return np.array([known.get(name, -1) for name in parts.unlabelled.ids], dtype=np.int64)
