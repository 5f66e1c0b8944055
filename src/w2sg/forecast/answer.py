"""The whole forecast: gap, spaces, rehearsal, theory, prediction, advice, verdict."""

from dataclasses import dataclass

from w2sg.forecast.advice import Advice, Cost, Verdict, advise, decide
from w2sg.forecast.arm_heads import fit_arms
from w2sg.forecast.evidence import Evidence
from w2sg.forecast.observed import Observed, observe
from w2sg.forecast.overlay import Overlay, lay_over
from w2sg.forecast.prediction import Prediction, predict
from w2sg.forecast.record import Record, packaged_record
from w2sg.forecast.rehearsal import Rehearsal, rehearse
from w2sg.forecast.spaces import Spaces, measure_spaces
from w2sg.gain import Estimate, gain


@dataclass(frozen=True)
class Forecast:
    """What is forecast before training.

    Attributes:
        gap: Strong model on the labels − teacher, on held-out labels: does it beat it at all?
        spaces: Dimensions, overlap, teacher.
        rehearsal: The experiment on frozen features.
        overlay: Exact theory over it.
        observed: The numbers that the prediction was made from.
        prediction: Accuracies, gain and PGR with intervals.
        advice: What to do.
        verdict: Train, do not train, or cannot tell.
    """

    gap: Estimate
    spaces: Spaces
    rehearsal: Rehearsal
    overlay: Overlay
    observed: Observed
    prediction: Prediction
    advice: Advice
    verdict: Verdict


def forecast(
    evidence: Evidence,
    *,
    record: Record | None = None,
    cost: Cost | None = None,
    policy: str = "qv",
    loss: str = "ce",
    kind: str = "frozen",
    seed: int = 0,
) -> Forecast:
    """Forecast a weak-to-strong run from frozen features and the few labels.

    Args:
        evidence: Features, teacher and labels.
        record: Cells whose outcome is known; the packaged ones if ``None``. Leave out the family
            that the data belong to.
        cost: What one training costs, if known.
        policy: The policy of the run to come.
        loss: Its loss.
        kind: ``"frozen"`` if it trains heads alone, ``"fine_tuned"`` otherwise.
        seed: Of folds and bootstraps.

    Raises:
        ValueError: The evidence is too thin; see `Evidence`.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(460, 8))
    >>> truth = (x[:, 0] + 0.3 * rng.normal(size=460) > 0).astype(int)
    >>> told = np.where(rng.random(460) < 0.25, 1 - truth, truth)
    >>> evidence = Evidence(truth[:60], x, np.eye(2)[told])
    >>> found = forecast(evidence, record=Record())
    >>> found.prediction.gain["student"].estimate > 0.05
    True
    """
    known = packaged_record() if record is None else record
    rehearsal = rehearse(evidence, seed=seed)
    spaces = measure_spaces(evidence, rehearsal.held_out, seed=seed)
    n = evidence.n
    ways = fit_arms(evidence.strong[:n], evidence.truth, evidence.strong[n:], evidence.teacher[n:])
    observed = observe(evidence, rehearsal, ways)
    prediction = predict(observed, known, kind=kind, seed=seed)
    overlay = lay_over(evidence, rehearsal, spaces)
    gap = gain(rehearsal.hits["teacher"], rehearsal.hits["strong_on_labelled"], seed=seed)
    advice = advise(
        evidence,
        rehearsal,
        observed,
        prediction,
        overlay,
        known,
        cost=cost,
        policy=policy,
        loss=loss,
    )
    verdict = decide(prediction, rehearsal, advice, gap)
    return Forecast(gap, spaces, rehearsal, overlay, observed, prediction, advice, verdict)
