"""What the computation of a stage may use besides its call."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from w2sg.runs.payloads import Artifact
from w2sg.stages import labelled_data
from w2sg.train.loggers import Loggers

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
        loggers: What else is told of each step of a training.
        checkpoint_seconds: Time between two checkpoints of a training.
        processes: How many share a fine-tuning.
    """

    load: Callable[[str], Artifact]
    tables: labelled_data.Tables
    data: Any
    work_folder: Path
    progress: Progress
    loggers: Loggers = field(default_factory=Loggers)
    checkpoint_seconds: float = 300.0
    processes: int = 1
