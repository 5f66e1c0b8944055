"""`w2sg run`: the main job, from a spec or from a few options."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from w2sg import arms
from w2sg._arguments import as_number
from w2sg.cli.options import whole_number, within
from w2sg.cli.output import terminal
from w2sg.cli.progress import Live
from w2sg.gain.verdict import verdict, worded

if TYPE_CHECKING:
    from w2sg.api import Result


def run(
    spec: Path | None = None,
    *,
    data: str | None = None,
    bundled: str | None = None,
    hub: str | None = None,
    text: str | None = None,
    text_pair: str | None = None,
    label: str | None = None,
    n_labelled: int | None = None,
    n_unlabelled: int | None = None,
    n_test: int | None = None,
    teacher: str | None = None,
    model: str | None = None,
    policy: str | None = None,
    loss: str | None = None,
    epochs: float | None = None,
    seeds: str | None = None,
    store: str | None = None,
    set: Annotated[tuple[str, ...], Parameter(name=["--set"], negative=())] = (),
    log_to: Annotated[tuple[str, ...], Parameter(name=["--log-to"], negative=())] = (),
    processes_per_training: int = 1,
    checkpoint_minutes: float = 5.0,
) -> int:
    """Run the whole experiment and write its report.

    Parameters
    ----------
    spec
        A TOML file; options below override it, and without it they make one.
    data
        A CSV, TSV, JSONL or Parquet file, or a data-set folder.
    bundled
        A data set that comes with w2sg.
    hub
        A data set on the Hugging Face hub.
    text
        Column of the texts.
    text_pair
        Column of the second texts.
    label
        Column of the labels.
    n_labelled
        Rows whose labels the teacher may see.
    n_unlabelled
        Rows that the teacher labels for the student.
    n_test
        Rows that everything is evaluated on.
    teacher
        tfidf, sklearn, finetune, probe or column.
    model
        The student: a folder, a hub id, or all-MiniLM-L6-v2.
    policy
        Which weights move: qv, full, head.
    loss
        ce, reverse_ce, symmetric:1:1, …
    epochs
        Passes over the pseudo-labels.
    seeds
        Comma-separated, such as 0,1,2.
    store
        Folder of results.
    set
        Any field, as in --set student.lr=1e-4; may be repeated.
    log_to
        tensorboard, wandb, mlflow or trackio; may be repeated.
    processes_per_training
        Processes that share each training, one GPU each; torchrun starts them.
    checkpoint_minutes
        Time between two checkpoints of a training; a killed run goes on from the last.
    """
    from w2sg.api import run as run_spec
    from w2sg.spec import SpecError, parse_overrides

    options: dict[str, Any] = {
        "data.path": data,
        "data.bundled": bundled,
        "data.hub": hub,
        "data.text": text,
        "data.text_pair": text_pair,
        "data.label": label,
        "data.n_labelled": n_labelled,
        "data.n_unlabelled": n_unlabelled,
        "data.n_test": n_test,
        "teacher.kind": teacher,
        "student.model": model,
        "student.policy": policy,
        "student.loss": loss,
        "student.epochs": epochs,
        "run.store": store,
    }
    overrides = {name: value for name, value in options.items() if value is not None}
    if seeds is not None:
        overrides["run.seeds"] = _integers(seeds)
    settings = parse_overrides(set)
    if twice := [name for name in settings if name in overrides]:
        raise SpecError(f"{twice[0]} is given by an option of its own and by --set; keep one")
    overrides |= settings
    if spec is None and not overrides:
        raise SpecError("give a spec, as in `w2sg run spec.toml`, or data, as in --data FILE")
    as_number("--checkpoint-minutes", checkpoint_minutes, zero=True)
    within("--processes-per-training", processes_per_training, 1, 1024)
    console = terminal()
    with Live(console) as live:
        result = run_spec(
            {"data": {}} if spec is None else spec,
            overrides,
            watch=live.watch,
            loggers=log_to,
            processes_per_training=processes_per_training,
            checkpoint_seconds=60 * checkpoint_minutes,
        )
    show(result, console)
    return 0


def show(result: "Result", console: Console) -> None:
    """Print the answer, the table of all ways, and where the report is."""
    table = Table(title="Accuracy on the test part", title_justify="left")
    for name in ("", "accuracy", "interval", "over teacher", "interval"):
        table.add_column(name, justify="left" if not name else "right")
    for arm, row in result.table().iterrows():
        gained = arm != "teacher"
        table.add_row(
            arms.TABLE[str(arm)].title,
            f"{row['accuracy']:.1%}",
            f"{row['low']:.1%} – {row['high']:.1%}",
            f"{100 * row['gain']:+.1f}" if gained else "",
            f"{100 * row['gain_low']:+.1f} – {100 * row['gain_high']:+.1f}" if gained else "",
        )
    console.print()
    console.print(table)
    for line in answer(result):
        console.print(line)
    console.print(f"result  {result.folder}", soft_wrap=True)
    console.print(f"report  {result.folder / 'report.html'}", soft_wrap=True)


def answer(result: "Result") -> list[str]:
    """Return the result in sentences."""
    gain, pgr, best = result.gain, result.pgr, result.facts["best"]
    lines = []
    if gain.estimate is None or gain.low is None or gain.high is None:
        lines.append(f"Gain withheld: {gain.reason}")
    else:
        clause = worded(verdict(gain.low, gain.high), "The student")
        lines.append(
            f"{clause}: {100 * gain.estimate:+.1f} points "
            f"[{100 * gain.low:+.1f}, {100 * gain.high:+.1f}] at {gain.level:.0%}."
        )
        if gain.note:
            lines.append(f"  {gain.note}")
    lines.append(f"PGR {pgr}" if pgr.estimate is not None else f"PGR withheld: {pgr.reason}")
    titles = {name: arm.phrase for name, arm in arms.TABLE.items()}
    if best["clear"]:
        lines.append(f"Best way of using the data: {titles[best['order'][0]]}.")
    else:
        names = ", ".join(titles[arm] for arm in best["not_distinguishable"])
        lines.append(f"Best way of using the data: cannot be told apart: {names}.")
    if result.facts["break_even"] is not None:
        lines.append(result.facts["break_even"]["sentence"])
    return lines


def _integers(text: str) -> list[int]:
    from w2sg.spec import SpecError

    try:
        return [whole_number(part.strip()) for part in text.split(",")]
    except ValueError:
        raise SpecError(f"--seeds {text!r}: write whole numbers, as in 0,1,2") from None
