"""What no forecast can be made from gets a sentence, never a number."""

import numpy as np
import pytest

from w2sg.forecast import Evidence


def _parts(n=40, big_n=60, k=2):
    rng = np.random.default_rng(0)
    labels = np.arange(n) % k
    return labels, rng.normal(size=(n + big_n, 5)), np.full((n + big_n, k), 1 / k)


def test_no_labels():
    _, x, told = _parts()
    with pytest.raises(ValueError, match="no labels"):
        Evidence(np.array([], dtype=int), x, told)


def test_one_class():
    labels, x, told = _parts()
    with pytest.raises(ValueError, match="one class"):
        Evidence(np.zeros_like(labels), x, told)


def test_fewer_than_ten_of_a_class():
    labels, x, told = _parts()
    labels = (np.arange(len(labels)) < 9).astype(int)
    with pytest.raises(ValueError, match="class 'spam' has 9 labels"):
        Evidence(labels, x, told, label_names=("ham", "spam"))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_features_that_are_not_finite(bad):
    labels, x, told = _parts()
    x[3, 1] = bad
    with pytest.raises(ValueError, match="strong must be finite"):
        Evidence(labels, x, told)


def test_constant_features():
    labels, x, told = _parts()
    with pytest.raises(ValueError, match="same for every row"):
        Evidence(labels, np.ones_like(x), told)


def test_teacher_equal_to_student():
    labels, x, told = _parts()
    with pytest.raises(ValueError, match="same model"):
        Evidence(labels, x, told, weak=x.copy())


def test_no_unlabelled_rows():
    labels, x, told = _parts(big_n=3)
    with pytest.raises(ValueError, match="3 unlabelled"):
        Evidence(labels, x, told)


def test_probabilities_that_do_not_sum_to_one():
    labels, x, told = _parts()
    with pytest.raises(ValueError, match="sum to 1"):
        Evidence(labels, x, told * 0.9)


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ({"data.n_labelled": 0, "teacher.kind": "column", "teacher.column": "told"}, "no labels"),
        ({"teacher.kind": "probe"}, "teacher and student are the same"),
    ],
)
def test_specs_that_cannot_be_forecast(tmp_path, overrides, says):
    from w2sg.runs.preflight import preflight
    from w2sg.spec import load

    spec = load({"data": {"bundled": "qnli"}, "run": {"store": str(tmp_path)}}, overrides)
    with pytest.raises(ValueError, match=says):
        preflight(spec)
