"""Losses that fail on purpose, in a module that worker processes can import."""

import os
import signal
from pathlib import Path

from w2sg import Named
from w2sg.losses import Loss, get

CALLS = []


def _raise(logits, targets, context):
    raise KeyError("no such thing")


def _exhaust(logits, targets, context):
    raise MemoryError("DefaultCPUAllocator: can't allocate memory")


def _die(logits, targets, context):
    os.kill(os.getpid(), signal.SIGKILL)


def _die_once(logits, targets, context):
    """As ce; the second of several processes is killed in its third step, the first time."""
    CALLS.append(1)
    marker = Path(os.environ.get("DIED_ONCE", "/nowhere"))
    if os.environ.get("RANK") == "1" and len(CALLS) == 3 and not marker.exists():
        marker.touch()
        _die(logits, targets, context)
    return get("ce").function(logits, targets, context)


ERROR = Named(Loss("error", _raise), name="error", version="1")
MEMORY = Named(Loss("memory", _exhaust), name="memory", version="1")
DEATH = Named(Loss("death", _die), name="death", version="1")
DEATH_ONCE = Named(Loss("death once", _die_once), name="death once", version="1")
