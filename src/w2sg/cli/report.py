"""`w2sg report`: the page of a finished run, from what is stored."""

from pathlib import Path


def report(result: Path, *, out: Path | None = None) -> int:
    """Write the page of a result again; nothing is computed.

    Parameters
    ----------
    result
        The folder that `w2sg run` printed.
    out
        Where to write the page; report.html in that folder by default.
    """
    from w2sg.api import open_result

    path = open_result(result).report(out or result / "report.html")
    print(path)
    return 0
