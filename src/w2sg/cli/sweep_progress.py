"""A sweep as it goes on: what is under way, how far it is, and the time that remains."""

import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from w2sg.cli.progress import Notes

if TYPE_CHECKING:
    from w2sg.runs.cost import Cost
    from w2sg.runs.execute import Event
    from w2sg.sweeps import Prepared

ROWS = 12


class LiveSweep:
    """Watches a sweep; use as a context manager and give `watch` and `planned` to it."""

    def __init__(self, console: Console, store: Path) -> None:
        self.console, self.store = console, store
        self.started = time.monotonic()
        self.plan: Prepared | None = None
        self.cost: Cost | None = None
        self.counts = {"cached": 0, "done": 0, "failed": 0}
        self.under_way: dict[str, tuple[float, Event]] = {}
        self.left: set[str] = set()
        self.notes = Notes()
        self.spent = 0.0  # estimated seconds of what this sweep has computed
        self.live = Live(console=console, transient=True, get_renderable=self.render)

    def __enter__(self) -> "LiveSweep":
        self.live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.live.stop()
        seconds = time.monotonic() - self.started
        counts = ", ".join(f"{n} {name}" for name, n in self.counts.items() if n)
        self.console.print(f"{counts or 'nothing computed'} in {clock(seconds)}", style="dim")

    def planned(self, prepared: "Prepared") -> None:
        """Take the plan, for counts and the time that remains."""
        from w2sg.runs.cost import estimate, rows_of
        from w2sg.runs.store import Store

        self.plan = prepared
        calls = prepared.plan.calls
        self.left = set(calls)
        manifests = Store(self.store).manifests()
        self.cost = estimate(calls.values(), manifests, rows_of(prepared.facts))
        saved = prepared.plan.n_naive - prepared.plan.n_trainings
        self.console.print(
            f"{len(prepared.spec.cells)} cells, {len(calls)} stages, "
            f"{prepared.plan.n_trainings} trainings ({saved} saved by sharing)"
        )

    def watch(self, event: "Event") -> None:
        """Show an event."""
        key = event.call.key
        self.notes.tell(event, self.console)
        if event.state in ("started", "progress"):
            since, _ = self.under_way.get(key, (time.monotonic(), event))
            self.under_way[key] = since, event
            return
        self.under_way.pop(key, None)
        if event.state == "damaged":
            self.left.add(key)
            self._say(("!", "yellow"), event)
            return
        self.counts[event.state] += 1
        self.left.discard(key)
        if event.state == "failed":
            self._say(("✗", "red"), event)
        elif event.state == "done":
            if self.cost is not None:
                self.spent += self.cost.seconds.get(key, 0.0)
            seconds = event.manifest.seconds if event.manifest else 0.0
            self._say(("✓", "green"), event, f" {seconds:.1f} s")

    def render(self) -> RenderableType:
        """Return the table of what is under way and the line below it."""
        table = Table.grid(padding=(0, 2))
        for _, (since, event) in list(self.under_way.items())[:ROWS]:
            told = event.what if event.loss is None else f"loss {event.loss:.3f}"
            bar = ProgressBar(event.total or 1, event.done, width=20) if event.total else ""
            number = f"{event.done}/{event.total}" if event.total else ""
            seconds = clock(time.monotonic() - since)
            table.add_row(Text(event.call.label, "cyan"), bar, number, told, seconds)
        more = len(self.under_way) - ROWS
        return Group(table, Text(f"… and {more} more") if more > 0 else "", self._summary())

    def _summary(self) -> Text:
        if self.plan is None:
            return Text("reading the data and planning", "dim")
        total = len(self.plan.plan.calls)
        text = f"{total - len(self.left)}/{total} stages"
        remaining = self.remaining()
        if remaining is not None:
            text += f", about {clock(remaining)} to go"
        return Text(text, "bold")

    def remaining(self) -> float | None:
        """Return seconds to go, from estimates corrected by how this sweep has done so far."""
        if self.cost is None:
            return None
        left = sum(self.cost.seconds.get(key, 0.0) for key in self.left)
        elapsed = time.monotonic() - self.started
        if self.spent > 0:
            return left * elapsed / self.spent
        if self.counts["done"]:  # no stored times: count stages
            return elapsed / self.counts["done"] * len(self.left)
        return None

    def _say(self, sign: tuple[str, str], event: "Event", after: str = "") -> None:
        since = clock(time.monotonic() - self.started)
        line = Text.assemble((f"{since:>8} ", "dim"), sign, f" {event.call.label}")
        if event.state in ("failed", "damaged"):
            line.append(f": {event.what}")
        self.console.print(line.append(after, "dim"), soft_wrap=True)


def clock(seconds: float) -> str:
    """Return a duration as people read it.

    >>> clock(42.3), clock(125), clock(7380)
    ('42 s', '2 min 05', '2 h 03')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d}"
    return f"{whole // 3600} h {whole % 3600 // 60:02d}"
