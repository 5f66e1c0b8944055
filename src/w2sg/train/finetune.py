"""One training, on the Trainer of transformers by composition: same bits however it is interrupted.

The order of the examples is planned beforehand and handed to the Trainer as a data set of ready
micro-batches, so that gradient accumulation, length grouping and resuming cannot change what an
optimizer step sees. The loss is one of ours, per example; losses that look at a whole optimizer
batch get its statistics from a first pass without gradient over all its micro-batches.
"""

import contextlib
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch.utils.data import Dataset
from transformers import (
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    get_scheduler,
)

from w2sg.losses import Loss
from w2sg.models.backbone import Classifier, Encoded, autocast, collate, logits, softmax
from w2sg.train.batches import Plan, Rows, plan
from w2sg.train.policies import Policy

COMPLETE = "complete"
EVALUATIONS_PER_EPOCH = 4


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


@dataclass(frozen=True)
class Training:
    """What a training left behind, apart from the weights in the model itself.

    Attributes:
        curve: One entry per optimizer step: step, epoch, loss, learning_rate, and held_out_loss
            where it was measured.
        n_steps: Optimizer steps done.
        best_step: The step whose weights were kept, the last one without early stopping.
        seconds: Time in the training loop of this process.
        resumed_from: The step at which an interrupted training went on, or 0.
    """

    curve: tuple[dict[str, float], ...]
    n_steps: int
    best_step: int
    seconds: float
    resumed_from: int


def finetune(
    classifier: Classifier,
    policy: Policy,
    encoded: Encoded,
    targets: NDArray[np.float64],
    *,
    loss: Loss,
    schedule: Schedule,
    seed: int,
    folder: Path,
    held_out: HeldOut | None = None,
    progress: Callable[[int, int, float], None] | None = None,
    loggers: tuple[str, ...] = (),
) -> Training:
    """Train the classifier in place on soft targets, from its last checkpoint if there is one.

    Args:
        classifier: Model and tokenizer; the model is the one in `policy`.
        policy: What moves, and at what rates.
        encoded: Tokenised texts, n rows.
        targets: Probabilities, shape (n, K).
        loss: One value per example from logits and targets.
        schedule: How long and how fast.
        seed: Of the order of examples and of dropout.
        folder: Where checkpoints live; a finished training leaves it to the caller to remove.
        held_out: What early stopping measures.
        progress: Called after each step with step, number of steps and loss.
        loggers: Names that the Trainer knows: tensorboard, wandb, mlflow, trackio.

    Raises:
        ValueError: The loss became NaN or infinite, or early stopping has nothing to look at.
    """
    if schedule.patience and held_out is None:
        raise ValueError("early stopping needs held-out pseudo-labels; set student.held_out")
    order = plan(
        encoded.lengths,
        batch_size=schedule.batch_size,
        micro_batch_size=schedule.micro_batch_size,
        epochs=schedule.epochs,
        seed=seed,
    )
    context = _BatchContext(classifier, encoded, targets, loss, order, schedule.precision)
    checkpoints = _Checkpoints(folder, schedule.checkpoint_seconds)
    stopping = _EarlyStopping(classifier, loss, held_out, schedule, order.steps_per_epoch)
    steps = _Steps(progress, len(order.steps))
    optimizer = policy.make_optimizer(weight_decay=schedule.weight_decay)
    resume = checkpoints.last()
    if resume is not None:
        stopping.load(resume)
    with _own_random_state():
        trainer = Trainer(
            model=classifier.model,
            args=_arguments(schedule, order, seed, folder, loggers),
            data_collator=_Collator(classifier, encoded, targets),
            train_dataset=_MicroBatches(order),
            compute_loss_func=context.loss,
            optimizers=(
                optimizer,
                get_scheduler(
                    "linear",
                    optimizer,
                    num_warmup_steps=round(schedule.warmup * len(order.steps)),
                    num_training_steps=len(order.steps),
                ),
            ),
            callbacks=[context, stopping, steps, checkpoints],
        )
        trainer.remove_callback(PrinterCallback)
        started = time.perf_counter()
        trainer.train(resume_from_checkpoint=None if resume is None else str(resume))
        seconds = time.perf_counter() - started
    stopping.restore()
    classifier.model.eval()
    return Training(
        curve=_curve(trainer.state.log_history, stopping.history, order.steps_per_epoch),
        n_steps=trainer.state.global_step,
        best_step=stopping.best_step or trainer.state.global_step,
        seconds=seconds,
        resumed_from=0 if resume is None else int(resume.name.rsplit("-", 1)[1]),
    )


