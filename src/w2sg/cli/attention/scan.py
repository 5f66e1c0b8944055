"""The `--ratio-scan` of `w2sg attention`: a heat map of learning rates on the user's own rows."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from w2sg._seeds import child_seed
from w2sg.cli.options import number

LONGEST = 128  # tokens of a text

if TYPE_CHECKING:
    from w2sg.train.policies import RateGrid


def run_scan(
    source: str,
    data: Path,
    lr_q: str,
    lr_v: str,
    seeds: int,
    rows: int,
    epochs: int,
    *,
    quiet: bool,
) -> "RateGrid":
    """Return held-out accuracy over pairs of rates on the rows of a file."""
    from w2sg.data.label_column import NO_LABEL
    from w2sg.data.sources import read_table
    from w2sg.models.backbone import load_classifier, longest
    from w2sg.models.inputs import check_tokens
    from w2sg.train.policies.scan import Encoded, ratio_scan

    if seeds < 1:
        raise ValueError(f"--seeds must be at least 1, got {seeds}")
    table = read_table(path=data, text="text", label="label", argument="--ratio-scan")
    labelled = table.frame[table.frame["label"] != NO_LABEL]
    frame = labelled.sample(frac=1.0, random_state=child_seed(0, "rows")).head(rows)
    names = sorted(set(frame["label"]))
    if len(names) < 2 or len(frame) < 8:
        raise ValueError(
            f"--ratio-scan={str(data)!r} needs two labels and 8 rows, it has {len(names)} and "
            f"{len(frame)}"
        )
    import torch

    label_names = [str(name) for name in names]
    first = load_classifier(source, label_names, seed=0)
    encoded = first.tokenizer(
        frame["text"].astype(str).tolist(),
        truncation=True,
        max_length=longest(first.tokenizer, LONGEST),
        padding=True,
        return_tensors="pt",
    )
    tokens = ({"input_ids": row.tolist()} for row in encoded["input_ids"])
    check_tokens(first.model, first.tokenizer, tokens, source)
    target = torch.tensor([names.index(label) for label in frame["label"]])
    cut = len(frame) - len(frame) // 4
    parts = [
        Encoded({k: v[part] for k, v in encoded.items()}, target[part])
        for part in (slice(0, cut), slice(cut, None))
    ]

    def build() -> Any:
        # the scan has set the seed
        return load_classifier(source, label_names, seed=torch.initial_seed()).model

    def progress(q: float, v: float, seed: int, accuracy: float) -> None:
        if not quiet:
            print(f"lr_q {q:.1e}  lr_v {v:.1e}  seed {seed}  accuracy {accuracy:.3f}", flush=True)

    return ratio_scan(
        build, *parts, lr_q=_rates("--lr-q", lr_q), lr_v=_rates("--lr-v", lr_v),
        seeds=range(seeds), epochs=epochs, progress=progress,
    )  # fmt: skip


def _rates(option: str, text: str) -> list[float]:
    try:
        return [number(part.strip()) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"{option} must be a list such as '1e-4,2e-4', got {text!r}") from None


def scan_record(grid: "RateGrid") -> dict[str, Any]:
    """Return the grid as it stands in attention.json."""
    return {
        "lr_q": grid.lr_q,
        "lr_v": grid.lr_v,
        "scores": grid.scores.tolist(),
        "best": vars(grid.best),
        "best_equal": vars(grid.best_equal),
        "gain": vars(grid.gain),
    }


def print_scan(grid: "RateGrid") -> None:
    """Print accuracies by rate, and what unequal rates buy."""
    from rich.table import Table

    from w2sg.cli.output import terminal

    console = terminal()
    table = Table(title="Held-out accuracy (= equal rates, > best)")
    table.add_column("lr_q \\ lr_v")
    for v in grid.lr_v:
        table.add_column(f"{v:.2g}", justify="right")
    equal = {(c.lr_q, c.lr_v) for c in grid.diagonal}
    for i, q in enumerate(grid.lr_q):
        cells = []
        for j, v in enumerate(grid.lr_v):
            best = ">" * ((q, v) == (grid.best.lr_q, grid.best.lr_v))
            cells.append(f"{best}{'=' * ((q, v) in equal)}{grid.mean[i, j]:.3f}")
        table.add_row(f"{q:.2g}", *cells)
    console.print(table)
    gain = grid.gain
    text = f"Best cell over best equal rate: {gain.same_seeds:+.3f} on the seeds it was chosen on"
    if gain.fresh_seeds is not None:
        text += f", {gain.fresh_seeds:+.3f} ± {gain.standard_error:.3f} on seeds it was not"
    console.print(f"{text}.")
