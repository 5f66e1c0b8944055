"""What a model is given, and the order of a head that it brings: never by position."""

import json
import pickle
import shutil

import numpy as np
import pytest
import torch
import transformers as t
from architectures import MODELS
from tiny import save_bert, save_gpt2

from w2sg.models.backbone import encode, load_classifier, logits
from w2sg.models.features import load_encoder, pooled_features
from w2sg.models.inputs import positions
from w2sg.models.layer_features import layer_features

NAMES = ("bad", "good")


def classifier(folder, names=NAMES, **options):
    return load_classifier(str(folder), names, seed=0, **options)


@pytest.fixture
def folder(tmp_path, tiny_model):
    return shutil.copytree(tiny_model, tmp_path / "model")


# ---- what a model can be given


def lengthen(folder):
    """Let the tokenizer not know where the model's positions end."""
    file = folder / "tokenizer_config.json"
    settings = json.loads(file.read_text())
    file.write_text(json.dumps({**settings, "model_max_length": 10**30}))


@pytest.mark.parametrize("save", [save_bert, save_gpt2])
def test_texts_are_cut_where_positions_end(save, tmp_path):
    """A longer text is an index error inside the model, after the teacher has been trained."""
    folder = save(tmp_path / "model")
    lengthen(folder)
    texts = [" ".join(["w1"] * 200), "w2"]
    made = classifier(folder)
    encoded = encode(made.tokenizer, texts, max_length=256)
    assert encoded.lengths.tolist()[0] == 64
    assert encoded.n_truncated == 1
    assert np.isfinite(logits(made, encoded)).all()
    told = []
    pooled_features(str(folder), texts, max_length=256, cut=lambda *cut: told.append(cut))
    assert told == [(1, 64)]
    model, tokenizer = load_encoder(str(folder))
    tokenizer.model_max_length = 10**30  # as one that is loaded without us
    features = layer_features(model, tokenizer, texts, max_length=256)[-1]
    np.testing.assert_allclose(features, pooled_features(str(folder), texts), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("bert", 32), ("roberta", 39), ("gpt2", 32), ("opt", 32), ("bart", 32), ("gptj", 32),
     ("llama", None), ("bloom", None), ("t5", None), ("deberta_v2", 32)],
)  # fmt: skip
def test_positions_by_a_forward_pass(name, expected):
    """One token more is an error exactly where a table ends; RoBERTa's begins behind the pad."""
    model = MODELS[name]().eval()
    assert positions(model) == expected
    if expected is None:
        expected = 64
    ids = torch.full((1, expected), 3)
    ids[:, -1] = model.config.eos_token_id or 2
    with torch.no_grad():
        model(input_ids=ids)
        if positions(model) is not None:
            with pytest.raises((IndexError, RuntimeError)):
                model(input_ids=torch.cat([ids[:, :1], ids], dim=1))


@pytest.mark.parametrize("door", [classifier, lambda folder: load_encoder(str(folder))])
def test_a_pad_token_outside_the_embedding(door, folder):
    tokenizer = t.AutoTokenizer.from_pretrained(folder)
    size = len(tokenizer)
    tokenizer.add_special_tokens({"pad_token": "<outside>"})
    tokenizer.save_pretrained(folder)
    expected = rf"number {size}, and the embedding has {size} rows.*_embeddings\({size + 1}\)"
    with pytest.raises(ValueError, match=expected):
        door(folder)


def test_other_tokens_outside_the_embedding(folder):
    """Only a text that holds one is refused: many models have such tokens and never meet them."""
    tokenizer = t.AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["newword"])
    tokenizer.save_pretrained(folder)
    made = classifier(folder)
    logits(made, encode(made.tokenizer, ["w1 w2"]))
    pooled_features(str(folder), ["w1 w2"])
    with pytest.raises(ValueError, match=r"holds the token 'newword', number \d+"):
        logits(made, encode(made.tokenizer, ["w1 newword"]))
    with pytest.raises(ValueError, match=r"holds the token 'newword', number \d+"):
        pooled_features(str(folder), ["w1 newword"])


