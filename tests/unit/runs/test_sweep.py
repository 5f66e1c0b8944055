"""Whole sweeps of tiny models: results, sharing, failures, repair, workers, two at once."""

import itertools
import multiprocessing
import shutil
import warnings

import broken_losses
import numpy as np
import pandas as pd
import pytest
from tiny import tables

import w2sg
from w2sg.cli.errors import explained
from w2sg.losses import Loss
from w2sg.runs.execute import execute
from w2sg.runs.store import Store
from w2sg.spec import load
from w2sg.sweep_results import NUMBERS
from w2sg.sweeps import dry_run, open_sweep, run_sweep

GRID = {"student.loss": ["ce", "reverse_ce"], "student.policy": ["full", "head"]}
RATES = {"lr": 5e-3, "lr_head": 5e-2}


def spec_of(word_csv, tiny_model, store, grid=None, **changed):
    changed = {"student": {**RATES, **changed.pop("student", {})}, **changed}
    return {**tables(word_csv, tiny_model, store, **changed), "grid": grid or GRID}


@pytest.fixture(scope="module")
def finished(word_csv, tiny_model, tmp_path_factory):
    """A finished sweep; tests that change its store take a copy."""
    spec = spec_of(word_csv, tiny_model, tmp_path_factory.mktemp("sweep") / "store")
    return spec, run_sweep(spec)


@pytest.fixture
def copied(finished, tmp_path):
    """A finished sweep in a store of the test's own."""
    spec, result = finished
    shutil.copytree(result.store.root, tmp_path / "store")
    spec = {**spec, "run": {**spec["run"], "store": str(tmp_path / "store")}}
    return spec, open_sweep(tmp_path / "store" / "sweeps" / result.folder.name)


def states(spec, **options):
    """Run a sweep and return label → what happened."""
    seen = {}
    result = run_sweep(
        spec,
        watch=lambda e: seen.setdefault(e.call.label, []).append(e.state),
        **options,
    )
    return result, {label: [s for s in got if s != "progress"] for label, got in seen.items()}


def test_the_table_is_that_of_separate_runs(finished, tmp_path):
    # the naive loop is the twin: catches a result shared between cells that differ
    spec, result = finished
    table = result.table()
    assert list(table.columns) == [*GRID, *NUMBERS, "divergence"]
    assert table[list(GRID)].to_numpy().tolist() == [
        ["ce", "full"],
        ["ce", "head"],
        ["reverse_ce", "full"],
        ["reverse_ce", "head"],
    ]
    scores = []
    for number, row in enumerate(table.to_dict("records")):
        alone = {k: v for k, v in spec.items() if k != "grid"}
        alone = {**alone, "run": {**alone["run"], "store": str(tmp_path / str(number))}}
        # a sweep may hold a rate that one of its policies does not read, a run may not
        cell = load(alone, {key: row[key] for key in GRID}, stored=True)
        found = execute(cell).of_role("evaluation")
        for arm in ("teacher", "student", "ceiling"):
            assert row[arm] == found.facts["metrics"][arm]["accuracy"]["estimate"]
        assert row["gain"] == found.facts["gain"]["estimate"]
        ledger = found.facts["ledger"]
        assert row["risk_gain"] == ledger["gap"]["estimate"] == row["misfit"] + row["residual"]
        assert row["student_entropy_low"] == ledger["student_entropy"]["low"]
        assert row["divergence"] == ledger["divergence"] == "kl"
        ours = result.store.folder(result.record.cells[number].roles["evaluation"])
        labels, told = result.answers(number)
        assert (told.argmax(-1) == labels).mean() == pytest.approx(row["student"])
        assert told.shape == (1, 50, 2)
        scores.append(pd.read_parquet(found.folder / "scores.parquet"))
        assert pd.read_parquet(ours / "scores.parquet").equals(scores[-1])
    for one, other in itertools.combinations(scores, 2):  # else the loop compares nothing
        assert not one.equals(other)


