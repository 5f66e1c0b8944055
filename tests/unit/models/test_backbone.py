"""A model answers the same however its texts are padded, ordered or stored."""

import numpy as np
import pytest
import torch
from tiny import save_bert

from w2sg.models import backbone
from w2sg.models.backbone import (
    check_padding,
    collate,
    encode,
    load_classifier,
    logits,
)
from w2sg.models.features import pooled_features
from w2sg.models.sources import fingerprint, locate

TEXTS = ["w1 w2", "! ! !", "w3 ! w4 w5 w6 w7 w8", "w9 !", "w1", "a short text !"]


def alone(classifier, encoded):
    """Logits of each row by itself, never padded."""
    out = []
    for row in encoded.inputs:
        with torch.no_grad():
            batch = {k: torch.tensor([v]) for k, v in row.items()}
            out.append(classifier.model(**batch).logits[0].numpy())
    return np.array(out)


@pytest.mark.parametrize("name", ["tiny_model", "tiny_gpt2"])
def test_padding_changes_nothing(request, name):
    """Token 0 is "!" in both vocabularies: counting non-zero ids would read one place early."""
    classifier = load_classifier(str(request.getfixturevalue(name)), ("a", "b", "c"), seed=0)
    encoded = encode(classifier.tokenizer, TEXTS)
    assert any(row["input_ids"][-1] == 0 or 0 in row["input_ids"] for row in encoded.inputs)
    np.testing.assert_allclose(logits(classifier, encoded), alone(classifier, encoded), atol=1e-5)
    assert classifier.tokenizer.padding_side == "right"
    assert classifier.model.config.pad_token_id == classifier.tokenizer.pad_token_id


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_last_attended_token_is_read_on_either_side(tiny_gpt2, side):
    """GPT-2's own rule against the attention mask, pad = eos."""
    classifier = load_classifier(str(tiny_gpt2), ("a", "b"), seed=0)
    assert classifier.tokenizer.pad_token == "<|endoftext|>"
    encoded = encode(classifier.tokenizer, TEXTS)
    classifier.tokenizer.padding_side = side
    batch = collate(classifier.tokenizer, encoded, np.arange(len(TEXTS)))
    mask = batch["attention_mask"]
    batch["position_ids"] = (mask.cumsum(-1) - 1).clamp(min=0)  # what generate() gives it
    last = mask.shape[1] - 1 - mask.flip(1).argmax(-1)
    with torch.no_grad():
        hidden = classifier.model.transformer(**batch).last_hidden_state
        told = classifier.model(**batch).logits
        by_mask = classifier.model.score(hidden[torch.arange(len(last)), last])
    np.testing.assert_allclose(told.numpy(), by_mask.numpy(), atol=1e-5)
    np.testing.assert_allclose(told.numpy(), alone(classifier, encoded), atol=1e-4)


def test_a_text_that_ends_in_the_pad_token(tiny_gpt2):
    """The class takes the trailing end-of-text for padding; so must the mask."""
    classifier = load_classifier(str(tiny_gpt2), ("a", "b"), seed=0)
    texts = ["w1 w2 <|endoftext|>", "w1 w2", "<|endoftext|> <|endoftext|>", "w1 <|endoftext|> w2"]
    encoded = encode(classifier.tokenizer, texts)
    assert encoded.lengths.tolist() == [2, 2, 1, 3]
    found = logits(classifier, encoded)
    np.testing.assert_allclose(found[0], found[1], atol=1e-6)
    np.testing.assert_allclose(found, alone(classifier, encoded), atol=1e-5)


def test_a_class_that_padding_moves_is_refused(tiny_gpt2):
    """As with no pad token: the class then reads the last place of the batch."""
    classifier = load_classifier(str(tiny_gpt2), ("a", "b"), seed=0)
    classifier.model.config.pad_token_id = 0  # not what the tokenizer pads with
    with pytest.raises(ValueError, match=r"'m': padding changes its answers .*use another model"):
        check_padding(classifier, "m")


def test_frozen_features_never_count_pads(tiny_model, tiny_gpt2):
    for folder in (tiny_model, tiny_gpt2):
        together = pooled_features(str(folder), TEXTS)
        for i, text in enumerate(TEXTS):
            np.testing.assert_allclose(pooled_features(str(folder), [text])[0], together[i],
                                       atol=1e-5)  # fmt: skip
    first = pooled_features(str(tiny_model), TEXTS, layers=1)
    assert not np.allclose(first, pooled_features(str(tiny_model), TEXTS))
    np.testing.assert_allclose(
        pooled_features(str(tiny_model), TEXTS, layers=2), pooled_features(str(tiny_model), TEXTS),
        atol=1e-5,
    )  # fmt: skip
    u, v = (pooled_features(str(tiny_model), some) for some in (TEXTS, TEXTS[::-1]))
    np.testing.assert_allclose(
        pooled_features(str(tiny_model), TEXTS, TEXTS[::-1]),
        np.hstack([u, v, abs(u - v), u * v]), atol=1e-5,
    )  # fmt: skip
    with pytest.raises(ValueError, match="has layers 0 to 2"):
        pooled_features(str(tiny_model), TEXTS, layers=3)


