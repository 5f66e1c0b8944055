"""Bugs that weak-to-strong code has shipped, one test each, named after the bug.

Each test fails on the behaviour that was published; most have a longer test elsewhere.
"""

from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest
import torch
from tiny import tables

from w2sg import losses
from w2sg.data.splits import divide
from w2sg.data.synthetic import word_table
from w2sg.gain import pgr
from w2sg.models.backbone import encode, load_classifier, logits
from w2sg.runs.execute import execute
from w2sg.runs.graph import Graph
from w2sg.runs.resolve import settings_of
from w2sg.runs.store import digest
from w2sg.spec import load


def test_confidence_ramp_jumps_instead_of_growing():
    """The coefficient grew to a tenth and then jumped to one."""
    loss = losses.get("confidence")
    weights = np.array([loss.schedule(step, 1000) for step in range(1001)])
    assert np.diff(weights).max() < 0.02
    assert (np.diff(weights) >= 0).all()
    assert weights[0] == 0


def test_resume_never_loads_weights(word_csv, tiny_model, tmp_path):
    """A finished run that was read back answered with an untrained head, at chance."""
    from w2sg.runs.payloads import read_parts, read_probabilities, read_weights
    from w2sg.stages import strong_student

    made = tables(
        word_csv, tiny_model, tmp_path / "s", run={"references": []}, student={"policy": "qv"}
    )
    execute(load(made))
    outcome = execute(load(made))
    assert outcome.computed == ()
    artifact = outcome.of_role("student/0")
    parts = read_parts(outcome.artifact(outcome.data[0]))
    settings = settings_of(outcome.spec, "float32")
    untrained = strong_student.load(settings, parts.label_names, {}, seed=0)
    student = strong_student.load(settings, parts.label_names, read_weights(artifact), seed=0)
    ids, stored = read_probabilities(artifact, "answers")
    assert ids == parts.test.ids
    asked = parts.test.unlabelled()
    np.testing.assert_allclose(strong_student.ask(student, asked, settings), stored, atol=1e-6)
    assert not np.allclose(strong_student.ask(untrained, asked, settings), stored, atol=1e-3)


@pytest.mark.parametrize("model", ["tiny_model", "tiny_gpt2"])
def test_token_zero_is_taken_for_padding(request, model):
    """ "!" has id 0 in GPT-2's vocabulary: each one moved the read-out a token earlier."""
    classifier = load_classifier(str(request.getfixturevalue(model)), ("a", "b"), seed=0)
    texts = ["w1 w2 !", "w1 w2", "! ! !", "w3 w4 w5 w6 w7"]
    encoded = encode(classifier.tokenizer, texts)
    assert encoded.inputs[2]["input_ids"].count(0) == 3
    together = logits(classifier, encoded)
    apart = np.vstack([logits(classifier, encoded.take([i])) for i in range(4)])
    np.testing.assert_allclose(together, apart, atol=1e-5)
    assert abs(together[0] - together[1]).max() > 1e-3  # the mark at the end is read


def test_quantile_depends_on_the_micro_batch():
    """The threshold of a whole optimizer batch, whatever the parts it is computed in."""
    rng = np.random.default_rng(0)
    z = torch.tensor(rng.normal(size=(12, 2)) * 3, dtype=torch.float64)
    q = torch.tensor(rng.dirichlet([1, 1], size=12))
    for name in ("confidence", "cace:quantile=0.5"):
        loss = losses.get(name)
        assert loss.needs_batch
        context = loss.batch_statistics(z, q, step=9, n_steps=10)
        whole = loss(z, q, context=context)
        parts = [loss(z[i : i + 3], q[i : i + 3], context=context) for i in range(0, 12, 3)]
        torch.testing.assert_close(torch.cat(parts), whole)


@pytest.mark.parametrize(("teacher", "ceiling"), [(0.8, 0.7), (0.7, 0.7), (0.5, 0.505)])
def test_pgr_is_printed_without_a_gap(teacher, ceiling):
    """With the ceiling at or below the teacher, or both at chance, the ratio means nothing."""
    rng = np.random.default_rng(0)
    t, s, c = ((rng.random((3, 400)) < a) * 1.0 for a in (teacher, 0.75, ceiling))
    found = pgr(t, s, c)
    assert found.estimate is None
    assert found.reason


def test_ceiling_learns_from_another_half_than_the_student(word_csv, tiny_model, tmp_path):
    """Then their difference is not the price of weak labels alone."""
    parts = divide(word_table(300), n_labelled=50, n_unlabelled=150, n_test=50, seed=3)
    assert parts.hidden.ids == parts.unlabelled.ids
    assert parts.hidden.texts == parts.unlabelled.texts
    outcome = execute(load(tables(word_csv, tiny_model, tmp_path / "s")))
    student, ceiling = (outcome.of_role(f"{arm}/0") for arm in ("student", "ceiling"))
    assert student.facts["n_train"] == ceiling.facts["n_train"] == 60
    without = {"loss"}
    specs = [
        {k: v for k, v in a.manifest.body["spec"].items() if k not in without}
        for a in (student, ceiling)
    ]
    assert specs[0] == specs[1]


def other(value):
    if isinstance(value, str):
        return value + "x"
    return 7 if value is None else value + 1


def test_cache_key_misses_a_setting(tiny_model):
    """Every setting of a training is in its identity; the model by its weights."""
    spec = load({"data": {"bundled": "qnli"}, "student": {"model": str(tiny_model)}})
    settings = replace(settings_of(spec, "float32"), patience=2)  # all of it is used
    graph = Graph.__new__(Graph)
    start = digest(graph.training_identity(settings))
    for field in fields(settings):
        if field.name != "model":
            changed = replace(settings, **{field.name: other(getattr(settings, field.name))})
            assert digest(graph.training_identity(changed)) != start, field.name


def test_first_failure_takes_the_whole_sweep_along(word_csv, tiny_model, tmp_path, monkeypatch):
    """One arm that fails leaves the others, and they are not computed again."""
    from w2sg.runs.execute import RunFailed
    from w2sg.stages import strong_student

    before = strong_student.train

    def train(parts, *args, **options):
        if options["loss"].name.startswith("reverse_ce"):
            raise RuntimeError("out of memory")
        return before(parts, *args, **options)

    monkeypatch.setattr(strong_student, "train", train)
    made = tables(word_csv, tiny_model, tmp_path / "s", student={"loss": "reverse_ce"})
    with pytest.raises(RunFailed, match="student, seed 0: out of memory"):
        execute(load(made))
    monkeypatch.undo()
    outcome = execute(load(made))
    stages = [outcome.manifests[key].body["stage"] for key in outcome.computed]
    assert stages == ["strong_student", "evaluation"]


def test_labels_are_paired_by_position(word_csv, tiny_model, tmp_path):
    """A file in another order gives the same run, not labels of other rows."""
    made = tables(word_csv, tiny_model, tmp_path / "s", run={"references": []})
    first = execute(load(made))
    pd.read_csv(word_csv, dtype=str).sample(frac=1, random_state=5).to_csv(
        tmp_path / "b.csv", index=False
    )
    moved = {"data.path": str(tmp_path / "b.csv"), "run.store": str(tmp_path / "other")}
    again = execute(load(made, moved))
    assert again.plan.roles == first.plan.roles
    assert again.of_role("evaluation").facts == first.of_role("evaluation").facts
