"""The forecast before training: from frozen features, a weak teacher's answers and the few labels.

``Evidence`` is what is known before training, ``forecast`` the whole answer. Nothing here trains
more than linear heads, reads a file or needs torch.
"""

from w2sg.forecast.advice import Advice, Verdict
from w2sg.forecast.answer import Forecast, forecast
from w2sg.forecast.arm_heads import fit_arms
from w2sg.forecast.evidence import Evidence
from w2sg.forecast.prediction import Prediction
from w2sg.forecast.record import Record, RecordedCell, packaged_record
from w2sg.forecast.rehearsal import Rehearsal, rehearse
from w2sg.forecast.spaces import Spaces, measure_spaces

__all__ = [
    "Advice",
    "Evidence",
    "Forecast",
    "Prediction",
    "Record",
    "RecordedCell",
    "Rehearsal",
    "Spaces",
    "Verdict",
    "fit_arms",
    "forecast",
    "measure_spaces",
    "packaged_record",
    "rehearse",
]
