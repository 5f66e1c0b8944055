"""Small inputs that were once read in silence: what is right, through the stages of a real run.

Each case runs the division of the data and the teacher as `w2sg run` does, without a student.
"""

import unicodedata

import numpy as np
import pandas as pd
import pytest

from w2sg.runs.execute import Execution, RunFailed
from w2sg.runs.graph import Graph
from w2sg.runs.payloads import Artifact, read_parts, read_probabilities
from w2sg.runs.plan import data_calls
from w2sg.runs.resolve import teacher_columns
from w2sg.runs.store import Store
from w2sg.spec import load
from w2sg.stages import labelled_data

N = 300
TEXT = [f"comment number {i} about thing {i * 7 % 101}" for i in range(N)]
Y = np.array(["ham" if i % 2 else "spam" for i in range(N)])
THREE = np.array(["a", "b", "c"])[np.arange(N) % 3]


class Case:
    """Files in a folder, and what a run makes of them before it trains a student."""

    def __init__(self, folder):
        self.folder = folder

    def csv(self, name="a.csv", **columns):
        pd.DataFrame({"text": TEXT, "label": Y, **columns}).to_csv(self.folder / name, index=False)
        return {"path": str(self.folder / name)}

    def run(self, data, column=None, **teacher):
        """Parts, and the teacher's accuracy on the test part where there is a column."""
        if column is not None:
            teacher |= {"kind": "column", "column": column}
        sizes = {"n_labelled": 40, "n_unlabelled": 60, "n_test": 60}
        spec = load(
            {
                "data": {**sizes, **data},
                "teacher": teacher,
                "run": {"store": str(self.folder / "store"), "seeds": [0], "preview": False},
            }
        )
        tables = labelled_data.read(spec.data, keep=teacher_columns(spec.teacher))
        execution = Execution(Store(spec.run.store), lambda _: None, tables=tables, data=spec.data)
        call = data_calls(spec, tables.fingerprints)[0]
        self.facts = self._ensure(execution, call).facts
        parts = read_parts(
            Artifact(execution.manifests[call.key], execution.store.folder(call.key))
        )
        if column is None:
            return parts, None
        graph = Graph(spec, {0: call}, {0: self.facts}, "float32")
        key = graph.teacher(0)
        self.teacher = self._ensure(execution, graph.calls[key]).facts
        artifact = Artifact(execution.manifests[key], execution.store.folder(key))
        answer_of = dict(zip(*read_probabilities(artifact, "answers"), strict=True))
        answers = np.array([answer_of[name] for name in parts.test.ids])
        return parts, float((answers.argmax(axis=1) == parts.test.labels).mean())

    def accuracy(self, data, column, **teacher):
        return self.run(data, column, **teacher)[1]

    def classes(self, data):
        return self.run(data)[0].label_names

    def _ensure(self, execution, call):
        try:
            return execution.ensure(call)
        except RunFailed as error:
            raise error.__cause__ or error from error


@pytest.fixture
def case(tmp_path):
    return Case(tmp_path)


def test_c1_columns_that_carry_the_class_names_are_matched_by_name(case):
    p = (Y == "spam") * 0.8 + 0.1
    data = case.csv(spam=p, ham=1 - p, p_spam=p, p_ham=1 - p, ab=p, cd=1 - p)
    for columns in (["spam", "ham"], ["ham", "spam"], ["p_spam", "p_ham"], ["spam", "p_ham"]):
        assert case.accuracy(data, columns) == 1.0
    with pytest.raises(ValueError, match=r"do not say which class each column.*'ham', 'spam'"):
        case.run(data, ["ab", "cd"])
    assert case.accuracy(data, ["ab", "cd"], classes=["spam", "ham"]) == 1.0
    with pytest.raises(ValueError, match="called after 'spam'"):
        case.run(data, ["spam", "ham"], classes=["ham", "spam"])


@pytest.mark.parametrize("code", ["0/1", "p"])
def test_c2_numbers_under_word_classes_need_a_stated_coding(case, code):
    """0 = spam: an alphabetical guess would be wrong on every row."""
    ham = (Y == "ham").astype(int)
    data = case.csv(code=ham if code == "0/1" else ham * 0.8 + 0.1)
    with pytest.raises(ValueError, match=r"teacher.column='code' holds '0.*1'.*teacher.classes"):
        case.run(data, "code")
    assert case.accuracy(data, "code", classes=["ham"]) == 1.0
    assert case.accuracy(data, "code", classes=["spam", "ham"]) == 1.0
    assert case.accuracy(data, "code", classes=["ham", "spam"]) == 0.0
    assert case.accuracy(case.csv(is_ham=ham), "is_ham") == 1.0


