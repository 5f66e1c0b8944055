"""A Ray cluster: each stage with the cores, share of a GPU and memory that it is given."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from w2sg.runs.failures import named
from w2sg.runs.launch.task import Answer, Task, Tell, perform, record_failure
from w2sg.runs.sweep import is_training

MOST_UNDER_WAY = 1000


@dataclass(frozen=True)
class Share:
    """What one stage may use.

    Attributes:
        cpus: Cores; also the threads that it runs.
        gpus: GPUs; 0.25 lets four stages share one.
        memory: Bytes that Ray sets aside, ``None`` to leave memory to the operating system.
    """

    cpus: float = 1.0
    gpus: float = 0.0
    memory: int | None = None


class Ray:
    """Computes on a Ray cluster; the store must be a folder that all its nodes see.

    Args:
        address: ``"auto"``, ``"host:port"``, or ``None`` to start Ray on this machine.
        training: What a training may use.
        other: What any other stage may use.

    Raises:
        ValueError: Ray is not installed, or the cluster has no node for a training.
    """

    slots = MOST_UNDER_WAY

    def __init__(
        self,
        address: str | None = None,
        *,
        training: Share | None = None,
        other: Share | None = None,
    ) -> None:
        self.address = address
        self.training, self.other = training or Share(), other or Share()
        self.under_way: dict[Any, Task] = {}
        self.remote: Any = None
        self.connected_here = False

    def start(self, tasks: Sequence[Task]) -> None:
        """Hand tasks to the cluster."""
        if tasks and self.remote is None:
            self._connect()
        remote: Any = self.remote
        for task in tasks:
            share = self.training if is_training(task.call) else self.other
            options: dict[str, Any] = {"num_cpus": share.cpus, "num_gpus": share.gpus}
            if share.memory is not None:
                options["memory"] = share.memory
            environment = {"OMP_NUM_THREADS": str(max(1, int(share.cpus)))}
            reference = remote.options(
                **options, max_retries=0, runtime_env={"env_vars": environment}
            ).remote(task)
            self.under_way[reference] = task

    def poll(self, seconds: float, tell: Tell) -> list[Answer]:
        """Return the answers that came in; a lost node answers for its tasks too."""
        import ray

        del tell  # the cluster tells when a stage is finished, not how far it is
        done, _ = ray.wait(list(self.under_way), num_returns=1, timeout=seconds, fetch_local=False)
        return [self._answer(reference, self.under_way.pop(reference)) for reference in done]

    def close(self) -> None:
        """Cancel what is under way, and leave a cluster that was joined here."""
        if self.remote is None:
            return
        import ray

        for reference in self.under_way:
            ray.cancel(reference, force=True)
        self.under_way = {}
        if self.connected_here:
            ray.shutdown()
        self.remote = None

    def _connect(self) -> None:
        try:
            import ray
        except ImportError:
            raise ValueError(
                "the launcher ray needs the package ray: pip install 'w2sg[ray]'"
            ) from None
        if not ray.is_initialized():
            paths = os.pathsep.join(path for path in sys.path if path)
            ray.init(
                address=self.address,
                log_to_driver=False,
                runtime_env={"env_vars": {"PYTHONPATH": paths, "TOKENIZERS_PARALLELISM": "false"}},
            )
            self.connected_here = True
        share = self.training
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        if not any(
            node.get("CPU", 0) >= share.cpus and node.get("GPU", 0) >= share.gpus for node in nodes
        ):
            raise ValueError(
                f"no node of the Ray cluster has {share.cpus:g} cores and {share.gpus:g} GPUs for "
                "a training; ask for less (--cpus-per-training, --gpus-per-training)"
            )
        self.remote = ray.remote(_perform)

    def _answer(self, reference: Any, task: Task) -> Answer:
        import ray
        from ray import exceptions

        try:
            return ray.get(reference)
        except exceptions.OutOfMemoryError as error:
            line = str(error).strip().splitlines()[0]
            return record_failure(task, named("out of memory", f"out of memory ({line})"), 0.0)
        except (exceptions.WorkerCrashedError, exceptions.NodeDiedError) as error:
            return Answer(task.call.key, "lost", f"its node or process was lost ({error})")


def _perform(task: Task) -> Answer:
    return perform(task, lambda _: None)
