"""The track record: the list, a cell from rows to table, and its assessment on known cells."""

import dataclasses
import json

import numpy as np
import pytest

from w2sg import arms
from w2sg.data.synthetic import word_table
from w2sg.forecast.observed import Contest, Observed
from w2sg.forecast.record import Record, RecordedCell, packaged_record, record_of
from w2sg.studies.track_record import assess, cell_list, fine_tuned, table
from w2sg.studies.track_record.cells import LISTS, CellList, Rows
from w2sg.studies.track_record.runner import divided, outcome, run_cell


def _rows(seed=0, count=900):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, 6)).astype(np.float32)
    labels = (x[:, 0] > 0).astype(np.int64)
    texts = tuple(("good day" if y else "bad night") + f" {i}" for i, y in enumerate(labels))
    return Rows(texts, None, labels, x, x[:, 1:3].copy())


def _cell(kind, **given):
    cell = cell_list().cells[0]
    return dataclasses.replace(
        cell, teacher={"kind": kind, **given}, n_labelled=100, n_unlabelled=400, n_test=300
    )


def test_list_is_what_was_promised():
    # catches a list that shrinks to what worked
    cells = cell_list().cells
    assert len(cells) >= 30
    assert len({c.name for c in cells}) == len(cells)
    assert len({c.family for c in cells}) >= 8
    assert sum(c.labels_expected_to_win for c in cells) >= 4
    assert min(c.n_labelled for c in cells) == 50
    assert max(c.n_labelled for c in cells) == 2000
    assert max(c.n_unlabelled for c in cells) <= 2000
    assert {c.teacher["kind"] for c in cells} == {"tfidf", "probe", "column"}
    families = {c.data: c.family for c in cells}
    assert families["sst2_sentences"] == families["subj"]  # they share sentences


@pytest.mark.parametrize("cell", [_cell("tfidf"), _cell("probe"), _cell("column", flip=0.3)])
def test_forecast_is_written_before_the_outcome_and_apart_from_it(cell, tmp_path):
    # catches a forecast that sees test rows, and an outcome begun before its forecast is on disk
    rows = _rows()
    run_cell(cell, rows, tmp_path)
    found = record_of(table(tmp_path)["cells"]).cells
    assert len(found) == 1
    assert found[0].forecast_at < found[0].outcome_at
    evidence, unlabelled, test, _ = divided(cell, rows, 0)
    labelled = {tuple(row) for row in evidence.strong[: evidence.n]}
    tested = {tuple(row.astype(float)) for row in rows.strong[test]}
    others = {tuple(row.astype(float)) for row in rows.strong[unlabelled]}
    assert not labelled & tested
    assert not others & tested
    assert not labelled & others
    assert (np.bincount(evidence.labels) >= 10).all()


def test_noisy_column_is_as_wrong_as_the_cell_says():
    # catches flips that may draw the same class again
    hits = outcome(_cell("column", flip=0.3), _rows(count=4000), 0)["teacher"]
    assert abs(hits.mean() - 0.7) < 4 * np.sqrt(0.21 / len(hits))


def _known(name, family, share, gain, best="student"):
    contests = {way: Contest(share, 50, round(50 * gain / share)) for way in arms.ways()}
    observed = Observed(
        300, 2000, 1000, (60, 120, 240), (0.7,) * 3, (0.6, 0.65, 0.7), contests, 0.1
    )
    accuracy = {"teacher": 0.7, "ceiling": 0.9}
    accuracy |= {way: 0.7 + gain - 0.05 * (way != best) for way in arms.ways()}
    return RecordedCell(
        name, family, "tfidf", "frozen", observed, accuracy, 0.01, 1.0, 2.0,
        dict.fromkeys(arms.ways(), 0.001),
    )  # fmt: skip


def test_assessment_of_forecasts_that_rank_rightly():
    # catches correlations of the wrong columns and a regret against the wrong way
    rng = np.random.default_rng(0)
    cells = tuple(
        _known(f"{f}{i}", f"f{f}", s, 0.5 * s)
        for f in range(5)
        for i, s in enumerate(rng.uniform(0.1, 0.4, 4))
    )
    found = assess(Record(cells))
    assert found.rank_correlation["forecast"].estimate > 0.95
    assert found.rank_correlation["disagreement"].estimate == pytest.approx(1.0)
    assert found.regret["student"] == pytest.approx(0.0)
    assert found.regret["mixed"] == pytest.approx(0.05)
    for row in found.cells:
        expected = 0.0 if row.way == "student" else 0.05
        assert row.regret == pytest.approx(expected)
        assert row.within == (expected == 0.0)
    assert found.families == 5


