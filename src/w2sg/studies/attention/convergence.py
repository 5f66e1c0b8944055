"""Does a higher rate for W_v expedite convergence? Steps and seconds to a fixed loss.

all-MiniLM-L6-v2, W_q and W_v in full, 1,000 short tweets of the packaged set with their labels,
two epochs. η* is the best equal rate, chosen by held-out loss on seeds of its own. Three designs
change the ratio r = η_V/η_Q around it: *base* keeps η_Q = η* (the mean rate rises with r), *mean*
keeps (η_Q + η_V)/2 = η*, and *both* multiplies the two rates by r: the same η_V as *base* without
a ratio, the control that tells a ratio from a larger step.

The two losses to reach are what r = 1 reaches at half of its steps, mean over seeds. Each run is
compared with r = 1 of its own seed: same rows, same order, same initial head. Seconds are steps
times the median time of a step, measurements left out.
"""

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from w2sg import losses
from w2sg._arrays import FloatArray
from w2sg._seeds import child_seed
from w2sg.data.sources import read_table
from w2sg.figures import new_figure
from w2sg.figures.canvas import PALETTE
from w2sg.models.backbone import encode, load_classifier, resolve_precision
from w2sg.studies.attention.curve import Curve, steps_to
from w2sg.studies.attention.kept import Kept, Measure, Tell
from w2sg.studies.study import Claim, Study
from w2sg.train.finetune import finetune
from w2sg.train.policies import apply
from w2sg.train.schedule import HeldOut, Schedule

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MODEL, HEAD_RATE = "all-MiniLM-L6-v2", 3e-3
EQUAL_RATES = (3e-4, 1e-3, 2e-3, 4e-3)
RATIOS = {"base": (2.0, 4.0, 8.0), "mean": (2.0, 4.0, 8.0), "both": (2.0, 4.0)}
SEEDS, CHOICE_SEEDS = (0, 1, 2, 3, 4), (100, 101)
MOST_WORDS, N_TRAIN, N_HELD_OUT = 10, 1000, 200
LOSSES = ("training", "held-out")
LEVEL = 0.95
TRAININGS = "CONVERGENCE.trainings.jsonl"


@dataclass(frozen=True)
class Setting:
    """A pair of rates.

    Attributes:
        design: ``base``, ``mean`` or ``both``.
        ratio: r of the design; η_V/η_Q except in ``both``.
        lr_q: η_Q.
        lr_v: η_V.
    """

    design: str
    ratio: float
    lr_q: float
    lr_v: float


def settings(best: float) -> tuple[Setting, ...]:
    """Return the pairs of rates around the best equal rate, that one first.

    >>> [(s.design, s.lr_q, s.lr_v) for s in settings(1.0) if s.ratio == 4]
    [('base', 1.0, 4.0), ('mean', 0.4, 1.6), ('both', 4.0, 4.0)]
    """
    first = Setting("base", 1.0, best, best)
    rates = {
        "base": lambda r: (best, r * best),
        "mean": lambda r: (2 * best / (1 + r), 2 * best * r / (1 + r)),
        "both": lambda r: (r * best, r * best),
    }
    return (first, *(Setting(d, r, *rates[d](r)) for d, some in RATIOS.items() for r in some))


def relative(steps: FloatArray, control: FloatArray, level: float) -> tuple[float, float, float]:
    """Return steps over those of the control, paired by seed: geometric mean and t interval.

    Args:
        steps: Steps to the target, shape (seeds,), all finite.
        control: Those of the control, shape (seeds,).
        level: Coverage of the interval.

    >>> [round(x, 2) for x in relative(np.array([5.0, 6.0]), np.array([10.0, 12.0]), 0.95)]
    [0.5, 0.5, 0.5]
    """
    logs = np.log(steps / control)
    half = stats.t.ppf((1 + level) / 2, len(logs) - 1) * logs.std(ddof=1) / len(logs) ** 0.5
    return tuple(float(np.exp(logs.mean() + sign * half)) for sign in (0, -1, 1))  # pyright: ignore