def test_a_damaged_cache_of_features_is_made_again(tiny_model, tmp_path):
    """NumPy's text for a file that is no array advises to unpickle it."""
    model, tokenizer = load_encoder(str(tiny_model))

    def ask():
        return layer_features(model, tokenizer, ["w1 w2", "w3"], (1, 2), cache=tmp_path)

    whole = ask()
    for content in (b"", b"<html>", b"\x93NUMPY\x01", pickle.dumps([1])):
        min(tmp_path.glob("*.npy")).write_bytes(content)
        again = ask()
        assert all(np.array_equal(whole[layer], again[layer]) for layer in whole)
        assert all(len(np.load(file)) == 2 for file in tmp_path.glob("*.npy"))


# ---- a head that comes trained


def save_head(source, folder, names, seed=3):
    made = load_classifier(str(source), names, seed=seed)
    made.model.save_pretrained(folder)
    made.tokenizer.save_pretrained(folder)
    return made


@pytest.mark.parametrize("save", [save_bert, save_gpt2])
@pytest.mark.parametrize(
    ("own", "names"),
    [
        (("good", "bad"), ("bad", "good")),
        (("c", "a", "b"), ("a", "b", "c")),
        (("POSITIVE", "NEGATIVE"), ("negative", "positive")),
        (("1", "0"), ("0", "1")),
        (("LABEL_1", "LABEL_0"), ("0", "1")),
    ],
)
def test_rows_of_a_trained_head_follow_the_names(save, own, names, tmp_path):
    """By position, the answers would be those of the other class."""
    given = save_head(save(tmp_path / "base"), tmp_path / "head", own)
    made = load_classifier(str(tmp_path / "head"), names, seed=0)
    texts = encode(made.tokenizer, ["w1 w2", "w3 !", "w4"])
    order = [[one.lower().removeprefix("label_") for one in own].index(name) for name in names]
    np.testing.assert_allclose(logits(made, texts), logits(given, texts)[:, order], atol=1e-6)
    assert made.model.config.id2label == dict(enumerate(names))
    facts = {"head": "trained", "head_classes": list(own), "head_moved": True}
    assert made.head.facts() == facts


def test_a_head_for_other_classes_is_refused(tmp_path, tiny_model):
    save_head(tiny_model, tmp_path / "model", ("spam", "ham"))
    with pytest.raises(ValueError, match=r"\['spam', 'ham'\].*\['bad', 'good'\].*id2label"):
        classifier(tmp_path / "model")
    made = classifier(tmp_path / "model", restoring=True)  # as for a student trained before
    assert made.head.classes == ("spam", "ham")


def test_a_head_without_names_is_replaced(tmp_path, tiny_model):
    """LABEL_0 says neither which class a row means nor that it was ever trained."""
    torch.manual_seed(0)
    given = t.AutoModelForSequenceClassification.from_pretrained(tiny_model, num_labels=2)
    shutil.copytree(tiny_model, tmp_path / "model")
    given.save_pretrained(tmp_path / "model")
    one, two, other = (
        load_classifier(str(tmp_path / "model"), NAMES, seed=seed) for seed in (1, 1, 2)
    )
    heads = [made.model.classifier.weight for made in (one, two, other)]
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])
    assert not torch.equal(heads[0], given.classifier.weight)
    assert torch.equal(one.model.bert.pooler.dense.weight, given.bert.pooler.dense.weight)
    assert one.head.facts()["head"] == "new"
    assert one.head.classes == ("LABEL_0", "LABEL_1")


def test_new_heads_and_parts_of_heads(tmp_path, tiny_model):
    assert classifier(tiny_model).head.facts() == {"head": "new"}
    save_head(tiny_model, tmp_path / "three", ("a", "b", "c"))
    made = classifier(tmp_path / "three")
    assert made.head.facts() == {"head": "new"}
    assert made.model.classifier.weight.shape[0] == 2
    tokenizer = t.AutoTokenizer.from_pretrained(tiny_model)
    config = t.DistilBertConfig(
        dim=16, n_layers=1, n_heads=2, hidden_dim=16, vocab_size=len(tokenizer), num_labels=3
    )
    t.DistilBertForSequenceClassification(config).save_pretrained(tmp_path / "two layers")
    tokenizer.save_pretrained(tmp_path / "two layers")
    assert classifier(tmp_path / "two layers").head.kind == "trained in part"
