"""The former name of `w2sg.train.attention`; what imports it goes on working."""

from w2sg.train.attention import *  # noqa: F403
from w2sg.train.attention import __all__ as __all__
