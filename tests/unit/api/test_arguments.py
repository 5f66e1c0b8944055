"""What Python users pass to the calls: refused by name before anything is read, never ignored."""

import math

import pytest
from tiny import tables

import w2sg
from w2sg.runs.store import Store
from w2sg.runs.sweep_spec import load_sweep
from w2sg.spec import load
from w2sg.sweeps import dry_run, open_sweep, run_sweep


@pytest.fixture
def made(word_csv, tiny_model, tmp_path):
    return tables(word_csv, tiny_model, tmp_path / "store", run={"references": []})


BOTH = [
    ({"watch": 5}, "watch must be a function of one event, or None, got 5"),
    ({"loggers": "wandb"}, r"loggers must be a list of names, as in \['wandb'\], got 'wandb'"),
    ({"loggers": [1]}, "loggers must be a list of names"),
    ({"processes_per_training": "2"}, "processes_per_training must be a whole number of at least"),
    ({"processes_per_training": 1.0}, "processes_per_training must be a whole number of at least"),
    ({"processes_per_training": True}, "processes_per_training must be a whole number of at leas"),
    ({"processes_per_training": 0}, "processes_per_training must be a whole number of at least 1"),
    ({"checkpoint_seconds": math.nan}, "checkpoint_seconds must be a finite number of 0 or more"),
    ({"checkpoint_seconds": math.inf}, "checkpoint_seconds must be a finite number of 0 or more"),
    ({"checkpoint_seconds": -1}, "checkpoint_seconds must be a finite number of 0 or more, got -1"),
    ({"checkpoint_seconds": "5"}, "checkpoint_seconds must be a finite number of 0 or more"),
    ({"checkpoint_seconds": True}, "checkpoint_seconds must be a finite number of 0 or more"),
]
SWEEPS = [
    ({"workers": "2"}, "workers must be a whole number of at least 1, got '2'"),
    ({"workers": 2.0}, "workers must be a whole number of at least 1, got 2.0"),
    ({"workers": True}, "workers must be a whole number of at least 1, got True"),
    ({"workers": None}, "workers must be a whole number of at least 1, got None"),
    ({"retry_failed": "no"}, "retry_failed must be True or False, got 'no'"),
    ({"stage_timeout": -1}, "stage_timeout must be a finite number of 0 or more, got -1"),
    ({"stage_timeout": math.nan}, "stage_timeout must be a finite number of 0 or more, got nan"),
    ({"launcher": "ray"}, "launcher must be an object that computes stages"),
    ({"planned": "x"}, "planned must be a function"),
]


@pytest.mark.parametrize(("options", "said"), BOTH)
def test_options_of_a_run(made, options, said):
    with pytest.raises(ValueError, match=said):
        w2sg.run(made, **options)
    assert not list(Store(made["run"]["store"]).manifests())


@pytest.mark.parametrize(("options", "said"), [*BOTH, *SWEEPS])
def test_options_of_a_sweep(made, options, said):
    grid = {"student.loss": ["ce", "reverse_ce"]}
    with pytest.raises(ValueError, match=said):
        run_sweep({**made, "grid": grid}, **options)
    assert not list(Store(made["run"]["store"]).manifests())


@pytest.mark.parametrize("spec", [None, 5, []])
@pytest.mark.parametrize("door", [w2sg.run, w2sg.preflight, w2sg.sweep, dry_run])
def test_what_is_no_spec(door, spec):
    with pytest.raises(w2sg.SpecError, match="spec must be the path of a TOML file, or a mapping"):
        door(spec)


@pytest.mark.parametrize("door", [w2sg.run, w2sg.preflight, w2sg.sweep, dry_run])
def test_overrides_that_are_none(made, door):
    with pytest.raises(w2sg.SpecError, match="overrides must be a mapping"):
        door(made, "student.epochs=1")


def test_overrides_of_what_is_validated(made):
    """Catches overrides that are dropped without a word."""
    for door in (w2sg.run, w2sg.preflight):
        with pytest.raises(w2sg.SpecError, match="overrides are for a file or a mapping"):
            door(load(made), {"student.epochs": 1})
    swept = load_sweep({**made, "grid": {"student.loss": ["ce", "reverse_ce"]}})
    for door in (run_sweep, dry_run):
        with pytest.raises(w2sg.SpecError, match="overrides are for a file or a mapping"):
            door(swept, {"student.epochs": 1})


def test_workers_beside_a_launcher(made):
    class Elsewhere:
        slots = 1

    with pytest.raises(ValueError, match="workers = 2 would change nothing: Elsewhere computes"):
        run_sweep({**made, "grid": {"student.loss": ["ce", "squared"]}}, workers=2,
                  launcher=Elsewhere())  # fmt: skip


@pytest.mark.parametrize("folder", [None, 5, "", "a\0b", [], True])
def test_what_is_no_folder(folder):
    for door in (w2sg.open_result, open_sweep):
        with pytest.raises(ValueError, match=r"must be the path of a file or folder, got"):
            door(folder)


def test_a_result_of_other_types_and_of_an_older_spec(made, tmp_path):
    """What is refused today opens, and is refused only where it would be run again."""
    result = w2sg.run(made)
    for wrong in (None, 5, ""):
        with pytest.raises(ValueError, match="must be the path of a file or folder"):
            result.report(wrong)
        with pytest.raises(ValueError, match="must be the path of a file or folder"):
            result.save(wrong)
    with pytest.raises(ValueError, match="untrained must be True or False, got 'no'"):
        result.explain(untrained="no")
    for arm in ("", "studnet", 5):
        with pytest.raises(ValueError, match="there is no"):
            result.classifier(arm=arm)
    with pytest.raises(ValueError, match="there is no 'student' of seed False"):
        result.classifier(arm="student", seed=False)

    path = result.folder / "spec.toml"
    old = path.read_text(encoding="utf-8").replace("# layers is not set", "layers = 2")
    path.write_text(old.replace("epochs = 1.0", "epochs = 20000.0"), encoding="utf-8")
    opened = w2sg.open_result(result.folder)
    assert opened.spec.teacher.layers == 2
    assert opened.gain == result.gain
    opened.report(tmp_path / "again.html")
    with pytest.raises(w2sg.SpecError, match=r"teacher\.layers = 2 would change nothing"):
        w2sg.run(opened.spec)


def test_a_folder_of_a_sweep_takes_no_overrides(made):
    swept = run_sweep({**made, "grid": {"student.loss": ["ce", "reverse_ce"]}})
    with pytest.raises(ValueError, match=r"student\.epochs is set for the folder of a sweep"):
        open_sweep(swept.folder, {"student.epochs": 1})
