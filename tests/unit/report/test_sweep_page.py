"""The page of a sweep, from a record and a table made by hand."""

import itertools
import re
import warnings

import numpy as np
from sweep_tables import made

from w2sg.report.sweep_page import answer, render_sweep

EVIL = '<script>alert("x")</script>'


def test_two_axes_give_forest_curve_and_map_each_to_be_saved():
    values = [("ce", 1), ("ce", 8), ("reverse_ce", 1), ("reverse_ce", 8)]
    record, table = made(values, ("student.loss", "student.epochs"))
    page = render_sweep(record, table)
    saved = set(re.findall(r'download="([^"]+)"', page))
    saved |= {f"{name}.svg" for name in re.findall(r'data-save="([^"]+)"', page)}
    names = ("gains", "curve-student-epochs", "gain-map")
    assert saved == {"sweep.csv", *(f"{n}.{end}" for n in names for end in ("svg", "csv"))}
    assert page.count("+5.0 [+3.0, +7.0]") >= 4
    assert render_sweep(record, table) == page


def test_the_page_holds_nothing_from_elsewhere_and_no_markup_of_the_data():
    # catches a value that is written as markup, and an address in the page's own markup
    record, table = made([(EVIL,), ("ce",)], ("student.loss",))
    table.attrs["reasons"] = [EVIL, ""]
    page = render_sweep(record, table)
    assert page.count("<script") == 1  # the page's own, allowed by its digest
    assert EVIL not in page
    addresses = set(re.findall(r"https?://([^/\"'\s]+)", page))
    assert addresses <= {"www.w3.org"}


def test_the_answer_counts_by_intervals_and_not_by_estimates():
    # catches a gain above zero counted as a win
    gains = {"gain_low": [0.03, -0.01, -0.09], "gain_high": [0.07, 0.02, -0.01]}
    record, table = made([(1,), (2,), (3,)], ("student.epochs",), **gains)
    assert answer(record, table)[0] == (
        "Of 3 cells, the student beat its teacher in 1 and fell behind its teacher in 1 and "
        "cannot be told apart from its teacher in 1"
    )


def test_unfinished_cells_are_said_and_not_drawn():
    record, table = made([("ce",), ("squared",)], ("student.loss",))
    missing = ["teacher", "student", "ceiling", "gain", "gain_low", "gain_high", "pgr"]
    table.loc[1, missing] = np.nan
    table.attrs["reasons"] = ["", "student, seed 0: out of memory"]
    page = render_sweep(record, table)
    assert "1 cells have no result" in page
    assert "out of memory" in page
    table.loc[0, missing] = np.nan
    assert answer(record, table) == ["No cell is finished yet."]
    assert "<svg" not in render_sweep(record, table)


def test_figures_grow_with_cells_and_names():
    """Catches a legend, or names, that leave the axes no room: matplotlib warns and gives up."""
    losses = [
        f"the loss called {i}, with a long name that tells nearly all of it" for i in range(40)
    ]
    record, table = made(
        list(itertools.product(losses, (1, 2, 4))), ("student.loss", "student.epochs")
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        page = render_sweep(record, table)
    heights = [float(found) for found in re.findall(r'<svg[^>]* height="([\d.]+)pt"', page)]
    assert len(heights) == 6  # three figures, wide and narrow
    assert min(heights) > 40 * 12, "a name is 12 points high"
