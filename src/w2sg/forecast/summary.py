"""A forecast as JSON: what is stored, printed and drawn."""

from dataclasses import asdict
from typing import Any

import numpy as np

from w2sg.forecast.answer import Forecast
from w2sg.forecast.evidence import Evidence
from w2sg.forecast.record import Record


def summarise(found: Forecast, evidence: Evidence, record: Record) -> dict[str, Any]:
    """Return everything of a forecast but the per-row hits, as JSON.

    Args:
        found: The forecast.
        evidence: What it was made from.
        record: The cells that it learned from.
    """
    rehearsal = found.rehearsal
    return _plain(
        {
            "verdict": asdict(found.verdict),
            "gap": asdict(found.gap),
            "spaces": asdict(found.spaces),
            "observed": asdict(found.observed),
            "prediction": asdict(found.prediction),
            "advice": asdict(found.advice),
            "overlay": asdict(found.overlay),
            "rehearsal": {
                "n_sizes": rehearsal.n_sizes,
                "N_sizes": rehearsal.N_sizes,
                "accuracy": {way: hits.mean() for way, hits in rehearsal.hits.items()},
                "teacher": rehearsal.teacher.mean(axis=-1),
                "strong": rehearsal.strong.mean(axis=-1),
                "student": rehearsal.student.mean(axis=-1),
                "teacher_error": rehearsal.teacher_error,
                "strong_error": rehearsal.strong_error,
                "student_error": rehearsal.student_error,
                "penalties": rehearsal.penalties,
                "penalty_error": rehearsal.penalty_error,
            },
            "label_names": list(evidence.label_names),
            "rows": {"labelled": evidence.n, "unlabelled": evidence.N, "test": evidence.n_test},
            "record": {
                "cells": len(record.cells),
                "frozen": sum(cell.kind == "frozen" for cell in record.cells),
                "families": len({cell.family for cell in record.cells}),
            },
        }
    )


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
