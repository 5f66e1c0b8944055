"""`w2sg export`: a sweep as one file that another machine can read."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def export(
    spec: Path,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    everything: Annotated[bool, Parameter(negative="")] = False,
    set: Annotated[tuple[str, ...], Parameter(name=["--set"], negative=())] = (),
) -> int:
    """Write specs, manifests, per-item predictions and the page of a sweep as a zip file.

    Parameters
    ----------
    spec
        The sweep's TOML file, or its folder.
    out
        Where to write: a .zip file.
    everything
        Also the trained weights, features and the texts of the data; they stay out otherwise.
    set
        As the sweep was run with.
    """
    from w2sg._paths import refuse_overwriting
    from w2sg.runs.archive import export as write_archive
    from w2sg.spec import parse_overrides
    from w2sg.sweeps import open_sweep

    if out.suffix != ".zip":
        raise ValueError(f"--out {str(out)!r}: the ending must be .zip")
    result = open_sweep(spec, parse_overrides(set))
    refuse_overwriting(out, {"the sweep": spec, "the store": result.store.root / "stages"})
    found = write_archive(result.folder, result.store, out, everything=everything)
    print(f"{found.whole} stages whole, {found.partial} without weights or texts → {out}")
    if found.missing:
        print(f"{found.missing} stages are not finished and not in it")
    return 0
