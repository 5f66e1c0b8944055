"""`w2sg import`: read an archive of a sweep into a store."""

from pathlib import Path


def import_(archive: Path, *, store: Path = Path(".w2sg")) -> int:
    """Check an archive and put its sweep into a store.

    Parameters
    ----------
    archive
        A .zip file that `w2sg export` wrote.
    store
        The folder of results; made if it is not there.
    """
    from w2sg.runs.archive import read_archive
    from w2sg.runs.store import Store
    from w2sg.sweeps import open_sweep

    held = Store(store)
    found = read_archive(archive, held)
    folder = held.root / "sweeps" / found.sweep
    open_sweep(folder).report(folder / "report.html")
    print(f"{found.whole} stages whole, {found.partial} without weights or texts")
    print(folder)
    return 0
