"""What later versions must keep: keys, JSON fields, public names, help texts, one page.

Everything is collected from the running program; `tests/unit/pins/write.py` writes it down.
"""

import ast
import importlib
import json
import pkgutil
import re
from functools import reduce
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

ROOT = Path(__file__).parents[1]
GOLDEN = Path(__file__).parent / "unit" / "pins"
FORMATS = {"keys": "json", "shapes": "json", "names": "json", "help": "txt", "page": "txt"}


def specs() -> dict[str, dict[str, Any]]:
    """Return name → dotted overrides of the base spec."""
    from sklearn.naive_bayes import ComplementNB

    from w2sg import Named, arms
    from w2sg.losses import get

    probe = {"teacher.kind": "probe", "teacher.model": "weak", "teacher.layers": 1}
    tuned = {"teacher.kind": "finetune", "teacher.model": "weak", "teacher.epochs": 1.0}
    named = Named(ComplementNB(), name="mine", version="1")
    two_models = {"teacher.model": ["weak", "other"]}
    return {
        "tfidf, cross-fitted": {"teacher.cross_fit": 3},
        "tfidf, members": {"teacher.members": 3, "teacher.combine": "primal"},
        "tfidf, hard labels": {"teacher.labels": "hard"},
        "tfidf, tempered and shrunk": {"teacher.temperature": 2.0, "teacher.shrink": 0.5},
        "sklearn, by name": {"teacher.kind": "sklearn", "teacher.estimator": "ComplementNB"},
        "sklearn, object": {"teacher.kind": "sklearn", "teacher.estimator": named},
        "sklearn, several": {
            "teacher.kind": "sklearn",
            "teacher.estimator": ["ComplementNB", "LinearSVC"],
        },
        "probe": probe,
        "probe, several models": {**probe, **two_models},
        "probe, members": {**probe, "teacher.members": 2},
        "finetune": tuned,
        "finetune, epochs chosen": {**tuned, "teacher.epochs": "auto"},
        "finetune, several models": {**tuned, **two_models},
        "finetune, qv": {**tuned, "teacher.policy": "qv", "teacher.lr": 1e-4},
        "column": {"teacher.kind": "column", "teacher.column": "crowd"},
        "column per class": {"teacher.kind": "column", "teacher.column": ["p_bad", "p_good"]},
        "column, no labels": {
            "teacher.kind": "column",
            "teacher.column": "crowd",
            "data.n_labelled": 0,
            "run.preview": False,
        },
        **{f"policy {name}": {"student.policy": name} for name in ("full", "head", "q", "qkvo")},
        "lora": {"student.method": "lora"},
        "ratio": {"student.ratio": 4.0},
        "early stopping": {"student.early_stopping": 3},
        **{f"loss {name}": {"student.loss": name} for name in ("reverse_ce", "confidence:0.5")},
        "loss, object": {"student.loss": Named(get("reverse_ce"), name="mine", version="1")},
        "student with labels after": {"student.labelled": "after"},
        "student with labels mixed": {"student.labelled": "mixed"},
        **{f"only {name}": {"run.references": [name]} for name in arms.references()},
        "no reference, no preview": {"run.references": [], "run.preview": False},
        "level": {"run.level": 0.9},
        "several seeds": {"run.seeds": [0, 1]},
    }


def planned(overrides: dict[str, Any]) -> dict[str, Any]:
    """Return role → call of a spec whose data and models are given by their fingerprints."""
    from w2sg.forecast import packaged_record
    from w2sg.runs import explain, preflight
    from w2sg.runs.graph import Graph
    from w2sg.runs.plan import data_calls, plan_run
    from w2sg.spec import load

    base = {
        "data": {"bundled": "demo", "n_labelled": 60, "n_unlabelled": 200, "n_test": 100},
        "student": {"model": "strong", "precision": "float32"},
        "run": {"seeds": [0], "references": list(_references())},
    }
    spec = load(base, overrides)
    environment = {"torch": "t", "transformers": "t", "device": "cpu", "attention": "sdpa"}
    with (
        patch("w2sg.models.sources.fingerprint", lambda name: f"weights of {name}"),
        patch("w2sg.runs.graph.training_environment", lambda: environment),
    ):
        data = data_calls(spec, {"main": "table"})
        facts = {seed: _facts(spec, seed) for seed in data}
        plan = plan_run(spec, data, facts, "float32")
        calls = {f"data/{seed}": call for seed, call in data.items()}
        calls |= {role: plan.calls[key] for role, key in plan.roles.items()}
        if spec.data.n_labelled:
            graph = Graph(spec, data, facts, "float32")
            seed = spec.run.seeds[0]
            features = graph.features([seed])
            calls["preflight"] = preflight._call(graph, seed, features, packaged_record())
            outcome: Any = SimpleNamespace(
                plan=plan, spec=spec, data={seed: call.key for seed, call in data.items()}
            )
            calls["explanation"] = explain._call(outcome, {"strong": features})
    return calls


