"""What tests share."""

import os
from pathlib import Path

import hypothesis
import pytest
from hypothesis import HealthCheck, settings

# how long an example takes says how busy the machine is
hypothesis.settings.register_profile("w2sg", deadline=None)
hypothesis.settings.load_profile("w2sg")

os.environ["HF_HUB_OFFLINE"] = "1"  # before anything reads it: no test reaches for the hub
os.environ.setdefault("OMP_NUM_THREADS", "1")  # several tests compare bits between processes
for name in ("COLUMNS", "LINES", "FORCE_COLOR", "CLICOLOR_FORCE", "TTY_COMPATIBLE"):
    os.environ.pop(name, None)  # tables are tested as a pipe sees them, whatever terminal this is

# the same examples each time, and no opinion on how long they take: a busy machine is no bug
settings.register_profile(
    "steady", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("steady")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of the benchmark data, or skip where it is not there."""
    beside = Path(__file__).parents[1].parent / "shared" / "data"
    folder = Path(os.environ.get("W2SG_SHARED_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no benchmark data at {folder}; set W2SG_SHARED_DATA to their folder")
    return folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory) -> Path:
    """Return the folder of a random BERT of two layers with its tokenizer."""
    from tiny import save_bert

    return save_bert(tmp_path_factory.mktemp("tiny-bert"))


@pytest.fixture(scope="session")
def tiny_gpt2(tmp_path_factory) -> Path:
    """Return the folder of a random GPT-2 of two layers with its tokenizer, without a pad token."""
    from tiny import save_gpt2

    return save_gpt2(tmp_path_factory.mktemp("tiny-gpt2"))


@pytest.fixture(scope="session")
def word_csv(tmp_path_factory) -> Path:
    """Return a CSV of 240 texts of two classes that a word model tells apart."""
    from w2sg.data.synthetic import word_table

    path = tmp_path_factory.mktemp("words") / "words.csv"
    frame = word_table(240, n_words=60, words_per_text=8).frame
    frame.assign(label=frame["label"].map({0: "bad", 1: "good"})).to_csv(path, index=False)
    return path
