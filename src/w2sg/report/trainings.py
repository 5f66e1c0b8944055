"""The fine-tunings of a run: what each was given, what it did, and its loss curve."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from w2sg.runs.execute import Outcome


@dataclass(frozen=True)
class Training:
    """One fine-tuning.

    Attributes:
        arm: What it is for.
        seed: The seed.
        key: Where it is stored.
        facts: Rows, steps, truncated texts, moved weights, seconds.
        steps: Optimizer steps of the curve.
        losses: Training loss at each of them.
    """

    arm: str
    seed: int
    key: str
    facts: Mapping[str, Any]
    steps: tuple[int, ...]
    losses: tuple[float, ...]


def trainings(outcome: "Outcome", arms: Sequence[str]) -> tuple[Training, ...]:
    """Return every fine-tuning behind the arms of a run, each stored result once.

    Args:
        outcome: The run.
        arms: Arms in the order to list them; those that were not trained are left out.
    """
    roles = outcome.plan.roles
    found: dict[str, Training] = {}
    for arm in arms:
        for seed in outcome.spec.run.seeds:
            key = roles.get(f"{arm}/{seed}")
            if key is not None and key not in found:
                found[key] = _training(outcome, arm, seed, key)
    return tuple(found.values())


def _training(outcome: "Outcome", arm: str, seed: int, key: str) -> Training:
    import pandas as pd

    artifact = outcome.artifact(key)
    curve = pd.read_parquet(artifact.folder / "curve.parquet").dropna(subset=["loss"])
    return Training(
        arm=arm,
        seed=seed,
        key=key,
        facts=artifact.facts,
        steps=tuple(int(step) for step in curve["step"]),
        losses=tuple(float(loss) for loss in curve["loss"]),
    )
