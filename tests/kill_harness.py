"""Kills a sweep at random moments, worker and parent alike, then lets it finish once.

Run as ``python kill_harness.py SPEC.json KILLS WORKERS SECONDS``: imports everything once and forks
each sweep, so that a kill costs no import; a kill comes within SECONDS of the start. A sweep that
finishes between two kills loses two random stages, so that there is always something to do. The
last kill is aimed: it waits until a training that is not done has written a checkpoint, so that the
sweep let to finish must go on from one, however fast or busy the machine is.
"""

import contextlib
import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

from w2sg.models import backbone, features  # noqa: F401
from w2sg.runs import compute  # noqa: F401
from w2sg.sweeps import run_sweep
from w2sg.train import finetune  # noqa: F401


def start(spec, workers):
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        run_sweep(spec, workers=workers, checkpoint_seconds=0.0)
        status = 0
    finally:
        os._exit(status)


def children(pid):
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8")
    except OSError:
        return []
    return [int(part) for part in text.split()]


def killed_at_random(spec, n_kills, workers, seconds):
    """Kill until N_KILLS kills met a sweep at work; count what was hit."""
    rng = random.Random(0)
    stages = Path(spec["run"]["store"]) / "stages"
    kills = {"parent": 0, "worker": 0, "finished between": 0}
    while kills["parent"] + kills["worker"] < n_kills:
        child = start(spec, workers)
        if ended_within(child, rng.uniform(0.0, seconds)):
            kills["finished between"] += 1
            for folder in rng.sample(sorted(stages.iterdir()), 2):
                shutil.rmtree(folder)
            continue
        others = children(child)
        if others and rng.random() < 0.5:
            os.kill(rng.choice(others), signal.SIGKILL)
            kills["worker"] += 1
            if ended_within(child, rng.uniform(0.0, seconds)):  # the parent goes on for a while
                continue
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        kills["parent"] += 1
    return kills


def ended_within(child, seconds):
    """Wait for a process at most so long; say whether it ended."""
    until = time.monotonic() + seconds
    ended = 0
    while time.monotonic() < until and not ended:
        ended, _ = os.waitpid(child, os.WNOHANG)
        time.sleep(0.002)
    return bool(ended)


def killed_in_a_training(spec, workers):
    """Kill a sweep, workers too, so that a training is left half done, with a checkpoint."""
    store = Path(spec["run"]["store"])
    while not interrupted(store):
        for manifest in store.glob("stages/*/manifest.json"):
            made = json.loads(manifest.read_text(encoding="utf-8"))
            if made["body"]["stage"] == "strong_student":
                shutil.rmtree(manifest.parent)
        child = start(spec, workers)
        ended = False
        while not ended and not interrupted(store):
            ended = ended_within(child, 0.002)
        others = children(child)
        if not ended:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        for other in others:
            with contextlib.suppress(ProcessLookupError):
                os.kill(other, signal.SIGKILL)
            while Path(f"/proc/{other}").exists():
                time.sleep(0.002)


def interrupted(store):
    """Return the checkpoints of trainings that are not done."""
    found = store.glob("work/*/checkpoint-*/complete")
    return [path for path in found if not (store / "stages" / path.parts[-3]).exists()]


def main(spec, n_kills, workers, seconds):
    kills = killed_at_random(spec, n_kills, workers, seconds)
    killed_in_a_training(spec, workers)
    _, status = os.waitpid(start(spec, workers), 0)
    sys.stdout.write(json.dumps({**kills, "status": os.waitstatus_to_exitcode(status)}) + "\n")


if __name__ == "__main__":
    path, n_kills, workers, seconds = sys.argv[1:]
    asked = json.loads(Path(path).read_text(encoding="utf-8"))
    main(asked, int(n_kills), int(workers), float(seconds))
