"""From an exception to one clear message and an exit status."""

import sys
import warnings
from collections.abc import Callable
from typing import Any

from cyclopts import CycloptsError

from w2sg._extras import MissingExtra, explain_import

FAILED, REFUSED, STOPPED = 1, 2, 130
_python_shows = warnings.showwarning


def explained(command: Callable[[], Any]) -> int:
    """Run a command and return its exit status, errors told in words.

    Returns:
        What the command returns, 0 for nothing; 2 for input that is refused and for an extra that
        is not installed, 1 for a stage, store or file that failed, 130 for an interruption.
        Anything else is a bug and keeps its traceback.
    """
    try:
        answer = command()
    except KeyboardInterrupt:
        # where the interruption met an exec of text, as in the making of a dataclass, Python would
        # end with the signal instead of our status; an undisturbed one lets it forget that
        exec("")
        tell("stopped; finished stages are kept, and the same command goes on from there")
        return STOPPED
    except CycloptsError:
        return REFUSED  # it is printed already
    except ValueError as error:
        tell(str(error))
        return REFUSED
    except ImportError as error:
        said = str(error) if isinstance(error, MissingExtra) else explain_import(error)
        if said is None:
            raise
        tell(said)
        return REFUSED
    except RuntimeError as error:
        if type(error).__name__ not in ("RunFailed", "StoreError"):
            raise
        tell(str(error))
        return FAILED
    except OSError as error:
        where = f"{error.filename!r}: " if error.filename else ""
        tell(f"{where}{error.strerror or error}")
        return FAILED
    return answer if isinstance(answer, int) else 0


def show_warning(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
    """Print a note on a spec as a message; other warnings as Python does."""
    from w2sg.spec import SpecNote

    if issubclass(category, SpecNote):
        tell(f"note: {message}")
    else:
        _python_shows(message, category, *where, **more)


def tell(message: str) -> None:
    """Print a message to standard error, characters that steer a terminal as their codes."""
    shown = "".join(c if c.isprintable() or c in "\n\t" else repr(c)[1:-1] for c in message)
    print(f"w2sg: {shown}", file=sys.stderr)