def study(
    seeds: Sequence[int] = SEEDS,
    measure: Measure | None = None,
    *,
    folder: Path | None = None,
    tell: Tell = lambda _: None,
) -> Study:
    """Train every setting with every seed and return steps to the two losses, drawn and judged.

    Args:
        seeds: Seeds of rows, order and head, at least two.
        measure: Trains once with η_Q, η_V and a seed; MiniLM on the packaged tweets if ``None``.
        folder: Where finished trainings are kept, and found again; nothing is if ``None``.
        tell: Called with a line after each training.

    Source: the claim is the second of arXiv 2410.02247; the control is ours.
    """
    total = len(EQUAL_RATES) * len(CHOICE_SEEDS) + len(settings(1.0)) * len(seeds)
    file = None if folder is None else folder / TRAININGS
    measure = Kept(measure or trained, _identity(), total, file, tell)
    lowest = [
        np.mean([measure(lr, lr, s).held_out.min() for s in CHOICE_SEEDS]) for lr in EQUAL_RATES
    ]
    best = EQUAL_RATES[int(np.argmin(lowest))]
    runs = {s: [measure(s.lr_q, s.lr_v, seed) for seed in seeds] for s in settings(best)}
    first = next(iter(runs))
    targets = {loss: _half_way(runs[first], loss) for loss in LOSSES}
    found = {
        loss: {
            s: np.array([steps_to(*curve.of(loss), targets[loss]) for curve in curves])
            for s, curves in runs.items()
        }
        for loss in LOSSES
    }
    arrays = {
        "equal_rates": np.array(EQUAL_RATES),
        "lowest_held_out": np.array(lowest),
        "best_equal_rate": np.array([best]),
        "targets": np.array([targets[loss] for loss in LOSSES]),
        "lr_q": np.array([s.lr_q for s in runs]),
        "lr_v": np.array([s.lr_v for s in runs]),
        "step_seconds": np.array([[c.step_seconds for c in curves] for curves in runs.values()]),
        **{f"steps_{loss}": np.array(list(found[loss].values())) for loss in LOSSES},
        **{
            f"lowest_{loss}": np.array([[c.of(loss)[1].min() for c in cs] for cs in runs.values()])
            for loss in LOSSES
        },
    }
    return Study(arrays, _figure(found), _claims(found, runs))


def trained(lr_q: float, lr_v: float, seed: int) -> Curve:
    """Train MiniLM once and return its losses.

    Args:
        lr_q: η_Q.
        lr_v: η_V.
        seed: Of rows, order and head.
    """
    texts, labels = _rows(seed)
    targets = np.eye(2)[labels]
    classifier = load_classifier(MODEL, ("negative", "positive"), seed=child_seed(seed, "head"))
    policy = apply(classifier.model, "qv", lr_v / lr_q, lr_q, HEAD_RATE)
    encoded = encode(classifier.tokenizer, texts)
    learns, asked = np.arange(N_TRAIN), np.arange(N_TRAIN, len(texts))
    clock: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        training = finetune(
            classifier,
            policy,
            encoded.take(learns),
            targets[learns],
            loss=losses.get("ce"),
            schedule=Schedule(
                epochs=2.0,
                batch_size=32,
                micro_batch_size=32,
                warmup=0.1,
                weight_decay=0.01,
                max_grad_norm=1.0,
                precision=resolve_precision("auto"),
                patience=10**9,  # measure, never stop
            ),
            seed=child_seed(seed, "order"),
            folder=Path(folder),
            held_out=HeldOut(encoded.take(asked), targets[asked]),
            progress=lambda *_: clock.append(time.perf_counter()),
        )
    measured = [row for row in training.curve if "held_out_loss" in row]
    return Curve(
        training=np.array([row["loss"] for row in training.curve]),
        held_out=np.array([row["held_out_loss"] for row in measured]),
        held_out_steps=np.array([row["step"] for row in measured], dtype=np.float64),
        step_seconds=float(np.median(np.diff(clock))),
    )


def _identity() -> dict[str, Any]:
    """What the curve of a pair of rates and a seed depends on besides."""
    return {
        "model": MODEL, "head_rate": HEAD_RATE, "n_train": N_TRAIN, "n_held_out": N_HELD_OUT,
        "most_words": MOST_WORDS, "precision": resolve_precision("auto"),
    }  # fmt: skip


def _rows(seed: int) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    frame = read_table(bundled="vader_tweets").frame
    short = frame[frame["text"].str.split().str.len() <= MOST_WORDS]
    drawn = short.sample(N_TRAIN + N_HELD_OUT, random_state=child_seed(seed, "rows"))
    return tuple(drawn["text"]), np.asarray(drawn["label"])


def _half_way(curves: Sequence[Curve], loss: str) -> float:
    values = []
    for curve in curves:
        steps, at = curve.of(loss)
        values.append(np.interp(len(curve.training) / 2, steps, at))
    return float(np.mean(values))


