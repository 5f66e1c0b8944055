"""Checkpoints of a training: saved by the clock, digested, and checked before one is gone on from.

The newest two are kept. One that is not whole byte for byte, or is not of this training, is
dropped, and the training goes on from the one before it or begins anew; either way it ends in the
bits of a training that was never interrupted.
"""

import hashlib
import json
import re
import shutil
import time
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from w2sg.train.ranks import Ranks

COMPLETE = "complete"
KEPT = 2


class Checkpoints(TrainerCallback):
    """Saves by the clock of the first process, and records the digest of each file saved.

    Args:
        folder: Where they live.
        every_seconds: Time between two of them.
        ranks: The processes that share the training.
        training: What identifies the training; a checkpoint of another one is dropped.
    """

    def __init__(self, folder: Path, every_seconds: float, ranks: Ranks, training: str) -> None:
        self.folder, self.every_seconds, self.ranks = folder, every_seconds, ranks
        self.training = training
        self.saved = time.monotonic()
        self.dropped: list[str] = []

    def on_step_end(self, args: Any, state: Any, control: Any, **__: Any) -> None:
        """Ask for a checkpoint when it is time."""
        due = bool(self.ranks.agree(time.monotonic() - self.saved >= self.every_seconds))
        # resuming takes at least one step more, so what has stopped must not be resumed from there
        last = state.global_step == state.max_steps or control.should_training_stop
        control.should_save = due and not last

    def on_save(self, _: Any, state: Any, *__: Any, **___: Any) -> None:
        """Record what the checkpoint holds, which marks it as whole, and remove the oldest."""
        self.saved = time.monotonic()
        self.ranks.wait()  # each process has written its random streams
        if not self.ranks.first:
            return
        here = self.folder / f"checkpoint-{state.global_step}"
        record = {"step": state.global_step, "training": self.training, "files": _digests(here)}
        beside = here / f"{COMPLETE}.part"
        beside.write_text(json.dumps(record), encoding="utf-8")
        beside.replace(here / COMPLETE)
        for step, folder in self._all()[KEPT:]:
            if step < state.global_step:
                _remove(folder)

    def last(self) -> Path | None:
        """Return the newest checkpoint that is whole; drop those after it and say why."""
        step = self.ranks.agree(self._newest() if self.ranks.first else 0)
        return self.folder / f"checkpoint-{step}" if step else None

    def _newest(self) -> int:
        for step, folder in self._all():
            damage = self._damage(step, folder)
            if damage is None:
                return step
            if damage:
                self.dropped.append(f"checkpoint-{step} {damage}")
            _remove(folder)
        return 0

    def _all(self) -> list[tuple[int, Path]]:
        """Step and place of each checkpoint, newest first."""
        named = ((re.fullmatch(r"checkpoint-(\d+)", p.name), p) for p in self.folder.glob("*"))
        return sorted(((int(match[1]), path) for match, path in named if match), reverse=True)

    def _damage(self, step: int, folder: Path) -> str | None:
        """Say what is wrong with a checkpoint: nothing (None), or "" where it was never whole."""
        if not folder.is_dir():
            return "is no folder"
        if not (folder / COMPLETE).exists():
            return ""  # stopped while it was written, which is nobody's damage
        try:
            record = json.loads((folder / COMPLETE).read_text(encoding="utf-8"))
            files, owner = dict(record["files"]), (record["step"], record["training"])
            there = _digests(folder)
        except (OSError, ValueError, KeyError, TypeError):
            return "has no readable list of its files"
        if owner != (step, self.training):
            return "belongs to another training or step"
        for name, digest in files.items():
            if name not in there:
                return f"lacks {name}"
            if there[name] != digest:
                return f"holds {name}, which has changed since it was written"
        foreign = sorted(set(there) - set(files))
        return f"holds {foreign[0]}, which was not saved with it" if foreign else None


def _digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): _digest(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path != folder / COMPLETE
    }


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
