"""`w2sg show`: where a stored number comes from."""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from rich.console import Console
from rich.text import Text

from w2sg.cli.output import terminal

if TYPE_CHECKING:
    from w2sg.runs.store import Manifest


def show(
    key: str,
    *,
    store: Path = Path(".w2sg"),
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Print spec, inputs, versions, machine and times of a stored stage.

    Parameters
    ----------
    key
        The first digits of its key, or all.
    store
        The folder of results.
    as_json
        Print the manifest as JSON.
    """
    from w2sg.runs.provenance import find_key, inputs_of, users_of
    from w2sg.runs.store import Store

    held = Store(store)
    held.require()
    manifest = find_key(held, key)
    if as_json:
        print(json.dumps(vars(manifest), indent=1, sort_keys=True, allow_nan=False))
        return 0
    console = terminal(soft_wrap=True)
    _print(console, "stage", f"{manifest.body['stage']}, version {manifest.body['version']}")
    _print(console, "key", manifest.key)
    _print(console, "state", _state(held, manifest))
    started = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(manifest.started))
    _print(console, "computed", f"{started}, in {manifest.seconds:.1f} s")
    _mapping(console, "versions and machine", manifest.environment)
    _mapping(console, "spec", manifest.body["spec"])
    _mapping(console, "identity of its inputs", manifest.body["inputs"])
    _mapping(console, "stages it read", inputs_of(held, manifest))
    _mapping(console, "files", {n: f"{e['bytes']:,} bytes" for n, e in manifest.files.items()})
    _mapping(console, "facts", {k: _short(v) for k, v in manifest.facts.items()})
    _mapping(console, "used by", dict(users_of(held, manifest.key)))
    if manifest.error:
        console.print("traceback", style="bold")
        console.print(manifest.error)
    return 0


def _state(store: Any, manifest: "Manifest") -> str:
    _, damage = store.read(manifest.key)
    if damage is not None:
        return f"damaged: {damage}"
    return manifest.status


def _print(console: Console, name: str, value: str) -> None:
    console.print(Text(f"{name:10}", "bold"), end=" ")
    console.print(value)


def _mapping(console: Console, title: str, values: dict[str, Any]) -> None:
    if not values:
        return
    console.print(title, style="bold")
    width = max(len(name) for name in values)
    for name, value in values.items():
        console.print(f"  {name:{width}}  {value}")


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 160 else f"{text[:157]}…"
