"""How a call's weak teacher is fitted, alone or as one of several."""

from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from w2sg.data.examples import Labelled, Unlabelled
from w2sg.data.parts import Parts
from w2sg.runs.context import Context, Save
from w2sg.runs.graph import Call
from w2sg.runs.payloads import Artifact, read_parts, write_probabilities
from w2sg.runs.store import digest
from w2sg.stages import fine_tuned_teacher, weak_teacher


def compute_teacher(call: Call, context: Context) -> tuple[dict[str, Any], Save]:
    """Return a teacher's facts and what writes its answers."""
    data = context.load(call.needs["data"])
    parts = read_parts(data)
    settings = call.body["spec"]
    fits = _fits(call, context, data, parts)
    fit = fits[0]
    if "members" in settings:
        fit = weak_teacher.ensemble(
            fits,
            members=settings["members"],
            combine=settings["combine"],
            bootstrap=settings["bootstrap"],
            tuned=settings["kind"] != "finetune",
        )
    told = weak_teacher.predictions(
        fit,
        parts.labelled,
        parts.unlabelled,
        parts.test.unlabelled(),
        cross_fit=settings["cross_fit"],
        seed=settings["seed"],
    )

    def save(folder: Path) -> None:
        write_probabilities(folder / "answers.parquet", told.ids, told.probabilities)
        if told.held_out is not None:
            write_probabilities(folder / "held_out.parquet", parts.labelled.ids, told.held_out)

    return dict(told.facts), save


def _fits(
    call: Call, context: Context, data: Artifact, parts: Parts
) -> tuple[weak_teacher.Fit, ...]:
    settings = call.body["spec"]
    kind, folds = settings["kind"], settings.get("folds", 0)
    if kind == "tfidf":
        return (partial(weak_teacher.tfidf, folds=folds),)
    if kind == "sklearn":
        given = call.given["estimators"]
        return tuple(partial(weak_teacher.sklearn, estimator=e, folds=folds) for e in given)
    if kind == "column":
        given = pd.read_parquet(data.folder / "given.parquet").set_index("id")
        told = weak_teacher.column(given, parts.label_names, tuple(settings["columns"]))
        return (lambda labelled, *, seed, like=None: told,)
    if kind == "probe":
        features_of: Any = partial(_features_of, call, context)
        if "members" in settings:
            from w2sg.models.features import once_per_text

            features_of = once_per_text(features_of)
        return (partial(weak_teacher.probe, features_of=features_of),)
    return (partial(_fine_tuned, call, context),)


def _features_of(call: Call, context: Context, rows: Unlabelled) -> NDArray[Any]:
    from w2sg.models.features import pooled_features

    return pooled_features(
        call.given["model"],
        rows.texts,
        rows.pairs,
        layers=call.body["spec"]["layers"],
        max_length=call.body["spec"]["max_length"],
        precision=call.body["spec"]["precision"],
        progress=lambda done, total: context.progress("features", done, total, None),
    )


def _fine_tuned(
    call: Call,
    context: Context,
    rows: Labelled,
    *,
    seed: int,
    like: weak_teacher.Teacher | None = None,
) -> weak_teacher.Teacher:
    return fine_tuned_teacher.fit(
        rows,
        settings=call.given["settings"],
        epochs=call.given["epochs"],
        folds=call.given["folds"],
        seed=seed,
        folder=context.work_folder / digest([rows.fingerprint, seed])[:8],
        like=like,
        progress=context.progress,
        loggers=context.loggers,
        checkpoint_seconds=context.checkpoint_seconds,
    )
