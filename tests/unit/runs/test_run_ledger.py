"""`result.ledger` and the page in the situations of a run: no truth, one seed, shared inputs."""

import re

import numpy as np
import pandas as pd
import pytest

import w2sg
from w2sg.runs.payloads import read_probabilities
from w2sg.theory import bregman


@pytest.fixture(scope="module")
def spec(tmp_path_factory, word_csv, tiny_model):
    """The unlabelled rows are a file of their own without labels, so all seeds label the same."""
    folder = tmp_path_factory.mktemp("parts")
    frame = pd.read_csv(word_csv, dtype=str)
    alone = frame.sample(80, random_state=0)
    alone[["text"]].to_csv(folder / "unlabelled.csv", index=False)
    frame.drop(alone.index).to_csv(folder / "labelled.csv", index=False)
    return {
        "data": {
            "path": str(folder / "labelled.csv"),
            "unlabelled": str(folder / "unlabelled.csv"),
            "n_labelled": 40,
            "n_unlabelled": 80,
            "n_test": 60,
        },
        "student": {"model": str(tiny_model), "policy": "head", "epochs": 1},
        "run": {
            "seeds": [0, 1],
            "store": str(folder / "store"),
            "references": ["ceiling", "strong_on_labelled"],
            "preview": False,
        },
    }


@pytest.fixture(scope="module")
def result(spec):
    return w2sg.run(spec)


def page(result, folder):
    return result.report(folder / "page.html").read_text(encoding="utf-8")


def test_without_truth_and_with_shared_inputs(result, tmp_path):
    # Catches a ledger that needs the truth of the unlabelled rows, and the mean teacher left out,
    # or of other answers than those of the seeds on the test part.
    found = result.ledger
    assert "ceiling" not in result.facts["arms"]
    assert found.gap.estimate == pytest.approx(found.misfit.estimate + found.residual.estimate)
    assert found.gap.note is None
    scores = result.scores().sort_values(["seed", "id"])
    truth = scores[(scores["seed"] == 0) & (scores["arm"] == "teacher")]["label"]
    stack = []
    for seed in (0, 1):
        told = dict(zip(*read_probabilities(result.outcome.of_role(f"teacher/{seed}"), "answers"),
                        strict=True))  # fmt: skip
        ids = scores[(scores["seed"] == seed) & (scores["arm"] == "teacher")]["id"]
        stack.append([told[name] for name in ids])
    split = bregman.bias_variance(
        bregman.negentropy, np.eye(2)[truth], np.array(stack), correct_finite_k=True
    )
    assert found.mean_teacher.variance.estimate == pytest.approx(split.variance, abs=1e-9)
    shown = page(result, tmp_path)
    assert "risk of the mean teacher of the seeds" in shown
    assert found.meaning.split(":")[0] in shown


def test_one_seed(spec, result, tmp_path):
    # Catches a mean teacher of one, and an interval that hides what it does not hold.
    one = w2sg.run({**spec, "run": {**spec["run"], "seeds": [1]}})
    assert one.ledger.mean_teacher is None
    assert "one training" in one.ledger.gap.note
    assert one.ledger.gap.estimate == pytest.approx(result.ledger.gap_by_seed[1], abs=1e-9)
    shown = page(one, tmp_path)
    assert "mean teacher" not in shown
    assert "small dots are seeds. On the dashed line" not in shown


def test_inputs_drawn_anew_have_no_mean_teacher(spec, word_csv, tmp_path):
    # Catches teachers of other inputs taken for draws of one law.
    data = {k: v for k, v in spec["data"].items() if k != "unlabelled"} | {"path": str(word_csv)}
    drawn = w2sg.run({**spec, "data": data})
    assert drawn.ledger.mean_teacher is None
    assert len(drawn.ledger.misfit_by_seed) == 2
    shown = page(drawn, tmp_path)
    assert re.search(r'<svg[^>]*departure|id="departure|departure-wide', shown)
    assert "mean teacher" not in shown
