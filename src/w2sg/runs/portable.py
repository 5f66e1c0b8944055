"""What travels between processes: values that can, errors as they were, progress now and then."""

import time
import traceback
from collections.abc import Callable
from multiprocessing.reduction import ForkingPickler
from typing import Any, Protocol

TELL_EVERY = 0.2  # seconds between two messages of a process about its progress


class Step(Protocol):
    """Something that says how far it is."""

    @property
    def done(self) -> int:
        """How far."""
        ...

    @property
    def total(self) -> int:
        """Of how many."""
        ...


def refuse_unportable(value: Any, label: str, instead: str) -> None:
    """Refuse what another process could not read.

    Args:
        value: What shall travel.
        label: Of the stage that it belongs to.
        instead: What the user can do about it.

    Raises:
        ValueError: A Python object in it cannot be sent, or lives in the running script.
    """
    try:
        why = (
            "it is defined in the script that is running"
            if b"__main__" in bytes(ForkingPickler.dumps(value))
            else ""
        )
    except Exception as error:
        why = str(error)
    if why:
        raise ValueError(
            f"{label}: a Python object of this spec cannot be sent to another process ({why}); "
            f"define it in a module that can be imported, or {instead}"
        )


def portable(error: BaseException, where: str) -> BaseException:
    """Return an error that can be sent, with the traceback that it had as a note."""
    text = "".join(traceback.format_exception(error)).rstrip()
    try:
        ForkingPickler.dumps(error)
        parts: Any = error.__reduce__()
        parts[0](*parts[1])  # as the receiver will, who could not say what went wrong
    except Exception:
        error = RuntimeError(f"{type(error).__name__}: {error}")
    error.add_note(f"{where}:\n{text}")
    return error


def sparing(send: Callable[[Any], Any]) -> Callable[[Step], None]:
    """Return what sends progress at most five times a second, and the last step always."""
    last = [0.0]

    def tell(told: Step) -> None:
        now = time.monotonic()
        if now - last[0] >= TELL_EVERY or told.done == told.total:
            last[0] = now
            send(told)

    return tell
