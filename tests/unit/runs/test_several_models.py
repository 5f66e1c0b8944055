"""Teachers of several models: each a teacher of all labelled rows, asked together."""

import numpy as np
import pytest
from tiny import save_bert

import w2sg
from w2sg.runs.payloads import read_probabilities
from w2sg.soft_labels import ensemble


@pytest.fixture(scope="module")
def other_model(tmp_path_factory):
    return save_bert(tmp_path_factory.mktemp("other-bert"), seed=7)


@pytest.fixture(scope="module")
def spec(tmp_path_factory, word_csv, tiny_model):
    return {
        "data": {"path": str(word_csv), "n_labelled": 60, "n_unlabelled": 100, "n_test": 60},
        "student": {"model": str(tiny_model), "policy": "head", "epochs": 1},
        "run": {
            "seeds": [0],
            "store": str(tmp_path_factory.mktemp("store")),
            "references": ["strong_on_labelled"],
            "preview": False,
        },
    }


def answers(result):
    return dict(
        zip(*read_probabilities(result.outcome.of_role("teacher/0"), "answers"), strict=True)
    )


@pytest.mark.parametrize(
    "kind",
    [
        {"kind": "probe", "layers": 1},
        {"kind": "finetune", "epochs": 1, "policy": "head", "combine": "primal"},
    ],
    ids=lambda kind: kind["kind"],
)
def test_the_answers_are_the_mean_of_the_models_alone(spec, tiny_model, other_model, kind):
    # Catches one model asked twice (one folder of checkpoints, one cache of features for both),
    # another mean than asked for, and members that see other rows than a teacher alone.
    models = [str(tiny_model), str(other_model)]
    one_kind = {name: value for name, value in kind.items() if name != "combine"}
    alone = [
        answers(w2sg.run({**spec, "teacher": {**one_kind, "model": one}}))
        for one in (models[0], [models[1]])
    ]
    both = w2sg.run({**spec, "teacher": {**kind, "model": models}})
    told = answers(both)
    assert not np.allclose(*(list(one.values()) for one in alone))
    how = kind.get("combine", "dual")
    stack = np.array([[one[name] for name in told] for one in alone])
    np.testing.assert_allclose(list(told.values()), ensemble(stack, how=how), atol=1e-9)
    facts = both.outcome.of_role("teacher/0").facts
    assert facts["members"] == 2
    assert len(facts["each"]) == 2


def test_identity_is_the_weights_of_all_models(spec, tiny_model, other_model):
    # Catches a key of the first model only, and one of the paths instead of the weights.
    def key(*models):
        teacher = {"kind": "probe", "layers": 1, "model": [str(m) for m in models]}
        return w2sg.run({**spec, "teacher": teacher}).outcome.plan.roles["teacher/0"]

    assert len({key(tiny_model), key(other_model), key(tiny_model, other_model)}) == 3


def test_forecast_and_explanation_know_several_models(spec, tiny_model, other_model):
    # Catches a rehearsal, or weak features, of one of them only.
    teacher = {"kind": "probe", "layers": 1, "model": [str(tiny_model), str(other_model)]}
    wide = {**spec, "teacher": {**teacher, "members": 2}}
    assert w2sg.preflight(wide).verdict
    found = w2sg.run({**spec, "teacher": teacher}).explain(untrained=False)
    withheld = {c.name for c in found.controls if c.gain.reason}
    assert withheld == {"untrained student", "re-regularised teacher", "mean teacher"}
    assert found.note is None


def test_rehearsal_together_is_the_mean_of_its_parts():
    # Catches a refit of the first teacher only, and features that are not side by side.
    from w2sg.stages import rehearsal_teacher

    rng = np.random.default_rng(0)
    x, y, seen = rng.normal(size=(2, 40, 3)), np.arange(30) % 2, np.arange(20)
    parts = [rehearsal_teacher.of_features(one, y, 2, seed=0) for one in x]
    made = rehearsal_teacher.together(parts, combine="dual")
    expected = ensemble(np.stack([one.refit(seen) for one in parts]), how="dual")
    np.testing.assert_allclose(made.refit(seen), expected)
    np.testing.assert_array_equal(made.weak, np.hstack(x))