def test_no_cell_is_forecast_with_its_own_family():
    # catches leaving out the cell alone: a family of twins would then know the answer
    cells = [_known(f"a{i}", "a", 0.2, 0.18) for i in range(10)]
    cells += [_known(f"b{i}", f"b{i}", 0.2, 0.02) for i in range(10)]
    alone = Record(tuple(cells)).without("a")
    from w2sg.forecast.prediction import predict

    row = assess(Record(tuple(cells))).cells[0]
    expected = predict(cells[0].observed, alone).gain["student"].estimate
    assert row.predicted_gain == pytest.approx(expected)


def test_fine_tuned_cells_are_forecast_from_their_own_kind_once_there_are_eight():
    # catches frozen cells that decide the interval of a fine-tuning
    frozen = [_known(f"a{i}", f"a{i}", 0.2, 0.02) for i in range(12)]
    tuned = [
        dataclasses.replace(_known(f"t{i}", f"t{i}", 0.2, 0.16), kind="fine_tuned")
        for i in range(9)
    ]
    found = assess(Record((*frozen, *tuned)), kind="fine_tuned")
    assert [row.name for row in found.cells] == [cell.name for cell in tuned]
    assert found.cells[0].predicted_gain == pytest.approx(0.16, abs=0.01)
    few = assess(Record((*frozen, *tuned[:6])), kind="fine_tuned")
    assert few.cells[0].predicted_gain < 0.15  # learned from all cells
    assert "6 cells of 6 families, fine-tuned students" in few.lines()[0]
    only = assess(Record((*frozen, *tuned)))
    assert [row.name for row in only.cells] == [cell.name for cell in frozen]


def test_a_fine_tuned_cell_is_forecast_then_run_once(tiny_model, tmp_path, monkeypatch):
    # catches an outcome begun before its forecast, arms without an outcome, rates other than the
    # ones users get, flips that leave the share out, and a second call that computes again
    frame = word_table(420, n_words=60, words_per_text=8).frame
    (tmp_path / "text").mkdir()
    frame.to_parquet(tmp_path / "text" / "words.parquet")
    cell = dataclasses.replace(
        _cell("column", flip=0.3), name="tuned-words", data="words", texts=("text",), n_test=150
    )
    cell = dataclasses.replace(cell, n_labelled=80, n_unlabelled=120)
    listed = CellList((cell,), str(tiny_model), 32, (0, 1), epochs=1, min_steps=10)
    monkeypatch.setattr(fine_tuned, "cell_list", lambda kind: {"fine_tuned": listed}[kind])
    told = fine_tuned.told_rows(cell, frame)
    assert 0.22 < (told["told"] != told["label"]).mean() < 0.38  # 3.6 standard errors each way
    spec = fine_tuned.spec_of(cell, listed, tmp_path / "x", tmp_path / "store")
    assert not {"lr", "lr_head"} & spec["student"].keys()

    fine_tuned.run_fine_tuned(tmp_path, tmp_path / "out")
    files = [tmp_path / "out" / part / "tuned-words.json" for part in ("forecasts", "outcomes")]
    before, after = (json.loads(file.read_text()) for file in files)
    assert before["written"] < after["begun"]
    assert set(after["accuracy"]) == {"teacher", "ceiling", *arms.ways()}
    assert abs(after["accuracy"]["teacher"] - 0.7) < 0.12  # of 150 test rows, twice
    ran = []
    monkeypatch.setattr(fine_tuned, "run_cell", lambda *given: ran.append(given))
    fine_tuned.run_fine_tuned(tmp_path, tmp_path / "out")
    assert not ran
    with pytest.raises(ValueError, match="names must be cells of the list"):
        fine_tuned.run_fine_tuned(tmp_path, tmp_path / "out", names=("other",))


def test_fine_tuned_list_is_short_and_apart():
    # catches cells that would cost more than was promised, and names that both lists use
    listed = cell_list("fine_tuned")
    assert listed.epochs == 2
    assert max(cell.n_unlabelled for cell in listed.cells) <= 2000
    assert len({cell.family for cell in listed.cells}) >= 5
    assert not {c.name for c in listed.cells} & {c.name for c in cell_list().cells}


def test_packaged_record_lists_cells_of_the_list_with_forecasts_before_outcomes():
    # catches a table that was edited by hand or holds cells nobody announced
    record = packaged_record()
    assert record.cells
    names = {(c.name, kind): c.family for kind in LISTS for c in cell_list(kind).cells}
    for cell in record.cells:
        assert names[cell.name, cell.kind] == cell.family
        assert cell.forecast_at < cell.outcome_at
    assert json.dumps([dataclasses.asdict(cell) for cell in record.cells], allow_nan=False)
