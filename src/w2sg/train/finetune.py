"""One training, on the Trainer of transformers by composition: same bits however it is interrupted.

The order of the examples is planned beforehand and handed to the Trainer as a data set of ready
micro-batches, so that gradient accumulation, length grouping and resuming cannot change what an
optimizer step sees. The loss is one of ours, per example; losses that look at a whole optimizer
batch get its statistics from a first pass without gradient over all its micro-batches.

Of several processes that share a training each takes every n-th micro-batch; the steps are those
of one process, up to round-off and the draws of dropout.
"""

import contextlib
import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset
from transformers import PrinterCallback, Trainer, TrainingArguments, get_scheduler

from w2sg._seeds import child_seed
from w2sg.losses import Loss
from w2sg.models.backbone import Classifier, Encoded, collate, logits, softmax
from w2sg.train.batches import Plan, Rows, plan
from w2sg.train.callbacks import BatchLoss, EarlyStopping, Steps
from w2sg.train.checkpoints import Checkpoints
from w2sg.train.loggers import PROJECT, Loggers
from w2sg.train.policies import Policy
from w2sg.train.ranks import here
from w2sg.train.schedule import HeldOut, Schedule


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
        processes: How many processes shared it.
        dropped: What was wrong with checkpoints that were found and not gone on from.
    """

    curve: tuple[dict[str, float], ...]
    n_steps: int
    best_step: int
    seconds: float
    resumed_from: int
    processes: int
    dropped: tuple[str, ...] = ()


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
    loggers: Loggers | None = None,
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
        loggers: What else is told of each step.

    Raises:
        ValueError: The loss became NaN or infinite, or early stopping has nothing to look at.
    """
    if schedule.patience and held_out is None:
        raise ValueError("early stopping needs held-out pseudo-labels; set student.held_out")
    ranks = here()
    order = plan(
        encoded.lengths,
        batch_size=schedule.batch_size,
        micro_batch_size=schedule.micro_batch_size,
        epochs=schedule.epochs,
        seed=seed,
        processes=ranks.n,
    )
    context = BatchLoss(classifier, encoded, targets, loss, order, schedule.precision, ranks)
    identity = _identity(classifier, encoded, targets, loss, schedule, seed)
    checkpoints = Checkpoints(folder, schedule.checkpoint_seconds, ranks, identity)
    stopping = EarlyStopping(classifier, loss, held_out, schedule, order.steps_per_epoch, ranks)
    steps = Steps(progress if ranks.first else None, len(order.steps))
    optimizer = policy.make_optimizer(weight_decay=schedule.weight_decay)
    rates: Any = get_scheduler(
        "linear",
        optimizer,
        num_warmup_steps=round(schedule.warmup * len(order.steps)),
        num_training_steps=len(order.steps),
    )
    shares = len(order.steps[0]) // ranks.n
    told = loggers.of(folder) if loggers is not None and ranks.first else Loggers()
    resume = checkpoints.last()
    if resume is not None:
        stopping.load(resume)
    with _own_random_state(), told.one_run():
        trainer = Trainer(
            model=classifier.model,
            args=_arguments(schedule, len(order.steps), shares, seed, folder, told),
            data_collator=_Collator(classifier, encoded, targets),
            train_dataset=_MicroBatches(order),
            compute_loss_func=context.loss,
            optimizers=(optimizer, rates),
            callbacks=[context, stopping, steps, checkpoints, *told.callbacks()],
        )
        trainer.remove_callback(PrinterCallback)
        if not ranks.first:  # the Trainer gives every process the same dropout
            torch.manual_seed(child_seed(seed, "dropout", ranks.own))
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
        processes=ranks.n,
        dropped=tuple(checkpoints.dropped),
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


class _MicroBatches(Dataset[tuple[Rows, float]]):
    def __init__(self, order: Plan) -> None:
        self.items = order.micro_batches

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> tuple[Rows, float]:
        return self.items[index]


class _Collator:
    """A micro-batch with its targets; the last column of `labels` is each example's weight."""

    def __init__(
        self, classifier: Classifier, encoded: Encoded, targets: NDArray[np.float64]
    ) -> None:
        self.tokenizer = classifier.tokenizer
        self.encoded = encoded
        self.targets = torch.as_tensor(np.ascontiguousarray(targets), dtype=torch.float32)

    def __call__(self, items: list[tuple[Rows, float]]) -> dict[str, torch.Tensor]:
        ((rows, weight),) = items
        weights = torch.full((len(rows), 1), weight)
        batch = collate(self.tokenizer, self.encoded, rows)
        return {**batch, "labels": torch.cat([self.targets[torch.as_tensor(rows)], weights], dim=1)}


def _identity(
    classifier: Classifier,
    encoded: Encoded,
    targets: NDArray[np.float64],
    loss: Loss,
    schedule: Schedule,
    seed: int,
) -> str:
    """Return a digest of what a checkpoint must have been saved under to be of this training."""
    shapes = [(n, tuple(p.shape), p.requires_grad) for n, p in classifier.model.named_parameters()]
    timeless = replace(schedule, checkpoint_seconds=0.0)
    total = hashlib.sha256(repr((shapes, timeless, seed, loss.name)).encode())
    total.update(encoded.lengths.tobytes())
    total.update(np.ascontiguousarray(targets).tobytes())
    return total.hexdigest()


def _arguments(
    schedule: Schedule,
    n_steps: int,
    shares: int,
    seed: int,
    folder: Path,
    loggers: Loggers,
) -> TrainingArguments:
    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=n_steps,
        per_device_train_batch_size=1,  # one item of the data set is one micro-batch
        gradient_accumulation_steps=shares,
        average_tokens_across_devices=False,  # it would scale our loss a second time
        train_sampling_strategy="sequential",
        max_grad_norm=schedule.max_grad_norm,
        bf16=schedule.precision == "bfloat16",
        use_cpu=not torch.cuda.is_available(),
        seed=seed,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="no",  # by the clock, in Checkpoints
        eval_strategy="no",
        report_to=loggers.by_name,
        run_name=loggers.run,
        project=PROJECT,
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=torch.cuda.is_available(),
    )
    # one process uses one GPU: the Trainer would split a micro-batch over all that it sees
    arguments._n_gpu = min(1, arguments.n_gpu)
    return arguments


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