def test_c2_codes_of_three_classes(case):
    data = case.csv(label=THREE, code=(np.arange(N) + 1) % 3)  # b = 2, c = 0, a = 1
    with pytest.raises(ValueError, match=r"none of the classes \['a', 'b', 'c'\].*teacher.classes"):
        case.run(data, "code")
    assert case.accuracy(data, "code", classes=["c", "a", "b"]) == 1.0


def test_c2_class_label_features_are_matched_by_name(case):
    """Two columns of one Parquet file number the same classes in two orders."""
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {
            "text": datasets.Value("string"),
            "label": datasets.ClassLabel(names=["spam", "ham"]),
            "llm": datasets.ClassLabel(names=["ham", "spam"]),
        }
    )
    rows = {"text": TEXT, "label": (Y == "ham").astype(int), "llm": (Y == "spam").astype(int)}
    part = datasets.Dataset.from_dict(rows, features=features)
    part.to_parquet(case.folder / "a.parquet")
    assert case.accuracy({"path": str(case.folder / "a.parquet")}, "llm") == 1.0
    assert case.classes({"path": str(case.folder / "a.parquet")}) == ("spam", "ham")


@pytest.mark.parametrize("name", ["is_ham", "flag"])
def test_c2b_booleans_mean_the_same_in_every_format(case, name):
    frame = pd.DataFrame({"text": TEXT, "label": Y, name: Y == "ham"})
    frame.to_csv(case.folder / "a.csv", index=False)
    frame.to_parquet(case.folder / "a.parquet")
    frame.to_json(case.folder / "a.jsonl", orient="records", lines=True)
    for file in ("a.csv", "a.parquet", "a.jsonl"):
        data = {"path": str(case.folder / file)}
        if name == "is_ham":
            assert case.accuracy(data, name) == 1.0
        else:
            with pytest.raises(ValueError, match=r"holds 'False', 'True', and neither"):
                case.run(data, name)
            assert case.accuracy(data, name, classes=["ham"]) == 1.0


@pytest.mark.parametrize(
    "word", ["-1", "NA", "N/A", "nan", "None", "null", "ABSTAIN", "Unlabeled", "unlabelled", "?"]
)
def test_c3_a_value_that_means_no_label_is_no_class_without_a_word(case, word):
    labels = np.where(np.arange(N) % 3 == 0, word, np.where(Y == "ham", "0", "1"))
    data = case.csv(label=labels)
    with pytest.raises(
        ValueError, match=rf"data.label='label' .*'{word}'.* in 100 of 300"
    ) as error:
        case.run(data)
    assert f'data.no_label = ["{word}"] if it does, or data.no_label = []' in str(error.value)
    assert case.classes({**data, "no_label": [word]}) == ("0", "1")
    assert case.facts["report"]["unlabelled_from"] == "empty labels"
    assert len(case.classes({**data, "no_label": []})) == 3


def test_c3_words_that_data_no_label_does_not_list_are_said(case):
    """Catches a typo in the setting that makes a class of what it should have emptied."""
    data = case.csv(label=np.where(np.arange(N) % 3 == 0, "NA", Y))
    assert case.classes({**data, "no_label": ["N/A"]}) == ("NA", "ham", "spam")
    said = " ".join(case.facts["report"]["notes"])
    assert "'NA' is a class, because data.no_label = [\"N/A\"] does not list it" in said
    assert "data.no_label: 'N/A' does not occur in data.label" in said
    case.run({**data, "no_label": ["NA"]})
    assert case.facts["report"]["notes"] == []


def test_c3_minus_one_is_a_class_where_it_plainly_is(case):
    assert case.classes(case.csv(label=np.where(Y == "ham", -1, 1))) == ("-1", "1")
    stars = np.array([-2, -1, 1, 2])[np.arange(N) % 4]
    assert case.classes(case.csv(label=stars)) == ("-2", "-1", "1", "2")
    data = case.csv(label=np.array([-1, 0, 1])[np.arange(N) % 3])
    assert case.classes({**data, "no_label": -1}) == ("0", "1")


