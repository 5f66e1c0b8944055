"""What a page shows, read out of the store: frozen values, nothing computed anew."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from w2sg import arms as table
from w2sg.gain import Estimate
from w2sg.gain.break_even import BreakEven
from w2sg.report.ledger import LedgerRows, ledger_rows
from w2sg.report.trainings import Training, trainings
from w2sg.spec import Spec, to_toml
from w2sg.stages.evaluation import VERSION as EVALUATION_VERSION

if TYPE_CHECKING:
    from w2sg.runs.execute import Outcome

TEACHERS = {
    "tfidf": "TF-IDF with logistic regression",
    "sklearn": "a scikit-learn classifier",
    "finetune": "a fine-tuned model",
    "probe": "a linear head on frozen features",
    "column": "labels that came with the data",
}
METRICS = ("auroc", "nll", "brier", "calibration_error")


@dataclass(frozen=True)
class Arm:
    """One model of the comparison, as it did on the test part.

    Attributes:
        name: As in the spec.
        title: For people.
        meaning: What it was trained on.
        accuracy: Mean over seeds and items.
        against_teacher: Accuracy minus the teacher's; ``None`` for the teacher.
        metrics: Name → mean over seeds of what has no interval.
        by_seed: Metric → one value per seed, ``None`` where it is not measured.
        undecided: Test rows with several equally probable classes, mean over seeds.
    """

    name: str
    title: str
    meaning: str
    accuracy: Estimate
    against_teacher: Estimate | None
    metrics: Mapping[str, float]
    by_seed: Mapping[str, tuple[float, ...]]
    undecided: float = 0.0


@dataclass(frozen=True)
class Best:
    """Which way of using the data did best, and whether that can be told.

    Attributes:
        order: Ways from highest to lowest accuracy.
        clear: Whether the first is clearly above the second.
        lead: First minus second.
        not_distinguishable: The first and all that may be as good.
    """

    order: tuple[str, ...]
    clear: bool
    lead: Estimate
    not_distinguishable: tuple[str, ...]


@dataclass(frozen=True)
class Example:
    """A test row as data gave it, and what was said of it; nothing here is safe as markup."""

    id: str
    text: str
    pair: str | None
    label: str
    teacher: str
    student: str
    confidence: float


@dataclass(frozen=True)
class Mistakes:
    """What the student of one seed made of the teacher's answers.

    Attributes:
        seed: The only seed that this describes.
        counts: Kind → number of test rows.
        examples: Kind → the rows that the student was surest of.
        confusion: Who → table of counts, true class by answered class.
    """

    seed: int
    counts: Mapping[str, int]
    examples: Mapping[str, tuple[Example, ...]]
    confusion: Mapping[str, tuple[tuple[int, ...], ...]]


@dataclass(frozen=True)
class FirstAnswer:
    """The same experiment with linear heads on frozen features."""

    seeds: tuple[int, ...]
    accuracy: Mapping[str, float]
    gain: Estimate
    pgr: Estimate


@dataclass(frozen=True)
class DataSeed:
    """What is known of the parts that one seed draws: see `w2sg.data.parts.PartsReport`."""

    seed: int
    n_hidden: int
    report: Mapping[str, Any]


@dataclass(frozen=True)
class Labeller:
    """A teacher of one seed and the labels that it gave.

    Attributes:
        seed: The seed.
        fitted: What fitting showed, such as the cross-validated accuracy.
        labels: Entropy, shares, and accuracy where truth exists, of its pseudo-labels.
    """

    seed: int
    fitted: Mapping[str, Any]
    labels: Mapping[str, Any]


@dataclass(frozen=True)
class Stage:
    """One line of the account: what it cost, whether this run computed it, its key."""

    label: str
    stage: str
    key: str
    seconds: float
    megabytes: float
    computed: bool


@dataclass(frozen=True)
class PageData:
    """Everything a page says."""

    spec: Spec
    toml: str
    source: str
    seeds: tuple[int, ...]
    level: float
    label_names: tuple[str, ...]
    n_test: int
    arms: tuple[Arm, ...]
    gain: Estimate
    pgr: Estimate
    opr: Estimate | None
    best: Best
    break_even: BreakEven | None
    ledger: LedgerRows
    agreement: Mapping[str, float | None]
    mistakes: Mistakes
    first_answer: FirstAnswer | None
    trainings: tuple[Training, ...]
    data: tuple[DataSeed, ...]
    labellers: tuple[Labeller, ...]
    environment: Mapping[str, tuple[str, ...]]
    stages: tuple[Stage, ...]
    n_naive: int

    @property
    def parts(self) -> Mapping[str, Any]:
        """What the first seed's data report says."""
        return self.data[0].report

    @property
    def majority(self) -> tuple[str, float]:
        """The most frequent class of the test part and its share: what no model at all gets."""
        balance = self.parts["balance"]["test"]
        name = max(balance, key=lambda one: balance[one])
        return name, balance[name] / sum(balance.values())

    @property
    def teacher(self) -> Arm:
        """The teacher."""
        return next(arm for arm in self.arms if arm.name == "teacher")

    @property
    def student(self) -> Arm:
        """The student that the run is about."""
        return next(arm for arm in self.arms if arm.name == "student")

    def arm(self, name: str) -> Arm | None:
        """Return an arm, or nothing if it was not trained."""
        return next((arm for arm in self.arms if arm.name == name), None)


