"""Stored features are looked up by id, whatever their order in the file."""

import numpy as np
import pandas as pd
import pytest

from w2sg.runs.payloads import Artifact, StoredFeatures
from w2sg.runs.store import Manifest


@pytest.fixture
def stored(tmp_path):
    np.save(tmp_path / "features.npy", np.arange(6, dtype=np.float32).reshape(3, 2))
    pd.DataFrame({"id": ["7", "b", "a"]}).to_parquet(tmp_path / "ids.parquet", index=False)
    return StoredFeatures(Artifact(Manifest("", {}, "done"), tmp_path))


def test_rows_come_in_the_order_asked_for(stored):
    # catches rows by position, which other parts of the data would share by accident
    np.testing.assert_array_equal(stored.of(["a", "7", "a"]), [[4, 5], [0, 1], [4, 5]])
    assert stored.of(["b"]).dtype == np.float32


def test_a_row_without_features_is_noticed(stored):
    assert stored.holds(("a", "b"))
    assert not stored.holds(("a", "c"))
    with pytest.raises(KeyError):
        stored.of(["c"])
