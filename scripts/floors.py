"""Try w2sg with the oldest versions that pyproject.toml allows; run before a release.

    python3.11 scripts/floors.py [FOLDER]

Builds an environment in FOLDER (a temporary one by default; one that is there is used again),
installs what `floors.txt` lists, torch as the Makefile pins it, and w2sg itself. Then every command
is called once, a training of two steps among them. The exit status is 1 if any of them fails. That
`floors.txt` says what pyproject.toml says is a test: tests/unit/test_floors.py.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
FLOORS = ROOT / "scripts" / "floors.txt"
INPUTS = """
import sys
sys.path.insert(0, {tests!r})
import numpy as np
from tiny import save_bert, tables
from w2sg.data.synthetic import word_table
from w2sg.spec import load, to_toml
from pathlib import Path
folder = Path({folder!r})
save_bert(folder / "model")
frame = word_table(240, n_words=60, words_per_text=8).frame
frame["label"] = frame["label"].map({{0: "bad", 1: "good"}})
frame.to_csv(folder / "rows.csv", index=False)
rng = np.random.default_rng(0)
np.savez(folder / "features.npz", strong=rng.normal(size=(60, 8)), weak=rng.normal(size=(60, 4)))
made = tables(folder / "rows.csv", folder / "model", folder / "store",
              data={{"n_unlabelled": 32}}, student={{"batch_size": 16, "epochs": 1}},
              run={{"references": ["strong_on_labelled"], "preview": True, "seeds": [0, 1]}})
(folder / "run.toml").write_text(to_toml(load(made)), encoding="utf-8")
grid = '\\n[grid]\\nstudent.loss = ["ce", "reverse_ce"]\\n'
(folder / "sweep.toml").write_text(to_toml(load(made)) + grid, encoding="utf-8")
"""
# words of a command → exit status; RESULT is the folder that `run` wrote, in order of need
COMMANDS = {
    "--help": 0,
    "run --help": 0,
    "theory ridge --help": 0,
    "doctor": 0,
    "plan 0.01 --sd 0.02": 0,
    "theory bregman --width 20": 0,
    "reproduce": 0,
    "reproduce mechanisms F1": 0,
    "diagnose features.npz": 0,
    "attention model": 0,
    "preflight run.toml": 0,
    "run run.toml": 0,
    "run run.toml --set student.policy=qv --set student.method=lora": 0,
    "run run.toml --n-test 80.6": 2,
    "run run.toml --no-such-option": 2,
    "explain RESULT": 0,
    "report RESULT": 0,
    "predict RESULT rows.csv -o labelled.parquet": 0,
    "sweep sweep.toml --workers 1": 0,
    "compare sweep.toml --by student.loss": 0,
    "status store": 0,
    "show KEY --store store": 0,
    "export sweep.toml -o sweep.zip": 0,
    "import sweep.zip --store other": 0,
    "gc store --yes": 0,
}


def main() -> int:
    """Build the environment, call the commands, return the exit status."""
    if sys.version_info[:2] != (3, 11):
        print("run this with Python 3.11, the oldest that w2sg supports")
        return 1
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(sys.argv[1] if len(sys.argv) > 1 else temporary).resolve()
        python = _environment(place / "floors")
        return _call_all(python, Path(temporary) / "work")  # never with the store of another time


def _environment(place: Path) -> Path:
    python = place / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", place], check=True)
    torch = re.search(r"^TORCH := (\S+)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert torch is not None
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, torch[1]], check=True)
    subprocess.run([*install, "-r", FLOORS], check=True)
    subprocess.run([*install, "--no-deps", "--force-reinstall", ROOT], check=True)
    return python


def _call_all(python: Path, work: Path) -> int:
    work.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": ""}
    script = INPUTS.format(tests=str(ROOT / "tests"), folder=str(work))
    subprocess.run([python, "-c", script], cwd=work, env=environment, check=True)
    failed = 0
    for words, expected in COMMANDS.items():
        runs = sorted((work / "store" / "runs").glob("*/result.json"))
        keys = sorted((work / "store" / "stages").iterdir()) if runs else []
        given = words.replace("RESULT", str(runs[0].parent) if runs else "RESULT")
        given = given.replace("KEY", keys[0].name if keys else "KEY")
        done = subprocess.run(
            [python, "-m", "w2sg", *given.split()],
            cwd=work, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        good = done.returncode == expected and "Traceback" not in done.stderr
        failed += not good
        print(f"{'ok    ' if good else 'FAILED'} w2sg {words}", flush=True)
        if not good:
            print(done.stdout[-2000:], done.stderr[-4000:])
    print(f"{failed} of {len(COMMANDS)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
