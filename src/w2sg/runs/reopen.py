"""A finished run, read again from its store without its data or its models."""

from pathlib import Path
from typing import Any

from w2sg.runs.execute import Outcome
from w2sg.runs.graph import Call
from w2sg.runs.names import checked_key
from w2sg.runs.plan import RunPlan
from w2sg.runs.store import Manifest, Store, read_json
from w2sg.spec import Spec

RESULT_VERSION = 1


def reopen(spec: Spec, folder: Path) -> Outcome:
    """Return a run that was finished before, from its store, without its data or its models.

    Args:
        spec: As it was written beside the result.
        folder: The folder of the result, two levels below its store.

    Raises:
        ValueError: A stage of it is gone or damaged.
    """
    record = _read_result(folder)
    store = Store(folder.parent.parent)
    manifests: dict[str, Manifest] = {}
    for role, key in {**record["roles"], **record["data"]}.items():
        manifest, damage = store.read(key)
        if manifest is None or manifest.status != "done":
            raise ValueError(
                f"{role} of this run is not whole ({damage or 'it is gone'}); run it again with "
                f"`w2sg run {folder / 'spec.toml'}`"
            )
        manifests[key] = manifest
    # records of before have no list of stages
    stages = record.get("stages") or [[key, role] for role, key in record["roles"].items()]
    calls = {
        key: Call((m := manifests[key]).body["stage"], m.body, m.needs, label=label)
        for key, label in stages
    }
    return Outcome(
        spec=spec,
        plan=RunPlan(calls, record["roles"], record["n_naive"]),
        data={int(seed): key for seed, key in record["data"].items()},
        manifests=manifests,
        store=store,
        computed=tuple(record.get("computed", ())),
    )


def _read_result(folder: Path) -> dict[str, Any]:
    path = folder / "result.json"
    try:
        record = read_json(path)
        if (version := record.get("version")) != RESULT_VERSION:
            raise ValueError(
                f"it has version {version!r} and this w2sg reads {RESULT_VERSION}; update w2sg"
            )
        for key in (*record["roles"].values(), *record["data"].values()):
            checked_key(key)
        int(record["n_naive"])
        for seed in record["data"]:
            int(seed)
    except (OSError, KeyError, TypeError, AttributeError, ValueError) as error:
        why = f"{error} is missing" if isinstance(error, KeyError) else error
        raise ValueError(f"the result {str(path)!r} cannot be read: {why}") from None
    return record
