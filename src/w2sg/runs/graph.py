"""The calls of one run, built arm by arm; what is equal becomes one call."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from w2sg import arms
from w2sg.runs.identity import model_identity, object_identity, refuse_unknown
from w2sg.runs.resolve import (
    estimators,
    first_answer_seeds,
    models,
    references,
    refuse_endless,
    settings_of,
    teacher_columns,
    training_environment,
)
from w2sg.runs.store import digest
from w2sg.spec import Named, Spec
from w2sg.stages import (
    pseudo_labels,
    strong_student,
    weak_teacher,
)
from w2sg.stages.strong_student import Settings


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

    @cached_property
    def key(self) -> str:
        """The identity of what this call computes."""
        return digest(self.body)


class Graph:
    """Grows the calls of a run; `calls` and `roles` are what it has so far."""

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
        self.said: dict[str, str] = {}  # key of pseudo-labels → identity of what they say
        self.objects: dict[str, Any] = {}
        refuse_unknown(spec)
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
        """Add a call, or find the equal one, and return its key."""
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
        wanted = references(self.spec, [self.facts[s] for s in self.spec.run.seeds])
        chosen = arms.student_of(self.spec.student.labelled).name
        teacher = self.teacher(seed)
        labels = {
            "labelled": self.part(seed, "labelled"),
            "pseudo": self.pseudo_labels(seed, teacher, "teacher"),
            "hidden": self.part(seed, "hidden"),
        }
        keys: dict[str, str] = {}
        # parents stand before children, so the start and the model that gives its own labels are
        # there when an arm is added
        for arm in _with_parents([chosen, *wanted]):
            if "own" in arm.sources and "own" not in labels:
                labeller = arms.LABELS_OF_ITSELF
                labels["own"] = self.pseudo_labels(seed, keys[labeller], labeller)
            keys[arm.name] = self.train(
                seed,
                arm.name,
                {source: labels[source] for source in arm.sources},
                self.spec.student.loss if arm.loss == "spec" else "ce",
                start=None if arm.start is None else keys[arm.start],
            )
        keys["student"] = keys.pop(chosen)  # the student of the run is not compared with itself
        self.roles[f"student/{seed}"] = keys["student"]
        self.n_naive += len(keys)
        return {"teacher": teacher, **{name: keys[name] for name in arms.in_order(tuple(keys))}}

    def part(self, seed: int, name: str) -> str:
        """Return the fingerprint of a part of the data."""
        return self.facts[seed]["fingerprints"][name]

    def teacher(self, seed: int) -> str:
        """Add the teacher; only what its kind uses enters the identity."""
        t = self.spec.teacher
        settings: dict[str, Any] = {"kind": t.kind, "cross_fit": t.cross_fit, "seed": seed}
        given: dict[str, Any] = {}
        needs = {"data": self.data[seed].key}
        inputs = {name: self.part(seed, name) for name in ("unlabelled", "test_texts")}
        if t.members > 1 or isinstance(t.estimator, tuple) or len(models(t)) > 1:
            # one teacher keeps the identity that it had before there were several
            settings |= {"members": t.members, "combine": t.combine, "bootstrap": t.bootstrap}
        if t.kind in ("tfidf", "sklearn", "probe"):
            settings["folds"] = t.folds
        if t.kind != "column":
            inputs["labelled"] = self.part(seed, "labelled")
        else:
            settings["columns"] = list(teacher_columns(t))
            settings["classes"] = list(self.facts[seed]["label_names"])
            settings["reading"] = weak_teacher.COLUMN_VERSION
            if t.classes is not None:
                settings["classes_of_column"] = list(t.classes)
            inputs["given"] = self.part(seed, "given")
        if t.kind == "sklearn":
            settings["estimator"] = self.estimator_identity()
            given["estimators"] = tuple(
                e.value if isinstance(e, Named) else e for e in estimators(t)
            )
        if t.kind == "probe":
            settings |= model_identity(*models(t))
            settings |= {"layers": t.layers, "precision": self.settings.precision}
            each = enumerate(self.teacher_features(seed, [seed]))
            needs |= {f"features/{i}": key for i, key in each}
            inputs |= {name: key for name, key in needs.items() if name != "data"}
        if t.kind == "finetune":
            from w2sg.stages import fine_tuned_teacher

            lr, lr_head = strong_student.default_rates(t.policy)
            epochs = fine_tuned_teacher.EPOCHS if t.epochs == "auto" else (t.epochs,)
            tuned = {
                **vars(self.settings),
                "layers": t.layers,
                "policy": t.policy,
                "method": "full",
                "epochs": epochs[0],
                "lr": lr if t.lr == "auto" else t.lr,
                "lr_head": lr_head,
                "ratio": 1.0,
                "patience": 0,
            }
            n = self.facts[seed]["rows"]["labelled"]
            refuse_endless("teacher.epochs", epochs[-1], epochs[-1], n, self.settings.batch_size)
            several = tuple(Settings(**{**tuned, "model": model}) for model in models(t))
            given |= {"settings": several, "epochs": epochs, "folds": t.folds}
            settings |= {**self.training_identity(several[0]), **self.environment}
            settings |= model_identity(*models(t))
            if len(epochs) > 1:
                settings |= {"epochs": list(epochs), "folds": t.folds}
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
        """Add the labels that a teacher, or a trained strong model, gives the unlabelled part."""
        t = self.spec.teacher
        own = who != "teacher"
        settings: dict[str, Any] = {
            "labels": "soft" if own else t.labels,
            "temperature": 1.0 if own else t.temperature,
        }
        if t.shrink != 1.0 and not own:
            settings["shrink"] = t.shrink
        told = {"labeller": labeller, "unlabelled": self.part(seed, "unlabelled")}
        key = self.add(
            "pseudo_labels",
            pseudo_labels.VERSION,
            settings,
            {**told, "hidden": self.part(seed, "hidden")},
            needs={"data": self.data[seed].key, "labeller": labeller},
            given={"settings": self.settings if own else None},
            role=f"pseudo_labels of {who}/{seed}",
            label=f"pseudo-labels of {who}, seed {seed}",
        )
        # true labels measure pseudo-labels and change nothing that is trained on them
        self.said[key] = digest({"version": pseudo_labels.VERSION, "spec": settings, **told})
        return key

    def train(
        self,
        seed: int,
        arm: str,
        sources: Mapping[str, str],
        loss: str | Named,
        start: str | None = None,
    ) -> str:
        """Add a training of the strong model; the arm is a label, its sources the identity."""
        how, student = self.settings, self.spec.student
        rows = self.facts[seed]["rows"]
        n = rows["labelled"] * ("labelled" in sources)
        if set(sources) == {"labelled"}:
            least = student.min_steps * how.batch_size / n
            refuse_endless("student.min_steps", student.min_steps, least, n, how.batch_size)
            how = replace(how, epochs=max(how.epochs, least))
        else:
            n += rows["unlabelled"]
        refuse_endless("student.epochs", student.epochs, student.epochs, n, how.batch_size)
        if student.lr == "auto":
            n_steps = how.epochs * n / how.batch_size
            how = replace(how, lr=strong_student.default_rates(how.policy, n_steps)[0])
        if not {"pseudo", "own"} & set(sources):
            how = replace(how, patience=0)  # stopping looks at held-out pseudo-labels
        settings = {
            **self.training_identity(how),
            **self.environment,
            "loss": self.object_identity("student.loss", loss),
            "seed": seed,
        }
        needs = {"data": self.data[seed].key}
        needs |= {name: key for name, key in sources.items() if name in ("pseudo", "own")}
        inputs: dict[str, Any] = {name: self.said.get(key, key) for name, key in sources.items()}
        inputs["test"] = self.part(seed, "test_texts")
        if start is not None:
            inputs["start"] = needs["start"] = start
        return self.add(
            "strong_student",
            strong_student.VERSION,
            settings,
            inputs,
            needs=needs,
            given={
                "settings": how,
                "loss": loss.value if isinstance(loss, Named) else loss,
                "sources": tuple(sources),
            },
            role=f"{arm}/{seed}",
            label=f"{arm}, seed {seed}",
        )

    def first_answer(self) -> None:
        """Add the experiment on frozen features, and the features."""
        from w2sg.stages import first_answer

        seeds = first_answer_seeds(self.spec)
        told: dict[str, str] = {}
        for seed in seeds:
            told[f"teacher/{seed}"] = self.teacher(seed)
            told[f"pseudo/{seed}"] = self.pseudo_labels(seed, told[f"teacher/{seed}"], "teacher")
        data = {f"data/{seed}": self.data[seed].key for seed in seeds}
        names = ("labelled", "unlabelled", "test", "hidden")
        parts = {f"{n}/{s}": self.part(s, n) for s in seeds for n in names}
        features = self.features(seeds)
        self.add(
            "first_answer",
            first_answer.VERSION,
            {"seeds": list(seeds), "level": self.spec.run.level},
            {"features": features, **parts, **told},
            needs={"features": features, **data, **told},
            role="first_answer",
            label="first answer on frozen features",
        )

    def features(
        self,
        seeds: Iterable[int],
        *,
        model: str | None = None,
        role: str = "features",
        **how: int | None,
    ) -> str:
        """Add the frozen features of all texts of some seeds.

        Args:
            seeds: The seeds.
            model: Of which model; the student's by default.
            role: Role of the features.
            how: ``layers`` or ``untrained`` of `pooled_features`, where not as usual.
        """
        from w2sg.models import features as extraction

        model = model or self.settings.model
        settings = {
            **model_identity(model),
            "max_length": self.settings.max_length,
            "precision": self.settings.precision,
            **{name: value for name, value in how.items() if value is not None},
        }
        names = ("labelled_texts", "unlabelled_texts", "test_texts")
        return self.add(
            "features",
            extraction.VERSION,
            settings,
            {"texts": digest(sorted({self.part(s, name) for s in seeds for name in names}))},
            needs={f"data/{seed}": self.data[seed].key for seed in seeds},
            given={"model": model},
            role=role,
            label="frozen features"
            if role == "features"
            else f"frozen features, {role.replace('/', ', seed ')}",
        )

    def teacher_features(self, seed: int, seeds: Iterable[int]) -> list[str]:
        """Add the features of a teacher's models, one key each.

        A probe's are those of its own seed, on which its head stands; a fine-tuned teacher's stand
        for it in forecasts and controls, of all `seeds` together.
        """
        t = self.spec.teacher
        own = t.kind == "probe"
        names = [f"teacher's{f', model {i}' if i else ''}" for i in range(len(models(t)))]
        return [
            self.features(
                [seed] if own else seeds,
                model=model,
                role=f"{name}/{seed}" if own else name,
                layers=t.layers,
            )
            for name, model in zip(names, models(t), strict=True)
        ]

    def training_identity(self, settings: Settings) -> dict[str, Any]:
        """Return all settings of a training, the model by its weights instead of its place."""
        fields = dict(vars(settings))
        model = fields.pop("model")
        if not settings.patience:
            del fields["held_out"]
        return {**fields, **model_identity(model)}

    def object_identity(self, name: str, value: Any) -> Any:
        """Return what stands for a value that may be a Python object, one answer per run."""
        if not isinstance(value, Named):
            return value
        if name not in self.objects:
            self.objects[name] = object_identity(name, value)
        return self.objects[name]

    def estimator_identity(self) -> Any:
        """Return what stands for the teacher's scikit-learn classifier, or for each of several."""
        given = self.spec.teacher.estimator
        if not isinstance(given, tuple):
            return self.object_identity("teacher.estimator", given)
        return [self.object_identity(f"teacher.estimator[{i}]", e) for i, e in enumerate(given)]


def _with_parents(names: Iterable[str]) -> list[arms.Arm]:
    """The trained arms of these names and all that they go on from, parents first."""
    wanted = set(names)
    order = arms.trained()
    for arm in reversed(order):
        if arm.name in wanted:
            wanted.update(arm.parents)
    return [arm for arm in order if arm.name in wanted]
