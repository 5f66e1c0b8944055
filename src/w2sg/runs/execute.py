"""Load or compute each stage of a run, one process per key, finished stages kept whatever comes."""

import json
import platform
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from w2sg import arms
from w2sg._version import __version__
from w2sg.runs import together
from w2sg.runs.checks import refuse_unusable
from w2sg.runs.context import Context
from w2sg.runs.failures import explain
from w2sg.runs.graph import Call
from w2sg.runs.identity import refuse_unknown, run_id
from w2sg.runs.payloads import Artifact
from w2sg.runs.plan import RunPlan, data_calls, plan_run
from w2sg.runs.resolve import references, teacher_columns
from w2sg.runs.store import (
    STARTED,
    Manifest,
    Store,
    StoreError,
    explained,
    failed,
    write_atomically,
)
from w2sg.spec import Spec, SpecNote
from w2sg.stages import labelled_data
from w2sg.train.loggers import Loggers
from w2sg.train.loggers import check as check_loggers

State = Literal["cached", "started", "progress", "done", "failed", "damaged"]


@dataclass(frozen=True)
class Event:
    """Something a user would like to see while a run is under way.

    Attributes:
        state: What happened.
        call: To which stage.
        what: What it is doing, or what went wrong.
        done: How far it is.
        total: Of how many.
        loss: Training loss.
        manifest: Of a stage that is done or was found.
    """

    state: State
    call: Call
    what: str = ""
    done: int = 0
    total: int = 0
    loss: float | None = None
    manifest: Manifest | None = None


Watch = Callable[[Event], None]


class RunFailed(RuntimeError):
    """A stage failed; the finished ones are kept."""


@dataclass(frozen=True)
class Outcome:
    """A finished run as it lies in the store.

    Attributes:
        spec: What was asked for.
        plan: Its calls and what role each plays.
        data: Seed → key of the divided data.
        manifests: Key → manifest.
        store: Where they are.
        computed: Keys that the run computed rather than found.
    """

    spec: Spec
    plan: RunPlan
    data: Mapping[int, str]
    manifests: Mapping[str, Manifest]
    store: Store
    computed: tuple[str, ...]

    def artifact(self, key: str) -> Artifact:
        """Return a stored result of this run."""
        return Artifact(self.manifests[key], self.store.folder(key))

    def of_role(self, role: str) -> Artifact:
        """Return the result that plays a role, such as ``"evaluation"`` or ``"student/0"``."""
        return self.artifact(self.plan.roles[role])


class Execution:
    """Computes calls against a store; knows nothing of specs."""

    def __init__(
        self,
        store: Store,
        watch: Watch,
        *,
        retry_failed: bool = True,
        loggers: tuple[str, ...] = (),
        **context: Any,
    ) -> None:
        self.store, self.watch, self.context = store, watch, context
        self.loggers = loggers
        self.retry_failed = retry_failed
        self.manifests: dict[str, Manifest] = {}
        self.computed: list[str] = []

    def ensure(self, call: Call, *, wait: bool = True) -> Manifest:
        """Return the manifest of a call, loading it if it is whole, computing it if not.

        Args:
            call: What to have.
            wait: Whether to wait where another process is computing it.

        Raises:
            Busy: Another process is computing it, and `wait` is off.
            RunFailed: The computation raised, now or before; a manifest with the traceback is
                stored.
            StoreError: The store cannot be written.
        """
        if call.key in self.manifests:
            return self.manifests[call.key]
        found = self._find(call)
        if found is None:
            with self.store.lock(call.key, wait=wait):
                found = self._find(call)  # another process may have done it meanwhile
                if found is None:
                    found = self._compute(call)
        self.manifests[call.key] = found
        return found

    def ensure_all(self, calls: Iterable[Call]) -> None:
        """Compute calls in order; one that fails takes along only what needs it.

        Raises:
            RunFailed: At the end, if any failed.
        """
        errors: dict[str, list[Call]] = {}
        for call in calls:
            missing = [key for key in call.needs.values() if key not in self.manifests]
            if missing:
                continue
            try:
                self.ensure(call)
            except RunFailed as error:
                what = str(error).removeprefix(f"{call.label}: ")
                errors.setdefault(what, []).append(call)
        if errors:
            raise RunFailed("\n".join(self._told(*error) for error in errors.items()))

    def _told(self, what: str, calls: list[Call]) -> str:
        """What went wrong, once, and where its traceback is."""
        who = "; ".join(call.label for call in calls)
        show = f"w2sg show {calls[0].key[:12]} --store {self.store.root}"
        return f"{who}: {what}\n  `{show}` prints the traceback"

    def _find(self, call: Call) -> Manifest | None:
        manifest, damage = self.store.read(call.key)
        if damage is not None:
            self.watch(Event("damaged", call, what=f"{damage}; computing it again"))
            return None
        if manifest is not None and manifest.status == "failed" and not self.retry_failed:
            what = str(manifest.facts.get("failure", {}).get("what", "see its traceback"))
            self.watch(Event("failed", call, what=f"failed before: {what}", manifest=manifest))
            raise RunFailed(f"{call.label}: failed before: {what}")
        if manifest is None or manifest.status == "failed":
            return None
        self.watch(Event("cached", call, manifest=manifest))
        return manifest

    def _compute(self, call: Call) -> Manifest:
        started = time.time()
        self.watch(Event("started", call))
        context = Context(
            load=self.load,
            work_folder=self.store.work_folder(call.key),
            progress=lambda what, done, total, loss: self.watch(
                Event("progress", call, what, done, total, loss)
            ),
            loggers=Loggers(
                self.loggers,
                run=f"{call.label} {call.key[:8]}",
                folder=self.store.root / "logs",
                work_folder=self.store.work_folder(call.key),
            ),
            **self.context,
        )
        try:
            with explained(self.store.root, only_full=True):
                facts, save = together.compute(call, context)
            manifest = self.store.write(
                Manifest(
                    key=call.key,
                    body=dict(call.body),
                    status="done",
                    facts=facts,
                    needs=dict(call.needs),
                    environment=environment(),
                    started=started,
                    seconds=time.time() - started,
                ),
                save,
            )
        except StoreError:
            raise
        except Exception as error:
            failure = explain(error)
            manifest = failed(
                call.key,
                call.body,
                error,
                started,
                facts={"failure": asdict(failure)},
                needs=dict(call.needs),
                environment=environment(),
            )
            self.store.write(manifest)
            self.watch(Event("failed", call, what=str(failure), manifest=manifest))
            raise RunFailed(f"{call.label}: {failure}") from error
        self.computed.append(call.key)
        for event in finished(call, manifest):
            self.watch(event)
        return manifest

    def load(self, key: str) -> Artifact:
        """Return a stored result that this execution has found or computed."""
        return Artifact(self.manifests[key], self.store.folder(key))


