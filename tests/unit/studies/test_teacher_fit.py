"""The claims about following the teacher, on answers that are made up to hold or to fail."""

import numpy as np
import pytest

from w2sg import losses
from w2sg.studies.bias_variance.solvers import train_linear
from w2sg.studies.bias_variance.teacher_fit import Cell, teacher_fit
from w2sg.studies.bias_variance.text_heads import TextArrays, fit_grid

SEEDS, ITEMS = 3, 400


def cells(loss_of_epochs=0.1):
    """Students who are right with a probability that falls with epochs and rises with entropy."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, ITEMS)
    right = np.eye(3)[truth]
    wrong = np.eye(3)[(truth + 1) % 3]
    made = []
    for members, teacher_right in ((1, 0.6), (5, 0.6)):
        good = rng.random((SEEDS, ITEMS, 1)) < teacher_right
        teacher = 0.8 * np.where(good, right, wrong) + 0.2 / 3
        for e, epochs in enumerate((1.0, 4.0, 16.0)):
            for loss in ("ce", "ce+0.1*entropy"):
                follows = rng.random((SEEDS, ITEMS, 1)) < 0.5 + 0.2 * e
                able = rng.random((SEEDS, ITEMS, 1)) < 0.9 - loss_of_epochs * e
                own = np.where(able, right, wrong)
                student = np.where(follows, teacher, 0.6 * own + 0.4 / 3)
                made.append(Cell(epochs, loss, members, teacher, student))
    return truth, made


def test_claims_follow_the_answers():
    """Catches a sign or a reference exchanged: stopping early helps here, the rest does nothing."""
    truth, made = cells()
    found = teacher_fit(truth, made)
    held = {claim.statement: claim.holds for claim in found.claims}
    assert held == {
        "More epochs follow the teacher more closely": True,
        "Stopping before 16 epochs is more accurate: 1.0 against 16.0": True,
        "Stopping before 16 epochs is more accurate: 4.0 against 16.0": True,
        "A student pushed to lower entropy is more accurate: ce+0.1*entropy against ce": False,
        "The student of an ensemble of teachers is more accurate: 5 against 1": False,
    }
    assert "not distinguishable" in found.claims[-1].found


def test_measures_by_hand():
    """Catches the divergence the wrong way round and a distance to the cell's own teacher."""
    truth, made = cells()
    arrays = teacher_fit(truth, made).arrays
    cell, mean = made[0], made[-1].teacher
    assert arrays["agreement"][0] == (cell.student.argmax(-1) == cell.teacher.argmax(-1)).mean()
    kl = (cell.student * np.log(cell.student / mean)).sum(-1).mean()
    assert arrays["distance"][0] == pytest.approx(kl)
    own = (cell.student * np.log(cell.student / cell.teacher)).sum(-1).mean()
    assert arrays["misfit"][0] == pytest.approx(own)
    assert arrays["distance"][0] != pytest.approx(own)
    five = arrays["members"] == 5
    np.testing.assert_allclose(arrays["distance"][five], arrays["misfit"][five])
    at = np.arange(ITEMS)
    nll = [-np.log(p[:, at, truth]).mean() for p in (cell.teacher, cell.student)]
    assert arrays["risk_gain"][0] == pytest.approx(nll[0] - nll[1])


def test_a_grid_with_holes_is_refused():
    truth, made = cells()
    with pytest.raises(ValueError, match="full grid with two values of each of epochs, loss"):
        teacher_fit(truth, made[:-1])
    with pytest.raises(ValueError, match="full grid"):
        teacher_fit(truth, [cell for cell in made if cell.members == 1])


def test_a_quarter_of_an_epoch_is_a_quarter_of_the_steps():
    """Catches epochs rounded to none or to one: Adam moves each weight by its rate per step."""
    x = np.random.default_rng(0).normal(size=(2, 128, 3))
    labels, start = np.full((2, 128), 0.9), np.zeros((2, 3))
    common = {"loss": losses.get("ce"), "seed": 0, "rate": 1e-3}
    one = train_linear(x, labels, start, epochs=0.25, **common)
    np.testing.assert_allclose(np.abs(one), 1e-3, rtol=1e-3)
    twice = train_linear(x, labels, start, **common)
    np.testing.assert_array_equal(twice, train_linear(x, labels, start, epochs=2, **common))


def test_the_grid_of_heads_pairs_each_student_with_its_teacher():
    """Catches teachers exchanged between the cells."""
    rng = np.random.default_rng(0)
    x, z = rng.normal(size=(2, 64, 3)), rng.normal(size=(40, 3))
    tasks = {}
    for members, p in ((1, 0.9), (4, 0.1)):
        told = np.where(x[..., 0] > 0, p, 1 - p), np.stack([np.where(z[:, 0] > 0, p, 1 - p)] * 2)
        labels = (x[..., 0] > 0).astype(int)
        tasks[members] = TextArrays(x, labels, told[0], z, (z[:, 0] > 0).astype(int), told[1])
    grid = fit_grid(tasks, epochs=(1, 16), names=("ce",), rate=0.05)
    assert [(c.members, c.epochs) for c in grid] == [(1, 1), (1, 16), (4, 1), (4, 16)]
    for cell in grid[1::2]:
        assert (cell.student.argmax(-1) == cell.teacher.argmax(-1)).mean() > 0.8
    np.testing.assert_allclose(grid[0].teacher[..., 1], tasks[1].teacher_test)
