"""`w2sg theory attention`: bounds and learning-rate scaling, as tables, JSON and a figure."""

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from w2sg.cli.options import number
from w2sg.cli.output import deliver, terminal

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from w2sg.theory.attention import Bound

CHOICES = ("v", "qv", "qkv")
HEAD_DIMS = (16, 32, 64, 128, 256, 512)
DRAWN_WIDTH, DRAWN_HEADS = 256, 12


def attention(
    *,
    width: int = 768,
    heads: int = 12,
    kv_heads: int | None = None,
    layers: int = 12,
    rank: int | None = None,
    head: int = 0,
    n: str = "1000,10000,100000,1000000",
    bits: float = 16.0,
    subgaussian: float = 0.5,
    paper: Annotated[bool, Parameter(negative="")] = False,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Bound of Theorem 1 for V, Q+V and Q+K+V, and how one Adam step on each scales.

    The defaults are RoBERTa-base.

    Args:
        width: Width of the layer.
        heads: Number of query heads.
        kv_heads: Number of key and value heads, that of the query heads if not given.
        layers: Number of layers tuned.
        rank: Rank of LoRA; the full matrices if not given.
        head: Parameters of the task head, which train too.
        n: Numbers of fine-tuning examples, as a list "1000,10000".
        bits: Bits per tuned parameter.
        subgaussian: Sub-Gaussian constant of the loss, 1/2 for a loss in [0, 1].
        paper: Drop ln 2 as the paper does: valid but 1.2 times looser.
        out: Folder to write attention.svg and attention.json to.
        as_json: Print JSON instead of the tables.
    """
    try:
        shape = _Shape(width, heads, heads if kv_heads is None else kv_heads, layers, rank, head)
        shape.check()
        sizes = [_whole(part) for part in n.split(",")]
        bounds = {c: _bounds(shape, c, sizes, bits, subgaussian, not paper) for c in CHOICES}
        record = _record(shape, sizes, bounds)
    except ValueError as error:
        print(f"w2sg theory attention: {error}", file=sys.stderr)
        return 2
    if not as_json:
        _print_tables(shape, sizes, bounds)
    draw = partial(_figure, shape, bits, subgaussian, not paper)
    return deliver("theory attention", record, draw, out, as_json)


@dataclass(frozen=True)
class _Shape:
    width: int
    heads: int
    kv_heads: int
    layers: int
    rank: int | None
    head: int

    def check(self) -> None:
        for name in ("width", "heads", "kv_heads", "layers", "rank"):
            value = getattr(self, name)
            if value is not None and value < 1:
                option = name.replace("_", "-")
                raise ValueError(f"--{option} must be at least 1, got {value}")
        if self.head < 0:
            raise ValueError(f"--head must be at least 0, got {self.head}")
        if self.width % self.heads or self.heads % self.kv_heads:
            raise ValueError(
                f"--heads must divide --width and --kv-heads must divide --heads, got width "
                f"{self.width}, heads {self.heads}, kv-heads {self.kv_heads}"
            )

    @property
    def head_dim(self) -> int:
        return self.width // self.heads

    def parameters(self, choice: str) -> int:
        """Weights without biases, as the theorem counts."""
        total = 0
        for role in choice:
            outputs = self.width if role == "q" else self.kv_heads * self.head_dim
            total += (
                self.width * outputs if self.rank is None else self.rank * (self.width + outputs)
            )
        return self.layers * total + self.head


def _whole(part: str) -> int:
    try:
        value = number(part.strip())
    except ValueError:
        raise ValueError(f"--n must be whole numbers such as '1000,10000', got {part!r}") from None
    if value < 1 or value != int(value):
        raise ValueError(f"--n must be whole numbers, at least 1, got {part!r}")
    return int(value)


def _bounds(
    shape: _Shape, choice: str, sizes: list[int], bits: float, subgaussian: float, ln2: bool
) -> "list[Bound]":
    from w2sg.theory.attention import generalization_bound

    return [
        generalization_bound(shape.parameters(choice), bits, n, subgaussian, ln2) for n in sizes
    ]


def _record(shape: _Shape, sizes: list[int], bounds: "dict[str, list[Bound]]") -> dict[str, Any]:
    from w2sg.theory.attention import bound_ratio, head_scaling, stable_ratio

    return {
        "n": sizes,
        "bounds": {
            choice: {
                "parameters": row[0].parameters,
                "bound": [b.value for b in row],
                "vacuous": [b.vacuous for b in row],
            }
            for choice, row in bounds.items()
        },
        "ratio_qv_qkv": bound_ratio(shape.parameters("qv"), shape.parameters("qkv")),
        "head_dim": shape.head_dim,
        "stable_ratio": stable_ratio(shape.head_dim),
        "exponents_of_output_change": {
            kind: {role: list(head_scaling(role, kind).output) for role in "qkv"}
            for kind in ("full", "lora")
        },
    }


def _print_tables(shape: _Shape, sizes: list[int], bounds: "dict[str, list[Bound]]") -> None:
    from rich.table import Table

    from w2sg.theory.attention import bound_ratio, head_scaling, stable_ratio
    from w2sg.theory.attention.bounds import RANKS

    console = terminal()
    table = Table(title="Theorem 1: bound on the generalization gap (* = vacuous)")
    table.add_column("trained")
    table.add_column("parameters", justify="right")
    for n in sizes:
        table.add_column(f"N = {n:,}", justify="right")
    for choice, row in bounds.items():
        cells = [f"{b.value:.4g}{'*' if b.vacuous else ''}" for b in row]
        table.add_row("+".join(choice.upper()), f"{row[0].parameters:,}", *cells)
    console.print(table)
    ratio = bound_ratio(shape.parameters("qv"), shape.parameters("qkv"))
    console.print(f"Q+V over Q+K+V: {ratio:.4f}. {RANKS}")
    scale = Table(title="One Adam step of size η: change of the head's output")
    for name in ("weights", "Q, K", "V"):
        scale.add_column(name)
    for kind, label in (("full", "full matrix"), ("lora", "B of LoRA")):
        cells = [_power(head_scaling(role, kind).output) for role in "qv"]
        scale.add_row(label, *cells)
    console.print(scale)
    console.print(
        f"Equal changes at d_h = {shape.head_dim} need η_V/η_Q ≈ {stable_ratio(shape.head_dim):.1f}"
        f" (0.23 √d_h, measured on Gaussian heads; upper end √d_h = {shape.head_dim**0.5:.1f}). "
        "Theorem 2's η_Q = Θ(1/n), η_V = Θ(1) holds in its toy model, not for a full W_v."
    )


def _power(exponents: tuple[float, float]) -> str:
    parts = ["η"]
    if exponents[0]:
        parts.append("n")
    if exponents[1]:
        parts.append("√d_h")
    return " ".join(parts)


def _figure(shape: _Shape, bits: float, subgaussian: float, ln2: bool) -> "Figure":
    import numpy as np

    from w2sg.figures import new_figure
    from w2sg.theory.attention import generalization_bound
    from w2sg.theory.simulate.attention import head_changes

    figure, (left, right) = new_figure(1, 2, width=9.6, height=3.8)
    grid = np.geomspace(1e3, 1e9, 61).astype(int)
    for choice in CHOICES:
        count = shape.parameters(choice)
        values = [generalization_bound(count, bits, int(n), subgaussian, ln2).value for n in grid]
        left.loglog(grid, values, label="+".join(choice.upper()))
    top = left.get_ylim()[1]
    left.axhspan(2 * subgaussian, max(top, 2 * subgaussian), color="0.5", alpha=0.15, lw=0)
    left.set_ylim(top=top)
    left.text(0.97, 0.95, "vacuous", transform=left.transAxes, ha="right", va="top", color="0.35")
    left.set_xlabel("fine-tuning examples N")
    left.set_ylabel("bound on the gap")
    left.legend(loc="lower left")

    runs = [
        head_changes(DRAWN_WIDTH, d, parameterisation="full", seeds=DRAWN_HEADS, seed=d)
        for d in HEAD_DIMS
    ]
    for role, marker in (("q", "o"), ("k", "s"), ("v", "^")):
        heights = np.array([run[role][:, 0].mean() / DRAWN_WIDTH for run in runs])
        errors = [run[role][:, 0].std(ddof=1) / DRAWN_HEADS**0.5 / DRAWN_WIDTH for run in runs]
        right.errorbar(HEAD_DIMS, heights, errors, marker=marker, ms=5, label=f"W_{role}")
        if role == "q":
            guide = heights[-1] * np.sqrt(np.array(HEAD_DIMS) / HEAD_DIMS[-1])
            right.plot(HEAD_DIMS, guide, "--", color="0.4", lw=1, label="√d_h")
    right.set_xscale("log", base=2)
    right.set_yscale("log", base=2)
    right.set_xlabel("head dimension d_h")
    right.set_ylabel("change of output / (η n)")
    right.legend()
    return figure
