"""The parts of a run: what they depend on, and what may never be in two of them."""

import json
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest

from w2sg.data.pool import Pool
from w2sg.data.sources import from_frame, read_table
from w2sg.data.splits import divide

SIZES = {"n_labelled": 60, "n_unlabelled": 150, "n_test": 80}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("splits")


def frame(n=400, *, n_classes=3, seed=0):
    """Rows whose classes have shares 1/2, 1/3, 1/6 (for three), with ids, groups and splits."""
    rng = np.random.default_rng(seed)
    words = np.array([f"w{i}" for i in range(3000)])
    shares = np.array([3, 2, 1, 1, 1])[:n_classes]
    return pd.DataFrame(
        {
            "key": [f"row{i}" for i in range(n)],
            "text": [" ".join(rng.choice(words, size=8)) for _ in range(n)],
            "label": rng.choice(
                ["x", "y", "z", "u", "v"][:n_classes], size=n, p=shares / shares.sum()
            ),
            "who": [f"g{i}" for i in rng.integers(n // 4, size=n)],
        }
    )


@pytest.fixture
def table(folder):
    def build(rows, name="rows.csv", **columns):
        rows.to_csv(folder / name, index=False)
        return read_table(path=folder / name, **{"label": "label", "id": "key", **columns})

    return build


def test_parts_have_their_sizes_and_no_id_twice(table):
    parts = divide(table(frame()), **SIZES, seed=0)
    assert (len(parts.labelled), len(parts.unlabelled), len(parts.test)) == (60, 150, 80)
    ids = [*parts.labelled.ids, *parts.unlabelled.ids, *parts.test.ids]
    assert len(set(ids)) == 290
    assert parts.hidden.ids == parts.unlabelled.ids


def test_labels_stay_with_their_rows(table):
    """Would catch labels and ids that are sorted apart, in any of the three parts."""
    rows = frame()
    truth = dict(zip(rows["key"], rows["label"], strict=True))
    text = dict(zip(rows["key"], rows["text"], strict=True))
    parts = divide(table(rows), **SIZES, seed=3)
    for part in (parts.labelled, parts.hidden, parts.test):
        assert [part.label_names[c] for c in part.labels] == [truth[i] for i in part.ids]
        assert list(part.texts) == [text[i] for i in part.ids]
    assert list(parts.unlabelled.texts) == [text[i] for i in parts.unlabelled.ids]


def test_test_part_hangs_on_ids_and_split_seed_alone(table):
    """Each change would move test items between runs, and (seeds, items) would be no array."""
    rows = frame()
    base = divide(table(rows), **SIZES, seed=0).test.ids
    assert divide(table(rows), **SIZES, seed=1).test.ids == base
    assert divide(table(rows[::-1]), **SIZES, seed=0).test.ids == base
    other = {**SIZES, "n_labelled": 90, "n_unlabelled": 20}
    assert divide(table(rows), **other, seed=0).test.ids == base
    swapped = rows.assign(label=rows["label"].map({"x": "y", "y": "z", "z": "x"}))
    assert divide(table(swapped), **SIZES, seed=0).test.ids == base
    assert divide(table(rows), **SIZES, seed=0, split_seed=1).test.ids != base
    larger = divide(table(rows), **{**SIZES, "n_test": 120}, seed=0).test.ids
    assert larger[:80] == base
    dropping = divide(table(rows), **SIZES, seed=0, duplicates="drop")
    assert dropping.test.ids == base


def test_labelled_and_unlabelled_parts_are_drawn_anew_for_each_seed(table):
    rows = table(frame())
    first, again, other = (divide(rows, **SIZES, seed=s) for s in (0, 0, 1))
    assert first.labelled.fingerprint == again.labelled.fingerprint
    assert first.unlabelled.ids == again.unlabelled.ids
    common = len(set(first.labelled.ids) & set(other.labelled.ids))
    assert common < 30  # independent draws share 60 · 60 / 320 = 11 on average
    # the order of the rows in the file is not part of the draw
    backwards = divide(table(frame()[::-1]), **SIZES, seed=0)
    assert backwards.labelled.ids == first.labelled.ids


def test_hash_order_is_uniform(table):
    """A hash that follows the ids' spelling would take the first rows of the file."""
    rows = frame(2000)
    place = {name: i / 2000 for i, name in enumerate(rows["key"])}
    parts = divide(table(rows), n_labelled=400, n_unlabelled=400, n_test=400, seed=0)
    for part in (parts.labelled, parts.unlabelled, parts.test):
        mean = np.mean([place[name] for name in part.ids])
        assert abs(mean - 0.5) < 4 * (1 / 12 / 400) ** 0.5


def test_labelled_part_is_stratified_and_holds_every_class(table):
    """Plain draws have a standard deviation of four rows here; quotas allow one."""
    rows = frame(2000)
    for seed in range(5):
        parts = divide(table(rows), n_labelled=100, n_unlabelled=500, n_test=500, seed=seed)
        trained = set(rows["key"]) - set(parts.test.ids)
        left = rows[rows["key"].isin(trained)]["label"].value_counts(normalize=True)
        counts = parts.report.balance["labelled"]
        assert all(abs(counts[name] - 100 * left[name]) <= 1 for name in counts)
    rare = pd.concat([frame(300, n_classes=2), frame(4).assign(label="rare", key=list("abcd"))])
    parts = divide(table(rare), n_labelled=10, n_unlabelled=100, n_test=5, seed=0)
    assert parts.report.balance["labelled"]["rare"] == 1


def test_rows_for_rare_classes_are_taken_from_the_common_ones_in_proportion(table):
    """Four classes take one row each of ten; of the six others the common two keep 60 : 36."""
    labels = [*["x"] * 60, *["y"] * 36, "p", "q", "r", "s"]
    rows = frame(100).assign(label=labels)
    test = table(frame(10, n_classes=2).assign(key=[f"t{i}" for i in range(10)]), "test.csv")
    sizes = {"n_labelled": 10, "n_unlabelled": 50, "n_test": 10}
    parts = divide(table(rows), **sizes, seed=0, test=test)
    assert parts.report.balance["labelled"] == {"p": 1, "q": 1, "r": 1, "s": 1, "x": 4, "y": 2}


def test_a_class_without_rows_is_no_class(table):
    """A data set may name classes that a user's part of it lacks: numbers then close the gap."""
    rows = frame().assign(label=lambda f: f["label"].map({"x": 0, "y": 2, "z": 3}))
    whole = from_frame(
        rows, label="label", id="key", class_names={"label": ("a", "b", "c", "d", "e")}
    )
    parts = divide(whole, **SIZES, seed=0)
    assert parts.label_names == ("a", "c", "d")
    truth = dict(zip(rows["key"], rows["label"].map({0: "a", 2: "c", 3: "d"}), strict=True))
    assert [parts.label_names[c] for c in parts.test.labels] == [truth[i] for i in parts.test.ids]


def test_groups_never_straddle_parts(table):
    """Rows about one question in two parts would let memory pass for generalization."""
    rows = table(frame(600), group="who")
    for seed in range(3):
        parts = divide(rows, n_labelled=60, n_unlabelled=200, n_test=100, seed=seed)
        assert (len(parts.labelled), len(parts.unlabelled), len(parts.test)) == (60, 200, 100)
        groups = [set(p.groups) for p in (parts.labelled, parts.unlabelled, parts.test)]
        assert sum(map(len, groups)) == len(set.union(*groups))
        assert len(groups[2]) < 100  # groups of several rows are there to be broken


def test_own_test_split_and_file_are_used(table):
    rows = frame().assign(part=["test" if i % 4 == 0 else "train" for i in range(400)])
    split = divide(table(rows, split="part"), **SIZES, seed=0)
    own = set(rows["key"][rows["part"] == "test"])
    assert set(split.test.ids) <= own
    # test rows that were not drawn are not trained on either
    assert not own & {*split.labelled.ids, *split.unlabelled.ids}
    assert split.report.test_from == "split"
    whole = divide(table(rows, split="part"), **{**SIZES, "n_test": None}, seed=0)
    assert set(whole.test.ids) == own

    test = table(frame(100, seed=9).assign(key=[f"t{i}" for i in range(100)]), "test.csv")
    given = divide(table(frame()), **SIZES, seed=0, test=test)
    assert set(given.test.ids) <= set(test.frame["id"])
    assert given.report.test_from == "file"


def test_classes_are_matched_by_name_across_files(table):
    """A test file that lacks the first class numbers the others from 0: numbers do not match."""
    rows = frame(100, seed=9).assign(key=[f"t{i}" for i in range(100)])
    test = table(rows[rows["label"] != "x"], "test.csv")
    assert test.label_names == ("y", "z")
    parts = divide(table(frame()), **{**SIZES, "n_test": None}, seed=0, test=test)
    truth = dict(zip(rows["key"], rows["label"], strict=True))
    names = [parts.label_names[c] for c in parts.test.labels]
    assert names == [truth[i] for i in parts.test.ids]


def test_rows_without_a_label_are_the_unlabelled_part(table):
    rows = frame()
    rows.loc[200:, "label"] = ""
    parts = divide(table(rows), **SIZES, seed=0)
    assert set(parts.unlabelled.ids) <= {f"row{i}" for i in range(200, 400)}
    assert parts.hidden is None
    assert parts.report.unlabelled_from == "empty labels"
    rows.loc[:300, "label"] = frame()["label"][:301]
    some = divide(table(rows), **SIZES, seed=0)  # 99 have none, 51 labels are set aside
    assert len(some.hidden) == 51
    assert some.report.unlabelled_from == "empty labels and hidden labels"


def test_a_separate_unlabelled_file_needs_no_label_column(table):
    other = frame(200, seed=5).assign(key=[f"u{i}" for i in range(200)])
    plain = table(other.drop(columns="label"), "u.csv", label_optional=True)
    parts = divide(table(frame()), **SIZES, seed=0, unlabelled=plain)
    assert set(parts.unlabelled.ids) <= set(other["key"])
    assert parts.hidden is None
    known = divide(table(frame()), **SIZES, seed=0, unlabelled=table(other, "u.csv"))
    assert known.unlabelled.ids == parts.unlabelled.ids  # labels do not choose the rows
    assert len(known.hidden) == 150
    other_seed = divide(table(frame()), **SIZES, seed=1, unlabelled=plain)
    assert len(set(other_seed.unlabelled.ids) & set(parts.unlabelled.ids)) < 150


def test_copies_across_parts_are_counted_and_dropped(table):
    """Every row has a copy: counting only within a part, or only exact copies, shows none."""
    rows = frame(300)
    copies = rows.assign(key="c" + rows["key"], text=rows["text"].str.upper() + " !")
    both = table(pd.concat([rows, copies]))
    report = divide(both, **SIZES, seed=0).report
    assert report.exact == {"labelled/test": 0, "unlabelled/test": 0, "unlabelled/labelled": 0}
    assert report.near["unlabelled/test"] > 10
    assert report.near["unlabelled/labelled"] > 5
    dropping = divide(both, **SIZES, seed=0, duplicates="drop").report
    assert set(dropping.near.values()) == {0}
    assert dropping.dropped["copy of a test row"] == 80 - report_within_test(both)
    assert dropping.rows == {"labelled": 60, "unlabelled": 150, "test": 80}


def report_within_test(both):
    """Test rows whose copy is in the test part too: their copies are not there to drop."""
    ids = divide(both, **SIZES, seed=0).test.ids
    bare = [name.removeprefix("c") for name in ids]
    return sum(bare.count(name) == 2 for name in bare)


def test_the_same_text_in_two_files_is_never_trained_on(table, folder):
    """Content ids: a row of the main data that is also a test row must leave the training parts."""
    rows = frame().drop(columns="key")
    test = table(rows[:100], "test.csv", id=None)
    parts = divide(table(rows, id=None), **{**SIZES, "n_test": None}, seed=0, test=test)
    assert not set(parts.test.texts) & {*parts.labelled.texts, *parts.unlabelled.texts}
    assert parts.report.dropped == {"same content as a test row": 100}


def test_shift_is_reported(table):
    other = frame(300, seed=5).assign(
        key=[f"u{i}" for i in range(300)], text=[f"shop order number {i} late" for i in range(300)]
    )
    moved = divide(table(frame()), **SIZES, seed=0, unlabelled=table(other, "u.csv"))
    assert moved.report.shift.p_value < 1e-6
    same = divide(table(frame()), **SIZES, seed=0)
    assert same.report.shift.p_value > 0.001


def test_lengths_and_blank_rows_are_reported(table):
    rows = frame()
    rows.loc[:9, "text"] = "  "
    parts = divide(table(rows), **SIZES, seed=0)
    assert parts.report.blank == {"data": 10}
    lengths = [len(text) for text in parts.unlabelled.texts]
    assert parts.report.lengths["unlabelled"] == {
        "median": np.median(lengths),
        "p95": pytest.approx(np.percentile(lengths, 95)),
        "largest": max(lengths),
    }


def test_the_report_can_be_stored_as_json(table):
    """NumPy integers are not JSON, and a manifest that cannot be written loses the stage."""
    report = asdict(divide(table(frame()), **SIZES, seed=0).report)
    assert json.loads(json.dumps(report, allow_nan=False)) == report


def test_pairs_are_carried(table):
    rows = frame().assign(second=[f"second {i}" for i in range(400)])
    parts = divide(table(rows, text_pair="second"), **SIZES, seed=0)
    second = dict(zip(rows["key"], rows["second"], strict=True))
    for part in (parts.labelled, parts.unlabelled, parts.test, parts.hidden):
        assert list(part.pairs) == [second[i] for i in part.ids]


def test_order_is_by_group_first():
    """Interleaved groups would all be cut by a size, and their rows lost."""
    words = np.array([f"r{i}" for i in range(40)], dtype=object)
    groups = np.array([f"g{i % 10}" for i in range(40)], dtype=object)
    pool = Pool(words, words, None, groups, words, np.zeros(40, np.int64), words)
    ordered = groups[pool.order(np.ones(40, bool), "salt")]
    assert (ordered[1:] != ordered[:-1]).sum() == 9
