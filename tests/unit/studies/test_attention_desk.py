"""The desk-scale study: its tasks, its pre-training, its ordering."""

import pytest
import torch

from w2sg.studies.attention.desk import (
    CLASSES,
    FIRST_KEY,
    PAIRS,
    SYMBOLS,
    TASKS,
    Scale,
    _task,
    attention_desk,
    pretrain,
    study,
)


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


@pytest.mark.slow
def test_ordering_of_the_roles():
    """The claims that hold on both tasks, and the one that holds on one of them only."""
    found = {claim.statement: claim.holds for claim in study().claims}
    for task in TASKS:
        assert found[f"{task}: V alone beats Q alone and K alone"]
        assert found[f"{task}: Q and V do as well as Q, K and V"]
        assert found[f"{task}: most of the gain over an untuned rate is not due to the ratio"]
    assert found["content: Q is not special: K and V do as well as Q and V"]
    assert not found["shift: Q is not special: K and V do as well as Q and V"]
