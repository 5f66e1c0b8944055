"""How a call's weak teacher is fitted, alone or as one of several."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from w2sg.data.examples import Labelled, Unlabelled
from w2sg.data.parts import Parts
from w2sg.runs.context import Context, Save
from w2sg.runs.graph import Call
from w2sg.runs.payloads import Artifact, StoredFeatures, read_parts, write_probabilities
from w2sg.runs.store import digest
from w2sg.stages import weak_teacher
from w2sg.stages.strong_student import Settings

Rows = Labelled | Unlabelled


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
        classes = settings.get("classes_of_column")
        told = weak_teacher.column(given, parts.label_names, tuple(settings["columns"]), classes)
        return (lambda labelled, *, seed, like=None: told,)
    if kind == "probe":
        stored = [key for name, key in call.needs.items() if name != "data"]
        each = [_stored_features(context.load(key), parts) for key in stored]
        return tuple(partial(weak_teacher.probe, features_of=f) for f in each)
    return tuple(partial(_fine_tuned, call, context, how) for how in call.given["settings"])


def _stored_features(stored: Artifact, parts: Parts) -> Callable[[Rows], NDArray[Any]]:
    """Return what looks features up by text: rows drawn again have ids of their own."""
    features = StoredFeatures(stored)
    id_of: dict[tuple[str, str | None], str] = {}
    for part in (parts.labelled, parts.unlabelled, parts.test):
        id_of |= zip(_contents(part), part.ids, strict=True)
    return lambda rows: features.of(id_of[content] for content in _contents(rows))


def _contents(rows: Rows) -> list[tuple[str, str | None]]:
    return list(zip(rows.texts, rows.pairs or (None,) * len(rows), strict=True))


def _fine_tuned(
    call: Call,
    context: Context,
    how: Settings,
    rows: Labelled,
    *,
    seed: int,
    like: weak_teacher.Teacher | None = None,
) -> weak_teacher.Teacher:
    from w2sg.stages import fine_tuned_teacher

    return fine_tuned_teacher.fit(
        rows,
        settings=how,
        epochs=call.given["epochs"],
        folds=call.given["folds"],
        seed=seed,
        folder=context.work_folder / digest([rows.fingerprint, seed, how.model])[:8],
        like=like,
        progress=context.progress,
        loggers=context.loggers,
        checkpoint_seconds=context.checkpoint_seconds,
    )
