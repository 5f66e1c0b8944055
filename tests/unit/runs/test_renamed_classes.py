"""Class numbers follow sorted names, so another name is another number: no result may notice."""

import pandas as pd
import pytest
from tiny import tables

import w2sg
from w2sg.data.synthetic import word_table

METRICS = ["accuracy", "auroc", "nll", "brier"]


@pytest.mark.parametrize(
    "teacher",
    [{}, {"members": 3}, {"labels": "hard"}, {"kind": "sklearn", "estimator": "ComplementNB"},
     {"cross_fit": 3}],
    ids=lambda teacher: str(teacher.get("kind", teacher)),
)  # fmt: skip
def test_another_name_for_a_class_changes_no_number(tiny_model, tmp_path, teacher):
    """Catches bootstrap samples, ties and a head's initial weights that go by the class number."""
    frame = word_table(240, n_words=60, words_per_text=8).frame
    found = []
    for number, names in enumerate(({0: "bad", 1: "good"}, {0: "unpleasant", 1: "good"})):
        path = tmp_path / f"{number}.csv"
        frame.assign(label=frame["label"].map(names)).to_csv(path, index=False)
        run = {"preview": True, "references": ["strong_on_labelled", "mixed"]}
        spec = tables(path, tiny_model, tmp_path / f"store{number}", teacher=teacher, run=run)
        result = w2sg.run(spec)
        preview = result.outcome.of_role("first_answer").facts["accuracy"]
        found.append((result.table()[METRICS], preview))
    pd.testing.assert_frame_equal(found[0][0], found[1][0], atol=1e-4, rtol=1e-3)
    assert found[0][1] == pytest.approx(found[1][1])
