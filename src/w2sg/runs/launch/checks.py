"""Whether the workers and the launcher that a sweep was given go together."""

from w2sg._arguments import as_whole
from w2sg.runs.launch.task import Launcher


def check_workers(workers: int, launcher: Launcher | None) -> None:
    """Refuse a launcher that is none, and workers that it would not use.

    Raises:
        ValueError: One of them cannot be meant.
    """
    as_whole("workers", workers, low=1)
    if launcher is None:
        return
    if not hasattr(launcher, "slots"):
        raise ValueError(
            "launcher must be an object that computes stages, such as w2sg.runs.launch.ray.Ray(), "
            f"got {launcher!r}"
        )
    if workers != 1:
        raise ValueError(
            f"workers = {workers} would change nothing: {type(launcher).__name__} computes the "
            "stages elsewhere; leave out one of workers and launcher"
        )
