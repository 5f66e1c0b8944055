"""`w2sg diagnose`: dimensions and overlap of weak and strong features, and what they imply."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zipfile import BadZipFile

import numpy as np
from cyclopts import Parameter

from w2sg._extras import require
from w2sg.cli.options import refuse_unused, within
from w2sg.cli.output import deliver, terminal

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.figure import Figure

    from w2sg.diagnostics import CorrelationDimension, IntrinsicDimension

LONGEST = 128  # tokens of a text
_NAMES = {"strong": ("strong", "Phi_s"), "weak": ("weak", "Phi_w")}
_RULES = {
    "energy": "energy",
    "numerical_rank": "numerical rank",
    "stable_rank": "stable rank",
    "participation_ratio": "participation ratio",
    "spectral_entropy": "spectral entropy",
}


def diagnose(
    features: Path | None = None,
    /,
    *,
    model_s: str | None = None,
    model_w: str | None = None,
    data: Path | None = None,
    text: str = "text",
    limit: int = 3000,
    level: float = 0.99,
    d_s: int | None = None,
    d_w: int | None = None,
    center: Annotated[bool, Parameter(negative="")] = False,
    n_boot: int = 200,
    seed: int = 0,
    cache: Path | None = None,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Measure how many directions two models use, how many they share, and what follows.

    Features come from an .npz file with arrays "strong" and "weak" (rows paired, and optionally
    "labels"), or from two encoders read over the same texts. A model is a folder, a hub id or a
    packaged name; ":3" behind it takes hidden layer 3 in place of the last.

    Args:
        features: The .npz file; no pickled arrays.
        model_s: The strong encoder, for example all-MiniLM-L6-v2.
        model_w: The weak encoder, for example all-MiniLM-L6-v2:1.
        data: Texts: .parquet, .csv, .tsv, .jsonl, or .txt with one text a line.
        text: Column of the texts.
        limit: Rows used, drawn at random from the file.
        level: Share of the trace that defines the dimensions.
        d_s: Dimension of the strong features instead.
        d_w: Dimension of the weak features instead.
        center: Remove the mean first; a large mean hides the other directions.
        n_boot: Bootstrap samples of the interval, 0 for none.
        seed: Of rows and bootstrap.
        cache: Folder that keeps extracted features for the next call.
        out: Folder to write diagnose.json and diagnose.svg to.
        as_json: Print JSON instead of tables.
    """
    from w2sg.diagnostics import correlation_dimension, intrinsic_dimension, representation_gap

    try:
        within("--n-boot", n_boot, 0, 100_000)
        if features is not None:
            if (model_s, model_w, data) != (None, None, None):
                raise ValueError("give features.npz, or --model-s, --model-w and --data, not both")
            options = {"text": text, "limit": limit, "cache": cache}
            refuse_unused(diagnose, options, options, "with features.npz; leave it out")
            strong, weak, labels = _read(features)
        elif model_s is None or model_w is None or data is None:
            raise ValueError("give features.npz, or all of --model-s, --model-w and --data")
        else:
            require("train", "reading a model's features")
            texts = _texts(data, text, limit, seed)
            models = [_model(name, texts) for name in (model_s, model_w)]  # both, before minutes
            strong, weak = (extract(cache) for extract in models)
            labels = None
        sides = {
            "strong": intrinsic_dimension(strong, center=center, level=level),
            "weak": intrinsic_dimension(weak, center=center, level=level),
        }
        k_s = int(sides["strong"].value) if d_s is None else d_s
        k_w = int(sides["weak"].value) if d_w is None else d_w
        overlap = correlation_dimension(
            strong, weak, k_s, k_w, n_boot=n_boot, center=center, seed=seed
        )
        gap = representation_gap(strong, weak, labels, d_s=k_s, d_w=k_w, center=center)
    except ValueError as error:
        print(f"w2sg diagnose: {error}", file=sys.stderr)
        return 2

    implied = _implied(overlap)
    record = {
        "rows": len(strong),
        "center": center,
        "dimensions": {
            side: {"width": block.shape[1], **found.by_rule}
            for (side, found), block in zip(sides.items(), (strong, weak), strict=True)
        },
        "overlap": {
            name: getattr(overlap, name)
            for name in ("d_s", "d_w", "raw", "debiased", "low", "high", "chance")
        },
        "gap": {"operator": gap.operator, "label_share": gap.label_share},
        "implied": implied,
    }
    if not as_json:
        _print_tables(record, level, n_boot)
    return deliver("diagnose", record, lambda: _figure(sides, overlap), out, as_json)


def _implied(overlap: "CorrelationDimension") -> dict[str, float | int | None]:
    """Variance-only consequences for ridgeless probes on these dimensions, N → ∞."""
    shared = overlap.debiased if overlap.debiased is not None else overlap.raw
    share = shared / overlap.d_w
    return {
        "inherited_share": share,
        "pgr_limit": 1 - share,
        "opr_limit": overlap.d_s / shared if shared > 0 else None,
        "pseudo_labels_to_beat_teacher": 2 * overlap.d_s + 2,
    }


