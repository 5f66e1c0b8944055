"""A pre-trained model as a classifier: found, loaded, given its texts, asked for probabilities."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from w2sg.models.inputs import check_tokens, fit_tokenizer
from w2sg.models.loading import explained, load_weights, quiet, said
from w2sg.models.sources import locate
from w2sg.models.trained_head import Head, match_head
from w2sg.models.weight_files import check_texts

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

TOKENS_PER_BATCH = 8192


@dataclass(frozen=True)
class Encoded:
    """Tokenised texts, one list of token ids a row, and how many were cut.

    Attributes:
        inputs: Per row, model input name → list of integers, not padded.
        n_truncated: Rows longer than the limit.
    """

    inputs: tuple[dict[str, list[int]], ...]
    n_truncated: int

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens per row, shape (n,)."""
        return np.array([len(row["input_ids"]) for row in self.inputs], dtype=np.int64)

    def take(self, rows: Sequence[int] | NDArray[np.int64]) -> "Encoded":
        """Return some rows, in the order asked for."""
        return Encoded(tuple(self.inputs[int(i)] for i in rows), self.n_truncated)


@dataclass(frozen=True)
class Classifier:
    """A sequence-classification model, the tokenizer that feeds it, and where its head is from."""

    model: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerBase"
    head: Head = field(default_factory=Head)


