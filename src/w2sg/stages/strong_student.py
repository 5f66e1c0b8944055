"""The strong student: a pre-trained model, fine-tuned on targets, asked about the test part."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from w2sg._arrays import FloatArray
from w2sg._seeds import child_seed
from w2sg.data.examples import Labelled, PseudoLabelled, Unlabelled

if TYPE_CHECKING:
    import torch

    from w2sg.losses import Loss
    from w2sg.models.backbone import Classifier
    from w2sg.train.loggers import Loggers

VERSION = 4
# chosen on data sets that no demo and no table of this project shows: docs/defaults.md
RATES = {"full": 3e-4, "head": 0.1, "roles": 3e-4}
LONG = 120  # steps; a shorter training of roles gets a higher rate in proportion,
HIGHEST = 1e-3  # up to this one
HEAD_RATE = {"full": 3e-3, "head": 0.1, "roles": 3e-3}


@dataclass(frozen=True)
class Settings:
    """How a model is fine-tuned; every value is resolved, none is "auto".

    Attributes:
        model: Local folder, hub id or packaged model.
        layers: Keep only the first so many layers; `None` for all.
        policy: Which weights move: ``full``, ``head`` or roles of attention such as ``qv``.
        method: ``full`` rank or the name of an adapter.
        epochs: Passes over the data.
        lr: Rate of the moving weights; η_Q where roles are trained.
        lr_head: Rate of the head.
        ratio: η_V/η_Q.
        batch_size: Examples per optimizer step.
        micro_batch_size: Most examples in memory at once.
        max_length: Longest text in tokens.
        weight_decay: AdamW's.
        warmup: Fraction of the steps.
        max_grad_norm: Clipping.
        precision: ``float32`` or ``bfloat16``.
        patience: Evaluations without progress before stopping; 0 = off.
        held_out: Fraction of the pseudo-labelled rows that early stopping looks at.
    """

    model: str
    layers: int | None
    policy: str
    method: str
    epochs: float
    lr: float
    lr_head: float
    ratio: float
    batch_size: int
    micro_batch_size: int
    max_length: int
    weight_decay: float
    warmup: float
    max_grad_norm: float
    precision: str
    patience: int
    held_out: float


@dataclass(frozen=True)
class TrainedStudent:
    """A fine-tuned model and what it says of the test part.

    Attributes:
        weights: The parameters that differ from the pre-trained model, under its own names.
        test_ids: Rows of the test part.
        test_probabilities: Shape (n_test, K).
        curve: Loss and rate per optimizer step.
        facts: Counts, times, and what moved.
    """

    weights: "Mapping[str, torch.Tensor]"
    test_ids: tuple[str, ...]
    test_probabilities: FloatArray
    curve: tuple[dict[str, float], ...]
    facts: dict[str, Any]


def default_rates(policy: str, n_steps: float = LONG) -> tuple[float, float]:
    """Return the rates of body and head that "auto" stands for in a training of so many steps.

    >>> default_rates("full") == (RATES["full"], HEAD_RATE["full"])
    True
    >>> default_rates("qv", 60)[0] == 2 * default_rates("qv", 500)[0]
    True
    """
    name = policy if policy in RATES else "roles"
    rate = RATES[name]
    if name == "roles":
        rate = min(HIGHEST, rate * max(1.0, LONG / n_steps))
    return rate, HEAD_RATE[name]


def train(
    parts: tuple[Labelled | PseudoLabelled, ...],
    test: Unlabelled,
    *,
    settings: Settings,
    loss: "Loss",
    seed: int,
    folder: Path,
    start: "Mapping[str, torch.Tensor] | None" = None,
    progress: Callable[[str, int, int, float | None], None] | None = None,
    loggers: "Loggers | None" = None,
    checkpoint_seconds: float = 300.0,
) -> TrainedStudent:
    """Fine-tune the model on all parts together and ask it about the test part.

    Args:
        parts: What it learns from: pseudo-labels, true labels, or both; no id twice.
        test: What it is asked about, without labels.
        settings: How it is trained.
        loss: One value per example.
        seed: Streams for the initial weights of head and adapters, the order and dropout come
            from it.
        folder: Where checkpoints live while it trains.
        start: Weights to go on from, as an earlier training left them.
        progress: Called with what is being done, how far, of how many, and the loss.
        loggers: What else is told of each step.
        checkpoint_seconds: Time between two checkpoints.

    Raises:
        ValueError: There is nothing to learn from, or nothing would move.
    """
    import torch

    from w2sg.models.backbone import encode, load_classifier, longest
    from w2sg.models.trained_head import order_new_rows
    from w2sg.train import policies
    from w2sg.train.finetune import finetune, predict
    from w2sg.train.schedule import Schedule

    texts, pairs, targets, names, soft = training_set(parts)
    classifier = load_classifier(
        settings.model, names, seed=child_seed(seed, "head"), layers=settings.layers
    )
    pristine = _digests(classifier)
    if start is None:
        order_new_rows(classifier.model, classifier.head, class_ranks(targets))
    else:
        restore(classifier, start)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(child_seed(seed, "adapters"))  # which begin at random
        policy = policies.apply(
            classifier.model,
            settings.policy,
            settings.ratio,
            settings.lr,
            settings.lr_head,
            settings.method,
        )
    encoded = encode(classifier.tokenizer, texts, pairs, max_length=settings.max_length)
    rows, held_out = _hold_out(encoded, targets, soft, settings, child_seed(seed, "held_out"))
    training = finetune(
        classifier,
        policy,
        encoded.take(rows),
        targets[rows],
        loss=loss,
        schedule=Schedule(
            epochs=settings.epochs,
            batch_size=settings.batch_size,
            micro_batch_size=settings.micro_batch_size,
            warmup=settings.warmup,
            weight_decay=settings.weight_decay,
            max_grad_norm=settings.max_grad_norm,
            precision=settings.precision,
            patience=settings.patience if held_out else 0,
            checkpoint_seconds=checkpoint_seconds,
        ),
        seed=child_seed(seed, "order"),
        folder=folder,
        held_out=held_out,
        progress=_only(progress, "training"),
        loggers=loggers,
    )
    audit = policy.audit().require_intact()
    asked = encode(classifier.tokenizer, test.texts, test.pairs, max_length=settings.max_length)
    told = _only(progress, "predicting")
    probabilities = predict(
        classifier,
        asked,
        precision=settings.precision,
        progress=None if told is None else lambda done, total: told(done, total, None),
    )
    facts = {
        "n_train": len(rows),
        "n_steps": training.n_steps,
        "best_step": training.best_step,
        "train_seconds": training.seconds,
        "resumed_from": training.resumed_from,
        "processes": training.processes,
        "checkpoints_dropped": list(training.dropped),
        "n_truncated": encoded.n_truncated,
        "n_truncated_test": asked.n_truncated,
        "n_trainable": policy.trainable,
        "moved": {role.role: role.relative for role in audit.roles},
        "unmoved": list(audit.still),
        "max_length": longest(classifier.tokenizer, settings.max_length),
        **classifier.head.facts(),
    }
    return TrainedStudent(
        weights=_changed(policy.state_dict(), pristine),
        test_ids=test.ids,
        test_probabilities=probabilities,
        curve=training.curve,
        facts=facts,
    )


def load(
    settings: Settings,
    label_names: tuple[str, ...],
    weights: "Mapping[str, torch.Tensor]",
    *,
    seed: int,
) -> "Classifier":
    """Return the fine-tuned model: the pre-trained one with the stored weights put back."""
    from w2sg.models.backbone import load_classifier

    classifier = load_classifier(
        settings.model,
        label_names,
        seed=child_seed(seed, "head"),
        layers=settings.layers,
        restoring=True,
    )
    restore(classifier, weights)
    return classifier


def restore(classifier: "Classifier", weights: "Mapping[str, torch.Tensor]") -> None:
    """Put stored weights into a freshly loaded model.

    Raises:
        ValueError: A stored name is not in the model.
    """
    unknown = classifier.model.load_state_dict(dict(weights), strict=False).unexpected_keys
    if unknown:
        raise ValueError(f"stored weights do not fit the model: {unknown[0]!r} is not in it")


def ask(classifier: "Classifier", rows: Unlabelled, settings: Settings) -> NDArray[np.float64]:
    """Return the model's class probabilities of texts, shape (n, K)."""
    from w2sg.models.backbone import encode
    from w2sg.train.finetune import predict

    encoded = encode(classifier.tokenizer, rows.texts, rows.pairs, max_length=settings.max_length)
    return predict(classifier, encoded, precision=settings.precision)


