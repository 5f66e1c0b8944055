"""How long, how fast and against what a model is trained."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from w2sg.models.backbone import Encoded


@dataclass(frozen=True)
class Schedule:
    """How long, how fast and in which batches a model is trained.

    Attributes:
        epochs: Passes over the data; fractions allowed.
        batch_size: Examples per optimizer step.
        micro_batch_size: Most examples in memory at once; changes nothing but the memory.
        warmup: Fraction of the steps over which the rates rise.
        weight_decay: AdamW's, not on biases and norms.
        max_grad_norm: Gradients are clipped to this norm.
        precision: ``"float32"`` or ``"bfloat16"`` (autocast; weights stay in float32).
        patience: Evaluations on held-out pseudo-labels without progress before stopping; 0 = off.
        checkpoint_seconds: Time between two checkpoints.
    """

    epochs: float
    batch_size: int
    micro_batch_size: int
    warmup: float
    weight_decay: float
    max_grad_norm: float
    precision: str
    patience: int = 0
    checkpoint_seconds: float = 300.0


@dataclass(frozen=True)
class HeldOut:
    """Examples that early stopping looks at: pseudo-labelled, never true labels or test rows."""

    encoded: Encoded
    targets: NDArray[np.float64]
