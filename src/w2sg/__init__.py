"""Weak-to-strong generalization: train a strong student on a weak teacher's labels.

labelled data → weak teacher → pseudo-labels → strong student → evaluation → report.
"""

import importlib
from typing import TYPE_CHECKING, Any

from w2sg._version import __version__

if TYPE_CHECKING:
    from w2sg.api import Result, open_result, preflight, run
    from w2sg.spec import Named, SpecError
    from w2sg.sweeps import sweep

_HOMES = {
    "Named": "w2sg.spec",
    "Result": "w2sg.api",
    "SpecError": "w2sg.spec",
    "open_result": "w2sg.api",
    "preflight": "w2sg.api",
    "run": "w2sg.api",
    "sweep": "w2sg.sweeps",
}
__all__ = [
    "Named",
    "Result",
    "SpecError",
    "__version__",
    "open_result",
    "preflight",
    "run",
    "sweep",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'w2sg' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
