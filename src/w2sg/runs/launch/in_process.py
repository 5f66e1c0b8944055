"""This process, one stage after another."""

from collections import deque
from collections.abc import Sequence

from w2sg.runs.launch.task import Answer, Task, Tell, perform


class InProcess:
    """Computes in this process; nothing is started and nothing is left behind."""

    slots = 1

    def __init__(self) -> None:
        self.waiting: deque[Task] = deque()

    def start(self, tasks: Sequence[Task]) -> None:
        """Take tasks."""
        self.waiting.extend(tasks)

    def poll(self, seconds: float, tell: Tell) -> list[Answer]:
        """Compute the next task and return its answer."""
        del seconds
        return [perform(self.waiting.popleft(), tell)] if self.waiting else []

    def close(self) -> None:
        """Forget what has not begun."""
        self.waiting.clear()
