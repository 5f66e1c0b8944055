"""What is said of labels: contradictions, spellings, groups that leave nothing to learn from."""

import json
from dataclasses import asdict

import pandas as pd
import pytest

from w2sg.data.parts import label_warnings
from w2sg.data.sources import from_frame, read_table
from w2sg.data.splits import divide

SIZES = {"n_labelled": 20, "n_unlabelled": 40, "n_test": 40}


def frame(n=120, **columns):
    start = {"text": [f"text {i}" for i in range(n)], "label": ["a", "b"] * (n // 2)}
    return pd.DataFrame({**start, **columns})


def test_one_text_with_contradictory_labels_is_counted_inside_each_part():
    rows = frame(id=[str(i) for i in range(120)], split=["test"] * 40 + ["train"] * 80)
    rows.loc[0:3, "text"] = ["same", "Same ", "same", "other"]  # labels a, b, a: three rows
    rows.loc[10:11, "text"] = "twice"
    rows.loc[10:11, "label"] = "a"  # copies that agree
    rows.loc[50, "text"] = "other"  # row 3 is b, row 50 is a, but in another part
    table = from_frame(rows, label="label", id="id", split="split")
    report = divide(table, **SIZES, seed=0).report
    assert report.contradictory == {"labelled": 0, "unlabelled": 0, "test": 3}
    (said,) = label_warnings(json.loads(json.dumps(asdict(report))), 7)
    assert said.startswith("3 rows of the test part have a text that stands there with another")
    assert "(seed 7)" in said


def test_pairs_contradict_only_where_both_texts_agree():
    rows = frame(second=[f"second {i // 2}" for i in range(120)])
    rows["text"] = "same"
    one = from_frame(rows, label="label", text_pair="second", id=None)
    parts = divide(one, n_labelled=20, n_unlabelled=50, n_test=50, seed=0)
    assert sum(parts.report.contradictory.values()) > 0
    rows["second"] = [f"second {i}" for i in range(120)]
    other = from_frame(rows, label="label", text_pair="second", id=None)
    assert not any(divide(other, **SIZES, seed=0).report.contradictory.values())


@pytest.mark.parametrize(
    ("labels", "note"),
    [
        (["Ham", "ham"], r"\('Ham', 'ham'\) are kept apart"),
        (["01", "1"], r"\('01', '1'\) are kept apart"),
        (["not spam", "not_spam"], "kept apart"),
        (["ham", "ham|promo"], r"'ham\|promo' looks like several classes in one cell"),
        (["caf\u00e9", "cafe\u0301", "tea"], "'caf\u00e9' is written in several ways"),
    ],
)
def test_names_that_may_be_a_mistake_are_said_and_kept(labels, note):
    rows = frame(label=[labels[i % len(labels)] for i in range(120)])
    table = from_frame(rows, label="label", words={"label": "data.label"})
    (said,) = divide(table, **SIZES, seed=0).report.notes
    assert said.startswith("data.label: ")
    assert pd.Series([said]).str.contains(note).all()
    plain = from_frame(frame(), label="label")
    assert divide(plain, **SIZES, seed=0).report.notes == []


def test_notes_belong_to_the_file_and_not_to_what_is_left_of_it():
    """A mended file has the same rows: the old file's warning must not be served for it."""
    mended = frame(label=["caf\u00e9", "tea"] * 60)
    mixed = mended.copy()
    mixed.loc[:9, "label"] = [name.replace("\u00e9", "e\u0301") for name in mixed["label"][:10]]
    old, new = (from_frame(rows, label="label") for rows in (mixed, mended))
    assert old.frame.equals(new.frame)
    assert old.fingerprint != new.fingerprint


def test_one_group_is_the_cause_that_is_named():
    """Catches "one class only, []; is data.label the right column?"."""
    rows = frame(who=["me"] * 120)
    table = from_frame(rows, label="label", group="who")
    message = r"no labelled row is left to learn from: 40 rows .* 80 others share a group \(data"
    with pytest.raises(ValueError, match=rf"{message}.group\) with them, of 1 group in all"):
        divide(table, **SIZES, seed=0)
    two = from_frame(frame(who=["me"] * 60 + ["you"] * 60), label="label", group="who")
    with pytest.raises(ValueError, match="of 2 groups in all"):
        divide(two, n_labelled=2, n_unlabelled=2, n_test=61, seed=0)


def test_too_large_a_test_part_is_the_cause_that_is_named():
    table = from_frame(frame(), label="label")
    with pytest.raises(ValueError, match=r"is left to learn from: 120 rows are in the test part"):
        divide(table, n_labelled=2, n_unlabelled=2, n_test=120, seed=0)
    only = from_frame(frame(label="a"), label="label")
    with pytest.raises(ValueError, match=r"one class only, \['a'\].*is data.label the right col"):
        divide(only, **SIZES, seed=0)


@pytest.mark.parametrize(
    ("label", "hint"),
    [("Ham", "did you mean 'ham'"), ("NA", r'set data.no_label = \["NA"\]'), ("-1", r'\["-1"\]')],
)
@pytest.mark.parametrize("source", ["test", "unlabelled"])
def test_labels_of_another_file_that_no_class_has(label, hint, source):
    main = from_frame(frame(label=["ham", "spam"] * 60), label="label")
    texts = [f"other {i}" for i in range(120)]
    other = from_frame(frame(text=texts, label=["ham", label] * 60), label="label", no_label=[])
    with pytest.raises(ValueError, match=rf"'{label}' of the {source} file is none of .*{hint}"):
        divide(main, **SIZES, seed=0, **{source: other})
    emptied = from_frame(
        frame(text=texts, label=["ham", label] * 60), label="label", no_label=[label]
    )
    divide(main, **SIZES, seed=0, **{source: emptied})


@pytest.mark.parametrize("order", [["z", "a"], ["a", "z"], ["a", "z", "new"]])
def test_splits_that_number_their_classes_otherwise(tmp_path, monkeypatch, order):
    """The numbers of one split under the names of another would swap every test label."""
    datasets = pytest.importorskip("datasets")
    for name in ("HF_DATASETS_CACHE", "HF_MODULES_CACHE"):
        monkeypatch.setattr(datasets.config, name, str(tmp_path / name))

    def part(names, labels):
        features = datasets.Features(
            {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=names)}
        )
        rows = {"text": [f"{labels} {i}" for i in range(3)], "label": labels}
        return datasets.Dataset.from_dict(rows, features=features)

    splits = {"train": part(["z", "a"], [0, 1, 0]), "test": part(order, [0, -1, 1])}
    datasets.DatasetDict(splits).save_to_disk(tmp_path / "set")
    table = read_table(path=tmp_path / "set", label="label")
    assert table.label_names == ("z", "a")
    names = [table.label_names[k] if k >= 0 else None for k in table.frame["label"]]
    assert names == ["z", "a", "z", order[0], None, order[1]]