def finished(call: Call, manifest: Manifest) -> list[Event]:
    """Return the events of a stage that was just computed: what was dropped, then that it is done.

    Args:
        call: The stage.
        manifest: As it was stored.
    """
    dropped = manifest.facts.get("checkpoints_dropped", ())
    told = [f"{what}; dropped, and what it held trained again" for what in dropped]
    events = [Event("damaged", call, what=what) for what in told]
    return [*events, Event("done", call, manifest=manifest)]


def execute(
    spec: Spec,
    *,
    watch: Watch | None = None,
    loggers: tuple[str, ...] = (),
    processes_per_training: int = 1,
    checkpoint_seconds: float = 300.0,
) -> Outcome:
    """Run a spec against its store and return what lies there.

    Args:
        spec: What to run.
        watch: Called with every event.
        loggers: Names of loggers that trainings report to.
        processes_per_training: How many share a training, one GPU each where there are any.
        checkpoint_seconds: Time between two checkpoints of a training.

    Raises:
        ValueError: The data cannot be read or divided as asked, or a model or classifier cannot be
            used as asked.
        RunFailed: A stage failed.
        StoreError: The store cannot be written.
    """
    from w2sg.models.backbone import resolve_precision

    check_loggers(loggers)
    refuse_unknown(spec)
    together.refuse_outer_launch()
    together.refuse_few_gpus(processes_per_training)
    store = Store(Path(spec.run.store))
    tables = labelled_data.read(spec.data, keep=teacher_columns(spec.teacher))
    run = Execution(
        store,
        watch or (lambda _: None),
        tables=tables,
        data=spec.data,
        loggers=loggers,
        processes=processes_per_training,
        checkpoint_seconds=checkpoint_seconds,
    )
    data = data_calls(spec, tables.fingerprints)
    for call in data.values():
        _refused_if_unusable(run, call)
    facts = {seed: run.manifests[call.key].facts for seed, call in data.items()}
    plan = plan_run(spec, data, facts, resolve_precision("auto"))
    together.refuse_small_batches(plan.calls.values(), processes_per_training)
    refuse_unusable(plan.calls.values(), run.load, store, str(spec.student.model))
    _note_start(store, spec, plan, data)
    asked = spec.run.references != arms.references() and "ceiling" in spec.run.references
    if asked and "ceiling" not in references(spec, facts.values()):
        why = "unlabelled rows have no true labels to train it on"
        warnings.warn(f"run.references: no ceiling, since {why}", SpecNote, stacklevel=3)
    run.ensure_all(plan.calls.values())
    return Outcome(
        spec=spec,
        plan=plan,
        data={seed: call.key for seed, call in data.items()},
        manifests=run.manifests,
        store=store,
        computed=tuple(run.computed),
    )


def _note_start(store: Store, spec: Spec, plan: RunPlan, data: Mapping[int, Call]) -> None:
    """Write down which stages the run needs, so that gc spares them while it is not finished."""
    folder = store.root / "runs" / run_id(spec)
    if (folder / "result.json").is_file():
        return
    started = {
        "roles": dict(plan.roles),
        "data": {str(seed): call.key for seed, call in data.items()},
    }
    with explained(store.root):
        write_atomically(folder / STARTED, json.dumps(started) + "\n")


def _refused_if_unusable(run: Execution, call: Call) -> None:
    """Divide the data; what is wrong with them is the user's input and not a failed stage."""
    try:
        run.ensure(call)
    except RunFailed as failure:
        if isinstance(failure.__cause__, ValueError):
            raise ValueError(str(failure.__cause__)) from failure
        raise


def environment() -> dict[str, Any]:
    """Return versions and machine, for the record; none of it is part of a key."""
    import os
    from importlib.metadata import PackageNotFoundError, version

    found: dict[str, Any] = {
        "w2sg": __version__,
        "python": platform.python_version(),
        "system": platform.system(),
        "processor": platform.machine(),
        "cpus": os.cpu_count(),
    }
    for name in ("numpy", "scikit-learn", "torch", "transformers"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
