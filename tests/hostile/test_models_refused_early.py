"""What can be known of a model costs no training: every door refuses it first, exit status 2."""

import json
import re
import shutil

import pandas as pd
import pytest
import transformers as t
from safetensors.torch import load_file, save_file
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.naive_bayes import ComplementNB
from sklearn.pipeline import make_pipeline
from tiny import tables

import w2sg
from w2sg.cli import app
from w2sg.cli.errors import explained
from w2sg.models.backbone import load_classifier
from w2sg.runs.store import Store
from w2sg.spec import load, to_toml

UNSAFE = ("trust_remote_code", "weights_only", "allow_pickle")
WEIGHTS = "model.safetensors"


@pytest.fixture
def made(word_csv, tiny_model, tmp_path):
    return tables(word_csv, tiny_model, tmp_path / "store", run={"references": []})


@pytest.fixture
def folder(tiny_model, tmp_path):
    return shutil.copytree(tiny_model, tmp_path / "bad")


def command(*arguments):
    """Exit status of a command, run in this process."""
    try:
        return explained(lambda: app([str(one) for one in arguments]))
    except SystemExit as end:
        return end.code


def stages(store):
    return {manifest.body["stage"] for manifest in Store(store).manifests()}


def refused(capsys, status):
    told = capsys.readouterr().err
    assert status == 2, told
    assert "Traceback" not in told
    assert not any(word in told for word in UNSAFE)
    return " ".join(told.split())


def compiled(folder):
    weights = load_file(folder / WEIGHTS)
    named = {f"_orig_mod.{name}": value for name, value in weights.items()}
    save_file(named, folder / WEIGHTS, metadata={"format": "pt"})


def configured(**values):
    def change(folder):
        file = folder / "config.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), **values}))

    return change


def without_tokenizer(folder):
    for file in folder.glob("tokenizer*"):
        file.unlink()


def padded_outside(folder):
    tokenizer = t.AutoTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens({"pad_token": "<outside>"})
    tokenizer.save_pretrained(folder)


def word_outside(folder):
    """A tokenizer of another model; of the rows only a few hold this word."""
    file = folder / "tokenizer.json"
    tokenizer = json.loads(file.read_text())
    tokenizer["model"]["vocab"]["w59"] = 500
    file.write_text(json.dumps(tokenizer))


def other_head(folder):
    classifier = load_classifier(str(folder), ("spam", "ham"), seed=0)
    classifier.model.save_pretrained(folder)


FOLDERS = {
    "compiled": (compiled, "strip '_orig_mod.'"),
    "long positions": (configured(max_position_embeddings=99), "(64, 32) in the weights, (99, 32)"),
    "no tokenizer": (without_tokenizer, "no tokenizer"),
    "cut": (lambda f: (f / WEIGHTS).write_bytes((f / WEIGHTS).read_bytes()[:999]), "is cut"),
    "web page": (lambda f: (f / WEIGHTS).write_text("<html>"), "is an HTML page"),
    "pickle": (lambda f: (f / WEIGHTS).write_bytes(b"\x80\x04."), "is a pickle of Python objects"),
    "pad outside": (padded_outside, "resize_token_embeddings"),
    "word outside": (word_outside, "holds the token 'w59'"),
    "unknown type": (configured(model_type="foo"), "model type `foo`"),
    "wrong heads": (configured(num_attention_heads=5), "attention heads"),
}


@pytest.mark.parametrize("preview", [False, True])
@pytest.mark.parametrize("case", FOLDERS)
def test_a_student_that_cannot_be_used(made, folder, case, preview, tmp_path, capsys):
    damage, message = FOLDERS[case]
    damage(folder)
    path = tmp_path / "spec.toml"
    spec = load(made, {"student.model": str(folder), "run.preview": preview})
    path.write_text(to_toml(spec), encoding="utf-8")
    told = refused(capsys, command("run", path))
    assert "student.model: model" in told
    assert message in told
    assert stages(made["run"]["store"]) == {"labelled_data"}
    # and by the forecast of it, which reads the same model without its head
    told = refused(capsys, command("preflight", path))
    assert message in told
    assert stages(made["run"]["store"]) == {"labelled_data"}


@pytest.mark.parametrize("kind", ["finetune", "probe"])
@pytest.mark.parametrize("case", ["compiled", "no tokenizer", "pad outside"])
def test_a_teacher_that_cannot_be_used(made, folder, case, kind, tmp_path, capsys):
    damage, message = FOLDERS[case]
    damage(folder)
    path = tmp_path / "spec.toml"
    teacher = {"kind": kind, "model": [made["student"]["model"], str(folder)]}
    path.write_text(to_toml(load({**made, "teacher": teacher})), encoding="utf-8")
    for door in ("run", "preflight"):
        told = refused(capsys, command(door, path))
        assert "teacher.model: model" in told
        assert message in told
        assert stages(made["run"]["store"]) == {"labelled_data"}


