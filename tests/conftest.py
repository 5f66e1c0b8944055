"""What tests share."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of the benchmark data, or skip where it is not there."""
    beside = Path(__file__).parents[1].parent / "shared" / "data"
    folder = Path(os.environ.get("W2SG_SHARED_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no benchmark data at {folder}; set W2SG_SHARED_DATA to their folder")
    return folder
