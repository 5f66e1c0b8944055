"""What the computation of a stage may use besides its call."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from w2sg.runs.payloads import Artifact
from w2sg.stages import labelled_data

Save = Callable[[Path], None]
Progress = Callable[[str, int, int, float | None], None]


@dataclass(frozen=True)
class Context:
    """What a computation may use besides its call.

    Attributes:
        load: Key → stored artifact, its bytes checked.
        tables: The data as read, for the stage that divides it.
        data: The data table of the spec.
        work_folder: Where checkpoints live.
        progress: Where it tells how far it is.
        loggers: Names of loggers for trainings.
        checkpoint_seconds: Time between two checkpoints of a training.
    """

    load: Callable[[str], Artifact]
    tables: labelled_data.Tables
    data: Any
    work_folder: Path
    progress: Progress
    loggers: tuple[str, ...] = ()
    checkpoint_seconds: float = 300.0
