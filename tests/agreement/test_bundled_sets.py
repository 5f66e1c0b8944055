"""The bundled sets are what `docs/data-sets.md` says was made of their sources."""

import re

import pandas as pd

from w2sg.data.sources import bundled_path


def bundled(name):
    return pd.read_parquet(bundled_path(name, known=(name,)))


def test_vader_tweets_follow_from_the_ratings(shared_data):
    """A label that is not the sign of its own tweet's rating (rows shifted by one) shows here."""
    source = pd.read_parquet(shared_data / "text" / "sentiment_ratings.parquet")
    source = source[source["domain"] == "tweets"].reset_index(drop=True)
    assert len(source) == 4200
    plain = source["text"].map(lambda t: " ".join(re.sub(r"[.!]+", " ", t.lower()).split()))
    rated = source["target"] != 0
    kept = source[rated & ~plain.where(rated).duplicated()]
    ours = bundled("vader_tweets")
    assert ours["id"].tolist() == [f"tweet-{i:04d}" for i in kept.index]
    assert ours["text"].tolist() == kept["text"].str.strip().tolist()
    assert ours["label"].tolist() == (kept["target"] > 0).astype(int).tolist()


def test_qnli_is_the_validation_split_row_by_row(shared_data):
    source = pd.read_parquet(shared_data / "text" / "qnli.parquet")
    ours = bundled("qnli")
    assert ours["question"].tolist() == source["text_a"].str.strip().tolist()
    assert ours["sentence"].tolist() == source["text_b"].str.strip().tolist()
    assert ours["label"].tolist() == source["label"].tolist()