def training_set(
    parts: tuple[Labelled | PseudoLabelled, ...],
) -> tuple[tuple[str, ...], tuple[str, ...] | None, FloatArray, tuple[str, ...], NDArray[np.bool_]]:
    """Return texts, pairs, targets, class names, and which rows are pseudo-labelled; ids sorted.

    The order of the rows follows their ids, so equal content gives equal training.

    Raises:
        ValueError: No rows, an id twice, or parts that disagree on the classes.
    """
    rows: dict[str, tuple[str, str | None, FloatArray, bool]] = {}
    names = parts[0].label_names if parts else ()
    for part in parts:
        if part.label_names != names:
            raise ValueError(f"parts disagree on the classes: {part.label_names} and {names}")
        if isinstance(part, PseudoLabelled):
            soft, targets = True, part.probabilities
        else:
            soft, targets = False, np.eye(len(names))[part.labels]
        pairs = part.pairs or (None,) * len(part)
        for i, name in enumerate(part.ids):
            if name in rows:
                raise ValueError(f"id {name!r} is in two parts of the training set")
            rows[name] = (part.texts[i], pairs[i], targets[i], soft)
    if not rows:
        raise ValueError("there is nothing to train on: the part has no rows")
    ordered = [rows[name] for name in sorted(rows)]
    texts, others, targets, soft = zip(*ordered, strict=True)
    paired = None if others[0] is None else others
    return texts, paired, np.array(targets), names, np.array(soft)


