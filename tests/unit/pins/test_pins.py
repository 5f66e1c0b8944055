"""What users have stored, scripted and linked stays valid; `write.py` here renews the pins."""

import ast
import importlib

import pinned
import pytest

RENEW = "; if that was meant, run python tests/unit/pins/write.py and say why in the CHANGELOG"
MODULES = sorted(
    ".".join(path.relative_to(pinned.ROOT / "src").with_suffix("").parts)
    for path in (pinned.ROOT / "src" / "w2sg").rglob("*.py")
    if any(
        isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "VERSION"
        for node in ast.parse(path.read_text(encoding="utf-8")).body
    )
)


def test_keys():
    """A key that changed by accident makes every stored training of every user worthless."""
    now, golden = pinned.keys(), pinned.read("keys")
    changed = {
        f"{spec}: {role}"
        for spec in now.keys() | golden.keys()
        for role in now.get(spec, {}).keys() | golden.get(spec, {}).keys()
        if now.get(spec, {}).get(role) != golden.get(spec, {}).get(role)
    }
    assert not changed, f"{sorted(changed)}{RENEW}"


@pytest.mark.parametrize("module", MODULES)
def test_version_of_a_stage_is_in_its_key(monkeypatch, module):
    """Catches a VERSION that no key reads: its stage would go on giving what it computed before."""
    before = {role: call.body for role, call in pinned.planned({}).items()}
    monkeypatch.setattr(importlib.import_module(module), "VERSION", 99)
    after = {role: call.body for role, call in pinned.planned({}).items()}
    raised = {body["stage"] for body in after.values() if body["version"] == 99}
    assert len(raised) == 1
    assert all(before[role] != after[role] for role in after if after[role]["stage"] in raised)


def test_every_stage_has_a_version(monkeypatch):
    """Catches a stage whose number stands beside the graph instead of beside what it computes."""
    for module in MODULES:
        monkeypatch.setattr(importlib.import_module(module), "VERSION", 99)
    assert {c.stage for c in pinned.planned({}).values() if c.body["version"] != 99} == set()


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    return pinned.example(tmp_path_factory.mktemp("pins"))


def test_fields_of_stored_json(example):
    wrong = pinned.misshapen(pinned.shape(example[1]), pinned.read("shapes"))
    assert not wrong, f"{wrong}{RENEW}"


def test_outline_of_a_page(example, tmp_path):
    page = example[0].report(tmp_path / "page.html").read_text(encoding="utf-8")
    assert pinned.outline(page) == pinned.read("page"), f"the page has another outline{RENEW}"


def test_exported_names():
    assert pinned.names()["exported"] == pinned.read("names")["exported"], RENEW


@pytest.mark.parametrize("name", pinned.read("names")["printed"])
def test_printed_name_is_there(name):
    """Catches a module that moved without a re-export where pages and docstrings have named it."""
    assert pinned.resolves(name)


def test_new_printed_names_are_pinned():
    assert pinned.names()["printed"] == pinned.read("names")["printed"], RENEW


def test_help_texts():
    assert pinned.help_texts() == pinned.read("help"), f"a --help text changed{RENEW}"


@pytest.mark.parametrize(
    ("now", "golden", "wrong"),
    [
        ({"a": "number"}, {"a": "null"}, 0),
        ({"a": "number"}, {"a": "text"}, 1),
        ({"a": ["number"], "b": "text"}, {"a": []}, 1),
        ({}, {"a": [{"b": "text"}]}, 1),
    ],
)
def test_shapes_are_compared(now, golden, wrong):
    """A comparison that forgives everything would let every field go."""
    assert len(pinned.misshapen(now, golden)) == wrong