def load_classifier(
    name: str,
    label_names: Sequence[str],
    *,
    seed: int,
    layers: int | None = None,
    restoring: bool = False,
) -> Classifier:
    """Return the model's own sequence-classification class, in float32.

    Its body is the pre-trained one, whole. Its head is new; a checkpoint that brings one for as
    many classes keeps that, its rows in the order of the data's classes. Pad token and padding
    side are set so that the class reads the last attended token, and texts are cut where the
    model's positions end.

    Args:
        name: Local folder, hub id or packaged model.
        label_names: One name a class; become the model's own labels.
        seed: Of the head's initial weights.
        layers: Keep only the first so many layers.
        restoring: Stored weights take the place of the head: what it was called does not matter.

    Raises:
        ValueError: There is no such model, its files are damaged or something else, its weights
            are not those of its configuration, it has no tokenizer, its head was trained for other
            classes, or its class reads a position that padding moves.
    """
    import torch
    from transformers import AutoModelForSequenceClassification

    where, config = locate(name), read_config(name)
    total = int(getattr(config, "num_hidden_layers", 0))
    if layers is not None:
        if not 0 < layers <= total:
            raise ValueError(f"layers = {layers}: {name!r} has layers 1 to {total}")
        config.num_hidden_layers = layers
    own_names = dict(config.id2label or {})
    config.num_labels = len(label_names)
    config.id2label = dict(enumerate(label_names))
    config.label2id = {label: i for i, label in enumerate(label_names)}
    config.problem_type = "single_label_classification"
    tokenizer = load_tokenizer(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        auto = AutoModelForSequenceClassification
        loaded = load_weights(auto, where, name, config=config, n_layers=total)
        model = loaded.model
        fit_tokenizer(model, tokenizer, name)
        head = match_head(loaded, own_names, label_names, name, refuse=not restoring)
    model.config.pad_token_id = tokenizer.pad_token_id
    model.eval()
    classifier = Classifier(model, tokenizer, head)
    check_padding(classifier, name)
    return classifier


def read_config(name: str) -> Any:
    """Return a model's configuration, without running code that comes with it.

    Raises:
        ValueError: There is no such model, or its configuration cannot be read.
    """
    from transformers import AutoConfig

    where = locate(name)
    if Path(where).is_dir():
        check_texts(Path(where), name)
    with quiet(), explained(name):
        return AutoConfig.from_pretrained(where, trust_remote_code=False)


def load_tokenizer(name: str) -> "PreTrainedTokenizerBase":
    """Return the tokenizer that is stored with a model.

    Raises:
        ValueError: There is none, or it knows no words.
    """
    from transformers import AutoTokenizer

    where = locate(name)
    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(where, trust_remote_code=False)
        # without files, transformers makes one that knows nothing but its special tokens
        found = len(tokenizer) > len(set(tokenizer.all_special_tokens))
        reason = "it knows no words"
    except Exception as error:
        found, reason = False, said(error)
    if not found:
        raise ValueError(
            f"model {name!r} has no tokenizer that can be loaded ({reason}); save one beside it "
            "with tokenizer.save_pretrained"
        )
    return tokenizer  # pyright: ignore[reportPossiblyUnboundVariable]


def check_padding(classifier: Classifier, name: str) -> None:
    """Refuse a model whose answer depends on how far its texts are padded.

    Raises:
        ValueError: Logits of a short text move when it is padded beside a longer one.
    """
    texts = encode(classifier.tokenizer, ["a short text", "a text that is quite a bit longer! 0"])
    with explained(name, "cannot read a text"):
        apart = np.vstack([_scores(classifier, texts.take([i])) for i in (0, 1)])
        together = _scores(classifier, texts)
    if not (np.isfinite(apart).all() and np.isfinite(together).all()):
        raise ValueError(
            f"model {name!r}: its answers are not finite before any training, so its weights hold "
            "NaN or infinity; save it again from weights that do not"
        )
    if not np.allclose(apart, together, atol=1e-3, rtol=1e-3):
        raise ValueError(
            f"model {name!r}: padding changes its answers (by {np.abs(apart - together).max():.2g}"
            " in the logits), so its class does not read the last attended token; use another model"
        )


def encode(
    tokenizer: "PreTrainedTokenizerBase",
    texts: Sequence[str],
    pairs: Sequence[str] | None = None,
    *,
    max_length: int = 256,
) -> Encoded:
    """Return token ids of texts, cut to `max_length`, counting what was cut.

    Rows end in a token that is not the pad token: a class that finds the end of a text by its
    last non-pad token would otherwise read one place early.
    """
    limit = longest(tokenizer, max_length)
    rows: list[dict[str, list[int]]] = []
    n_truncated = 0
    for start in range(0, len(texts), 4096):
        chunk = slice(start, start + 4096)
        some, others = list(texts[chunk]), None if pairs is None else list(pairs[chunk])
        encoded = _tokenise(tokenizer, some, others, limit + 1)
        long = [i for i, row in enumerate(encoded) if len(row["input_ids"]) > limit]
        cut = _tokenise(
            tokenizer,
            [some[i] for i in long],
            None if others is None else [others[i] for i in long],
            limit,
        )
        for i, row in zip(long, cut, strict=True):
            encoded[i] = row
        n_truncated += len(long)
        pad: Any = tokenizer.pad_token_id
        rows += [_trim(row, pad) for row in encoded]
    return Encoded(tuple(rows), n_truncated)


def longest(tokenizer: "PreTrainedTokenizerBase", max_length: int) -> int:
    """Return where texts are cut, in tokens: as asked, or where model or tokenizer end before."""
    return min(max_length, int(tokenizer.model_max_length))


def collate(
    tokenizer: "PreTrainedTokenizerBase", encoded: Encoded, rows: Sequence[int] | NDArray[np.int64]
) -> "dict[str, torch.Tensor]":
    """Return one padded batch of the rows asked for."""
    batch = tokenizer.pad([encoded.inputs[int(i)] for i in rows], return_tensors="pt")
    return dict(batch)


def logits(
    classifier: Classifier,
    encoded: Encoded,
    *,
    precision: str = "float32",
    progress: Callable[[int, int], None] | None = None,
) -> NDArray[np.float64]:
    """Return the model's logits, shape (n, K), rows in the order given.

    Batches hold texts of similar length, so the answer costs little padding; their composition
    changes nothing beyond round-off.

    Raises:
        ValueError: A logit is not finite; the model has diverged.
    """
    out = _scores(classifier, encoded, precision=precision, progress=progress)
    if not np.isfinite(out).all():
        raise ValueError(
            "the model's logits are not finite: it has diverged; lower the rate "
            "(--set student.lr=…) or train in float32 (--set student.precision=float32)"
        )
    return out


def _scores(
    classifier: Classifier,
    encoded: Encoded,
    *,
    precision: str = "float32",
    progress: Callable[[int, int], None] | None = None,
) -> NDArray[np.float64]:
    import torch

    model: Any = classifier.model
    device = model.device
    check_tokens(model, classifier.tokenizer, encoded.inputs, str(model.name_or_path))
    out = np.empty((len(encoded), int(model.config.num_labels)))
    was_training = model.training
    model.eval()
    done = 0
    with torch.inference_mode(), autocast(precision, device.type):
        for rows in by_length(encoded.lengths):
            batch = collate(classifier.tokenizer, encoded, rows)
            scores = model(**{k: v.to(device) for k, v in batch.items()}).logits
            out[rows] = scores.float().cpu().numpy()
            done += len(rows)
            if progress is not None:
                progress(done, len(encoded))
    model.train(was_training)
    return out


def softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return probabilities from logits along the last axis, exactly normalised.

    >>> softmax(np.array([[0.0, 0.0]]))
    array([[0.5, 0.5]])
    """
    odds = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return odds / odds.sum(axis=-1, keepdims=True)


def resolve_precision(precision: str) -> str:
    """Return ``"bfloat16"`` or ``"float32"`` for ``"auto"``: what this machine computes natively.

    >>> resolve_precision("float32")
    'float32'
    """
    import torch

    if precision != "auto":
        return precision
    if torch.cuda.is_available():
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    native = torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return "bfloat16" if native and _has_bf16_instructions() else "float32"


def autocast(precision: str, device: str) -> "contextlib.AbstractContextManager[Any]":
    """Return the context in which a forward pass runs at the precision."""
    import torch

    return torch.autocast(device, dtype=torch.bfloat16, enabled=precision == "bfloat16")


def _has_bf16_instructions() -> bool:
    import torch

    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def _tokenise(
    tokenizer: Any, texts: list[str], pairs: list[str] | None, limit: int
) -> list[dict[str, list[int]]]:
    if not texts:
        return []
    with quiet():
        batch = tokenizer(texts, pairs, truncation=True, max_length=limit)
    names = [name for name in batch if name in tokenizer.model_input_names]
    return [{name: list(batch[name][i]) for name in names} for i in range(len(texts))]


def _trim(row: dict[str, list[int]], pad: int) -> dict[str, list[int]]:
    ids = row["input_ids"]
    end = len(ids)
    while end > 1 and ids[end - 1] == pad:
        end -= 1
    return row if end == len(ids) else {name: values[:end] for name, values in row.items()}


def by_length(lengths: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Yield row numbers in batches of similar length, longest first, of bounded size."""
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        size = max(1, TOKENS_PER_BATCH // max(1, int(lengths[order[start]])))
        size = min(size, 256)
        yield order[start : start + size]
        start += size
