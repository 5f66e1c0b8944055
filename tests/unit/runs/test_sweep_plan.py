"""The merged graph: what cells share is there once, and the counts are those of the issue."""

import pytest

from w2sg.runs.cost import estimate
from w2sg.runs.graph import Call
from w2sg.runs.store import Manifest
from w2sg.runs.sweep import DataOf, is_training, plan_sweep
from w2sg.runs.sweep_spec import load_sweep

PARTS = ("labelled", "labelled_texts", "unlabelled", "unlabelled_texts", "hidden", "test")
PARTS = (*PARTS, "test_texts", "given")


def planned(model, grid, **run):
    """Plan from made-up facts of the data, so that nothing is read or divided."""
    run = {"seeds": [0, 1], "preview": False, **run}
    spec = load_sweep(
        {"data": {"bundled": "qnli"}, "student": {"model": str(model)}, "run": run, "grid": grid}
    )
    data, facts = [], {}
    for cell in spec.cells:
        calls = {}
        for seed in cell.spec.run.seeds:
            size = cell.spec.data.n_labelled
            call = Call("labelled_data", {"seed": seed, "n": size}, label=f"data {seed}")
            calls[seed] = call
            facts[call.key] = {
                "label_names": ["no", "yes"],
                "rows": {"labelled": size, "unlabelled": 1000, "test": 500},
                "n_hidden": 1000,
                "fingerprints": {
                    part: f"{part} {seed}" + (f" of {size}" if part.startswith("lab") else "")
                    for part in PARTS
                },
            }
            facts[call.key]["fingerprints"]["test"] = "test"
        data.append(DataOf(None, calls))
    return plan_sweep(spec, data, facts.__getitem__, "float32"), facts


def trainings(plan, *words):
    labels = [call.label for call in plan.calls.values() if is_training(call)]
    return sum(all(word in label for word in words) for label in labels)


def test_sharing_is_what_the_design_says(tiny_model):
    # 3 teachers x 4 losses x 2 policies x 2 seeds: catches a ceiling trained per loss or teacher
    plan, _ = planned(
        tiny_model,
        {
            "teacher.folds": [2, 3, 4],
            "student.loss": ["ce", "reverse_ce", "squared", "forward_kl"],
            "student.policy": ["qv", "head"],
        },
        references=["ceiling", "strong_on_labelled", "self_training"],
    )
    assert trainings(plan, "teacher,") == 3 * 2
    assert trainings(plan, "student,") == 3 * 4 * 2 * 2
    for arm in ("ceiling,", "strong_on_labelled,", "self_training,"):
        assert trainings(plan, arm) == 2 * 2
    assert plan.n_naive == 24 * 2 * 5
    assert plan.n_trainings == 66
    assert plan.n_trainings / plan.n_naive <= 0.4


def test_labels_say_what_the_cells_have_in_common(tiny_model):
    plan, _ = planned(
        tiny_model,
        {"student.loss": ["ce", "forward_kl"], "student.policy": ["qv", "head"]},
        references=["ceiling"],
        seeds=[0],
    )
    labels = {call.label for call in plan.calls.values()}
    assert "teacher, seed 0 [all 4 cells]" in labels
    assert "ceiling, seed 0 [2 cells: student.policy=head]" in labels
    assert "student, seed 0 [student.loss=forward_kl, student.policy=head]" in labels


def test_a_size_of_data_shares_only_what_does_not_depend_on_it(tiny_model):
    # catches data of one cell used for another: the ceiling sees no labelled rows, others do
    plan, _ = planned(
        tiny_model,
        {"data.n_labelled": [50, 100]},
        references=["ceiling", "strong_on_labelled"],
        seeds=[0],
    )
    assert trainings(plan, "ceiling,") == 1
    assert trainings(plan, "strong_on_labelled,") == 2
    assert trainings(plan, "teacher,") == 2


def test_the_order_can_be_computed(tiny_model):
    plan, facts = planned(tiny_model, {"student.loss": ["ce", "forward_kl"]})
    seen = set(facts)
    for key, call in plan.calls.items():
        assert set(call.needs.values()) <= seen
        seen.add(key)


def test_cost_follows_rows_and_epochs_of_the_most_similar(tiny_model):
    # catches seconds copied without regard to the size, and times of another policy taken
    plan, facts = planned(
        tiny_model, {"student.policy": ["qv", "head"]}, references=["strong_on_labelled"], seeds=[0]
    )
    calls = [c for c in plan.calls.values() if c.stage == "strong_student"]
    body = next(c for c in calls if c.label.startswith("student") and "qv" in c.label).body

    def stored(policy, seconds):
        spec = {**body["spec"], "policy": policy, "seed": 9}
        return Manifest(
            "k", {**body, "spec": spec}, "done", facts={"n_train": 200}, seconds=seconds
        )

    rows = {key: found["rows"] for key, found in facts.items()}
    cost = estimate(calls, [stored("qv", 10.0), stored("head", 1.0)], rows)
    by_label = {
        c.label.split(",")[0] + c.body["spec"]["policy"]: cost.seconds[c.key] for c in calls
    }
    # few labelled rows are seen more often than the spec's epochs, so that there are enough steps
    alone = next(c for c in calls if c.label.startswith("strong_on_labelled"))
    longer = alone.body["spec"]["epochs"] / body["spec"]["epochs"]
    assert by_label == pytest.approx(
        {
            "studentqv": 10.0 * 1000 / 200,
            "studenthead": 1.0 * 1000 / 200,
            "strong_on_labelledqv": 10.0 * longer * 500 / 200,
            "strong_on_labelledhead": 1.0 * longer * 500 / 200,
        }
    )
    assert cost.unknown == {}
    assert cost.hours(1) == pytest.approx(sum(by_label.values()) / 3600)
    assert estimate(calls, [], rows).unknown == {"strong_student": 4}
