"""What comes back from a run: numbers, a saved model that others can load, labels for new rows."""

import numpy as np
import pandas as pd
import pytest
from tiny import save_bert, tables

import w2sg
from w2sg.cli import app, predict
from w2sg.cli.errors import explained
from w2sg.models.backbone import encode
from w2sg.train.finetune import predict as ask


@pytest.fixture(scope="module")
def result(word_csv, tiny_model, tmp_path_factory):
    return w2sg.run(tables(word_csv, tiny_model, tmp_path_factory.mktemp("run") / "store"))


def command(*arguments):
    try:
        return explained(lambda: app([str(one) for one in arguments]))
    except SystemExit as end:
        return end.code


TEXTS = ["w1 w2 w3", "", "w4 ! w5", "w6 " * 70, " ", *(f"w{i} w{i + 1}" for i in range(20))]


def answers(result, texts):
    classifier = result.classifier()
    return ask(classifier, encode(classifier.tokenizer, texts, max_length=32), precision="float32")


def test_numbers_agree_with_the_stored_scores(result):
    scores = result.scores()
    correct = scores.groupby("arm")["correct"].mean()
    table = result.table()
    assert set(table.index) == {"teacher", "student", "strong_on_labelled", "ceiling"}
    for arm in table.index:
        assert np.isclose(table.loc[arm, "accuracy"], correct[arm])
        assert table.loc[arm, "low"] <= correct[arm] <= table.loc[arm, "high"]
    assert np.isclose(result.gain.estimate, correct["student"] - correct["teacher"])
    assert result.pgr.estimate is None  # this ceiling is not above its teacher
    assert result.pgr.reason


def test_the_stored_student_gives_its_stored_answers(result):
    """Resuming the pre-trained weights alone, or with a new head, gives others."""
    data = result.outcome.artifact(result.outcome.data[0])
    rows = pd.read_parquet(data.folder / "parts.parquet").query("part == 'test'")
    stored = result.scores().query("arm == 'student'").set_index("id").loc[rows["id"]]
    np.testing.assert_allclose(
        answers(result, rows["text"].tolist()), stored[["p_0", "p_1"]], atol=1e-6
    )


def test_opened_again(result):
    again = w2sg.open_result(result.folder)
    assert again.facts == result.facts
    assert again.spec == result.spec
    assert again.outcome.computed == result.outcome.computed
    assert w2sg.open_result(result.folder / "spec.toml").gain == result.gain
    with pytest.raises(ValueError, match=r"there is no 'celing' of seed 0; arms: .*ceiling"):
        again.classifier(arm="celing")
    with pytest.raises(ValueError, match="of seed 7"):
        again.classifier(seed=7)


def test_the_page_again_is_the_page(result, tmp_path):
    """Catches a stored run that cannot draw its page, and stages that have lost their names."""
    page = result.folder / "report.html"
    first = page.read_bytes()
    assert b"student, seed 0" in first
    assert command("report", result.folder / "spec.toml", "--out", tmp_path / "a.html") == 0
    assert (tmp_path / "a.html").read_bytes() == first
    page.unlink()
    assert command("report", result.folder / "spec.toml") == 0
    assert page.read_bytes() == first


def test_saved_model_in_a_pipeline(result, tmp_path):
    from transformers import pipeline

    w2sg.open_result(result.folder).save(tmp_path / "model")
    told = pipeline("text-classification", str(tmp_path / "model"), device="cpu")
    texts = [text for text in TEXTS if text.strip()]
    ours = answers(result, texts)
    theirs = told(texts, top_k=None, truncation=True)
    for p, given in zip(ours, theirs, strict=True):
        by_name = {entry["label"]: entry["score"] for entry in given}
        assert set(by_name) == {"bad", "good"}
        np.testing.assert_allclose([by_name["bad"], by_name["good"]], p, atol=1e-5)
    card = (tmp_path / "model" / "README.md").read_text()
    assert f"{result.table().loc['teacher', 'accuracy']:.1%}" in card.replace("\u202f", "")


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_predict_streams_and_leaves_blank_rows_empty(result, tmp_path, monkeypatch, suffix, capsys):
    """Chunks of three rows, the second of them without a text in the middle of the file."""
    monkeypatch.setattr(predict, "CHUNK", 3)
    texts = [*TEXTS, "", " ", "", "w1", "w2"]
    pd.DataFrame({"text": texts}).to_csv(tmp_path / "new.csv", index=False)
    out = tmp_path / "deep" / f"out.{suffix}"
    assert command("predict", result.folder, tmp_path / "new.csv", "-o", out) == 0
    told = capsys.readouterr().out
    assert "30 rows, 5 of them blank and left empty, 1 cut to 32 tokens" in told
    frame = pd.read_csv(out) if suffix == "csv" else pd.read_parquet(out)
    assert frame["row"].tolist() == list(range(30))
    blank = np.array([not text.strip() for text in texts])
    assert frame["label"].isna().tolist() == blank.tolist()
    assert frame["p_bad"].isna().tolist() == blank.tolist()
    p = answers(result, [text for text in texts if text.strip()])
    kept = frame[~blank]
    np.testing.assert_allclose(kept[["p_bad", "p_good"]], p, atol=1e-5)
    assert kept["label"].tolist() == [["bad", "good"][k] for k in p.argmax(axis=1)]
    np.testing.assert_allclose(kept["probability"], p.max(axis=1), atol=1e-5)
    assert sorted(one.name for one in out.parent.iterdir()) == [out.name]


