"""Which of W_q, W_k, W_v to tune, and at which rates: arXiv 2410.02247 with its controls.

`desk` is minutes on one core with a small transformer of its own. `convergence` and `roles` train
the packaged MiniLM; the sweeps of `roles` need data of the user's and are run by
``benchmarks/attention_roles.py``.
"""

from collections.abc import Callable
from importlib import import_module

from w2sg.studies.study import Study

FIGURES = {
    "DESK": ("desk", "Roles and rates at desk scale (needs torch)"),
    "CONVERGENCE": ("convergence", "Steps to a fixed loss against the ratio (needs torch)"),
}
# takes folder= and tell=: half an hour of one core, resumed where it was stopped
LONG = ("CONVERGENCE",)


def figure_study(name: str) -> Callable[..., Study]:
    """Return the function that makes one figure, its module loaded now.

    >>> callable(figure_study("CONVERGENCE"))
    True
    """
    if name not in FIGURES:
        raise ValueError(f"figure must be one of {', '.join(FIGURES)}, got {name!r}")
    return import_module(f"{__name__}.{FIGURES[name][0]}").study
