"""The stages of a run as a graph of calls with keys; what is equal is one call."""

import uuid
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from w2sg.runs.store import digest
from w2sg.spec import Named, Spec, TeacherSpec
from w2sg.stages import evaluation, first_answer, labelled_data, pseudo_labels, strong_student
from w2sg.stages import weak_teacher
from w2sg.stages.strong_student import Settings

FEATURES_VERSION = 1
FIRST_ANSWER_SEEDS = 3


@dataclass(frozen=True)
class Call:
    """One stage to load or compute.

    Attributes:
        stage: Name of the stage.
        body: What its identity is made of; `key` is the digest of it.
        needs: Role → key of the artifacts it reads.
        given: Values that are not identity, such as the user's objects.
        label: How progress and errors call it, such as ``"student, seed 0"``.
    """

    stage: str
    body: Mapping[str, Any]
    needs: Mapping[str, str] = field(default_factory=dict)
    given: Mapping[str, Any] = field(default_factory=dict)
    label: str = ""

    @property
    def key(self) -> str:
        """The identity of what this call computes."""
        return digest(self.body)


@dataclass(frozen=True)
class RunPlan:
    """All calls of a run after its data have been divided, in an order that can be computed.

    Attributes:
        calls: By key; equal calls of several seeds are one.
        roles: Role, such as ``"student/0"``, → key.
        n_naive: Trainings that a loop over the seeds without sharing would do.
    """

    calls: Mapping[str, Call]
    roles: Mapping[str, str]
    n_naive: int = 0


def data_calls(spec: Spec, fingerprints: Mapping[str, str]) -> dict[int, Call]:
    """Return the call that divides the data, per seed.

    Args:
        spec: The run.
        fingerprints: Of the tables that were read.
    """
    fields = spec.data.model_dump(mode="json")
    names = ("n_labelled", "n_unlabelled", "n_test", "split_seed", "duplicates")
    settings = {name: fields[name] for name in names}
    settings["teacher_columns"] = list(teacher_columns(spec.teacher))
    seeds = dict.fromkeys((*spec.run.seeds, *first_answer_seeds(spec)))
    return {
        seed: Call(
            stage="labelled_data",
            body={
                "stage": "labelled_data",
                "version": labelled_data.VERSION,
                "spec": {**settings, "seed": seed},
                "inputs": dict(fingerprints),
            },
            label=f"data, seed {seed}",
        )
        for seed in seeds
    }


def plan_run(
    spec: Spec, data: Mapping[int, Call], facts: Mapping[int, Mapping[str, Any]], precision: str
) -> RunPlan:
    """Return the calls of a run.

    Args:
        spec: The run.
        data: The calls that divided the data, per seed.
        facts: What they found: fingerprints of the parts, sizes, whether true labels exist.
        precision: The resolved precision of this machine for "auto".
    """
    graph = _Graph(spec, data, facts, precision)
    answers: dict[str, str] = {}
    for seed in spec.run.seeds:
        answers |= {f"{arm}/{seed}": key for arm, key in graph.arms(seed).items()}
    if spec.run.preview:
        answers["first_answer"] = graph.roles["first_answer"]
    test = {"test": facts[spec.run.seeds[0]]["fingerprints"]["test"]}
    graph.add(
        "evaluation",
        evaluation.VERSION,
        {"level": spec.run.level, "seeds": list(spec.run.seeds)},
        {**test, **answers},
        needs={"data": data[spec.run.seeds[0]].key, **answers},
        role="evaluation",
        label="evaluation",
    )
    return RunPlan(graph.calls, graph.roles, graph.n_naive)


