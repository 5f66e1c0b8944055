"""What happens around the Trainer's steps: batch statistics, early stopping, progress."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from transformers import TrainerCallback, TrainingArguments

from w2sg.losses import Loss
from w2sg.models.backbone import Classifier, Encoded, autocast, collate, logits
from w2sg.train.batches import Plan, Rows
from w2sg.train.ranks import Ranks
from w2sg.train.schedule import HeldOut, Schedule

EVALUATIONS_PER_EPOCH = 4


class BatchLoss(TrainerCallback):
    """The loss as the Trainer calls it, and what the whole optimizer batch tells it."""

    def __init__(
        self,
        classifier: Classifier,
        encoded: Encoded,
        targets: NDArray[np.float64],
        loss: Loss,
        order: Plan,
        precision: str,
        ranks: Ranks,
    ) -> None:
        self.classifier, self.encoded, self.order = classifier, encoded, order
        self.targets = torch.as_tensor(np.ascontiguousarray(targets), dtype=torch.float32)
        self.function, self.precision = loss, precision
        self.ranks = ranks
        self.context: Any = None

    def on_step_begin(self, args: TrainingArguments, state: Any, *_: Any, **__: Any) -> None:
        """Look at the whole optimizer batch, if the loss wants to."""
        if not self.function.needs_batch:
            return
        step = self.order.steps[state.global_step]
        rows = torch.as_tensor(np.concatenate(step))
        seen = self._logits(step, args.device) if self.function.needs_logits else None
        self.context = self.function.batch_statistics(
            seen,
            self.targets[rows].to(args.device),
            step=state.global_step,
            n_steps=len(self.order.steps),
        )

    def loss(self, outputs: Any, labels: torch.Tensor, num_items_in_batch: Any) -> torch.Tensor:
        """Return the weighted sum of the losses of a micro-batch."""
        del num_items_in_batch  # counts entries of the soft targets; the weights say what we mean
        targets, weight = labels[:, :-1], labels[:, -1]
        scores = outputs["logits"] if isinstance(outputs, dict) else outputs.logits
        values = self.function(scores.float(), targets, context=self.context)
        if not torch.isfinite(values).all():
            raise ValueError(
                "the training loss is not finite: lower the rate (--set student.lr=…) or train in "
                "float32 (--set student.precision=float32)"
            )
        # the gradient is averaged over processes, and each holds a part of the batch's mean
        return (values * weight).sum() * self.ranks.n

    def _logits(self, step: tuple[Rows, ...], device: torch.device) -> torch.Tensor:
        """The whole batch's logits; of several processes each computes its own micro-batches."""
        model = self.classifier.model
        was_training = model.training
        model.eval()  # the statistics are of the model, not of one dropout mask
        seen = torch.zeros(sum(map(len, step)), self.targets.shape[1], device=device)
        start = 0
        with torch.no_grad(), autocast(self.precision, device.type):
            for place, rows in enumerate(step):
                if len(rows) and place % self.ranks.n == self.ranks.own:
                    batch = collate(self.classifier.tokenizer, self.encoded, rows)
                    scores = model(**{k: v.to(device) for k, v in batch.items()}).logits
                    seen[start : start + len(rows)] = scores.float()
                start += len(rows)
        model.train(was_training)
        return self.ranks.total(seen)


class EarlyStopping(TrainerCallback):
    """Keeps the weights with the lowest loss on held-out pseudo-labels."""

    def __init__(
        self,
        classifier: Classifier,
        loss: Loss,
        held_out: HeldOut | None,
        schedule: Schedule,
        steps_per_epoch: int,
        ranks: Ranks,
    ) -> None:
        self.classifier, self.function, self.ranks = classifier, loss, ranks
        self.held_out = held_out if schedule.patience else None
        self.patience, self.precision = schedule.patience, schedule.precision
        self.every = max(1, steps_per_epoch // EVALUATIONS_PER_EPOCH)
        self.history: dict[int, float] = {}
        self.best: dict[str, torch.Tensor] = {}
        self.best_step = 0

    def _trained(self) -> list[tuple[str, torch.nn.Parameter]]:
        return [(n, p) for n, p in self.classifier.model.named_parameters() if p.requires_grad]

    def on_step_end(self, args: Any, state: Any, control: Any, **__: Any) -> None:
        """Measure the held-out loss four times an epoch; stop when it no longer falls."""
        last = state.global_step == state.max_steps
        if self.held_out is None or (state.global_step % self.every and not last):
            return
        values = self.function(
            self._scores(self.held_out), torch.as_tensor(self.held_out.targets).float()
        )
        self.history[state.global_step] = float(values.mean())
        if self.history[state.global_step] <= min(self.history.values()):
            self.best_step = state.global_step
            self.best = {k: v.detach().clone() for k, v in self._trained()}
        since = sum(step > self.best_step for step in self.history)
        if since >= self.patience:
            control.should_training_stop = True

    def _scores(self, held_out: HeldOut) -> torch.Tensor:
        """Logits of all held-out rows; of several processes each asks for every n-th."""
        own = np.arange(self.ranks.own, len(held_out.encoded), self.ranks.n)
        asked = held_out.encoded.take(own)
        seen = torch.zeros(held_out.targets.shape)
        seen[own] = torch.as_tensor(
            logits(self.classifier, asked, precision=self.precision)
        ).float()
        return self.ranks.total(seen)

    def on_save(self, args: TrainingArguments, state: Any, *_: Any, **__: Any) -> None:
        """Put history and best weights into the checkpoint."""
        if self.held_out is not None and self.best and self.ranks.first:
            folder = Path(str(args.output_dir)) / f"checkpoint-{state.global_step}"
            history = {str(k): repr(v) for k, v in self.history.items()}
            save_file(
                {k: v.contiguous() for k, v in self.best.items()},
                folder / "best.safetensors",
                metadata={"best_step": str(self.best_step), **history},
            )

    def load(self, folder: Path) -> None:
        """Take up history and best weights where a checkpoint left them."""
        path = folder / "best.safetensors"
        if path.exists():
            from safetensors import safe_open

            with safe_open(path, "pt") as file:
                facts = dict(file.metadata())
            self.best_step = int(facts.pop("best_step"))
            self.history = {int(k): float(v) for k, v in facts.items()}
            self.best = load_file(path)

    def restore(self) -> None:
        """Put the best weights back into the model."""
        with torch.no_grad():
            for name, parameter in self._trained():
                if name in self.best:
                    parameter.copy_(self.best[name])


class Steps(TrainerCallback):
    """Tells how far the training is."""

    def __init__(self, progress: Callable[[int, int, float], None] | None, n_steps: int) -> None:
        self.progress, self.n_steps = progress, n_steps

    def on_log(self, args: Any, state: Any, control: Any, **told: Any) -> None:
        """Pass on step and loss."""
        logs = told["logs"]
        if self.progress is not None and "loss" in logs:
            self.progress(state.global_step, self.n_steps, float(logs["loss"]))
