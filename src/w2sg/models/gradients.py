"""Gradient (NTK) features of a torch model, example by example, sketched to bounded memory."""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from w2sg._seeds import child_seed

if TYPE_CHECKING:
    import torch


def gradient_features(
    model: "torch.nn.Module",
    batches: Iterable[Any],
    sketch: int | None = 1024,
    *,
    outputs: Literal["sum", "per_class"] = "sum",
    parameters: Callable[[str], bool] | None = None,
    vectorize: bool = False,
    seed: int = 0,
) -> np.ndarray:
    r"""Return ∂f(x)/∂θ for every example, compressed to ``sketch`` numbers.

    The sketch is a count sketch, ``φ_j = Σ_{i: h(i)=j} s_i g_i`` with a random bucket h and sign
    s per parameter: inner products, hence the NTK, are kept in expectation, with a relative
    error of order ``1/√sketch``. It needs no matrix, and gradients are sketched tensor by tensor
    as they appear. Memory is the gradient of one example, or of one batch when vectorized.

    Args:
        model: Its outputs are a tensor, or an object with ``logits``; (batch,) or (batch, K). It
            is put in evaluation mode for the call.
        batches: Tensors, tuples of positional or mappings of keyword inputs, all with examples
            on their first axis. A mapping may not hold labels.
        sketch: Numbers per example; ``None`` keeps the gradient whole, for small models.
        outputs: ``"sum"`` differentiates the sum of outputs and gives one row per example;
            ``"per_class"`` gives K rows per example, one per output, in that order.
        parameters: Which parameter names count; those that require gradients if ``None``.
        vectorize: Use ``torch.func.vmap`` over the examples of a batch; the numbers are the same.
            Many models of the transformers library look at the values of their attention mask,
            which ``vmap`` cannot trace.
        seed: Of buckets and signs; the same seed and model give comparable sketches.

    Returns:
        float64 matrix, rows × sketch.

    Raises:
        ValueError: No batches, no parameters, a sketch below 1, or outputs of another shape.
    """
    import torch
    from torch.func import functional_call, jacrev, vmap

    if outputs not in ("sum", "per_class"):
        raise ValueError(f"outputs must be 'sum' or 'per_class', got {outputs!r}")
    if sketch is not None and sketch < 1:
        raise ValueError(f"sketch must be at least 1, got {sketch}")
    named = dict(model.named_parameters())
    chosen = {
        name: p.detach()
        for name, p in named.items()
        if (p.requires_grad if parameters is None else parameters(name))
    }
    if not chosen:
        raise ValueError("parameters leaves nothing to differentiate; check names and gradients")
    rest = {n: p.detach() for n, p in named.items() if n not in chosen}
    rest.update({n: b.detach() for n, b in model.named_buffers()})
    compress = _whole if sketch is None else _count_sketch(chosen, sketch, seed)

    def value(weights: dict[str, Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        one = [a[None] for a in args]
        found = functional_call(
            model, {**rest, **weights}, tuple(one), {k: v[None] for k, v in kwargs.items()}
        )
        logits = getattr(found, "logits", found)
        if not torch.is_tensor(logits) or logits.ndim not in (1, 2):
            raise ValueError("model must return a tensor (batch,) or (batch, K), or its logits")
        logits = logits.reshape(-1)
        return logits.sum(0, keepdim=True) if outputs == "sum" else logits

    gradient = jacrev(value)
    was_training = model.training
    model.eval()
    rows = []
    try:
        for batch in batches:
            args, kwargs = _inputs(batch)
            if vectorize:
                found = vmap(gradient, in_dims=(None, 0, 0))(chosen, args, kwargs)
                rows.append(compress(found))
                continue
            for i in range(len(next(iter((*args, *kwargs.values()))))):
                one = gradient(
                    chosen, tuple(a[i] for a in args), {k: v[i] for k, v in kwargs.items()}
                )
                rows.append(compress({name: g[None] for name, g in one.items()}))
    finally:
        model.train(was_training)
    if not rows:
        raise ValueError("batches must hold at least one batch, got none")
    return np.concatenate(rows)


def _inputs(batch: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if isinstance(batch, Mapping):
        if "labels" in batch:
            raise ValueError("batches must not hold labels; leave them out")
        return (), dict(batch)
    return (tuple(batch), {}) if isinstance(batch, tuple | list) else ((batch,), {})


def _whole(gradients: "dict[str, torch.Tensor]") -> np.ndarray:
    import torch

    flat = [g.flatten(0, 1).flatten(1) for g in gradients.values()]
    return torch.cat(flat, dim=1).double().cpu().numpy()


def _count_sketch(
    weights: "dict[str, torch.Tensor]", width: int, seed: int
) -> "Callable[[dict[str, torch.Tensor]], np.ndarray]":
    import torch

    def compress(gradients: "dict[str, torch.Tensor]") -> np.ndarray:
        total = None
        for name in weights:
            # (examples, outputs, parameters of this tensor)
            g = gradients[name].flatten(0, 1).flatten(1).double()
            # drawn again for each batch: holding them would double the memory of the model
            random = torch.Generator().manual_seed(child_seed(seed, "sketch", name))
            bucket = torch.randint(width, (g.shape[1],), generator=random).to(g.device)
            sign = torch.randint(2, (g.shape[1],), generator=random).to(g.device) * 2 - 1
            part = torch.zeros(len(g), width, dtype=g.dtype, device=g.device)
            part.index_add_(1, bucket, g * sign)
            total = part if total is None else total + part
        assert total is not None
        return total.cpu().numpy()

    return compress
