"""Features of the layers of a frozen Hugging Face encoder: pooled, streamed, cached by content."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from w2sg.models.features import Pooling, forward, position
from w2sg.models.inputs import positions

if TYPE_CHECKING:
    import torch

# texts are sorted by length inside a window, so that batches carry little padding
WINDOW_BATCHES = 16


def layer_features(
    model: "torch.nn.Module",
    tokenizer: Any,
    texts: Sequence[str],
    layers: Sequence[int] = (-1,),
    *,
    pooling: Pooling = "mean",
    batch_size: int = 64,
    max_length: int = 128,
    cache: str | Path | None = None,
) -> dict[int, np.ndarray]:
    """Return pooled hidden states of chosen layers, one float32 matrix per layer.

    Rows follow ``texts``. With a cache folder, each layer is one ``.npy`` file named by the hash
    of the weights, the configuration, the vocabulary, the texts and the settings, so a changed
    model or text is computed anew and an interrupted run leaves no file.

    Args:
        model: A Hugging Face model whose outputs have ``hidden_states``; put in evaluation mode
            for the call and back after it.
        tokenizer: Its tokenizer.
        texts: At least one text.
        layers: Hidden states to keep: 0 is the embedding layer, −1 the last layer.
        pooling: Mean over real tokens, or the first, or the last real token.
        batch_size: Texts per forward pass.
        max_length: Tokens kept per text; fewer where the model or its tokenizer ends before.
        cache: Folder for the results, none if ``None``.

    Returns:
        Layer (as asked for) → matrix of texts × hidden width.

    Raises:
        ValueError: No texts, a layer the model does not have, or settings out of range.
    """
    if len(texts) == 0:
        raise ValueError("texts must not be empty")
    if cache is None:
        return _collect(
            stream_layer_features(
                model,
                tokenizer,
                texts,
                layers,
                pooling=pooling,
                batch_size=batch_size,
                max_length=max_length,
            )
        )
    folder = Path(cache)
    common = _content_key(model, tokenizer, texts, pooling, _longest(model, tokenizer, max_length))
    files = {layer: folder / f"{common}-layer{position(model, layer)}.npy" for layer in layers}
    kept = {layer: _kept(file, len(texts)) for layer, file in files.items()}
    found = {layer: matrix for layer, matrix in kept.items() if matrix is not None}
    missing = [layer for layer in files if layer not in found]
    if missing:
        fresh = layer_features(
            model,
            tokenizer,
            texts,
            missing,
            pooling=pooling,
            batch_size=batch_size,
            max_length=max_length,
        )
        folder.mkdir(parents=True, exist_ok=True)
        for layer, matrix in fresh.items():
            # written beside and renamed: a reader never sees half a file
            part = files[layer].with_suffix(".part")
            with part.open("wb") as handle:
                np.save(handle, matrix, allow_pickle=False)
            part.replace(files[layer])
        found |= fresh
    return {layer: found[layer] for layer in files}


def _kept(file: Path, n: int) -> np.ndarray | None:
    """The features in a file of the cache; ``None`` where it is not there or damaged."""
    try:
        matrix = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return matrix if matrix.ndim == 2 and len(matrix) == n else None


def stream_layer_features(
    model: "torch.nn.Module",
    tokenizer: Any,
    texts: Sequence[str],
    layers: Sequence[int] = (-1,),
    *,
    pooling: Pooling = "mean",
    batch_size: int = 64,
    max_length: int = 128,
) -> Iterator[dict[int, np.ndarray]]:
    """Yield pooled hidden states window by window, in the order of ``texts``.

    Feed them to ``MomentAccumulator`` when the features of all texts would not fit memory. The
    arguments are those of ``layer_features``.

    Yields:
        Layer → rows of the window.
    """

    if pooling not in ("mean", "first", "last"):
        raise ValueError(f"pooling must be 'mean', 'first' or 'last', got {pooling!r}")
    for name, value in (("batch_size", batch_size), ("max_length", max_length)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    places = {layer: position(model, layer) for layer in layers}
    limit = _longest(model, tokenizer, max_length)

    def tokens(some: list[str]) -> Mapping[str, Any]:
        how = {"padding": True, "truncation": True, "max_length": limit}
        return tokenizer(some, return_tensors="pt", **how)

    was_training = model.training
    model.eval()
    try:
        window = batch_size * WINDOW_BATCHES
        for start in range(0, len(texts), window):
            part = [str(text) for text in texts[start : start + window]]
            order = np.argsort([len(text) for text in part], kind="stable")
            blocks = [order[i : i + batch_size] for i in range(0, len(part), batch_size)]
            batches = ((rows, tokens([part[i] for i in rows])) for rows in blocks)
            states = list(forward(model, batches, list(places.values()), pooling))
            back = np.argsort(order, kind="stable")
            yield {
                layer: np.concatenate([values[place] for _, values in states])[back]
                for layer, place in places.items()
            }
    finally:
        model.train(was_training)


def _collect(stream: Iterator[dict[int, np.ndarray]]) -> dict[int, np.ndarray]:
    windows = list(stream)
    return {layer: np.concatenate([w[layer] for w in windows]) for layer in windows[0]}


def _longest(model: Any, tokenizer: Any, max_length: int) -> int:
    ends = (getattr(tokenizer, "model_max_length", None), positions(model))
    return min([max_length, *(int(end) for end in ends if end is not None)])


def _content_key(
    model: Any, tokenizer: Any, texts: Sequence[str], pooling: str, max_length: int
) -> str:
    digest = hashlib.sha256()

    def add(value: bytes) -> None:
        digest.update(len(value).to_bytes(8, "little"))
        digest.update(value)

    add(json.dumps(model.config.to_dict(), sort_keys=True, default=str).encode())
    for name, weight in sorted(model.state_dict().items()):
        add(name.encode())
        flat = weight.detach().cpu().contiguous().flatten()
        add(str(flat.dtype).encode())
        # bytes of any dtype, bfloat16 included
        add(flat.view(_byte_type()).numpy().tobytes() if flat.numel() else b"")
    with suppress(AttributeError):
        add(json.dumps(sorted(tokenizer.get_vocab().items())).encode())
    add(repr((type(tokenizer).__name__, pooling, max_length)).encode())
    for text in texts:
        add(str(text).encode())
    return digest.hexdigest()[:32]


def _byte_type() -> "torch.dtype":
    import torch

    return torch.uint8