def keys() -> dict[str, Any]:
    """Return the keys of a base spec, and of each variant those that are other or new."""
    from w2sg.api import run_id
    from w2sg.spec import load

    base = {role: call.key for role, call in planned({}).items()}
    base["run folder"] = run_id(load({"data": {"bundled": "demo"}}))
    found: dict[str, Any] = {"tfidf, qv, every reference": dict(sorted(base.items()))}
    for name, overrides in specs().items():
        now = {role: call.key for role, call in sorted(planned(overrides).items())}
        found[name] = {role: key for role, key in now.items() if base.get(role) != key}
        if gone := sorted(set(base) - set(now) - {"run folder"}):
            found[name]["without"] = gone
    return found


def _references() -> tuple[str, ...]:
    from w2sg import arms

    return arms.references()


def _facts(spec: Any, seed: int) -> dict[str, Any]:
    labelled = spec.data.n_labelled
    names = ("labelled", "labelled_texts", "unlabelled", "unlabelled_texts", "hidden", "given")
    prints = {name: f"{name} {seed}" for name in names} | {"test": "test", "test_texts": "texts"}
    return {
        "label_names": ["bad", "good"],
        "rows": {"labelled": labelled, "unlabelled": 200, "test": 100},
        "n_hidden": 200,
        "fingerprints": prints,
    }


