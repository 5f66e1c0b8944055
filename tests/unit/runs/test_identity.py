"""What is computed again when something changes, and what two runs share.

The graph, the keys and the store are the real ones; only what the stages compute is left out, so
that every kind of change can be tried. One run at the end is computed for real.
"""

import numpy as np
import pandas as pd
import pytest
from tiny import save_bert, tables

from w2sg import arms
from w2sg.runs import together
from w2sg.runs.compute import compute
from w2sg.runs.execute import execute
from w2sg.runs.store import Store, digest
from w2sg.spec import Named, load

ALL = {"references": list(arms.references()), "preview": True}
STUDENTS = {"student", "self_training", "student_then_labels", "mixed", "strong_on_labelled"}


@pytest.fixture
def dry(monkeypatch):
    """Stages other than the division of the data compute nothing."""
    monkeypatch.setattr(
        together,
        "compute",
        lambda call, context: (
            compute(call, context) if call.stage == "labelled_data" else ({}, None)
        ),
    )


def roles(made, **overrides):
    """Role → key of a run, seed 0 only, the data under "data"."""
    outcome = execute(load(made, {k.replace("__", "."): v for k, v in overrides.items()}))
    keys = {
        role: key for role, key in outcome.plan.roles.items() if not role.endswith(("/1", "/2"))
    }
    return {**keys, "data": outcome.data[0]}, outcome


def changed(before, after):
    return {role.removesuffix("/0") for role in before if before[role] != after[role]}


@pytest.fixture
def start(dry, word_csv, tiny_model, tmp_path):
    made = tables(word_csv, tiny_model, tmp_path / "store", run=ALL)
    return made, roles(made)[0]


def test_second_identical_run_computes_nothing(start):
    """A key with a time, a path of a temporary folder or an unsorted set in it would fail."""
    made, before = start
    after, outcome = roles(made)
    assert outcome.computed == ()
    assert after == before
    assert set(outcome.manifests) >= set(before.values())


PSEUDO = {"pseudo_labels of teacher", "student", "student_then_labels", "mixed", "first_answer"}
TRAINED = STUDENTS | {"ceiling", "pseudo_labels of strong_on_labelled"}


