"""The losses of one training, and where they reach a target."""

from dataclasses import dataclass

import numpy as np

from w2sg._arrays import FloatArray

WINDOW = 8  # batches that the training loss is averaged over


@dataclass(frozen=True)
class Curve:
    """The losses of one training.

    Attributes:
        training: Loss of each batch, shape (steps,).
        held_out: Loss on held-out rows, shape (measurements,).
        held_out_steps: Steps after which it was measured, shape (measurements,).
        step_seconds: Median time of a step, measurements not included.
    """

    training: FloatArray
    held_out: FloatArray
    held_out_steps: FloatArray
    step_seconds: float

    def of(self, loss: str) -> tuple[FloatArray, FloatArray]:
        """Return steps and values of a loss; that of training as a trailing mean of batches."""
        if loss == "held-out":
            return self.held_out_steps, self.held_out
        window = min(WINDOW, len(self.training))
        values = np.convolve(self.training, np.full(window, 1 / window), mode="valid")
        return np.arange(window, len(self.training) + 1, dtype=np.float64), values


def steps_to(steps: FloatArray, values: FloatArray, target: float) -> float:
    """Return the step at which a loss first reaches a target, infinity if it never does.

    Between two measurements the loss is a straight line.

    >>> steps_to(np.array([10.0, 20.0]), np.array([0.8, 0.4]), 0.6)
    15.0
    """
    below = np.flatnonzero(values <= target)
    if not len(below):
        return float("inf")
    i = int(below[0])
    if i == 0:
        return float(steps[0])
    share = (values[i - 1] - target) / (values[i - 1] - values[i])
    return float(steps[i - 1] + share * (steps[i] - steps[i - 1]))
