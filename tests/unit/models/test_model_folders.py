"""Folders as users have them: what is not the pre-trained model is refused, with its cause."""

import json
import pickle
import shutil
import zipfile
from pathlib import Path

import pytest
import torch
import transformers as t
from architectures import MODELS
from safetensors.torch import load_file, save_file

from w2sg.models.backbone import load_classifier
from w2sg.models.features import load_encoder
from w2sg.models.loading import load_weights
from w2sg.models.sources import locate

WEIGHTS = "model.safetensors"
NAMES = ("bad", "good")
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 12\n"
UNSAFE = ("trust_remote_code", "weights_only", "allow_pickle")


def classifier(folder, names=NAMES, **options):
    return load_classifier(str(folder), names, seed=0, **options)


def encoder(folder):
    return load_encoder(str(folder))


DOORS = pytest.mark.parametrize("door", [classifier, encoder])


@pytest.fixture
def folder(tmp_path, tiny_model):
    return shutil.copytree(tiny_model, tmp_path / "model")


def configure(folder, **values):
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


def rewrite(folder, change):
    weights = change(load_file(folder / WEIGHTS))
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})


def refusal(door, folder):
    with pytest.raises(ValueError, match=r"^model '.*model'") as refused:
        door(folder)
    text = str(refused.value)
    assert "\n" not in text
    assert not any(word in text for word in UNSAFE)
    return text


# ---- weights that are not those of the configuration


@DOORS
@pytest.mark.parametrize("prefix", ["_orig_mod.", "module.", "_orig_mod.module.", "model.encoder."])
def test_names_behind_a_prefix(door, folder, prefix):
    """torch.compile and DDP: transformers draws the whole body at random and says nothing."""
    rewrite(folder, lambda weights: {prefix + name: value for name, value in weights.items()})
    text = refusal(door, folder)
    assert "39 of the 39 tensors" in text
    assert f"strip {prefix!r}" in text
    assert "embeddings.LayerNorm.bias" in text


@DOORS
def test_a_classifier_behind_a_prefix(door, tmp_path, tiny_model):
    made = classifier(tiny_model)
    made.model.save_pretrained(tmp_path / "model")
    made.tokenizer.save_pretrained(tmp_path / "model")
    rewrite(tmp_path / "model", lambda weights: {f"module.{k}": v for k, v in weights.items()})
    assert "strip 'module.'" in refusal(door, tmp_path / "model")


MISMATCHES = {
    "positions": ({"max_position_embeddings": 99}, "(64, 32) in the weights, (99, 32) by config"),
    "vocabulary": ({"vocab_size": 999}, "(75, 32) in the weights, (999, 32) by config.json"),
    "width": ({"hidden_size": 64, "intermediate_size": 32}, "another shape in the weights"),
    "more layers": ({"num_hidden_layers": 4}, "32 of the 71 tensors"),
    "fewer layers": ({"num_hidden_layers": 1}, "config.json says 1 layers, and the weights have 2"),
    "another model": ({"model_type": "distilbert"}, "tensors of its body are not in the weights"),
}


