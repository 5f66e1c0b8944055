"""All calls of a sweep, each computed once its needs are there; what fails takes only its own."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from w2sg.runs.execute import Event, Watch, finished
from w2sg.runs.graph import Call
from w2sg.runs.launch import Answer, Launcher, Task, Told
from w2sg.runs.store import Store, StoreError, read_manifest

ATTEMPTS = 3  # of a stage whose process was killed, or whose inputs were found damaged
BUSY_SECONDS = 0.5


@dataclass
class Progress:
    """What has become of the calls.

    Attributes:
        done: Keys that lie whole in the store.
        computed: Keys among them that this sweep computed.
        failed: Key → why.
        skipped: Key → label of the failed call that it needs.
    """

    done: set[str] = field(default_factory=set)
    computed: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)


class Scheduler:
    """Computes calls through a launcher.

    Args:
        calls: By key, in an order that can be computed.
        task: What every task has in common; its call is replaced.
        launcher: Where they are computed.
        watch: Called with every event.
        done: Keys that are known to be whole, such as the divided data.
    """

    def __init__(
        self,
        calls: Mapping[str, Call],
        task: Task,
        launcher: Launcher,
        watch: Watch,
        done: set[str],
    ) -> None:
        self.calls, self.task, self.launcher, self.watch = calls, task, launcher, watch
        self.store = Store(task.store)
        self.progress = Progress(done=set(done))
        self.needed_by: dict[str, list[str]] = {}
        for key, call in calls.items():
            for need in set(call.needs.values()):
                self.needed_by.setdefault(need, []).append(key)
        self.depth = _depths(calls, self.needed_by)
        self.order = {key: place for place, key in enumerate(calls)}
        self.attempts: dict[str, int] = {}
        self.open: set[str] = set()
        self.running: set[str] = set()
        self.not_before: dict[str, float] = {}

    def run(self) -> Progress:
        """Compute everything that can be computed and return what became of it.

        Raises:
            StoreError: The store cannot be written; finished stages are kept.
        """
        self._look()
        try:
            while self.open:
                ready = self._ready()
                for key in ready:
                    self.running.add(key)
                    self.watch(Event("started", self.calls[key]))
                self.launcher.start([replace(self.task, call=self.calls[key]) for key in ready])
                if not self.running:
                    if not self.open:
                        break
                    time.sleep(self._pause())
                    continue
                for answer in self.launcher.poll(0.5, self._tell):
                    self.running.discard(answer.key)
                    self._take(answer)
        finally:
            self.launcher.close()
        return self.progress

    def _look(self) -> None:
        """See what is stored before anything is started."""
        for key, call in self.calls.items():
            manifest, damage = self.store.read(key)
            if damage is not None:
                self.watch(Event("damaged", call, what=f"{damage}; computing it again"))
            if manifest is None:
                self.open.add(key)
            elif manifest.status == "done":
                self.progress.done.add(key)
                self.watch(Event("cached", call, manifest=manifest))
            elif self.task.retry_failed:
                self.open.add(key)
            else:
                what = manifest.facts.get("failure", {}).get("what") or manifest.error or ""
                self._fail(key, f"failed before: {what}; --retry-failed computes it again")
        for key in list(self.progress.failed):
            self._skip_users(key)

    def _ready(self) -> list[str]:
        now = time.monotonic()
        free = self.launcher.slots - len(self.running)
        able = [
            key
            for key in self.open - self.running
            if self.not_before.get(key, 0.0) <= now
            and all(need in self.progress.done for need in self.calls[key].needs.values())
        ]
        # what most others wait for comes first
        return sorted(able, key=lambda key: (-self.depth[key], self.order[key]))[: max(0, free)]

    def _pause(self) -> float:
        able = [self.not_before[key] for key in self.open if key in self.not_before]
        if not able:
            raise RuntimeError("the plan is circular: stages wait for each other")
        return max(0.01, min(able) - time.monotonic())

    def _take(self, answer: Answer) -> None:
        key, call = answer.key, self.calls[answer.key]
        if answer.state in ("done", "cached"):
            self.open.discard(key)
            self.progress.done.add(key)
            manifest = read_manifest(self.store.folder(key))
            if answer.state == "done":
                self.progress.computed.append(key)
                for event in finished(call, manifest):
                    self.watch(event)
            else:
                self.watch(Event(answer.state, call, manifest=manifest))
        elif answer.state == "busy":
            self.not_before[key] = time.monotonic() + BUSY_SECONDS
        elif answer.state == "refused":
            raise StoreError(answer.what)
        elif answer.state == "failed":
            self._fail(key, answer.what.removeprefix(f"{call.label}: "))
            self._skip_users(key)
        else:
            self._again(answer, call)

    def _again(self, answer: Answer, call: Call) -> None:
        """Compute a stage again that was lost with its process, or whose inputs were damaged."""
        tries = self.attempts[answer.key] = self.attempts.get(answer.key, 0) + 1
        foreign = [key for key in answer.damaged if key not in self.calls]
        if tries >= ATTEMPTS or foreign:
            what = answer.what or "its inputs are damaged"
            self._fail(answer.key, f"{what}, {tries} times; run the sweep again")
            self._skip_users(answer.key)
            return
        for key in answer.damaged:
            self.progress.done.discard(key)
            self.open.add(key)
            what = "it was damaged or removed meanwhile; computing it again"
            self.watch(Event("damaged", self.calls[key], what=what))
        if answer.state == "lost":
            self.watch(Event("damaged", call, what=f"{answer.what}; starting it again"))

    def _fail(self, key: str, what: str) -> None:
        self.open.discard(key)
        self.progress.failed[key] = what
        self.watch(Event("failed", self.calls[key], what=what))

    def _skip_users(self, key: str) -> None:
        for user in self.needed_by.get(key, []):
            if user in self.open:
                self.open.discard(user)
                self.progress.skipped[user] = self.calls[key].label
                self._skip_users(user)

    def _tell(self, told: Told) -> None:
        call = self.calls[told.key]
        self.watch(Event("progress", call, told.what, told.done, told.total, told.loss))


def _depths(calls: Mapping[str, Call], needed_by: Mapping[str, list[str]]) -> dict[str, int]:
    """How many stages come after each, on the longest way."""
    depths: dict[str, int] = {}
    for key in reversed(list(calls)):
        depths[key] = 1 + max((depths[user] for user in needed_by.get(key, ())), default=0)
    return depths
