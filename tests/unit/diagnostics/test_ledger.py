"""The measured ledger: its identity, its intervals, its words, and what it refuses."""

import numpy as np
import pytest
from scipy.special import expit, softmax
from scipy.stats import norm

from w2sg.diagnostics.ledger import ledger
from w2sg.figures.ledger import gain_against_misfit
from w2sg.theory import bregman


def runs(seeds=3, items=400, k=3, keep=0.5, seed=0):
    """Teachers with noisy logits; students keep a share of the noise of their own teacher."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(items, k)) * 2
    truth = np.array([rng.choice(k, p=p) for p in softmax(logits, -1)])
    noise = rng.normal(size=(seeds, items, k)) * 1.5
    return truth, softmax(logits + noise, -1), softmax(logits + keep * noise, -1)


@pytest.mark.parametrize("divergence", ["kl", "squared"])
def test_ledger_is_the_theory_of_the_same_predictions(divergence):
    # Catches the misfit in the wrong order and a residual from another sum than the gap.
    truth, teacher, student = runs()
    found = ledger(truth, teacher, student, divergence=divergence, shared_inputs=True)
    gen = bregman.negentropy if divergence == "kl" else bregman.squared
    exact = bregman.risk_gap(gen, np.eye(3)[truth], teacher, student)
    for name in ("teacher_risk", "student_risk", "gap", "misfit", "residual", "student_entropy"):
        assert getattr(found, name).estimate == pytest.approx(getattr(exact, name), abs=1e-10)
    assert found.gap.estimate == found.misfit.estimate + found.residual.estimate
    if divergence == "kl":
        assert found.rce.estimate == pytest.approx(exact.rce, abs=1e-10)
        assert found.ce.estimate == pytest.approx(exact.ce, abs=1e-10)
        nll = -np.log(np.take_along_axis(teacher, truth[None, :, None], -1)).mean()
        assert found.teacher_risk.estimate == pytest.approx(nll, abs=1e-10)
    split = bregman.bias_variance(gen, np.eye(3)[truth], teacher, correct_finite_k=True)
    assert found.mean_teacher.variance.estimate == pytest.approx(split.variance, abs=1e-10)
    assert found.mean_teacher.risk.estimate == pytest.approx(
        bregman.ensemble_ambiguity(gen, np.eye(3)[truth], teacher).ensemble_risk, abs=1e-10
    )


def test_intervals_cover_the_gain_of_the_law():
    # Catches intervals from items alone: seeds carry most of the variance here (shared shift).

    def one(items, seeds, seed):
        draw = np.random.default_rng(seed)
        z = draw.normal(size=items) * 2
        y = (draw.uniform(size=items) < expit(z)).astype(int)
        shift = draw.normal(size=(seeds, 1)) * 1.5
        return y, expit(z + shift), expit(z + 0.5 * shift)

    z = 2 * norm.ppf((np.arange(4000) + 0.5) / 4000)
    shifts = np.linspace(-6, 6, 241)
    weight = np.exp(-(shifts**2) / (2 * 1.5**2))

    def cross(a):
        p = expit(z)
        return -(p * np.log(expit(z + a)) + (1 - p) * np.log(expit(-z - a))).mean()

    gains = np.array([cross(a) - cross(a / 2) for a in shifts])
    law = float((gains * weight).sum() / weight.sum())
    hits, widths = 0, []
    for trial in range(60):
        gap = ledger(*one(300, 6, 100 + trial)).gap
        hits += gap.low <= law <= gap.high
        widths.append(gap.high - gap.low)
    assert hits >= 51  # 95 % of 60 is 57; 50 or fewer has probability below 1e-3
    assert np.median(widths) < 2.5 * law


def test_one_number_per_item_means_two_classes():
    truth, teacher, student = runs(k=2)
    one = ledger(truth, teacher[..., 1], student[..., 1])
    two = ledger(truth, teacher, student)
    assert one.misfit.estimate == pytest.approx(two.misfit.estimate, abs=1e-12)
    assert one.gap.low == pytest.approx(two.gap.low, abs=1e-9)


def test_hard_teachers_are_measured_in_squared_error():
    # A column of given labels has infinite cross-entropy; catches inf or a silent floor.
    truth, teacher, student = runs()
    hard = np.eye(3)[teacher.argmax(-1)]
    found = ledger(truth, hard, student)
    assert found.divergence == "squared"
    assert found.rce is None
    assert np.isfinite(found.gap.estimate)
    assert "squared error" in found.meaning
    with pytest.raises(ValueError, match="infinite on hard labels, and 100 %"):
        ledger(truth, hard, student, divergence="kl")


def test_saturated_students_are_floored_and_counted():
    truth, teacher, student = runs()
    student = student.copy()
    student[0, :2] = np.eye(3)[0]
    found = ledger(truth, teacher, student)
    assert found.n_floored == 4
    assert np.isfinite(found.student_risk.estimate)


def test_meaning_names_the_case():
    # Catches a sentence that claims a gain the interval does not show.
    truth, teacher, student = runs(items=2000)
    assert "beats its teacher by" in ledger(truth, teacher, student).meaning
    assert "worse than its teacher" in ledger(truth, student, teacher).meaning
    copy = ledger(truth, teacher, teacher)
    assert "not distinguishable" in copy.meaning
    assert copy.misfit.estimate == pytest.approx(0)
    lost = ledger(truth, teacher, softmax(4 * np.log(student), -1))
    assert lost.residual.estimate < 0


def test_one_seed_says_what_is_missing():
    truth, teacher, student = runs(seeds=1)
    found = ledger(truth, teacher, student, shared_inputs=True)
    assert "variation between trainings" in found.gap.note
    assert found.mean_teacher is None


def test_items_of_one_group_move_together():
    # Catches groups that are ignored: each item four times tells no more than once.
    truth, teacher, student = runs(items=200)
    once = ledger(truth, teacher, student)
    groups = np.repeat(np.arange(200), 4)
    copies = [np.repeat(one, 4, axis=-2 + (one.ndim == 1)) for one in (truth, teacher, student)]
    grouped = ledger(*copies, groups=groups)
    for name in ("gap", "misfit", "residual"):
        mine, theirs = getattr(grouped, name), getattr(once, name)
        assert mine.estimate == pytest.approx(theirs.estimate)
        assert mine.high - mine.low == pytest.approx(theirs.high - theirs.low, rel=1e-9)
    assert grouped.gap.n_items == 200


def test_seeds_average_to_the_whole():
    truth, teacher, student = runs()
    found = ledger(truth, teacher, student)
    assert np.mean(found.gap_by_seed) == pytest.approx(found.gap.estimate)
    assert found.misfit_by_seed[1] == pytest.approx(
        ledger(truth, teacher[1:2], student[1:2]).misfit.estimate
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"truth": [0, 1]}, "truth must be 400 class numbers"),
        ({"truth": np.full(400, 3)}, "truth must be at most 2"),
        ({"student": np.full((2, 400, 3), 1 / 3)}, "must have one shape"),
        ({"teacher": np.full((3, 400, 3), 0.5)}, "sum to 1"),
        ({"teacher": np.full((400, 3), 1 / 3)}, "write one seed of K classes as (1, items, K)"),
        ({"divergence": "js"}, "must be one of ['kl', 'squared']"),
        ({"level": 95}, "level must be below 1"),
    ],
)
def test_what_does_not_fit_is_refused(change, words):
    truth, teacher, student = runs()
    given = {"truth": truth, "teacher": teacher, "student": student} | change
    with pytest.raises(ValueError) as caught:  # noqa: PT011 the text is compared below
        ledger(given.pop("truth"), given.pop("teacher"), given.pop("student"), **given)
    assert words in str(caught.value)


def test_figure_puts_residual_zero_on_the_diagonal():
    figure = gain_against_misfit([0.1, 0.3], [0.1, 0.1], gap_interval=[[0.0, 0.2], [0.05, 0.2]])
    (axes,) = figure.axes
    x, y = axes.lines[0].get_data()
    assert list(x) == list(y)
    with pytest.raises(ValueError, match="one length, got 2, 1"):
        gain_against_misfit([0.1, 0.3], [0.1])
