"""Worker processes on this machine: cores divided among them, or one for each GPU."""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from typing import Any

from w2sg.runs.failures import named
from w2sg.runs.launch.task import Answer, Task, Tell, perform, record_failure
from w2sg.runs.machine import cores, oom_kills
from w2sg.runs.portable import refuse_unportable, sparing

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass
class _Worker:
    process: Any
    connection: Connection
    task: Task | None = None
    since: float = 0.0
    kills_before: int = 0
    late: bool = False


@dataclass
class Processes:
    """Computes in worker processes, each with its own share of the machine.

    Args:
        n: Number of workers.
        threads: Threads of each; by default the cores divided by the workers.
        gpus: Names of GPUs, worker i sees the i-th, or several with commas between them; none to
            leave the choice to the environment.
    """

    n: int
    threads: int | None = None
    gpus: tuple[str, ...] = ()
    workers: list[_Worker | None] = field(default_factory=list)

    @property
    def slots(self) -> int:
        """As many tasks as workers."""
        return self.n

    def start(self, tasks: Sequence[Task]) -> None:
        """Give each task to an idle worker, starting it where there is none."""
        self.workers += [None] * (self.n - len(self.workers))
        for task in tasks:
            refuse_unportable(task, task.call.label, "use workers=1")
            place = next(i for i, w in enumerate(self.workers) if w is None or w.task is None)
            worker = self.workers[place] or self._spawn(place)
            self.workers[place] = worker
            worker.task, worker.since, worker.late = task, time.monotonic(), False
            worker.kills_before = oom_kills()
            with contextlib.suppress(OSError):  # it died while idle: its end is told by poll
                worker.connection.send(replace(task, limit_seconds=None))

    def poll(self, seconds: float, tell: Tell) -> list[Answer]:
        """Return answers; a worker that died answers for its task too."""
        busy = [(i, w) for i, w in enumerate(self.workers) if w is not None and w.task is not None]
        self._stop_late([w for _, w in busy])
        wait([c for _, w in busy for c in (w.connection, w.process.sentinel)], seconds)
        answers = []
        for place, worker in busy:
            answer = self._listen(worker, tell)
            if answer is None and not worker.process.is_alive():
                answer = self._listen(worker, tell) or self._obituary(worker)
                self.workers[place] = None
                worker.connection.close()
            if answer is not None:
                worker.task = None
                answers.append(answer)
        return answers

    def close(self) -> None:
        """End all workers."""
        there = [worker for worker in self.workers if worker is not None]
        for worker in there:
            if worker.task is None:
                with contextlib.suppress(OSError):
                    worker.connection.send(None)
            else:
                worker.process.kill()
        for worker in there:
            worker.process.join(5)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
            worker.connection.close()
        self.workers = []

    def _spawn(self, place: int) -> _Worker:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        threads = self.threads or max(1, cores() // self.n)
        changed = {name: str(threads) for name in THREADS} | {"TOKENIZERS_PARALLELISM": "false"}
        if self.gpus:
            changed["CUDA_VISIBLE_DEVICES"] = self.gpus[place % len(self.gpus)]
        process = context.Process(target=_work, args=(theirs,), name=f"w2sg-{place}", daemon=True)
        with _environment(changed), _without_main():
            process.start()
        theirs.close()
        return _Worker(process, ours)

    def _listen(self, worker: _Worker, tell: Tell) -> Answer | None:
        with contextlib.suppress(EOFError, OSError):
            while worker.connection.poll():
                message = worker.connection.recv()
                if isinstance(message, Answer):
                    return message
                tell(message)
        return None

    def _stop_late(self, workers: list[_Worker]) -> None:
        for worker in workers:
            limit = worker.task.limit_seconds if worker.task else None
            if limit is not None and time.monotonic() - worker.since > limit:
                worker.late = True
                worker.process.kill()
                worker.process.join()

    def _obituary(self, worker: _Worker) -> Answer:
        worker.process.join()
        task, seconds = worker.task, time.monotonic() - worker.since
        assert task is not None
        if worker.late:
            failure = named("time-out", f"took longer than {task.limit_seconds:g} s")
            return record_failure(task, failure, seconds)
        code = worker.process.exitcode
        if code == -signal.SIGKILL and oom_kills() > worker.kills_before:
            failure = named("out of memory", "out of memory: the system killed its process")
            return record_failure(task, failure, seconds)
        how = f"signal {-code}" if code is not None and code < 0 else f"exit status {code}"
        return Answer(task.call.key, "lost", f"its process ended with {how}", seconds)


def _work(connection: Connection) -> None:
    """The life of a worker: one task after another, until its parent lets go of it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then ends us
    _end_with_parent()
    while True:
        try:
            task = connection.recv()
        except EOFError:
            return
        if task is None:
            return
        answer = perform(task, sparing(connection.send))
        connection.send(answer)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()

    def watch() -> None:
        assert parent is not None
        parent.join()
        os._exit(1)  # in the middle of a stage: what is half done was never visible

    if parent is not None:
        threading.Thread(target=watch, daemon=True).start()


@contextlib.contextmanager
def _environment(changed: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in changed}
    os.environ.update(changed)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """Start a worker that does not run the user's script again, guarded or not."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
