"""What can be known of a run's models and classifiers before its first stage is computed.

Each model that a stage to come would load is loaded once, asked about the longest texts, and
prepared as it would be trained: what is wrong with it costs seconds here, and there the hours of
the stages before it.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from w2sg.data.parts import Parts
from w2sg.runs.graph import Call
from w2sg.runs.payloads import Artifact, read_parts
from w2sg.runs.store import Store, read_manifest
from w2sg.stages.strong_student import Settings

LONGEST = 4  # texts of the batch that is tried; the shortest is put beside them, to be padded


def refuse_unusable(
    calls: Iterable[Call],
    load: Callable[[str], Artifact],
    store: Store,
    student: str,
    seen: set[Any] | None = None,
) -> None:
    """Load and try every model and classifier that calls would use and that are not stored yet.

    Args:
        calls: Planned stages; the data that they need are divided.
        load: Key of divided data → where they lie.
        store: What is stored.
        student: The student's model, by which the text says whose model it is.
        seen: What earlier calls of this function have tried, added to.

    Raises:
        ValueError: A model or classifier cannot be used as the spec says; the text names the field.
    """
    pending = [call for call in calls if call.stage in _USES and not _is_done(store, call.key)]
    seen = set() if seen is None else seen
    parts: dict[str, Parts] = {}
    for call in pending:
        data = next(key for role, key in call.needs.items() if role.partition("/")[0] == "data")
        for use in _USES[call.stage](call, student):
            asked = (use.identity, tuple(load(data).facts["label_names"]))
            if asked not in seen:
                seen.add(asked)
                use.check(parts.setdefault(data, read_parts(load(data))))


@dataclass(frozen=True)
class _Training:
    """A model as it would be fine-tuned."""

    who: str
    settings: Settings

    @property
    def identity(self) -> Any:
        s = self.settings
        return (self.who, s.model, s.layers, s.policy, s.method, s.ratio == 1.0, s.max_length)

    def check(self, parts: Parts) -> None:
        import torch

        from w2sg.models.backbone import encode, load_classifier, logits
        from w2sg.models.loading import explained
        from w2sg.train import policies

        s = self.settings
        _check_layers(self.who, s.model, s.layers)
        with torch.random.fork_rng(devices=[]):
            with _of_field(f"{self.who}.model"):
                made = load_classifier(s.model, parts.label_names, seed=0, layers=s.layers)
                texts, pairs = _tried(parts, made.model, made.tokenizer)
                encoded = encode(made.tokenizer, texts, pairs, max_length=s.max_length)
                with explained(s.model, "cannot read the longest texts"):
                    logits(made, _longest(encoded, made.model, made.tokenizer, s.model))
            with _of_field(f"{self.who}.policy = {s.policy!r}, {self.who}.method = {s.method!r}"):
                policies.apply(made.model, s.policy, s.ratio, s.lr, s.lr_head, s.method)


@dataclass(frozen=True)
class _Features:
    """A model whose frozen features would be made."""

    who: str
    model: str
    layers: int | None
    untrained: int | None
    max_length: int

    @property
    def identity(self) -> Any:
        return (self.who, self.model, self.layers, self.untrained is None, self.max_length)

    def check(self, parts: Parts) -> None:
        from w2sg.models.backbone import encode
        from w2sg.models.features import load_encoder, read_encoded

        _check_layers(self.who, self.model, self.layers, first=0)
        with _of_field(f"{self.who}.model"):
            network, tokenizer = load_encoder(self.model, untrained=self.untrained)
            texts, pairs = _tried(parts, network, tokenizer)
            encoded = encode(tokenizer, [*texts, *(pairs or ())], max_length=self.max_length)
            chosen = _longest(encoded, network, tokenizer, self.model)
            read_encoded(network, tokenizer, chosen, self.model, layers=self.layers)


@dataclass(frozen=True)
class _Estimator:
    """A classifier of scikit-learn that would be fitted."""

    estimator: Any

    @property
    def identity(self) -> Any:
        return id(self.estimator)

    def check(self, parts: Parts) -> None:
        from w2sg.models.estimators import check_estimator

        check_estimator(self.estimator, parts.label_names)


def _student(call: Call, _: str) -> list[Any]:
    return [_Training("student", call.given["settings"])]


def _teacher(call: Call, _: str) -> list[Any]:
    if "estimators" in call.given:
        return [_Estimator(one) for one in call.given["estimators"]]
    return [_Training("teacher", how) for how in call.given.get("settings", ())]


def _frozen(call: Call, student: str) -> list[Any]:
    model, how = call.given["model"], call.body["spec"]
    who = "student" if model == student and "layers" not in how else "teacher"
    return [_Features(who, model, how.get("layers"), how.get("untrained"), how["max_length"])]


_USES: dict[str, Callable[[Call, str], list[Any]]] = {
    "strong_student": _student,
    "weak_teacher": _teacher,
    "features": _frozen,
}


def _check_layers(who: str, model: str, layers: int | None, *, first: int = 1) -> None:
    from w2sg.models.backbone import read_config

    with _of_field(f"{who}.model"):
        total = int(getattr(read_config(model), "num_hidden_layers", 0))
    if layers is not None and not first <= layers <= total:
        raise ValueError(f"{who}.layers = {layers}: {model!r} has layers {first} to {total}")


def _tried(parts: Parts, model: Any, tokenizer: Any) -> tuple[list[str], list[str] | None]:
    """The texts to try: the longest and the shortest, or all where some may hold unknown tokens."""
    from w2sg.models.inputs import embedded, knows_more

    each = (parts.labelled, parts.unlabelled, parts.test)
    texts = [text for part in each for text in part.texts]
    paired = parts.unlabelled.pairs is not None
    pairs = [pair for part in each for pair in part.pairs or ()] if paired else None
    n = embedded(model)
    if n is None or not knows_more(tokenizer, n):
        sizes = [len(text) + (len(pairs[i]) if pairs else 0) for i, text in enumerate(texts)]
        order = sorted(range(len(texts)), key=sizes.__getitem__)
        rows = [*order[:1], *order[-LONGEST:]]
        texts, pairs = [texts[i] for i in rows], pairs and [pairs[i] for i in rows]
    return texts, pairs


def _longest(encoded: Any, model: Any, tokenizer: Any, name: str) -> Any:
    """Check the tokens of all rows, and return the longest and the shortest."""
    from w2sg.models.inputs import check_tokens

    check_tokens(model, tokenizer, encoded.inputs, name)
    order = encoded.lengths.argsort()
    return encoded.take([*order[:1], *order[-LONGEST:]])


def _is_done(store: Store, key: str) -> bool:
    """Whether a stage is stored, as far as its manifest says; its bytes are checked when read."""
    try:
        return read_manifest(store.folder(key)).status == "done"
    except (OSError, ValueError):
        return False


@contextlib.contextmanager
def _of_field(field: str) -> Iterator[None]:
    """Say which field of the spec names what is refused."""
    try:
        yield
    except ValueError as error:
        cause = None if error.__suppress_context__ else error
        raise ValueError(f"{field}: {error}") from cause
