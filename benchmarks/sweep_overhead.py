"""What a sweep costs beside its trainings: a cached stage, a large plan, the state of many stages.

Run: python benchmarks/sweep_overhead.py
"""

import tempfile
import time
from pathlib import Path

import numpy as np

from w2sg.runs.graph import Call
from w2sg.runs.store import Manifest, Store, digest
from w2sg.runs.sweep import DataOf, plan_sweep
from w2sg.runs.sweep_spec import load_sweep

N_RUNS, N_MANIFESTS, N_CACHED = 1000, 10_000, 50
PARTS = ("labelled", "labelled_texts", "unlabelled", "unlabelled_texts", "hidden", "test")


def seconds(function):
    """Return a call's value and how long it took."""
    started = time.perf_counter()
    value = function()
    return value, time.perf_counter() - started


def made_plan(model):
    """Plan 200 cells x 5 seeds; the facts of the data are made up, so nothing is trained."""
    spec = load_sweep(
        {
            "data": {"bundled": "qnli"},
            "student": {"model": str(model)},
            "run": {
                "seeds": [0, 1, 2, 3, 4],
                "preview": False,
                "references": [
                    "ceiling",
                    "strong_on_labelled",
                    "self_training",
                    "student_then_labels",
                    "mixed",
                ],
            },
            "grid": {
                "student.loss": ["ce", "reverse_ce", "squared", "forward_kl"],
                "student.epochs": [1, 2, 3, 4, 5],
                "teacher.folds": [2, 3, 4, 5, 6],
                "student.policy": ["qv", "head"],
            },
        }
    )
    data, facts = [], {}
    for cell in spec.cells:
        calls = {s: Call("labelled_data", {"seed": s}) for s in cell.spec.run.seeds}
        for seed, call in calls.items():
            prints = {part: f"{part} {seed}" for part in (*PARTS, "test_texts", "given")}
            facts[call.key] = {
                "label_names": ["no", "yes"],
                "rows": {"labelled": 500, "unlabelled": 1000, "test": 500},
                "n_hidden": 1000,
                "fingerprints": {**prints, "test": "test"},
            }
        data.append(DataOf(None, calls))
    return plan_sweep(spec, data, facts.__getitem__, "float32")


def main():
    """Measure and print."""
    import sys

    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from tiny import save_bert

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        model = save_bert(root / "model")
        made_plan(model)  # imports and the model's fingerprint
        plan, planning = seconds(lambda: made_plan(model))
        stages = sum(len(cell.plan.roles) for cell in plan.cells)

        store = Store(root / "store")
        bodies = [{"stage": "strong_student", "version": 1, "spec": {"n": i}, "inputs": {}}
                  for i in range(N_MANIFESTS)]  # fmt: skip
        payload = np.random.default_rng(0).bytes(1_000_000)
        for body in bodies[:N_CACHED]:
            store.write(
                Manifest(digest(body), body, "done"),
                lambda target: (target / "weights.safetensors").write_bytes(payload),
            )
        _, cached = seconds(lambda: [store.read(digest(body)) for body in bodies[:N_CACHED]])
        many = Store(root / "many")
        for body in bodies:
            many.write(Manifest(digest(body), body, "done", facts={"n_train": 1000}))
        _, reading = seconds(lambda: sum(m.seconds for m in many.manifests()))
    print(f"{'':48}{'measured':>10}{'at most':>10}")
    for what, value, most in (
        ("a cached stage with 1 MB, ms", 1000 * cached / N_CACHED, 50.0),
        (f"plan of {N_RUNS} runs, {stages} roles, {len(plan.calls)} stages, s", planning, 2.0),
        (f"manifests of {N_MANIFESTS} stages, s", reading, 1.0),
    ):
        print(f"{what:48}{value:10.2f}{most:10.2f}")


if __name__ == "__main__":
    main()