def test_order_of_the_rows_and_size_of_the_batches(tiny_model, monkeypatch):
    """Batches are sorted by length inside; an answer must land at its own row."""
    classifier = load_classifier(str(tiny_model), ("a", "b"), seed=0)
    encoded = encode(classifier.tokenizer, TEXTS)
    whole = logits(classifier, encoded)
    assert np.ptp(whole[:, 0]) > 1e-3
    monkeypatch.setattr(backbone, "TOKENS_PER_BATCH", 9)
    np.testing.assert_allclose(logits(classifier, encoded), whole, atol=1e-5)
    order = [3, 0, 5, 1, 4, 2]
    np.testing.assert_allclose(logits(classifier, encoded.take(order)), whole[order], atol=1e-5)
    assert logits(classifier, encoded.take([])).shape == (0, 2)


def test_truncation_is_counted(tiny_model):
    tokenizer = load_classifier(str(tiny_model), ("a", "b"), seed=0).tokenizer
    texts = [" ".join(["w1"] * n) for n in (3, 6, 7, 200)]  # [CLS] and [SEP] take two places
    encoded = encode(tokenizer, texts, max_length=8)
    assert encoded.n_truncated == 2
    assert encoded.lengths.tolist() == [5, 8, 8, 8]
    assert all(row["input_ids"][-1] == tokenizer.sep_token_id for row in encoded.inputs)
    assert encode(tokenizer, texts, max_length=10**6).lengths.max() == 64  # what the model can take
    pairs = encode(tokenizer, texts, texts, max_length=8)
    assert pairs.n_truncated == 4  # 3 + 3 words and three marks are nine
    assert pairs.lengths.max() == 8


def test_first_layers_only(tiny_model):
    whole = load_classifier(str(tiny_model), ("a", "b"), seed=0)
    one = load_classifier(str(tiny_model), ("a", "b"), seed=0, layers=1)
    assert len(one.model.bert.encoder.layer) == 1
    ours, theirs = one.model.state_dict(), whole.model.state_dict()
    kept = [name for name in ours if "encoder.layer.0" in name or "embeddings" in name]
    assert len(kept) > 15
    assert all(torch.equal(ours[name], theirs[name]) for name in kept)
    for layers in (0, 3):
        with pytest.raises(ValueError, match=f"layers = {layers}: .* has layers 1 to 2"):
            load_classifier(str(tiny_model), ("a", "b"), seed=0, layers=layers)


def test_the_head_depends_on_the_seed_and_nothing_else(tiny_model):
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    heads = [
        load_classifier(str(tiny_model), ("a", "b", "c"), seed=s).model.classifier.weight
        for s in (1, 1, 2)
    ]
    assert torch.equal(torch.rand(1), expected)  # the caller's stream goes on
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])
    assert heads[0].shape[0] == 3


def test_unknown_models(tmp_path):
    with pytest.raises(ValueError, match=r"'\./nowhere' is not known: give a folder saved with"):
        load_classifier("./nowhere", ("a", "b"), seed=0)
    with pytest.raises(ValueError, match=r"the folder has no config\.json"):
        load_classifier(str(tmp_path), ("a", "b"), seed=0)
    for ask in (fingerprint, lambda name: load_classifier(name, ("a", "b"), seed=0)):
        with pytest.raises(ValueError, match=r"'no-such-org/no-such-model' cannot be loaded"):
            ask("no-such-org/no-such-model")
    assert locate("org/name") == "org/name"


def test_model_without_a_tokenizer(tmp_path):
    folder = save_bert(tmp_path / "bare", tokenizer=False)
    with pytest.raises(ValueError, match=r"has no tokenizer that can be loaded .*save_pretrained"):
        load_classifier(str(folder), ("a", "b"), seed=0)
    with pytest.raises(ValueError, match=r"tokenizer"):
        pooled_features(str(folder), TEXTS)


def test_weights_that_are_nan_are_refused(tmp_path):
    from safetensors.torch import load_file, save_file

    folder = save_bert(tmp_path / "nan")
    path = folder / "model.safetensors"
    tensors = load_file(path)
    tensors["encoder.layer.0.output.dense.weight"][:] = float("nan")
    save_file(tensors, path, metadata={"format": "pt"})
    with pytest.raises(ValueError, match="not finite"):
        load_classifier(str(folder), ("a", "b"), seed=0)
    with pytest.raises(ValueError, match="features that are not finite"):
        pooled_features(str(folder), TEXTS)


def test_fingerprint_changes_with_any_file(tmp_path):
    folder = save_bert(tmp_path / "one")
    same = save_bert(tmp_path / "two")
    assert fingerprint(str(folder)) == fingerprint(str(same))
    seen = {fingerprint(str(folder))}
    for name in ("model.safetensors", "config.json", "tokenizer.json"):
        path = folder / name
        content = bytearray(path.read_bytes())
        content[-2] ^= 1
        path.write_bytes(content)
        seen.add(fingerprint(str(folder)))
    (folder / "pytorch_model.bin").write_bytes(b"x")
    seen.add(fingerprint(str(folder)))
    assert len(seen) == 5