SETTINGS = {
    "layers of a fine-tuned one": (
        {"teacher.kind": "finetune", "teacher.layers": 9}, "teacher.layers = 9: .* layers 1 to 2"
    ),
    "layers of a probe": (
        {"teacher.kind": "probe", "teacher.layers": 9, "teacher.folds": 5},
        "teacher.layers = 9: .* layers 0 to 2",
    ),
    "method": ({"student.method": "lorra"}, "student.method = 'lorra': .* did you mean 'lora'"),
    "method of nothing": ({"student.method": ""}, "student.method = '': must be 'full'"),
    "method without weights": (
        {"student.method": "lora", "student.policy": "head"}, "student.method = 'lora'"
    ),
    "policy of other models": ({"student.policy": "kvx"}, "student.policy = 'kvx': .* letters"),
    "policy twice": ({"student.policy": "qq"}, "student.policy = 'qq': must be .* each once"),
    "no policy": ({"student.policy": ""}, "student.policy = '': must be"),
    "teacher's policy": (
        {"teacher.kind": "finetune", "teacher.policy": "zz"}, "teacher.policy = 'zz': must be"
    ),
    "gate": ({"student.policy": "gate"}, "student.policy = 'gate', student.method = 'full'"),
    "loss": ({"student.loss": "revrse_ce"}, "student.loss = 'revrse_ce': .* 'reverse_ce'"),
    "loss with wrong field": ({"student.loss": "gce:x=1"}, "student.loss = 'gce:x=1': cannot read"),
    "estimator": (
        {"teacher.kind": "sklearn", "teacher.estimator": "ComplementBN"},
        "teacher.estimator = 'ComplementBN' is no .* 'ComplementNB'",
    ),
    "one of several estimators": (
        {"teacher.kind": "sklearn", "teacher.estimator": ["ComplementNB", "GaussianNB"]},
        "teacher.estimator = 'GaussianNB' needs dense features",
    ),
    "estimator that wraps another": (
        {"teacher.kind": "sklearn", "teacher.estimator": "StackingClassifier"},
        "needs a classifier of its own",
    ),
}  # fmt: skip


def sweep(made, settings):
    return w2sg.sweep({**made, "grid": {"student.epochs": [1.0, 2.0]}}, settings)


@pytest.mark.parametrize("case", SETTINGS)
def test_settings_that_no_model_can_have(made, case, tiny_model):
    settings, message = SETTINGS[case]
    if settings.get("teacher.kind") in ("probe", "finetune"):
        settings = {"teacher.model": str(tiny_model), **settings}
    for door in (w2sg.run, w2sg.preflight, sweep):
        if door is w2sg.preflight and settings.get("student.policy") in ("gate", "head"):
            continue  # a forecast has no head and trains nothing
        frozen = door is w2sg.preflight  # whose features stand for a fine-tuned teacher
        expected = message.replace("1 to 2", "0 to 2") if frozen else message
        with pytest.raises(ValueError, match=expected):
            door(made, settings)
    assert stages(made["run"]["store"]) <= {"labelled_data"}


def test_a_classifier_fitted_for_other_classes(made):
    fitted = make_pipeline(CountVectorizer(), ComplementNB()).fit(["aa bb", "cc dd"], ["x", "y"])
    given = w2sg.Named(FrozenEstimator(fitted), name="mine", version="1")
    teacher = {"kind": "sklearn", "estimator": given}
    with pytest.raises(ValueError, match=r"was fitted for the classes \['x', 'y'\]"):
        w2sg.run({**made, "teacher": teacher})
    assert stages(made["run"]["store"]) == {"labelled_data"}


def test_a_head_for_other_classes(made, folder):
    other_head(folder)
    with pytest.raises(ValueError, match=r"student.model: .* head for the classes \['spam', 'ham'"):
        w2sg.run(made, {"student.model": str(folder)})
    assert stages(made["run"]["store"]) == {"labelled_data"}


def test_one_cell_of_a_sweep(made, folder, tmp_path, capsys):
    compiled(folder)
    path = tmp_path / "sweep.toml"
    grid = f'\n[grid]\n"student.model" = ["{made["student"]["model"]}", "{folder}"]\n'
    path.write_text(to_toml(load(made)) + grid, encoding="utf-8")
    for more in ((), ("--workers", "2")):
        told = refused(capsys, command("sweep", path, *more))
        assert f"[student.model={folder}] student.model: model" in told
        assert "strip '_orig_mod.'" in told
    assert stages(made["run"]["store"]) == {"labelled_data"}


def test_what_is_stored_is_not_tried_again(made, monkeypatch):
    """A run that is found whole in the store must not load a model for nothing."""
    w2sg.run(made)
    monkeypatch.setattr(
        "w2sg.models.backbone.load_classifier", lambda *_, **__: pytest.fail("load")
    )
    assert w2sg.run(made).outcome.computed == ()


