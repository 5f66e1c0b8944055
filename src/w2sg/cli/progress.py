"""A run as it goes on, on the terminal: a line per finished stage and a bar for the current one."""

import json
import signal
import time
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from w2sg import arms

if TYPE_CHECKING:
    from w2sg.runs.execute import Event


class Notes:
    """Prints what is to be known of labels and given answers, each sentence once a run."""

    def __init__(self) -> None:
        self.said: set[str] = set()
        self.labels_said: set[str] = set()

    def tell(self, event: "Event", console: Console) -> None:
        """Print what a stage found, whether it was computed now or lay in the store."""
        if event.manifest is None or event.state not in ("cached", "done"):
            return
        from w2sg.data.parts import label_warnings

        facts, stage = event.manifest.facts, event.call.stage
        if stage == "labelled_data":
            # the first of several seeds speaks for all: they draw from the same rows
            source = json.dumps(event.call.body.get("inputs"), sort_keys=True)
            if source in self.labels_said:
                return
            self.labels_said.add(source)
            found = label_warnings(facts.get("report", {}), event.call.body["spec"]["seed"])
        elif stage == "weak_teacher":
            found = given_answers(facts)
        else:
            return
        for sentence in found:
            if sentence not in self.said:
                self.said.add(sentence)
                console.print("note:", style="yellow", end=" ")
                console.print(sentence, markup=False, highlight=False, soft_wrap=True)


def given_answers(facts: Mapping[str, Any]) -> list[str]:
    """Return how a teacher's columns were read, and what else is to be known of them."""
    reading = facts.get("reading")
    return [*([f"teacher.column: {reading}"] if reading else ()), *facts.get("notes", ())]


class Live:
    """Watches a run; use as a context manager and give `watch` to the run."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.started = time.monotonic()
        self.n_cached = 0
        self.stopping = False
        self.notes = Notes()
        self.bar = Progress(
            TextColumn("{task.description}", style="cyan", markup=False),
            BarColumn(bar_width=28),
            TextColumn("{task.completed:.0f}/{task.total:.0f} {task.fields[note]}", markup=False),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self.task = self.bar.add_task("starting", total=1, note="", visible=False)

    def __enter__(self) -> "Live":
        self.before = signal.signal(signal.SIGINT, self.interrupt)
        self.bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        signal.signal(signal.SIGINT, self.before)
        self.bar.stop()
        if self.n_cached:
            found = "1 stage was" if self.n_cached == 1 else f"{self.n_cached} stages were"
            self.console.print(f"{found} found in the store", style="dim")

    def interrupt(self, *_: Any) -> None:
        """Stop at once, or, where a library swallows the exception, at the next event."""
        self.stopping = True
        raise KeyboardInterrupt

    def watch(self, event: "Event") -> None:
        """Show an event."""
        if self.stopping:
            raise KeyboardInterrupt
        label = event.call.label
        self.notes.tell(event, self.console)
        if event.state == "cached":
            self.n_cached += 1
        elif event.state == "started":
            self.bar.update(self.task, description=label, visible=False)
        elif event.state == "progress":
            note = event.what if event.loss is None else f"loss {event.loss:.3f}"
            self.bar.update(
                self.task,
                description=label,
                completed=event.done,
                total=event.total,
                note=note,
                visible=True,
            )
        elif event.state == "done":
            self.bar.update(self.task, visible=False)
            seconds = event.manifest.seconds if event.manifest else 0.0
            self.say(("✓", "green"), f" {label} ", (f"{seconds:.1f} s", "dim"))
            if event.call.stage == "first_answer" and event.manifest:
                self.first_answer(event.manifest.facts)
        else:
            style = "red" if event.state == "failed" else "yellow"
            self.console.print(Text(f"✗ {label}: ", style) + event.what)

    def first_answer(self, facts: dict) -> None:
        """Tell what linear heads on frozen features say, minutes before fine-tuning does."""
        accuracy, gain = facts["accuracy"], facts["gain"]
        parts = [f"{arms.TABLE[arm].short} {value:.1%}" for arm, value in accuracy.items()]
        self.console.print(
            Text("First answer", "bold")
            + f" (linear heads on frozen features, {len(facts['seeds'])} seeds): "
            + f"student − teacher {100 * gain['estimate']:+.1f} points "
            + f"[{100 * gain['low']:+.1f}, {100 * gain['high']:+.1f}]"
        )
        self.console.print("  " + " · ".join(parts), style="dim")

    def say(self, *parts: str | tuple[str, str]) -> None:
        """Print a line with the time since the start; a part is a text, or one with its style."""
        seconds = time.monotonic() - self.started
        self.console.print(Text.assemble((f"{seconds:6.1f} s ", "dim"), *parts))
