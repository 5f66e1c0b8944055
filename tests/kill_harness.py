"""Kills a sweep at random moments, worker and parent alike, then lets it finish once.

Run as ``python kill_harness.py SPEC.json KILLS WORKERS SECONDS``: imports everything once and forks
each sweep, so that a kill costs no import; a kill comes within SECONDS of the start. A sweep that
finishes between two kills loses two random stages, so that there is always something to do. On a
busy machine SECONDS grows until a kill has met a training that had written a checkpoint.
"""

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
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [int(part) for part in text.split()]


def main(spec, n_kills, workers, seconds):
    rng = random.Random(0)
    kills = {"parent": 0, "worker": 0, "finished between": 0}
    work = Path(spec["run"]["store"]) / "work"
    in_the_middle = False
    while kills["parent"] + kills["worker"] < n_kills or not in_the_middle:
        if not in_the_middle:
            seconds *= 1.1
        child = start(spec, workers)
        until = time.monotonic() + rng.uniform(0.0, seconds)
        ended = 0
        while time.monotonic() < until and not ended:
            ended, _ = os.waitpid(child, os.WNOHANG)
            time.sleep(0.002)
        if ended:
            kills["finished between"] += 1
            stages = Path(spec["run"]["store"]) / "stages"
            for folder in rng.sample(sorted(stages.iterdir()), 2):
                shutil.rmtree(folder)
            continue
        in_the_middle |= any(work.glob("*/checkpoint-*/complete"))
        others = children(child)
        if others and rng.random() < 0.5:
            os.kill(rng.choice(others), signal.SIGKILL)
            kills["worker"] += 1
            until = time.monotonic() + rng.uniform(0.0, seconds)  # the parent goes on for a while
            while time.monotonic() < until and not ended:
                ended, _ = os.waitpid(child, os.WNOHANG)
                time.sleep(0.002)
            if ended:
                continue
        os.kill(child, signal.SIGKILL)
        kills["parent"] += 1
        os.waitpid(child, 0)
    _, status = os.waitpid(start(spec, workers), 0)
    sys.stdout.write(json.dumps({**kills, "status": os.waitstatus_to_exitcode(status)}) + "\n")


if __name__ == "__main__":
    path, n_kills, workers, seconds = sys.argv[1:]
    main(json.loads(Path(path).read_text()), int(n_kills), int(workers), float(seconds))
