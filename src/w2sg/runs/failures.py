"""What went wrong with a stage, by name, and what helps."""

from dataclasses import dataclass
from typing import Literal

from w2sg.models.loading import OWN_CODE, UNSAFE

Kind = Literal["error", "out of memory", "time-out"]
MEMORY = (
    "allocate memory",
    "out of memory",
    "cannot allocate",
    "cuda_error_out_of_memory",
)
# in place of a library's advice to read it all the same
PICKLED = (
    "a file holds pickled Python objects in place of plain numbers; w2sg does not read those, "
    "since they may run any code"
)
ADVICE = {
    "out of memory": "halve student.micro_batch_size (the result is the same), shorten "
    "student.max_length, or run fewer workers at once (--workers), then run it again (a sweep "
    "with --retry-failed)",
    "time-out": "give it more time (--stage-timeout) and --retry-failed: a training goes on from "
    "its last checkpoint",
    "error": "",
}


class StageTimeout(RuntimeError):
    """A stage took longer than it was given."""


@dataclass(frozen=True)
class Failure:
    """Why a stage failed.

    Attributes:
        kind: Out of memory and time-outs by their names, else an error.
        what: One line.
        advice: What helps, empty where only the traceback can say.
    """

    kind: Kind
    what: str
    advice: str

    def __str__(self) -> str:
        """Return one line for a terminal."""
        return f"{self.what}; {self.advice}" if self.advice else self.what


def explain(error: BaseException) -> Failure:
    """Return the failure that an exception stands for.

    >>> explain(MemoryError()).kind
    'out of memory'
    >>> str(explain(ValueError("labels has one class")))
    'labels has one class'
    >>> str(explain(ValueError("cannot be loaded when allow_pickle=False"))) == PICKLED
    True
    """
    text = str(error).strip()
    if "trust_remote_code" in text:
        return named("error", OWN_CODE)
    if any(word in text for word in UNSAFE):
        return named("error", PICKLED)
    line = text if isinstance(error, ValueError) and text else f"{type(error).__name__}: {text}"
    if isinstance(error, StageTimeout):
        return named("time-out", text)
    of_memory = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    if of_memory or any(phrase in text.lower() for phrase in MEMORY):
        return named("out of memory", f"out of memory ({line.splitlines()[0]})")
    return named("error", line)


def named(kind: Kind, what: str) -> Failure:
    """Return a failure of a kind with the advice that goes with it."""
    return Failure(kind, what, ADVICE[kind])
