"""Frozen features of texts: the mean over attended tokens of a layer, pads never counted."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

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
from w2sg.models.frozen import pool
from w2sg.models.inputs import check_tokens, fit_tokenizer
from w2sg.models.loading import explained, load_weights
from w2sg.models.sources import locate

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

VERSION = 1


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
    import torch

    check_tokens(network, tokenizer, encoded.inputs, name)
    device = next(network.parameters()).device
    out = np.empty((len(encoded), int(network.config.hidden_size)), dtype=np.float32)
    done = 0
    with torch.inference_mode(), autocast(precision, device.type):
        for rows in by_length(encoded.lengths):
            batch = {k: v.to(device) for k, v in collate(tokenizer, encoded, rows).items()}
            with explained(name, "cannot read a text"):
                answer = network(**batch, output_hidden_states=layers is not None)
            hidden = answer.last_hidden_state if layers is None else answer.hidden_states[layers]
            out[rows] = pool(hidden.float(), batch["attention_mask"], "mean").cpu().numpy()
            done += len(rows)
            if progress is not None:
                progress(done, len(encoded))
    if not np.isfinite(out).all():
        raise ValueError(
            f"model {name!r} gives features that are not finite; check its weights and precision"
        )
    return out


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
