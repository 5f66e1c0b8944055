"""Figures of "On the Mechanisms of Weak-to-Strong Generalization" and beyond, re-made.

F1 is the published heat map (its parameters are a guess, its caption is known); E2 to E9 are
experiments of our note. Each draws theory over simulation and checks what it states.
"""

from collections.abc import Callable
from importlib import import_module

from w2sg.studies.study import Study

FIGURES = {
    "F1": ("heat_maps", "Who wins over both penalties, below and above interpolation"),
    "E2": ("phase_transition", "The best student over its aspect ratio"),
    "E3": ("reuse_and_chains", "Reused against fresh inputs, and chains of students"),
    "E4": ("feature_width", "A random-feature student over its width"),
    "E5": ("aligned_penalty", "What an aligned penalty buys"),
    "E6": ("spiked_penalty", "From which teacher a spiked penalty still gains"),
    "E7": ("polynomial_heads", "Easy features from the teacher, hard ones of one's own"),
    "E8": ("real_networks", "The same with real two-layer networks (needs torch)"),
    "E9": ("spectra", "The spike that one gradient step leaves in the spectrum"),
}


def figure_study(name: str) -> Callable[[], Study]:
    """Return the function that makes one figure, its module loaded now.

    >>> callable(figure_study("E9"))
    True
    """
    if name not in FIGURES:
        raise ValueError(f"figure must be one of {', '.join(FIGURES)}, got {name!r}")
    return import_module(f"{__name__}.{FIGURES[name][0]}").study
