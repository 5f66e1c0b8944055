"""Pre-trained weights as transformers loads them, refused where they are not those of the model.

Transformers fills what it does not find in the weights with random numbers. Here only a head and a
pooler may be new; anything else means that the model is not the pre-trained one.
"""

import contextlib
import logging
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from w2sg.models.weight_files import PICKLE, ModelError, check_table, check_weights

# advice of libraries that would have the user run code or unpickle objects of strangers
UNSAFE = ("trust_remote_code", "weights_only", "allow_pickle", "pickle.load", "unpickl")
OWN_CODE = (
    "it needs Python code that comes with the model, which w2sg does not run; choose a model whose "
    "class is part of transformers"
)
# how the parts of a head are called where a class does not say what its body is
HEADS = ("classif", "pre_classif", "score", "head", "logits", "pooler", "sequence_summary")
MEMORY = ("allocate memory", "out of memory", "cannot allocate")


@dataclass(frozen=True)
class Loaded:
    """A model with pre-trained weights, and what of it is new.

    Attributes:
        model: In float32.
        new: Names of the tensors that were drawn at random, of the head or a pooler.
    """

    model: Any
    new: frozenset[str]


def load_weights(auto: Any, where: str, name: str, *, config: Any, n_layers: int) -> Loaded:
    """Return a pre-trained model, in float32, whose body came whole from its weights.

    Args:
        auto: A class of transformers such as ``AutoModel``.
        where: Folder or hub id.
        name: As the user calls the model.
        config: Its configuration, as it is to be loaded.
        n_layers: Layers by its own configuration, before any are left out.

    Raises:
        ValueError: A file is missing or is something else, or a tensor of the body is missing or
            has another shape.
    """
    import torch

    if Path(where).is_dir():
        check_weights(Path(where), name)
    with quiet(), explained(name), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*weights_only")
        try:
            model, info = auto.from_pretrained(
                where,
                config=config,
                dtype=torch.float32,
                ignore_mismatched_sizes=True,  # for the head; the rest is refused below
                output_loading_info=True,
                trust_remote_code=False,
            )
        except (TypeError, AttributeError):
            check_table(Path(where), name)
            raise
    missing, unexpected = set(info["missing_keys"]), set(info["unexpected_keys"])
    reshaped = {key: (tuple(old), tuple(new)) for key, old, new in info["mismatched_keys"]}
    shapes = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    in_body = _in_body(model)
    may_be_new = {key for key in missing | set(shapes) if not in_body(key) or _pools(key)}
    if missing - may_be_new:
        inside = {key: shape for key, shape in shapes.items() if in_body(key)}
        refused = min(missing - may_be_new)
        gone = {key for key in missing if in_body(key)}
        prefix = _prefix(gone, unexpected, f"{model.base_model_prefix}.")
        _refuse_missing(name, refused, gone, unexpected, inside, prefix)
    _refuse_reshaped(name, {k: v for k, v in reshaped.items() if k not in may_be_new})
    _refuse_deeper(name, unexpected, shapes, n_layers)
    return Loaded(model, frozenset((missing | set(reshaped)) & may_be_new))


def head_names(model: Any) -> list[str]:
    """Return the names of the parameters that a task's class adds to the pre-trained body."""
    in_body = _in_body(model)
    return [name for name, _ in model.named_parameters() if not in_body(name)]


def _in_body(model: Any) -> Callable[[str], bool]:
    """Return what says of a tensor's name whether it belongs to the pre-trained body."""
    if "For" not in type(model).__name__:
        return lambda key: True
    children = dict(model.named_children())
    body = next((name for name, module in children.items() if module is model.base_model), None)
    if body is None:  # some classes keep it under another name than their base class declares
        with contextlib.suppress(NotImplementedError, AttributeError):
            embeddings = model.get_input_embeddings()
            holds = (n for n, m in children.items() if any(p is embeddings for p in m.modules()))
            body = next(holds, None)
    if body is not None:
        return lambda key: key.startswith(f"{body}.")
    return lambda key: not key.startswith(HEADS)


def _pools(key: str) -> bool:
    return "pooler" in key.split(".")


def _refuse_missing(
    name: str,
    first: str,
    missing: Set[str],
    unexpected: Set[str],
    inside: Mapping[str, tuple[int, ...]],
    prefix: str | None,
) -> None:
    said = (
        f"model {name!r}: {len(missing)} of the {len(inside)} tensors of its body are not in the "
        f"weights, first {first!r} of shape {inside.get(first)}, and would be random"
    )
    if prefix is not None:
        raise ModelError(
            f"{said}: the names in the file begin with {prefix!r}, as of a compiled or wrapped "
            f"model; strip {prefix!r} from them, or unwrap the model and save_pretrained it again"
        )
    also = f" (the file has {min(unexpected)!r} that the model does not know)" if unexpected else ""
    raise ModelError(
        f"{said}{also}: config.json and weights are of different models; save both together with "
        "save_pretrained"
    )