def example(folder: Path) -> tuple[Any, dict[str, Any]]:
    """Return a real run on a tiny model with forecast and explanation, and all its JSON."""
    import tiny

    import w2sg
    from w2sg.data.synthetic import word_table

    frame = word_table(240, n_words=60, words_per_text=8).frame
    frame.assign(label=frame["label"].map({0: "bad", 1: "good"})).to_csv(
        folder / "words.csv", index=False
    )
    model = tiny.save_bert(folder / "model")
    run = {"seeds": [0, 1], "preview": True, "references": list(_references())}
    spec = tiny.tables(folder / "words.csv", model, folder / "store", run=run)
    forecast = w2sg.preflight(spec)
    result = w2sg.run(spec)
    result.explain()
    files = {
        name: json.loads((result.folder / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("result", "forecast", "explanation")
    }
    stages: dict[str, Any] = {}
    for manifest in result.outcome.store.manifests():
        files["manifest"] = {**vars(manifest), "body": {}, "facts": {}, "files": {}, "needs": {}}
        stages.setdefault(manifest.body["stage"], []).append(manifest.facts)
    assert forecast.facts
    return result, {**files, "facts of stages": stages}


def shape(value: Any) -> Any:
    """Return the nested field names of JSON, and the types of its values.

    Lists have the shape of all their items together; whole numbers and fractions are one type.
    """
    if isinstance(value, dict):
        return {name: shape(item) for name, item in sorted(value.items())}
    if isinstance(value, list | tuple):
        return [reduce(_both, map(shape, value))] if value else []
    if value is None:
        return "null"
    return {bool: "truth", str: "text"}.get(type(value), "number")


def _both(a: Any, b: Any) -> Any:
    if a == b or b in ("null", []):
        return a
    if a in ("null", []):
        return b
    if isinstance(a, dict) and isinstance(b, dict):
        return {name: _both(a.get(name, "null"), b.get(name, "null")) for name in sorted({*a, *b})}
    if isinstance(a, list) and isinstance(b, list):
        return [_both(a[0], b[0])]
    return " or ".join(sorted({*_texts(a), *_texts(b)}))


def _texts(leaf: Any) -> list[str]:
    return str(leaf).split(" or ")


def misshapen(now: Any, golden: Any, at: str = "") -> list[str]:
    """Return where two shapes differ; a value that is withheld in one of them may be anything."""
    if "null" in (now, golden) or [] in (now, golden):
        return []
    if isinstance(now, dict) and isinstance(golden, dict):
        wrong = [f"{at}.{name}: new" for name in now.keys() - golden.keys()]
        wrong += [f"{at}.{name}: gone" for name in golden.keys() - now.keys()]
        for name in now.keys() & golden.keys():
            wrong += misshapen(now[name], golden[name], f"{at}.{name}")
        return wrong
    if isinstance(now, list) and isinstance(golden, list):
        return misshapen(now[0], golden[0], f"{at}[]")
    return [] if now == golden else [f"{at}: {golden} before, {now} now"]


def names() -> dict[str, Any]:
    """Return what every package exports, and every name of ours that a page or docstring prints.

    A name once printed stays in the list until somebody takes it out by hand.
    """
    import w2sg

    exported = {"w2sg": sorted(w2sg.__all__)}
    for info in pkgutil.walk_packages(w2sg.__path__, "w2sg."):
        if info.ispkg:
            listed = getattr(importlib.import_module(info.name), "__all__", None)
            if listed is not None:
                exported[info.name] = sorted(listed)
    golden = GOLDEN / "names.json"
    known = json.loads(golden.read_text(encoding="utf-8"))["printed"] if golden.exists() else []
    return {"exported": exported, "printed": sorted({*known, *_printed()})}


def _printed() -> set[str]:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.py")]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    text += "\n".join(map(_docstrings, sorted((ROOT / "src").rglob("*.py"))))
    found = set(re.findall(r"\bw2sg(?:\.[A-Za-z_]\w*)+\b", text))
    for module, listed in re.findall(r"from (w2sg[\w.]*) import (\([^)]*\)|[\w, ]+)", text):
        found |= {f"{module}.{name}" for name in re.findall(r"\w+", listed.split(" as ")[0])}
    return {name for name in found if resolves(name)}


def _docstrings(path: Path) -> str:
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
    return "\n".join(ast.get_docstring(node) or "" for node in nodes if isinstance(node, kinds))


def resolves(name: str) -> bool:
    """Whether a dotted name is a module or something in one."""
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            module = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        try:
            reduce(getattr, parts[cut:], module)
        except AttributeError:
            return False
        return True
    return False


def help_texts() -> str:
    """Return what `--help` prints, command by command, 100 columns wide."""
    from rich.console import Console

    from w2sg import cli
    from w2sg.cli import theory

    commands = [[], *([name] for name in cli.COMMANDS)]
    commands += [["theory", name] for name in theory.COMMANDS]
    texts = []
    for command in commands:
        out = StringIO()
        cli.app.help_print(command, console=Console(file=out, width=100, no_color=True))
        lines = (line.rstrip() for line in out.getvalue().splitlines())
        texts.append("\n".join([f"$ {' '.join(['w2sg', *command])} --help", *lines]).rstrip())
    return "\n\n".join(texts) + "\n"


class _Outline(HTMLParser):
    """Sections, headings, figures, tables and their heads, digits left out."""

    SHOWN = ("h2", "h3", "h4", "th", "caption", "figcaption", "summary")
    BARE = ("svg", "h1")  # what the first heading says hangs on the numbers
    KEPT = ("main", "header", "footer", "nav", "section", "article", "details", "figure", "table")

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.inside: list[str] = []
        self.text: str | None = None

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag in self.BARE:
            self.lines.append("  " * len(self.inside) + tag)
        if tag not in (*self.SHOWN, *self.KEPT):
            return
        marks = {name: value for name, value in attrs if name in ("id", "class")}
        label = tag + "".join(f" {name}={value}" for name, value in sorted(marks.items()))
        self.lines.append("  " * len(self.inside) + label)
        if tag in self.KEPT:
            self.inside.append(tag)
        else:
            self.text = ""

    def handle_data(self, data: str) -> None:
        if self.text is not None:
            self.text += data

    def handle_endtag(self, tag: str) -> None:
        if tag in self.inside:
            while self.inside.pop() != tag:
                pass
        elif tag in self.SHOWN and self.text is not None:
            words = re.sub(r"\d[\d.,]*", "0", " ".join(self.text.split()))
            self.lines[-1] += f": {words}"
            self.text = None


def outline(page: str) -> str:
    """Return the outline of an HTML page, one line an element."""
    parser = _Outline()
    parser.feed(page)
    return "\n".join(parser.lines) + "\n"


def read(name: str) -> Any:
    """Return what was written down."""
    text = (GOLDEN / f"{name}.{FORMATS[name]}").read_text(encoding="utf-8")
    return json.loads(text) if FORMATS[name] == "json" else text
