"""One stage as it travels to where it is computed, and the answer that comes back."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Literal, Protocol

from w2sg.runs.execute import Event, Execution, RunFailed, environment
from w2sg.runs.failures import Failure, StageTimeout
from w2sg.runs.graph import Call
from w2sg.runs.store import Busy, Manifest, Store, StoreError

State = Literal["done", "cached", "failed", "busy", "damaged", "lost", "refused"]


@dataclass(frozen=True)
class Task:
    """One stage to load or compute, with all that another process needs for it.

    Attributes:
        call: What to compute; everything it needs is stored.
        store: The folder of results.
        retry_failed: Whether a stored failure is computed again.
        loggers: Names of loggers for trainings.
        limit_seconds: Longest time; `None` for no limit.
        checkpoint_seconds: Time between two checkpoints of a training.
        processes: How many share a fine-tuning.
    """

    call: Call
    store: str
    retry_failed: bool = False
    loggers: tuple[str, ...] = ()
    limit_seconds: float | None = None
    checkpoint_seconds: float = 300.0
    processes: int = 1


@dataclass(frozen=True)
class Answer:
    """What became of a task.

    Attributes:
        key: Of the call.
        state: ``"busy"``: another process is computing it; ``"damaged"``: inputs must be computed
            again; ``"lost"``: its process was killed; ``"refused"``: the store cannot be written.
        what: What went wrong, in one line.
        seconds: How long it took.
        damaged: Keys of damaged inputs.
    """

    key: str
    state: State
    what: str = ""
    seconds: float = 0.0
    damaged: tuple[str, ...] = ()


@dataclass(frozen=True)
class Told:
    """How far a task is: what it is doing, `done` of `total`, and the training loss."""

    key: str
    what: str = ""
    done: int = 0
    total: int = 0
    loss: float | None = None


Tell = Callable[[Told], None]


class Launcher(Protocol):
    """Computes tasks somewhere. The store says what is finished; a launcher only says when."""

    @property
    def slots(self) -> int:
        """How many tasks may be under way."""
        ...

    def start(self, tasks: Sequence[Task]) -> None:
        """Take tasks that can be computed now; at most `slots` are under way."""
        ...

    def poll(self, seconds: float, tell: Tell) -> list[Answer]:
        """Return the answers that came in, waiting at most so long for the first."""
        ...

    def close(self) -> None:
        """Stop what is under way and release everything."""
        ...


def perform(task: Task, tell: Tell) -> Answer:
    """Load or compute one stage in this process.

    Args:
        task: The stage.
        tell: Called with its progress.
    """
    store, call, started = Store(task.store), task.call, time.monotonic()

    def watch(event: Event) -> None:
        if event.state == "progress":
            tell(Told(call.key, event.what, event.done, event.total, event.loss))
            _within(task, time.monotonic() - started)

    run = Execution(
        store,
        watch,
        retry_failed=task.retry_failed,
        tables=None,
        data=None,
        loggers=task.loggers,
        checkpoint_seconds=task.checkpoint_seconds,
        processes=task.processes,
    )
    damaged = []
    for key in dict.fromkeys(call.needs.values()):
        manifest, _ = store.read(key)
        if manifest is None or manifest.status == "failed":
            damaged.append(key)
        else:
            run.manifests[key] = manifest
    if damaged:
        return Answer(call.key, "damaged", damaged=tuple(damaged))
    try:
        run.ensure(call, wait=False)
    except Busy:
        return Answer(call.key, "busy")
    except RunFailed as error:
        return Answer(call.key, "failed", str(error), time.monotonic() - started)
    except StoreError as error:
        return Answer(call.key, "refused", str(error))
    state: State = "done" if run.computed else "cached"
    return Answer(call.key, state, seconds=time.monotonic() - started)


def record_failure(task: Task, failure: Failure, seconds: float) -> Answer:
    """Store that a task failed whose process can no longer say so itself."""
    store, call = Store(task.store), task.call
    with store.lock(call.key):
        store.write(
            Manifest(
                key=call.key,
                body=dict(call.body),
                status="failed",
                facts={"failure": asdict(failure)},
                needs=dict(call.needs),
                environment=environment(),
                started=time.time() - seconds,
                seconds=seconds,
                error=str(failure),
            )
        )
    return Answer(call.key, "failed", f"{call.label}: {failure}", seconds)


def _within(task: Task, seconds: float) -> None:
    if task.limit_seconds is not None and seconds > task.limit_seconds:
        raise StageTimeout(f"took longer than {task.limit_seconds:g} s")