def _refuse_reshaped(name: str, reshaped: dict[str, tuple[tuple[int, ...], ...]]) -> None:
    if not reshaped:
        return
    first = min(reshaped)
    old, new = reshaped[first]
    raise ModelError(
        f"model {name!r}: of the tensors of its body, {len(reshaped)} would be random, having "
        f"another shape in the weights than config.json says, first {first!r}: {old} in the "
        f"weights, {new} by config.json; correct config.json, or save both together with "
        "save_pretrained"
    )


def _refuse_deeper(
    name: str, unexpected: Iterable[str], shapes: Iterable[str], n_layers: int
) -> None:
    """Refuse weights with more layers than the configuration: the rest would be left out."""
    if not n_layers:
        return
    known = {re.sub(r"\.\d+\.", ".#.", key, count=1) for key in shapes}
    deeper = []
    for key in sorted(unexpected):
        number = re.search(r"\.(\d+)\.", key)
        if number is None or int(number[1]) < n_layers:
            continue
        pattern = re.sub(r"\.\d+\.", ".#.", key, count=1)
        if any(one == pattern or one.endswith(f".{pattern}") for one in known):
            deeper.append((int(number[1]), key))
    if deeper:
        raise ModelError(
            f"model {name!r}: config.json says {n_layers} layers, and the weights have "
            f"{max(deeper)[0] + 1}, first {deeper[0][1]!r}; correct num_hidden_layers, or save a "
            "model that has fewer"
        )


def _prefix(missing: Set[str], unexpected: Set[str], body: str) -> str | None:
    """What all names in the file begin with, if without it they are those that are missing.

    The name of the body itself need not be stripped: transformers knows it.
    """
    for key in sorted(missing):
        tails = [key, key.partition(".")[2]]  # with and without the name of the body
        for tail in filter(None, tails):
            for found in sorted(unexpected):
                prefix = found.removesuffix(tail)
                if prefix == found or not prefix:
                    continue
                cut = len(key) - len(tail)
                if all(f"{prefix}{one[cut:]}" in unexpected for one in missing):
                    return prefix.removesuffix(body) or prefix
        break  # a prefix that fits fits every name
    return None


@contextlib.contextmanager
def explained(name: str, what: str = "cannot be loaded") -> Iterator[None]:
    """Turn whatever a library raises of a model into one line that says what to do.

    Memory that does not suffice keeps its own error.
    """
    try:
        yield
    except (ModelError, MemoryError):
        raise
    except Exception as error:
        if any(word in str(error).lower() for word in MEMORY):
            raise
        unsafe = any(word in _chain(error) for word in UNSAFE)
        text = f"model {name!r} {what}: {said(error)}"
        if isinstance(error, OSError):
            text += (
                "; give a folder saved with save_pretrained, a hub id that this machine can reach, "
                "or a packaged model"
            )
        elif not unsafe:
            text += "; check its config.json, or save the model again with save_pretrained"
        raise ModelError(text) from (None if unsafe else error)


def said(error: BaseException) -> str:
    """Return what an error of a library means in one line, none of its unsafe advice in it."""
    text = str(error).strip()
    lowered = text.lower()
    if "trust_remote_code" in lowered or "custom code" in lowered:
        return OWN_CODE
    if any(word in lowered for word in UNSAFE):
        return f"its weights are {PICKLE}"
    if "Unrecognized configuration class" in text:
        return "transformers has no class for classifying texts of its type"
    first, *rest = text.split("\n")
    if first.rstrip().endswith(":") and rest:
        first = f"{first} {rest[0].strip()}"
    line = " ".join(first.split())[:300].rstrip(" .:")
    kind = type(error).__name__
    return line if isinstance(error, ValueError | RuntimeError | OSError) else f"{kind}: {line}"


def _chain(error: BaseException | None) -> str:
    texts = []
    while error is not None:
        texts.append(str(error).lower())
        error = error.__cause__ or error.__context__
    return "\n".join(texts)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers from printing while a model is loaded or texts are tokenised."""
    from transformers.utils import logging as hf

    level, bars = hf.get_verbosity(), hf.is_progress_bar_enabled()
    hf.set_verbosity(logging.ERROR)
    hf.disable_progress_bar()
    try:
        yield
    finally:
        hf.set_verbosity(level)
        if bars:
            hf.enable_progress_bar()