def test_a_second_run_computes_nothing(finished):
    _, seen = states(finished[0])
    assert {state for got in seen.values() for state in got} == {"cached"}


def test_a_dry_run_writes_nothing_and_says_what_is_cached(finished, copied, word_csv, tmp_path):
    spec, result = copied
    wider = {**spec, "grid": {**GRID, "student.loss": ["ce", "reverse_ce", "squared"]}}
    before = sorted(path for path in result.store.root.rglob("*"))
    found = dry_run(wider)
    assert sorted(path for path in result.store.root.rglob("*")) == before
    new = {found.prepared.plan.calls[k].stage for k, s in found.states.items() if s == "new"}
    assert new == {"strong_student", "evaluation"}
    assert sum(state == "new" for state in found.states.values()) == 4
    assert found.cost.unknown == {}
    assert all(seconds > 0 for seconds in found.cost.seconds.values())
    elsewhere = {**spec, "run": {**spec["run"], "store": str(tmp_path / "none")}}
    assert set(dry_run(elsewhere).states.values()) == {"new"}
    assert not (tmp_path / "none").exists()


def test_failure_is_data(copied):
    # one loss raises: its cells fail, the others finish, and only it is repeated when asked for
    spec, _ = copied
    spec = {**spec, "grid": {"student.loss": ["ce", broken_losses.ERROR]}}
    result, seen = states(spec)
    broken = "student, seed 0 [student.loss=error (1)]"
    assert seen[broken] == ["started", "failed"]
    assert [m is None for m in result.evaluations()] == [False, True]
    (failure,) = result.failures().values()
    assert failure.facts["failure"]["kind"] == "error"
    assert "no such thing" in failure.error
    assert "Traceback" in failure.error
    assert "no such thing" in result.reasons()[1]
    assert np.isnan(result.table()["student"][1])
    assert not result.finished

    again, seen = states(spec)
    assert seen[broken] == ["failed"], "a stored failure is not computed again unasked"
    assert again.progress.computed == []
    _, seen = states(spec, retry_failed=True)
    assert seen[broken] == ["started", "failed"]


def test_the_python_call_warns_of_missing_cells(copied):
    spec, _ = copied
    with pytest.warns(UserWarning, match="1 of 2 cells have no result"):
        table = w2sg.sweep({**spec, "grid": {"student.loss": ["ce", broken_losses.ERROR]}})
    assert table["student"].isna().tolist() == [False, True]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        w2sg.sweep(spec)


def test_out_of_memory_and_time_outs_have_names(copied):
    spec, _ = copied
    memory, _ = states({**spec, "grid": {"student.loss": ["ce", broken_losses.MEMORY]}})
    (failure,) = [m.facts["failure"] for m in memory.failures().values()]
    assert failure["kind"] == "out of memory"
    assert "micro_batch_size" in failure["advice"]

    late, _ = states({**spec, "grid": {"student.loss": ["ce", "squared"]}}, stage_timeout=0.0)
    (failure,) = [m.facts["failure"] for m in late.failures().values()]
    assert failure["kind"] == "time-out"
    assert "--stage-timeout" in failure["advice"]
    mended, _ = states({**spec, "grid": {"student.loss": ["ce", "squared"]}}, retry_failed=True)
    assert mended.finished


@pytest.mark.parametrize("damage", ["flip", "cut", "remove", "manifest"])
def test_damage_is_repaired(copied, damage):
    # catches a payload trusted by its name, and a repair that gives other numbers
    spec, result = copied
    before = result.table()
    key = next(k for k, label in result.record.labels.items() if label.startswith("student"))
    path = result.store.folder(key) / "answers.parquet"
    if damage == "flip":
        raw = bytearray(path.read_bytes())
        raw[len(raw) // 2] ^= 1
        path.write_bytes(raw)
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-7])
    elif damage == "remove":
        path.unlink()
    else:
        (path.parent / "manifest.json").write_text('{"key": ', encoding="utf-8")
    mended, seen = states(spec)
    label = result.record.labels[key]
    assert seen[label][0] == "damaged"
    assert seen[label][-1] == "done"
    assert mended.progress.computed == [key]
    assert mended.table().equals(before)


