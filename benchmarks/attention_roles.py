"""Which projections to tune, and at which rates, on real text: the tables of the docs.

python benchmarks/attention_roles.py OUT [SETS [ARMS]]: stage 1 chooses one cell for each set of
roles on held-out labels of TREC, stage 2 compares the chosen cells with fresh seeds on TREC and
SST-2. Both are sweeps in OUT/store: stopped, they go on, and `w2sg compare OUT/store/sweeps/…` asks
them. Reads trec.parquet and sst2_sentences.parquet from $W2SG_SHARED_DATA/text, or from
shared/data/text beside the checkout. About an hour and a half of one core; SETS
(trec,sst2_sentences) and ARMS (such as q,k,v or "qv larger V") restrict stage 2.
"""

import os
import sys
from pathlib import Path

import pandas as pd

from w2sg.figures import to_svg
from w2sg.gain import compare
from w2sg.studies.attention import drawings
from w2sg.studies.attention import roles as study
from w2sg.sweeps import run_sweep

SHARED = Path(os.environ.get("W2SG_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))
SIZES = {  # most words of a text, labelled and test rows
    "trec": (10, 300, 1000),
    "sst2_sentences": (12, 500, 900),
}
CHOICE_SET, N_HELD_OUT, N_PSEUDO = "trec", 600, 1000
LABELS = {"pseudo": "student", "true": "ceiling"}  # kind of labels → arm of the run


def write_rows(name: str, folder: Path) -> None:
    """Write the short texts, test rows marked, and the other rows alone for stage 1."""
    most_words, _, n_test = SIZES[name]
    rows = pd.read_parquet(SHARED / "text" / f"{name}.parquet")[["text", "label"]]
    rows = rows[rows["text"].str.split().str.len() <= most_words]
    rows = rows.drop_duplicates("text").sample(frac=1, random_state=0).reset_index(drop=True)
    rows["split"] = ["test"] * n_test + ["train"] * (len(rows) - n_test)
    rows.to_parquet(folder / f"{name}.parquet")
    rows[rows.split == "train"].drop(columns="split").to_parquet(folder / f"{name}-train.parquet")


def data(name: str, folder: Path, *, choice: bool) -> dict:
    """Return the data table of a sweep."""
    _, n_labelled, n_test = SIZES[name]
    return {
        "path": str(folder / f"{name}{'-train' if choice else ''}.parquet"),
        "split": "" if choice else "split",
        "n_labelled": n_labelled,
        "n_unlabelled": N_PSEUDO,
        "n_test": N_HELD_OUT if choice else n_test,
    }


def tell(event) -> None:
    """Print what was computed."""
    if event.state in ("done", "failed"):
        seconds = "" if event.manifest is None else f"{event.manifest.seconds:6.1f} s"
        print(seconds, event.state, event.call.label, file=sys.stderr, flush=True)


def print_stage_two(name: str, result, arms: dict[str, study.Arm], correct: dict) -> dict:
    """Print accuracy by set of roles, each against the chosen cell of Q and V."""
    reference = arms.get("qv", next(iter(arms.values())))
    order = [reference, *(arm for arm in dict.fromkeys(arms.values()) if arm != reference)]
    teacher = result.table()["teacher"].mean()
    print(f"\n{name}: {len(study.FRESH_SEEDS)} seeds, {SIZES[name][2]} test texts, teacher", end="")
    print(
        f" {100 * teacher:.1f}; differences from {reference.name}, 95 % intervals, * after Holm\n"
    )
    print("| arm | pseudo-labels | difference | true labels | difference |\n|---|---|---|---|---|")
    compared = {}
    for labels in LABELS:
        runs = {arm.name: correct[f"{name}, {labels} labels"][arm] for arm in order}
        compared[f"{name}, {labels} labels"] = compare(runs, reference.name)
    first, second = (found.differences for found in compared.values())
    scores = [found.reference_score for found in compared.values()]
    print(f"| {reference.name} | {100 * scores[0]:.1f} | | {100 * scores[1]:.1f} | |")
    for a, b in zip(first, second, strict=True):
        print(f"| {a.name} | {_against(a)} | {_against(b)} |")
    return compared


def _against(d) -> str:
    star = "\\*" if d.decided else ""
    interval = f"{100 * d.low:+.1f} to {100 * d.high:+.1f}"
    return f"{100 * d.score:.1f} | {100 * d.difference:+.1f} ({interval}){star}"


def print_verdicts(verdicts: list[study.Verdict]) -> None:
    """Print a row for each claim, a column for each set and kind of labels."""
    places = list(dict.fromkeys(v.where for v in verdicts))
    print(f"\n| claim | {' | '.join(places)} |\n|{'---|' * (1 + len(places))}")
    for claim in dict.fromkeys(v.claim for v in verdicts):
        cells = [
            f"{100 * v.difference:+.1f} ({100 * v.low:+.1f} to {100 * v.high:+.1f}) {v.verdict}"
            for v in verdicts
            if v.claim == claim
        ]
        arms = f"{claim.statement} ({claim.better.name} − {claim.other.name})"
        print(f"| {arms} | {' | '.join(cells)} |")


def main(out: Path, sets: list[str], names: list[str]) -> None:
    """Run both stages, or what is left of them, and print the tables."""
    out.mkdir(parents=True, exist_ok=True)
    for name in SIZES:
        if not (out / f"{name}.parquet").exists():
            write_rows(name, out)
    source = data(CHOICE_SET, out, choice=True)
    table = run_sweep(study.choice_sweep(source, out / "store"), watch=tell).table()
    chosen, every = study.choose(table), study.comparison_arms(table)
    arms = {name: every[name] for name in names or every}
    print("chosen on held-out labels:", "; ".join(arm.name for arm in chosen.values()))
    (out / "choice.svg").write_text(to_svg(drawings.draw_choice(table, chosen)))
    correct, compared = {}, {}
    for name in sets:
        sweep = study.comparison_sweep(data(name, out, choice=False), arms.values(), out / "store")
        result = run_sweep(sweep, watch=tell)
        for labels, arm in LABELS.items():
            correct[f"{name}, {labels} labels"] = {
                key: result.correct(i, arm) for i, key in enumerate(dict.fromkeys(arms.values()))
            }
        compared |= print_stage_two(name, result, arms, correct)
        print(f"w2sg compare {result.folder} --by variant")
    finished = set(arms.values())
    stated = [c for c in study.claims(every) if {c.better, c.other} <= finished]
    print_verdicts(study.verdicts(stated, correct))
    (out / "comparison.svg").write_text(to_svg(drawings.draw_comparison(compared)))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        print(__doc__)
        raise SystemExit(0)
    chosen_sets, chosen_arms = (sys.argv[i].split(",") if len(sys.argv) > i else [] for i in (2, 3))
    main(Path(sys.argv[1]), chosen_sets or list(SIZES), chosen_arms)