def _read(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    if not path.is_file():
        raise ValueError(f"{path} is not a file; give an .npz with arrays strong and weak")
    try:
        with np.load(path, allow_pickle=False) as archive:
            held = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, AttributeError, BadZipFile):
        raise ValueError(
            f"{path} is no .npz of plain arrays, as np.savez writes them of arrays of numbers; "
            "it is not read as pickled Python objects"
        ) from None
    found = []
    for side, names in _NAMES.items():
        name = next((a for a in names if a in held), None)
        if name is None:
            raise ValueError(f"{path} must hold an array {side!r}, got {sorted(held)}")
        found.append(held[name])
    return found[0], found[1], held.get("labels")


def _texts(path: Path, column: str, limit: int, seed: int) -> list[str]:
    from w2sg._seeds import child_seed
    from w2sg.data.files import read_lines
    from w2sg.data.sources import iterate_rows

    within("--limit", limit, 3, 10**7)
    if path.suffix.lower() == ".txt":
        texts = read_lines(path, argument="--data")
    else:
        chunks = iterate_rows(path, text=column, argument="--data", words={"text": "--text"})
        texts = [text for chunk in chunks for text in chunk.rows.texts]
    if len(texts) > limit:
        rng = np.random.default_rng(child_seed(seed, "diagnose", "rows"))
        texts = [texts[i] for i in np.sort(rng.permutation(len(texts))[:limit])]
    return texts


def _model(name: str, texts: list[str]) -> "Callable[[Path | None], np.ndarray]":
    """Load a model and try it on the longest texts; return what extracts its features."""
    from w2sg.models.backbone import encode, longest
    from w2sg.models.features import load_encoder, position, read_encoded
    from w2sg.models.layer_features import layer_features

    head, _, tail = name.rpartition(":")
    layered = bool(head) and tail.lstrip("-").isdigit()
    model_name, layer = (head, int(tail)) if layered else (name, -1)
    model, tokenizer = load_encoder(model_name)
    position(model, layer)
    tried = [min(texts, key=len), *sorted(texts, key=len)[-4:]]
    encoded = encode(tokenizer, tried, max_length=LONGEST)
    read_encoded(model, tokenizer, encoded, model_name, layers=None)
    if encoded.n_truncated:
        limit = longest(tokenizer, LONGEST)
        print(f"{model_name}: longer texts are cut to {limit} tokens", file=sys.stderr)
    return lambda cache: layer_features(
        model, tokenizer, texts, [layer], cache=cache, max_length=LONGEST
    )[layer]


def _print_tables(record: dict[str, Any], level: float, n_boot: int) -> None:
    from rich.table import Table

    console = terminal()
    mean = "mean removed" if record["center"] else "mean kept"
    table = Table(title=f"Dimensions of the features, {record['rows']} rows, {mean}")
    for header in ("", "strong", "weak"):
        table.add_column(header, justify="left" if not header else "right")
    sides = record["dimensions"]
    table.add_row("width", *(str(sides[s]["width"]) for s in ("strong", "weak")))
    for rule, label in _RULES.items():
        label = f"{label} ({level:g})" if rule == "energy" else label
        table.add_row(label, *(f"{sides[s][rule]:.4g}" for s in ("strong", "weak")))
    console.print(table)

    o = record["overlap"]
    interval = f" [{o['low']:.4g}, {o['high']:.4g}]" if n_boot else ""
    console.print(f"Overlap of d_s = {o['d_s']} and d_w = {o['d_w']} principal components")
    console.print(f"  shared directions    {o['debiased']:.4g}{interval}", highlight=False)
    console.print(f"  of them by chance    {o['chance']:.4g} of the raw {o['raw']:.4g}")
    implied = record["implied"]
    console.print("What it implies for ridgeless probes on them (variance only, N → ∞)")
    console.print(f"  teacher's noise that the student inherits  {implied['inherited_share']:.1%}")
    console.print(f"  performance gap recovered, limit           {implied['pgr_limit']:.3f}")
    console.print(
        f"  pseudo-labels before it beats the teacher  {implied['pseudo_labels_to_beat_teacher']}"
    )
    if record["gap"]["label_share"] is not None:
        console.print(
            "  labels the teacher cannot show it          "
            f"{record['gap']['label_share']:.1%} of their square"
        )


def _figure(sides: "dict[str, IntrinsicDimension]", overlap: "CorrelationDimension") -> "Figure":
    from w2sg.figures import new_figure

    figure, (left, right) = new_figure(1, 2, width=9.0, height=3.6)
    for side, found in sides.items():
        energy = np.cumsum(found.spectrum) / found.spectrum.sum()
        left.plot(np.arange(1, len(energy) + 1), 1 - energy, label=side)
    left.set(
        xscale="log",
        yscale="log",
        ylim=(1e-5, 1.5),
        xlabel="principal components kept",
        ylabel="share of the trace left out",
        title="Dimensions",
    )
    left.legend()
    right.plot(np.arange(1, len(overlap.cosines) + 1), overlap.cosines**2, label="measured")
    right.axhline(
        overlap.chance / len(overlap.cosines), color="0.5", ls=":", label="chance, on average"
    )
    right.set(
        ylim=(0, 1.02),
        xlabel="canonical direction",
        ylabel="cos² of the angle",
        title=f"Overlap: {overlap.debiased:.4g} of d_w = {overlap.d_w}",
    )
    right.legend()
    return figure
