"""What a model can be given: how many tokens, which token numbers, what to pad with."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from w2sg.models.weight_files import ModelError

# how classes call their table of positions
TABLES = ("position_embeddings", "position_embedding", "embed_positions", "wpe")


def fit_tokenizer(model: Any, tokenizer: Any, name: str) -> None:
    """Let a tokenizer cut texts where the model's positions end, and pad with a token it knows.

    Args:
        model: The model.
        tokenizer: Its tokenizer, changed in place.
        name: As the user calls the model.

    Raises:
        ValueError: There is nothing to pad with, or it lies outside the model's embedding.
    """
    ensure_pad_token(tokenizer)
    tokenizer.padding_side = "right"
    rows, pad = embedded(model), int(tokenizer.pad_token_id)
    if rows is not None and pad >= rows:
        raise ModelError(
            f"model {name!r}: its pad token {tokenizer.pad_token!r} is number {pad}, and the "
            f"embedding has {rows} rows; call model.resize_token_embeddings({pad + 1}) and save "
            "both again, or let the tokenizer pad with its end token "
            "(tokenizer.pad_token = tokenizer.eos_token)"
        )
    longest = positions(model)
    if longest is not None:
        tokenizer.model_max_length = min(int(tokenizer.model_max_length), longest)


def ensure_pad_token(tokenizer: Any) -> None:
    """Let a tokenizer without a pad token pad with its end or its unknown token."""
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    if tokenizer.pad_token is None:
        raise ValueError("the tokenizer has no pad, end or unknown token to pad with; add one")


def check_tokens(
    model: Any, tokenizer: Any, rows: Iterable[Mapping[str, Sequence[int]]], name: str
) -> None:
    """Refuse tokens that have no row in the embedding; rows are looked at only if there may be.

    Args:
        model: The model.
        tokenizer: What made the tokens.
        rows: Tokenised texts, as in `w2sg.models.backbone.Encoded.inputs`.
        name: As the user calls the model.

    Raises:
        ValueError: The first of them.
    """
    n = embedded(model)
    if n is None or not knows_more(tokenizer, n):
        return
    for row in rows:
        largest = max(row["input_ids"], default=0)
        if largest >= n:
            raise ModelError(
                f"model {name!r}: a text holds the token "
                f"{tokenizer.convert_ids_to_tokens(largest)!r}, number {largest}, and the "
                f"embedding has {n} rows; take the tokenizer that belongs to the model, or call "
                f"model.resize_token_embeddings({largest + 1}) and save both again"
            )


def knows_more(tokenizer: Any, n: int) -> bool:
    """Say whether a tokenizer has a token whose number is n or more."""
    return max(tokenizer.get_vocab().values(), default=0) >= n


def embedded(model: Any) -> int | None:
    """Return how many tokens a model has an embedding of, where it says so."""
    try:
        weight = model.get_input_embeddings().weight
    except (NotImplementedError, AttributeError):
        return None
    return int(weight.shape[0])


def positions(model: Any) -> int | None:
    """Return how many tokens a model has positions for; ``None`` where they are no table.

    A model that reserves rows of its table (RoBERTa counts from behind the pad token) has fewer
    positions than rows. Rotary and relative positions have no end.
    """
    from torch import nn

    limit = getattr(model.config, "max_position_embeddings", None)
    if not isinstance(limit, int) or limit < 1:
        return None
    found = []
    for name, module in model.named_modules():
        if name.rpartition(".")[2] in TABLES and isinstance(module, nn.Embedding):
            reserved = 0 if module.padding_idx is None else module.padding_idx + 1
            found.append(min(limit, module.num_embeddings - reserved))
    for name, table in model.named_buffers():
        if name.rpartition(".")[2] in TABLES and table.ndim == 2:
            found.append(min(limit, len(table)))
    return min(found, default=None)
