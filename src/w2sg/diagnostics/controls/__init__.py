"""Why did it gain? One thing changed at a time, everything else held fixed, on frozen features."""

from typing import TYPE_CHECKING

from w2sg._lazy import lazily

if TYPE_CHECKING:
    from w2sg.diagnostics.controls.experiment import FrozenSeed, OnRows
    from w2sg.diagnostics.controls.explanation import Control, Explanation, explain

__all__ = ["Control", "Explanation", "FrozenSeed", "OnRows", "explain"]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "experiment": "FrozenSeed OnRows",
        "explanation": "Control Explanation explain",
    },
)
