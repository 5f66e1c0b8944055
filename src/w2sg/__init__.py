"""Weak-to-strong generalization: train a strong student on a weak teacher's labels.

labelled data → weak teacher → pseudo-labels → strong student → evaluation → report.
"""

from w2sg._version import __version__

__all__ = ["__version__"]