def predict(
    classifier: Classifier,
    encoded: Encoded,
    *,
    precision: str,
    progress: Callable[[int, int], None] | None = None,
) -> NDArray[np.float64]:
    """Return class probabilities, shape (n, K), rows in the order given."""
    return softmax(logits(classifier, encoded, precision=precision, progress=progress))


class _MicroBatches(Dataset[tuple[Rows, int]]):
    def __init__(self, order: Plan) -> None:
        self.items = order.micro_batches

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> tuple[Rows, int]:
        return self.items[index]


class _Collator:
    """A micro-batch with its targets; the last column of `labels` is each example's weight."""

    def __init__(
        self, classifier: Classifier, encoded: Encoded, targets: NDArray[np.float64]
    ) -> None:
        self.tokenizer = classifier.tokenizer
        self.encoded = encoded
        self.targets = torch.as_tensor(np.ascontiguousarray(targets), dtype=torch.float32)

    def __call__(self, items: list[tuple[Rows, int]]) -> dict[str, torch.Tensor]:
        ((rows, batch_size),) = items
        weight = torch.full((len(rows), 1), 1.0 / batch_size)
        batch = collate(self.tokenizer, self.encoded, rows)
        return {**batch, "labels": torch.cat([self.targets[torch.as_tensor(rows)], weight], dim=1)}


class _BatchContext(TrainerCallback):
    """The loss as the Trainer calls it, and what the whole optimizer batch tells it."""

    def __init__(
        self,
        classifier: Classifier,
        encoded: Encoded,
        targets: NDArray[np.float64],
        loss: Loss,
        order: Plan,
        precision: str,
    ) -> None:
        self.classifier, self.encoded, self.order = classifier, encoded, order
        self.targets = torch.as_tensor(np.ascontiguousarray(targets), dtype=torch.float32)
        self.function, self.precision = loss, precision
        self.context: Any = None
        self.n_processes = 1

    def on_train_begin(self, args: TrainingArguments, *_: Any, **__: Any) -> None:
        # the Trainer averages gradients over processes; each holds a part of the batch's sum
        self.n_processes = args.world_size

    def on_step_begin(self, args: TrainingArguments, state: Any, *_: Any, **__: Any) -> None:
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
        del num_items_in_batch  # counts entries of the soft targets; the weights say what we mean
        targets, weight = labels[:, :-1], labels[:, -1]
        scores = outputs["logits"] if isinstance(outputs, dict) else outputs.logits
        values = self.function(scores.float(), targets, context=self.context)
        if not torch.isfinite(values).all():
            raise ValueError(
                "the training loss is not finite: lower the rate (--set student.lr=…) or train in "
                "float32 (--set student.precision=float32)"
            )
        return (values * weight).sum() * self.n_processes

    def _logits(self, step: tuple[Rows, ...], device: torch.device) -> torch.Tensor:
        model = self.classifier.model
        was_training = model.training
        model.eval()  # the statistics are of the model, not of one dropout mask
        parts = []
        with torch.no_grad(), autocast(self.precision, device.type):
            for rows in step:
                batch = collate(self.classifier.tokenizer, self.encoded, rows)
                scores = model(**{k: v.to(device) for k, v in batch.items()}).logits
                parts.append(scores.float())
        model.train(was_training)
        return torch.cat(parts)


