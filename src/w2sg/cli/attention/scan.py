"""The `--ratio-scan` of `w2sg attention`: a heat map of learning rates on the user's own rows."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from w2sg._seeds import child_seed
from w2sg.cli.options import number

if TYPE_CHECKING:
    import pandas as pd

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
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    from w2sg.models.backbone import ensure_pad_token
    from w2sg.train.policies.scan import Encoded, ratio_scan

    if not data.is_file():
        raise ValueError(f"there is no file {data}")
    frame = _frame(data)
    if missing := {"text", "label"} - set(frame.columns):
        raise ValueError(
            f"{data} lacks the columns {sorted(missing)}; it has {list(frame.columns)}"
        )
    frame = (
        frame.dropna(subset=["text", "label"])
        .sample(frac=1.0, random_state=child_seed(0, "rows"))
        .head(rows)
    )
    names = sorted(frame["label"].unique().tolist())
    if len(names) < 2 or len(frame) < 8:
        raise ValueError(f"{data} needs two labels and 8 rows, it has {len(names)}, {len(frame)}")
    import torch

    tokenizer = AutoTokenizer.from_pretrained(source)
    ensure_pad_token(tokenizer)
    encoded = tokenizer(
        frame["text"].astype(str).tolist(),
        truncation=True, max_length=128, padding=True, return_tensors="pt",
    )  # fmt: skip
    target = torch.tensor([names.index(label) for label in frame["label"]])
    cut = len(frame) - len(frame) // 4
    parts = [
        Encoded({k: v[part] for k, v in encoded.items()}, target[part])
        for part in (slice(0, cut), slice(cut, None))
    ]

    def build() -> Any:
        model = AutoModelForSequenceClassification.from_pretrained(source, num_labels=len(names))
        model.config.pad_token_id = tokenizer.pad_token_id
        return model

    def progress(q: float, v: float, seed: int, accuracy: float) -> None:
        if not quiet:
            print(f"lr_q {q:.1e}  lr_v {v:.1e}  seed {seed}  accuracy {accuracy:.3f}", flush=True)

    return ratio_scan(
        build, *parts, lr_q=_rates("--lr-q", lr_q), lr_v=_rates("--lr-v", lr_v),
        seeds=range(seeds), epochs=epochs, progress=progress,
    )  # fmt: skip


def _frame(data: Path) -> "pd.DataFrame":
    import pandas as pd

    if data.suffix in (".jsonl", ".json"):
        return pd.read_json(data, lines=True)
    return pd.read_parquet(data) if data.suffix == ".parquet" else pd.read_csv(data)


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
