"""Why did it gain? One thing changed at a time, everything else held fixed, on frozen features."""

from w2sg.diagnostics.controls.experiment import FrozenSeed, OnRows
from w2sg.diagnostics.controls.explanation import Control, Explanation, explain

__all__ = ["Control", "Explanation", "FrozenSeed", "OnRows", "explain"]
