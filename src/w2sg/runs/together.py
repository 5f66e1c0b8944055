"""One training shared by several processes of this machine, which torchrun starts.

The process that has the key of the stage gives them the job, hears how far they are, and stores
what the first of them hands back; they end when it does. Since they do the steps of one process,
their number is no part of a result's identity.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import TracebackType
from typing import Any

from w2sg.runs import compute as stages
from w2sg.runs.context import Context, Progress, Save
from w2sg.runs.graph import Call
from w2sg.runs.machine import cores, oom_kills, visible_gpus
from w2sg.runs.payloads import Artifact
from w2sg.runs.portable import refuse_unportable
from w2sg.train.loggers import Loggers

TRIES = 3  # of a training of which a process was killed; it goes on from its checkpoint
OPTION = "--processes-per-training"


@dataclass(frozen=True)
class Job:
    """What every process of a training is told.

    Attributes:
        call: The stage.
        inputs: Key → stored artifact that it needs.
        work_folder: Where checkpoints live.
        result: Where the first process writes the payload.
        loggers: What else is told of each step.
        checkpoint_seconds: Time between two checkpoints.
    """

    call: Call
    inputs: Mapping[str, Artifact]
    work_folder: Path
    result: Path
    loggers: Loggers
    checkpoint_seconds: float


@dataclass(frozen=True)
class Far:
    """How far the first process is."""

    what: str
    done: int
    total: int
    loss: float | None


@dataclass(frozen=True)
class Done:
    """What the first process found; the payload lies in the job's result folder."""

    facts: dict[str, Any]


class Lost(Exception):
    """A process of the training was killed."""


def compute(call: Call, context: Context) -> tuple[dict[str, Any], Save | None]:
    """Return a call's facts and payload, a fine-tuning shared by as many processes as asked.

    Raises:
        ValueError: There are fewer GPUs than processes, or an object cannot be sent to them.
        RuntimeError: One of them was killed, again and again.
    """
    if context.processes == 1 or not fine_tunes(call):
        return stages.compute(call, context)
    refuse_few_gpus(context.processes)
    result = context.work_folder / "result"
    job = Job(
        call=call,
        inputs={key: context.load(key) for key in set(call.needs.values())},
        work_folder=context.work_folder,
        result=result,
        loggers=context.loggers,
        checkpoint_seconds=context.checkpoint_seconds,
    )
    refuse_unportable(job, call.label, f"leave out {OPTION}")
    context.work_folder.mkdir(parents=True, exist_ok=True)
    facts = _tried(job, context.processes, context.progress)

    def save(folder: Path) -> None:
        for path in sorted(result.iterdir()):
            shutil.move(path, folder / path.name)

    return facts, save


def fine_tunes(call: Call) -> bool:
    """Say whether a call is a training by gradients, which processes can share."""
    return call.stage == "strong_student" or call.body["spec"].get("kind") == "finetune"


def refuse_few_gpus(processes: int) -> None:
    """Refuse more processes than GPUs; without any GPU they share the cores.

    Raises:
        ValueError: There are GPUs, and fewer than processes.
    """
    n = len(visible_gpus()) if processes > 1 else 0
    if 0 < n < processes:
        raise ValueError(
            f"{OPTION} {processes}: each process needs a GPU of its own, and there are {n}; "
            f"use {OPTION} {n}"
        )


def refuse_small_batches(calls: Iterable[Call], processes: int) -> None:
    """Refuse optimizer batches that have no row for each process.

    Raises:
        ValueError: A batch is smaller than the number of processes, or that is no number.
    """
    if processes < 1:
        raise ValueError(f"{OPTION} {processes}: must be at least 1")
    for call in calls:
        size = call.body["spec"]["batch_size"] if fine_tunes(call) else processes
        if size < processes:
            raise ValueError(
                f"{OPTION} {processes}: a batch of student.batch_size = {size} cannot be shared by "
                f"so many; use {OPTION} {size}, or larger batches"
            )