@DOORS
@pytest.mark.parametrize("case", MISMATCHES)
def test_a_configuration_of_another_model(door, folder, case):
    """Whole embeddings were drawn at random, or layers left out, without a word."""
    values, message = MISMATCHES[case]
    size = len(json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"])
    configure(folder, **values)
    assert message.replace("75", str(size)) in refusal(door, folder)


@DOORS
def test_one_tensor_is_missing_or_cut(door, folder):
    name = "encoder.layer.1.attention.self.value.weight"
    whole = load_file(folder / WEIGHTS)
    rewrite(folder, lambda weights: {k: v for k, v in weights.items() if k != name})
    text = refusal(door, folder)
    assert "1 of the 39 tensors" in text
    assert name in text
    assert "(32, 32)" in text
    rewrite(folder, lambda _: {**whole, name: whole[name][:16].clone()})
    text = refusal(door, folder)
    assert "(16, 32) in the weights, (32, 32) by config.json" in text


@pytest.mark.parametrize("layers", [None, 1])
@pytest.mark.parametrize(
    "name",
    ["bert", "roberta", "distilbert", "deberta_v2", "electra", "albert", "modernbert", "gpt2",
     "gpt_neox", "opt", "bloom", "llama", "qwen3", "gemma2", "t5", "bart"],
)  # fmt: skip
def test_bases_and_heads_of_every_kind_still_load(name, layers, tmp_path):
    """Without a head, without a pooler, with a head of another size, in shards, fewer layers."""
    torch.manual_seed(0)
    whole = MODELS[name]()
    whole.base_model.save_pretrained(tmp_path / "base")
    whole.save_pretrained(tmp_path / "head", max_shard_size="4KB")
    for folder in ("base", "head"):
        for auto in (t.AutoModelForSequenceClassification, t.AutoModel):
            config = t.AutoConfig.from_pretrained(tmp_path / folder)
            total = config.num_hidden_layers
            config.num_hidden_layers = layers or total
            config.num_labels = 5  # the head in the folder has 2 rows
            loaded = load_weights(auto, str(tmp_path / folder), "m", config=config, n_layers=total)
            if auto is t.AutoModelForSequenceClassification:
                assert loaded.new
            known = dict(whole.state_dict())
            for key, value in loaded.model.state_dict().items():
                if key in known and key not in loaded.new:
                    assert torch.equal(value, known[key]), key


def assert_body(loaded, weights):
    """The body is that of the folder: every tensor of it whose name ends alike is equal."""
    model = loaded.model if hasattr(loaded, "model") else loaded[0]
    body = {k: v for k, v in model.base_model.state_dict().items() if "pooler" not in k}
    for key, value in body.items():
        same = [tensor for name, tensor in weights.items() if name.split(".", 1)[1] == key]
        assert same, key
        assert torch.equal(value, same[0]), key
    assert body


@DOORS
def test_language_models_and_binary_weights_load(door, tmp_path, tiny_model, tiny_gpt2):
    """Their heads are left out, tied weights are there once, `.bin` is read as tensors alone."""
    masked = tmp_path / "masked"
    shutil.copytree(tiny_model, masked)
    t.BertForMaskedLM.from_pretrained(tiny_model).save_pretrained(masked)
    causal = tmp_path / "causal"
    shutil.copytree(tiny_gpt2, causal)
    t.GPT2LMHeadModel.from_pretrained(tiny_gpt2).save_pretrained(causal)
    for source in (masked, causal):
        weights = load_file(source / WEIGHTS)
        assert_body(door(source), weights)
        for legacy in (False, True):
            binary = shutil.copytree(source, tmp_path / f"{source.name}-{legacy}")
            torch.save(
                weights, binary / "pytorch_model.bin", _use_new_zipfile_serialization=not legacy
            )
            (binary / WEIGHTS).unlink()
            assert_body(door(binary), weights)


# ---- files that are not what their names say


def write(text):
    return lambda path: path.write_bytes(text.encode() if isinstance(text, str) else text)


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def archive(path):
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("weights.txt", "none")


IMPOSTORS = {
    "empty": (write(""), "is an empty file"),
    "web page": (write("<!DOCTYPE html>\n<html>log in</html>"), "an HTML page"),
    "web page after spaces": (write("\n  <html>"), "an HTML page"),
    "error in XML": (write("<?xml version='1.0'?><Error>AccessDenied</Error>"), "an XML page"),
    "Git LFS": (write(POINTER), "Git LFS pointer.*git lfs pull"),
    "an answer": (write("Entry not found"), "a text that begins 'Entry not found'"),
    "zip": (archive, "a zip archive"),
    "gzip": (write(b"\x1f\x8b\x08" + bytes(20)), "a gzip archive"),
    "HDF5": (write(b"\x89HDF\r\n\x1a\n" + bytes(20)), "an HDF5 file"),
    "GGUF": (write(b"GGUF" + bytes(20)), "a GGUF file"),
    "noise": (write(bytes(range(128, 256))), "a pickle|none of the formats that are known"),
    "cut": (cut, "is cut"),
}


@DOORS
@pytest.mark.parametrize("name", [WEIGHTS, "pytorch_model.bin"])
@pytest.mark.parametrize("case", IMPOSTORS)
def test_weights_that_are_no_weights(door, folder, case, name):
    damage, message = IMPOSTORS[case]
    if name == "pytorch_model.bin":
        torch.save(load_file(folder / WEIGHTS), folder / name)
        (folder / WEIGHTS).unlink()
    damage(folder / name)
    text = refusal(door, folder)
    if case == "noise" and name == "pytorch_model.bin":
        assert "pickle" in text  # begins as one does
        return
    assert name in text
    with pytest.raises(ValueError, match=message):
        door(folder)


class Harmful:
    def __reduce__(self):
        return (Path.touch, (Path(__file__).with_name("was-run"),))


PICKLES = {
    "objects": lambda path: path.write_bytes(pickle.dumps({"a": Path("x")})),
    "a whole model": lambda path: torch.save(torch.nn.Linear(2, 2), path),
    "code": lambda path: torch.save({"a": Harmful()}, path),
    "plain code": lambda path: path.write_bytes(pickle.dumps(Harmful())),
}


@DOORS
@pytest.mark.parametrize("case", PICKLES)
def test_pickles_are_named_and_never_run(door, folder, case, recwarn):
    """PyTorch's own text says to load it with `weights_only=False`, which runs what is in it."""
    (folder / WEIGHTS).unlink()
    PICKLES[case](folder / "pytorch_model.bin")
    assert "a pickle of Python objects" in refusal(door, folder)
    assert not any(word in str(w.message) for w in recwarn for word in UNSAFE)
    assert not Path(__file__).with_name("was-run").exists()


@DOORS
def test_pickles_under_the_name_of_safetensors(door, folder):
    (folder / WEIGHTS).write_bytes(pickle.dumps({"a": 1}))
    assert "is a pickle of Python objects" in refusal(door, folder)


@DOORS
@pytest.mark.parametrize("content", [[1, 2], 3, {"state_dict": {}, "epoch": 3}])
def test_tensors_that_are_no_table(door, folder, content):
    (folder / WEIGHTS).unlink()
    torch.save(content, folder / "pytorch_model.bin")
    text = refusal(door, folder)
    assert "pytorch_model.bin" in text or "39 of the 39" in text


@DOORS
@pytest.mark.parametrize("name", ["tf_model.h5", "flax_model.msgpack", "model.gguf", "best.pt"])
def test_weights_of_other_libraries_or_names(door, folder, name):
    (folder / WEIGHTS).rename(folder / name)
    text = refusal(door, folder)
    assert "holds no weights that can be read" in text
    assert name in text


@DOORS
def test_no_weights_at_all(door, folder):
    (folder / WEIGHTS).unlink()
    assert "there is none" in refusal(door, folder)


@DOORS
def test_shards(door, folder):
    model = t.AutoModel.from_pretrained(folder)
    (folder / WEIGHTS).unlink()
    model.save_pretrained(folder, max_shard_size="20KB")
    shards = sorted(folder.glob("model-*.safetensors"))
    door(folder)
    content = shards[1].read_bytes()
    write(POINTER)(shards[1])
    assert f"{shards[1].name} is a Git LFS pointer" in refusal(door, folder)
    cut(shards[1])
    shards[1].unlink()
    assert f"{shards[1].name} is missing, one of {len(shards)} shards" in refusal(door, folder)
    shards[1].write_bytes(content)
    index = folder / "model.safetensors.index.json"
    for wrong in ({"weight_map": 3}, {"weight_map": {"a": "../elsewhere.safetensors"}}, [], {}):
        index.write_text(json.dumps(wrong))
        assert "is no list of shards" in refusal(door, folder)


CONFIGURATIONS = {
    "empty": ("", "config.json is an empty file"),
    "cut": ('{"model_ty', "begins '{\"model_ty'"),
    "list": ("[]", "begins '[]'"),
    "no type": ("{}", "names no model_type"),
    "unknown type": ('{"model_type": "foo"}', "model type `foo`"),
    "web page": ("<html>", "an HTML page"),
    "Git LFS": (POINTER, "git lfs pull"),
}


@DOORS
@pytest.mark.parametrize("case", CONFIGURATIONS)
def test_configurations_that_cannot_be_read(door, folder, case):
    text, message = CONFIGURATIONS[case]
    (folder / "config.json").write_text(text)
    assert message in refusal(door, folder)


@DOORS
@pytest.mark.parametrize(
    "values", [{"hidden_size": "x"}, {"num_attention_heads": 5}, {"hidden_act": "nope"}]
)
def test_configurations_that_no_model_can_have(door, folder, values):
    configure(folder, **values)
    refusal(door, folder)


def test_a_model_for_other_things_than_texts(folder):
    configure(folder, model_type="vit")
    assert "no class for classifying texts" in refusal(classifier, folder)
    refusal(encoder, folder)


@DOORS
def test_code_that_comes_with_a_model_is_not_run(door, folder, monkeypatch):
    """Transformers asks at the terminal, and advises an argument that runs it without asking."""
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked to run foreign code"))
    classes = ("AutoConfig", "AutoModel", "AutoModelForSequenceClassification")
    configure(folder, model_type="mine", auto_map=dict.fromkeys(classes, "foreign.Mine"))
    ran = folder / "was-run"
    (folder / "foreign.py").write_text(f"open({str(ran)!r}, 'w')\n")
    assert "needs Python code that comes with the model" in refusal(door, folder)
    assert not ran.exists()


@DOORS
@pytest.mark.parametrize("beside", [True, False])
def test_an_adapter_is_no_model(door, folder, beside):
    """With `peft` transformers would load the base by its name, from wherever that leads."""
    (folder / "adapter_config.json").write_text(
        json.dumps({"peft_type": "LORA", "base_model_name_or_path": "some/base"})
    )
    if not beside:
        (folder / "config.json").unlink()
    text = refusal(door, folder)
    assert "adapter of 'some/base'" in text
    assert "merge_and_unload" in text


TOKENIZERS = {
    "missing": (None, "no tokenizer"),
    "empty": ("", "no tokenizer"),
    "cut": ('{"version":"1.0","trunc', "no tokenizer"),
    "web page": ("<html>", "tokenizer.json is an HTML page"),
    "Git LFS": (POINTER, "tokenizer.json is a Git LFS pointer"),
}


@DOORS
@pytest.mark.parametrize("case", TOKENIZERS)
def test_tokenizers_that_cannot_be_read(door, folder, case):
    text, message = TOKENIZERS[case]
    if text is None:
        for file in folder.glob("tokenizer*"):
            file.unlink()
    else:
        (folder / "tokenizer.json").write_text(text)
    assert message in refusal(door, folder)


def test_a_file_is_no_folder(folder):
    with pytest.raises(ValueError, match=r"is a file; give the folder"):
        locate(str(folder / WEIGHTS))