def test_predict_refuses_and_leaves_nothing(result, tmp_path, capsys):
    (tmp_path / "new.csv").write_text("body\nx\n")
    for out, message in (("o.xlsx", "must be .parquet or .csv"), ("o.csv", "text='text' is not")):
        assert command("predict", result.folder, tmp_path / "new.csv", "-o", tmp_path / out) == 2
        assert message in capsys.readouterr().err
    assert command("predict", result.folder, tmp_path / "new.csv", "--text=body",
                   "-o", "/proc/none/o.csv") == 1  # fmt: skip
    assert "Traceback" not in capsys.readouterr().err
    assert [one.name for one in tmp_path.iterdir()] == ["new.csv"]


def test_a_model_that_changed_since_is_not_used(word_csv, tmp_path, monkeypatch):
    """Stored are the weights that moved; on top of other weights they mean nothing."""
    monkeypatch.setattr("w2sg.report.render", lambda *_: "", raising=False)
    model = save_bert(tmp_path / "model", seed=0)
    made = tables(
        word_csv, model, tmp_path / "store", run={"references": []}, student={"policy": "head"}
    )
    result = w2sg.run(made)
    result.classifier()
    save_bert(model, seed=1)
    with pytest.raises(ValueError, match="has changed since student/0 was trained on it"):
        result.classifier()


def test_objects_of_python(word_csv, tmp_path, monkeypatch):
    """A classifier, a loss and a model as objects; the result opens again without them."""
    from sklearn.naive_bayes import ComplementNB

    from w2sg import losses
    from w2sg.models.backbone import load_classifier

    monkeypatch.setattr("w2sg.report.render", lambda *_: "", raising=False)
    given = load_classifier(str(save_bert(tmp_path / "m")), ("good", "bad"), seed=0)
    mine = losses.Loss("mine", lambda z, q, context: ((z.softmax(-1) - q) ** 2).sum(-1))
    made = tables(
        word_csv, tmp_path, tmp_path / "store", run={"references": []},
        teacher={
            "kind": "sklearn",
            "estimator": w2sg.Named(ComplementNB(), name="nb", version="1"),
        },
        student={
            "model": w2sg.Named((given.model, given.tokenizer), name="tiny", version="1"),
            "loss": w2sg.Named(mine, name="mine", version="1"),
        },
    )  # fmt: skip
    result = w2sg.run(made)
    assert w2sg.run(made).outcome.computed == ()
    again = w2sg.open_result(result.folder)
    assert again.spec.student.loss.name == "mine"
    assert again.facts == result.facts
    with pytest.raises(ValueError, match="is the Python object 'nb', which a file cannot hold"):
        w2sg.run(result.folder / "spec.toml")
    with pytest.raises(ValueError, match="must be a folder, a hub id, or the pair"):
        w2sg.run({**made, "student": {"model": w2sg.Named(3, name="x", version="1")}})


def test_uses_nothing_but_the_parts_it_may(word_csv, tiny_model, tmp_path, monkeypatch):
    """Hidden labels flipped: the student's bits stay, the ceiling's do not; and the types hold."""
    from w2sg.data.examples import Labelled, PseudoLabelled
    from w2sg.stages import strong_student

    monkeypatch.setattr("w2sg.report.render", lambda *_: "", raising=False)
    seen = []
    before = strong_student.train

    def watched(parts, test, **options):
        seen.append((tuple(type(part) for part in parts), hasattr(test, "labels")))
        return before(parts, test, **options)

    monkeypatch.setattr(strong_student, "train", watched)
    frame = pd.read_csv(word_csv, dtype=str)
    flipped = frame["label"].map({"good": "bad", "bad": "good"})
    frame[:140].to_csv(tmp_path / "main.csv", index=False)
    results = []
    for name, labels in (("a", frame["label"]), ("b", flipped)):
        frame.assign(label=labels)[140:].sample(frac=1, random_state=2).to_csv(
            tmp_path / f"{name}.csv", index=False
        )
        apart = {"unlabelled": str(tmp_path / f"{name}.csv"), "n_unlabelled": 100}
        made = tables(
            tmp_path / "main.csv", tiny_model, tmp_path / name, data=apart,
            run={"references": ["ceiling"]},
        )  # fmt: skip
        results.append(w2sg.run(made).outcome)
    one, two = results
    files = [o.of_role("student/0").manifest.files["weights.safetensors"] for o in results]
    assert files[0] == files[1]
    assert one.plan.roles["student/0"] == two.plan.roles["student/0"]
    files = [o.of_role("ceiling/0").manifest.files["weights.safetensors"] for o in results]
    assert files[0] != files[1]
    told = [o.of_role("pseudo_labels of teacher/0").facts["accuracy"] for o in results]
    assert np.isclose(told[0], 1 - told[1])
    assert told[0] > 0.6
    assert {parts for parts, _ in seen} == {(PseudoLabelled,), (Labelled,)}
    assert not any(has for _, has in seen)