def references(spec: Spec, facts: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the references that can be trained: a ceiling needs true labels of unlabelled rows."""
    able = {"ceiling": facts["n_hidden"] == facts["rows"]["unlabelled"]}
    return tuple(name for name in spec.run.references if able.get(name, True))


def teacher_columns(teacher: TeacherSpec) -> tuple[str, ...]:
    """Return the columns that a teacher of kind "column" reads."""
    if teacher.kind != "column" or teacher.column is None:
        return ()
    return (teacher.column,) if isinstance(teacher.column, str) else teacher.column


def first_answer_seeds(spec: Spec) -> tuple[int, ...]:
    """Return the seeds of the first answer on frozen features: three where that is cheap.

    A teacher that must be fine-tuned is trained for the seeds of the run alone.
    """
    if not spec.run.preview:
        return ()
    seeds = list(spec.run.seeds)
    if spec.teacher.kind == "finetune":
        return tuple(seeds[:FIRST_ANSWER_SEEDS])
    extra = (seed for seed in range(len(seeds) + FIRST_ANSWER_SEEDS) if seed not in seeds)
    while len(seeds) < FIRST_ANSWER_SEEDS:
        seeds.append(next(extra))
    return tuple(seeds[:FIRST_ANSWER_SEEDS])


def settings_of(spec: Spec, precision: str) -> Settings:
    """Return the student's settings with every "auto" resolved."""
    s = spec.student
    lr, lr_head = strong_student.default_rates(s.policy)
    return Settings(
        model=str(s.model),
        layers=None,
        policy=s.policy,
        method=s.method,
        epochs=s.epochs,
        lr=lr if s.lr == "auto" else s.lr,
        lr_head=lr_head if s.lr_head == "auto" else s.lr_head,
        ratio=s.ratio,
        batch_size=s.batch_size,
        micro_batch_size=s.micro_batch_size,
        max_length=s.max_length,
        weight_decay=s.weight_decay,
        warmup=s.warmup,
        max_grad_norm=s.max_grad_norm,
        precision=precision if s.precision == "auto" else s.precision,
        patience=s.early_stopping,
        held_out=s.held_out,
    )


class _Graph:
    def __init__(
        self,
        spec: Spec,
        data: Mapping[int, Call],
        facts: Mapping[int, Mapping[str, Any]],
        precision: str,
    ) -> None:
        self.spec, self.data, self.facts = spec, data, facts
        self.settings = settings_of(spec, precision)
        self.environment = training_environment()
        self.calls: dict[str, Call] = {}
        self.roles: dict[str, str] = {}
        self.n_naive = 0
        if spec.run.preview:
            self.first_answer()

    def add(
        self,
        stage: str,
        version: int,
        settings: Mapping[str, Any],
        inputs: Mapping[str, Any],
        *,
        needs: Mapping[str, str],
        role: str,
        label: str,
        given: Mapping[str, Any] | None = None,
    ) -> str:
        body = {
            "stage": stage,
            "version": version,
            "spec": dict(settings),
            "inputs": dict(inputs),
        }
        call = Call(stage, body, needs, given or {}, label)
        self.calls.setdefault(call.key, call)
        self.roles[role] = call.key
        return call.key

    def arms(self, seed: int) -> dict[str, str]:
        """Return arm → key of the artifact that holds its answers on the test part."""
        wanted = references(self.spec, self.facts[seed])
        teacher = self.teacher(seed)
        pseudo = self.pseudo_labels(seed, teacher, "teacher")
        loss = self.spec.student.loss
        labelled = {"labelled": self.part(seed, "labelled")}
        arms = {"teacher": teacher}
        plain = self.train(seed, "student", {"pseudo": pseudo}, loss)
        needs_mixed = "mixed" in wanted or self.spec.student.labelled == "mixed"
        needs_own = needs_mixed or "self_training" in wanted
        if needs_own or "strong_on_labelled" in wanted:
            arms["strong_on_labelled"] = self.train(seed, "strong_on_labelled", labelled, "ce")
        if needs_own:
            own = self.pseudo_labels(seed, arms["strong_on_labelled"], "strong_on_labelled")
            if "self_training" in wanted:
                arms["self_training"] = self.train(seed, "self_training", {"pseudo": own}, "ce")
            if needs_mixed:
                sources = {**labelled, "pseudo": pseudo, "own": own}
                arms["mixed"] = self.train(seed, "mixed", sources, loss)
        if "student_then_labels" in wanted or self.spec.student.labelled == "after":
            arms["student_then_labels"] = self.train(
                seed, "student_then_labels", labelled, "ce", start=plain
            )
        if "ceiling" in wanted:
            hidden = {"hidden": self.part(seed, "hidden")}
            arms["ceiling"] = self.train(seed, "ceiling", hidden, "ce")
        chosen = {"none": plain, "after": arms.get("student_then_labels"), "mixed": None}
        arms["student"] = chosen[self.spec.student.labelled] or arms["mixed"]
        self.roles[f"student/{seed}"] = arms["student"]
        self.n_naive += len(arms) - 1
        return arms

    def part(self, seed: int, name: str) -> str:
        return self.facts[seed]["fingerprints"][name]

    def teacher(self, seed: int) -> str:
        t = self.spec.teacher
        settings: dict[str, Any] = {"kind": t.kind, "cross_fit": t.cross_fit, "seed": seed}
        given: dict[str, Any] = {}
        needs = {"data": self.data[seed].key}
        inputs = {name: self.part(seed, name) for name in ("unlabelled", "test_texts")}
        if t.kind in ("tfidf", "sklearn", "probe"):
            settings["folds"] = t.folds
        if t.kind != "column":
            inputs["labelled"] = self.part(seed, "labelled")
        else:
            settings["columns"] = list(teacher_columns(t))
            inputs["given"] = self.part(seed, "given")
        if t.kind == "sklearn":
            settings["estimator"] = _identity("teacher.estimator", t.estimator)
            given["estimator"] = t.estimator.value if isinstance(t.estimator, Named) else t.estimator
        if t.kind == "probe":
            settings |= self.model_identity(t.model)
            settings |= {"layers": t.layers, "precision": self.settings.precision}
            given["model"] = t.model
        if t.kind == "finetune":
            lr, lr_head = strong_student.default_rates(t.policy)
            tuned = {
                **vars(self.settings),
                "model": t.model,
                "layers": t.layers,
                "policy": t.policy,
                "method": "full",
                "epochs": t.epochs,
                "lr": lr if t.lr == "auto" else t.lr,
                "lr_head": lr_head,
                "ratio": 1.0,
                "patience": 0,
            }
            given["settings"] = Settings(**tuned)
            settings |= {**self.training_identity(Settings(**tuned)), **self.environment}
        return self.add(
            "weak_teacher",
            weak_teacher.VERSION,
            settings,
            inputs,
            needs=needs,
            given=given,
            role=f"teacher/{seed}",
            label=f"teacher, seed {seed}",
        )

    def pseudo_labels(self, seed: int, labeller: str, who: str) -> str:
        t = self.spec.teacher
        own = who != "teacher"
        settings = {
            "labels": "soft" if own else t.labels,
            "temperature": 1.0 if own else t.temperature,
        }
        return self.add(
            "pseudo_labels",
            pseudo_labels.VERSION,
            settings,
            {"labeller": labeller, "unlabelled": self.part(seed, "unlabelled")},
            needs={"data": self.data[seed].key, "labeller": labeller},
            given={"settings": self.settings if own else None},
            role=f"pseudo_labels of {who}/{seed}",
            label=f"pseudo-labels of {who}, seed {seed}",
        )

    def train(
        self,
        seed: int,
        arm: str,
        sources: Mapping[str, str],
        loss: str | Named,
        start: str | None = None,
    ) -> str:
        settings = {
            **self.training_identity(self.settings),
            **self.environment,
            "loss": _identity("student.loss", loss),
            "seed": seed,
        }
        needs = {"data": self.data[seed].key}
        needs |= {name: key for name, key in sources.items() if name in ("pseudo", "own")}
        inputs: dict[str, Any] = {**sources, "test": self.part(seed, "test_texts")}
        if start is not None:
            inputs["start"] = needs["start"] = start
        return self.add(
            "strong_student",
            strong_student.VERSION,
            settings,
            inputs,
            needs=needs,
            given={
                "settings": self.settings,
                "loss": loss.value if isinstance(loss, Named) else loss,
                "sources": tuple(sources),
            },
            role=f"{arm}/{seed}",
            label=f"{arm}, seed {seed}",
        )

    def first_answer(self) -> None:
        seeds = first_answer_seeds(self.spec)
        told: dict[str, str] = {}
        for seed in seeds:
            told[f"teacher/{seed}"] = self.teacher(seed)
            told[f"pseudo/{seed}"] = self.pseudo_labels(seed, told[f"teacher/{seed}"], "teacher")
        data = {f"data/{seed}": self.data[seed].key for seed in seeds}
        names = ("labelled", "unlabelled", "test")
        parts = {f"{n}/{s}": self.part(s, n) for s in seeds for n in names}
        frozen = {
            **self.model_identity(self.settings.model),
            "max_length": self.settings.max_length,
            "precision": self.settings.precision,
        }
        model = {"model": self.settings.model}
        features = self.add(
            "features",
            FEATURES_VERSION,
            frozen,
            {"texts": digest(sorted({self.part(s, f"{n}_texts") for s in seeds for n in names}))},
            needs=data,
            given=model,
            role="features",
            label="frozen features",
        )
        self.add(
            "first_answer",
            first_answer.VERSION,
            {"seeds": list(seeds), "level": self.spec.run.level},
            {"features": features, **parts, **told},
            needs={"features": features, **data, **told},
            role="first_answer",
            label="first answer on frozen features",
        )

    def training_identity(self, settings: Settings) -> dict[str, Any]:
        fields = dict(vars(settings))
        model = fields.pop("model")
        return {**fields, **self.model_identity(model)}

    def model_identity(self, model: str) -> dict[str, str]:
        from w2sg.models.backbone import fingerprint

        return {"model": fingerprint(model)}


@cache
def training_environment() -> dict[str, str]:
    """Return what of the machine enters the identity of a training."""
    import torch
    import transformers

    return {
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "device": "cuda" if torch.cuda.is_available() else "cpu",
        "attention": "sdpa",
    }


def _identity(name: str, value: Any) -> Any:
    if not isinstance(value, Named):
        return value
    if value.name is None or value.version is None:
        warnings.warn(
            f"{name} is a Python object without name and version: what depends on it is computed "
            f"again in every run; wrap it as w2sg.Named(object, name=…, version=…)",
            stacklevel=2,
        )
        return {"uncached": uuid.uuid4().hex}
    return value.identity
