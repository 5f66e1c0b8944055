"""Slurm, through submitit: arrays of jobs, short stages packed, pre-empted ones requeued."""

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from w2sg.runs.failures import named
from w2sg.runs.launch.task import Answer, Task, Tell, perform, record_failure
from w2sg.runs.sweep import is_training

MOST_UNDER_WAY = 2000
PACK = 16  # stages that take seconds, in one job


@dataclass
class _Job:
    handle: Any
    tasks: tuple[Task, ...]
    since: float = field(default_factory=time.monotonic)


class Slurm:
    """Computes in Slurm jobs; the store must be a folder that all nodes see.

    Trainings are one job each, stages that take seconds up to sixteen in a job. Jobs that become
    ready together go as one array. A job that Slurm pre-empts, or that reaches its hours, is put
    back into the queue and goes on from the checkpoint of its training.

    Args:
        folder: Where submitit keeps what it sends and the logs of the jobs.
        partition: Of Slurm.
        cpus: Cores of a training.
        gpus: GPUs of a training.
        memory: Bytes of a training.
        hours: Longest job.
        cluster: ``"slurm"``, or ``"local"`` for processes on this machine, as tests use.
    """

    slots = MOST_UNDER_WAY

    def __init__(
        self,
        folder: str | Path,
        *,
        partition: str | None = None,
        cpus: int = 1,
        gpus: int = 0,
        memory: int | None = None,
        hours: float = 4.0,
        cluster: str = "slurm",
    ) -> None:
        self.folder, self.partition, self.cluster = Path(folder), partition, cluster
        self.cpus, self.gpus, self.memory, self.hours = cpus, gpus, memory, hours
        self.jobs: list[_Job] = []

    def start(self, tasks: Sequence[Task]) -> None:
        """Submit tasks, those of one kind as one array."""
        trainings = [(task,) for task in tasks if is_training(task.call)]
        short = [task for task in tasks if not is_training(task.call)]
        packs = [tuple(short[i : i + PACK]) for i in range(0, len(short), PACK)]
        for packed, gpus in ((trainings, self.gpus), (packs, 0)):
            if not packed:
                continue
            executor = self._executor(gpus)
            with executor.batch():
                handles = [executor.submit(Stages(), some) for some in packed]
            self.jobs += [_Job(h, some) for h, some in zip(handles, packed, strict=True)]

    def poll(self, seconds: float, tell: Tell) -> list[Answer]:
        """Return the answers of jobs that ended; a lost job answers for its tasks too."""
        del tell  # a job says when it is finished, not how far it is
        until = time.monotonic() + seconds
        while True:
            ended = [job for job in self.jobs if job.handle.done()]
            if ended or time.monotonic() >= until:
                break
            time.sleep(min(0.1, seconds))
        self.jobs = [job for job in self.jobs if job not in ended]
        return [answer for job in ended for answer in self._answers(job)]

    def close(self) -> None:
        """Cancel what is under way."""
        for job in self.jobs:
            with contextlib.suppress(Exception):  # it may have ended meanwhile
                job.handle.cancel()
        self.jobs = []

    def _executor(self, gpus: int) -> Any:
        try:
            import submitit
        except ImportError:
            raise ValueError(
                "the launcher slurm needs the package submitit: pip install 'w2sg[slurm]'"
            ) from None
        try:
            # whoever can write here runs code as this user: jobs are Python objects in files
            self.folder.mkdir(parents=True, exist_ok=True)
            self.folder.chmod(0o700)
            executor = submitit.AutoExecutor(self.folder, cluster=self.cluster)
        except RuntimeError as error:
            raise ValueError(
                f"the launcher slurm cannot submit from this machine ({error}); run it where "
                "sbatch is, or use --launcher local"
            ) from None
        executor.update_parameters(
            name="w2sg",
            timeout_min=max(1, round(60 * self.hours)),
            cpus_per_task=self.cpus,
            gpus_per_node=gpus,
        )
        if self.memory is not None:
            executor.update_parameters(mem_gb=self.memory / 1e9)
        if self.cluster == "slurm":
            executor.update_parameters(slurm_additional_parameters={"requeue": True})
            if self.partition is not None:
                executor.update_parameters(slurm_partition=self.partition)
        return executor

    def _answers(self, job: _Job) -> list[Answer]:
        seconds = time.monotonic() - job.since
        error = job.handle.exception()
        if error is None:
            return job.handle.result()
        state, text = str(job.handle.state).upper(), str(error)
        if "OUT_OF_ME" in state:
            failure = named("out of memory", f"out of memory (Slurm says {state})")
            return [record_failure(task, failure, seconds) for task in job.tasks]
        if "TIMEOUT" in state or "timed-out" in text:
            failure = named("time-out", f"took longer than {self.hours:g} hours")
            return [record_failure(task, failure, seconds) for task in job.tasks]
        line = text.strip().splitlines()[-1] if text.strip() else state
        return [Answer(task.call.key, "lost", f"its job was lost ({line})") for task in job.tasks]


class Stages:
    """What a job does: its stages one after another, and again from there when it is requeued."""

    def __call__(self, tasks: tuple[Task, ...]) -> list[Answer]:
        """Compute the stages of one job."""
        return [perform(task, lambda _: None) for task in tasks]

    def checkpoint(self, tasks: tuple[Task, ...]) -> Any:
        """Go back into the queue; what is stored is found, a training has its checkpoint."""
        import submitit

        return submitit.helpers.DelayedSubmission(self, tasks)
