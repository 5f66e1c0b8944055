"""Sweeps on a Ray cluster of two nodes and through submitit: the results of this process."""

import os
import sys
from pathlib import Path

import pytest
from tiny import tables

from w2sg.runs.launch.slurm import Slurm, Stages
from w2sg.runs.launch.task import Answer, Task
from w2sg.sweeps import run_sweep

TESTS = Path(__file__).parents[2]


@pytest.fixture
def spec_of(word_csv, tiny_model):
    def make(store, losses=("ce", "reverse_ce")):
        run = {"references": ["strong_on_labelled"]}
        return {
            **tables(word_csv, tiny_model, store, run=run),
            "grid": {"student.loss": list(losses)},
        }

    return make


@pytest.fixture
def paths_for_children(monkeypatch):
    paths = [str(TESTS.parent / "src"), str(TESTS), *sys.path]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(p for p in paths if p))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.mark.slow
def test_submitit_gives_the_same_table(spec_of, tmp_path, paths_for_children):
    # catches a job that computes and does not store, and a failure lost on the way back
    from broken_losses import ERROR

    store = tmp_path / "store"
    launcher = Slurm(tmp_path / "jobs", cluster="local", hours=0.5)
    got = run_sweep(spec_of(store, ("ce", ERROR)), launcher=launcher)
    here = run_sweep(spec_of(tmp_path / "here", ("ce", "reverse_ce")))
    assert got.table()["student"][0] == here.table()["student"][0]
    (failure,) = got.failures().values()
    assert "no such thing" in failure.facts["failure"]["what"]
    assert [m is None for m in got.evaluations()] == [False, True]


def test_short_stages_share_a_job_and_go_as_arrays(monkeypatch, tmp_path):
    # catches one job for every stage that takes a second
    sent = []

    class Executor:
        def batch(self):
            import contextlib

            sent.append([])
            return contextlib.nullcontext()

        def submit(self, function, tasks):
            sent[-1].append(len(tasks))

    slurm = Slurm(tmp_path)
    monkeypatch.setattr(slurm, "_executor", lambda gpus: Executor())
    from w2sg.runs.graph import Call

    body = {"spec": {"kind": "tfidf"}}
    short = [Task(Call("evaluation", {**body, "n": i}), "s") for i in range(20)]
    long = [Task(Call("strong_student", {**body, "n": i}), "s") for i in range(3)]
    slurm.start([*short, *long])
    assert sent == [[1, 1, 1], [16, 4]]


def test_a_requeued_job_goes_on_with_the_same_stages():
    # what submitit calls when Slurm pre-empts: the same function on the same tasks
    stages = Stages()
    delayed = stages.checkpoint(("a", "b"))
    assert delayed.function is stages
    assert delayed.args == (("a", "b"),)


def test_a_lost_job_is_tried_again_and_a_late_one_has_a_name(tmp_path):
    from w2sg.runs.graph import Call

    class Handle:
        def __init__(self, state, text):
            self.state, self.text = state, text

        def done(self):
            return True

        def exception(self):
            return RuntimeError(self.text)

    task = Task(Call("evaluation", {"spec": {}}), str(tmp_path / "store"))
    slurm = Slurm(tmp_path, hours=2)
    from w2sg.runs.launch.slurm import _Job

    slurm.jobs = [
        _Job(Handle("NODE_FAIL", "node failed"), (task,)),
        _Job(Handle("OUT_OF_MEMORY", "killed"), (task,)),
        _Job(Handle("TIMEOUT", "limit"), (task,)),
    ]
    lost, memory, late = slurm.poll(0.0, lambda _: None)
    assert lost.state == "lost"
    assert memory.state == late.state == "failed"
    assert "out of memory" in memory.what
    assert "took longer than 2 hours" in late.what
    assert isinstance(lost, Answer)


@pytest.mark.slow
def test_two_ray_nodes_compute_every_key_once(spec_of, tmp_path, paths_for_children):
    # two nodes of one core each on one store, against this process
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    from w2sg.runs.launch.ray import Ray, Share

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    cluster.add_node(num_cpus=1)
    try:
        launcher = Ray(cluster.address, training=Share(cpus=1))
        got = run_sweep(spec_of(tmp_path / "store"), launcher=launcher)
        here = run_sweep(spec_of(tmp_path / "here"))
        assert got.finished
        assert got.table().equals(here.table())
        computed = got.progress.computed
        assert len(computed) == len(set(computed)) == len(got.record.labels)
        with pytest.raises(ValueError, match="no node of the Ray cluster has 64 cores"):
            run_sweep(
                spec_of(tmp_path / "other"),
                launcher=Ray(cluster.address, training=Share(cpus=64)),
            )
    finally:
        ray.shutdown()
        cluster.shutdown()
