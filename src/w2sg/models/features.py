"""Frozen features of texts: hidden states pooled over real tokens, pads never counted.

`pooled_features` is what runs use: a model by its name, one layer, any number of texts.
`layer_features` and `stream_layer_features` take a model and a tokenizer at hand, and several
layers of one pass. All three pool the states of `_forward`.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from w2sg.models.backbone import (
    Encoded,
    autocast,
    by_length,
    collate,
    encode,
    ensure_pad_token,
    explained,
    load_tokenizer,
    locate,
    quiet,
)

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

VERSION = 1
Pooling = Literal["mean", "first", "last"]
# texts are sorted by length inside a window, so that batches carry little padding
WINDOW_BATCHES = 16


def pooled_features(
    model: str,
    texts: Sequence[str],
    pairs: Sequence[str] | None = None,
    *,
    layers: int | None = None,
    untrained: int | None = None,
    max_length: int = 256,
    precision: str = "float32",
    progress: Callable[[int, int], None] | None = None,
) -> NDArray[np.float32]:
    """Return the mean token vector of each text after the last (or the given) layer.

    A pair (u, v) is encoded as two texts and described by (u, v, |u − v|, u∘v), the usual input
    of a linear head on sentence vectors.

    Args:
        model: Local folder, hub id or packaged model.
        texts: n texts.
        pairs: Second texts.
        layers: Stop after so many layers, counted from 1; 0 is the embedding.
        untrained: Seed of random weights in place of the model's own, for a network of its shape.
        max_length: Longest text in tokens.
        precision: Of the forward pass, ``float32`` or ``bfloat16``.
        progress: Called with texts done and their number.

    Returns:
        Shape (n, d), or (n, 4d) for pairs.

    Raises:
        ValueError: There is no such model or layer, or a feature is not finite.
    """
    if pairs is None:
        return _encode_all(model, texts, layers, untrained, max_length, precision, progress)
    everything = [*texts, *pairs]
    both = _encode_all(model, everything, layers, untrained, max_length, precision, progress)
    u, v = both[: len(texts)], both[len(texts) :]
    return np.hstack([u, v, np.abs(u - v), u * v])


def _encode_all(
    model: str,
    texts: Sequence[str],
    layers: int | None,
    untrained: int | None,
    max_length: int,
    precision: str,
    progress: Callable[[int, int], None] | None,
) -> NDArray[np.float32]:
    import torch

    network, tokenizer = load_encoder(model, untrained=untrained)
    n_layers = int(network.config.num_hidden_layers)
    if layers is not None and not 0 <= layers <= n_layers:
        raise ValueError(f"layers = {layers}: {model!r} has layers 0 to {n_layers}")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network.to(device)
    unique = list(dict.fromkeys(texts))
    encoded: Encoded = encode(tokenizer, unique, max_length=max_length)
    out = np.empty((len(unique), int(network.config.hidden_size)), dtype=np.float32)
    batches = ((rows, collate(tokenizer, encoded, rows)) for rows in by_length(encoded.lengths))
    done = 0
    with autocast(precision, device.type):
        for rows, found in _forward(network, batches, [layers], "mean"):
            out[rows] = found[layers]
            done += len(rows)
            if progress is not None:
                progress(done, len(unique))
    if not np.isfinite(out).all():
        raise ValueError(
            f"model {model!r} gives features that are not finite; check its weights and precision"
        )
    row_of = {text: i for i, text in enumerate(unique)}
    return out[[row_of[text] for text in texts]]


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
        max_length: Tokens kept per text.
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
    common = _content_key(model, tokenizer, texts, pooling, max_length)
    files = {layer: folder / f"{common}-layer{_position(model, layer)}.npy" for layer in layers}
    missing = [layer for layer, file in files.items() if not file.exists()]
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
    return {layer: np.load(file, allow_pickle=False) for layer, file in files.items()}


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
    positions = {layer: _position(model, layer) for layer in layers}

    def tokens(some: list[str]) -> Mapping[str, Any]:
        how = {"padding": True, "truncation": True, "max_length": max_length}
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
            found = list(_forward(model, batches, list(positions.values()), pooling))
            back = np.argsort(order, kind="stable")
            yield {
                layer: np.concatenate([values[position] for _, values in found])[back]
                for layer, position in positions.items()
            }
    finally:
        model.train(was_training)


def _forward(
    network: Any,
    batches: Iterable[tuple[NDArray[np.int64], Mapping[str, Any]]],
    layers: Sequence[int | None],
    pooling: Pooling,
) -> Iterator[tuple[NDArray[np.int64], dict[int | None, NDArray[np.float32]]]]:
    """Yield the rows of each batch and their pooled states, by layer; ``None`` is the output."""
    import torch

    device = next(network.parameters()).device
    deep = any(layer is not None for layer in layers)
    for rows, tokens in batches:
        batch = {name: values.to(device) for name, values in tokens.items()}
        with torch.inference_mode():
            answer = network(**batch, output_hidden_states=deep)
            states = {
                layer: answer.last_hidden_state if layer is None else answer.hidden_states[layer]
                for layer in layers
            }
            found = {
                layer: pool(each.float(), batch["attention_mask"], pooling).cpu().numpy()
                for layer, each in states.items()
            }
        yield rows, found


def _collect(stream: Iterator[dict[int, np.ndarray]]) -> dict[int, np.ndarray]:
    windows = list(stream)
    return {layer: np.concatenate([w[layer] for w in windows]) for layer in windows[0]}


def pool(states: "torch.Tensor", mask: "torch.Tensor", pooling: Pooling) -> "torch.Tensor":
    """Return one vector a text: the mean over its real tokens, or the first, or the last of them.

    Args:
        states: (texts, tokens, width).
        mask: (texts, tokens), 0 where a token is padding.
        pooling: Which.
    """
    import torch

    real = mask.to(states.dtype)
    if pooling == "mean":
        return (states * real[..., None]).sum(1) / real.sum(1, keepdim=True).clamp(min=1)
    # the place of the first or last real token, on whichever side the padding is
    places = torch.arange(mask.shape[1], device=mask.device)
    if pooling == "first":
        at = torch.where(mask.bool(), places, mask.shape[1]).argmin(1)
    else:
        at = torch.where(mask.bool(), places, -1).argmax(1)
    return states[torch.arange(len(states), device=states.device), at]


def _position(model: Any, layer: int) -> int:
    count = model.config.num_hidden_layers + 1
    if not -count <= layer < count:
        raise ValueError(f"layers must lie between {-count} and {count - 1}, got {layer}")
    return layer % count


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


def load_encoder(
    name: str, *, untrained: int | None = None
) -> "tuple[Any, PreTrainedTokenizerBase]":
    """Return a model without head, in float32, and a tokenizer that can pad.

    Args:
        name: Local folder, hub id or packaged model.
        untrained: Seed of random weights in place of the model's own.

    Raises:
        ValueError: There is no such model, or it has no tokenizer.
    """
    import torch
    from transformers import AutoConfig, AutoModel

    where = locate(name)
    with quiet(), explained(name):
        if untrained is None:
            model = AutoModel.from_pretrained(where, dtype=torch.float32)
        else:
            with torch.random.fork_rng():
                torch.manual_seed(untrained)
                model = AutoModel.from_config(AutoConfig.from_pretrained(where)).float()
        tokenizer = load_tokenizer(name)
    ensure_pad_token(tokenizer)
    return model.eval(), tokenizer
