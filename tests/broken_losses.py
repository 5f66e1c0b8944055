"""Losses that fail on purpose, in a module that worker processes can import."""

import os
import signal

from w2sg import Named
from w2sg.losses import Loss


def _raise(logits, targets, context):
    raise KeyError("no such thing")


def _exhaust(logits, targets, context):
    raise MemoryError("DefaultCPUAllocator: can't allocate memory")


def _die(logits, targets, context):
    os.kill(os.getpid(), signal.SIGKILL)


ERROR = Named(Loss("error", _raise), name="error", version="1")
MEMORY = Named(Loss("memory", _exhaust), name="memory", version="1")
DEATH = Named(Loss("death", _die), name="death", version="1")
