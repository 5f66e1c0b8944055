"""Frozen features of texts: hidden states pooled over real tokens, pads never counted.

`pooled_features` is what runs use: a model by its name, one layer, any number of texts.
`w2sg.models.layer_features` takes a model and a tokenizer at hand and several layers of one pass.
Both pool the states of `forward`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from w2sg.models.backbone import (
    Encoded,
    autocast,
    by_length,
    collate,
    encode,
    load_tokenizer,
    longest,
    read_config,
)
from w2sg.models.inputs import check_tokens, fit_tokenizer
from w2sg.models.loading import explained, load_weights
from w2sg.models.sources import locate

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

VERSION = 1
Pooling = Literal["mean", "first", "last"]


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
    cut: Callable[[int, int], None] | None = None,
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
        cut: Called once with how many different texts were cut, and to how many tokens.

    Returns:
        Shape (n, d), or (n, 4d) for pairs.

    Raises:
        ValueError: There is no such model or layer, or a feature is not finite.
    """
    how: Any = (layers, untrained, max_length, precision, progress, cut)
    if pairs is None:
        return _encode_all(model, texts, *how)
    both = _encode_all(model, [*texts, *pairs], *how)
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
    cut: Callable[[int, int], None] | None,
) -> NDArray[np.float32]:
    import torch

    network, tokenizer = load_encoder(model, untrained=untrained)
    check_layers(network, layers, model)
    network.to(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    unique = list(dict.fromkeys(texts))
    encoded = encode(tokenizer, unique, max_length=max_length)
    out = read_encoded(
        network, tokenizer, encoded, model, layers=layers, precision=precision, progress=progress
    )
    if cut is not None:
        cut(encoded.n_truncated, longest(tokenizer, max_length))
    row_of = {text: i for i, text in enumerate(unique)}
    return out[[row_of[text] for text in texts]]


def read_encoded(
    network: Any,
    tokenizer: Any,
    encoded: Encoded,
    name: str,
    *,
    layers: int | None,
    precision: str = "float32",
    progress: Callable[[int, int], None] | None = None,
) -> NDArray[np.float32]:
    """Return the mean token vector of tokenised texts by a loaded model, shape (n, d).

    Raises:
        ValueError: The model cannot read a text, or a feature is not finite.
    """
    check_tokens(network, tokenizer, encoded.inputs, name)
    device = next(network.parameters()).device
    out = np.empty((len(encoded), int(network.config.hidden_size)), dtype=np.float32)
    done = 0
    batches = ((rows, collate(tokenizer, encoded, rows)) for rows in by_length(encoded.lengths))
    with autocast(precision, device.type), explained(name, "cannot read a text"):
        for rows, states in forward(network, batches, [layers], "mean"):
            out[rows] = states[layers]
            done += len(rows)
            if progress is not None:
                progress(done, len(encoded))
    if not np.isfinite(out).all():
        raise ValueError(
            f"model {name!r} gives features that are not finite; check its weights and precision"
        )
    return out


def forward(
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
            pooled = {
                layer: pool(each.float(), batch["attention_mask"], pooling).cpu().numpy()
                for layer, each in states.items()
            }
        yield rows, pooled


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


def position(model: Any, layer: int) -> int:
    """Return the place of a layer among a model's hidden states, counted from the embedding.

    Raises:
        ValueError: The model has no such layer.
    """
    count = model.config.num_hidden_layers + 1
    if not -count <= layer < count:
        raise ValueError(f"layers must lie between {-count} and {count - 1}, got {layer}")
    return layer % count


def check_layers(network: Any, layers: int | None, name: str) -> None:
    """Refuse a layer that a model does not have; 0 is its embedding.

    Raises:
        ValueError: There is no such layer.
    """
    n_layers = int(network.config.num_hidden_layers)
    if layers is not None and not 0 <= layers <= n_layers:
        raise ValueError(f"layers = {layers}: {name!r} has layers 0 to {n_layers}")


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
    from transformers import AutoModel

    where, config = locate(name), read_config(name)
    tokenizer = load_tokenizer(name)
    n_layers = int(getattr(config, "num_hidden_layers", 0))
    # a pooler that the weights lack is random and not used; a seed makes the model one and the same
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(untrained or 0)
        if untrained is None:
            model = load_weights(AutoModel, where, name, config=config, n_layers=n_layers).model
        else:
            with explained(name):
                model = AutoModel.from_config(config, trust_remote_code=False).float()
    fit_tokenizer(model, tokenizer, name)
    return model.eval(), tokenizer
