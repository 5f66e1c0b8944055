"""From an exception to one clear message and an exit status."""

import sys
from collections.abc import Callable
from typing import Any

FAILED, REFUSED, STOPPED = 1, 2, 130


def explained(command: Callable[[], Any]) -> int:
    """Run a command and return its exit status, errors told in words.

    Returns:
        What the command returns, 0 for nothing; 2 for input that is refused, 1 for a stage,
        store or file that failed, 130 for an interruption. Anything else is a bug and keeps its
        traceback.
    """
    try:
        answer = command()
    except KeyboardInterrupt:
        tell("stopped; finished stages are kept, and the same command goes on from there")
        return STOPPED
    except ValueError as error:
        tell(str(error))
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


def tell(message: str) -> None:
    """Print a message to standard error."""
    print(f"w2sg: {message}", file=sys.stderr)
