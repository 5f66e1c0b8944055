"""Drawing: arrays in, a matplotlib figure out; nothing is shown or written here."""

from w2sg.figures.canvas import new_figure, to_svg
from w2sg.figures.ledger import gain_against_misfit

__all__ = ["gain_against_misfit", "new_figure", "to_svg"]