def refuse_outer_launch() -> None:
    """Refuse to be started by torchrun: its processes would all do the same, or wait for ever.

    Raises:
        ValueError: This process is one of several that were started together.
    """
    n = os.environ.get("WORLD_SIZE", "1")
    if n.isdecimal() and int(n) > 1:
        raise ValueError(
            f"w2sg was started {n} times, by torchrun or accelerate launch (WORLD_SIZE={n}); start "
            f"it once, with {OPTION} {n}: it starts the processes of each training itself"
        )


def _tried(job: Job, n: int, progress: Progress) -> dict[str, Any]:
    for attempt in range(TRIES):
        kills = oom_kills()
        shutil.rmtree(job.result, ignore_errors=True)
        try:
            with _Group(n, job.work_folder / "processes.log") as group:
                return group.run(job, progress)
        except Lost as lost:
            if oom_kills() > kills:
                raise MemoryError("the system killed a process of the training") from None
            if attempt == TRIES - 1:
                raise RuntimeError(f"{lost}, {TRIES} times") from None
    raise AssertionError("unreachable")


class _Group:
    """So many processes under torchrun; leaving the context ends them."""

    def __init__(self, n: int, log: Path) -> None:
        self.n, self.log = n, log
        self.folder = Path(tempfile.mkdtemp(prefix="w2sg-"))  # open to this user alone
        self.door = socket.socket(socket.AF_UNIX)
        self.connections: list[Connection] = []
        self.agent: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "_Group":
        address = self.folder / "door"
        self.door.bind(str(address))
        self.door.listen(self.n)
        threads = int(os.environ.get("OMP_NUM_THREADS") or cores())
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "OMP_NUM_THREADS": str(max(1, threads // self.n)),
            "TOKENIZERS_PARALLELISM": "false",
        }
        torchrun = ["torch.distributed.run", "--standalone", f"--nproc-per-node={self.n}"]
        with self.log.open("wb") as log:
            self.agent = subprocess.Popen(
                [sys.executable, "-m", *torchrun, "-m", "w2sg.runs.rank", str(address)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,  # Ctrl-C is for this process, which then ends them
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.door.close()
        for connection in self.connections:
            connection.close()  # with it goes the process at the other end
        if self.agent is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.agent.wait(5 if self.connections else 0)
            self.agent.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.agent.wait(10)
            self.agent.kill()
            self.agent.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, job: Job, progress: Progress) -> dict[str, Any]:
        """Give everyone the job and return what the first of them found.

        Raises:
            Lost: A process was killed.
            Exception: What one of them raised.
        """
        assert self.agent is not None
        while True:
            ended = self.agent.poll() is not None  # asked before the last words are read
            for ready in wait([self.door, *self.connections], 0.0 if ended else 0.2):
                if ready is self.door:
                    self._admit(job)
                    continue
                told = self._hear(ready)
                if isinstance(told, Far):
                    progress(told.what, told.done, told.total, told.loss)
                elif isinstance(told, Done):
                    return told.facts
                elif told is not None:
                    self._raise(told)
            if ended:
                raise Lost(self._last_words())

    def _admit(self, job: Job) -> None:
        connection = Connection(self.door.accept()[0].detach())
        with contextlib.suppress(OSError):
            connection.send(job)
            self.connections.append(connection)

    def _hear(self, connection: Any) -> Any:
        try:
            return connection.recv()
        except (EOFError, OSError):
            self.connections.remove(connection)
            connection.close()
            return None

    def _raise(self, error: BaseException) -> None:
        """Raise what a process said, unless it only complains that another one is gone."""
        assert self.agent is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.agent.wait(2)  # torchrun ends when one of its processes is killed
            raise Lost(self._last_words())
        raise error

    def _last_words(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        said = [line for line in lines if "Error" in line or "Signal" in line or "signal" in line]
        return f"one of its {self.n} processes ended" + (f" ({said[-1].strip()})" if said else "")