def collect(outcome: "Outcome") -> PageData:
    """Return what the page of a finished run shows.

    Args:
        outcome: The run as it lies in its store.

    Raises:
        ValueError: It was evaluated by another version of w2sg, which measured other things.
    """
    measured = outcome.of_role("evaluation").manifest
    if (version := measured.body["version"]) != EVALUATION_VERSION:
        raise ValueError(
            f"this run was evaluated by another version of w2sg (version {version} of the "
            f"evaluation, this is {EVALUATION_VERSION}); run its spec.toml again with `w2sg run`: "
            "what is still current is not trained again"
        )
    facts = measured.facts
    spec, seeds = outcome.spec, tuple(facts["seeds"])
    chosen = _chosen(outcome, seeds[0])
    shown = [name for name in table.in_order(facts["arms"]) if name not in chosen]
    return PageData(
        spec=spec,
        toml=to_toml(spec),
        source=source(spec),
        seeds=seeds,
        level=facts["level"],
        label_names=tuple(facts["label_names"]),
        n_test=facts["n_test"],
        arms=tuple(_arm(name, facts, chosen) for name in shown),
        gain=Estimate(**facts["gain"]),
        pgr=Estimate(**facts["pgr"]),
        opr=None if facts["opr"] is None else Estimate(**facts["opr"]),
        best=_best(facts["best"], chosen),
        break_even=None if facts["break_even"] is None else BreakEven(**facts["break_even"]),
        ledger=ledger_rows(facts["ledger"]),
        agreement=facts["agreement"],
        mistakes=_mistakes(outcome, facts, seeds[0]),
        first_answer=_first_answer(outcome),
        trainings=trainings(outcome, [arm.name for arm in table.TABLE.values() if arm.sources]),
        data=tuple(_data(outcome, seed) for seed in seeds),
        labellers=tuple(_labeller(outcome, seed) for seed in seeds),
        environment=_environment(outcome),
        stages=tuple(_stages(outcome)),
        n_naive=outcome.plan.n_naive,
    )


def source(spec: Spec) -> str:
    """Return what the data are called: the name of the bundled set or hub id, or the file name."""
    data = spec.data
    if data.path is not None:
        return data.path.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
    return data.bundled or data.hub or ""


def _chosen(outcome: "Outcome", seed: int) -> tuple[str, ...]:
    """The arms that are the evaluated student itself under another name.

    With student.labelled = "after" or "mixed" the student of the run is the training of that arm;
    one model must not stand on the page as two that agree.
    """
    roles = outcome.plan.roles
    needs = outcome.plan.calls[roles["evaluation"]].needs
    student = needs[f"student/{seed}"]
    others = [arm.name for arm in table.TABLE.values() if arm.sources and arm.name != "student"]
    return tuple(name for name in others if roles.get(f"{name}/{seed}") == student)


