"""What the evaluation says of answers made by hand."""

import numpy as np

from w2sg.data.examples import Labelled
from w2sg.gain import gain
from w2sg.stages.evaluation import evaluate


def test_an_accuracy_stays_a_share():
    """Catches "96 % [89.8, 100.5]": the ends of a symmetric interval are not clipped by nature."""
    labels = np.arange(25) % 2
    ids = tuple(f"row {i}" for i in range(25))
    test = Labelled(ids, tuple(f"text {i}" for i in range(25)), labels, ("no", "yes"))
    right = 0.05 + 0.9 * np.eye(2)[labels]
    teacher, student = right.copy(), right.copy()
    teacher[0], student[:5] = right[0, ::-1], right[:5, ::-1]
    answers = {0: {"teacher": (ids, teacher), "student": (ids, student)}}
    found = evaluate(test, answers, level=0.95).facts["metrics"]
    correct = (teacher.argmax(axis=1) == labels).astype(float)
    assert gain(np.zeros(25), correct).high > 1.0
    assert found["teacher"]["accuracy"]["high"] == 1.0
    assert 0.5 < found["teacher"]["accuracy"]["low"] < found["teacher"]["accuracy"]["estimate"]
    assert found["student"]["accuracy"]["high"] < 1.0
