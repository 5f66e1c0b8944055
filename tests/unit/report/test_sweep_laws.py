"""Learning-curve laws over a sweep: drawn where they hold, a sentence where they do not."""

import re

import numpy as np
import pytest
from sweep_tables import made

from w2sg.report.drawing import WIDE
from w2sg.report.sweep_laws import LABELLED, UNLABELLED, CellErrors, lay_over
from w2sg.report.sweep_page import render_sweep
from w2sg.theory.discrepancy import kappa

SIZES = [100, 200, 400, 800]
D = 40


def cells(policy="head", *, over=UNLABELLED, noise=0.0, arms=None):
    """Errors that obey the laws with d = 40, or not."""
    rng = np.random.default_rng(0)
    paid = kappa(D, np.array(SIZES, dtype=float))
    if over == UNLABELLED:
        curves = {"ceiling": 0.2 * (1 + paid), "student": 0.3 + 0.25 * paid}
        curves["teacher"] = np.full(4, 0.35)
    else:
        curves = {"strong_on_labelled": 0.2 * (1 + paid)}
        curves["teacher"] = 0.25 * (1 + kappa(20, np.array(SIZES, dtype=float)))
        curves["student"] = 0.1 + 0.6 * curves["teacher"]
    curves = {a: v * np.exp(noise * rng.standard_normal(4)) for a, v in curves.items()}
    kept = {arm: values for arm, values in curves.items() if arms is None or arm in arms}
    return [
        CellErrors(policy, 900, {arm: float(values[i]) for arm, values in kept.items()})
        for i in range(4)
    ]


def told(axis, found, settings=("",) * 4):
    return lay_over(axis, SIZES, settings, found)


@pytest.mark.parametrize(
    ("axis", "said", "arms"),
    [
        (UNLABELLED, ("d = 40", "v = 0.200", "A = 0.300, B = 0.250"), {"student", "ceiling"}),
        (
            LABELLED,
            ("d = 40", "v = 0.250, d = 20", "slope 0.60"),
            {"student", "teacher", "strong_on_labelled"},
        ),
    ],
)
def test_the_laws_are_found_and_drawn(axis, said, arms):
    """κ at the wrong size, the teacher's dimension for the student's, accuracy for its error."""
    laws = told(axis, cells(over=axis))
    for words in said:
        assert any(words in note for note in laws.notes), (words, laws.notes)
    lines = {
        line.get_label() for line in laws.draw(WIDE).axes[0].lines if "law" in line.get_label()
    }
    assert lines == {f"{arm}, law" for arm in arms}
    for _, size, arm, measured, law in laws.rows:
        assert law == pytest.approx(measured, rel=1e-4), (size, arm)


@pytest.mark.parametrize(
    ("axis", "found", "why"),
    [
        (UNLABELLED, cells("qv"), "student.policy = qv moves them"),
        (UNLABELLED, [*cells()[:2], None, None], "it takes three sizes, and 2 are finished"),
        (UNLABELLED, cells(arms=("student", "teacher")), "the ceiling is missing"),
        (UNLABELLED, cells(noise=0.5), "explains the points badly"),
        (LABELLED, cells(over=LABELLED, arms=("student",)), "no line for the student"),
        ("student.lr", cells(), "not about student.lr"),
    ],
)
def test_where_they_do_not_apply_there_is_a_sentence_and_no_line(axis, found, why):
    laws = told(axis, found)
    assert laws.draw is None
    assert laws.rows == ()
    assert any(why.lower() in note.lower() for note in laws.notes), laws.notes


def test_each_setting_is_judged_alone():
    """A sweep over policies: the frozen one has its line, the other a sentence by its name."""
    laws = lay_over(
        UNLABELLED, SIZES * 2, ["head"] * 4 + ["qv"] * 4, [*cells(), *cells(policy="qv")]
    )
    assert {row[0] for row in laws.rows} == {"head"}
    assert any(note.startswith("At qv: no theory line") for note in laws.notes)


def test_the_page_has_the_laws_below_the_curve():
    record, table = made([(n,) for n in SIZES], (UNLABELLED,))
    page = render_sweep(record, table, cells())
    names = re.findall(r'data-save="([^"]+)"', page)
    assert names == ["gains", "curve-data-n_unlabelled", "curve-data-n_unlabelled-laws"]
    assert "student A + B κ(d, N), A = 0.300" in page
    page = render_sweep(record, table, cells(policy="full"))
    assert "student.policy = full moves them" in page
    assert "-laws.csv" not in page
    assert "No theory line" not in render_sweep(*made([("ce",), ("squared",)], ("student.loss",)))
