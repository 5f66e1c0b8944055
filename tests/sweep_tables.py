"""Records and tables of sweeps, made by hand."""

import pandas as pd

from w2sg.runs.sweep_record import CellRecord, SweepRecord


def made(values, axes, **columns):
    settings = [dict(zip(axes, point, strict=True)) for point in values]
    cells = tuple(CellRecord(s, "run", {}, {}, 1) for s in settings)
    n = len(cells)
    table = pd.DataFrame(settings)
    numbers = {
        "teacher": [0.70] * n,
        "student": [0.75] * n,
        "ceiling": [0.85] * n,
        "gain": [0.05] * n,
        "gain_low": [0.03] * n,
        "gain_high": [0.07] * n,
        "pgr": [0.33] * n,
        "pgr_low": [0.2] * n,
        "pgr_high": [0.5] * n,
    }
    table = table.assign(**{**numbers, **columns})
    table.attrs["reasons"] = [""] * n
    found = {name: tuple(dict.fromkeys(table[name])) for name in axes}
    return SweepRecord(found, cells, {}, 10, 4), table
