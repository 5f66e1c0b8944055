"""A first answer in seconds: the same experiment with linear heads on frozen features."""

import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from w2sg import arms, soft_labels
from w2sg._arrays import FloatArray
from w2sg.gain import gain, pgr
from w2sg.gain.break_even import Curve
from w2sg.heads.folds import every_class_early
from w2sg.heads.head import fit_head

VERSION = 2
N_SIZES = 5
LEAST_ROWS = 10  # a head needs as many to choose its penalty


@dataclass(frozen=True)
class SeedData:
    """What one seed of the experiment is made of.

    Attributes:
        labelled: Features of the labelled part, (n, d), and its labels, (n,); n may be 0.
        unlabelled: Features of the unlabelled part, (N, d).
        pseudo: The teacher's labels of it, (N, K).
        hidden: Its true labels, (N,), if they exist.
        test: Features of the test part, (t, d), and its labels, (t,).
        teacher: The teacher's answers on the test part, (t, K).
    """

    labelled: tuple[NDArray[Any], NDArray[np.int64]]
    unlabelled: NDArray[Any]
    pseudo: FloatArray
    hidden: NDArray[np.int64] | None
    test: tuple[NDArray[Any], NDArray[np.int64]]
    teacher: FloatArray


@dataclass(frozen=True)
class FirstAnswer:
    """Accuracies on frozen features, and the learning curve of the strong model alone.

    Attributes:
        facts: Mean accuracy per arm, gain and PGR, as JSON.
        curve: Correctness of the strong model's head against the number of true labels; `None`
            where there are too few of them.
    """

    facts: dict[str, Any]
    curve: Curve | None


def answer(seeds: Mapping[int, SeedData], *, level: float, folds_seed: int = 0) -> FirstAnswer:
    """Run the whole experiment with logistic heads on frozen features.

    Args:
        seeds: Seed → its data.
        level: Coverage of the intervals.
        folds_seed: Of the folds that choose each head's penalty.
    """
    sizes = curve_sizes(next(iter(seeds.values())))
    measured = len(sizes) > 1
    heads = _Heads(next(iter(seeds.values())).pseudo.shape[1], folds_seed)
    correct: dict[str, list[FloatArray]] = {}
    curves = []
    for data in seeds.values():
        for arm, p in _arms(data, heads).items():
            hits = soft_labels.hit_share(p, data.test[1])
            correct.setdefault(arm, []).append(hits)
        if measured:
            curves.append(_curve(data, sizes, heads))
    stacked = {arm: np.stack(rows) for arm, rows in correct.items()}
    teacher, student = stacked["teacher"], stacked["student"]
    facts = {
        "seeds": list(seeds),
        "accuracy": {arm: float(rows.mean()) for arm, rows in stacked.items()},
        "gain": asdict(gain(teacher, student, level)),
        "pgr": asdict(pgr(teacher, student, stacked.get("ceiling"), level)),
        "curve": {
            "sizes": sizes.tolist(),
            "accuracy": np.mean(curves, axis=(0, 2)).tolist(),
        }
        if measured
        else None,
    }
    return FirstAnswer(facts, Curve(sizes, np.stack(curves)) if measured else None)


def curve_sizes(data: SeedData) -> NDArray[np.int64]:
    """Return five numbers of true labels, from an eighth of the labelled part to all there are.

    Nothing where there are too few for two sizes.
    """
    n, k = len(data.labelled[1]), data.pseudo.shape[1]
    most = n + (0 if data.hidden is None else len(data.hidden))
    if most < 2 * k:
        return np.array([], dtype=np.int64)
    least = min(max(4 * k, n // 8, LEAST_ROWS), most)
    if least == most:
        least = max(k, most // 2)
    return np.unique(np.geomspace(least, most, N_SIZES).round().astype(np.int64))


class _Heads:
    """Logistic heads; the first seed's cross-validation chooses each arm's penalty for all."""

    def __init__(self, n_classes: int, seed: int) -> None:
        self.n_classes, self.seed = n_classes, seed
        self.penalties: dict[str, float] = {}

    def fit(self, name: str, features: NDArray[Any], targets: NDArray[Any]) -> Any:
        with warnings.catch_warnings():
            # the weakest penalties compared need not converge to be seen to be too weak
            warnings.filterwarnings(
                "ignore", message=".*softmax fits stopped", category=RuntimeWarning
            )
            head: Any = fit_head(
                features,
                targets,
                penalty=self.penalties.get(name, None if len(features) >= LEAST_ROWS else 1.0),
                n_classes=self.n_classes,
                seed=self.seed,
            )
        self.penalties.setdefault(name, float(head.penalty))
        return head


def _arms(data: SeedData, heads: _Heads) -> dict[str, FloatArray]:
    """Every arm that is one fit of a head; a logistic head does not go on from another one."""
    x, y = data.labelled
    labels = {"pseudo": data.pseudo}
    if data.hidden is not None:
        labels["hidden"] = np.eye(heads.n_classes)[data.hidden]
    answers = {"teacher": data.teacher}
    for arm in arms.trained():
        known = {"labelled", *labels} if len(y) else set(labels)
        if arm.start is not None or not known.issuperset(arm.sources):
            continue
        targets = arms.unlabelled_targets(arm, labels)
        if targets is None:
            head = heads.fit(arm.name, x, y)
        elif "labelled" not in arm.sources:
            head = heads.fit(arm.name, data.unlabelled, targets)
        else:
            both = np.vstack([np.eye(heads.n_classes)[y], targets])
            head = heads.fit(arm.name, np.vstack([x, data.unlabelled]), both)
        if arm.name == arms.LABELS_OF_ITSELF:
            labels["own"] = head.predict_proba(data.unlabelled)
        answers[arm.name] = head.predict_proba(data.test[0])
    return answers


def _curve(data: SeedData, sizes: NDArray[np.int64], heads: _Heads) -> FloatArray:
    x, y = data.labelled
    if data.hidden is not None:
        x, y = np.vstack([x, data.unlabelled]), np.concatenate([y, data.hidden])
    order = every_class_early(np.arange(len(y)), y, heads.n_classes)
    rows = []
    for n in sizes:
        head = heads.fit(f"curve at {n}", x[order[:n]], y[order[:n]])
        rows.append(soft_labels.hit_share(head.predict_proba(data.test[0]), data.test[1]))
    return np.stack(rows)