@pytest.mark.parametrize(
    ("change", "roles_computed_again"),
    [
        ({"student__epochs": 2}, TRAINED | {"evaluation"}),
        ({"student__lr": 2e-3}, TRAINED | {"evaluation"}),
        ({"student__max_length": 16}, TRAINED | {"evaluation", "features", "first_answer"}),
        ({"student__loss": "reverse_ce"},
         {"student", "student_then_labels", "mixed", "evaluation"}),
        ({"teacher__temperature": 2.0}, PSEUDO | {"evaluation"}),
        ({"teacher__labels": "hard"}, PSEUDO | {"evaluation"}),
        ({"teacher__folds": 3}, PSEUDO | {"teacher", "evaluation"}),
        ({"teacher__shrink": 0.1}, PSEUDO | {"evaluation"}),
        ({"teacher__members": 3}, PSEUDO | {"teacher", "evaluation"}),
        ({"student__early_stopping": 2},
         {"student", "self_training", "student_then_labels", "mixed", "evaluation"}),
        ({"run__level": 0.9}, {"first_answer", "evaluation"}),
        ({"run__store": None}, set()),
        ({"data__duplicates": "drop"}, {"data"}),  # nothing was dropped: the parts are the same
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)  # fmt: skip
def test_a_change_recomputes_exactly_what_depends_on_it(start, change, roles_computed_again):
    """A setting missing from a key shows old numbers; one too many trains for nothing."""
    made, before = start
    after, outcome = roles(made, **{k: v for k, v in change.items() if v is not None})
    assert changed(before, after) == roles_computed_again
    again = {after[role] for role in after if role.removesuffix("/0") in roles_computed_again}
    assert again <= set(outcome.computed)
    assert not set(outcome.computed) & set(before.values())


def test_changed_seed_leaves_the_test_part_and_the_features_of_its_rows(start):
    made, before = start
    outcome = execute(load(made, {"run.seeds": [1]}))
    other = {
        r.removesuffix("/1"): k
        for r, k in outcome.plan.roles.items()
        if not r.endswith(("/0", "/2"))
    }
    mine = {r.removesuffix("/0"): k for r, k in before.items()}
    # the first answer takes seeds 0, 1, 2 in either run, so it reads the same texts
    assert {r for r in other if other[r] == mine[r]} == {"features"}
    one = outcome.manifests[outcome.data[1]].facts["fingerprints"]
    zero = Store(made["run"]["store"]).read(before["data"])[0].facts["fingerprints"]
    assert one["test"] == zero["test"]
    assert one["labelled"] != zero["labelled"]


def edited(made, tmp_path, change):
    frame = pd.read_csv(made["data"]["path"], dtype=str)
    change(frame)
    path = tmp_path / "edited.csv"
    frame.to_csv(path, index=False)
    return {**made, "data": {**made["data"], "path": str(path)}}


def part_rows(made, before, part):
    folder = Store(made["run"]["store"]).folder(before["data"])
    frame = pd.read_parquet(folder / "parts.parquet")
    return frame[frame["part"] == part]["id"].tolist()


def test_changed_text_of_an_unlabelled_row(start, tmp_path):
    made, before = start
    row = part_rows(made, before, "unlabelled")[0]

    def change(frame):
        frame.loc[frame["id"] == row, "text"] = "w1 w2 w3"

    after, _ = roles(edited(made, tmp_path, change))
    kept = {role.removesuffix("/0") for role in before} - changed(before, after)
    assert kept == {"strong_on_labelled"}  # it has not seen that row


def test_changed_label_of_an_unlabelled_row(dry, word_csv, tiny_model, tmp_path):
    """The student has never seen it: only what measures or uses the truth is computed again.

    A key of the first answer or of the pseudo-labels' accuracy without the hidden labels would
    show the ceiling, and the accuracy, of labels that are no longer there.
    """
    frame = pd.read_csv(word_csv, dtype=str)
    frame[:140].to_csv(tmp_path / "main.csv", index=False)
    apart = {"unlabelled": str(tmp_path / "apart.csv"), "n_unlabelled": 100}

    def run(rows):
        rows.to_csv(tmp_path / "apart.csv", index=False)
        return roles(
            tables(tmp_path / "main.csv", tiny_model, tmp_path / "store", data=apart, run=ALL)
        )[0]

    before = run(frame[140:])
    other = frame["label"].map({"good": "bad", "bad": "good"})
    after = run(frame.assign(label=frame["label"].where(frame.index != 150, other))[140:])
    assert changed(before, after) == {
        "data", "ceiling", "first_answer", "evaluation",
        "pseudo_labels of teacher", "pseudo_labels of strong_on_labelled",
    }  # fmt: skip


def test_changed_label_of_a_test_row_trains_nothing(start, tmp_path):
    """The test labels are opened by the evaluation alone, and by the first answer's own."""
    made, before = start
    row = part_rows(made, before, "test")[0]

    def change(frame):
        where = frame["id"] == row
        frame.loc[where, "label"] = "good" if (frame.loc[where, "label"] == "bad").all() else "bad"

    after, _ = roles(edited(made, tmp_path, change))
    assert changed(before, after) == {"data", "first_answer", "evaluation"}


def test_order_of_the_rows_changes_nothing(start, tmp_path):
    made, before = start
    path = tmp_path / "shuffled.csv"
    pd.read_csv(made["data"]["path"], dtype=str).sample(frac=1, random_state=1).to_csv(
        path, index=False
    )
    after, outcome = roles({**made, "data": {**made["data"], "path": str(path)}})
    assert changed(before, after) == set()
    assert outcome.computed == ()


def test_changed_model_file_is_another_model_even_at_the_same_place(dry, word_csv, tmp_path):
    """A fingerprint remembered by folder name would serve the old student's numbers."""
    model = save_bert(tmp_path / "model", seed=0)
    made = tables(word_csv, model, tmp_path / "store", run=ALL)
    before, _ = roles(made)
    save_bert(model, seed=1)
    after, _ = roles(made)
    assert changed(before, after) == TRAINED | {"features", "first_answer", "evaluation"}


def test_the_same_model_elsewhere_is_the_same_model(start, tmp_path):
    made, before = start
    moved = save_bert(tmp_path / "moved")
    after, _ = roles({**made, "student": {**made["student"], "model": str(moved)}})
    assert changed(before, after) == set()


def test_rate_follows_the_steps(start):
    """Short trainings get a higher rate; student and ceiling have as many steps, so one rate."""
    made, _ = start
    made = {**made, "student": {**made["student"], "policy": "qv", "lr": "auto", "min_steps": 40}}
    made["student"]["epochs"] = 60 * 16 / 60  # 60 steps on the 60 unlabelled rows
    _, outcome = roles(made)
    rate = {
        role: manifest.body["spec"]["lr"]
        for role in ("student/0", "ceiling/0", "mixed/0", "strong_on_labelled/0")
        if (manifest := outcome.of_role(role).manifest)
    }
    assert rate["student/0"] == rate["ceiling/0"] == pytest.approx(6e-4)
    assert rate["mixed/0"] == pytest.approx(6e-4 * 60 / 100)
    assert rate["strong_on_labelled/0"] == pytest.approx(3e-4 * 120 / 40)
    _, fixed = roles(made, student__lr=2e-3)
    assert fixed.of_role("mixed/0").manifest.body["spec"]["lr"] == 2e-3


def test_column_teacher_depends_on_the_column_and_the_classes(dry, tiny_model, word_csv, tmp_path):
    """Probabilities for two classes must not be served where there are now three."""
    frame = pd.read_csv(word_csv, dtype=str).assign(p="good")
    frame.to_csv(tmp_path / "a.csv", index=False)
    made = tables(
        tmp_path / "a.csv", tiny_model, tmp_path / "s", run=ALL,
        teacher={"kind": "column", "column": "p"},
    )  # fmt: skip
    before, outcome = roles(made)
    third = outcome.store.folder(before["data"]) / "parts.parquet"
    labelled = pd.read_parquet(third).query("part == 'labelled'")["id"].tolist()
    frame.loc[frame["id"].isin(labelled[:8]), "label"] = "so-so"
    frame.to_csv(tmp_path / "a.csv", index=False)
    after, _ = roles(made)
    assert before["teacher/0"] != after["teacher/0"]
    frame = pd.read_csv(word_csv, dtype=str).assign(p="bad")
    frame.to_csv(tmp_path / "a.csv", index=False)
    again, _ = roles(made)
    assert "teacher" in changed(before, again)
    assert "strong_on_labelled" not in changed(before, again)
    assert "ceiling" not in changed(before, again)


def test_what_numbers_stand_for_enters_the_teacher_alone(dry, tiny_model, word_csv, tmp_path):
    """Catches answers served under the other coding, and references that are trained again."""
    frame = pd.read_csv(word_csv, dtype=str).assign(p=0.3)
    frame.to_csv(tmp_path / "a.csv", index=False)
    made = tables(
        tmp_path / "a.csv", tiny_model, tmp_path / "s", run=ALL,
        teacher={"kind": "column", "column": "p", "classes": ["good"]},
    )  # fmt: skip
    before, _ = roles(made)
    after, outcome = roles(made, teacher__classes=["bad"])
    assert {"teacher", "student"} <= changed(before, after)
    assert not {"strong_on_labelled", "ceiling"} & changed(before, after)
    assert outcome.of_role("teacher/0").manifest.body["spec"]["classes_of_column"] == ["bad"]


def test_objects_enter_by_name_and_version_or_run_uncached(dry, word_csv, tiny_model, tmp_path):
    from sklearn.naive_bayes import ComplementNB

    def run(estimator):
        made = tables(
            word_csv, tiny_model, tmp_path / "store",
            teacher={"kind": "sklearn", "estimator": estimator}, run={"preview": True},
        )  # fmt: skip
        return roles(made)

    first, _ = run(Named(ComplementNB(), name="nb", version="1"))
    _, again = run(Named(ComplementNB(alpha=9.0), name="nb", version="1"))
    assert again.computed == ()
    other, _ = run(Named(ComplementNB(), name="nb", version="2"))
    assert "teacher" in changed(first, other)
    with pytest.warns(UserWarning, match=r"teacher\.estimator is a Python object without name"):
        one, outcome = run(ComplementNB())
    teachers = [k for k in outcome.computed if outcome.manifests[k].body["stage"] == "weak_teacher"]
    assert len(teachers) == 3  # one a seed of the first answer, not one for each who asks
    with pytest.warns(UserWarning, match="without name"):
        two, _ = run(ComplementNB())
    assert "teacher" in changed(one, two)
    assert "ceiling" not in changed(one, two)


def test_every_default_stands_in_the_body(start):
    """A default that is left out of the key changes meaning silently when it is changed."""
    made, before = start
    body = Store(made["run"]["store"]).read(before["student/0"])[0].body
    assert body["spec"]["weight_decay"] == 0.01
    assert body["spec"]["warmup"] == 0.1
    assert body["spec"]["max_grad_norm"] == 1.0
    assert body["spec"]["ratio"] == 1.0
    assert body["spec"]["method"] == "full"
    assert body["version"] >= 1
    from dataclasses import fields

    from w2sg.stages.strong_student import Settings

    unused = {"held_out"}  # by a training without early stopping
    assert {f.name for f in fields(Settings)} - unused <= set(body["spec"])


def test_golden_key():
    """Keys must not move with a new version of Python, of a library or of the machine."""
    body = {
        "stage": "weak_teacher",
        "version": 1,
        "spec": {"kind": "tfidf", "folds": 5, "seed": 0, "cross_fit": 0, "name": "é"},
        "inputs": {"labelled": "00", "rate": 1e-05, "none": None, "flag": True},
    }
    assert digest(body) == "dbb4fa070050e08a908f5eca7f8fd45c"
    assert digest(dict(reversed(body.items()))) == digest(body)
    assert digest({**body, "version": 2}) != digest(body)


@pytest.mark.parametrize("chosen", ["after", "mixed"])
def test_a_student_that_uses_the_labels_is_not_compared_with_itself(
    dry, word_csv, tiny_model, tmp_path, chosen
):
    """Two names of one arm could never be told apart, so no way would ever be named best."""
    made = tables(
        word_csv, tiny_model, tmp_path / "s", student={"labelled": chosen}, run={"references": []}
    )
    keys, outcome = roles(made)
    arms = outcome.manifests[keys["evaluation"]].body["inputs"]
    assert {a.partition("/")[0] for a in arms if "/" in a} == {
        "teacher", "student", *(["strong_on_labelled"] if chosen == "mixed" else []),
    }  # fmt: skip
    stages = [outcome.manifests[k].body["stage"] for k in outcome.computed]
    assert stages.count("strong_student") == 2  # one to start from, and the student itself


def test_a_ceiling_needs_the_truth_in_every_seed():
    """Seeds with different references could not form one array of scores."""
    from w2sg.runs.resolve import references

    spec = load({"data": {"bundled": "qnli"}, "run": {"references": ["ceiling", "mixed"]}})
    whole = {"n_hidden": 5, "rows": {"unlabelled": 5, "labelled": 3}}
    assert references(spec, [whole, whole]) == ("ceiling", "mixed")
    assert references(spec, [whole, {**whole, "n_hidden": 4}]) == ("mixed",)
    bare = {**whole, "rows": {"unlabelled": 5, "labelled": 0}}
    assert references(spec, [bare]) == ("ceiling",)


def test_wrong_names_are_refused_before_anything_is_computed(start):
    made, _ = start
    for field, value, message in (
        ("student.loss", "revers_ce", "reverse_ce"),
        ("student.policy", "qx", "must be .full., .head., or letters"),
        ("student.model", "./nowhere", "is not known"),
    ):
        with pytest.raises(ValueError, match=message):
            execute(load(made, {field: value, "data.split_seed": 3}))


def test_for_real(word_csv, tiny_model, tmp_path):
    """Runs that differ in the loss share teacher, ceiling and strong-on-labelled; numbers stay."""
    made = tables(word_csv, tiny_model, tmp_path / "store")
    first = execute(load(made))
    stages = [first.manifests[k].body["stage"] for k in first.computed]
    assert stages == [
        "labelled_data", "weak_teacher", "pseudo_labels", *["strong_student"] * 3, "evaluation",
    ]  # fmt: skip
    assert first.plan.n_naive == 3
    assert execute(load(made)).computed == ()
    other = execute(load(made, {"student.loss": "symmetric:1:1"}))
    assert [other.manifests[k].body["stage"] for k in other.computed] == [
        "strong_student",
        "evaluation",
    ]
    for role in ("teacher/0", "ceiling/0", "strong_on_labelled/0"):
        assert other.plan.roles[role] == first.plan.roles[role]
    a, b = (o.of_role("evaluation").facts["metrics"] for o in (first, other))
    assert a["student"] != b["student"]
    assert a["ceiling"] == b["ceiling"]
    # the same bits in a store of its own
    fresh = execute(load(made, {"run.store": str(tmp_path / "other")}))
    for role, key in first.plan.roles.items():
        assert fresh.plan.roles[role] == key
        mine, theirs = first.manifests[key].files, fresh.manifests[key].files
        assert {k: v["sha256"] for k, v in mine.items()} == {
            k: v["sha256"] for k, v in theirs.items()
        }, role


def test_a_probe_teacher_reads_as_far_as_the_student(word_csv, tiny_model, tmp_path, monkeypatch):
    """Catches a teacher that cuts texts at a length of its own, whatever student.max_length is."""
    seen = []

    def features(model, texts, pairs=None, *, max_length, **how):
        seen.append(max_length)
        return np.array([[len(text), text.count("1")] for text in texts], dtype=np.float32)

    monkeypatch.setattr("w2sg.models.features.pooled_features", features)
    made = tables(word_csv, tiny_model, tmp_path / "store", run={"references": []})
    made["teacher"] = {"kind": "probe", "model": str(tiny_model)}
    monkeypatch.setattr(
        together,
        "compute",
        lambda call, context: (
            compute(call, context)
            if call.stage in ("labelled_data", "features", "weak_teacher")
            else ({}, None)
        ),
    )
    short = roles(made, student__max_length=16)[0]
    assert set(seen) == {16}
    assert "teacher" in changed(short, roles(made, student__max_length=24)[0])
    assert set(seen) == {16, 24}