@pytest.mark.parametrize("codes", [["01", "02", "10"], ["1e3", "2e3", "1e4"], ["0x1", "1_0", "7"]])
def test_c4_codes_are_matched_as_text_first(case, codes):
    y = np.array(codes)[np.arange(N) % 3]
    assert case.accuracy(case.csv(label=y, llm=y), "llm") == 1.0


def test_c4_numbers_stand_for_codes_of_their_value(case):
    """A labeller's Parquet file holds 1 where the classes are called 01."""
    frame = pd.DataFrame({"text": TEXT, "label": np.array(["01", "02", "10"])[np.arange(N) % 3]})
    frame.assign(llm=frame["label"].astype(int)).to_parquet(case.folder / "a.parquet")
    assert case.accuracy({"path": str(case.folder / "a.parquet")}, "llm") == 1.0
    assert "by their value" in case.teacher["reading"]


@pytest.mark.parametrize(
    ("low", "high", "deviation"), [(0.2, 0.599, "0.001"), (0.33, 0.35, "0.01")]
)
@pytest.mark.parametrize("kind", ["csv", "float64", "float32"])
def test_c5_rounded_probabilities_are_accepted_and_normalised(case, low, high, deviation, kind):
    p = np.full((N, 3), low)
    p[np.arange(N), np.arange(N) % 3] = high
    columns = dict(zip("abc", p.astype("float32" if kind == "float32" else float).T, strict=True))
    data = case.csv(label=THREE, **columns)
    if kind != "csv":
        pd.DataFrame({"text": TEXT, "label": THREE, **columns}).to_parquet(
            case.folder / "a.parquet"
        )
        data = {"path": str(case.folder / "a.parquet")}
    assert case.accuracy(data, ["a", "b", "c"]) == 1.0
    assert any(f"by up to {deviation}" in note for note in case.teacher["notes"])


def test_c5_sums_that_rounding_does_not_explain_are_refused(case):
    p = np.full((N, 3), 0.2)
    p[0] = 0.19  # 0.57: three decimals explain 0.0015, two 0.015
    p[1:, 0] = 0.6
    columns = dict(zip("abc", p.T, strict=True))
    with pytest.raises(ValueError, match=r"sum to 0\.57, not 1"):
        case.run({**case.csv(label=THREE, **columns), "n_unlabelled": 200}, ["a", "b", "c"])


def three_files(case, labelled=(), unlabelled=(), test=()):
    """Files whose columns beside text and label are named."""
    frame = pd.DataFrame({"text": TEXT, "label": Y, "llm": Y})
    for name, rows, columns in (
        ("l.csv", slice(80), ["label", *labelled]),
        ("u.csv", slice(80, 200), unlabelled),
        ("t.csv", slice(200, N), ["label", *test]),
    ):
        frame.loc[frame.index[rows], ["text", *columns]].to_csv(case.folder / name, index=False)
    return {
        name: str(case.folder / file)
        for name, file in (("path", "l.csv"), ("unlabelled", "u.csv"), ("test", "t.csv"))
    }


def test_c8_a_labeller_that_was_asked_about_one_file_only(case):
    data = three_files(case, unlabelled=["llm"])
    with pytest.raises(ValueError, match=r"teacher\.column='llm' is a column of data\.unlabelled="):
        case.run(data, "llm")
    with pytest.raises(ValueError, match=r"not of data\.path=.*l\.csv.*Write .* into data\.test="):
        case.run(data, "llm")
    with pytest.raises(
        ValueError, match=r"is not a column of .*l\.csv.* or of .*did you mean 'llm'"
    ):
        case.run(data, "lm")


def test_c8_labelled_rows_need_no_answer(case):
    data = three_files(case, unlabelled=["llm"], test=["llm"])
    assert case.accuracy(data, "llm") == 1.0


def test_c9_annotator_columns_of_class_names_are_refused(case):
    data = case.csv(a=Y, b=Y, spam=0.5)
    with pytest.raises(ValueError, match=r"teacher\.column names 2 columns .*class names such as"):
        case.run(data, ["a", "b"])
    with pytest.raises(ValueError, match=r"teacher\.column: id .* holds 'x' in column 'ham'"):
        case.run(case.csv(ham="x", spam=0.5), ["ham", "spam"])


