"""A fine-tuned teacher: how long it trains is chosen by cross-validation on its labels."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from w2sg._seeds import child_seed
from w2sg.data.examples import Labelled, Unlabelled
from w2sg.stages import strong_student
from w2sg.stages.strong_student import Settings, TrainedStudent
from w2sg.stages.weak_teacher import Teacher

EPOCHS = (1.0, 3.0, 6.0)  # what "auto" chooses from


def fit(
    labelled: Labelled,
    *,
    settings: Settings,
    epochs: tuple[float, ...],
    folds: int,
    seed: int,
    folder: Path,
    like: Teacher | None = None,
    **told: Any,
) -> Teacher:
    """Return a model fine-tuned on labels, with the epochs of the lowest held-out log loss.

    With one choice of epochs, or with a teacher to be like, nothing is cross-validated.

    Args:
        labelled: What it learns from.
        settings: How it is trained; its epochs are replaced.
        epochs: What to choose from.
        folds: Folds of the cross-validation, fewer where a class has fewer rows.
        seed: Of the folds and of the trainings.
        folder: Where checkpoints live while it trains.
        like: A teacher whose epochs to take.
        told: Progress, loggers and time between checkpoints, for `strong_student.train`.

    Raises:
        ValueError: A class has one row only, so that no fold can hold it out.
    """
    from w2sg import losses
    from w2sg.train.ranks import here

    dropped: list[str] = []

    def train(rows: Labelled, asked: Unlabelled, n_epochs: float, name: str) -> TrainedStudent:
        trained = strong_student.train(
            (rows,),
            asked,
            settings=replace(settings, epochs=n_epochs),
            loss=losses.get("ce"),
            seed=seed,
            folder=folder / name,
            **told,
        )
        dropped.extend(trained.facts["checkpoints_dropped"])
        return trained

    facts: dict[str, Any] = {}
    if like is not None:
        chosen = float(like.facts["epochs"])
    elif len(epochs) == 1:
        chosen = epochs[0]
    else:
        held_out = {n: _held_out_loss(labelled, train, n, folds, seed) for n in epochs}
        # of several processes the first chooses: round-off must not part them
        chosen = epochs[here().agree(int(np.argmin(list(held_out.values()))))]
        facts = {"cv_nll": held_out[chosen], "cv_nll_by_epochs": list(held_out.values())}
    chosen_settings = replace(settings, epochs=chosen)
    trained = train(labelled, labelled.unlabelled(), chosen, "whole")
    classifier = strong_student.load(
        chosen_settings, labelled.label_names, trained.weights, seed=seed
    )
    return Teacher(
        lambda rows: strong_student.ask(classifier, rows, chosen_settings),
        {**trained.facts, **facts, "epochs": chosen, "checkpoints_dropped": dropped},
    )


def _held_out_loss(
    labelled: Labelled,
    train: Callable[[Labelled, Unlabelled, float, str], TrainedStudent],
    epochs: float,
    folds: int,
    seed: int,
) -> float:
    from sklearn.model_selection import StratifiedKFold

    fewest = int(np.bincount(labelled.labels, minlength=len(labelled.label_names)).min())
    if fewest < 2:
        raise ValueError(
            "teacher.epochs = 'auto' is chosen by cross-validation, which needs two rows of every "
            f"class, but one class has {fewest}; add labelled rows or give a number of epochs"
        )
    splits = StratifiedKFold(
        min(folds, fewest), shuffle=True, random_state=child_seed(seed, "folds")
    )
    names = np.array(labelled.ids, dtype=object)
    total = 0.0
    for i, (seen, rest) in enumerate(splits.split(names, labelled.labels)):
        asked = labelled.take(names[rest])
        told = train(labelled.take(names[seen]), asked.unlabelled(), epochs, f"{epochs:g}-{i}")
        row_of = {name: row for row, name in enumerate(told.test_ids)}
        p = told.test_probabilities[[row_of[name] for name in asked.ids], asked.labels]
        total -= float(np.log(np.maximum(p, 1e-12)).sum())
    return total / len(labelled)
