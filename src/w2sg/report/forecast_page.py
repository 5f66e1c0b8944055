"""The page of a forecast: the verdict first, then what it rests on."""

from typing import TYPE_CHECKING, Any

from w2sg import arms
from w2sg.gain import Estimate
from w2sg.report import forecast_figures
from w2sg.report.collect import TEACHERS, source
from w2sg.report.page import page_of
from w2sg.spec import to_toml

if TYPE_CHECKING:
    from w2sg.runs.preflight import Preflight

HEADLINES = {
    "train": ("above", "Train."),
    "do not train": ("below", "Do not train on the weak labels."),
    "cannot tell": ("", "These data cannot tell whether it will help."),
}


def render_forecast(found: "Preflight") -> str:
    """Return the page of a forecast as HTML; equal forecasts give equal bytes.

    Args:
        found: The forecast as it lies in its store.
    """
    facts, spec = found.facts, found.spec
    verdict = facts["verdict"]
    kind, headline = HEADLINES[verdict["answer"]]
    drawings = (
        forecast_figures.predicted(facts),
        forecast_figures.curves(facts),
        forecast_figures.theory(facts),
    )
    return page_of(
        "forecast.html",
        facts=facts,
        spec=spec,
        source=source(spec),
        kind=kind,
        headline=headline,
        teacher=TEACHERS[spec.teacher.kind],
        ways=way_rows(facts),
        gap=Estimate(**facts["gap"]),
        names={name: arm.title for name, arm in arms.TABLE.items()},
        spec_text=to_toml(spec),
        seconds=found.manifest.seconds,
        versions=found.manifest.environment,
        figures={drawing.name: drawing for drawing in drawings if drawing is not None},
    )


def way_rows(facts: dict[str, Any]) -> list[dict[str, Any]]:
    """Return one row per way, best first: its name, accuracy and gain, each with its interval."""
    found = facts["prediction"]
    order = sorted(found["gain"], key=lambda way: -found["gain"][way]["estimate"])
    return [
        {
            "way": way,
            "name": arms.TABLE[way].title,
            "accuracy": found["accuracy"][way],
            "gain": found["gain"][way],
            "as_good": way in facts["advice"]["as_good"],
        }
        for way in order
    ]