class _EarlyStopping(TrainerCallback):
    """Keeps the weights with the lowest loss on held-out pseudo-labels."""

    def __init__(
        self,
        classifier: Classifier,
        loss: Loss,
        held_out: HeldOut | None,
        schedule: Schedule,
        steps_per_epoch: int,
    ) -> None:
        self.classifier, self.function = classifier, loss
        self.held_out = held_out if schedule.patience else None
        self.patience, self.precision = schedule.patience, schedule.precision
        self.every = max(1, steps_per_epoch // EVALUATIONS_PER_EPOCH)
        self.history: dict[int, float] = {}
        self.best: dict[str, torch.Tensor] = {}
        self.best_step = 0

    def _trained(self) -> list[tuple[str, torch.nn.Parameter]]:
        return [(n, p) for n, p in self.classifier.model.named_parameters() if p.requires_grad]

    def on_step_end(self, _: Any, state: Any, control: Any, **__: Any) -> None:
        last = state.global_step == state.max_steps
        if self.held_out is None or (state.global_step % self.every and not last):
            return
        scores = logits(self.classifier, self.held_out.encoded, precision=self.precision)
        values = self.function(
            torch.as_tensor(scores).float(), torch.as_tensor(self.held_out.targets).float()
        )
        self.history[state.global_step] = float(values.mean())
        if self.history[state.global_step] <= min(self.history.values()):
            self.best_step = state.global_step
            self.best = {k: v.detach().clone() for k, v in self._trained()}
        since = sum(step > self.best_step for step in self.history)
        if since >= self.patience:
            control.should_training_stop = True

    def on_save(self, args: TrainingArguments, state: Any, *_: Any, **__: Any) -> None:
        if self.held_out is not None and self.best:
            folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
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


class _Checkpoints(TrainerCallback):
    """Saves by the clock, and marks what was saved whole."""

    def __init__(self, folder: Path, every_seconds: float) -> None:
        self.folder, self.every_seconds = folder, every_seconds
        self.saved = time.monotonic()

    def on_step_end(self, _: Any, state: Any, control: Any, **__: Any) -> None:
        due = time.monotonic() - self.saved >= self.every_seconds
        control.should_save = due and state.global_step < state.max_steps

    def on_save(self, _: Any, state: Any, *__: Any, **___: Any) -> None:
        here = self.folder / f"checkpoint-{state.global_step}"
        (here / COMPLETE).touch()
        for other in self.folder.glob("checkpoint-*"):
            if other != here:
                shutil.rmtree(other, ignore_errors=True)
        self.saved = time.monotonic()

    def last(self) -> Path | None:
        """Return the newest checkpoint that was written to its end; remove the others."""
        whole = None
        for folder in sorted(self.folder.glob("checkpoint-*"), key=lambda p: int(p.name[11:])):
            if (folder / COMPLETE).exists():
                whole = folder
            else:
                shutil.rmtree(folder, ignore_errors=True)
        return whole


class _Steps(TrainerCallback):
    def __init__(self, progress: Callable[[int, int, float], None] | None, n_steps: int) -> None:
        self.progress, self.n_steps = progress, n_steps

    def on_log(self, _: Any, state: Any, __: Any, logs: dict[str, float], **___: Any) -> None:
        if self.progress is not None and "loss" in logs:
            self.progress(state.global_step, self.n_steps, float(logs["loss"]))


def _arguments(
    schedule: Schedule, order: Plan, seed: int, folder: Path, loggers: tuple[str, ...]
) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(folder),
        max_steps=len(order.steps),
        per_device_train_batch_size=1,  # one item of the data set is one micro-batch
        gradient_accumulation_steps=len(order.steps[0]),
        train_sampling_strategy="sequential",
        max_grad_norm=schedule.max_grad_norm,
        bf16=schedule.precision == "bfloat16",
        use_cpu=not torch.cuda.is_available(),
        seed=seed,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="no",  # by the clock, in _Checkpoints
        eval_strategy="no",
        report_to=list(loggers) or "none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=torch.cuda.is_available(),
    )


def _curve(
    logged: list[dict[str, float]], held_out: dict[int, float], steps_per_epoch: int
) -> tuple[dict[str, float], ...]:
    rows = [
        {
            "step": entry["step"],
            "epoch": entry["step"] / steps_per_epoch,
            "loss": entry["loss"],
            "learning_rate": entry["learning_rate"],
        }
        for entry in logged
        if "loss" in entry
    ]
    for row in rows:
        if int(row["step"]) in held_out:
            row["held_out_loss"] = held_out[int(row["step"])]
    return tuple(rows)


@contextlib.contextmanager
def _own_random_state() -> Iterator[None]:
    """Leave the caller's random streams as they were; the Trainer seeds the global ones."""
    import random

    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with torch.random.fork_rng():
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