Found = Mapping[str, Mapping[Setting, FloatArray]]


def _claims(found: Found, runs: Mapping[Setting, Sequence[Curve]]) -> tuple[Claim, ...]:
    first = next(iter(runs))
    wordings = {
        "base": "η_Q at the best equal rate: some ratio above 1 reaches the {} loss sooner",
        "mean": "mean rate kept: some ratio above 1 reaches the {} loss sooner",
    }
    claims = [
        _sooner(wording.format(loss), found[loss], runs, design, lambda _: first)
        for design, wording in wordings.items()
        for loss in LOSSES
    ]
    same_v = {s.ratio: s for s in runs if s.design == "both"}
    claims += [
        _sooner(
            f"it is the ratio, not the larger step: sooner to the {loss} loss than η_Q = η_V "
            "at the same η_V",
            found[loss],
            runs,
            "base",
            lambda s: same_v.get(s.ratio),
        )
        for loss in LOSSES
    ]
    return tuple(claims)


def _sooner(
    statement: str,
    steps: Mapping[Setting, FloatArray],
    runs: Mapping[Setting, Sequence[Curve]],
    design: str,
    control_of: Callable[[Setting], Setting | None],
) -> Claim:
    """Judge whether one of the larger ratios needs fewer steps, corrected for their number."""
    pairs = [
        (s, control)
        for s in runs
        if s.design == design and s.ratio > 1 and (control := control_of(s)) is not None
    ]
    level = 1 - (1 - LEVEL) / len(pairs)
    # every setting trains the same weights on the same rows, so a step costs the same in all
    step_seconds = np.median([curve.step_seconds for curves in runs.values() for curve in curves])
    words, sooner = [], False
    for s, control in pairs:
        if not (np.isfinite(steps[s]).all() and np.isfinite(steps[control]).all()):
            n = int(np.isfinite(steps[s]).sum())
            of = int(np.isfinite(steps[control]).sum())
            words.append(f"r={s.ratio:g}: reached by {n} of {len(steps[s])}, control {of}")
            continue
        mid, low, high = relative(steps[s], steps[control], level)
        seconds = [float(np.mean(steps[x]) * step_seconds) for x in (control, s)]
        words.append(
            f"r={s.ratio:g}: ×{mid:.2f} [{low:.2f}, {high:.2f}] "
            f"({seconds[0]:.1f} → {seconds[1]:.1f} s)"
        )
        sooner |= high < 1
    return Claim(statement, "; ".join(words), sooner)


def _figure(found: Found) -> "Figure":
    figure, axes = new_figure(1, 2, width=9.0, height=3.8)
    names = {"base": "η_Q kept", "mean": "mean rate kept", "both": "both rates times r"}
    for panel, loss in zip(axes, LOSSES, strict=True):
        first = next(iter(found[loss]))
        panel.axhline(1.0, color="0.35", lw=1, ls="--")
        for i, (design, label) in enumerate(names.items()):
            rows = [s for s in found[loss] if s.design == design and s.ratio != 1]
            for s in rows:
                if (n := int(np.isfinite(found[loss][s]).sum())) < len(found[loss][s]):
                    words, at = f"{n} of {len(found[loss][s])}", (s.ratio, 0.98 - 0.06 * i)
                    panel.annotate(
                        words, at, xycoords=("data", "axes fraction"), color=PALETTE[i],
                        ha="center", va="top", fontsize=8,
                    )  # fmt: skip
            rows = [s for s in rows if np.isfinite(found[loss][s]).all()]
            if not rows:
                continue
            mid, low, high = np.array(
                [relative(found[loss][s], found[loss][first], LEVEL) for s in rows]
            ).T
            x = np.array([s.ratio for s in rows]) * 1.04 ** (i - 1)
            panel.errorbar(
                x, mid, yerr=(mid - low, high - mid), fmt="o-", ms=4, color=PALETTE[i], label=label
            )
        panel.set_xscale("log", base=2)
        panel.set_xticks([1, 2, 4, 8], ["1", "2", "4", "8"])
        panel.set_xlim(0.9, 9.5)
        panel.set(title=f"{loss} loss", xlabel="r", ylabel="steps, relative to r = 1")
        panel.set_ylim(top=panel.get_ylim()[1] * 1.15)
    if axes[0].get_legend_handles_labels()[0]:
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure
