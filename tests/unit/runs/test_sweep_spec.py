"""Sweep specs: which cells come out, and what is refused."""

import pytest

from w2sg.runs.sweep_spec import load_sweep
from w2sg.spec import SpecError

BASE = {"data": {"bundled": "qnli"}}


def cells(**tables):
    return [cell.name for cell in load_sweep({**BASE, **tables}).cells]


def test_the_grid_is_a_product_in_the_order_given():
    # catches a zip in place of the product, and the first key varying fastest
    grid = {"student.loss": ["ce", "reverse_ce"], "student.epochs": [1, 2]}
    spec = load_sweep({**BASE, "grid": grid})
    assert [(c.spec.student.loss, c.spec.student.epochs) for c in spec.cells] == [
        ("ce", 1),
        ("ce", 2),
        ("reverse_ce", 1),
        ("reverse_ce", 2),
    ]
    assert spec.columns == ("student.loss", "student.epochs")


def test_every_variant_meets_every_grid_point():
    # catches variants added to the grid instead of crossed with it
    variants = [{"name": "big", "student.epochs": 3}, {"name": "hard", "teacher.labels": "hard"}]
    assert cells(grid={"student.loss": ["ce", "squared"]}, variants=variants) == [
        "variant=big, student.epochs=3, student.loss=ce",
        "variant=big, student.epochs=3, student.loss=squared",
        "variant=hard, teacher.labels=hard, student.loss=ce",
        "variant=hard, teacher.labels=hard, student.loss=squared",
    ]


def test_unquoted_keys_of_toml_are_the_same_keys(tmp_path):
    # TOML reads student.loss = […] without quotes as a table in a table
    head = '[data]\nbundled = "qnli"\n[grid]\n'
    (tmp_path / "a.toml").write_text(
        head + '"student.loss" = ["ce", "forward_kl"]\n', encoding="utf-8"
    )
    (tmp_path / "b.toml").write_text(
        head + 'student.loss = ["ce", "forward_kl"]\n', encoding="utf-8"
    )
    names = [[c.name for c in load_sweep(tmp_path / f"{x}.toml").cells] for x in "ab"]
    assert names[0] == names[1] == ["student.loss=ce", "student.loss=forward_kl"]


def test_overrides_reach_every_cell():
    spec = load_sweep({**BASE, "grid": {"student.loss": ["ce", "forward_kl"]}}, {"run.seeds": [7]})
    assert {cell.spec.run.seeds for cell in spec.cells} == {(7,)}


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({}, "a sweep varies something"),
        ({"grid": {"student.loss": []}}, "at least one value"),
        ({"grid": {"student.loss": "ce"}}, "must be a list"),
        ({"grid": {"student.los": ["ce"]}}, "did you mean 'loss'"),
        ({"grid": {"loss": ["ce"]}}, "is no field of a run"),
        ({"grid": {"run.store": ["a", "b"]}}, "the same for all cells"),
        ({"grid": {"run.seeds": [[0], [1]]}}, "the same for all cells"),
        ({"grid": {"student.epochs": [1, 1.0]}}, "are the same run"),
        ({"grid": {"student.epochs": [-1]}}, "student.epochs=-1"),
        ({"variants": [{"student.loss": "ce"}]}, "has no name"),
        ({"variants": [{"name": "a"}, {"name": "a"}]}, "occurs twice"),
        ({"variants": {"name": "a"}}, "write one"),
        (
            {
                "grid": {"student.loss": ["ce"]},
                "variants": [{"name": "a", "student.loss": "forward_kl"}],
            },
            "varied by \\[grid\\] and by",
        ),
    ],
)
def test_refused(tables, words):
    # each is a mistake that would otherwise run the wrong cells, or one cell twice
    with pytest.raises(SpecError, match=words):
        load_sweep({**BASE, **tables})


def test_an_override_may_not_undo_the_grid():
    with pytest.raises(SpecError, match="would undo"):
        load_sweep({**BASE, "grid": {"student.loss": ["ce", "forward_kl"]}}, {"student.loss": "ce"})