@pytest.mark.parametrize(
    ("spelled", "noted"),
    [
        (lambda name: unicodedata.normalize("NFD", name), True),
        (lambda name: f"{name}\u200b", True),
        (lambda name: name[:1] + "\u00ad" + name[1:], True),
        (lambda name: f" {name}\u00a0", False),  # spaces around are nothing to speak of
    ],
)
def test_c10_one_name_in_two_spellings_that_look_alike_is_one_class(case, spelled, noted):
    names = ["café" if i % 2 else "thé" for i in range(N)]
    names = [name if i % 3 else spelled(name) for i, name in enumerate(names)]
    data = case.csv(label=names, llm=names[::-1])
    assert case.classes(data) == ("café", "thé")
    said = [n for n in case.facts["report"]["notes"] if "'café', 'thé' are written" in n]
    assert bool(said) == noted
    assert case.accuracy(data, "llm") == 0.0  # reversed: each answer is the other class


@pytest.mark.parametrize("label", [lambda y: [y], lambda y: (y,)])
def test_c12_a_list_of_one_label_is_that_label(case, label):
    frame = pd.DataFrame({"text": TEXT, "label": [label(y) for y in Y], "llm": [[y] for y in Y]})
    frame.to_json(case.folder / "a.jsonl", orient="records", lines=True)
    frame.to_parquet(case.folder / "a.parquet")
    for file in ("a.jsonl", "a.parquet"):
        data = {"path": str(case.folder / file)}
        assert case.classes(data) == ("ham", "spam")
        assert case.accuracy(data, "llm") == 1.0
    frame["label"] = [[y, "promo"] if i == 7 else [y] for i, y in enumerate(Y)]
    frame.to_json(case.folder / "a.jsonl", orient="records", lines=True)
    with pytest.raises(ValueError, match=r"data\.label=.*holds \['ham', 'promo'\].*\(row 7\)"):
        case.run({"path": str(case.folder / "a.jsonl")})


@pytest.mark.parametrize("words", [("true", "false"), ("True", "False"), ("TRUE", "FALSE")])
def test_c13_true_of_json_and_of_csv_are_one_class(case, words):
    spam = Y == "spam"
    frame = pd.DataFrame({"text": TEXT, "label": spam})
    frame[:200].to_json(case.folder / "a.jsonl", orient="records", lines=True)
    case.csv("t.csv", label=np.where(spam, *words), llm=np.where(spam, *words))
    data = {"path": str(case.folder / "a.jsonl"), "test": str(case.folder / "t.csv")}
    parts, _ = case.run(data)
    assert parts.label_names == ("False", "True")
    assert 0 < parts.test.labels.mean() < 1
    data = {"path": str(case.folder / "t.csv")}
    assert case.accuracy(data, "llm") == 1.0


# ---- controls: what was right stays right


def test_k0_sorted_columns_class_names_and_the_second_class(case):
    p = (Y == "spam") * 0.8 + 0.1
    data = case.csv(spam=p, ham=1 - p, w=Y)
    for column in (["ham", "spam"], "w", "spam"):
        assert case.accuracy(data, column) == 1.0
    assert case.accuracy(data, "ham") == 1.0


def test_k1_probabilities_that_sum_to_one(case):
    p = np.full((N, 3), 0.2)
    p[np.arange(N), np.arange(N) % 3] = 0.6
    data = case.csv(label=THREE, **dict(zip("abc", p.T, strict=True)))
    assert case.accuracy(data, ["a", "b", "c"]) == 1.0
    assert case.teacher["notes"] == []


def test_k2_codes_that_are_words(case):
    y = np.array(["x1", "x2", "x10"])[np.arange(N) % 3]
    assert case.accuracy(case.csv(label=y, llm=y), "llm") == 1.0


def test_k3_a_tsv_without_quote_marks(case):
    lines = [f"{y}\t{x}\n" for y, x in zip(Y, TEXT, strict=True)]
    (case.folder / "a.tsv").write_text("label\ttext\n" + "".join(lines), encoding="utf-8")
    table = labelled_data.read(load({"data": {"path": str(case.folder / "a.tsv")}}).data).main
    assert table.n_read == N


def test_k4_rows_with_more_cells_are_refused(case):
    lines = [f"{x},{y},x\n" for x, y in zip(TEXT, Y, strict=True)]
    (case.folder / "a.csv").write_text("text,label\n" + "".join(lines), encoding="utf-8")
    with pytest.raises(ValueError, match="more cells"):
        case.run({"path": str(case.folder / "a.csv")})


def test_k5_empty_labels_are_no_class(case):
    assert case.classes(case.csv(label=np.where(np.arange(N) % 3 == 0, "", Y))) == ("ham", "spam")
