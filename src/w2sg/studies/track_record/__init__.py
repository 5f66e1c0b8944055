"""How good the forecast is: cells fixed beforehand, forecasts written before outcomes."""

from w2sg.studies.track_record.assessment import Assessment, CellForecast, assess
from w2sg.studies.track_record.cells import Cell, CellList, cell_list
from w2sg.studies.track_record.fine_tuned import run_fine_tuned
from w2sg.studies.track_record.runner import run_record, table

__all__ = [
    "Assessment",
    "Cell",
    "CellForecast",
    "CellList",
    "assess",
    "cell_list",
    "run_fine_tuned",
    "run_record",
    "table",
]
