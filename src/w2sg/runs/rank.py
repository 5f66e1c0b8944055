"""What torchrun starts: one of the processes that share a training; see `w2sg.runs.together`."""

import os
import socket
import sys
import threading
from datetime import timedelta
from multiprocessing.connection import Connection
from typing import Any

from filelock import FileLock

from w2sg.runs.compute import compute
from w2sg.runs.context import Context
from w2sg.runs.portable import portable, sparing
from w2sg.runs.together import Done, Far, Job

PATIENCE = timedelta(days=1)  # with others that write a checkpoint; torchrun ends us if one dies


def main(address: str) -> None:
    """Do the job that is told at the address, say what came of it, end when that is let go."""
    door = socket.socket(socket.AF_UNIX)
    door.connect(address)
    connection = Connection(door.detach())
    job = connection.recv()
    threading.Thread(target=_end_with, args=(connection,), daemon=True).start()
    own = int(os.environ["RANK"])
    try:
        facts = _share(job, own, connection)
        if own == 0:
            connection.send(Done(facts))
    except BaseException as error:
        connection.send(portable(error, f"in process {own} of the training"))
    threading.Event().wait()


def _share(job: Job, own: int, connection: Connection) -> dict[str, Any]:
    import torch
    from torch import distributed

    gpu = torch.cuda.is_available()
    if gpu:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("cpu:gloo,cuda:nccl" if gpu else "gloo", timeout=PATIENCE)
    tell = sparing(connection.send) if own == 0 else lambda _: None
    nothing: Any = None  # a training does not divide data
    context = Context(
        load=job.inputs.__getitem__,
        tables=nothing,
        data=None,
        work_folder=job.work_folder,
        progress=lambda *far: tell(Far(*far)),
        loggers=job.loggers,
        checkpoint_seconds=job.checkpoint_seconds,
    )
    if own > 0:
        return compute(job.call, context)[0]
    # if whoever gave the job was killed, its processes may live for a moment longer
    with FileLock(job.work_folder / "processes.lock"):
        facts, save = compute(job.call, context)
        job.result.mkdir()
        if save is not None:
            save(job.result)
    return facts


def _end_with(connection: Connection) -> None:
    try:
        connection.recv()
    except (EOFError, OSError):
        os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