def test_trying_changes_no_number(made, monkeypatch):
    """With an adapter, whose first weights are random: another seed must not leak into them."""
    settings = {"student.policy": "qv", "student.method": "lora"}
    one = w2sg.run(made, {**settings, "run.store": made["run"]["store"] + "-1"})
    monkeypatch.setattr("w2sg.runs.execute.refuse_unusable", lambda *_: None)
    two = w2sg.run(made, {**settings, "run.store": made["run"]["store"] + "-2"})
    assert one.facts == two.facts
    student = one.outcome.of_role("student/0").facts
    assert student["moved"]["v"] > 0


def test_explain_and_predict_with_a_model_that_changed(made, folder, tmp_path, capsys):
    result = w2sg.run(made, {"student.model": str(folder)})
    before = stages(made["run"]["store"])
    compiled(folder)
    told = refused(capsys, command("explain", result.folder))
    assert "strip '_orig_mod.'" in told
    assert stages(made["run"]["store"]) == before
    rows, out = tmp_path / "rows.csv", tmp_path / "out.csv"
    rows.write_text("text\nw1 w2\n", encoding="utf-8")
    told = refused(capsys, command("predict", result.folder, rows, "-o", out))
    assert "has changed since student/0 was trained on it" in told
    assert not out.exists()


@pytest.mark.parametrize("case", ["compiled", "long positions", "no tokenizer", "pad outside"])
def test_diagnose_tries_both_models_first(folder, case, tiny_model, word_csv, tmp_path, capsys):
    damage, message = FOLDERS[case]
    damage(folder)
    options = ("--data", word_csv, "--cache", tmp_path / "cache")
    told = refused(
        capsys, command("diagnose", "--model-s", tiny_model, "--model-w", folder, *options)
    )
    assert message in told
    assert not (tmp_path / "cache").exists()
    told = refused(
        capsys,
        command("diagnose", "--model-s", tiny_model, "--model-w", f"{tiny_model}:7", *options),
    )
    assert "layers must lie between" in told
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("case", ["compiled", "long positions", "no tokenizer", "web page"])
def test_attention_scan_refuses_what_a_run_refuses(folder, case, word_csv, capsys):
    damage, message = FOLDERS[case]
    damage(folder)
    told = refused(capsys, command("attention", folder, "--ratio-scan", word_csv, "--seeds", "1"))
    assert message in told


def test_attention_of_what_is_no_model(folder, capsys):
    configured(auto_map={"AutoConfig": "foreign.Mine"}, model_type="mine")(folder)
    assert "needs Python code" in refused(capsys, command("attention", folder))
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "some/base"}')
    assert "merge_and_unload" in refused(capsys, command("attention", folder))


def test_texts_longer_than_the_positions_are_cut_and_counted(made, folder, tmp_path):
    file = folder / "tokenizer_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "model_max_length": 10**30}))
    frame = pd.read_csv(made["data"]["path"])
    frame["text"] = [text + " w1" * (90 * (i % 2)) for i, text in enumerate(frame["text"])]
    frame.to_csv(tmp_path / "long.csv", index=False)
    result = w2sg.run(
        made,
        {
            "data.path": str(tmp_path / "long.csv"),
            "student.model": str(folder),
            "student.max_length": 256,
            "run.preview": True,
        },
    )
    student = result.outcome.of_role("student/0").facts
    assert student["max_length"] == 64
    assert 0 < student["n_truncated"] < student["n_train"]
    page = (result.folder / "report.html").read_text(encoding="utf-8")
    assert "Texts longer than 64 tokens are cut there and counted: the model" in page
    assert "end before student.max_length = 256" in page
    features = result.outcome.of_role("features").facts
    assert features["max_length"] == 64
    assert features["n_truncated"] > 0


def test_a_head_that_came_trained_is_said(made, tiny_model, tmp_path):
    """Its rows are in the other order than the data's classes; both page and record say so."""
    given = load_classifier(str(tiny_model), ("good", "bad"), seed=0)
    given.model.save_pretrained(tmp_path / "trained")
    given.tokenizer.save_pretrained(tmp_path / "trained")
    result = w2sg.run(made, {"student.model": str(tmp_path / "trained")})
    facts = result.outcome.of_role("student/0").facts
    assert (facts["head"], facts["head_moved"]) == ("trained", True)
    assert facts["head_classes"] == ["good", "bad"]
    page = (result.folder / "report.html").read_text(encoding="utf-8")
    assert len(re.findall("The strong model.{1,6}s head came trained", page)) == 1
    assert not re.findall("The teacher.{1,6}s head came trained", page)
    result.save(tmp_path / "saved")
    card = (tmp_path / "saved" / "README.md").read_text(encoding="utf-8")
    assert "head came trained" in card
    teacher = {"kind": "finetune", "model": str(tmp_path / "trained"), "epochs": 1.0}
    other = w2sg.run({**made, "teacher": teacher})
    page = (other.folder / "report.html").read_text(encoding="utf-8")
    assert re.findall("The teacher.{1,6}s head came trained", page)
    assert not re.findall("The strong model.{1,6}s head came trained", page)
    other = w2sg.run(made)
    assert other.outcome.of_role("student/0").facts["head"] == "new"
    assert "head came trained" not in (other.folder / "report.html").read_text(encoding="utf-8")
