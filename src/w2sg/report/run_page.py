"""The page of a run: collected data in, one HTML text out that needs nothing beside itself."""

import csv
import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from w2sg.report import run_figures
from w2sg.report.answer import answer
from w2sg.report.beside import ForecastBeside, beside
from w2sg.report.collect import METRICS, PageData, collect
from w2sg.report.page import page_of

if TYPE_CHECKING:
    from w2sg.diagnostics.controls import Explanation
    from w2sg.runs.execute import Outcome


def render(
    outcome: "Outcome",
    forecast: Mapping[str, Any] | None = None,
    explanation: "Explanation | None" = None,
) -> str:
    """Return the page of a finished run as HTML; equal results give equal bytes.

    Args:
        outcome: The run as it lies in its store.
        forecast: What was forecast of it before.
        explanation: Its controls on frozen features, where they were asked for.
    """
    page = collect(outcome)
    paired = None if forecast is None else beside(forecast, page, _begun(outcome))
    return html(page, paired, explanation)


def html(
    page: PageData,
    forecast: "ForecastBeside | None" = None,
    explanation: "Explanation | None" = None,
) -> str:
    """Return the page of collected data as HTML, with the forecast and the controls there are."""
    drawings = (
        run_figures.arms(page),
        run_figures.break_even(page),
        run_figures.departure(page),
        run_figures.training_curves(page),
    )
    return page_of(
        "run.html",
        page=page,
        forecast=forecast,
        explanation=explanation,
        answer=answer(page),
        figures={drawing.name: drawing for drawing in drawings if drawing is not None},
        table_csv=f"data:text/csv;charset=utf-8,{quote(table_csv(page))}",
    )


def _begun(outcome: "Outcome") -> float | None:
    trained = [m for m in outcome.manifests.values() if m.body["stage"] == "strong_student"]
    return min((m.started for m in trained), default=None)


def table_csv(page: PageData) -> str:
    """Return the table of all arms as CSV."""
    names = ("accuracy", *METRICS)
    ends = [f"accuracy_{part}" for part in ("low", "high")]
    against = [f"against_teacher{part}" for part in ("", "_low", "_high")]
    by_seed = [f"{name}_seed_{seed}" for name in names for seed in page.seeds]
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["arm", "accuracy", *ends, *against, *METRICS, *by_seed])
    for arm in page.arms:
        difference = arm.against_teacher
        rows.writerow(
            [
                arm.name,
                *(arm.accuracy.estimate, arm.accuracy.low, arm.accuracy.high),
                *(
                    ("", "", "")
                    if difference is None
                    else (difference.estimate, difference.low, difference.high)
                ),
                *(arm.metrics[name] for name in METRICS),
                *(value for name in names for value in arm.by_seed[name]),
            ]
        )
    return text.getvalue()