def _arm(name: str, facts: Mapping[str, Any], chosen: tuple[str, ...]) -> Arm:
    measured, against = facts["metrics"][name], facts["against_teacher"].get(name)
    return Arm(
        name=name,
        title=table.TABLE[name].title,
        meaning=table.TABLE[chosen[0] if chosen and name == "student" else name].meaning,
        accuracy=Estimate(**measured["accuracy"]),
        against_teacher=None if against is None else Estimate(**against),
        metrics={metric: measured[metric] for metric in METRICS},
        by_seed={metric: tuple(values) for metric, values in measured["by_seed"].items()},
        undecided=facts["undecided"][name],
    )


def _best(facts: Mapping[str, Any], chosen: tuple[str, ...]) -> Best:
    return Best(
        order=tuple(name for name in facts["order"] if name not in chosen),
        clear=facts["clear"],
        lead=Estimate(**facts["lead"]),
        not_distinguishable=tuple(
            name for name in facts["not_distinguishable"] if name not in chosen
        ),
    )


def _answer(names: Sequence[str], answer: int) -> str:
    return names[answer] if answer >= 0 else "(undecided)"


def _mistakes(outcome: "Outcome", facts: Mapping[str, Any], seed: int) -> Mistakes:
    from w2sg.runs.compute import read_parts

    found, names = facts["mistakes"], facts["label_names"]
    test = read_parts(outcome.artifact(outcome.data[seed])).test
    row_of = {name: i for i, name in enumerate(test.ids)}

    def example(row: Mapping[str, Any]) -> Example:
        i = row_of[row["id"]]
        return Example(
            id=row["id"],
            text=test.texts[i],
            pair=None if test.pairs is None else test.pairs[i],
            label=names[row["label"]],
            teacher=_answer(names, row["teacher"]),
            student=_answer(names, row["student"]),
            confidence=row["confidence"],
        )

    return Mistakes(
        seed=seed,
        counts=found["counts"],
        examples={kind: tuple(map(example, rows)) for kind, rows in found["examples"].items()},
        confusion={
            who: tuple(tuple(row) for row in table) for who, table in found["confusion"].items()
        },
    )


def _first_answer(outcome: "Outcome") -> FirstAnswer | None:
    if "first_answer" not in outcome.plan.roles:
        return None
    facts = outcome.of_role("first_answer").facts
    return FirstAnswer(
        seeds=tuple(facts["seeds"]),
        accuracy=facts["accuracy"],
        gain=Estimate(**facts["gain"]),
        pgr=Estimate(**facts["pgr"]),
    )


def _data(outcome: "Outcome", seed: int) -> DataSeed:
    facts = outcome.artifact(outcome.data[seed]).facts
    return DataSeed(seed, facts["n_hidden"], facts["report"])


def _labeller(outcome: "Outcome", seed: int) -> Labeller:
    return Labeller(
        seed,
        outcome.of_role(f"teacher/{seed}").facts,
        outcome.of_role(f"pseudo_labels of teacher/{seed}").facts,
    )


def _environment(outcome: "Outcome") -> dict[str, tuple[str, ...]]:
    """Name → the values met; several where stored stages come from another time or machine."""
    met: dict[str, dict[str, None]] = {}
    for key in _keys(outcome):
        for name, value in outcome.manifests[key].environment.items():
            met.setdefault(name, {})[str(value)] = None
    return {name: tuple(sorted(values)) for name, values in met.items()}


def _stages(outcome: "Outcome") -> Iterable[Stage]:
    label_of = {key: f"data, seed {seed}" for seed, key in outcome.data.items()}
    label_of |= {key: call.label for key, call in outcome.plan.calls.items()}
    for key in _keys(outcome):
        manifest = outcome.manifests[key]
        yield Stage(
            label=label_of[key],
            stage=str(manifest.body.get("stage", "")),
            key=key,
            seconds=manifest.seconds,
            megabytes=sum(entry["bytes"] for entry in manifest.files.values()) / 1e6,
            computed=key in outcome.computed,
        )


def _keys(outcome: "Outcome") -> list[str]:
    return list(dict.fromkeys([*outcome.data.values(), *outcome.plan.calls]))
