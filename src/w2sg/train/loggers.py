"""The loggers of the ecosystem, by name: which there are, where they write, how they are called."""

import contextlib
import difflib
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

PROJECT = "w2sg"
PACKAGES = {
    "tensorboard": ("tensorboard", "tensorboardX"),
    "wandb": ("wandb",),
    "mlflow": ("mlflow",),
    "trackio": ("trackio",),
}


@dataclass(frozen=True)
class Loggers:
    """What a training reports to, besides the store.

    Attributes:
        names: Of loggers, as the Trainer knows them.
        run: What the training is called there.
        folder: Where those write that keep files and are told no place.
        work_folder: Of checkpoints; a stage of several trainings has one in it for each.
    """

    names: tuple[str, ...] = ()
    run: str = "training"
    folder: Path = Path("logs")
    work_folder: Path | None = None

    def of(self, checkpoints: Path) -> "Loggers":
        """Return the same for the training that keeps its checkpoints there, by its own name."""
        if self.work_folder is None or checkpoints == self.work_folder:
            return self
        name = checkpoints.relative_to(self.work_folder).as_posix()
        return replace(self, run=f"{self.run} {name}", work_folder=None)

    @property
    def by_name(self) -> list[str] | str:
        """Those that the Trainer makes itself, as it wants to be told."""
        return [name for name in self.names if name != "tensorboard"] or "none"

    def callbacks(self) -> list[Any]:
        """Return the TensorBoard writer, one folder a training, outliving its checkpoints."""
        if "tensorboard" not in self.names:
            return []
        from transformers.integrations.integration_utils import TensorBoardCallback

        writer = TensorBoardCallback()
        above = os.environ.get("TENSORBOARD_LOGGING_DIR") or self.folder / "tensorboard"
        writer.logging_dir = str(Path(above) / re.sub(r"[^\w.=+-]+", "-", self.run).strip("-"))
        return [writer]

    @contextlib.contextmanager
    def one_run(self) -> Iterator[None]:
        """Give the training a run of its own where a package would go on with the last one."""
        ours = "wandb" in self.names and getattr(sys.modules.get("wandb"), "run", None) is None
        if ours:
            os.environ.setdefault("WANDB_PROJECT", PROJECT)
        try:
            yield
        finally:
            if ours and "wandb" in sys.modules:
                sys.modules["wandb"].finish()


def check(names: tuple[str, ...]) -> None:
    """Refuse loggers that are unknown or not installed.

    Raises:
        ValueError: A name is wrong, or its package is missing.

    >>> check(("tensorbord",))
    Traceback (most recent call last):
    ...
    ValueError: --log-to tensorbord: did you mean 'tensorboard'? ...
    """
    for name in names:
        if name not in PACKAGES:
            near = difflib.get_close_matches(name, PACKAGES, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ValueError(f"--log-to {name}: {hint}Known are {', '.join(PACKAGES)}")
        if not any(find_spec(package) for package in PACKAGES[name]):
            raise ValueError(
                f"--log-to {name} needs a package that is not installed: pip install {name}"
            )
