"""Three types of examples: what they refuse, and that rows are paired by id."""

import numpy as np
import pytest

from w2sg.data.examples import Labelled, PseudoLabelled, Unlabelled

IDS, TEXTS, NAMES = ("a", "b", "c"), ("one", "two", "three"), ("no", "yes")


def labelled(**changes):
    return Labelled(
        **{"ids": IDS, "texts": TEXTS, "labels": [0, 1, 1], "label_names": NAMES, **changes}
    )


def pseudo(**changes):
    given = [[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]]
    start = {"ids": IDS, "texts": TEXTS, "probabilities": given, "label_names": NAMES}
    return PseudoLabelled(**{**start, "teacher": "tfidf", **changes})


def test_unlabelled_has_no_label_anywhere():
    """Would catch a label that travels with the rows a student is trained on."""
    rows = labelled().unlabelled()
    assert not [name for name in dir(rows) if "label" in name and name != "unlabelled"]


def test_take_follows_the_ids_and_not_the_positions():
    """Would catch a take that keeps the order of the rows, as a mask does."""
    assert labelled().take(["c", "a"]).texts == ("three", "one")
    assert labelled().take(["c", "a"]).labels.tolist() == [1, 0]
    assert pseudo().take(["c", "a"]).probabilities.tolist() == [[0.5, 0.5], [0.9, 0.1]]
    whole = Unlabelled(IDS, TEXTS, pairs=("x", "y", "z"), groups=("g", "g", "h"))
    part = whole.take(["b"])
    assert (part.pairs, part.groups) == (("y",), ("g",))


def test_take_names_an_unknown_id():
    with pytest.raises(ValueError, match="1 of 2 ids are not among the 3 rows, first 'z'"):
        labelled().take(["a", "z"])


def test_probabilities_are_joined_by_id():
    """The old bug: probabilities assigned by position to rows in another order."""
    rows = Unlabelled(IDS, TEXTS)
    given = np.array([[0.5, 0.5], [0.9, 0.1], [0.2, 0.8], [0.3, 0.7]])
    joined = PseudoLabelled.join(
        rows, ids=["c", "a", "b", "unused"], probabilities=given, label_names=NAMES, teacher="t"
    )
    assert joined.ids == IDS
    assert joined.probabilities[:, 0].tolist() == [0.9, 0.2, 0.5]
    with pytest.raises(ValueError, match="1 of 3 ids have no pseudo-label, first 'b'"):
        PseudoLabelled.join(
            rows, ids=["c", "a"], probabilities=given[:2], label_names=NAMES, teacher="t"
        )


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([np.nan, 1.0], "id 'b' hold nan for class 0"),
        ([-0.1, 1.1], "id 'b' hold -0.1 for class 0"),
        ([0.2, 0.7], "id 'b' sum to 0.9"),
        ([np.inf, 0.0], "id 'b' hold inf for class 0"),
    ],
)
def test_bad_probabilities_are_named(row, message):
    """NaN compares false with everything: a check written as `p < 0 or p > 1` lets it through."""
    with pytest.raises(ValueError, match=message):
        pseudo(probabilities=[[0.9, 0.1], row, [0.5, 0.5]])


def test_bad_rows_are_named():
    with pytest.raises(ValueError, match="ids must be unique, got 'a' more than once"):
        labelled(ids=("a", "b", "a"))
    with pytest.raises(ValueError, match="label of id 'c' is 2"):
        labelled(labels=[0, 1, 2])
    with pytest.raises(ValueError, match="label of id 'b' is -1"):
        labelled(labels=[0, -1, 1])
    with pytest.raises(ValueError, match="label of id 'a' is nan"):
        labelled(labels=[np.nan, 1, 1])
    with pytest.raises(ValueError, match="texts of id 'b' must be a string that is not blank"):
        labelled(texts=("one", " \n", "three"))
    with pytest.raises(ValueError, match="texts has 2 rows, ids has 3"):
        labelled(texts=("one", "two"))
    with pytest.raises(ValueError, match=r"shape \(3, 2\).*got \(3, 3\)"):
        pseudo(probabilities=np.full((3, 3), 1 / 3))


def test_arrays_cannot_be_written_to():
    """A stage that edits labels in place would change what its fingerprint says."""
    with pytest.raises(ValueError, match="read-only"):
        labelled().labels[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        pseudo().probabilities[0] = 0
    labels, given = np.array([0, 1, 1]), np.full((3, 2), 0.5)
    rows, soft = labelled(labels=labels), pseudo(probabilities=given)
    labels[0], given[0] = 1, [0.0, 1.0]  # the caller's own arrays stay the caller's
    assert rows.labels[0] == 0
    assert soft.probabilities[0, 0] == 0.5


def test_fingerprint_sees_everything_but_the_order():
    """Each change below, if overlooked, would serve a stored result for other data."""
    rows = labelled()
    assert rows.fingerprint == rows.take(["c", "b", "a"]).fingerprint
    others = [
        labelled(labels=[0, 1, 0]),
        labelled(label_names=("yes", "no")),
        labelled(texts=("one", "two", "four")),
        labelled(ids=("a", "b", "d")),
        labelled(pairs=TEXTS),
        labelled(groups=TEXTS),
        rows.unlabelled(),
        pseudo(),
        pseudo(teacher="other"),
        pseudo(probabilities=[[0.9, 0.1], [0.2, 0.8], [0.5 + 1e-9, 0.5 - 1e-9]]),
        # moving a character over a border between fields must not go unseen
        labelled(ids=("a", "b", "co"), texts=("one", "two", "three")),
        labelled(ids=("a", "b", "c"), texts=("one", "two", "othree")),
    ]
    prints = [rows.fingerprint, *(other.fingerprint for other in others)]
    assert len(set(prints)) == len(prints)


def test_fingerprint_is_stable():
    """Another recipe disowns every stored result: change the version of the store with it."""
    assert labelled().fingerprint.startswith("26b7e41f512837bb")
