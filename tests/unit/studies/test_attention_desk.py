"""The desk-scale study: its tasks, its pre-training, its ordering."""

import numpy as np
import pytest
import torch

from w2sg.studies.attention.desk import (
    CLASSES,
    FIRST_KEY,
    PAIRS,
    SYMBOLS,
    DeskResult,
    Scale,
    _task,
    attention_desk,
    pretrain,
    study,
)
from w2sg.train.policies import RateGrid


@pytest.mark.parametrize("task", ["content", "shift"])
def test_labels_are_those_of_the_sequence(task):
    """Catches a label of the wrong pair: each is read off the tokens again, row by row."""
    tokens, labels = _task(200, task, 3)
    for row, label in zip(tokens.tolist(), labels.tolist(), strict=True):
        pairs = [(t // SYMBOLS, t % SYMBOLS) for t in row[:PAIRS]]
        key = row[-1] - FIRST_KEY
        place = [k for k, _ in pairs].index(key)
        value = pairs[place][1] + key if task == "content" else pairs[(place + 1) % PAIRS][1]
        assert label == value % CLASSES
    assert torch.bincount(labels, minlength=CLASSES).min() > 30


def test_pretraining_learns_to_recall():
    """Guessing among the pairs gives about 0.3; fine-tuning a body that cannot recall is void."""
    assert pretrain(Scale(width=32, layers=2)).recall > 0.95


def test_unknown_task_is_refused():
    with pytest.raises(ValueError, match="task must be one of content, shift"):
        attention_desk(pretrain(Scale(width=8, layers=1, pretraining_steps=1)), "copy")


RATES = (1e-4, 1e-3)
ACCURACY = {"q": 0.3, "k": 0.35, "v": 0.9, "qv": 0.95, "kv": 0.95, "qkv": 0.95}
GRID = [[0.3, 0.9], [0.4, 0.88]]  # accuracy over (η_Q, η_V)


def desk_claims(accuracy=None, grid=None, spread=0.005, seeds=5):
    """Verdicts on synthetic accuracies that vary over seeds."""
    rng = np.random.default_rng(0)
    roles = ACCURACY | (accuracy or {})
    by_roles = {r: mean + spread * rng.standard_normal((1, seeds)) for r, mean in roles.items()}
    scores = np.array(grid or GRID)[..., None] + spread * rng.standard_normal((2, 2, seeds))
    result = DeskResult("content", RATES[:1], by_roles, RateGrid(RATES, RATES, scores))
    return [claim.verdict for claim in result.claims()]


def test_claims_hold_for_accuracies_that_say_so():
    assert desk_claims() == ["holds"] * 4


@pytest.mark.parametrize(
    ("claim", "altered"),
    [
        (0, {"accuracy": {"q": 0.93}}),
        (0, {"accuracy": {"k": 0.93}}),
        (1, {"accuracy": {"kv": 0.9}}),
        (2, {"accuracy": {"qv": 0.9, "kv": 0.9}}),
        (3, {"grid": [[0.3, 0.9], [0.4, 0.5]]}),
    ],
)
def test_altered_accuracies_fail_their_claim(claim, altered):
    assert desk_claims(**altered)[claim] == "fails"


def test_a_tenth_of_a_point_over_the_margin_is_not_decided():
    # At two seeds KV 3.1 points below QV was printed as a failure.
    by_roles = {role: np.full((1, 2), mean) for role, mean in ACCURACY.items()}
    by_roles["kv"] = by_roles["qv"] - [[0.022, 0.04]]
    scores = np.array(GRID)[..., None] + [-0.01, 0.01]
    result = DeskResult("shift", RATES[:1], by_roles, RateGrid(RATES, RATES, scores))
    assert result.claims()[1].verdict == "cannot be told"
    assert desk_claims({"q": 0.9}, spread=0.02)[0] == "cannot be told"


def test_claims_pair_the_seeds():
    # Seeds move all roles alike; without pairing this spread hides V's lead over K.
    common = np.linspace(-0.2, 0.2, 5)
    by_roles = {
        role: (mean + common + 0.002 * np.random.default_rng(i).standard_normal(5))[None]
        for i, (role, mean) in enumerate((ACCURACY | {"k": 0.85}).items())
    }
    scores = np.array(GRID)[..., None] + common
    result = DeskResult("shift", RATES[:1], by_roles, RateGrid(RATES, RATES, scores))
    assert result.claims()[0].verdict == "holds"


@pytest.mark.slow
def test_ordering_of_the_roles():
    """The claims that hold on both tasks, and the one that eight seeds leave open on one."""
    found = {claim.statement: claim.verdict for claim in study().claims}
    open_one = "shift: Q is not special: K and V do as well as Q and V, to 3 points"
    assert found.pop(open_one) == "cannot be told"
    assert set(found.values()) == {"holds"}