def class_ranks(targets: FloatArray) -> tuple[int, ...]:
    """Return the place of each class by where it first is the likeliest, whatever it is called.

    >>> class_ranks(np.array([[0.1, 0.9], [0.8, 0.2]])), class_ranks(np.array([[0.9, 0.1]]))
    ((1, 0), (0, 1))
    """
    leads = targets >= targets.max(axis=1, keepdims=True)
    first = np.where(leads.any(axis=0), leads.argmax(axis=0), len(targets))
    order = np.lexsort((-targets.sum(axis=0), first))
    return tuple(int(rank) for rank in np.argsort(order))


def _hold_out(
    encoded: Any, targets: FloatArray, soft: NDArray[np.bool_], settings: Settings, seed: int
) -> tuple[NDArray[np.int64], Any]:
    from w2sg.train.schedule import HeldOut

    rows = np.arange(len(encoded))
    if not settings.patience or not soft.any():
        return rows, None
    candidates = np.random.default_rng(seed).permutation(rows[soft])
    chosen = np.sort(candidates[: max(1, round(settings.held_out * len(candidates)))])
    kept = np.setdiff1d(rows, chosen)
    if not len(kept):
        raise ValueError(
            f"student.held_out = {settings.held_out} leaves no row to train on; turn "
            "student.early_stopping off or add unlabelled rows"
        )
    return kept, HeldOut(encoded.take(chosen), targets[chosen])


def _digests(classifier: "Classifier") -> dict[str, str]:
    return {name: _hash(tensor) for name, tensor in classifier.model.state_dict().items()}


def _changed(after: "Mapping[str, torch.Tensor]", pristine: dict[str, str]) -> "dict[str, Any]":
    return {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in after.items()
        if pristine.get(name) != _hash(tensor)
    }


def _hash(tensor: "torch.Tensor") -> str:
    raw = tensor.detach().cpu().contiguous().reshape(-1)
    return hashlib.sha256(raw.view(-1).numpy().tobytes()).hexdigest()


def _only(
    progress: Callable[[str, int, int, float | None], None] | None, what: str
) -> Callable[[int, int, float | None], None] | None:
    if progress is None:
        return None
    return lambda done, total, loss: progress(what, done, total, loss)
