"""A forecast beside the outcome that it was about."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from w2sg.gain import Estimate
from w2sg.report.collect import PageData

FORECAST_LEVEL = 0.9


@dataclass(frozen=True)
class Pair:
    """One arm: what was forecast, what came.

    Attributes:
        title: The arm for people.
        forecast: Accuracy with its 90 % prediction interval.
        outcome: Accuracy with the interval of the run.
        inside: Whether the outcome lies in the prediction interval.
    """

    title: str
    forecast: Estimate
    outcome: Estimate
    inside: bool


@dataclass(frozen=True)
class ForecastBeside:
    """A forecast and its outcome.

    Attributes:
        verdict: What the forecast said.
        before: Whether it was made before the first training of the run began.
        rows: The arms that both know.
    """

    verdict: str
    before: bool
    rows: tuple[Pair, ...]


def beside(
    forecast: Mapping[str, Any], page: PageData, begun: float | None = None
) -> ForecastBeside:
    """Pair a stored forecast with the outcome, arm by arm.

    Args:
        forecast: The content of ``forecast.json``.
        page: The outcome.
        begun: When the first training began, seconds since the epoch.
    """
    rows = []
    for arm in page.arms:
        told = forecast["prediction"]["accuracy"].get(arm.name)
        if told is None or told["estimate"] is None or arm.accuracy.estimate is None:
            continue
        value = Estimate(
            told["estimate"], told["low"], told["high"], None, FORECAST_LEVEL, "percentile", None,
            1, page.n_test,
        )  # fmt: skip
        inside = told["low"] <= arm.accuracy.estimate <= told["high"]
        rows.append(Pair(arm.title, value, arm.accuracy, inside))
    verdict = forecast["verdict"]
    return ForecastBeside(
        f"{verdict['answer']}: {verdict['reason']}",
        begun is None or forecast["started"] <= begun,
        tuple(rows),
    )
