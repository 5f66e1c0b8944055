"""A callback that notices when a model answers the same to everything, and says why it may."""

import logging
from math import isfinite
from typing import Any

import torch
from torch import Tensor
from transformers import TrainerCallback

from w2sg.train.policies.apply import Policy

logger = logging.getLogger(__name__)


class CollapseDetector(TrainerCallback):
    """Watches the predictions of each evaluation in transformers' Trainer.

    The model is collapsed when ``min_examples`` or more predictions in a row of one evaluation
    all name one class. Two of the published results are of this kind. The cause named is the most
    likely of: a loss that is not finite, a head that does not train, a role that moved far from
    where it started, too few steps.
    """

    def __init__(
        self, policy: Policy, *, min_examples: int = 50, far: float = 0.5, stop: bool = False
    ) -> None:
        """Store the policy; nothing is watched before training starts.

        Args:
            policy: The policy that trains.
            min_examples: Evaluations of fewer examples say nothing.
            far: Relative movement ‖θ − θ₀‖/‖θ₀‖ beyond which a role has left its weights.
            stop: Whether to end training at the first collapse.
        """
        self.policy = policy
        self.min_examples = min_examples
        self.far = far
        self.stop = stop
        self.collapsed_at: list[int] = []
        self.causes: list[str] = []
        self._classes: Tensor | None = None
        self._seen = 0
        self._handle: Any = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Watch the model's logits in evaluations."""
        self.detach()
        self._handle = self.policy.model.register_forward_hook(self._watch)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Stop watching."""
        self.detach()

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Judge the predictions of the evaluation that just ended."""
        classes, seen = self._classes, self._seen
        self._classes, self._seen = None, 0
        if classes is None or seen < self.min_examples or int(classes.sum()) > 1:
            return
        cause = self._cause(state)
        self.collapsed_at.append(state.global_step)
        self.causes.append(cause)
        label = int(classes.nonzero().item())
        logger.warning(
            "step %d: all %d predictions are class %d; %s", state.global_step, seen, label, cause
        )
        if self.stop:
            control.should_training_stop = True

    def detach(self) -> None:
        """Remove the hook from the model."""
        if self._handle is not None:
            self._handle.remove()
            self._handle = None

    def _watch(self, module: Any, args: Any, output: Any) -> None:
        logits = getattr(output, "logits", None)
        if module.training or logits is None or logits.ndim != 2 or logits.shape[-1] < 2:
            return
        answers = logits.detach().float().nan_to_num(nan=0.0).argmax(-1)
        found = torch.bincount(answers, minlength=logits.shape[-1]).cpu() > 0
        self._classes = found if self._classes is None else self._classes | found
        self._seen += len(answers)

    def _cause(self, state: Any) -> str:
        losses = [entry["loss"] for entry in state.log_history if "loss" in entry]
        if losses and not isfinite(losses[-1]):
            return f"the training loss is {losses[-1]}: lower lr, or train in bfloat16 or float32"
        audit = self.policy.audit()
        if not any(moved.role == "head" for moved in audit.roles):
            return "the task head does not train: name its parameters with head=…"
        body = [m for m in audit.roles if m.role != "head" and isfinite(m.relative)]
        farthest = max(body, key=lambda m: m.relative, default=None)
        if farthest is not None and farthest.relative > self.far:
            rates = self.policy.rates
            rate = rates.lr * (rates.ratio if farthest.role == "v" else 1.0)
            return (
                f"W_{farthest.role} moved by {farthest.relative:.2g} of its own norm at rate "
                f"{rate:.2g}: lower lr, or ratio where it is V"
            )
        return "no role moved far: train longer, raise lr_head, or check that labels vary"