def test_an_input_that_vanishes_meanwhile_is_computed_again(copied):
    # removed after the scheduler looked: the worker says so, and the order is mended
    spec, result = copied
    teacher = next(k for k, label in result.record.labels.items() if label.startswith("pseudo"))
    wider = {**spec, "grid": {**GRID, "student.loss": ["ce", "reverse_ce", "squared"]}}

    def watch(event):
        if event.state == "started" and "squared" in event.call.label and not removed:
            removed.append(True)
            shutil.rmtree(result.store.folder(teacher))

    removed = []
    mended = run_sweep(wider, watch=watch)
    assert removed
    assert teacher in mended.progress.computed
    assert mended.finished


def in_another_process(spec, computed):
    computed.put(run_sweep(spec).progress.computed)


def test_two_processes_compute_every_key_once(finished, tmp_path):
    # catches a lock that is not held over look, compute and write
    spec, result = finished
    spec = {**spec, "run": {**spec["run"], "store": str(tmp_path / "store")}}
    context = multiprocessing.get_context("spawn")
    computed = context.Queue()
    both = [context.Process(target=in_another_process, args=(spec, computed)) for _ in range(2)]
    for process in both:
        process.start()
    keys = [key for _ in both for key in computed.get(timeout=900)]
    for process in both:
        process.join()
    assert len(keys) == len(set(keys))
    assert set(keys) == set(result.record.labels)
    assert (
        open_sweep(tmp_path / "store" / "sweeps" / result.folder.name)
        .table()
        .equals(result.table())
    )


def test_workers_give_the_same_results_and_a_killed_one_is_replaced(finished, tmp_path):
    # the loss that kills its process fails after three attempts; all other cells are finished
    spec, result = finished
    loss = ["ce", "reverse_ce", broken_losses.DEATH]
    store = str(tmp_path / "store")
    spec = {
        **spec,
        "run": {**spec["run"], "store": store},
        "grid": {"student.loss": loss, "student.policy": ["full"]},
    }
    got, seen = states(spec, workers=2)
    (label,) = [label for label in seen if "death" in label and label.startswith("student")]
    assert seen[label].count("damaged") == 2
    assert seen[label][-1] == "failed"
    assert "signal 9" in got.progress.failed[next(iter(got.progress.failed))]
    assert got.failures() == {}, "a killed process is not the stage's own failure"
    ours, theirs = got.table(), result.table()
    theirs = theirs[theirs["student.policy"] == "full"]
    assert ours["student"][:2].tolist() == theirs["student"].tolist()
    assert list(Store(store).manifests())


def test_an_object_of_the_running_script_is_refused_by_workers(copied):
    spec, _ = copied
    local = w2sg.Named(Loss("mine", lambda *_: None), name="mine", version="1")
    with pytest.raises(ValueError, match="cannot be sent to another process"):
        run_sweep({**spec, "grid": {"student.loss": ["ce", local]}}, workers=2)


def test_ctrl_c_keeps_finished_stages_and_the_next_sweep_goes_on(finished, tmp_path):
    """Catches an interruption that is recorded as a failure of the stage that it met."""
    spec, result = finished
    spec = {**spec, "run": {**spec["run"], "store": str(tmp_path / "store")}}

    def stop(event):
        if event.call.stage == "strong_student" and event.state == "progress":
            raise KeyboardInterrupt

    assert explained(lambda: run_sweep(spec, watch=stop)) == 130
    kept = {m.key: m.status for m in Store(tmp_path / "store").manifests()}
    assert set(kept.values()) == {"done"}
    got, seen = states(spec)
    assert sum(what == ["cached"] for what in seen.values()) == len(kept)
    assert got.table().equals(result.table())
