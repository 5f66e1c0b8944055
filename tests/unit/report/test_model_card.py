"""The card beside a saved model: a header that parses, and text that stays text."""

import pytest

from w2sg.report.model_card import model_card

yaml = pytest.importorskip("yaml")


def split(card):
    start, header, body = card.split("---\n", 2)
    assert start == ""
    return yaml.safe_load(header), body


def test_header_is_yaml_with_the_accuracy_of_the_saved_seed(make_outcome):
    # the mean over seeds is not what the saved weights do
    outcome = make_outcome(seeds=(0, 3), n_test=200)
    header, body = split(model_card(outcome, seed=3))
    facts = outcome.of_role("evaluation").facts
    first, second = facts["metrics"]["student"]["by_seed"]["accuracy"]
    metric = header["model-index"][0]["results"][0]["metrics"][0]
    assert first != second
    assert metric["value"] == pytest.approx(second)
    assert header["base_model"] == "sentence-transformers/all-MiniLM-L6-v2"
    assert "This is the student of seed 3" in body


def test_unknown_seed_is_refused(make_outcome):
    with pytest.raises(ValueError, match=r"seed must be one of \[0, 1, 2\], got 9"):
        model_card(make_outcome(), seed=9)


def test_label_names_are_no_markup(make_outcome):
    # a label with a pipe would break the table, one with a tag would be HTML on a hub page
    name = "<script>x</script>|[a](javascript:b)\n---"
    _, body = split(model_card(make_outcome(names=(name, "good"))))
    assert "<script>" not in body
    assert "](javascript" not in body
    assert "\n---" not in body


def test_folder_of_the_user_is_no_base_model(make_outcome):
    header, _ = split(model_card(make_outcome(student={"model": "./mine/model"})))
    assert "base_model" not in header


def test_card_says_what_is_not_known(make_outcome):
    _, body = split(model_card(make_outcome(seeds=(0,))))
    assert "## What is not known" in body
    assert "with one seed" in body


def test_folders_of_the_author_are_not_published(make_outcome):
    # a card goes to a hub; a home folder with a user's name in it does not
    outcome = make_outcome(student={"model": "/home/somebody/models/mine"})
    card = model_card(outcome)
    assert "/home/somebody" not in card
    assert str(outcome.store.root.parent) not in card
    assert 'path = "rows.csv"' in card
    assert 'model = "mine"' in card
